//! Arrow's IPC messages: a schema, or one batch of rows.

use crate::problem::Problem;
use arrow_array::RecordBatch;
use arrow_ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, Schema};

/// Arrow's readers like their buffers to begin at such places.
const ALIGNMENT_BYTES: usize = 8;

pub fn of_schema(schema: &Schema) -> Result<Vec<u8>, Problem> {
    let options = options(None).map_err(failed)?;
    let mut tracker = DictionaryTracker::new(true);
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options);
    written(encoded, &options).map_err(failed)
}

pub fn of_batch(batch: &RecordBatch, compression: Option<CompressionType>) -> Result<Vec<u8>, Problem> {
    let options = options(compression).map_err(failed)?;
    let mut tracker = DictionaryTracker::new(true);
    let encoded = IpcDataGenerator::default().encode(batch, &mut tracker, &options, &mut IpcWriteContext::default());
    // No column of ours has a dictionary.
    let (_, encoded) = encoded.map_err(failed)?;
    written(encoded, &options).map_err(failed)
}

pub(super) fn failed(error: ArrowError) -> Problem {
    Problem::internal(format!("Arrow: {error}"))
}

fn options(compression: Option<CompressionType>) -> Result<IpcWriteOptions, ArrowError> {
    IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?.try_with_compression(compression)
}

fn written(encoded: EncodedData, options: &IpcWriteOptions) -> Result<Vec<u8>, ArrowError> {
    let mut message = Vec::with_capacity(encoded.ipc_message.len() + encoded.arrow_data.len() + 2 * ALIGNMENT_BYTES);
    write_message(&mut message, encoded, options)?;
    Ok(message)
}
