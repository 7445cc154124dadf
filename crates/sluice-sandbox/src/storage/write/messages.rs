//! Requests as the log keeps them. Rows are counted, not kept.

use super::api::{
    BatchCommitWriteStreamsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest, FlushRowsRequest, GetWriteStreamRequest,
};
use serde_json::{Value, json};
use tonic_prost::prost::Message;

/// A request with one answer.
pub trait Logged: Message {
    fn logged(&self) -> Value;
}

/// A connection, up to now.
#[derive(Debug, Default)]
pub struct Appended {
    pub write_stream: String,
    pub trace_id: String,
    pub requests: usize,
    pub bytes: usize,
    pub rows_taken: u64,
}

pub fn appended(log: &Appended) -> Value {
    json!({ "writeStream": log.write_stream, "traceId": log.trace_id, "requests": log.requests, "rowsTaken": log.rows_taken })
}

impl Logged for CreateWriteStreamRequest {
    fn logged(&self) -> Value {
        let kind = self.write_stream.as_ref().map(|stream| stream.r#type().as_str_name());
        json!({ "parent": self.parent, "writeStream": { "type": kind } })
    }
}

impl Logged for GetWriteStreamRequest {
    fn logged(&self) -> Value {
        json!({ "name": self.name, "view": self.view().as_str_name() })
    }
}

impl Logged for FinalizeWriteStreamRequest {
    fn logged(&self) -> Value {
        json!({ "name": self.name })
    }
}

impl Logged for BatchCommitWriteStreamsRequest {
    fn logged(&self) -> Value {
        json!({ "parent": self.parent, "writeStreams": self.write_streams })
    }
}

impl Logged for FlushRowsRequest {
    fn logged(&self) -> Value {
        json!({ "writeStream": self.write_stream, "offset": self.offset })
    }
}
