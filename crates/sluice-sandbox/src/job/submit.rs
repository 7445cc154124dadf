//! From a request to a running job: checked and described at once, executed in its own time.

use super::record::{Finished, Frame, Job, JobResult, Ticket};
use super::registry::Registry;
use super::request::{QueryRequest, number};
use super::results::{forget, keep_anonymous, keep_named, unique};
use crate::execute::{DryRun, Outcome, RunSettings, StatementOutcome, Warehouse};
use crate::problem::{Problem, Reason};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Jobs that execute at the same time; the others stay PENDING.
pub const JOBS_AT_ONCE_MAX: usize = 8;
const JOB_ID_LETTERS_MAX: usize = 1_024;

/// What a client asks for, and what the fault plan adds to it.
pub struct Order {
    pub project: String,
    pub id: Option<String>,
    pub location: Option<String>,
    pub configuration: Value,
    pub user_email: String,
    pub hold_milliseconds: u64,
}

pub enum Submitted {
    DryRun(DryRun),
    Job(Arc<Job>),
}

pub struct Jobs {
    pub warehouse: Arc<Warehouse>,
    pub registry: Arc<Registry>,
    running: Arc<Semaphore>,
}

impl Jobs {
    pub fn new(warehouse: Arc<Warehouse>) -> Jobs {
        Jobs { warehouse, registry: Arc::default(), running: Arc::new(Semaphore::new(JOBS_AT_ONCE_MAX)) }
    }

    /// A statement that cannot be understood fails here; its job is known and done. What fails while it runs fails in the job.
    pub async fn submit(&self, order: Order) -> Result<Submitted, Problem> {
        let request = QueryRequest::read(&order.configuration, &order.project)?;
        let id = match order.id {
            Some(id) => checked_id(id)?,
            None => format!("job_{}", unique()),
        };
        if let Ok(known) = self.registry.get(&order.project, &id) {
            let message = format!("Already Exists: Job {}:{}.{id}", order.project, known.ticket.location);
            return Err(Problem::new(Reason::Duplicate, message));
        }
        let timeout = number(order.configuration.get("jobTimeoutMs"));
        let job = Arc::new(Job::new(Ticket {
            project: order.project,
            location: order.location.unwrap_or_else(|| self.warehouse.location.clone()),
            user_email: order.user_email,
            parent: None,
            configuration: order.configuration,
            sql: request.sql.clone(),
            labels: request.labels.clone(),
            frame: None,
            id,
        }));
        let settings = self.run_settings(&job, &request);
        let estimate = self.estimate(&request, &settings).await;
        if request.dry_run {
            return estimate.map(Submitted::DryRun);
        }
        match estimate {
            Ok(estimate) => job.set_estimate(estimate),
            Err(problem) => {
                job.finish(Finished::default(), Some(problem.clone()));
                self.forget_all(self.registry.add(job)?);
                return Err(problem);
            }
        }
        self.forget_all(self.registry.add(job.clone())?);
        self.start(&job, request, settings, Duration::from_millis(order.hold_milliseconds), timeout.map(Duration::from_millis));
        Ok(Submitted::Job(job))
    }

    pub fn cancel(&self, job: &Job) {
        stop(job, "Job execution was cancelled: User requested cancellation");
    }

    pub fn forget_all(&self, jobs: Vec<Arc<Job>>) {
        for destination in jobs.iter().filter_map(|job| job.progress().finished.destination) {
            forget(&self.warehouse, &destination);
        }
    }

    async fn estimate(&self, request: &QueryRequest, settings: &RunSettings) -> Result<DryRun, Problem> {
        let (warehouse, sql, settings) = (self.warehouse.clone(), request.sql.clone(), settings.clone());
        let estimate = tokio::task::spawn_blocking(move || warehouse.dry_run(&sql, &settings)).await;
        let estimate = estimate.map_err(|error| Problem::internal(error.to_string()))??;
        if estimate.kind == "SCRIPT" && request.destination.is_some() {
            return Err(Problem::invalid("configuration.query.destinationTable cannot be set for scripts"));
        }
        match request.maximum_bytes_billed.filter(|maximum| *maximum > 0) {
            Some(maximum) if super::resource::billed(estimate.bytes) > maximum => {
                let needed = super::resource::billed(estimate.bytes);
                let message = format!("Query exceeded limit for bytes billed: {maximum}. {needed} or higher required.");
                Err(Problem::new(Reason::BytesBilledLimitExceeded, message))
            }
            _ => Ok(estimate),
        }
    }

    fn run_settings(&self, job: &Job, request: &QueryRequest) -> RunSettings {
        RunSettings {
            default_dataset: request.default_dataset.clone(),
            parameters: request.parameters.clone(),
            job_id: job.ticket.id.clone(),
            cancelled: job.cancelled.clone(),
            history: Some(self.registry.clone()),
            ..RunSettings::new(&job.ticket.project, &job.ticket.user_email)
        }
    }

    fn start(&self, job: &Arc<Job>, request: QueryRequest, settings: RunSettings, hold: Duration, timeout: Option<Duration>) {
        let (job, warehouse, registry, running) = (job.clone(), self.warehouse.clone(), self.registry.clone(), self.running.clone());
        if let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero()) {
            let job = job.clone();
            tokio::spawn(async move {
                if tokio::time::timeout(timeout, job.ended()).await.is_err() {
                    stop(&job, &format!("Job execution was cancelled: Job timed out after {} ms", timeout.as_millis()));
                }
            });
        }
        tokio::spawn(async move {
            let Ok(_permit) = running.acquire_owned().await else { return };
            job.start();
            if !hold.is_zero() {
                let _ = tokio::time::timeout(hold, job.ended()).await;
            }
            let running_job = job.clone();
            let run = move || Execution { warehouse, registry, job: running_job, request, settings }.run();
            if let Err(error) = tokio::task::spawn_blocking(run).await {
                job.finish(Finished::default(), Some(Problem::internal(error.to_string())));
            }
        });
    }
}

fn stop(job: &Job, message: &str) {
    job.cancelled.store(true, Ordering::Relaxed);
    job.finish(Finished::default(), Some(Problem::new(Reason::Stopped, message)));
}

/// One run of one job, on a thread of its own.
struct Execution {
    warehouse: Arc<Warehouse>,
    registry: Arc<Registry>,
    job: Arc<Job>,
    request: QueryRequest,
    settings: RunSettings,
}

impl Execution {
    fn run(self) {
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
            result: None,
            changed: statement.changed,
            definition: statement.definition.clone(),
            destination: statement.written.clone(),
            children: 0,
        }
    }

    fn child(&self, number: usize, statement: &StatementOutcome) -> Result<Arc<Job>, Problem> {
        let parent = &self.job.ticket;
        let query = json!({ "query": statement.text, "useLegacySql": false, "priority": "INTERACTIVE" });
        let job = Job::new(Ticket {
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

fn checked_id(id: String) -> Result<String, Problem> {
    let good = !id.is_empty()
        && id.len() <= JOB_ID_LETTERS_MAX
        && id.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    if good { Ok(id) } else { Err(Problem::invalid(format!("Invalid job ID `{id}`"))) }
}
