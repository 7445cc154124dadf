//! Answers, of known fields and nothing else.

use super::api::{
    ArrowRecordBatch, ArrowSchema, AvroRows, AvroSchema, ReadRowsResponse, ReadSession, ReadStream, SplitReadStreamResponse, StreamStats,
    ThrottleState, read_rows_response, read_session, stream_stats,
};
use axum::body::Bytes;
use sluice_app::{OpenedSession, RowForm, RowShape, StreamSplit, StreamedBatch};
use std::mem;
use tonic_prost::prost::{Message, encode_length_delimiter, length_delimiter_len};

const MILLISECONDS_PER_SECOND: u64 = 1_000;
const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;
/// A field of so many bytes, as protobuf numbers its kinds.
const OF_LENGTH: u8 = 2;
/// Fields of `ReadRowsResponse`.
const AVRO_ROWS: u8 = 3 << 3 | OF_LENGTH;
const ARROW_RECORD_BATCH: u8 = 4 << 3 | OF_LENGTH;
/// The field of either that holds the rows.
const SERIALIZED: u8 = 1 << 3 | OF_LENGTH;
/// Of gRPC, before each message: whether it is packed, and how long it is.
const FRAME_HEAD_BYTES: usize = 5;

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

/// In its frame, in parts that stand one behind the other: rows as they were put on record, and nobody copies them.
pub fn batch(batch: StreamedBatch, form: RowForm) -> Option<Vec<Bytes>> {
    let StreamedBatch { batch, shape, progress, throttle_percent } = batch;
    let progress = progress.map(|(start, end)| stream_stats::Progress { at_response_start: start, at_response_end: end });
    let around = ReadRowsResponse {
        row_count: signed(batch.value().count()),
        stats: progress.map(|progress| StreamStats { progress: Some(progress) }),
        throttle_state: Some(ThrottleState { throttle_percent: i32::try_from(throttle_percent).unwrap_or(i32::MAX) }),
        schema: shape.map(|shape| match shape {
            RowShape::Arrow(serialized_schema) => read_rows_response::Schema::ArrowSchema(ArrowSchema { serialized_schema }),
            RowShape::Avro(schema) => read_rows_response::Schema::AvroSchema(AvroSchema { schema }),
        }),
        ..ReadRowsResponse::default()
    };
    framed(around, form, batch.value().parts())
}

/// What `around` would be with these rows, written as any other message.
#[expect(deprecated, reason = "old clients read the old count")]
fn framed(mut around: ReadRowsResponse, form: RowForm, parts: &[Bytes]) -> Option<Vec<Bytes>> {
    let row_count = around.row_count;
    // Fields stand in the order of their numbers: these before the rows, the others behind them.
    let before = ReadRowsResponse { stats: mem::take(&mut around.stats), ..ReadRowsResponse::default() };
    let (key, count) = match form {
        RowForm::Arrow(_) => (ARROW_RECORD_BATCH, ArrowRecordBatch { row_count, ..ArrowRecordBatch::default() }.encode_to_vec()),
        RowForm::Avro => (AVRO_ROWS, AvroRows { row_count, ..AvroRows::default() }.encode_to_vec()),
    };
    let rows_bytes: usize = parts.iter().map(Bytes::len).sum();
    // What is empty is not written.
    let field_bytes = if rows_bytes > 0 { 1 + length_delimiter_len(rows_bytes) + rows_bytes } else { 0 };
    let (batch_bytes, behind) = (field_bytes + count.len(), around.encode_to_vec());
    let bytes = before.encoded_len() + 1 + length_delimiter_len(batch_bytes) + batch_bytes + behind.len();
    let mut head = Vec::with_capacity(FRAME_HEAD_BYTES + bytes - rows_bytes);
    head.push(0);
    head.extend_from_slice(&u32::try_from(bytes).ok()?.to_be_bytes());
    before.encode(&mut head).ok()?;
    head.push(key);
    encode_length_delimiter(batch_bytes, &mut head).ok()?;
    if rows_bytes > 0 {
        head.push(SERIALIZED);
        encode_length_delimiter(rows_bytes, &mut head).ok()?;
    }
    let mut frame = Vec::with_capacity(parts.len() + 2);
    frame.push(Bytes::from(head));
    frame.extend(parts.iter().cloned());
    frame.push(Bytes::from([count, behind].concat()));
    frame.retain(|part| !part.is_empty());
    Some(frame)
}

pub fn split(halves: StreamSplit) -> SplitReadStreamResponse {
    let [primary_stream, remainder_stream] = match halves {
        Some(names) => names.map(|name| Some(ReadStream { name })),
        None => [None, None],
    };
    SplitReadStreamResponse { primary_stream, remainder_stream }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::wire;
    use super::*;
    use sluice_app::Compression;

    /// As one message, written by the library.
    #[expect(deprecated, reason = "old clients read the old count")]
    fn whole(around: ReadRowsResponse, form: RowForm, bytes: Bytes) -> Bytes {
        let row_count = around.row_count;
        let rows = match form {
            RowForm::Arrow(_) => read_rows_response::Rows::ArrowRecordBatch(ArrowRecordBatch { serialized_record_batch: bytes, row_count }),
            RowForm::Avro => read_rows_response::Rows::AvroRows(AvroRows { serialized_binary_rows: bytes, row_count }),
        };
        wire::framed(&ReadRowsResponse { rows: Some(rows), ..around }).unwrap()
    }

    #[test]
    fn rows_in_parts_are_the_message_that_the_library_writes() {
        let schemas = [
            None,
            Some(read_rows_response::Schema::ArrowSchema(ArrowSchema { serialized_schema: Bytes::from_static(b"schema") })),
            Some(read_rows_response::Schema::AvroSchema(AvroSchema { schema: "x".repeat(300) })),
        ];
        let progress = stream_stats::Progress { at_response_start: 0.25, at_response_end: 0.5 };
        let stats = [None, Some(StreamStats { progress: Some(progress) })];
        let (mut compared, lengths) = (0, [0, 1, 120, 127, 128, 16_382, 16_384, 70_000]);
        for (length, row_count) in lengths.into_iter().flat_map(|length| [0, 1, 9_000, i64::MAX].map(|count| (length, count))) {
            for (form, schema) in
                [RowForm::Avro, RowForm::Arrow(Compression::None)].into_iter().flat_map(|form| schemas.clone().map(|schema| (form, schema)))
            {
                for (stats, throttle_percent) in stats.into_iter().flat_map(|stats| [0, 7].map(|percent| (stats, percent))) {
                    let throttle_state = Some(ThrottleState { throttle_percent });
                    let around =
                        ReadRowsResponse { row_count, stats, throttle_state, schema: schema.clone(), ..ReadRowsResponse::default() };
                    let bytes: Bytes = (0..length).map(|number| (number % 251) as u8).collect();
                    let parts = [bytes.slice(..length / 3), bytes.slice(length / 3..length / 2), bytes.slice(length / 2..)];
                    let found = framed(around.clone(), form, &parts).unwrap();
                    assert!(found.iter().all(|part| !part.is_empty()));
                    assert!(found.concat() == whole(around, form, bytes), "{length} {row_count} {form:?}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 8 * 4 * 2 * 3 * 4);
    }
}
