//! Steps through a script: one statement after the other, each against the state as it is then.

use super::bind::{Binder, Purpose};
use super::names::Defaults;
use super::outcome::{Outcome, Place, StatementOutcome};
use super::query::{self, Found};
use super::text::{Edited, Script, Span};
use super::transaction::Transaction;
use super::warehouse::{DryRun, RunSettings, Warehouse};
use super::world::{System, Temporary, Variable, World};
use super::{Parameter, estimate, kinds, modify};
use crate::clock::now_milliseconds;
use crate::problem::{Problem, Reason};
use crate::store::{Rows, State};
use crate::values::{Column, Datum};
use sluice_model::TableName;
use sluice_sql::engine::Target;
use sluice_sql::tree::NodeId;
use std::sync::Arc;

/// Blocks, procedures and dynamic SQL inside one another.
pub const NESTING_MAX: usize = 50;

pub struct Driver<'a> {
    pub warehouse: &'a Warehouse,
    pub settings: &'a RunSettings,
    pub system: System,
    pub defaults: Defaults,
    pub temporary: Temporary,
    /// Variables of open blocks, the innermost last.
    pub blocks: Vec<Vec<Variable>>,
    pub parameters: Vec<Parameter>,
    pub transaction: Option<Transaction>,
    pub statements: Vec<StatementOutcome>,
    /// The errors that handlers are handling, the innermost last.
    pub handled: Vec<Problem>,
    pub nesting: usize,
    /// One statement, not a script: errors are not given its place.
    single: Option<NodeId>,
    steps: u64,
}

/// How a statement list ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    Break(Option<String>),
    Continue(Option<String>),
    Next,
    Return,
}

/// What one statement gave, before it is written down.
#[derive(Default)]
pub struct Done {
    pub found: Option<Found>,
    pub changed: Option<super::outcome::Changed>,
    pub definition: Option<super::outcome::Definition>,
    pub written: Option<TableName>,
}

impl<'a> Driver<'a> {
    pub fn new(warehouse: &'a Warehouse, settings: &'a RunSettings) -> Driver<'a> {
        let mut system = System { user_email: settings.user_email.clone(), ..System::default() };
        system.set_text("project_id", &settings.project);
        system.set_text("dataset_project_id", &settings.project);
        system.set_text("dataset_id", settings.default_dataset.as_ref().map_or("", |default| &default.dataset));
        system.set_text("time_zone", "UTC");
        system.set_text("script.job_id", &settings.job_id);
        system.set_text("query_label", "");
        system.variables.insert("row_count".to_owned(), "0".to_owned());
        Driver {
            warehouse,
            settings,
            system,
            defaults: Defaults { project: settings.project.clone(), dataset: settings.default_dataset.clone() },
            temporary: Temporary::default(),
            blocks: vec![Vec::new()],
            parameters: settings.parameters.clone(),
            transaction: None,
            statements: Vec::new(),
            handled: Vec::new(),
            nesting: 0,
            single: None,
            steps: 0,
        }
    }

    pub fn run(mut self, script: &Script) -> Outcome {
        let (kind, only) = kinds::whole(script);
        self.single = only;
        let result = self.list(script, &script.statements());
        // A transaction that is still open was never committed: it goes with the driver.
        if only.is_some() {
            let last = self.statements.pop();
            self.statements = last.into_iter().collect();
        }
        Outcome { kind, statements: self.statements, error: result.err() }
    }

    pub fn describe(mut self, script: &Script) -> Result<DryRun, Problem> {
        let (kind, only) = kinds::whole(script);
        let statements = script.statements();
        let Some(only) = only else {
            let mut whole = query::Described::default();
            for node in statements.into_iter().filter(|node| kinds::statement_type(script, *node).is_some()) {
                // What depends on earlier statements cannot be told without running them.
                if let Ok(described) = self.describe_statement(script, node) {
                    whole.bytes += described.bytes;
                    whole.tables.extend(described.tables);
                    whole.routines.extend(described.routines);
                }
            }
            whole.tables.sort();
            whole.tables.dedup();
            return Ok(DryRun::of(kind, query::Described { columns: Vec::new(), ..whole }));
        };
        for node in statements.into_iter().filter(|node| *node != only) {
            self.step(script, node)?;
        }
        self.describe_statement(script, only).map(|described| DryRun::of(kind, described))
    }

    pub fn list(&mut self, script: &Script, nodes: &[NodeId]) -> Result<Flow, Problem> {
        for node in nodes {
            match self.step(script, *node)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    pub fn step(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        self.settings.check_cancelled()?;
        self.steps += 1;
        if self.steps > self.settings.steps_max {
            let message = format!("The script ran more than {} statements", self.settings.steps_max);
            return Err(Problem::new(Reason::ResourcesExceeded, message));
        }
        if script.tree.kind(node) == "ASTHintedStatement" {
            let inner = script.tree.child(node, "statement").ok_or_else(|| Problem::internal("a hint without a statement"))?;
            return self.step(script, inner);
        }
        match kinds::statement_type(script, node) {
            Some(kind) => self.statement(script, node, kind).map(|()| Flow::Next),
            None => self.control(script, node).map_err(|problem| self.placed(problem, script, node)),
        }
    }

    pub fn read<T>(&self, read: impl FnOnce(&World<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        let state = self.state();
        read(&self.world(&state))
    }

    pub fn state(&self) -> Arc<State> {
        match &self.transaction {
            Some(transaction) => Arc::new(transaction.working.state.clone()),
            None => self.warehouse.snapshot(),
        }
    }

    pub fn world<'s>(&'s self, state: &'s State) -> World<'s> {
        let mut variables: Vec<Variable> = Vec::new();
        for variable in self.blocks.iter().rev().flatten() {
            if !variables.iter().any(|other| other.name.eq_ignore_ascii_case(&variable.name)) {
                variables.push(variable.clone());
            }
        }
        World {
            warehouse: self.warehouse,
            state,
            defaults: &self.defaults,
            temporary: &self.temporary,
            variables,
            parameters: &self.parameters,
            system: &self.system,
            history: self.settings.history.as_deref(),
            depth: 0,
        }
    }

    /// Writes a statement's result down.
    pub fn record(
        &mut self,
        script: &Script,
        span: Span,
        kind: &'static str,
        expression: bool,
        started: i64,
        result: Result<Done, Problem>,
    ) {
        let (done, error) = match result {
            Ok(done) => (done, None),
            Err(problem) => (Done::default(), Some(problem)),
        };
        let (columns, rows): (Vec<Column>, Arc<Rows>) = match done.found {
            Some(found) => (found.columns, found.rows),
            None => (Vec::new(), Arc::new(Rows::held(Vec::new()))),
        };
        let ((start_line, start_column), (end_line, end_column)) = (script.position(span.start), script.position(span.end));
        self.statements.push(StatementOutcome {
            kind,
            expression,
            text: script.text.get(span.start..span.end).unwrap_or_default().to_owned(),
            place: Place { start_line, start_column, end_line, end_column },
            columns,
            rows,
            changed: done.changed,
            definition: done.definition,
            written: done.written,
            started_milliseconds: started,
            ended_milliseconds: now_milliseconds(),
            error,
        });
    }

    /// Errors of scripts say where they happened.
    pub fn placed(&self, mut problem: Problem, script: &Script, node: NodeId) -> Problem {
        if self.single.is_none() && !problem.message.contains(" at [") {
            let (line, column) = script.span(node).map_or((1, 1), |span| script.position(span.start));
            problem.message = format!("{} at [{line}:{column}]", problem.message);
        }
        problem
    }

    fn statement(&mut self, script: &Script, node: NodeId, kind: &'static str) -> Result<(), Problem> {
        let started = now_milliseconds();
        let span = script.span(node).ok_or_else(|| Problem::internal("a statement without a place"))?;
        let result = self.execute(script, node, span, kind).map_err(|problem| self.placed(problem, script, node));
        if let Ok(done) = &result {
            let count = done.changed.map(super::outcome::Changed::total);
            let count = count.or_else(|| done.found.as_ref().map(|found| found.rows.count()));
            self.system.variables.insert("row_count".to_owned(), count.unwrap_or_default().to_string());
        }
        let error = result.as_ref().err().cloned();
        self.record(script, span, kind, false, started, result);
        error.map_or(Ok(()), Err)
    }

    fn execute(&mut self, script: &Script, node: NodeId, span: Span, kind: &'static str) -> Result<Done, Problem> {
        match kind {
            "SELECT" => {
                let found = self.read(|world| query::run(world, script, span))?;
                Ok(Done { found: Some(found), ..Done::default() })
            }
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE_TABLE" => self.modify(script, node),
            "ASSERT" => self.assert(script, node).map(|()| Done::default()),
            "BEGIN_TRANSACTION" | "COMMIT_TRANSACTION" | "ROLLBACK_TRANSACTION" => self.transact(kind).map(|()| Done::default()),
            _ => self.define(script, node, kind),
        }
    }

    fn describe_statement(&self, script: &Script, node: NodeId) -> Result<query::Described, Problem> {
        let span = script.span(node).ok_or_else(|| Problem::internal("a statement without a place"))?;
        let kind = kinds::statement_type(script, node).unwrap_or_default();
        match kind {
            "SELECT" => self.read(|world| query::describe(world, script, span)),
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" => self.read(|world| {
                let path = modify::target_path(script, node)?;
                let target = modify::target(world, &path)?;
                let mut binder = Binder::new(world, Purpose::Describe);
                let mut edits = binder.names(script, span)?;
                edits.extend(modify::target_edit(&mut binder, script, node)?);
                let text = Edited::part(script, span, &edits);
                let tree = query::analyze(world, script, &text, &binder.binding, Target::Statement)?;
                let mut described = estimate::describe(world, &tree, &binder.binding)?;
                described.tables.push(target.name.clone());
                described.tables.sort();
                described.tables.dedup();
                Ok(described)
            }),
            "CREATE_TABLE_AS_SELECT" | "CREATE_VIEW" => self.read(|world| {
                let query = script.tree.child(node, "query").and_then(|query| script.span(query));
                query::describe(world, script, query.unwrap_or(span))
            }),
            "TRUNCATE_TABLE" => self.read(|world| {
                modify::target(world, &modify::target_path(script, node)?)?;
                Ok(query::Described::default())
            }),
            _ => Ok(query::Described::default()),
        }
    }

    /// An expression of the script, by itself.
    pub fn value(
        &mut self,
        script: &Script,
        node: NodeId,
        kind: Option<&sluice_model::Type>,
    ) -> Result<(sluice_model::Type, Datum), Problem> {
        let started = now_milliseconds();
        let span = script.span(node).ok_or_else(|| Problem::internal("an expression without a place"))?;
        let (typed, read_tables) = self.read(|world| super::variables::evaluate(world, script, span, kind))?;
        if read_tables {
            let column = Column::of("f0_", &typed.0);
            let rows = Arc::new(Rows::held(vec![vec![typed.1.clone()]]));
            let found = Found { columns: vec![column], rows, dependencies: None };
            self.record(script, span, "SELECT", true, started, Ok(Done { found: Some(found), ..Done::default() }));
        }
        Ok(typed)
    }
}
