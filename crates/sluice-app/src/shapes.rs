//! What was there when a request was understood, held against what is there when it was done.

use crate::changes::{Disturbed, Resting};
use crate::gateway::{Gateway, Passage};
pub(crate) use crate::job::RestedRole as Role;
use crate::job::{JobWork, KnownJob, Places, Rested, RestedKind as Kind};
use crate::record;
use crate::refusal::Why;
use sluice_ledger::record::Subject;
use sluice_model::{Analysis, ColumnPath, Effect, StatementAnalysis, TableName};
use sluice_policy::{Known, Labels, Permit, Work, is_temporary};
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

impl Role {
    pub(crate) const ALL: [Role; 4] = [Role::Made, Role::Moved, Role::Read, Role::Written];
    /// What of it is in what is written.
    pub(crate) const COPIED: [Role; 3] = [Role::Made, Role::Moved, Role::Read];
    /// What of it is in what is shown.
    pub(crate) const SHOWN: [Role; 2] = [Role::Made, Role::Read];
}

/// What a request was understood by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub connection: String,
    pub since_ms: u64,
    rested: BTreeMap<TableName, Rested>,
    /// What it adds rows to, also where it reads it. Over a restart that is not remembered.
    writes: BTreeSet<TableName>,
}

impl Rest {
    /// How what a request only makes looked before says nothing.
    pub fn new(connection: &str, since_ms: u64, snapshot: &Snapshot, analysis: &Analysis) -> Rest {
        let (written, made_names) = (written_only(analysis), made_and_opened(analysis));
        let mut rested = BTreeMap::new();
        let mut add = |name: &TableName, kind: Kind| {
            let role = if written.contains(name) { written_as(analysis, name) } else { Some(Role::Read) };
            let places = snapshot.tables.get(name).filter(|_| role == Some(Role::Written)).map(places);
            if let Some(role) = role.filter(|_| !made_names.contains(name)) {
                rested.insert(name.clone(), Rested { name: name.clone(), kind, role, shape: shape(snapshot, name), places });
            }
        };
        snapshot.absent.iter().for_each(|name| add(name, Kind::Absent));
        snapshot.tables.keys().for_each(|name| add(name, Kind::Table));
        // A function may be called as a table is: then it counts, of which less can be said.
        snapshot.models.keys().for_each(|name| add(name, Kind::Model));
        snapshot.routines.keys().for_each(|name| add(name, Kind::Routine));
        let made = |name: TableName| Rested { name, kind: Kind::Absent, role: Role::Made, shape: None, places: None };
        rested.extend(made_names.into_iter().map(|name| (name.clone(), made(name))));
        let writes = analysis.statements.iter().flat_map(|statement| &statement.writes).map(|write| write.table.clone()).collect();
        Rest { connection: connection.to_owned(), since_ms, rested, writes }
    }

    pub fn of(connection: &str, since_ms: u64, rested: impl Iterator<Item = Rested>) -> Rest {
        let rested = rested.map(|rested| (rested.name.clone(), rested)).collect();
        Rest { connection: connection.to_owned(), since_ms, rested, writes: BTreeSet::new() }
    }

    pub fn rested(&self) -> impl Iterator<Item = &Rested> {
        self.rested.values()
    }

    pub fn is_empty(&self) -> bool {
        self.rested.is_empty()
    }

    pub fn names(&self, roles: &[Role]) -> impl Iterator<Item = &TableName> {
        self.rested.iter().filter(|(_, rested)| roles.contains(&rested.role)).map(|(name, _)| name)
    }

    pub fn writes(&self) -> impl Iterator<Item = &TableName> {
        self.writes.iter().chain(self.names(&[Role::Written]))
    }

    pub fn routines(&self) -> impl Iterator<Item = &TableName> {
        self.rested.iter().filter(|(_, rested)| rested.kind == Kind::Routine).map(|(name, _)| name)
    }

    /// A function or a model.
    pub fn is_code(&self, name: &TableName) -> bool {
        self.rested.get(name).is_some_and(|rested| matches!(rested.kind, Kind::Model | Kind::Routine))
    }

    /// Whether the columns that were there are there still, in their order. Behind them there may be others.
    pub fn keeps_places(&self, name: &TableName, found: &Table) -> bool {
        let were = self.rested.get(name).and_then(|rested| rested.places);
        were.is_some_and(|were| found.columns.len() >= were.count && were == places_of(found, were.count))
    }

    /// It was not there, or is a name with a star.
    pub fn is_absent(&self, name: &TableName) -> bool {
        self.rested.get(name).is_some_and(|rested| rested.kind == Kind::Absent)
    }

    /// As what it is known by. A name with a star stands for what comes, too.
    pub fn was_there(&self, name: &TableName) -> bool {
        !is_star(name) && self.shape(name).is_some()
    }

    fn shape(&self, name: &TableName) -> Option<Shape> {
        self.rested.get(name).and_then(|rested| rested.shape)
    }

    /// To look at these once more.
    pub fn required(&self, names: &BTreeSet<TableName>) -> Required {
        let of = |wanted: Kind| {
            let is = |name: &&TableName| self.rested.get(*name).is_some_and(|rested| rested.kind == wanted);
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
        let known = self.known_now().await?;
        if !Arc::ptr_eq(&reading.known, &known) {
            self.still_decided(passage, permit, &known)?;
        }
        match self.reshaped(passage.subject, &reading.resting.rest, &Role::SHOWN).await.first() {
            None => Ok(()),
            Some(_) => Err(Why::Drift(CHANGED_MEANWHILE.to_owned())),
        }
    }

    /// What others made another thing of since it was understood. What cannot be looked at is one of them.
    pub(crate) async fn reshaped(&self, but: Subject, rest: &Rest, roles: &[Role]) -> Vec<TableName> {
        let disturbed = self.changes.disturbed(rest, roles, but);
        if disturbed.is_empty() {
            return Vec::new();
        }
        let stayed = |disturbed: &Disturbed| {
            let before = rest.shape(&disturbed.name);
            // Tables behind a star stand beside it, each by its own name, and new ones are looked at.
            is_star(&disturbed.name)
                || before.is_some() && disturbed.left.as_ref().is_some_and(|left| left.iter().all(|left| Some(*left) == before))
        };
        let (may_be_same, mut other): (Vec<Disturbed>, Vec<Disturbed>) = disturbed.into_iter().partition(stayed);
        let names: BTreeSet<TableName> = may_be_same.iter().map(|disturbed| disturbed.name.clone()).collect();
        let mut required = rest.required(&names);
        required.tables.extend(may_be_same.iter().flat_map(|disturbed| &disturbed.new).map(|new| new.name.clone()));
        let found = self.look_anew(&rest.connection, &required).await;
        let is_same = |disturbed: &Disturbed| {
            let found = found.as_ref().filter(|found| self.is_same_shape(found, &disturbed.name, rest));
            found.is_some_and(|found| disturbed.new.is_empty() || disturbed.is_as_left(found))
        };
        other.extend(may_be_same.into_iter().filter(|disturbed| !is_same(disturbed)));
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
            Some(rest) => self.reshaped(known.subject, &rest, &Role::SHOWN).await.is_empty(),
            None => !self.changes.is_overtaken(known),
        }
    }

    /// A request that changed things is over. The catalog reads them anew, and whoever runs beside it is told what was left.
    pub(crate) async fn end_changes(&self, by: Subject, connection: &str) {
        let names = self.changes.of(by);
        names.iter().for_each(|name| self.parts.catalog.forget(name));
        let looked_at = self.changes.rested_on(by, names.clone());
        let tables = Required { tables: looked_at.clone(), ..Required::default() };
        let routines = Required { routines: looked_at.clone(), ..Required::default() };
        let mut left = BTreeMap::new();
        for required in [tables, routines] {
            let found = self.look_anew(connection, &required).await.unwrap_or_default();
            left.extend(looked_at.iter().filter_map(|name| Some((name.clone(), shape(&found, name)?))));
        }
        self.changes.end(by, &left, self.parts.machine.now_ms());
        self.note_disturbed(by, &names).await;
    }

    /// What somebody is changing is read anew, also by who reads it for the tenth time.
    pub(crate) fn forget_changing(&self, wanted: &Required) {
        for name in wanted.tables.iter().chain(&wanted.routines).chain(&wanted.models) {
            for changing in self.changes.changing(name) {
                self.parts.catalog.forget(name);
                self.parts.catalog.forget(&changing);
            }
        }
    }

    /// Whether a star means a table now that it did not mean before, with a label.
    fn has_new_labelled(&self, snapshot: &Snapshot, name: &TableName, rest: &Rest) -> bool {
        let (policy, known) = (self.parts.in_force.policy(), self.parts.in_force.known());
        let is_new = |table: &&Table| !rest.rested.contains_key(&table.name);
        let mut new = snapshot.matching(name).into_iter().filter(is_new);
        new.any(|table| !labels_of(&policy.labels, table, &known).is_empty())
    }

    pub(crate) async fn look_anew(&self, connection: &str, wanted: &Required) -> Option<Snapshot> {
        let names = wanted.tables.iter().chain(&wanted.routines).chain(&wanted.models);
        let count = names.map(|name| self.parts.catalog.forget(name)).count();
        if count == 0 {
            return Some(Snapshot::default());
        }
        self.parts.catalog.fetch(connection, wanted).await.ok().map(|part| part.snapshot)
    }
}

/// Permanent views and routines that a script makes and opens behind that.
fn made_and_opened(analysis: &Analysis) -> BTreeSet<TableName> {
    let mut made: BTreeSet<&TableName> = BTreeSet::new();
    let mut opened = BTreeSet::new();
    for statement in &analysis.statements {
        let routines = statement.routines.iter().filter_map(|name| TableName::parse(name));
        let opens = routines.chain(statement.reads.iter().map(|read| read.table.clone()));
        opened.extend(opens.filter(|name| made.contains(name) && !is_temporary(name)));
        if is_code(&statement.kind) {
            made.extend(statement.writes.iter().map(|write| &write.table));
        }
    }
    opened
}

/// What nobody else changes while a job runs: the routines that it acts by, and what it takes out of the warehouse.
pub(crate) fn held(work: &JobWork, is_extract: bool, rest: &Rest) -> (BTreeSet<TableName>, BTreeSet<TableName>) {
    match work {
        JobWork::Query(work) => (routines_to_act_by(&work.analysis, rest), taken_out(&work.analysis, rest)),
        JobWork::Other if is_extract => (BTreeSet::new(), rest.names(&Role::ALL).cloned().collect()),
        JobWork::Other => (BTreeSet::new(), BTreeSet::new()),
    }
}

/// What it makes that somebody can call, and what it calls, of a job that does more than read. Its own temporary ones are nobody else's.
fn routines_to_act_by(analysis: &Analysis, rest: &Rest) -> BTreeSet<TableName> {
    let acts = |statement: &StatementAnalysis| {
        let reads_alone = |effect: &Effect| {
            matches!(
                effect,
                Effect::Read | Effect::Branch | Effect::Declare | Effect::Set | Effect::Assert | Effect::Raise | Effect::Metadata
            )
        };
        !statement.writes.is_empty() || !statement.effects.iter().all(reads_alone)
    };
    if !analysis.statements.iter().any(acts) {
        return BTreeSet::new();
    }
    let made = analysis.statements.iter().filter(|statement| is_routine(&statement.kind)).flat_map(|statement| &statement.writes);
    let all = made.map(|write| write.table.clone()).chain(rest.routines().cloned());
    all.filter(|name| !name.dataset.is_empty() && !is_temporary(name)).collect()
}

/// What a job reads that sends data out of the warehouse by itself.
fn taken_out(analysis: &Analysis, rest: &Rest) -> BTreeSet<TableName> {
    let sends = |effect: &Effect| matches!(effect, Effect::Export | Effect::ExternalQuery | Effect::RemoteFunction | Effect::SignedUrl);
    let is_sent = analysis.statements.iter().any(|statement| statement.effects.iter().any(sends));
    let read = rest.names(&Role::SHOWN).filter(|name| is_sent && !is_temporary(name));
    read.cloned().collect()
}

pub(crate) fn is_extract(permit: &Permit) -> bool {
    matches!(&permit.request().work, Work::Method(method) if method.name == "jobs.extract")
}

fn is_routine(kind: &str) -> bool {
    ["CREATE_FUNCTION", "CREATE_PROCEDURE", "CREATE_TABLE_FUNCTION"].contains(&kind)
}

fn is_code(kind: &str) -> bool {
    is_routine(kind) || ["CREATE_MATERIALIZED_VIEW", "CREATE_VIEW"].contains(&kind)
}

/// What of a table that is only written matters while it is written.
pub(crate) fn written_as(analysis: &Analysis, name: &TableName) -> Option<Role> {
    let effects = || {
        let writes = analysis.statements.iter().flat_map(|statement| &statement.writes);
        writes.filter(|write| write.table == *name).map(|write| write.effect)
    };
    let by_place = |effect: Effect| matches!(effect, Effect::Insert | Effect::Load | Effect::Merge | Effect::Update);
    if effects().any(|effect| effect == Effect::Alter) {
        return Some(Role::Moved);
    }
    effects().any(by_place).then_some(Role::Written)
}

fn places(table: &Table) -> Places {
    places_of(table, table.columns.len())
}

fn places_of(table: &Table, count: usize) -> Places {
    let names = table.columns.iter().take(count).flat_map(|column| [column.name.to_lowercase(), "\n".to_owned()]);
    let digest = record::sha256_of(names.collect::<Vec<_>>().iter().map(|name| name.as_bytes())).0;
    Places { count, digest }
}

/// Tables that a statement writes and reads nothing of.
fn written_only(analysis: &Analysis) -> BTreeSet<TableName> {
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

/// Nothing where nothing is. Data that comes and goes changes none. A star has the columns of the newest table behind it.
pub(crate) fn shape(snapshot: &Snapshot, name: &TableName) -> Option<Shape> {
    // Of one that nobody can name nothing was understood.
    let newest = || snapshot.newest(name).ok().flatten().map(|table| format!("{:?}", table.columns));
    let table = snapshot.tables.get(name).map(|table| format!("{:?}", Table { etag: String::new(), created_ms: None, ..table.clone() }));
    let routine = || snapshot.routines.get(name).map(|routine| format!("{:?}", Routine { etag: String::new(), ..routine.clone() }));
    let model = || snapshot.models.get(name).map(|model| format!("{:?}", Model { etag: String::new(), ..model.clone() }));
    let text = table.or_else(routine).or_else(model).or_else(newest)?;
    Some(record::sha256_of(std::iter::once(text.as_bytes())).0)
}
