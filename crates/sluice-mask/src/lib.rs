//! Raw rows in, rows that may leave out. Pure.
//!
//! `RawPage` is what BigQuery answered: nothing but a `Masker` looks into its rows. `MaskedRows` is what an encoder towards a client asks for.

mod masker;
mod page;

pub use masker::{MaskFault, MaskedRows, Masker, ROWS_BYTES_MAX};
pub use page::{Head, PAGE_BYTES_MAX, PageFault, RawPage};
