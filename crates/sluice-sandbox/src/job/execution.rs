//! One run of one query job, on a thread of its own.

use super::record::{Finished, Frame, Job, JobKind, JobResult, Ticket};
use super::registry::Registry;
use super::request::QueryRequest;
use super::results::{keep_anonymous, keep_named, unique};
use crate::execute::{Outcome, RunSettings, StatementOutcome, Warehouse};
use crate::problem::Problem;
use serde_json::json;
use std::sync::Arc;

pub struct Execution {
    pub warehouse: Arc<Warehouse>,
    pub registry: Arc<Registry>,
    pub job: Arc<Job>,
    pub request: QueryRequest,
    pub settings: RunSettings,
}

impl Execution {
    pub fn run(self) {
        if self.job.is_done() {
            return;
        }
        let outcome = self.warehouse.run(&self.request.sql, &self.settings);
        let script = outcome.kind == "SCRIPT";
        let (finished, error) = match self.finished(&outcome, script) {
            Ok(finished) => (finished, outcome.error),
            Err(problem) => (Finished { kind: Some(outcome.kind), ..Finished::default() }, Some(problem)),
        };
        self.job.finish(finished, error);
    }

    fn finished(&self, outcome: &Outcome, script: bool) -> Result<Finished, Problem> {
        let mut finished = Finished { kind: Some(outcome.kind), ..Finished::default() };
        let mut last_result = None;
        if script {
            for (number, statement) in outcome.statements.iter().enumerate() {
                let child = self.child(number, statement)?;
                if outcome.last().is_some_and(|last| std::ptr::eq(last, statement)) {
                    last_result = child.progress().finished.result;
                }
                finished.children += 1;
                self.registry.add(child)?;
            }
        }
        if let Some(last) = outcome.last().filter(|_| outcome.error.is_none()) {
            let parts = if script { Finished { result: last_result, ..self.without_result(last) } } else { self.of_statement(last)? };
            // The destination of a script's result is its child's.
            let destination = if script { None } else { parts.destination };
            finished = Finished { result: parts.result, changed: parts.changed, definition: parts.definition, destination, ..finished };
        }
        Ok(finished)
    }

    /// Keeps a statement's rows, and tells what it did.
    fn of_statement(&self, statement: &StatementOutcome) -> Result<Finished, Problem> {
        if statement.kind != "SELECT" || statement.error.is_some() {
            return Ok(self.without_result(statement));
        }
        let ticket = &self.job.ticket;
        let destination = match self.request.destination.as_ref().filter(|_| !statement.expression) {
            Some(name) => {
                keep_named(&self.warehouse, &self.request, name, &statement.columns, &statement.rows)?;
                name.clone()
            }
            None => keep_anonymous(&self.warehouse, &ticket.project, &ticket.user_email, &statement.columns, &statement.rows)?,
        };
        let result = JobResult { columns: statement.columns.clone(), rows: statement.rows.clone() };
        Ok(Finished { result: Some(result), destination: Some(destination), ..self.without_result(statement) })
    }

    fn without_result(&self, statement: &StatementOutcome) -> Finished {
        Finished {
            kind: Some(statement.kind),
            changed: statement.changed,
            definition: statement.definition.clone(),
            destination: statement.written.clone(),
            ..Finished::default()
        }
    }

    fn child(&self, number: usize, statement: &StatementOutcome) -> Result<Arc<Job>, Problem> {
        let parent = &self.job.ticket;
        let query = json!({ "query": statement.text, "useLegacySql": false, "priority": "INTERACTIVE" });
        let job = Job::new(Ticket {
            kind: JobKind::Query,
            project: parent.project.clone(),
            id: format!("script_job_{}_{number}", unique()),
            location: parent.location.clone(),
            user_email: parent.user_email.clone(),
            parent: Some(parent.id.clone()),
            configuration: json!({ "jobType": "QUERY", "query": query }),
            sql: statement.text.clone(),
            labels: parent.labels.clone(),
            frame: Some(Frame { place: statement.place, expression: statement.expression }),
        });
        job.start();
        job.finish(self.of_statement(statement)?, statement.error.clone());
        Ok(Arc::new(job))
    }
}
