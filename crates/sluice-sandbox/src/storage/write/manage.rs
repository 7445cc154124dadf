//! What is done to streams, but for appending: created, told, finalized, flushed, committed.

use super::api::storage_error::StorageErrorCode as Code;
use super::api::write_stream::{Type as Kind, WriteMode};
use super::api::{
    BatchCommitWriteStreamsRequest, BatchCommitWriteStreamsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, GetWriteStreamRequest, StorageError, WriteStream, WriteStreamView,
};
use super::schema;
use super::streams::{Progress, Stream, Target, path, show, table_of};
use crate::clock::now_milliseconds;
use crate::job::results::unique;
use crate::problem::Problem;
use crate::storage::serve::Door;
use crate::storage::status;
use crate::store::state::dataset_of;
use crate::store::{Row, Table, TableKind};
use sluice_model::TableName;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};
use tonic::Status;

const MILLISECONDS_PER_SECOND: i64 = 1_000;
const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;

pub fn create(door: &Door, asked: CreateWriteStreamRequest) -> Result<WriteStream, Status> {
    let table = table_of(&asked.parent);
    let table = table.ok_or_else(|| Status::invalid_argument(format!("parent must be a table, and is `{}`", asked.parent)))?;
    let wanted = asked.write_stream.unwrap_or_default();
    let kind = wanted.r#type();
    if kind == Kind::Unspecified {
        return Err(Status::invalid_argument("write_stream.type must be COMMITTED, PENDING or BUFFERED"));
    }
    if !matches!(wanted.write_mode(), WriteMode::Unspecified | WriteMode::Insert) {
        return Err(status::of(Problem::not_implemented("streams with such a `write_mode`")));
    }
    writable(door, &table)?;
    let stream = door.writes.create(table, kind, &unique(), now_milliseconds());
    described(door, &stream, true)
}

pub fn get(door: &Door, asked: GetWriteStreamRequest) -> Result<WriteStream, Status> {
    let full = asked.view() == WriteStreamView::Full;
    match find(door, &asked.name)? {
        Target::Stream(stream) => described(door, &stream, full),
        Target::Default(table) => {
            let found = writable(door, &table)?;
            let table_schema = full.then(|| schema::of_columns(&found.columns));
            Ok(WriteStream { name: asked.name, r#type: Kind::Committed.into(), table_schema, ..inserting(door, &table)? })
        }
    }
}

pub fn finalize(door: &Door, asked: FinalizeWriteStreamRequest) -> Result<FinalizeWriteStreamResponse, Status> {
    let stream = own(door, &asked.name, "finalized")?;
    let mut progress = stream.progress();
    progress.is_finalized = true;
    Ok(FinalizeWriteStreamResponse { row_count: signed(progress.count) })
}

/// Inclusive: the row at the offset is shown as well.
pub fn flush(door: &Door, asked: FlushRowsRequest) -> Result<FlushRowsResponse, Status> {
    let stream = own(door, &asked.write_stream, "flushed")?;
    if stream.kind != Kind::Buffered {
        return Err(Status::invalid_argument(format!("Stream is not of type BUFFERED, and cannot be flushed. Entity: {}", stream.name)));
    }
    let offset = asked.offset.and_then(|offset| u64::try_from(offset).ok());
    let offset = offset.ok_or_else(|| Status::invalid_argument("offset is required, and not negative"))?;
    let mut progress = stream.progress();
    if offset >= progress.count {
        let text = format!("offset {offset} is beyond the {} rows of the stream. Entity: {}", progress.count, stream.name);
        return Err(Status::out_of_range(text));
    }
    let shown = usize::try_from((offset + 1).saturating_sub(progress.flushed)).unwrap_or(usize::MAX);
    let rows: Vec<Row> = progress.rows.iter().take(shown).cloned().collect();
    show(&door.service.warehouse, &[(&stream.table, &rows)], now_milliseconds()).map_err(status::of)?;
    progress.rows.drain(..rows.len());
    progress.flushed = progress.flushed.max(offset + 1);
    Ok(FlushRowsResponse { offset: signed(progress.flushed - 1) })
}

/// All of them in one step, or none.
pub fn commit(door: &Door, asked: BatchCommitWriteStreamsRequest) -> Result<BatchCommitWriteStreamsResponse, Status> {
    let table = table_of(&asked.parent);
    let table = table.ok_or_else(|| Status::invalid_argument(format!("parent must be a table, and is `{}`", asked.parent)))?;
    if asked.write_streams.is_empty() {
        return Err(Status::invalid_argument("write_streams is empty"));
    }
    let now = now_milliseconds();
    let (mut streams, mut errors): (BTreeMap<String, Arc<Stream>>, Vec<StorageError>) = (BTreeMap::new(), Vec::new());
    for name in asked.write_streams {
        match door.writes.find(&name, now) {
            Some(Target::Stream(stream)) if stream.table == table => drop(streams.insert(name, stream)),
            Some(Target::Default(_)) => errors.push(error(Code::InvalidStreamType, &name, "the default stream is not committed")),
            _ => errors.push(error(Code::StreamNotFound, &name, "there is no such stream of the table")),
        }
    }
    // In the order of their names: whoever else commits some of them waits, and nobody waits for each other.
    let mut held: Vec<(&Arc<Stream>, MutexGuard<'_, Progress>)> = streams.values().map(|stream| (stream, stream.progress())).collect();
    errors.extend(held.iter().filter_map(|(stream, progress)| uncommittable(stream, progress)));
    if !errors.is_empty() {
        return Ok(BatchCommitWriteStreamsResponse { commit_time: None, stream_errors: errors });
    }
    let rows: Vec<(&TableName, &[Row])> = held.iter().map(|(stream, progress)| (&stream.table, progress.rows.as_slice())).collect();
    show(&door.service.warehouse, &rows, now).map_err(status::of)?;
    for (_, progress) in &mut held {
        progress.rows = Vec::new();
        progress.committed_milliseconds = Some(now);
    }
    let mut answer = BatchCommitWriteStreamsResponse::default();
    *answer.commit_time.get_or_insert_default() = moment(now);
    Ok(answer)
}

/// A table that rows can be appended to.
pub fn writable(door: &Door, name: &TableName) -> Result<Arc<Table>, Status> {
    let state = door.service.warehouse.snapshot();
    let table = state.table(name).map_err(status::of)?;
    match table.kind {
        TableKind::Table => Ok(Arc::clone(table)),
        _ => Err(Status::invalid_argument(format!("Cannot add rows to a table of type {}. Entity: {}", table.type_word(), path(name)))),
    }
}

pub fn find(door: &Door, name: &str) -> Result<Target, Status> {
    let found = door.writes.find(name, now_milliseconds());
    found.ok_or_else(|| Status::not_found(format!("Requested entity was not found. Entity: {name}")))
}

pub fn error(code: Code, entity: &str, text: &str) -> StorageError {
    StorageError { code: code.into(), entity: entity.to_owned(), error_message: text.to_owned() }
}

fn own(door: &Door, name: &str, what: &str) -> Result<Arc<Stream>, Status> {
    match find(door, name)? {
        Target::Stream(stream) => Ok(stream),
        Target::Default(_) => Err(Status::invalid_argument(format!("The default stream cannot be {what}. Entity: {name}"))),
    }
}

fn uncommittable(stream: &Stream, progress: &Progress) -> Option<StorageError> {
    let fault = |code: Code, text: &str| Some(error(code, &stream.name, text));
    if stream.kind != Kind::Pending {
        fault(Code::InvalidStreamType, "only streams of type PENDING are committed")
    } else if progress.committed_milliseconds.is_some() {
        fault(Code::StreamAlreadyCommitted, "the stream has been committed")
    } else if !progress.is_finalized {
        fault(Code::InvalidStreamState, "the stream has not been finalized")
    } else {
        None
    }
}

fn described(door: &Door, stream: &Stream, full: bool) -> Result<WriteStream, Status> {
    let table = writable(door, &stream.table)?;
    let committed = match stream.kind {
        Kind::Committed => Some(stream.created_milliseconds),
        _ => stream.progress().committed_milliseconds,
    };
    Ok(WriteStream {
        name: stream.name.clone(),
        r#type: stream.kind.into(),
        create_time: Some(moment(stream.created_milliseconds)),
        commit_time: committed.map(moment),
        table_schema: full.then(|| schema::of_columns(&table.columns)),
        ..inserting(door, &stream.table)?
    })
}

fn inserting(door: &Door, table: &TableName) -> Result<WriteStream, Status> {
    let state = door.service.warehouse.snapshot();
    let location = state.dataset(&dataset_of(table)).map_err(status::of)?.location.to_ascii_lowercase();
    Ok(WriteStream { write_mode: WriteMode::Insert.into(), location, ..WriteStream::default() })
}

fn moment(milliseconds: i64) -> prost_types::Timestamp {
    let nanos = milliseconds.rem_euclid(MILLISECONDS_PER_SECOND) * NANOSECONDS_PER_MILLISECOND;
    prost_types::Timestamp { seconds: milliseconds.div_euclid(MILLISECONDS_PER_SECOND), nanos: i32::try_from(nanos).unwrap_or_default() }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
