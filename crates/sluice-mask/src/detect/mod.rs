//! Finding what nobody labelled: values that leave unmasked are looked at, a few of each piece, and a column whose values look sensitive is named. Never a value.
//!
//! `Sampling` takes a copy of some rows, which costs a piece of rows next to nothing; `Tally` looks at it later, in a thread that no row waits for.

mod addresses;
mod birth;
mod cell;
mod digits;
mod groups;
mod iban;
mod rows;
mod sample;
mod sampling;
mod tally;
mod telephone;
mod words;

pub use cell::CELL_BYTES_MAX;
pub(crate) use sample::{Form, Seen};
pub use sample::{SAMPLE_BYTES_MAX, SAMPLE_MESSAGE_BYTES_MAX, SAMPLE_ROWS_MAX, Sample};
pub(crate) use sampling::Look;
pub use sampling::Sampling;
pub use tally::{COLUMNS_TALLIED_MAX, Finding, Source, Tally};
pub use words::kinds_by_name;
