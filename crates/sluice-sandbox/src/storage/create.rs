//! `CreateReadSession`: what is to be read, checked, and fixed as it is at this moment.

use super::api::arrow_serialization_options::CompressionCodec;
use super::api::read_session::TableReadOptions;
use super::api::read_session::table_read_options::OutputFormatSerializationOptions as Options;
use super::api::{CreateReadSessionRequest, DataFormat, ReadSession, ReadStream};
use super::encode::{Encoder, Wanted};
use super::picked;
use super::sessions::{SESSION_MILLISECONDS_MAX, STREAMS_MAX, Session, Sessions};
use super::status;
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::job::results::unique;
use crate::problem::Problem;
use crate::store::state::dataset_of;
use crate::store::{Rows, Table, TableKind};
use arrow_ipc::CompressionType;
use sluice_model::TableName;
use std::sync::Arc;
use tonic::Status;

/// A session that asks for no number of streams gets one for so many rows.
const STREAM_ROWS: u64 = 250_000;
const RESTRICTION_BYTES_MAX: usize = 1024 * 1024;
const TRACE_BYTES_MAX: usize = 256;

pub fn session(warehouse: &Warehouse, sessions: &Sessions, user: &str, request: CreateReadSessionRequest) -> Result<ReadSession, Status> {
    let project = project_of(&request.parent)?.to_owned();
    let (max, preferred) = counts(&request)?;
    let wanted = request.read_session.ok_or_else(|| Status::invalid_argument("read_session is required"))?;
    check(&wanted)?;
    let form = form(&wanted)?;
    let name = table_name(&wanted.table)?;
    let state = warehouse.snapshot();
    let table = state.table(&name).map_err(status::of)?;
    let location = state.dataset(&dataset_of(&name)).map_err(status::of)?.location.to_ascii_lowercase();
    if let TableKind::View { .. } = table.kind {
        return Err(Status::invalid_argument(format!("request failed: Only tables can be read, and {} is a view", shown(&name))));
    }
    let options = wanted.read_options.clone().unwrap_or_default();
    let picks = match options.selected_fields.as_slice() {
        [] => None,
        paths => Some(picked::picks(&table.columns, paths).map_err(status::of)?),
    };
    let scanned = picks.as_ref().map_or_else(|| table.rows.bytes(), |picks| picked::bytes(table.rows.column_bytes(), picks));
    let columns = picks.as_ref().map_or_else(|| table.columns.clone(), |picks| picked::columns(&table.columns, picks));
    let encoder = Encoder::new(columns, form).map_err(status::of)?;
    let rows = rows(warehouse, table, &options, user)?;
    let now = now_milliseconds();
    let session = Session {
        name: format!("projects/{project}/locations/{location}/sessions/{}", unique()),
        expires_milliseconds: now + SESSION_MILLISECONDS_MAX,
        rows,
        picks,
        encoder,
    };
    let ranges = session.ranges(streams(session.rows.count(), max, preferred));
    let mut made = ReadSession {
        name: session.name.clone(),
        estimated_total_bytes_scanned: signed(scanned),
        estimated_row_count: signed(session.rows.count()),
        schema: Some(session.encoder.session_schema()),
        read_options: Some(options),
        ..wanted
    };
    let expires = made.expire_time.get_or_insert_default();
    expires.seconds = session.expires_milliseconds.div_euclid(1_000);
    expires.nanos = i32::try_from(session.expires_milliseconds.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    made.streams = sessions.keep(session, ranges, now).into_iter().map(|name| ReadStream { name }).collect();
    Ok(made)
}

fn rows(warehouse: &Warehouse, table: &Table, options: &TableReadOptions, user: &str) -> Result<Arc<Rows>, Status> {
    let restriction = options.row_restriction.trim();
    if restriction.is_empty() {
        return Ok(table.rows.clone());
    }
    warehouse.restricted(table, restriction, user).map_err(|problem| {
        let Problem { reason, message, .. } = problem;
        let message =
            format!("request failed: Row filter for table {} is invalid. Filter is '{restriction}': {message}", shown(&table.name));
        status::of(Problem::new(reason, message))
    })
}

/// What this warehouse does not do is refused, not left out.
fn check(wanted: &ReadSession) -> Result<(), Status> {
    let options = wanted.read_options.clone().unwrap_or_default();
    let refused = |what: &str| Err(status::of(Problem::not_implemented(what)));
    if wanted.table_modifiers.is_some_and(|modifiers| modifiers.snapshot_time.is_some()) {
        return refused("sessions with `table_modifiers.snapshot_time`");
    }
    if options.sample_percentage.is_some() {
        return refused("sessions with `sample_percentage`");
    }
    if options.response_compression_codec.is_some_and(|codec| codec != 0) {
        return refused("sessions with `response_compression_codec`");
    }
    if let Some(Options::AvroSerializationOptions(avro)) = &options.output_format_serialization_options
        && avro.enable_display_name_attribute
    {
        return refused("sessions with `enable_display_name_attribute`");
    }
    if options.row_restriction.len() > RESTRICTION_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "read_session.read_options.row_restriction exceeded maximum allowed length. Maximum bytes allowed: {RESTRICTION_BYTES_MAX}"
        )));
    }
    if wanted.trace_id.len() > TRACE_BYTES_MAX {
        return Err(Status::invalid_argument(format!("read_session.trace_id has more than {TRACE_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn form(wanted: &ReadSession) -> Result<Wanted, Status> {
    let format = DataFormat::try_from(wanted.data_format).unwrap_or_default();
    let options = wanted.read_options.as_ref().and_then(|options| options.output_format_serialization_options.as_ref());
    match (format, options) {
        (DataFormat::Arrow, Some(Options::ArrowSerializationOptions(options))) => match options.buffer_compression() {
            CompressionCodec::CompressionUnspecified => Ok(Wanted::Arrow(None)),
            CompressionCodec::Lz4Frame => Ok(Wanted::Arrow(Some(CompressionType::LZ4_FRAME))),
            CompressionCodec::Zstd => Ok(Wanted::Arrow(Some(CompressionType::ZSTD))),
        },
        (DataFormat::Arrow, _) => Ok(Wanted::Arrow(None)),
        (DataFormat::Avro, _) => Ok(Wanted::Avro),
        (DataFormat::Unspecified, _) => Err(Status::invalid_argument("read_session.data_format is neither AVRO nor ARROW")),
    }
}

/// The most and the least streams; nothing where the client leaves it to the warehouse.
fn counts(request: &CreateReadSessionRequest) -> Result<(Option<u64>, u64), Status> {
    let count = |name: &str, given: i32| {
        u64::try_from(given).map_err(|_| Status::invalid_argument(format!("{name} must not be negative, and is {given}")))
    };
    let max = count("max_stream_count", request.max_stream_count)?;
    let preferred = count("preferred_min_stream_count", request.preferred_min_stream_count)?;
    if max > 0 && preferred > max {
        return Err(Status::invalid_argument("preferred_min_stream_count is greater than max_stream_count"));
    }
    Ok(((max > 0).then_some(max), preferred))
}

/// As many as the client can handle; where it does not say, as many as the rows are worth.
fn streams(rows: u64, max: Option<u64>, preferred: u64) -> u64 {
    max.unwrap_or_else(|| rows.div_ceil(STREAM_ROWS).max(preferred)).min(STREAMS_MAX as u64)
}

fn project_of(parent: &str) -> Result<&str, Status> {
    match parent.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project] if !project.is_empty() => Ok(project),
        _ => Err(Status::invalid_argument(format!("parent must be projects/PROJECT, and is `{parent}`"))),
    }
}

fn table_name(table: &str) -> Result<TableName, Status> {
    match table.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, "datasets", dataset, "tables", table] if ![project, dataset, table].iter().any(|part| part.is_empty()) => {
            if table.contains(['$', '@', '*']) {
                return Err(status::of(Problem::not_implemented("partition and time decorators, and wildcards")));
            }
            Ok(TableName::new(project, dataset, table))
        }
        _ => {
            let message = format!("read_session.table must be projects/PROJECT/datasets/DATASET/tables/TABLE, and is `{table}`");
            Err(Status::invalid_argument(message))
        }
    }
}

fn shown(name: &TableName) -> String {
    format!("{}:{}.{}", name.project, name.dataset, name.table)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_as_many_as_are_worth_it() {
        let check = |rows: u64, max: Option<u64>, preferred: u64, expect: u64| {
            assert_eq!(streams(rows, max, preferred), expect, "{rows} {max:?} {preferred}")
        };
        check(40, None, 0, 1);
        check(40, None, 3, 3);
        check(40, Some(2), 1, 2);
        check(20_000_000, None, 0, 80);
        check(20_000_000, None, 100, 100);
        check(20_000_000, Some(5_000), 0, 1_000);
        check(0, None, 0, 0);
    }

    #[test]
    fn names_are_read_or_refused() {
        let check =
            |text: &str, expect: Option<&str>| assert_eq!(table_name(text).ok().map(|name| shown(&name)).as_deref(), expect, "{text}");
        check("projects/p/datasets/d/tables/t", Some("p:d.t"));
        check("projects/p/datasets/_d/tables/anon1", Some("p:_d.anon1"));
        check("projects/p/datasets/d/tables/t$20260101", None);
        check("projects/p/datasets/d/tables/", None);
        check("projects/p/datasets/d", None);
        check("p.d.t", None);
        assert!(project_of("projects/p").is_ok());
        assert!(project_of("projects/p/locations/us").is_err() && project_of("projects/").is_err() && project_of("").is_err());
    }
}
