//! What is known of the warehouse while one statement is analyzed: tables, routines and models by canonical name.

use crate::order::Sorted;
use sluice_model::{Output, RoutineName, TableName, Type, Use, UseKind};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub models: BTreeMap<RoutineName, Model>,
    pub routines: BTreeMap<RoutineName, Routine>,
    pub tables: BTreeMap<TableName, Table>,
    /// Looked for and not there.
    pub absent: BTreeSet<TableName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: TableName,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    pub etag: String,
    /// Partitioned by the time of arrival: it has `_PARTITIONTIME`.
    pub ingestion_time: bool,
    /// The column whose values its partitions are named by.
    pub partitioned_by: Option<String>,
    /// Its partitions are deleted when they are old.
    pub partitions_expire: bool,
    pub clustered_by: Vec<String>,
    /// A column, or a part of one, has a collation.
    pub collates: bool,
    /// Nothing where its resource does not say.
    pub created_ms: Option<u64>,
}

impl Table {
    /// The columns that its rows are kept sorted or apart by.
    pub fn sorted(&self) -> Sorted {
        let partitioned = self.partitioned_by.iter().map(|name| (name.clone(), UseKind::Group));
        let clustered = self.clustered_by.iter().map(|name| (name.clone(), UseKind::Order));
        Sorted { columns: partitioned.chain(clustered).collect(), expires: self.partitions_expire }
    }

    /// What rows tell that are written into it, beside what they show: by their order, by which are gone one day, and by failing where a column refuses
    /// some values. Rows that bring columns of their own with them meet no such column.
    pub fn told(&self, outputs: &[Output], brings_columns: bool) -> Vec<Use> {
        let narrow = |output: &&Output| self.columns.iter().any(|column| column.narrow && column.name.eq_ignore_ascii_case(&output.name));
        let failing = outputs.iter().filter(|output| !brings_columns && narrow(output)).flat_map(|output| &output.exposures);
        let failing = failing.map(|exposure| Use { column: exposure.column.clone(), how: UseKind::Error });
        self.sorted().told(outputs).into_iter().chain(failing).collect()
    }

    /// The same names of the same types at the same places.
    fn has_columns_of(&self, other: &Table) -> bool {
        let is_same = |(one, other): (&Column, &Column)| one.name.eq_ignore_ascii_case(&other.name) && one.kind == other.kind;
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(is_same)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    External,
    Snapshot,
    Table,
    View { query: String, legacy: bool, materialized: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    pub required: bool,
    /// It, or a part of it, takes only some values of its type: a length, a precision, a part that must not be null.
    pub narrow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    pub name: RoutineName,
    pub kind: RoutineKind,
    pub language: Language,
    pub arguments: Vec<Argument>,
    pub returns: Option<Type>,
    pub returns_table: Vec<Column>,
    pub body: String,
    pub etag: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineKind {
    AggregateFunction,
    Procedure,
    ScalarFunction,
    TableFunction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Language {
    /// JavaScript, Python, Spark: code that we do not read.
    Opaque(String),
    Remote {
        connection: String,
    },
    Sql,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    /// Nothing for ANY TYPE.
    pub kind: Option<Type>,
    pub mode: ArgumentMode,
    pub table: bool,
    /// Of an aggregate function: one value for the whole group.
    pub not_aggregate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentMode {
    In,
    InOut,
    Out,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub name: RoutineName,
    pub features: Vec<Column>,
    pub labels: Vec<Column>,
    pub etag: String,
    /// As `models.get` says it: `LINEAR_REGRESSION`, `KMEANS` ...
    pub model_type: String,
    pub remote: bool,
}

impl Snapshot {
    pub fn add(&mut self, more: Snapshot) {
        self.absent.extend(more.absent);
        self.models.extend(more.models);
        self.routines.extend(more.routines);
        self.tables.extend(more.tables);
    }

    /// The tables behind a wildcard such as `events_*`, newest name first. Views do not take part.
    pub fn matching(&self, wildcard: &TableName) -> Vec<&Table> {
        let Some(prefix) = wildcard.table.strip_suffix('*') else { return Vec::new() };
        let same = |name: &TableName| name.project == wildcard.project && name.dataset == wildcard.dataset;
        let mut found: Vec<&Table> =
            self.tables.values().filter(|table| same(&table.name) && table.name.table.starts_with(prefix)).collect();
        found.retain(|table| !matches!(table.kind, TableKind::View { .. }));
        found.reverse();
        found
    }

    /// The one behind a wildcard whose columns the wildcard has, in their order: the newest. An error names two of which nobody can say that.
    pub fn newest(&self, wildcard: &TableName) -> Result<Option<&Table>, [&TableName; 2]> {
        let matching = self.matching(wildcard);
        let Some(newest) = matching.iter().copied().max_by_key(|table| table.created_ms) else { return Ok(None) };
        let is_as_new = |other: &&&Table| other.created_ms.is_none() || other.created_ms == newest.created_ms;
        let is_other = |other: &&&Table| !other.has_columns_of(newest);
        match matching.iter().filter(is_as_new).find(is_other) {
            Some(other) => Err([&newest.name, &other.name]),
            None => Ok(Some(newest)),
        }
    }
}
