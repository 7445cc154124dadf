//! What jobs of the past did, one after the other, and which labels went along.

use super::warehouse::Warehouse;
use sluice_googlesql::{ANALYSIS_MILLISECONDS_MAX, GoogleSql};
use sluice_model::{Analysis, ColumnPath, Effect, Field, StatementAnalysis, TableName, Type};
use sluice_outbound::{CopyKind, Derivation, Made, OldModel, PastJob, PastWork};
use sluice_policy::{Carried, Destination, Inherited, Known, PolicySet, Purpose, Request, Sends, Statement, Work, canonical};
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Required, analyze, required};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is opened names more, and that again.
const ROUNDS_MAX: usize = 40;
/// Copies of copies.
const PATH_COLUMNS_MAX: usize = 64;

/// A column that lacks a label, and how its values came there.
pub struct Lacking {
    pub column: ColumnPath,
    pub label: String,
    /// It was computed from what the label is on.
    pub computed: bool,
    /// `copy`, `clone`, `snapshot`, `view`, `model`, or what kind of statement it was.
    pub kind: String,
    pub source: ColumnPath,
    /// From a column that has the label to this one.
    pub path: Vec<ColumnPath>,
    pub job: Option<String>,
}

pub struct Scanned {
    pub jobs: usize,
    pub understood: usize,
    pub lacking: Vec<Lacking>,
    /// What, and why.
    pub unread: Vec<(String, String)>,
    /// Models that no job explains.
    pub models: Vec<OldModel>,
    pub untold: usize,
    pub is_whole: bool,
}

/// Where tables are looked up.
pub enum Catalog {
    Folder(Snapshot),
    Warehouse(Warehouse),
}

pub struct Reading<'a> {
    set: &'a PolicySet,
    engine: GoogleSql,
    pub catalog: Catalog,
    known: Known,
    /// Where each found label of a column came from.
    sources: BTreeMap<(String, String), ColumnPath>,
    written: BTreeSet<TableName>,
    /// Statements that were read, and how much was known then: a job that runs every hour is read once.
    seen: HashMap<(String, String, Option<TableName>), usize>,
    pub scanned: Scanned,
}

impl<'a> Reading<'a> {
    pub fn new(set: &'a PolicySet, engine: GoogleSql, catalog: Catalog, known: Known) -> Reading<'a> {
        let scanned =
            Scanned { jobs: 0, understood: 0, lacking: Vec::new(), unread: Vec::new(), models: Vec::new(), untold: 0, is_whole: true };
        let (sources, written, seen) = (BTreeMap::new(), BTreeSet::new(), HashMap::new());
        Reading { set, engine, catalog, known, sources, written, seen, scanned }
    }

    /// The oldest first.
    pub fn jobs(&mut self, jobs: &[PastJob]) {
        self.scanned.jobs += jobs.len();
        for job in jobs {
            self.job(job);
        }
    }

    pub fn done(self) -> Scanned {
        self.scanned
    }

    /// A table that says itself what it was made of.
    pub fn made(&mut self, made: &Made) {
        let kind = match made.derivation {
            Derivation::Clone => "clone",
            Derivation::Snapshot => "snapshot",
        };
        match self.copied(std::slice::from_ref(&made.base), &made.name) {
            Ok(carried) => self.keep(carried, kind, None),
            Err(why) => self.scanned.unread.push((format!("{kind} {}", made.name), why)),
        }
    }

    /// What a view shows now, whenever it was made.
    pub fn view(&mut self, view: &TableName) {
        let request = sluice_sql::Request {
            text: format!("SELECT * FROM `{view}`"),
            project: view.project.clone(),
            ..sluice_sql::Request::default()
        };
        match self.understood(&request) {
            Ok(analysis) => {
                let carried = self.carried(&request, analysis, Some(view.clone()));
                self.keep(carried, "view", None);
            }
            Err(why) => self.scanned.unread.push((format!("view {view}"), why)),
        }
    }

    /// A model that no job explains. One whose columns all have labels needs no explanation.
    pub fn model(&mut self, model: OldModel) {
        let path = |name: &String| ColumnPath { table: model.name.clone(), path: vec![name.clone()] };
        let has_label = |name: &String| !self.set.labels.of(&path(name), &self.known).is_empty();
        let is_labelled = !model.columns.is_empty() && model.columns.iter().all(has_label);
        if !self.written.contains(&model.name) && !is_labelled {
            self.scanned.models.push(model);
        }
    }

    fn job(&mut self, job: &PastJob) {
        let read = match &job.work {
            PastWork::Copy { kind, sources, destination } => self.copy(job, *kind, sources, destination.as_ref()),
            PastWork::Query { text, default_dataset, is_legacy, destination } => {
                let request = sluice_sql::Request {
                    text: text.clone(),
                    project: job.project.clone(),
                    default_dataset: default_dataset.clone(),
                    legacy_sql: *is_legacy,
                    ..sluice_sql::Request::default()
                };
                self.query(job, &request, destination.as_ref())
            }
        };
        let Err(why) = read else {
            self.scanned.understood += 1;
            return;
        };
        // What a script did can be seen in its statements, if it cannot be in its text.
        let children = match &self.catalog {
            Catalog::Warehouse(warehouse) if job.children > 0 => warehouse.children(job),
            _ => Ok(Vec::new()),
        };
        match children {
            Ok(children) if !children.is_empty() => children.iter().for_each(|child| self.job(child)),
            Ok(_) => self.scanned.unread.push((format!("job {}", job.id), why)),
            Err(fault) => self.scanned.unread.push((format!("job {}", job.id), format!("{why}; its statements: {fault}"))),
        }
    }

    fn copy(&mut self, job: &PastJob, kind: CopyKind, sources: &[TableName], destination: Option<&TableName>) -> Result<(), String> {
        let kind = match kind {
            CopyKind::Clone => "clone",
            CopyKind::Copy | CopyKind::Restore => "copy",
            CopyKind::Snapshot => "snapshot",
        };
        let destination = destination.filter(|table| !is_hidden(table)).ok_or("the history does not say where it was copied to")?;
        let carried = self.copied(sources, destination)?;
        self.keep(carried, kind, Some(&job.id));
        Ok(())
    }

    fn query(&mut self, job: &PastJob, request: &sluice_sql::Request, destination: Option<&TableName>) -> Result<(), String> {
        let destination = destination.filter(|table| !is_hidden(table)).cloned();
        let key = (request.project.clone(), request.text.clone(), destination.clone());
        let known = self.scanned.lacking.len();
        if self.seen.insert(key, known) == Some(known) {
            return Ok(());
        }
        let analysis = self.understood(request)?;
        // A statement that writes by itself names its table in its text.
        let is_query = matches!(analysis.statements.as_slice(), [only] if only.kind == "SELECT");
        let words: Vec<(TableName, String)> = analysis.statements.iter().flat_map(words).collect();
        let carried = self.carried(request, analysis, destination.filter(|_| is_query));
        self.written.extend(words.iter().map(|(table, _)| table.clone()));
        for one in carried {
            let word = words.iter().find(|(table, _)| *table == one.inherited.column.table).map_or("query", |(_, word)| word);
            self.keep(vec![one], word, Some(&job.id));
        }
        Ok(())
    }

    fn carried(&self, request: &sluice_sql::Request, analysis: Analysis, destination: Option<TableName>) -> Vec<Carried> {
        let statement = Statement {
            text: request.text.clone(),
            parameters: Vec::new(),
            default_dataset: None,
            location: None,
            destination: destination.map(|table| Destination { table, replaces: true }),
            purpose: Purpose::Dispatch,
            analysis,
        };
        let work = Work::Statement(Box::new(statement));
        let project = request.project.clone();
        self.set.carried(&Request { connection: String::new(), project, work, also: Vec::new(), sends: Sends::default() }, &self.known)
    }

    fn understood(&mut self, request: &sluice_sql::Request) -> Result<Analysis, String> {
        let mut snapshot = Snapshot::default();
        for _ in 0..ROUNDS_MAX {
            if let Catalog::Folder(whole) = &self.catalog {
                return sound(analyze(&self.engine.within(ANALYSIS_MILLISECONDS_MAX), request, whole));
            }
            let names = required(&self.engine.within(ANALYSIS_MILLISECONDS_MAX), request, &snapshot).map_err(|refused| refused.reason)?;
            let missing = names.missing_in(&snapshot);
            if missing == Required::default() {
                return sound(analyze(&self.engine.within(ANALYSIS_MILLISECONDS_MAX), request, &snapshot));
            }
            snapshot.add(self.looked_up(&missing)?);
        }
        Err(format!("views and functions open each other more than {ROUNDS_MAX} times"))
    }

    /// Policy tags that nobody has seen yet count too.
    fn looked_up(&mut self, wanted: &Required) -> Result<Snapshot, String> {
        match &self.catalog {
            Catalog::Folder(snapshot) => Ok(snapshot.clone()),
            Catalog::Warehouse(warehouse) => {
                let part = warehouse.look_up(wanted)?;
                for (column, tag) in &part.tags {
                    self.known.tag(column, tag);
                }
                Ok(part.snapshot)
            }
        }
    }

    fn copied(&mut self, sources: &[TableName], destination: &TableName) -> Result<Vec<Carried>, String> {
        if sources.is_empty() {
            return Err("the history does not say what was copied".to_owned());
        }
        let there = self.looked_up(&Required { tables: sources.to_vec(), ..Required::default() })?;
        let mut carried = Vec::new();
        for source in sources {
            let table = there.tables.get(source).ok_or_else(|| format!("{source} is not in the catalog"))?;
            let fields: Vec<Field> =
                table.columns.iter().map(|column| Field { name: column.name.clone(), kind: column.kind.clone() }).collect();
            let mut paths = Vec::new();
            leaves(&fields, &mut Vec::new(), &mut paths);
            for path in paths {
                let from = ColumnPath { table: source.clone(), path: path.clone() };
                let column = ColumnPath { table: destination.clone(), path };
                let (labels, computed) = (self.set.labels.of(&from, &self.known), self.set.labels.is_computed(&from, &self.known));
                carried.extend(labels.into_iter().map(|label| Carried {
                    source: from.clone(),
                    inherited: Inherited { column: column.clone(), label: label.name.clone(), computed },
                }));
            }
        }
        Ok(carried)
    }

    /// What has the label already is left out. From here on it is known, so that copies of it are found.
    fn keep(&mut self, carried: Vec<Carried>, kind: &str, job: Option<&str>) {
        for Carried { source, inherited } in carried {
            let has_label = self.set.labels.of(&inherited.column, &self.known).iter().any(|has| has.name == inherited.label);
            if has_label && (!inherited.computed || self.set.labels.is_computed(&inherited.column, &self.known)) {
                continue;
            }
            self.known.take(&inherited);
            let Inherited { column, label, computed } = inherited;
            self.sources.insert((canonical(&column).to_string(), label.clone()), source.clone());
            let path = self.path(&column, &label);
            self.scanned.lacking.push(Lacking {
                column,
                label,
                computed,
                kind: kind.to_owned(),
                source,
                path,
                job: job.map(str::to_owned),
            });
        }
    }

    fn path(&self, column: &ColumnPath, label: &str) -> Vec<ColumnPath> {
        let mut path = vec![column.clone()];
        while let Some(source) = path.last().and_then(|last| self.sources.get(&(canonical(last).to_string(), label.to_owned()))) {
            if path.contains(source) || path.len() >= PATH_COLUMNS_MAX {
                break;
            }
            path.push(source.clone());
        }
        path.reverse();
        path
    }
}

fn sound(analysis: Analysis) -> Result<Analysis, String> {
    if let Some(refused) = &analysis.refused {
        return Err(refused.reason.clone());
    }
    match analysis.statements.iter().flat_map(|statement| &statement.unresolved).next() {
        Some(part) => Err(part.what.clone()),
        None => Ok(analysis),
    }
}

/// What a statement made of each table that it wrote.
fn words(statement: &StatementAnalysis) -> impl Iterator<Item = (TableName, String)> + '_ {
    let has = |effect: Effect| statement.effects.contains(&effect);
    let word = match statement.kind.as_str() {
        "CREATE_SNAPSHOT_TABLE" => "snapshot".to_owned(),
        "CREATE_VIEW" | "CREATE_MATERIALIZED_VIEW" => "view".to_owned(),
        _ if has(Effect::Model) => "model".to_owned(),
        _ if has(Effect::Clone) => "clone".to_owned(),
        _ if has(Effect::Copy) => "copy".to_owned(),
        kind => kind.to_lowercase().replace('_', " "),
    };
    statement.writes.iter().map(move |write| (write.table.clone(), word.clone()))
}

/// Results of queries lie in datasets that nobody names.
fn is_hidden(table: &TableName) -> bool {
    table.dataset.starts_with('_')
}

/// Every path that ends in a value.
fn leaves(fields: &[Field], above: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for field in fields {
        above.push(field.name.clone());
        let kind = match &field.kind {
            Type::Array(element) => element.as_ref(),
            kind => kind,
        };
        match kind {
            Type::Struct(inside) => leaves(inside, above, found),
            _ => found.push(above.clone()),
        }
        above.pop();
    }
}
