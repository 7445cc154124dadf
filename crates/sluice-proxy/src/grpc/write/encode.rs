//! Answers, of known fields and nothing else.

use super::api::append_rows_response::{AppendResult, Response};
use super::api::write_stream::{Type, WriteMode};
use super::api::{
    AppendRowsResponse, BatchCommitWriteStreamsResponse, FinalizeWriteStreamResponse, FlushRowsResponse, RowError, StorageError,
    TableSchema, WriteStream,
};
use axum::body::{Body, Bytes};
use axum::http;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::rpc;
use sluice_app::{AppendAnswer, Committed, Moment, StreamAnswer, StreamFault, StreamKind, WriteStreamState};
use tonic_prost::prost::Message;

const STORAGE_ERROR: &str = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError";

pub fn of_stream(answer: StreamAnswer) -> http::Response<Body> {
    use super::super::answer::message;
    match answer {
        StreamAnswer::Committed(committed) => message(&commit(committed)),
        StreamAnswer::Described(state) => message(&stream(state)),
        StreamAnswer::Finalized { rows } => message(&FinalizeWriteStreamResponse { row_count: signed(rows) }),
        StreamAnswer::Flushed { offset } => message(&FlushRowsResponse { offset: signed(offset) }),
    }
}

pub fn append(stream: &str, answer: AppendAnswer) -> AppendRowsResponse {
    let AppendAnswer { taken, row_faults, schema } = answer;
    let response = match taken {
        Ok(offset) => Response::AppendResult(AppendResult { offset }),
        Err(fault) => {
            let details = fault.storage.map(|code| prost_types::Any {
                type_url: STORAGE_ERROR.to_owned(),
                value: StorageError { code, entity: stream.to_owned(), error_message: fault.text.clone() }.encode_to_vec(),
            });
            Response::Error(rpc::Status { code: fault.code, message: fault.text, details: details.into_iter().collect() })
        }
    };
    let row_errors = row_faults.into_iter().map(|fault| RowError { index: fault.index, code: fault.code, message: fault.text });
    AppendRowsResponse {
        updated_schema: read(schema),
        row_errors: row_errors.collect(),
        write_stream: stream.to_owned(),
        response: Some(response),
    }
}

fn commit(committed: Committed) -> BatchCommitWriteStreamsResponse {
    let error = |fault: StreamFault| StorageError { code: fault.code, entity: fault.stream, error_message: fault.text };
    BatchCommitWriteStreamsResponse {
        commit_time: committed.at.map(moment),
        stream_errors: committed.faults.into_iter().map(error).collect(),
    }
}

fn stream(state: WriteStreamState) -> WriteStream {
    let kind = match state.kind {
        StreamKind::Buffered => Type::Buffered,
        StreamKind::Committed => Type::Committed,
        StreamKind::Pending => Type::Pending,
    };
    WriteStream {
        name: state.name,
        r#type: kind.into(),
        create_time: state.created.map(moment),
        commit_time: state.committed.map(moment),
        table_schema: read(state.schema),
        write_mode: WriteMode::Insert.into(),
        location: state.location,
    }
}

/// What is not known of it is left out.
fn read(schema: Option<Bytes>) -> Option<TableSchema> {
    schema.and_then(|schema| TableSchema::decode(schema).ok())
}

fn moment(moment: Moment) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: moment.seconds, nanos: i32::try_from(moment.nanoseconds).unwrap_or_default() }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
