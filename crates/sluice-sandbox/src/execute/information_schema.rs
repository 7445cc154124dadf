//! `INFORMATION_SCHEMA` views and `__TABLES__`, made anew whenever they are asked for.

use super::names::{REGION_PREFIX, TABLES_SUMMARY};
use super::world::World;
use crate::problem::Problem;
use crate::store::{Dataset, DatasetName, Row, Rows, Table, TableKind};
use crate::values::schema::columns_of;
use crate::values::{Column, ColumnMode, Datum};
use sluice_model::TableName;
use std::sync::Arc;

const TABLES: &str = "table_catalog STRING, table_schema STRING, table_name STRING, table_type STRING, is_insertable_into STRING, is_typed STRING, \
    creation_time TIMESTAMP, ddl STRING";
const COLUMNS: &str = "table_catalog STRING, table_schema STRING, table_name STRING, column_name STRING, ordinal_position INT64, is_nullable STRING, \
    data_type STRING, is_generated STRING, is_hidden STRING, is_system_defined STRING, is_partitioning_column STRING, \
    clustering_ordinal_position INT64, column_default STRING";
const SCHEMATA: &str =
    "catalog_name STRING, schema_name STRING, schema_owner STRING, creation_time TIMESTAMP, last_modified_time TIMESTAMP, location STRING";
const VIEWS: &str =
    "table_catalog STRING, table_schema STRING, table_name STRING, view_definition STRING, check_option STRING, use_standard_sql STRING";
const ROUTINES: &str = "specific_catalog STRING, specific_schema STRING, specific_name STRING, routine_catalog STRING, routine_schema STRING, \
    routine_name STRING, routine_type STRING, data_type STRING, routine_body STRING, routine_definition STRING, external_language STRING, \
    created TIMESTAMP, last_altered TIMESTAMP";
const FIELD_PATHS: &str = "table_catalog STRING, table_schema STRING, table_name STRING, column_name STRING, field_path STRING, data_type STRING, \
    description STRING";
const TABLE_OPTIONS: &str =
    "table_catalog STRING, table_schema STRING, table_name STRING, option_name STRING, option_type STRING, option_value STRING";
/// The sandbox has none, so that the view is always empty.
const MATERIALIZED_VIEWS: &str = "table_catalog STRING, table_schema STRING, table_name STRING, last_refresh_time TIMESTAMP, \
    refresh_watermark TIMESTAMP, last_refresh_status STRUCT<reason STRING, location STRING, message STRING>";
const SUMMARY: &str = "project_id STRING, dataset_id STRING, table_id STRING, creation_time INT64, last_modified_time INT64, row_count INT64, \
    size_bytes INT64, type INT64";
/// Nothing here is packed, and nothing stays of what was deleted.
const STORAGE: &str = "project_id STRING, project_number INT64, table_catalog STRING, table_schema STRING, table_name STRING, creation_time TIMESTAMP, \
    total_rows INT64, total_partitions INT64, total_logical_bytes INT64, active_logical_bytes INT64, long_term_logical_bytes INT64, \
    current_physical_bytes INT64, total_physical_bytes INT64, active_physical_bytes INT64, long_term_physical_bytes INT64, \
    time_travel_physical_bytes INT64, storage_last_modified_time TIMESTAMP, deleted BOOL, table_type STRING, managed_table_type STRING, \
    fail_safe_physical_bytes INT64, last_metadata_index_refresh_time TIMESTAMP, table_deletion_reason STRING, table_deletion_time TIMESTAMP";
const JOBS: &str = "creation_time TIMESTAMP, project_id STRING, user_email STRING, job_id STRING, job_type STRING, statement_type STRING, priority STRING, \
    start_time TIMESTAMP, end_time TIMESTAMP, query STRING, state STRING, total_bytes_processed INT64, total_bytes_billed INT64, total_slot_ms INT64, \
    cache_hit BOOL, error_result STRUCT<reason STRING, location STRING, message STRING>, \
    destination_table STRUCT<project_id STRING, dataset_id STRING, table_id STRING>, \
    referenced_tables ARRAY<STRUCT<project_id STRING, dataset_id STRING, table_id STRING>>, labels ARRAY<STRUCT<key STRING, value STRING>>, \
    parent_job_id STRING";

/// Where the jobs of a warehouse are known.
pub trait JobHistory: Send + Sync {
    fn jobs(&self) -> Vec<JobFacts>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFacts {
    pub project: String,
    pub job_id: String,
    /// `QUERY`, `LOAD`, `COPY`.
    pub job_type: String,
    pub parent_job_id: Option<String>,
    pub user_email: String,
    pub statement_type: Option<String>,
    pub query: String,
    pub state: String,
    pub created_milliseconds: i64,
    pub started_milliseconds: i64,
    pub ended_milliseconds: Option<i64>,
    pub bytes_processed: u64,
    pub bytes_billed: u64,
    pub error: Option<Problem>,
    pub destination: Option<TableName>,
    pub referenced: Vec<TableName>,
    pub labels: Vec<(String, String)>,
}

pub fn rows(world: &World<'_>, project: &str, qualifier: Option<&str>, view: &str) -> Result<(Vec<Column>, Rows), Problem> {
    let region = qualifier.is_some_and(|qualifier| qualifier.to_ascii_lowercase().starts_with(REGION_PREFIX));
    let datasets: Vec<&Arc<Dataset>> = match qualifier.filter(|_| !region) {
        Some(dataset) => vec![world.state.dataset(&DatasetName::new(project, dataset))?],
        None => world.state.datasets.values().filter(|dataset| dataset.name.project == project && !dataset.name.is_hidden()).collect(),
    };
    let tables = || datasets.iter().flat_map(|dataset| dataset.tables.values());
    let (columns, rows): (&str, Vec<Row>) = match view {
        "TABLES" => (TABLES, tables().map(|table| table_row(table)).collect()),
        "COLUMNS" => (COLUMNS, tables().flat_map(|table| column_rows(table)).collect()),
        "COLUMN_FIELD_PATHS" => (FIELD_PATHS, tables().flat_map(|table| field_path_rows(table)).collect()),
        "MATERIALIZED_VIEWS" => (MATERIALIZED_VIEWS, Vec::new()),
        "TABLE_OPTIONS" => (TABLE_OPTIONS, tables().flat_map(|table| option_rows(table)).collect()),
        TABLES_SUMMARY => (SUMMARY, tables().map(|table| summary_row(table)).collect()),
        "TABLE_STORAGE" if region || qualifier.is_none() => (STORAGE, tables().filter_map(|table| storage_row(table)).collect()),
        "VIEWS" => (VIEWS, tables().filter_map(|table| view_row(table)).collect()),
        "SCHEMATA" => (SCHEMATA, datasets.iter().map(|dataset| schema_row(dataset)).collect()),
        "ROUTINES" => (ROUTINES, routine_rows(&datasets)),
        "JOBS" | "JOBS_BY_PROJECT" | "JOBS_BY_USER" => {
            let jobs = world.history.map(JobHistory::jobs).unwrap_or_default();
            let own = |job: &JobFacts| job.project == project && (view != "JOBS_BY_USER" || job.user_email == world.system.user_email);
            (JOBS, jobs.into_iter().filter(own).map(job_row).collect())
        }
        other => return Err(Problem::not_implemented(&format!("INFORMATION_SCHEMA.{other}"))),
    };
    Ok((columns_of(columns)?, Rows::held(rows)))
}

fn table_row(table: &Table) -> Row {
    let insertable = if table.kind == TableKind::Table { "YES" } else { "NO" };
    let kind = match table.kind {
        TableKind::Snapshot => "SNAPSHOT",
        TableKind::View { .. } => "VIEW",
        TableKind::Generated | TableKind::Table if table.extra.contains_key("cloneDefinition") => "CLONE",
        TableKind::Generated | TableKind::Table => "BASE TABLE",
    };
    let [project, dataset, name] = parts(&table.name);
    vec![project, dataset, name, text(kind), text(insertable), text("NO"), time(table.created_milliseconds), Datum::Null]
}

fn column_rows(table: &Table) -> Vec<Row> {
    let partitioning = table.extra.get("timePartitioning").and_then(|value| value.get("field")).and_then(serde_json::Value::as_str);
    let clustering = table.extra.get("clustering").and_then(|value| value.get("fields")).and_then(serde_json::Value::as_array);
    let place = |name: &str| clustering.and_then(|fields| fields.iter().position(|field| field.as_str() == Some(name)));
    let row = |(position, column): (usize, &Column)| {
        let [project, dataset, name] = parts(&table.name);
        let nullable = if column.mode == ColumnMode::Required { "NO" } else { "YES" };
        let default = column.extra.get("defaultValueExpression").and_then(serde_json::Value::as_str).unwrap_or("NULL");
        vec![
            project,
            dataset,
            name,
            text(&column.name),
            number(position + 1),
            text(nullable),
            text(&column.full_type().to_string()),
            text("NEVER"),
            text("NO"),
            text("NO"),
            text(if partitioning == Some(column.name.as_str()) { "YES" } else { "NO" }),
            place(&column.name).map_or(Datum::Null, |place| number(place + 1)),
            text(default),
        ]
    };
    table.columns.iter().enumerate().map(row).collect()
}

/// A row for each column, and one for each field below it.
fn field_path_rows(table: &Table) -> Vec<Row> {
    fn below(table: &Table, top: &str, path: &str, column: &Column, rows: &mut Vec<Row>) {
        let [project, dataset, name] = parts(&table.name);
        let description = column.extra.get("description").and_then(serde_json::Value::as_str).map_or(Datum::Null, text);
        rows.push(vec![project, dataset, name, text(top), text(path), text(&column.full_type().to_string()), description]);
        // Records are nested to a bound, which is checked where a schema is read.
        column.fields.iter().for_each(|field| below(table, top, &format!("{path}.{}", field.name), field, rows));
    }
    let mut rows = Vec::new();
    table.columns.iter().for_each(|column| below(table, &column.name, &column.name, column, &mut rows));
    rows
}

/// Values are SQL text.
fn option_rows(table: &Table) -> Vec<Row> {
    let text_options = [("description", "description"), ("friendlyName", "friendly_name")];
    let given = |field: &str| table.extra.get(field);
    let texts = text_options.iter().filter_map(|(field, name)| Some((*name, "STRING", given(field)?.to_string())));
    let filter = given("requirePartitionFilter").map(|value| ("require_partition_filter", "BOOL", value.to_string()));
    let labels = given("labels").and_then(serde_json::Value::as_object).filter(|labels| !labels.is_empty()).map(|labels| {
        let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("STRUCT({}, {value})", serde_json::json!(key))).collect();
        ("labels", "ARRAY<STRUCT<STRING, STRING>>", format!("[{}]", pairs.join(", ")))
    });
    let row = |(option, kind, value): (&str, &str, String)| {
        let [project, dataset, name] = parts(&table.name);
        vec![project, dataset, name, text(option), text(kind), text(&value)]
    };
    texts.chain(filter).chain(labels).map(row).collect()
}

fn summary_row(table: &Table) -> Row {
    let [project, dataset, name] = parts(&table.name);
    let count = |value: u64| Datum::Int64(i64::try_from(value).unwrap_or(i64::MAX));
    let is_view = matches!(table.kind, TableKind::View { .. });
    let (rows, bytes) = if is_view { (Datum::Null, Datum::Null) } else { (count(table.rows.count()), count(table.rows.bytes())) };
    let (created, modified) = (Datum::Int64(table.created_milliseconds), Datum::Int64(table.modified_milliseconds));
    vec![project, dataset, name, created, modified, rows, bytes, Datum::Int64(if is_view { 2 } else { 1 })]
}

fn storage_row(table: &Table) -> Option<Row> {
    if matches!(table.kind, TableKind::View { .. }) {
        return None;
    }
    let [project, dataset, name] = parts(&table.name);
    let count = |value: u64| Datum::Int64(i64::try_from(value).unwrap_or(i64::MAX));
    let (bytes, none) = (table.rows.bytes(), Datum::Int64(0));
    Some(vec![
        project.clone(),
        Datum::Null,
        project,
        dataset,
        name,
        time(table.created_milliseconds),
        count(table.rows.count()),
        none.clone(),
        count(bytes),
        count(bytes),
        none.clone(),
        count(bytes),
        count(bytes),
        count(bytes),
        none.clone(),
        none.clone(),
        time(table.modified_milliseconds),
        Datum::Bool(false),
        text("BASE TABLE"),
        Datum::Null,
        none,
        Datum::Null,
        Datum::Null,
        Datum::Null,
    ])
}

fn view_row(table: &Table) -> Option<Row> {
    let TableKind::View { query, legacy } = &table.kind else { return None };
    let [project, dataset, name] = parts(&table.name);
    Some(vec![project, dataset, name, text(query), Datum::Null, text(if *legacy { "NO" } else { "YES" })])
}

fn schema_row(dataset: &Dataset) -> Row {
    vec![
        text(&dataset.name.project),
        text(&dataset.name.dataset),
        Datum::Null,
        time(dataset.created_milliseconds),
        time(dataset.modified_milliseconds),
        text(&dataset.location),
    ]
}

fn routine_rows(datasets: &[&Arc<Dataset>]) -> Vec<Row> {
    let routines = datasets.iter().flat_map(|dataset| dataset.routines.values());
    let row = |routine: &Arc<crate::store::Routine>| {
        let [project, dataset, name] = parts(&routine.name);
        let kind = routine.returns.as_ref().map_or(Datum::Null, |kind| text(&kind.to_string()));
        let language = if routine.is_sql() { Datum::Null } else { text(&routine.language) };
        let body = text(if routine.is_sql() { "SQL" } else { "EXTERNAL" });
        let (created, altered) = (time(routine.created_milliseconds), time(routine.modified_milliseconds));
        let names = [project, dataset, name];
        let facts = [text(routine.kind.word()), kind, body, text(&routine.body), language, created, altered];
        names.iter().cloned().chain(names.clone()).chain(facts).collect()
    };
    routines.map(row).collect()
}

fn job_row(job: JobFacts) -> Row {
    let count = |value: u64| Datum::Int64(i64::try_from(value).unwrap_or(i64::MAX));
    let reference = |name: &TableName| Datum::Struct(parts(name).to_vec());
    let error = job.error.map_or(Datum::Null, |problem| {
        let location = problem.location.map_or(Datum::Null, |location| text(&location));
        Datum::Struct(vec![text(problem.reason.word()), location, text(&problem.message)])
    });
    let of_query = |value: Datum| if job.job_type == "QUERY" { value } else { Datum::Null };
    vec![
        time(job.created_milliseconds),
        text(&job.project),
        text(&job.user_email),
        text(&job.job_id),
        text(&job.job_type),
        job.statement_type.as_deref().map_or(Datum::Null, text),
        of_query(text("INTERACTIVE")),
        time(job.started_milliseconds),
        job.ended_milliseconds.map_or(Datum::Null, time),
        of_query(text(&job.query)),
        text(&job.state),
        count(job.bytes_processed),
        count(job.bytes_billed),
        count(0),
        Datum::Bool(false),
        error,
        job.destination.as_ref().map_or(Datum::Null, reference),
        Datum::Array(job.referenced.iter().map(reference).collect()),
        Datum::Array(job.labels.iter().map(|(key, value)| Datum::Struct(vec![text(key), text(value)])).collect()),
        job.parent_job_id.as_deref().map_or(Datum::Null, text),
    ]
}

fn parts(name: &TableName) -> [Datum; 3] {
    [text(&name.project), text(&name.dataset), text(&name.table)]
}

fn text(value: &str) -> Datum {
    Datum::String(value.to_owned())
}

fn number(value: usize) -> Datum {
    Datum::Int64(i64::try_from(value).unwrap_or(i64::MAX))
}

fn time(milliseconds: i64) -> Datum {
    Datum::Timestamp(milliseconds.saturating_mul(1_000))
}
