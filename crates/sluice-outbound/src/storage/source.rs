//! The messages of one stream, read one by one. Whoever takes none leaves them with BigQuery.

use super::api::{ReadRowsResponse, read_rows_response, read_session};
use super::fault::Failure;
use super::wire::Wire;
use sluice_app::{Asking, BatchSource, RowBatch, RowShape, UpstreamFault};
use std::time::Duration;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::client::Grpc;

/// Of one message. BigQuery's have a megabyte or two; one row can have more.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

pub struct StreamRest {
    pub coming: Streaming<ReadRowsResponse>,
    /// While it is there, so is the connection.
    pub _wire: Grpc<Wire>,
    pub patience: Duration,
}

impl BatchSource for StreamRest {
    fn next(&mut self) -> Asking<'_, Result<Option<RowBatch>, UpstreamFault>> {
        Box::pin(async {
            loop {
                let come = timeout(self.patience, self.coming.message()).await;
                let come = come.map_err(|_| broken(Failure::late()))?.map_err(|status| broken(Failure::of(&status)))?;
                let Some(message) = come else { return Ok(None) };
                // Some say only how it goes.
                if let Some(batch) = batch(message).map_err(broken)? {
                    return Ok(Some(batch));
                }
            }
        })
    }
}

fn broken(failure: Failure) -> UpstreamFault {
    failure.fault(1, false)
}

/// How long the rows were before they were packed is left out: it says how long masked values are.
fn batch(message: ReadRowsResponse) -> Result<Option<RowBatch>, Failure> {
    let bytes = match message.rows {
        Some(read_rows_response::Rows::ArrowRecordBatch(batch)) => batch.serialized_record_batch,
        Some(read_rows_response::Rows::AvroRows(rows)) => rows.serialized_binary_rows,
        None if message.row_count == 0 => return Ok(None),
        None => return Err(Failure::odd("a message counts rows and has none")),
    };
    let shape = message.schema.map(|schema| match schema {
        read_rows_response::Schema::ArrowSchema(schema) => RowShape::Arrow(schema.serialized_schema),
        read_rows_response::Schema::AvroSchema(schema) => RowShape::Avro(schema.schema),
    });
    let progress = message.stats.and_then(|stats| stats.progress).map(|progress| (progress.at_response_start, progress.at_response_end));
    let throttle = message.throttle_state.map(|state| state.throttle_percent).unwrap_or_default();
    let rows = u64::try_from(message.row_count).map_err(|_| Failure::odd("a message has fewer rows than none"))?;
    Ok(Some(RowBatch { bytes, rows, shape, progress, throttle_percent: u32::try_from(throttle.clamp(0, 100)).unwrap_or_default() }))
}

pub fn shape(schema: read_session::Schema) -> RowShape {
    match schema {
        read_session::Schema::ArrowSchema(schema) => RowShape::Arrow(schema.serialized_schema),
        read_session::Schema::AvroSchema(schema) => RowShape::Avro(schema.schema),
    }
}
