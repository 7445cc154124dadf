//! `engine::Catalog` as the module's own catalog: one nested catalog per part of a path, the thing itself at the end.
//!
//! The module stops at a malformed catalog instead of refusing it, so everything it would stumble over is put right or refused here.

use crate::encode::{Item, Record, texts, word};
use crate::evaluate::Datum;
use crate::evaluate::values;
use crate::options::Language;
use crate::signature;
use crate::types;
use sluice_model::Type;
use sluice_sql::engine::{ArgumentKind, Catalog, Column, Constant, Function, Mode, Model, Procedure, Table, TableFunction, TableResult};
use std::collections::{BTreeMap, HashSet};

/// Parts of one path. GoogleSQL has no limit; BigQuery's longest path has five.
pub const PATH_PARTS_MAX: usize = 16;

/// What the caller has to put right; never anything about a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogFault {
    /// A path without parts, with an empty one, or with too many.
    Path { path: String },
    /// Arguments in an order that GoogleSQL does not know.
    Signature { path: String, message: &'static str },
    /// A constant's value is not of its type.
    Value { path: String, kind: String },
}

/// SimpleCatalogProto. A constant's value comes from `value`, by its place in the catalog.
pub fn record(
    catalog: &Catalog,
    language: &Language,
    value: impl Fn(usize, &Type) -> Result<Datum, CatalogFault>,
) -> Result<Record, CatalogFault> {
    let mut root = Folder::default();
    for (number, table) in (1..).zip(&catalog.tables) {
        root.add(&table.path, "table", |name| Ok(self::table(table, name, number)))?;
    }
    for (number, model) in (1..).zip(&catalog.models) {
        root.add(&model.path, "model", |name| Ok(self::model(model, name, number)))?;
    }
    for path in &catalog.connections {
        root.add(path, "connection", |name| Ok(Record::new().with("name", name)))?;
    }
    for (place, constant) in catalog.constants.iter().enumerate() {
        let value = value(place, &constant.kind)?;
        root.add(&constant.path, "constant", |_| self::constant(constant, &value))?;
    }
    for function in &catalog.functions {
        root.add(&function.path, "custom_function", |_| self::function(function))?;
    }
    for function in &catalog.table_functions {
        root.add(&function.path, "custom_tvf", |_| table_function(function))?;
    }
    for procedure in &catalog.procedures {
        root.add(&procedure.path, "procedure", |_| self::procedure(procedure))?;
    }
    let builtin = language.builtin(catalog, root.folders.keys());
    Ok(root.record("root").with("builtin_function_options", builtin))
}

/// Whether the tables have no more columns than that, fields of structs counted. Looks no further than it must.
pub fn has_at_most(catalog: &Catalog, columns_max: usize) -> bool {
    let mut waiting: Vec<&Type> = Vec::new();
    let mut left = columns_max;
    for column in catalog.tables.iter().flat_map(|table| &table.columns) {
        waiting.push(&column.kind);
        while let Some(kind) = waiting.pop() {
            match kind {
                Type::Array(element) | Type::Range(element) => waiting.push(element),
                Type::Struct(fields) if fields.len() > left => return false,
                Type::Struct(fields) => waiting.extend(fields.iter().map(|field| &field.kind)),
                _ => match left.checked_sub(1) {
                    Some(rest) => left = rest,
                    None => return false,
                },
            }
        }
    }
    true
}

/// One catalog. Names are told apart without regard to case, as the module does; of two things with one name the first one stays.
#[derive(Default)]
struct Folder {
    /// By name in lower case; the name as it was first written.
    folders: BTreeMap<String, (String, Folder)>,
    entries: BTreeMap<&'static str, Vec<Record>>,
    names: HashSet<(&'static str, String)>,
}

impl Folder {
    fn add(
        &mut self,
        path: &[String],
        kind: &'static str,
        make: impl FnOnce(&str) -> Result<Record, CatalogFault>,
    ) -> Result<(), CatalogFault> {
        let bad = || CatalogFault::Path { path: path.join(".") };
        if path.len() > PATH_PARTS_MAX || path.iter().any(String::is_empty) {
            return Err(bad());
        }
        let (name, folders) = path.split_last().ok_or_else(bad)?;
        let mut folder = self;
        for part in folders {
            let entry = folder.folders.entry(part.to_lowercase()).or_insert_with(|| (part.clone(), Folder::default()));
            folder = &mut entry.1;
        }
        if folder.names.insert((kind, name.to_lowercase())) {
            folder.entries.entry(kind).or_default().push(make(name)?);
        }
        Ok(())
    }

    fn record(self, name: &str) -> Record {
        let mut record = Record::new().with("name", name);
        for (kind, entries) in self.entries {
            record.set(kind, entries);
        }
        let folders: Vec<Record> = self.folders.into_values().map(|(name, folder)| folder.record(&name)).collect();
        record.with("catalog", folders)
    }
}

fn table(table: &Table, name: &str, number: i64) -> Record {
    let mut seen = HashSet::new();
    let unique = table.columns.iter().filter(|column| seen.insert(column.name.to_lowercase()));
    Record::new()
        .with("name", name)
        .with("full_name", table.full_name.as_str())
        .with("serialization_id", number)
        .with("is_value_table", table.value_table)
        .with("column", unique.map(column).collect::<Vec<_>>())
}

fn column(column: &Column) -> Record {
    Record::new()
        .with("name", column.name.as_str())
        .with("type", types::record(&column.kind))
        .with("is_pseudo_column", column.pseudo)
        .with("is_writable_column", !column.pseudo)
}

fn model(model: &Model, name: &str, number: i64) -> Record {
    let columns = |columns: &[Column]| columns.iter().map(column).collect::<Vec<_>>();
    Record::new().with("name", name).with("id", number).with("input", columns(&model.inputs)).with("output", columns(&model.outputs))
}

fn constant(constant: &Constant, value: &Datum) -> Result<Record, CatalogFault> {
    let value = values::record(&constant.kind, value);
    let value = value.map_err(|fault| CatalogFault::Value { path: constant.path.join("."), kind: fault.kind })?;
    Ok(Record::new().with("name_path", texts(&constant.path)).with("type", types::record(&constant.kind)).with("value", value))
}

fn function(function: &Function) -> Result<Record, CatalogFault> {
    let path = function.path.join(".");
    let signatures = function.signatures.iter().map(|signature| signature::record(&signature.arguments, &signature.result, &path));
    let mut record = Record::new()
        .with("name_path", texts(&function.path))
        .with("mode", word(mode(function.mode)))
        .with("signature", signatures.collect::<Result<Vec<_>, _>>()?);
    if function.mode != Mode::Scalar {
        record.set("options", window_options(function.mode));
    }
    match &function.body {
        Some(body) => {
            function.signatures.iter().try_for_each(|signature| signature::check_body(body, signature.arguments.len(), &path))?;
            record.set("group", "Templated_SQL_Function");
            record.set("templated_sql_function_argument_name", texts(&body.argument_names));
            record.set("parse_resume_location", text_at_start(&body.text));
        }
        None => record.set("group", "External_function"),
    }
    Ok(record)
}

fn window_options(mode: Mode) -> Record {
    let options = Record::new().with("supports_over_clause", true).with("window_ordering_support", word("ORDER_OPTIONAL"));
    let options = options.with("supports_window_framing", true);
    match mode {
        Mode::Aggregate => ["supports_order_by", "supports_limit", "supports_null_handling_modifier", "supports_having_modifier"]
            .into_iter()
            .fold(options, |options, name| options.with(name, true)),
        _ => options.with("supports_null_handling_modifier", true),
    }
}

fn table_function(function: &TableFunction) -> Result<Record, CatalogFault> {
    let path = function.path.join(".");
    let columns = |columns: &[Column]| {
        let column = |column: &Column| {
            let record = Record::new().with("name", column.name.as_str()).with("type", types::record(&column.kind));
            record.with("is_pseudo_column", column.pseudo)
        };
        Record::new().with("column", columns.iter().map(column).collect::<Vec<_>>())
    };
    if matches!(function.result, TableResult::SameAsInput(_)) {
        signature::check_input(&function.arguments, &path)?;
    }
    let mut record = Record::new().with("name_path", texts(&function.path));
    let (kind, schema) = match &function.result {
        TableResult::Columns(fixed) => ("FIXED_OUTPUT_SCHEMA_TVF", Some(columns(fixed))),
        TableResult::SameAsInput(more) if more.is_empty() => ("FORWARD_INPUT_SCHEMA_TO_OUTPUT_SCHEMA_TVF", None),
        TableResult::SameAsInput(more) => {
            // The module keeps them here, and not with the result.
            record.set("custom_context", Item::Encoded("zetasql.TVFRelationProto", columns(more)));
            ("FORWARD_INPUT_SCHEMA_TO_OUTPUT_SCHEMA_WITH_APPENDED_COLUMNS", None)
        }
        TableResult::Query(body) => {
            signature::check_body(body, function.arguments.len(), &path)?;
            record.set("argument_name", texts(&body.argument_names));
            record.set("parse_resume_location", text_at_start(&body.text));
            ("TEMPLATED_SQL_TVF", None)
        }
    };
    record.set("type", word(kind));
    record.set("signature", signature::relation_record(&function.arguments, schema, &path)?);
    Ok(record)
}

fn procedure(procedure: &Procedure) -> Result<Record, CatalogFault> {
    let path = procedure.path.join(".");
    // A call has no value, but the module stops at a signature without one.
    let signature = signature::record(&procedure.arguments, &ArgumentKind::Fixed(Type::Int64), &path)?;
    Ok(Record::new().with("name_path", texts(&procedure.path)).with("signature", signature))
}

fn text_at_start(text: &str) -> Item {
    Record::new().with("filename", "").with("input", text).with("byte_position", 0).into()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Aggregate => "AGGREGATE",
        Mode::Analytic => "ANALYTIC",
        Mode::Scalar => "SCALAR",
    }
}

impl std::fmt::Display for CatalogFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path { path } => write!(formatter, "`{path}` is no path for a catalog"),
            Self::Signature { path, message } => write!(formatter, "the signature of `{path}` is not possible: {message}"),
            Self::Value { path, kind } => write!(formatter, "the value of `{path}` is no {kind}"),
        }
    }
}

impl std::error::Error for CatalogFault {}
