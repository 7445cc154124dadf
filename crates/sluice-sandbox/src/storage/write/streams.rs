//! Streams that were created, and what was appended to them and is not shown yet.

use super::api::write_stream::Type as Kind;
use crate::execute::Warehouse;
use crate::problem::Problem;
use crate::store::{Row, Rows, Table, TableKind, Working};
use crate::values::{ColumnMode, Datum};
use sluice_model::TableName;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than that, and the oldest goes.
pub const WRITE_STREAMS_MAX: usize = 1_000;
pub const WRITE_STREAM_MILLISECONDS_MAX: i64 = 24 * 3600 * 1000;
/// Of one stream, in rows that are not shown yet.
pub const HELD_BYTES_MAX: u64 = 128 << 20;
/// Of every table: no offsets, shown at once, never finalized.
pub const DEFAULT: &str = "_default";

#[derive(Default)]
pub struct WriteStreams(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    streams: BTreeMap<String, Arc<Stream>>,
    order: VecDeque<String>,
}

#[derive(Debug)]
pub struct Stream {
    pub name: String,
    pub table: TableName,
    pub kind: Kind,
    pub created_milliseconds: i64,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
pub struct Progress {
    /// That nobody sees yet.
    pub rows: Vec<Row>,
    pub bytes: u64,
    /// All that were appended: the next offset.
    pub count: u64,
    pub flushed: u64,
    pub is_finalized: bool,
    pub committed_milliseconds: Option<i64>,
}

/// What a name stands for.
pub enum Target {
    Default(TableName),
    Stream(Arc<Stream>),
}

impl WriteStreams {
    pub fn create(&self, table: TableName, kind: Kind, id: &str, now: i64) -> Arc<Stream> {
        let name = format!("{}/streams/{id}", path(&table));
        let stream = Stream { name: name.clone(), table, kind, created_milliseconds: now, progress: Mutex::default() };
        let stream = Arc::new(stream);
        let mut kept = self.kept(now);
        while kept.streams.len() >= WRITE_STREAMS_MAX {
            kept.forget_first();
        }
        kept.order.push_back(name.clone());
        kept.streams.insert(name, Arc::clone(&stream));
        stream
    }

    pub fn find(&self, name: &str, now: i64) -> Option<Target> {
        if let Some(table) = name.strip_suffix(DEFAULT).and_then(|rest| rest.strip_suffix("/")) {
            return table_of(table.strip_suffix("/streams").unwrap_or(table)).map(Target::Default);
        }
        self.kept(now).streams.get(name).cloned().map(Target::Stream)
    }

    /// Whoever looks meets no stream that has expired.
    fn kept(&self, now: i64) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |kept: &Kept| {
            let first = kept.order.front().and_then(|name| kept.streams.get(name));
            first.is_some_and(|stream| stream.created_milliseconds + WRITE_STREAM_MILLISECONDS_MAX <= now)
        };
        while is_old(&kept) {
            kept.forget_first();
        }
        kept
    }
}

impl Kept {
    fn forget_first(&mut self) {
        if let Some(name) = self.order.pop_front() {
            self.streams.remove(&name);
        }
    }
}

impl Stream {
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `projects/p/datasets/d/tables/t`.
pub fn table_of(path: &str) -> Option<TableName> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, "datasets", dataset, "tables", table] => {
            let is_plain = ![project, dataset, table].iter().any(|part| part.is_empty()) && !table.contains(['$', '@', '*']);
            is_plain.then(|| TableName::new(project, dataset, table))
        }
        _ => None,
    }
}

pub fn path(table: &TableName) -> String {
    let TableName { project, dataset, table } = table;
    format!("projects/{project}/datasets/{dataset}/tables/{table}")
}

/// Rows behind those of a table. Columns that it got since they were laid out are NULL in them.
pub fn show(warehouse: &Warehouse, added: &[(&TableName, &[Row])], now: i64) -> Result<(), Problem> {
    warehouse.change(|working| added.iter().try_for_each(|(name, rows)| put(working, name, rows, now)))
}

fn put(working: &mut Working, name: &TableName, rows: &[Row], now: i64) -> Result<(), Problem> {
    let table = working.state.table(name)?.clone();
    if table.kind != TableKind::Table {
        return Err(Problem::invalid(format!("Cannot add rows to a table of type {}.", table.type_word())));
    }
    if rows.iter().any(|row| row.len() > table.columns.len()) {
        return Err(Problem::invalid(format!("the schema of {name} has lost columns since the rows were appended")));
    }
    let empty = |mode: ColumnMode| if mode == ColumnMode::Repeated { Datum::Array(Vec::new()) } else { Datum::Null };
    let filled = rows.iter().map(|row| {
        let more = table.columns.iter().skip(row.len()).map(|column| empty(column.mode));
        row.iter().cloned().chain(more).collect()
    });
    let all = table.rows.as_held().unwrap_or_default().iter().cloned().chain(filled).collect();
    let modified_milliseconds = now.max(table.modified_milliseconds);
    working.put_table(Table { rows: Arc::new(Rows::held(all)), modified_milliseconds, ..Table::clone(&table) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_name_until_they_are_old_or_too_many() {
        let streams = WriteStreams::default();
        let table = || TableName::new("p", "d", "t");
        let found = |name: &str, now: i64| match streams.find(name, now) {
            Some(Target::Default(table)) => format!("default {table}"),
            Some(Target::Stream(stream)) => stream.name.clone(),
            None => String::new(),
        };
        let old = streams.create(table(), Kind::Pending, "old", 0).name.clone();
        assert_eq!(old, "projects/p/datasets/d/tables/t/streams/old");
        assert_eq!(found(&old, WRITE_STREAM_MILLISECONDS_MAX - 1), old);
        assert_eq!(found(&old, WRITE_STREAM_MILLISECONDS_MAX), "");
        for name in ["projects/p/datasets/d/tables/t/streams/_default", "projects/p/datasets/d/tables/t/_default"] {
            assert_eq!(found(name, 0), "default p.d.t");
        }
        for name in ["projects/p/datasets/d/tables/t$1/streams/_default", "_default", "projects/p/datasets/d/tables/t/streams/none"] {
            assert_eq!(found(name, 0), "");
        }
        let first = streams.create(table(), Kind::Pending, "first", 1).name.clone();
        for number in 0..WRITE_STREAMS_MAX {
            streams.create(table(), Kind::Pending, &number.to_string(), 1);
        }
        assert_eq!((found(&first, 1), streams.kept(1).streams.len()), (String::new(), WRITE_STREAMS_MAX));
    }
}
