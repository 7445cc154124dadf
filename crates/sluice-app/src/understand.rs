//! From a text to what it does: names first, then exactly what they mean, then the analysis.

use crate::gateway::Gateway;
use crate::places::Places;
use crate::ports::CatalogFault;
use crate::refusal::{FormReason, Why, absent};
use crate::trail::{Stage, Trail};
use sluice_ledger::record::content::Table;
use sluice_model::{Analysis, Effect, Exposure, Field, How, Output, Refused, TableName, Type, place};
use sluice_policy::Known;
use sluice_sql::builtin::{self, Flag};
use sluice_sql::catalog::{Column, Snapshot};
use sluice_sql::{Cache, Request, Required};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What is opened names more, and that again: views over views over functions.
const ROUNDS_MAX: usize = 40;
/// Texts whose names are remembered, so that a known one need not be read again.
const NAMES_KEPT_MAX: usize = 4_096;
const TEXT_KEPT_BYTES_MAX: usize = 64 << 10;
/// For a place among those that are analysed.
const PLACE_SECONDS_MAX: u64 = 30;
/// Project, dataset, table.
const TABLE_NAMES_MAX: usize = 3;
/// Of tables that last as long as their script.
const TEMPORARY_DATASET: &str = "_SESSION";
/// Said of everything in a hidden dataset alike, whether or not it is there. Without the word "job": where a
/// text of "not found" has that, Python's client sends the query again for ten minutes.
const RESULTS_ARE_READ: &str = "what BigQuery keeps of a query is read by `tabledata.list`, or from a table that it was written into (`destinationTable`, `CREATE TABLE ... AS`)";

pub(crate) struct Understanding {
    analyses: Arc<Cache>,
    names: Mutex<Names>,
    /// As many as the engine works on: a statement's time begins when it is its turn, and a crowd makes nobody's statement too slow.
    places: Arc<Semaphore>,
    of_callers: Places,
}

#[derive(Default)]
struct Names {
    known: HashMap<(String, Request), Arc<Required>>,
    order: VecDeque<(String, Request)>,
}

/// An analysis with what it rests on.
pub(crate) struct Understood {
    pub analysis: Arc<Analysis>,
    pub tables: Vec<Table>,
    pub known: Known,
    /// All names that were looked up: for the question whether their schema may be told.
    pub named: Vec<TableName>,
    /// Those of them that are not there.
    pub absent: Vec<TableName>,
    /// Projects with datasets that are not there either.
    pub absent_datasets: BTreeSet<(String, String)>,
    /// The refusal's text comes from the words of the statement alone.
    pub by_syntax: bool,
    /// All that was looked up.
    pub snapshot: Snapshot,
}

impl Gateway {
    pub(crate) async fn understand(&self, trail: &Trail, who: &str, connection: &str, query: &Request) -> Result<Understood, Why> {
        if let Some(understood) = self.understood_before(trail, connection, query).await {
            return Ok(understood);
        }
        let mut known = (*self.known_now().await?).clone();
        let mut snapshot = Snapshot::default();
        let mut all = Required::default();
        let mut absent_datasets = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let names = match trail.walk(Stage::Analyze, self.names(who, query, &snapshot)).await? {
                Ok(names) => names,
                Err(refused) => {
                    let analysis = Analysis { statements: Vec::new(), refused: Some(refused) };
                    let by_syntax = all == Required::default();
                    return Ok(Understood { absent_datasets, ..understood(Arc::new(analysis), snapshot, known, by_syntax) });
                }
            };
            let missing = names.missing_in(&snapshot);
            if missing == Required::default() {
                self.understanding.remember(connection, query, all);
                let analysis = trail.walk(Stage::Analyze, self.analysis(who, query, snapshot.clone())).await?;
                return Ok(Understood { absent_datasets, ..understood(analysis, snapshot, known, false) });
            }
            add(&mut all, &missing);
            absent_datasets.extend(self.look_up(trail, connection, &missing, &mut snapshot, &mut known).await?);
        }
        let reason = format!("views and functions open each other more than {ROUNDS_MAX} times");
        let analysis = Analysis { statements: Vec::new(), refused: Some(Refused { reason }) };
        Ok(understood(Arc::new(analysis), snapshot, known, true))
    }

    /// By the names that it took the last time. Where one of them cannot be looked up now, or means something else, the names are found anew: what
    /// was behind a view then need not matter any more.
    async fn understood_before(&self, trail: &Trail, connection: &str, query: &Request) -> Option<Understood> {
        let names = self.understanding.remembered(connection, query)?;
        let (mut snapshot, mut known) = (Snapshot::default(), (*self.known_now().await.ok()?).clone());
        let absent_datasets = self.look_up(trail, connection, &names, &mut snapshot, &mut known).await.ok()?;
        let analysis = self.understanding.analyses.find(query, &snapshot)?;
        Some(Understood { absent_datasets, ..understood(analysis, snapshot, known, false) })
    }

    /// The columns of whole tables, or some of one, as outputs that show them.
    pub(crate) async fn columns(
        &self,
        trail: &Trail,
        connection: &str,
        tables: &[TableName],
        paths: Option<&[Vec<String>]>,
    ) -> Result<Columns, Why> {
        let mut known = (*self.known_now().await?).clone();
        let mut snapshot = Snapshot::default();
        let wanted = Required { tables: tables.to_vec(), ..Required::default() };
        let absent_datasets = self.look_up(trail, connection, &wanted, &mut snapshot, &mut known).await?;
        let (mut outputs, mut required) = (Vec::new(), BTreeSet::new());
        for name in tables {
            let Some(table) = snapshot.tables.get(name) else {
                let is_dataset = absent_datasets.contains(&(name.project.clone(), name.dataset.clone()));
                return Err(Why::NotFound { what: absent(name, is_dataset) });
            };
            if matches!(table.kind, sluice_sql::catalog::TableKind::View { .. }) {
                let text = "rows of a view are read by a query, whose text says what it shows".to_owned();
                return Err(Why::Form { reason: FormReason::Unsupported, text });
            }
            outputs.extend(table.columns.iter().filter_map(|column| column_of(column, paths)).map(|column| shown(name, &column)));
            required.extend(table.columns.iter().filter(|column| column.required).map(|column| column.name.clone()));
        }
        Ok(Columns { outputs, required, known, snapshot })
    }

    pub(crate) async fn look_up(
        &self,
        trail: &Trail,
        connection: &str,
        wanted: &Required,
        snapshot: &mut Snapshot,
        known: &mut Known,
    ) -> Result<BTreeSet<(String, String)>, Why> {
        if *wanted == Required::default() {
            return Ok(BTreeSet::new());
        }
        let names = wanted.tables.iter().chain(&wanted.routines).chain(&wanted.models);
        names.into_iter().try_for_each(nameable)?;
        self.forget_changing(wanted);
        for label in self.carry_late().await? {
            known.take(&label);
        }
        let part = trail.walk(Stage::Catalog, self.parts.catalog.fetch(connection, wanted)).await?;
        self.remember_tags(known, &part.tags).await?;
        if let Some(table) = part.row_policies.first()
            && !self.impersonates(connection)
        {
            let text = format!("what {table} shows depends on who asks, and this connection asks for everybody with one account");
            return Err(Why::Form { reason: FormReason::Unsupported, text });
        }
        snapshot.add(part.snapshot);
        Ok(part.absent_datasets)
    }

    pub(crate) async fn names(&self, who: &str, query: &Request, snapshot: &Snapshot) -> Result<Result<Required, Refused>, Why> {
        let (engine, query, snapshot) = (Arc::clone(&self.parts.engine), query.clone(), snapshot.clone());
        self.blocking(who, move || sluice_sql::required(engine.as_ref(), &query, &snapshot)).await
    }

    pub(crate) async fn analysis(&self, who: &str, query: &Request, snapshot: Snapshot) -> Result<Arc<Analysis>, Why> {
        let (engine, analyses, query) = (Arc::clone(&self.parts.engine), Arc::clone(&self.understanding.analyses), query.clone());
        self.blocking(who, move || analyses.analyze(engine.as_ref(), &query, &snapshot)).await
    }

    /// Statements that take long to understand keep waiting whoever sent them: nobody has more of them before the engine than it takes at once.
    async fn blocking<T: Send + 'static>(&self, who: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Why> {
        let patience = Duration::from_secs(PLACE_SECONDS_MAX);
        let own = self.understanding.of_callers.take_within(who, patience).await?;
        let place = Arc::clone(&self.understanding.places).acquire_owned();
        let place = tokio::time::timeout(patience, place).await.map_err(|_| Why::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, own));
            done
        });
        done.await.map_err(|_| Why::Catalog(CatalogFault::Unavailable("the analysis broke off".to_owned())))
    }
}

impl Understood {
    /// The table that a text means by this name, if it is not there.
    pub fn absent_table(&self, named: &str) -> Option<&TableName> {
        let path = named.split([';', ' ']).next().unwrap_or_default().replace('`', "").to_lowercase();
        let is_meant = |absent: &&TableName| {
            let whole = absent.to_string().to_lowercase();
            whole.strip_suffix(&path).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        // `t$20240101` is written otherwise; a name of four parts is none of them.
        let first = self.absent.first().filter(|_| path.split('.').count() <= TABLE_NAMES_MAX);
        self.absent.iter().find(is_meant).or(first)
    }

    pub fn is_dataset_absent(&self, table: &TableName) -> bool {
        self.absent_datasets.contains(&(table.project.clone(), table.dataset.clone()))
    }
}

#[derive(Default)]
pub(crate) struct Columns {
    pub outputs: Vec<Output>,
    /// Those in which NULL may not stand.
    pub required: BTreeSet<String>,
    pub known: Known,
    /// All that was looked up.
    pub snapshot: Snapshot,
}

impl Understanding {
    pub fn new(calls_at_once: usize) -> Understanding {
        let places = Arc::new(Semaphore::new(calls_at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Understanding { analyses: Arc::default(), names: Mutex::default(), places, of_callers: Places::new(calls_at_once) }
    }

    fn remembered(&self, connection: &str, query: &Request) -> Option<Arc<Required>> {
        self.names().known.get(&(connection.to_owned(), query.clone())).cloned()
    }

    fn remember(&self, connection: &str, query: &Request, names: Required) {
        if query.text.len() > TEXT_KEPT_BYTES_MAX {
            return;
        }
        let key = (connection.to_owned(), query.clone());
        let mut kept = self.names();
        if kept.known.insert(key.clone(), Arc::new(names)).is_none() {
            kept.order.push_back(key);
        }
        while kept.order.len() > NAMES_KEPT_MAX {
            if let Some(oldest) = kept.order.pop_front() {
                kept.known.remove(&oldest);
            }
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that means one thing and has labels of its own. Results of queries lie in hidden datasets, unmasked: they are read through their job. A
/// project's number is a second name for all its tables.
fn nameable(name: &TableName) -> Result<(), Why> {
    if name.dataset.starts_with('_') && name.dataset != TEMPORARY_DATASET {
        let what = format!("{}; {RESULTS_ARE_READ}", absent(name, false));
        return Err(Why::NotFound { what });
    }
    if !name.project.is_empty() && name.project.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = format!("`{name}`: a project is named by its id, not by its number");
        return Err(Why::Form { reason: FormReason::InvalidQuery, text });
    }
    Ok(())
}

/// The same for what a statement writes, which nobody has looked up.
pub(crate) fn all_nameable(analysis: &Analysis) -> Result<(), Why> {
    let mut statements = analysis.statements.iter();
    statements.try_for_each(|statement| {
        statement.reads.iter().try_for_each(|read| nameable(&read.table))?;
        statement.writes.iter().try_for_each(|write| nameable(&write.table))
    })
}

/// What depends on who asks, in what an analysis found.
pub(crate) fn depends_on_who_asks(analysis: &Analysis) -> bool {
    analysis.statements.iter().any(|statement| statement.effects.contains(&Effect::Identity))
}

/// A view of BigQuery's that shows what others asked, with the values in their texts, or values as names of partitions. Jobs belong to who sent
/// them, and labels do not follow a value into a text.
pub(crate) fn tells_of_others(analysis: &Analysis) -> Option<String> {
    let mut reads = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table);
    reads.find_map(|table| {
        let view = builtin::table().view(&table.table)?;
        let text = match view.flags.iter().find(|flag| matches!(flag, Flag::ShowsOthers | Flag::ShowsValues))? {
            Flag::ShowsOthers if !table.table.to_ascii_uppercase().contains(".JOBS") => {
                "shows what others do or may do, who is one account for BigQuery here; accepted: what it tells of one table or dataset (`tables.get`, \
                 `datasets.get`), which is decided for you"
            }
            Flag::ShowsOthers => {
                "shows what others asked, as do all views of jobs, most of them with the values in their texts; accepted: `jobs.list`, by which the gateway shows each caller its own jobs"
            }
            _ => {
                "shows values as names of partitions, which no label follows; accepted: `INFORMATION_SCHEMA.TABLES` for the tables of a dataset, or \
                 `COUNT(*)` with a GROUP BY over the column that the table is partitioned by, which is decided as any other statement"
            }
        };
        Some(format!("`{table}` {text}"))
    })
}

fn understood(analysis: Arc<Analysis>, snapshot: Snapshot, known: Known, by_syntax: bool) -> Understood {
    let tables = snapshot.tables.values().map(|table| (&table.name, &table.etag));
    let routines = snapshot.routines.values().map(|routine| (&routine.name, &routine.etag));
    let models = snapshot.models.values().map(|model| (&model.name, &model.etag));
    let opened = tables.chain(routines).chain(models);
    let tables: Vec<Table> = opened.map(|(name, etag)| Table { name: name.to_string(), etag: etag.clone() }).collect();
    let names = snapshot.tables.keys().chain(snapshot.routines.keys()).chain(snapshot.models.keys()).chain(&snapshot.absent);
    let named = names.cloned().collect();
    let absent = snapshot.absent.iter().cloned().collect();
    Understood { analysis, tables, known, named, absent, absent_datasets: BTreeSet::new(), by_syntax, snapshot }
}

/// Each round names only what the rounds before have not looked up.
fn add(all: &mut Required, more: &Required) {
    all.tables.extend_from_slice(&more.tables);
    all.routines.extend_from_slice(&more.routines);
    all.models.extend_from_slice(&more.models);
}

/// As `selectedFields` leaves a column: whole, with some of its fields, or not at all.
fn column_of(column: &Column, paths: Option<&[Vec<String>]>) -> Option<Column> {
    let Some(paths) = paths else { return Some(column.clone()) };
    let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
    let kind = selected(&column.name, &column.kind, &paths)?;
    Some(Column { kind, ..column.clone() })
}

fn selected(name: &str, kind: &Type, paths: &[&[String]]) -> Option<Type> {
    let own = paths.iter().filter_map(|path| path.split_first()).filter(|(first, _)| first.eq_ignore_ascii_case(name));
    let rests: Vec<&[String]> = own.map(|(_, rest)| rest).collect();
    let is_whole = rests.iter().any(|rest| rest.is_empty());
    (!rests.is_empty()).then(|| if is_whole { kind.clone() } else { narrowed(kind, &rests) })
}

fn narrowed(kind: &Type, paths: &[&[String]]) -> Type {
    match kind {
        Type::Array(element) => Type::array(narrowed(element, paths)),
        Type::Struct(fields) => {
            let kept = fields
                .iter()
                .filter_map(|field| Some(Field { name: field.name.clone(), kind: selected(&field.name, &field.kind, paths)? }));
            Type::Struct(kept.collect())
        }
        other => other.clone(),
    }
}

/// Every leaf of a column, at its path: a label on any of them is found.
pub(crate) fn shown(table: &TableName, column: &Column) -> Output {
    let mut exposures = Vec::new();
    leaves(table, &column.kind, &mut vec![column.name.clone()], None, &mut exposures);
    Output { name: column.name.clone(), kind: Some(column.kind.clone()), exposures }
}

/// A field that could be taken for another counts as everything around it: `certain` is how far the path leads to one place alone.
fn leaves(table: &TableName, kind: &Type, path: &mut Vec<String>, certain: Option<usize>, exposures: &mut Vec<Exposure>) {
    match kind {
        Type::Array(element) => leaves(table, element, path, certain, exposures),
        Type::Struct(fields) if !fields.is_empty() => {
            for (field, step) in fields.iter().zip(place::steps(fields)) {
                let certain = certain.or_else(|| place::is_place(&step).then_some(path.len()));
                path.push(field.name.clone());
                leaves(table, &field.kind, path, certain, exposures);
                path.pop();
            }
        }
        _ => {
            let at = path.iter().take(certain.unwrap_or(path.len())).skip(1).cloned().collect();
            let column = sluice_model::ColumnPath { table: table.clone(), path: path.clone() };
            exposures.push(Exposure { at, column, how: How::Direct });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column of a table as these fields leave it.
    #[test]
    fn selected_fields_narrow_a_column() {
        let check = |kind: &str, fields: &str, expect: Option<&str>| {
            let column = Column { name: "c".to_owned(), kind: Type::parse(kind).unwrap(), required: false, narrow: false };
            let paths: Vec<Vec<String>> = fields.split(',').map(|path| path.split('.').map(str::to_owned).collect()).collect();
            let found = column_of(&column, Some(&paths)).map(|column| column.kind);
            assert_eq!(found, expect.map(|kind| Type::parse(kind).unwrap()), "{kind} {fields}");
        };
        let contacts = "ARRAY<STRUCT<name STRING, at STRUCT<city STRING, zip STRING>>>";
        check("STRING", "c", Some("STRING"));
        check("STRING", "d", None);
        check(contacts, "C", Some(contacts));
        check(contacts, "c.name", Some("ARRAY<STRUCT<name STRING>>"));
        check(contacts, "c.at.zip,d.x", Some("ARRAY<STRUCT<at STRUCT<zip STRING>>>"));
        check(contacts, "c.At,c.at.zip", Some("ARRAY<STRUCT<at STRUCT<city STRING, zip STRING>>>"));
        check(contacts, "c.name,c", Some(contacts));
    }

    /// What a text needs is found in rounds, and known at once the next time.
    #[test]
    fn names_of_all_rounds_are_remembered() {
        let names = |tables: &[&str], routines: &[&str]| Required {
            tables: tables.iter().map(|name| TableName::new("p", "d", name)).collect(),
            routines: routines.iter().map(|name| TableName::new("p", "d", name)).collect(),
            models: Vec::new(),
        };
        let (understanding, query) = (Understanding::new(1), Request::default());
        let mut all = Required::default();
        [names(&["view"], &["function"]), names(&["behind"], &[])].iter().for_each(|round| add(&mut all, round));
        understanding.remember("c", &query, all);
        assert_eq!(understanding.remembered("c", &query).as_deref(), Some(&names(&["view", "behind"], &["function"])));
        assert_eq!(understanding.remembered("another", &query), None);
    }

    /// Which of several tables that are not there a text means.
    #[test]
    fn the_table_that_is_not_there_is_the_one_that_is_named() {
        let names = ["p.a.first", "p.d.events_*", "p.d.none", "q.d.none"].map(|name| TableName::parse(name).unwrap());
        let snapshot = Snapshot { absent: names.into(), ..Snapshot::default() };
        let analysis = Arc::new(Analysis { statements: Vec::new(), refused: None });
        let understood = understood(analysis, snapshot, Known::default(), false);
        let check = |named: &str, expect: Option<&str>| {
            assert_eq!(understood.absent_table(named).map(ToString::to_string).as_deref(), expect, "{named}");
        };
        check("none at [1:15]", Some("p.d.none"));
        check("D.None; Did you mean nine? at [1:15]", Some("p.d.none"));
        check("`q`.d.none", Some("q.d.none"));
        check("d.`events_*` at [1:15]", Some("p.d.events_*"));
        check("one at [1:15]", Some("p.a.first"));
        check("d.none$20240101", Some("p.a.first"));
        check("p.d.none.x at [1:15]; accepted: `project.dataset.table`", None);
    }
}
