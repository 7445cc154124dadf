//! Answers, of known fields and nothing else.

use super::api::{
    ArrowRecordBatch, ArrowSchema, AvroRows, AvroSchema, ReadRowsResponse, ReadSession, ReadStream, SplitReadStreamResponse, StreamStats,
    ThrottleState, read_rows_response, read_session, stream_stats,
};
use axum::body::Bytes;
use sluice_app::{OpenedSession, RowForm, RowShape, StreamSplit, StreamedBatch};
use sluice_ledger::Recorded;
use sluice_mask::MaskedBatch;

/// Rows as they were put on record: nobody copies them before they are written.
struct Rows(Recorded<MaskedBatch>);

const MILLISECONDS_PER_SECOND: u64 = 1_000;
const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// What was asked for, as it is understood, with what there is of it.
pub fn session(asked: ReadSession, opened: OpenedSession) -> ReadSession {
    let mut session = ReadSession {
        name: opened.name,
        data_format: asked.data_format,
        table: asked.table,
        table_modifiers: asked.table_modifiers,
        read_options: asked.read_options,
        streams: opened.streams.into_iter().map(|name| ReadStream { name }).collect(),
        estimated_total_bytes_scanned: signed(opened.bytes_estimated),
        estimated_row_count: signed(opened.rows_estimated),
        schema: Some(match opened.shape {
            RowShape::Arrow(serialized_schema) => read_session::Schema::ArrowSchema(ArrowSchema { serialized_schema }),
            RowShape::Avro(schema) => read_session::Schema::AvroSchema(AvroSchema { schema }),
        }),
        ..ReadSession::default()
    };
    let expires = session.expire_time.get_or_insert_default();
    expires.seconds = signed(opened.expires_ms / MILLISECONDS_PER_SECOND);
    expires.nanos = i32::try_from(opened.expires_ms % MILLISECONDS_PER_SECOND * NANOSECONDS_PER_MILLISECOND).unwrap_or_default();
    session
}

#[expect(deprecated, reason = "old clients read the old count")]
pub fn batch(batch: StreamedBatch, form: RowForm) -> ReadRowsResponse {
    let StreamedBatch { batch, shape, progress, throttle_percent } = batch;
    let row_count = signed(batch.value().count());
    let bytes = Bytes::from_owner(Rows(batch));
    let rows = match form {
        RowForm::Arrow(_) => read_rows_response::Rows::ArrowRecordBatch(ArrowRecordBatch { serialized_record_batch: bytes, row_count }),
        RowForm::Avro => read_rows_response::Rows::AvroRows(AvroRows { serialized_binary_rows: bytes, row_count }),
    };
    let progress = progress.map(|(start, end)| stream_stats::Progress { at_response_start: start, at_response_end: end });
    ReadRowsResponse {
        row_count,
        stats: progress.map(|progress| StreamStats { progress: Some(progress) }),
        throttle_state: Some(ThrottleState { throttle_percent: i32::try_from(throttle_percent).unwrap_or(i32::MAX) }),
        rows: Some(rows),
        schema: shape.map(|shape| match shape {
            RowShape::Arrow(serialized_schema) => read_rows_response::Schema::ArrowSchema(ArrowSchema { serialized_schema }),
            RowShape::Avro(schema) => read_rows_response::Schema::AvroSchema(AvroSchema { schema }),
        }),
        ..ReadRowsResponse::default()
    }
}

pub fn split(halves: StreamSplit) -> SplitReadStreamResponse {
    let [primary_stream, remainder_stream] = match halves {
        Some(names) => names.map(|name| Some(ReadStream { name })),
        None => [None, None],
    };
    SplitReadStreamResponse { primary_stream, remainder_stream }
}

impl AsRef<[u8]> for Rows {
    fn as_ref(&self) -> &[u8] {
        self.0.value().bytes()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
