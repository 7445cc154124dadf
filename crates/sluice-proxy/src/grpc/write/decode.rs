//! Messages about writing, understood field by field. What would change or delete rows in place of adding them is not let through as a write.

use super::super::decode::{invalid, is_whole, strict, strict_within, table, too_large, unsupported};
use super::super::defaults::Within;
use super::api::append_rows_request::{MissingValueInterpretation, Rows};
use super::api::write_stream::{Type, WriteMode};
use super::api::{
    AppendRowsRequest, BatchCommitWriteStreamsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest, FlushRowsRequest,
    GetWriteStreamRequest, WriteStreamView,
};
use crate::rest::names;
use axum::body::Bytes;
use sluice_app::{StreamAct, StreamAsk, StreamKind, Why};
use sluice_model::TableName;
use tonic_prost::prost::Message;

/// What may stand there with its default.
const APPEND: Within = Within(&[1, 6, 8], &[(2, Within(&[1], &[]))]);
const COMMIT: Within = Within(&[1], &[]);
const CREATE: Within = Within(&[1], &[(2, Within(&[2, 7], &[]))]);
const FLUSH: Within = Within(&[1], &[(2, Within(&[1], &[]))]);
const GET: Within = Within(&[1, 3], &[]);
/// Of one table, in one step.
pub const COMMITTED_STREAMS_MAX: usize = 1_000;
/// Columns by which BigQuery changes and deletes rows.
const CHANGES: [&str; 2] = ["_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER"];
const STREAM: &str = "`projects/PROJECT/datasets/DATASET/tables/TABLE/streams/STREAM`";

/// A message of rows.
#[derive(Debug)]
pub struct Appended {
    /// Nothing where it goes without saying.
    pub stream: Option<(String, TableName)>,
    /// All that is understood, without the stream and what is only for BigQuery's own logs.
    pub message: Bytes,
    pub rows: u64,
}

/// All methods with one answer, but for the connection.
pub fn of_stream(method: &str, bytes: &[u8]) -> Result<StreamAsk, Why> {
    let (table, act) = match method {
        "BatchCommitWriteStreams" => commit(strict_within(bytes, &COMMIT)?)?,
        "CreateWriteStream" => create(strict_within(bytes, &CREATE)?)?,
        "FinalizeWriteStream" => {
            let FinalizeWriteStreamRequest { name } = strict(bytes)?;
            (table_of(&name)?, StreamAct::Finalize { stream: name })
        }
        "FlushRows" => {
            let FlushRowsRequest { write_stream, offset } = strict_within(bytes, &FLUSH)?;
            let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or_else(|| invalid("`offset` is missing, or negative"))?;
            (table_of(&write_stream)?, StreamAct::Flush { stream: write_stream, offset })
        }
        "GetWriteStream" => {
            let GetWriteStreamRequest { name, view } = strict_within(bytes, &GET)?;
            let view = WriteStreamView::try_from(view).map_err(|_| unsupported("`view` is none that is known"))?;
            (table_of(&name)?, StreamAct::Get { stream: name, with_schema: view == WriteStreamView::Full })
        }
        _ => return Err(unsupported("the method is none that is known")),
    };
    Ok(StreamAsk { connection: String::new(), table, act })
}

pub fn append(bytes: Bytes) -> Result<Appended, Why> {
    let request = AppendRowsRequest::decode(bytes.clone()).map_err(|_| invalid("the message is none of this method's"))?;
    is_whole(request.encoded_len(), &bytes, &APPEND)?;
    if request.offset.is_some_and(|offset| offset < 0) {
        return Err(invalid("`offset` is negative"));
    }
    let known = |number: i32| MissingValueInterpretation::try_from(number).is_ok();
    let mut interpretations = request.missing_value_interpretations.values().copied();
    if !interpretations.all(known) || !known(request.default_missing_value_interpretation) {
        return Err(unsupported("a missing value has an interpretation that is none that is known"));
    }
    let rows = match &request.rows {
        Some(Rows::ProtoRows(data)) => {
            if let Some(described) = data.writer_schema.as_ref().and_then(|schema| schema.proto_descriptor.as_ref()) {
                only_adds(described.field.iter().map(|field| field.name()))?;
            }
            data.rows.as_ref().map_or(0, |rows| rows.serialized_rows.len())
        }
        Some(Rows::ArrowRows(_)) => return Err(unsupported("`arrow_rows` are not served: send `proto_rows`")),
        None => return Err(invalid("the message has no rows")),
    };
    let stream = match request.write_stream.as_str() {
        "" => None,
        name => Some((name.to_owned(), table_of(name)?)),
    };
    let kept = AppendRowsRequest { write_stream: String::new(), trace_id: String::new(), ..request };
    Ok(Appended { stream, message: Bytes::from(kept.encode_to_vec()), rows: u64::try_from(rows).unwrap_or(u64::MAX) })
}

/// The attack is a row that is added with a word beside it, and deletes another by that.
fn only_adds<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<(), Why> {
    let change = fields.find(|field| CHANGES.iter().any(|change| change.eq_ignore_ascii_case(field)));
    match change {
        Some(field) => Err(unsupported(format!("`{field}` is not served: change and delete rows by statements (UPDATE, DELETE, MERGE)"))),
        None => Ok(()),
    }
}

fn create(request: CreateWriteStreamRequest) -> Result<(TableName, StreamAct), Why> {
    let CreateWriteStreamRequest { parent, write_stream } = request;
    let stream = write_stream.ok_or_else(|| invalid("`write_stream` is missing"))?;
    let kind = match Type::try_from(stream.r#type) {
        Ok(Type::Buffered) => StreamKind::Buffered,
        Ok(Type::Committed) => StreamKind::Committed,
        Ok(Type::Pending) => StreamKind::Pending,
        Ok(Type::Unspecified) | Err(_) => return Err(invalid("`write_stream.type` is none of `COMMITTED`, `PENDING`, `BUFFERED`")),
    };
    // What else stands there, BigQuery fills in.
    match WriteMode::try_from(stream.write_mode) {
        Ok(WriteMode::Insert | WriteMode::Unspecified) => Ok((table(&parent, "parent")?, StreamAct::Create { kind })),
        Err(_) => Err(unsupported("`write_stream.write_mode` is none that is known")),
    }
}

fn commit(request: BatchCommitWriteStreamsRequest) -> Result<(TableName, StreamAct), Why> {
    let BatchCommitWriteStreamsRequest { parent, write_streams: streams } = request;
    let parent = table(&parent, "parent")?;
    if streams.is_empty() {
        return Err(invalid("`write_streams` is empty"));
    }
    if streams.len() > COMMITTED_STREAMS_MAX {
        return Err(too_large(format!("`write_streams` has more than {COMMITTED_STREAMS_MAX} names")));
    }
    for stream in &streams {
        if table_of(stream)? != parent {
            return Err(invalid("one of `write_streams` is not of the table that `parent` names"));
        }
    }
    Ok((parent, StreamAct::Commit { streams }))
}

/// The table that a stream writes to. Whether it is there, the book says.
fn table_of(stream: &str) -> Result<TableName, Why> {
    let wanted = || invalid(format!("the stream is not named {STREAM}"));
    let (rest, id) = stream.rsplit_once('/').ok_or_else(wanted)?;
    let is_default = id == "_default";
    let path = match rest.strip_suffix("/streams") {
        Some(path) => path,
        None if is_default => rest,
        None => return Err(wanted()),
    };
    if names::is_plain(id) { table(path, "write_stream") } else { Err(wanted()) }
}

#[cfg(test)]
mod tests;
