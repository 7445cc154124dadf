//! Rows of the Storage Read API: Arrow's batches and Avro's rows, which say their columns once, before all messages.

mod arrow;
mod avro;
mod cells;
mod group;
mod stream;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use arrow::look as look_at_arrow;
pub use arrow::{ARRAY_ROWS_MAX, BATCH_DECODED_BYTES_MAX};
pub use avro::AVRO_SCHEMA_BYTES_MAX;
pub(crate) use avro::look as look_at_avro;
pub use group::{GROUP_BYTES_MAX, GROUP_ROWS_MAX, Group};
pub use stream::{MaskedBatch, STREAM_MESSAGE_BYTES_MAX, StreamMasking, StreamSchema};

/// How many columns a schema may still describe, nested ones too. A name that stands for a record describes it again.
#[derive(Debug)]
struct Room {
    columns: usize,
}

impl Room {
    fn new() -> Room {
        Room { columns: crate::schema::COLUMNS_MAX }
    }

    fn take(&mut self, columns: usize) -> Option<()> {
        self.columns = self.columns.checked_sub(columns)?;
        Some(())
    }
}
