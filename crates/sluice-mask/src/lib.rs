//! Raw rows in, rows that may leave out. Pure.
//!
//! `RawPage` is what BigQuery answered, `PageStart` what of it has come so far: nothing but a `Masker` looks into their rows. `MaskedRows` is what an encoder towards a client asks for.
//! What leaves without a mask, and has no label, can be looked at: `Sampling` and `Tally` find columns that nobody labelled.
//! Messages of the Storage Read API become a `MaskedBatch` each, by the same masks.

mod around;
mod columnar;
mod cover;
mod detect;
mod joining;
mod keys;
mod mail;
mod marks;
mod masker;
mod masking;
mod moment;
mod page;
mod scan;
mod schema;
mod settle;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use columnar::{
    ARRAY_ROWS_MAX, AVRO_SCHEMA_BYTES_MAX, BATCH_DECODED_BYTES_MAX, GROUP_BYTES_MAX, GROUP_ROWS_MAX, Group, MaskedBatch,
    STREAM_MESSAGE_BYTES_MAX, StreamMasking, StreamSchema,
};
pub use cover::CoveredPath;
pub use detect::{
    CELL_BYTES_MAX, COLUMNS_TALLIED_MAX, Finding, SAMPLE_BYTES_MAX, SAMPLE_MESSAGE_BYTES_MAX, SAMPLE_ROWS_MAX, Sample, Sampling, Source,
    Tally, kinds_by_name,
};
pub use joining::{JOINED_BYTES_MAX, Joining};
pub use keys::{COARSE_BYTES, MASK_SECRET_BYTES, MaskKeys};
pub use masker::{MaskFault, MaskedCells, MaskedRows, Masker, ROWS_BYTES_MAX};
pub use masking::{Masking, PAGE_ON_ITS_WAY_BYTES_MAX, PageStart, ROW_BYTES_MAX};
pub use page::{HEAD_MEMBER_BYTES_MAX, HEAD_MEMBERS_MAX, Head, PAGE_BYTES_MAX, PAGE_TOKEN_BYTES_MAX, PageFault, RawPage};
pub use schema::{COLUMN_LEVELS_MAX, COLUMN_NAME_BYTES_MAX, COLUMNS_MAX};
