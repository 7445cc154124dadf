//! A load job: its configuration, read and checked, and its run. What is asked for and not done is refused by name.

use super::fields::{flag, list, refuse_others, text};
use super::record::{Finished, Moved};
use super::request::{WriteDisposition, checked_number, create_disposition, table, table_fields, write_disposition, wrong};
use super::write::{Content, write};
use crate::execute::Warehouse;
use crate::load::{self, CsvOptions, Failure, FileFormat, ReadOptions, Schema};
use crate::problem::Problem;
use crate::store::partition::Named;
use crate::store::{Table, TableKind};
use crate::values::Column;
use crate::values::datum::billed_bytes;
use crate::values::schema::schema_from_json;
use serde_json::{Map, Value};
use sluice_model::TableName;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(Clone, Debug)]
pub struct LoadRequest {
    pub destination: TableName,
    pub write: WriteDisposition,
    pub create_if_needed: bool,
    /// Nothing where the client gives no schema.
    pub columns: Option<Vec<Column>>,
    pub detected: bool,
    pub options: ReadOptions,
    /// What a new table is made with.
    pub table_fields: Map<String, Value>,
}

const READ: [&str; 19] = [
    "allowJaggedRows",
    "allowQuotedNewlines",
    "autodetect",
    "clustering",
    "createDisposition",
    "destinationTable",
    "destinationTableProperties",
    "fieldDelimiter",
    "ignoreUnknownValues",
    "maxBadRecords",
    "nullMarker",
    "nullMarkers",
    "quote",
    "schema",
    "skipLeadingRows",
    "sourceFormat",
    "sourceUris",
    "timePartitioning",
    "writeDisposition",
];
const HARMLESS: [(&str, &str); 8] = [
    ("columnNameCharacterMap", "COLUMN_NAME_CHARACTER_MAP_UNSPECIFIED"),
    ("columnNameCharacterMap", "STRICT"),
    ("encoding", "UTF-8"),
    ("fileSetSpecType", "FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH"),
    ("jsonExtension", "JSON_EXTENSION_UNSPECIFIED"),
    ("sourceColumnMatch", "POSITION"),
    ("sourceColumnMatch", "SOURCE_COLUMN_MATCH_UNSPECIFIED"),
    ("timeZone", "UTC"),
];
/// Formats that BigQuery loads and nobody reads here.
const OTHER_FORMATS: [&str; 8] = ["AVRO", "BIGTABLE", "DATASTORE_BACKUP", "DELTA_LAKE", "GOOGLE_SHEETS", "ICEBERG", "ORC", "PARQUET"];
const OF_NEW_TABLES: [&str; 4] = ["description", "expirationTime", "friendlyName", "labels"];

impl LoadRequest {
    /// Reads `configuration` of `jobs.insert`.
    pub fn read(configuration: &Value, project: &str) -> Result<LoadRequest, Problem> {
        let load = configuration.get("load").filter(|load| load.is_object()).ok_or_else(|| wrong("configuration.load"))?;
        if let Some(uri) = list(load, "sourceUris")?.first() {
            return Err(Problem::not_implemented(&format!("load jobs from `{}`", uri.as_str().unwrap_or_default())));
        }
        let format = format(load)?;
        refuse_others(load, "load", &READ, &HARMLESS)?;
        let schema = load.get("schema").filter(|schema| schema.get("fields").is_some_and(|fields| !fields.is_null()));
        let columns = schema.map(schema_from_json).transpose()?.filter(|columns| !columns.is_empty());
        let destination = table(load.get("destinationTable"), project)?;
        Ok(LoadRequest {
            destination: destination.ok_or_else(|| Problem::invalid("Required parameter is missing: destinationTable"))?,
            write: write_disposition(text(load, "writeDisposition")?, WriteDisposition::Append)?,
            create_if_needed: create_disposition(text(load, "createDisposition")?)?,
            detected: flag(load, "autodetect")? && columns.is_none(),
            columns,
            options: ReadOptions {
                format,
                ignore_unknown: flag(load, "ignoreUnknownValues")?,
                bad_records_max: checked_number(load, "maxBadRecords")?.unwrap_or(0),
            },
            table_fields: new_table_fields(load)?,
        })
    }

    /// Reads the file and writes its rows, all of them or none.
    pub fn run(&self, warehouse: &Warehouse, media: &[u8], cancelled: &AtomicBool) -> (Finished, Option<Problem>) {
        let mut finished = Finished { destination: Some(self.destination.clone()), ..Finished::default() };
        let input_bytes = media.len() as u64;
        match self.loaded(warehouse, media, cancelled) {
            Ok((file, bytes)) => {
                let (rows, bad_records) = (file.rows.len() as u64, file.bad_records);
                finished.moved = Some(Moved::Loaded { output: Some((rows, bytes)), input_bytes, bad_records });
                finished.notes = file.notes;
                (finished, None)
            }
            Err(Failure { problem, notes, bad_records }) => {
                finished.moved = Some(Moved::Loaded { output: None, input_bytes, bad_records });
                finished.notes = notes;
                (finished, Some(problem))
            }
        }
    }

    fn loaded(&self, warehouse: &Warehouse, media: &[u8], cancelled: &AtomicBool) -> Result<(load::File, u64), Failure> {
        let target = Named::of(&self.destination).map_err(Failure::of)?.table;
        let known = warehouse.snapshot().find_table(&target).cloned();
        if known.as_ref().is_some_and(|table| table.kind != TableKind::Table) {
            return Err(Failure::of(super::write::not_a_table(&self.destination)));
        }
        let bytes = load::unpacked(media).map_err(Failure::of)?;
        let file = load::read(&bytes, &self.options, self.schema(known.as_deref()), cancelled)?;
        let content = Content { columns: &file.columns, rows: &file.rows, table_fields: &self.table_fields };
        let commit = warehouse.change(|working| {
            super::submit::check_cancelled(cancelled)?;
            if !same_columns(working.state.find_table(&target), known.as_ref()) {
                return Err(Problem::invalid(format!("{} was changed while it was loaded", self.destination)));
            }
            write(working, &self.destination, self.write, self.create_if_needed, content)
        });
        commit.map_err(Failure::of)?;
        let bytes = file.rows.iter().flatten().map(billed_bytes).sum();
        Ok((file, bytes))
    }

    /// The client's own schema, or the table's where rows are added to it, or what can be found out.
    fn schema<'a>(&'a self, known: Option<&'a Table>) -> Schema<'a> {
        let replaced = self.detected && self.write == WriteDisposition::Truncate;
        let of_table = known.map(|table| table.columns.as_slice()).filter(|columns| !columns.is_empty() && !replaced);
        match (&self.columns, self.detected) {
            (Some(given), _) => Schema::Given(given),
            (None, true) => Schema::Detected(of_table),
            (None, false) => Schema::Given(of_table.unwrap_or_default()),
        }
    }
}

fn same_columns(first: Option<&Arc<Table>>, second: Option<&Arc<Table>>) -> bool {
    first.map(|table| &table.columns) == second.map(|table| &table.columns)
}

fn format(load: &Value) -> Result<FileFormat, Problem> {
    match text(load, "sourceFormat")? {
        None | Some("" | "CSV") => Ok(FileFormat::Csv(csv_options(load)?)),
        Some("NEWLINE_DELIMITED_JSON") => Ok(FileFormat::JsonLines),
        Some(word) if OTHER_FORMATS.contains(&word) => {
            Err(Problem::not_implemented(&format!("load jobs of `{word}`, only of CSV and NEWLINE_DELIMITED_JSON")))
        }
        Some(_) => Err(wrong("sourceFormat")),
    }
}

fn csv_options(load: &Value) -> Result<CsvOptions, Problem> {
    let markers = list(load, "nullMarkers")?.iter().map(|marker| marker.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let mut null_markers = markers.ok_or_else(|| wrong("nullMarkers"))?;
    match text(load, "nullMarker")? {
        Some(_) if !null_markers.is_empty() => return Err(Problem::invalid("nullMarker and nullMarkers cannot be set at the same time")),
        Some(marker) => null_markers.push(marker.to_owned()),
        None if null_markers.is_empty() => null_markers.push(String::new()),
        None => {}
    }
    let delimiter = match text(load, "fieldDelimiter")? {
        None | Some("") => b',',
        Some("\\t") => b'\t',
        Some(given) => single(given, "fieldDelimiter")?,
    };
    let quote = match text(load, "quote")? {
        None => Some(b'"'),
        Some("") => None,
        Some(given) => Some(single(given, "quote")?),
    };
    if quote == Some(delimiter) {
        return Err(wrong("quote"));
    }
    Ok(CsvOptions {
        skipped_rows: checked_number(load, "skipLeadingRows")?,
        delimiter,
        quote,
        quoted_newlines: flag(load, "allowQuotedNewlines")?,
        jagged_rows: flag(load, "allowJaggedRows")?,
        null_markers,
    })
}

fn single(given: &str, field: &str) -> Result<u8, Problem> {
    match given.as_bytes() {
        [b'\n' | b'\r' | 0] => Err(wrong(field)),
        [byte] => Ok(*byte),
        _ if given.chars().count() == 1 => Err(Problem::not_implemented(&format!("`{field}` outside of ASCII"))),
        _ => Err(wrong(field)),
    }
}

fn new_table_fields(load: &Value) -> Result<Map<String, Value>, Problem> {
    let mut fields = table_fields(load);
    if let Some(properties) = load.get("destinationTableProperties") {
        refuse_others(properties, "load", &OF_NEW_TABLES, &[])?;
        let given =
            |field: &&str| properties.get(*field).filter(|value| !value.is_null()).map(|value| ((*field).to_owned(), value.clone()));
        fields.extend(OF_NEW_TABLES.iter().filter_map(given));
    }
    Ok(fields)
}
