//! The warehouse itself: an engine, a state, and what is kept between statements.

use super::driver::Driver;
use super::evaluator::{Evaluator, Parameter};
use super::information_schema::JobHistory;
use super::kinds;
use super::names::Defaults;
use super::outcome::Outcome;
use super::query::Described;
use super::text::Script;
use super::world::{System, Temporary, World};
use crate::problem::{Problem, Reason};
use crate::store::folder::Folder;
use crate::store::{DatasetName, Rows, State, Working};
use crate::values::{Column, Datum};
use sluice_model::TableName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Texts whose syntax trees are kept.
const SCRIPTS_MAX: usize = 1_000;
const KEPT_SCRIPT_BYTES_MAX: usize = 16 * 1024;
const KEPT_VIEWS_MAX: usize = 200;
/// Statements of one run, those of loops and procedures counted each time.
pub const STEPS_MAX: u64 = 10_000;
/// A change is made again from the start when another one came first.
const COMMIT_TRIES_MAX: usize = 20;

pub struct Warehouse {
    evaluator: Arc<dyn Evaluator>,
    pub project: String,
    pub location: String,
    state: RwLock<Arc<State>>,
    folder: Option<Folder>,
    scripts: Mutex<HashMap<String, Arc<Script>>>,
    views: Mutex<HashMap<u64, KeptView>>,
}

#[derive(Clone)]
pub(super) struct KeptView {
    pub dependencies: Vec<(TableName, u64)>,
    pub rows: Arc<Rows>,
}

/// How a text is run.
#[derive(Clone)]
pub struct RunSettings {
    /// What unqualified datasets belong to.
    pub project: String,
    pub default_dataset: Option<DatasetName>,
    /// Positional ones are named by `positional_name`.
    pub parameters: Vec<Parameter>,
    pub user_email: String,
    pub job_id: String,
    /// Set by whoever wants the run to end: it does so before its next statement.
    pub cancelled: Arc<AtomicBool>,
    pub history: Option<Arc<dyn JobHistory>>,
    pub steps_max: u64,
}

/// What a dry run tells.
#[derive(Clone, Debug)]
pub struct DryRun {
    pub kind: &'static str,
    pub columns: Vec<Column>,
    pub tables: Vec<TableName>,
    pub routines: Vec<TableName>,
    pub bytes: u64,
}

impl Warehouse {
    pub fn new(evaluator: Arc<dyn Evaluator>, project: &str, location: &str, state: State, folder: Option<Folder>) -> Warehouse {
        Warehouse {
            evaluator,
            project: project.to_owned(),
            location: location.to_owned(),
            state: RwLock::new(Arc::new(state)),
            folder,
            scripts: Mutex::default(),
            views: Mutex::default(),
        }
    }

    /// Nothing is kept on disk from now on.
    pub fn close(&self) {
        self.folder.iter().for_each(Folder::close);
    }

    /// Runs a statement or a script. Errors are part of the outcome.
    pub fn run(&self, sql: &str, settings: &RunSettings) -> Outcome {
        let script = match self.script(sql) {
            Ok(script) => script,
            Err(problem) => return Outcome { kind: "SCRIPT", statements: Vec::new(), error: Some(problem) },
        };
        Driver::new(self, settings).run(&script)
    }

    /// Kind, types, tables and bytes of a text. Nothing of it is executed.
    pub fn dry_run(&self, sql: &str, settings: &RunSettings) -> Result<DryRun, Problem> {
        Driver::new(self, settings).describe(&*self.script(sql)?)
    }

    pub fn snapshot(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes datasets, tables or routines, as often as it takes to be the only one that does.
    pub fn change<T>(&self, change: impl Fn(&mut Working) -> Result<T, Problem>) -> Result<T, Problem> {
        for _ in 0..COMMIT_TRIES_MAX {
            let mut working = Working::new(self.snapshot());
            let result = change(&mut working)?;
            if self.commit(&working)? {
                return Ok(result);
            }
        }
        Err(aborted())
    }

    /// Gives false where something that was changed had been changed by another in between.
    pub fn commit(&self, working: &Working) -> Result<bool, Problem> {
        if working.touched.is_empty() {
            return Ok(true);
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !working.fits(&state) {
            return Ok(false);
        }
        let next = working.laid_over(&state);
        if let Some(folder) = &self.folder {
            folder.keep(&next, working.touched.iter())?;
        }
        *state = Arc::new(next);
        Ok(true)
    }

    /// Puts other values in one column of a table, `path` leading into records and through arrays.
    pub fn replace_values(&self, table: &TableName, path: &[&str], value: &dyn Fn(u64, &Datum) -> Datum) -> Result<(), Problem> {
        self.change(|working| {
            let mut changed = crate::store::Table::clone(working.state.table(table)?);
            let rows = super::coerce::replaced(&changed.columns, changed.rows.as_held().unwrap_or_default(), path, value)?;
            changed.rows = Arc::new(Rows::held(rows));
            working.put_table(changed)
        })
    }

    /// The columns of a view that is made through REST.
    pub fn view_columns(&self, name: &TableName, sql: &str, legacy: bool) -> Result<Vec<Column>, Problem> {
        let defaults = Defaults { project: name.project.clone(), dataset: None };
        let (state, temporary, system) = (self.snapshot(), Temporary::default(), System::default());
        let world = World {
            warehouse: self,
            state: &state,
            defaults: &defaults,
            temporary: &temporary,
            variables: Vec::new(),
            parameters: &[],
            system: &system,
            history: None,
            depth: 0,
        };
        super::view::columns(&world, name, sql, legacy)
    }

    pub(super) fn evaluator(&self) -> &dyn Evaluator {
        self.evaluator.as_ref()
    }

    /// A text's syntax tree, kept: views and routines are read again and again, and a query is described before it is run.
    pub(super) fn script(&self, text: &str) -> Result<Arc<Script>, Problem> {
        if let Some(script) = lock(&self.scripts).get(text) {
            return Ok(script.clone());
        }
        let script = Arc::new(Script::parse(self.evaluator.as_ref(), text)?);
        if text.len() > KEPT_SCRIPT_BYTES_MAX {
            return Ok(script);
        }
        let mut scripts = lock(&self.scripts);
        if scripts.len() >= SCRIPTS_MAX {
            scripts.clear();
        }
        scripts.insert(text.to_owned(), script.clone());
        Ok(script)
    }

    /// The rows of a view from last time, if all that it reads is still the same.
    pub(super) fn kept_view(&self, version: u64, state: &State) -> Option<KeptView> {
        let views = lock(&self.views);
        let kept = views.get(&version)?;
        let same = |(name, version): &(TableName, u64)| state.find_table(name).is_some_and(|table| table.rows.version == *version);
        kept.dependencies.iter().all(same).then(|| kept.clone())
    }

    pub(super) fn keep_view(&self, version: u64, dependencies: Vec<(TableName, u64)>, rows: Arc<Rows>) {
        let mut views = lock(&self.views);
        if views.len() >= KEPT_VIEWS_MAX {
            views.clear();
        }
        views.insert(version, KeptView { dependencies, rows });
    }
}

impl RunSettings {
    pub fn new(project: &str, user_email: &str) -> RunSettings {
        RunSettings {
            project: project.to_owned(),
            default_dataset: None,
            parameters: Vec::new(),
            user_email: user_email.to_owned(),
            job_id: String::new(),
            cancelled: Arc::default(),
            history: None,
            steps_max: STEPS_MAX,
        }
    }

    pub(super) fn check_cancelled(&self) -> Result<(), Problem> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Problem::new(Reason::Stopped, "Job execution was cancelled: User requested cancellation"));
        }
        Ok(())
    }
}

impl DryRun {
    pub(super) fn of(kind: &'static str, described: Described) -> DryRun {
        let Described { columns, tables, routines, bytes } = described;
        // Statements that change something have no result schema.
        let columns = if kinds::has_result(kind) { columns } else { Vec::new() };
        DryRun { kind, columns, tables, routines, bytes }
    }
}

pub(super) fn aborted() -> Problem {
    Problem::invalid_query("Transaction is aborted due to concurrent update")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
