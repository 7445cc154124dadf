//! From a request to a running job: checked and described at once, executed in its own time.

use super::execution::Execution;
use super::load::LoadRequest;
use super::record::{Finished, Job, JobKind, Ticket};
use super::registry::Registry;
use super::request::{QueryRequest, labels, number};
use super::results::{forget, unique};
use super::transfer::Transfer;
use crate::execute::{DryRun, RunSettings, Warehouse};
use crate::problem::{Problem, Reason};
use crate::store::state::dataset_of;
use serde_json::Value;
use sluice_model::TableName;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Jobs that execute at the same time; the others stay PENDING.
pub const JOBS_AT_ONCE_MAX: usize = 8;
const CANCELLED: &str = "Job execution was cancelled: User requested cancellation";
pub(super) const ONLY_LOADS: &str = "Only load jobs take an upload";
const JOB_ID_LETTERS_MAX: usize = 1_024;

/// What a client asks for, and what the fault plan adds to it.
pub struct Order {
    pub project: String,
    pub id: Option<String>,
    pub location: Option<String>,
    pub configuration: Value,
    pub user_email: String,
    /// The file of a load job.
    pub media: Option<Vec<u8>>,
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
        match JobKind::of(&order.configuration)? {
            JobKind::Query => self.submit_query(order).await,
            kind => self.submit_transfer(kind, order).map(Submitted::Job),
        }
    }

    /// What can be said about a load job before its file is there.
    pub fn check_load(&self, configuration: &Value, project: &str) -> Result<(), Problem> {
        match JobKind::of(configuration)? {
            JobKind::Load => self.check_destination(&LoadRequest::read(configuration, project)?.destination),
            JobKind::Copy | JobKind::Extract | JobKind::Query => Err(Problem::invalid(ONLY_LOADS)),
        }
    }

    /// Without a moment to wait, so that whoever hangs up leaves nothing half done.
    pub fn submit_transfer(&self, kind: JobKind, mut order: Order) -> Result<Arc<Job>, Problem> {
        let id = self.free_id(&order)?;
        let labels = labels(order.configuration.get("labels"))?;
        let media = order.media.take();
        let transfer = Transfer::read(kind, &order.configuration, &order.project, media)?;
        transfer.destination().map_or(Ok(()), |destination| self.check_destination(destination))?;
        let (hold, timeout) = durations(&order);
        let job = Arc::new(Job::new(self.ticket(kind, order, id, String::new(), labels)));
        self.forget_all(self.registry.add(job.clone())?);
        let (warehouse, running_job) = (self.warehouse.clone(), job.clone());
        self.start(&job, hold, timeout, move || {
            if !running_job.is_done() {
                let (finished, error) = transfer.run(&warehouse, &running_job.cancelled);
                running_job.finish(finished, error);
            }
        });
        Ok(job)
    }

    async fn submit_query(&self, order: Order) -> Result<Submitted, Problem> {
        let request = QueryRequest::read(&order.configuration, &order.project)?;
        if order.media.is_some() {
            return Err(Problem::invalid(ONLY_LOADS));
        }
        let id = self.free_id(&order)?;
        let (hold, timeout) = durations(&order);
        let (sql, labels) = (request.sql.clone(), request.labels.clone());
        let job = Arc::new(Job::new(self.ticket(JobKind::Query, order, id, sql, labels)));
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
        let (warehouse, registry, running_job) = (self.warehouse.clone(), self.registry.clone(), job.clone());
        self.start(&job, hold, timeout, move || Execution { warehouse, registry, job: running_job, request, settings }.run());
        Ok(Submitted::Job(job))
    }

    pub fn cancel(&self, job: &Job) {
        stop(job, CANCELLED);
    }

    pub fn forget_all(&self, jobs: Vec<Arc<Job>>) {
        for destination in jobs.iter().filter_map(|job| job.progress().finished.destination) {
            forget(&self.warehouse, &destination);
        }
    }

    /// The client's id, or a new one. Each is taken once.
    fn free_id(&self, order: &Order) -> Result<String, Problem> {
        let id = match &order.id {
            Some(id) => checked_id(id.clone())?,
            None => format!("job_{}", unique()),
        };
        match self.registry.get(&order.project, &id) {
            Err(_) => Ok(id),
            Ok(known) => {
                let message = format!("Already Exists: Job {}:{}.{id}", order.project, known.ticket.location);
                Err(Problem::new(Reason::Duplicate, message))
            }
        }
    }

    /// A dataset is never made by a job.
    fn check_destination(&self, destination: &TableName) -> Result<(), Problem> {
        self.warehouse.snapshot().dataset(&dataset_of(destination)).map(drop)
    }

    fn ticket(&self, kind: JobKind, order: Order, id: String, sql: String, labels: Vec<(String, String)>) -> Ticket {
        Ticket {
            kind,
            project: order.project,
            id,
            location: order.location.unwrap_or_else(|| self.warehouse.location.clone()),
            user_email: order.user_email,
            parent: None,
            configuration: order.configuration,
            sql,
            labels,
            frame: None,
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

    /// `work` finishes the job, on a thread of its own.
    fn start(&self, job: &Arc<Job>, hold: Duration, timeout: Option<Duration>, work: impl FnOnce() + Send + 'static) {
        let (job, running) = (job.clone(), self.running.clone());
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
            if let Err(error) = tokio::task::spawn_blocking(work).await {
                job.finish(Finished::default(), Some(Problem::internal(error.to_string())));
            }
        });
    }
}

/// Whoever wants a job to end says so here.
pub(super) fn check_cancelled(cancelled: &AtomicBool) -> Result<(), Problem> {
    match cancelled.load(Ordering::Relaxed) {
        true => Err(Problem::new(Reason::Stopped, CANCELLED)),
        false => Ok(()),
    }
}

/// How long the fault plan holds a job, and how long it may take.
fn durations(order: &Order) -> (Duration, Option<Duration>) {
    let timeout = number(order.configuration.get("jobTimeoutMs"));
    (Duration::from_millis(order.hold_milliseconds), timeout.map(Duration::from_millis))
}

fn stop(job: &Job, message: &str) {
    job.cancelled.store(true, Ordering::Relaxed);
    job.finish(Finished::default(), Some(Problem::new(Reason::Stopped, message)));
}

fn checked_id(id: String) -> Result<String, Problem> {
    let good = !id.is_empty()
        && id.len() <= JOB_ID_LETTERS_MAX
        && id.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    if good { Ok(id) } else { Err(Problem::invalid(format!("Invalid job ID `{id}`"))) }
}
