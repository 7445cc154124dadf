//! What was there when a request was understood, held against what is there when it was done.

use crate::changes::{Disturbed, Resting};
use crate::gateway::{Gateway, Passage};
use crate::job::{KnownJob, Rested, RestedKind as Kind};
use crate::record;
use crate::refusal::Why;
use sluice_ledger::record::Subject;
use sluice_model::{Analysis, ColumnPath, TableName};
use sluice_policy::{Known, Labels, Permit};
use sluice_sql::Required;
use sluice_sql::catalog::{Model, Routine, Snapshot, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A digest of columns, types and texts.
pub(crate) type Shape = [u8; 32];

const CHANGED_MEANWHILE: &str = "the table was changed while it was read";

/// What rows of a table itself were decided by.
pub(crate) struct Reading {
    pub resting: Resting,
    pub known: Arc<Known>,
}

/// What a request was understood by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub connection: String,
    pub since_ms: u64,
    shapes: BTreeMap<TableName, (Kind, Option<Shape>)>,
}

impl Rest {
    /// Without what the request only writes: how that looked before says nothing.
    pub fn new(connection: &str, since_ms: u64, snapshot: &Snapshot, written: &BTreeSet<TableName>) -> Rest {
        let mut shapes = BTreeMap::new();
        let mut add = |name: &TableName, kind: Kind| {
            if !written.contains(name) {
                shapes.insert(name.clone(), (kind, shape(snapshot, name)));
            }
        };
        snapshot.absent.iter().for_each(|name| add(name, Kind::Absent));
        snapshot.tables.keys().for_each(|name| add(name, Kind::Table));
        // A function may be called as a table is: then it counts, of which less can be said.
        snapshot.models.keys().for_each(|name| add(name, Kind::Model));
        snapshot.routines.keys().for_each(|name| add(name, Kind::Routine));
        Rest { connection: connection.to_owned(), since_ms, shapes }
    }

    pub fn of(connection: &str, since_ms: u64, rested: impl Iterator<Item = Rested>) -> Rest {
        let shapes = rested.map(|rested| (rested.name, (rested.kind, rested.shape))).collect();
        Rest { connection: connection.to_owned(), since_ms, shapes }
    }

    pub fn rested(&self) -> impl Iterator<Item = Rested> {
        self.shapes.iter().map(|(name, (kind, shape))| Rested { name: name.clone(), kind: *kind, shape: *shape })
    }

    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        self.shapes.keys()
    }

    /// A function or a model.
    pub fn is_code(&self, name: &TableName) -> bool {
        self.shapes.get(name).is_some_and(|(kind, _)| matches!(kind, Kind::Model | Kind::Routine))
    }

    /// It was not there, or is a name with a star.
    pub fn is_absent(&self, name: &TableName) -> bool {
        self.shapes.get(name).is_some_and(|(kind, _)| *kind == Kind::Absent)
    }

    pub fn shape(&self, name: &TableName) -> Option<Shape> {
        self.shapes.get(name).and_then(|(_, shape)| *shape)
    }

    /// To look at these once more.
    pub fn required(&self, names: &BTreeSet<TableName>) -> Required {
        let of = |wanted: Kind| {
            let is = |name: &&TableName| self.shapes.get(*name).is_some_and(|(kind, _)| *kind == wanted);
            names.iter().filter(is).cloned().collect()
        };
        Required { tables: [of(Kind::Table), of(Kind::Absent)].concat(), routines: of(Kind::Routine), models: of(Kind::Model) }
    }
}

impl Gateway {
    /// Whether it is shaped as it was, when somebody has looked once more.
    pub(crate) fn is_same_shape(&self, found: &Snapshot, name: &TableName, rest: &Rest) -> bool {
        shape(found, name) == rest.shape(name) && !self.has_new_labelled(found, name, rest)
    }

    /// For rows that were read of a table itself, when they have come: they were decided on before they were read.
    pub(crate) async fn still_read(&self, passage: &Passage, permit: &Permit) -> Result<(), Why> {
        let Some(reading) = &passage.reading else { return Ok(()) };
        let known = self.parts.in_force.known();
        if !Arc::ptr_eq(&reading.known, &known) {
            self.still_decided(passage, permit, &known)?;
        }
        match self.reshaped(passage.subject, &reading.resting.rest).await.first() {
            None => Ok(()),
            Some(_) => Err(Why::Drift(CHANGED_MEANWHILE.to_owned())),
        }
    }

    /// What others made another thing of since it was understood. What cannot be looked at is one of them.
    pub(crate) async fn reshaped(&self, but: Subject, rest: &Rest) -> Vec<TableName> {
        let disturbed = self.changes.disturbed(rest, but);
        if disturbed.is_empty() {
            return Vec::new();
        }
        let stayed = |disturbed: &Disturbed| {
            let before = rest.shape(&disturbed.name);
            // Tables behind a star stand beside it, each by its own name.
            is_star(&disturbed.name)
                || before.is_some() && disturbed.left.as_ref().is_some_and(|left| left.iter().all(|left| Some(*left) == before))
        };
        let (may_be_same, mut other): (Vec<Disturbed>, Vec<Disturbed>) = disturbed.into_iter().partition(stayed);
        let names: BTreeSet<TableName> = may_be_same.iter().map(|disturbed| disturbed.name.clone()).collect();
        let found = self.look_anew(&rest.connection, &rest.required(&names)).await;
        let is_same = |name: &TableName| found.as_ref().is_some_and(|found| self.is_same_shape(found, name, rest));
        other.extend(may_be_same.into_iter().filter(|disturbed| !is_same(&disturbed.name)));
        other.into_iter().map(|disturbed| disturbed.name).collect()
    }

    /// A job is over: what it read was what it was understood by, or its rows are withheld.
    pub(crate) async fn look_back(&self, known: &KnownJob) {
        let is_same = self.is_as_understood(known).await;
        self.changes.judge(known.subject, is_same);
    }

    /// As far as it has come.
    pub(crate) async fn is_as_understood(&self, known: &KnownJob) -> bool {
        match self.changes.rest_of(known.subject) {
            Some(rest) => self.reshaped(known.subject, &rest).await.is_empty(),
            None => !self.changes.is_overtaken(known),
        }
    }

    /// A request that changed things is over. The catalog reads them anew, and whoever runs beside it is told what was left.
    pub(crate) async fn end_changes(&self, by: Subject, connection: &str) {
        let names = self.changes.of(by);
        names.iter().for_each(|name| self.parts.catalog.forget(connection, name));
        let looked_at = self.changes.rested_on(by, connection, names);
        let tables = Required { tables: looked_at.clone(), ..Required::default() };
        let routines = Required { routines: looked_at.clone(), ..Required::default() };
        let mut left = BTreeMap::new();
        for required in [tables, routines] {
            let found = self.look_anew(connection, &required).await.unwrap_or_default();
            left.extend(looked_at.iter().filter_map(|name| Some((name.clone(), shape(&found, name)?))));
        }
        self.changes.end(by, connection, &left, self.parts.machine.now_ms());
    }

    /// What somebody is changing is read anew, also by who reads it for the tenth time.
    pub(crate) fn forget_changing(&self, connection: &str, wanted: &Required) {
        for name in wanted.tables.iter().chain(&wanted.routines).chain(&wanted.models) {
            for changing in self.changes.changing(connection, name) {
                self.parts.catalog.forget(connection, name);
                self.parts.catalog.forget(connection, &changing);
            }
        }
    }

    /// Whether a star means a table now that it did not mean before, with a label.
    fn has_new_labelled(&self, snapshot: &Snapshot, name: &TableName, rest: &Rest) -> bool {
        let (policy, known) = (self.parts.in_force.policy(), self.parts.in_force.known());
        let is_new = |table: &&Table| !rest.shapes.contains_key(&table.name);
        let mut new = snapshot.matching(name).into_iter().filter(is_new);
        new.any(|table| !labels_of(&policy.labels, table, &known).is_empty())
    }

    pub(crate) async fn look_anew(&self, connection: &str, wanted: &Required) -> Option<Snapshot> {
        let names = wanted.tables.iter().chain(&wanted.routines).chain(&wanted.models);
        let count = names.map(|name| self.parts.catalog.forget(connection, name)).count();
        if count == 0 {
            return Some(Snapshot::default());
        }
        self.parts.catalog.fetch(connection, wanted).await.ok().map(|part| part.snapshot)
    }
}

/// Tables that a statement writes and reads nothing of.
pub(crate) fn written_only(analysis: &Analysis) -> BTreeSet<TableName> {
    let statements = || analysis.statements.iter();
    let read: BTreeSet<&TableName> = statements().flat_map(|statement| &statement.reads).map(|read| &read.table).collect();
    let written = statements().flat_map(|statement| &statement.writes).map(|write| &write.table);
    written.filter(|table| !read.contains(table)).cloned().collect()
}

/// The labels that the columns of a table have, as it is.
pub(crate) fn labels_of<'a>(labels: &'a Labels, table: &Table, known: &'a Known) -> BTreeSet<&'a str> {
    let columns = table.columns.iter().map(|column| ColumnPath { table: table.name.clone(), path: vec![column.name.clone()] });
    columns.flat_map(|column| labels.of(&column, known)).map(|label| label.name.as_str()).collect()
}

pub(crate) fn is_star(name: &TableName) -> bool {
    name.table.ends_with('*')
}

impl Disturbed {
    /// Whether nothing stood there since but what stands there now. Of a star nobody can say so.
    pub fn is_as_left(&self, found: &Snapshot) -> bool {
        let now = shape(found, &self.name);
        now.is_some() && self.left.as_ref().is_some_and(|left| left.iter().all(|left| Some(*left) == now))
    }
}

/// Nothing where nothing is. Data that comes and goes changes none. A star has the columns of the newest table behind it.
pub(crate) fn shape(snapshot: &Snapshot, name: &TableName) -> Option<Shape> {
    let newest = || snapshot.matching(name).first().map(|table| format!("{:?}", table.columns));
    let table = snapshot.tables.get(name).map(|table| format!("{:?}", Table { etag: String::new(), ..table.clone() }));
    let routine = || snapshot.routines.get(name).map(|routine| format!("{:?}", Routine { etag: String::new(), ..routine.clone() }));
    let model = || snapshot.models.get(name).map(|model| format!("{:?}", Model { etag: String::new(), ..model.clone() }));
    let text = table.or_else(routine).or_else(model).or_else(newest)?;
    Some(record::sha256_of(std::iter::once(text.as_bytes())).0)
}
