//! One request after the other on one connection: whose rows they are, how they are written, whether they fit.

use super::api::append_rows_request::{MissingValueInterpretation, ProtoData, Rows as Given};
use super::api::append_rows_response::{AppendResult, Response};
use super::api::storage_error::StorageErrorCode;
use super::api::write_stream::Type as Kind;
use super::api::{AppendRowsRequest, AppendRowsResponse, RowError, TableSchema, row_error};
use super::descriptor;
use super::layout::{Layout, Missing};
use super::manage::{error, find, writable};
use super::schema;
use super::streams::{HELD_BYTES_MAX, Stream, Target, show};
use crate::clock::now_milliseconds;
use crate::problem::Problem;
use crate::storage::serve::Door;
use crate::storage::status;
use crate::store::Row;
use crate::values::datum::billed_bytes;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::rpc;
use sluice_model::TableName;
use std::collections::HashSet;
use tonic::{Code, Status};
use tonic_prost::prost::Message;

/// BigQuery names no more of them either.
const ROW_ERRORS_MAX: usize = 100;
/// Columns by which BigQuery would change and delete rows instead of adding them.
const CHANGES: [&str; 2] = ["_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER"];
const STORAGE_ERROR: &str = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError";

/// What a connection has said so far. All of it holds until it says something else.
#[derive(Default)]
pub struct Connection {
    stream: String,
    layout: Option<Layout>,
    missing: Missing,
    pub rows: u64,
}

/// Why rows were not taken. The connection goes on.
struct Refusal {
    code: Code,
    text: String,
    storage: Option<StorageErrorCode>,
    rows: Vec<RowError>,
}

impl Connection {
    /// The answer to one request; an error ends the connection.
    pub fn take(&mut self, door: &Door, asked: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        if !asked.write_stream.is_empty() && asked.write_stream != self.stream {
            (self.stream, self.layout) = (asked.write_stream.clone(), None);
        }
        if self.stream.is_empty() {
            return Err(Status::invalid_argument("the first request has no write_stream"));
        }
        let target = find(door, &self.stream)?;
        let table = match &target {
            Target::Default(table) => table.clone(),
            Target::Stream(stream) => stream.table.clone(),
        };
        let columns = writable(door, &table)?.columns.clone();
        self.remember(&asked);
        let data = match asked.rows {
            Some(Given::ProtoRows(data)) => data,
            Some(Given::ArrowRows(_)) => return Err(status::of(Problem::not_implemented("appending rows of Arrow"))),
            None => return Err(Status::invalid_argument("the request has no rows")),
        };
        let rows = self.laid_out(&columns, data)?;
        let updated = self.layout.as_ref().is_some_and(|layout| layout.columns != columns).then(|| schema::of_columns(&columns));
        let appended = rows.and_then(|rows| {
            let count = rows.len() as u64;
            append(door, &target, &table, asked.offset, rows).inspect(|_| self.rows += count)
        });
        Ok(answer(&self.stream, appended, updated))
    }

    fn remember(&mut self, asked: &AppendRowsRequest) {
        let named = |wanted: MissingValueInterpretation| {
            let all = asked.missing_value_interpretations.iter();
            all.filter(|(_, given)| **given == i32::from(wanted)).map(|(name, _)| name.clone()).collect::<HashSet<_>>()
        };
        if !asked.missing_value_interpretations.is_empty() {
            self.missing.defaults = named(MissingValueInterpretation::DefaultValue);
            self.missing.nulls = named(MissingValueInterpretation::NullValue);
        }
        match asked.default_missing_value_interpretation() {
            MissingValueInterpretation::Unspecified => {}
            MissingValueInterpretation::NullValue => self.missing.all_default = false,
            MissingValueInterpretation::DefaultValue => self.missing.all_default = true,
        }
    }

    fn laid_out(&mut self, columns: &[crate::values::Column], data: ProtoData) -> Result<Result<Vec<Row>, Refusal>, Status> {
        if let Some(described) = data.writer_schema.and_then(|schema| schema.proto_descriptor) {
            let mismatch = |text: String| Status::invalid_argument(format!("Schema mismatch: {text}. Entity: {}", self.stream));
            let fields = descriptor::fields(&described).map_err(mismatch)?;
            if fields.iter().any(|field| CHANGES.iter().any(|change| field.name.eq_ignore_ascii_case(change))) {
                return Err(status::of(Problem::not_implemented("change data capture (`_CHANGE_TYPE`)")));
            }
            self.layout = Some(Layout::new(columns, fields).map_err(mismatch)?);
        }
        let layout = self.layout.as_ref().ok_or_else(|| Status::invalid_argument("the first request has no writer_schema"))?;
        let given = data.rows.unwrap_or_default().serialized_rows;
        if given.is_empty() {
            return Err(Status::invalid_argument("the request has no rows"));
        }
        let (mut rows, mut wrong) = (Vec::with_capacity(given.len()), Vec::new());
        for (index, bytes) in (0..).zip(&given) {
            match layout.row(bytes, &self.missing) {
                Ok(row) => rows.push(row),
                Err(message) if wrong.len() < ROW_ERRORS_MAX => {
                    wrong.push(RowError { index, code: row_error::RowErrorCode::FieldsError.into(), message });
                }
                Err(_) => {}
            }
        }
        Ok(if wrong.is_empty() { Ok(rows) } else { Err(Refusal::of_rows(wrong, &self.stream)) })
    }
}

impl Refusal {
    fn new(code: Code, storage: StorageErrorCode, text: String) -> Refusal {
        Refusal { code, text, storage: Some(storage), rows: Vec::new() }
    }

    fn of_rows(rows: Vec<RowError>, stream: &str) -> Refusal {
        let text = format!("Errors found while processing rows. Please refer to the row_errors field for details. Entity: {stream}");
        Refusal { code: Code::InvalidArgument, text, storage: None, rows }
    }

    fn of_problem(problem: Problem) -> Refusal {
        let status = status::of(problem);
        Refusal { code: status.code(), text: status.message().to_owned(), storage: None, rows: Vec::new() }
    }
}

/// The offset that the rows have now; none on the default stream.
fn append(door: &Door, target: &Target, table: &TableName, offset: Option<i64>, rows: Vec<Row>) -> Result<Option<u64>, Refusal> {
    match target {
        Target::Default(_) if offset.is_some() => {
            let text = "offset must not be set on the default stream".to_owned();
            Err(Refusal { code: Code::InvalidArgument, text, storage: None, rows: Vec::new() })
        }
        Target::Default(_) => {
            show(&door.service.warehouse, &[(table, &rows)], now_milliseconds()).map_err(Refusal::of_problem)?;
            Ok(None)
        }
        Target::Stream(stream) => append_to(door, stream, offset, rows).map(Some),
    }
}

fn append_to(door: &Door, stream: &Stream, offset: Option<i64>, rows: Vec<Row>) -> Result<u64, Refusal> {
    let mut progress = stream.progress();
    let (at, name) = (progress.count, &stream.name);
    if progress.is_finalized {
        let text = format!("Stream is finalized. Entity: {name}");
        return Err(Refusal::new(Code::InvalidArgument, StorageErrorCode::StreamFinalized, text));
    }
    let wanted = offset.map(|offset| u64::try_from(offset).unwrap_or_default());
    if wanted.is_some_and(|wanted| wanted < at) || offset.is_some_and(|offset| offset < 0) {
        let text = format!("The offset is within stream, expected offset {at}, received {}. Entity: {name}", offset.unwrap_or_default());
        return Err(Refusal::new(Code::AlreadyExists, StorageErrorCode::OffsetAlreadyExists, text));
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted > at) {
        let text = format!("The offset is beyond stream, expected offset {at}, received {wanted}. Entity: {name}");
        return Err(Refusal::new(Code::OutOfRange, StorageErrorCode::OffsetOutOfRange, text));
    }
    if stream.kind == Kind::Committed {
        show(&door.service.warehouse, &[(&stream.table, &rows)], now_milliseconds()).map_err(Refusal::of_problem)?;
        progress.count += rows.len() as u64;
        return Ok(at);
    }
    let bytes: u64 = rows.iter().flatten().map(billed_bytes).sum();
    if progress.bytes + bytes > HELD_BYTES_MAX {
        let text = format!("a stream holds at most {HELD_BYTES_MAX} bytes that are not shown. Entity: {name}");
        return Err(Refusal { code: Code::ResourceExhausted, text, storage: None, rows: Vec::new() });
    }
    progress.bytes += bytes;
    progress.count += rows.len() as u64;
    progress.rows.extend(rows);
    Ok(at)
}

fn answer(stream: &str, appended: Result<Option<u64>, Refusal>, updated_schema: Option<TableSchema>) -> AppendRowsResponse {
    let (response, row_errors) = match appended {
        Ok(offset) => {
            let offset = offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
            (Response::AppendResult(AppendResult { offset }), Vec::new())
        }
        Err(refusal) => {
            let details = refusal.storage.map(|code| prost_types::Any {
                type_url: STORAGE_ERROR.to_owned(),
                value: error(code, stream, &refusal.text).encode_to_vec(),
            });
            let details = details.into_iter().collect();
            (Response::Error(rpc::Status { code: refusal.code.into(), message: refusal.text, details }), refusal.rows)
        }
    };
    AppendRowsResponse { updated_schema, row_errors, write_stream: stream.to_owned(), response: Some(response) }
}
