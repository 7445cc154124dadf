//! Requests as the log keeps them: JSON, with the names that protobuf gives its fields there.

use super::api::read_session::TableReadOptions;
use super::api::read_session::table_read_options::OutputFormatSerializationOptions as Options;
use super::api::{ArrowSerializationOptions, CreateReadSessionRequest, ReadRowsRequest, ReadSession, SplitReadStreamRequest};
use serde_json::{Map, Value, json};

pub fn create(request: &CreateReadSessionRequest) -> Value {
    json!({
        "parent": request.parent,
        "readSession": request.read_session.as_ref().map(session),
        "maxStreamCount": request.max_stream_count,
        "preferredMinStreamCount": request.preferred_min_stream_count,
    })
}

pub fn read(request: &ReadRowsRequest) -> Value {
    json!({ "readStream": request.read_stream, "offset": request.offset })
}

pub fn split(request: &SplitReadStreamRequest) -> Value {
    json!({ "name": request.name, "fraction": request.fraction })
}

fn session(session: &ReadSession) -> Value {
    let snapshot = session.table_modifiers.as_ref().and_then(|modifiers| modifiers.snapshot_time.as_ref());
    json!({
        "table": session.table,
        "dataFormat": session.data_format().as_str_name(),
        "traceId": session.trace_id,
        "snapshotSeconds": snapshot.map(|time| time.seconds),
        "readOptions": session.read_options.as_ref().map(options),
    })
}

fn options(options: &TableReadOptions) -> Value {
    let mut fields = Map::new();
    fields.insert("selectedFields".to_owned(), json!(options.selected_fields));
    fields.insert("rowRestriction".to_owned(), json!(options.row_restriction));
    fields.extend(options.sample_percentage.map(|share| ("samplePercentage".to_owned(), json!(share))));
    fields.extend(options.response_compression_codec.map(|codec| ("responseCompressionCodec".to_owned(), json!(codec))));
    if let Some(Options::ArrowSerializationOptions(arrow)) = &options.output_format_serialization_options {
        fields.insert("bufferCompression".to_owned(), json!(compression(arrow)));
    }
    Value::Object(fields)
}

fn compression(options: &ArrowSerializationOptions) -> &'static str {
    options.buffer_compression().as_str_name()
}
