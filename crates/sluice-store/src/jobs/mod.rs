//! The book of jobs: whose a job is, and what was understood when it was sent. A job is on the disk before it answers; what became
//! of it outlives a crash of the process at once, one of the machine with the next job.
//!
//! One SQLite file, for all gateways of one machine. It holds no names and no SQL: what is looked up is an HMAC, the rest is encrypted, and the key
//! to both is wrapped by the master key. `rows` is the file, `form` the text that is encrypted, `veil` the keys, `writer` the one thread that writes.

mod course;
mod form;
mod rows;
#[cfg(test)]
mod tests;
mod types;
mod veil;
mod writer;

use crate::fault::StoreFault;
use crate::machine::Scribe;
use rows::Rows;
use sluice_app::{Asking, JobName, JobWork, Jobs, JobsFault, KnownJob, Part, Unsettled, Verdict};
use sluice_model::TableName;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use veil::Veil;
use writer::{Begin, Settle, Work, Writer};

/// Of one job, written out: text, parameters and what was understood of them.
pub const JOB_BYTES_MAX: usize = 32 << 20;
/// BigQuery itself forgets jobs after 180 days. Until then an id stays taken.
pub const JOB_AGE_DAYS_MAX: u64 = 200;
/// The newest of one owner in one project. What is older is no longer known, its id stays taken.
pub const JOBS_OF_ONE_OWNER_MAX: u64 = 10_000;
/// Of all owners, as above.
pub const JOBS_MAX: u64 = 500_000;
/// Ids that are taken, known jobs and forgotten ones. Then no more begin.
pub const JOB_IDS_MAX: u64 = 20_000_000;
pub const JOBS_LISTED_MAX: usize = 1_000;
const READERS_MAX: usize = 4;

/// How much of it is kept. A test says less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    pub age_days_max: u64,
    pub ids_max: u64,
    pub jobs_max: u64,
    pub of_one_owner_max: u64,
}

impl Default for JobLimits {
    fn default() -> JobLimits {
        JobLimits { age_days_max: JOB_AGE_DAYS_MAX, ids_max: JOB_IDS_MAX, jobs_max: JOBS_MAX, of_one_owner_max: JOBS_OF_ONE_OWNER_MAX }
    }
}

pub struct JobBook {
    veil: Arc<Veil>,
    writer: Writer,
    readers: Arc<Readers>,
    limits: JobLimits,
}

/// Connections that wait for somebody to read by them.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Rows>>,
    places: Arc<Semaphore>,
}

impl JobBook {
    /// Makes the file that `open` expects: a book that is missing must not pass for one that is empty.
    pub fn create(path: &Path, scribe: &Scribe) -> Result<(), StoreFault> {
        rows::create(path, &Veil::new_state(scribe)?)
    }

    pub fn open(path: &Path, scribe: &Scribe, limits: JobLimits) -> Result<JobBook, StoreFault> {
        let mut rows = Rows::open(path)?;
        let veil = Arc::new(Veil::open(&mut rows, scribe)?);
        let writer = Writer::start(rows, Arc::clone(&veil), limits)?;
        let readers = Readers { path: path.to_owned(), idle: Mutex::default(), places: Arc::new(Semaphore::new(READERS_MAX)) };
        Ok(JobBook { veil, writer, readers: Arc::new(readers), limits })
    }

    /// What one query finds, opened.
    async fn read(
        &self,
        find: impl FnOnce(&Rows, u64) -> rusqlite::Result<Vec<rows::Kept>> + Send + 'static,
    ) -> Result<Vec<Arc<KnownJob>>, JobsFault> {
        let opened = |rows: &Rows, veil: &Veil, oldest_ms: u64| {
            let found = find(rows, oldest_ms).map_err(|error| unavailable(&error.to_string()))?;
            found.into_iter().map(|kept| veil.open_job(&kept).map(Arc::new)).collect()
        };
        self.with_reader(opened).await
    }

    async fn with_reader<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Rows, &Veil, u64) -> Result<T, JobsFault> + Send + 'static,
    ) -> Result<T, JobsFault> {
        let oldest_ms = self.veil.oldest_ms(self.limits.age_days_max);
        let (veil, readers) = (Arc::clone(&self.veil), Arc::clone(&self.readers));
        // As many at once as there are connections; the rest wait here, and no thread with them.
        let place = Arc::clone(&readers.places).acquire_owned().await.map_err(|_| unavailable("closed"))?;
        let reading = tokio::task::spawn_blocking(move || {
            let rows = readers.take().map_err(|fault| unavailable(&fault.to_string()))?;
            let found = read(&rows, &veil, oldest_ms)?;
            readers.put(rows);
            drop(place);
            Ok(found)
        });
        reading.await.map_err(|_| unavailable("a reader died"))?
    }

    async fn read_one(
        &self,
        find: impl FnOnce(&Rows, u64) -> rusqlite::Result<Option<rows::Kept>> + Send + 'static,
    ) -> Result<Option<Arc<KnownJob>>, JobsFault> {
        let found = self.read(move |rows, oldest_ms| Ok(find(rows, oldest_ms)?.into_iter().collect())).await?;
        Ok(found.into_iter().next())
    }
}

impl Readers {
    fn take(&self) -> Result<Rows, StoreFault> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        idle.map_or_else(|| Rows::open(&self.path), Ok)
    }

    fn put(&self, rows: Rows) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(rows);
        }
    }
}

impl Jobs for JobBook {
    fn begin<'a>(&'a self, job: KnownJob) -> Asking<'a, Result<(), JobsFault>> {
        Box::pin(async move {
            let row = self.veil.seal_job(&job)?;
            self.writer.ask(|told| Work::Begin(Begin { row, told })).await
        })
    }

    fn find<'a>(&'a self, connection: &'a str, job: &'a JobName) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        let tag = self.veil.job(connection, &job.project, &job.id);
        Box::pin(self.read_one(move |rows, oldest_ms| rows.by_job(&tag, oldest_ms)))
    }

    fn find_by_request_id<'a>(
        &'a self,
        owner: &'a str,
        project: &'a str,
        request_id: &'a str,
    ) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        let tag = self.veil.request(owner, project, request_id);
        Box::pin(self.read_one(move |rows, oldest_ms| rows.by_request(&tag, oldest_ms)))
    }

    fn find_by_destination<'a>(
        &'a self,
        connection: &'a str,
        table: &'a TableName,
    ) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        let tag = self.veil.destination(connection, table);
        Box::pin(self.read_one(move |rows, oldest_ms| rows.by_destination(&tag, oldest_ms)))
    }

    fn list<'a>(
        &'a self,
        owner: &'a str,
        project: &'a str,
        before: Option<&'a str>,
        jobs_max: usize,
    ) -> Asking<'a, Result<Vec<Arc<KnownJob>>, JobsFault>> {
        let owner = self.veil.owner(owner, project);
        let before = before.map(|id| self.veil.listed(&owner, id));
        Box::pin(self.read(move |rows, oldest_ms| rows.of_owner(&owner, before.as_ref(), oldest_ms, jobs_max.min(JOBS_LISTED_MAX))))
    }

    fn release<'a>(&'a self, connection: &'a str, job: &'a JobName) -> Asking<'a, Result<(), JobsFault>> {
        let tag = self.veil.job(connection, &job.project, &job.id);
        Box::pin(self.writer.ask(move |told| Work::Release(tag, told)))
    }

    fn settle<'a>(
        &'a self,
        connection: &'a str,
        job: &'a JobName,
        destination: Option<TableName>,
        verdict: Option<Verdict>,
    ) -> Asking<'a, Result<(), JobsFault>> {
        let settle = Settle {
            job: self.veil.job(connection, &job.project, &job.id),
            connection: connection.to_owned(),
            location: job.location.clone(),
            result_table: destination,
            verdict,
        };
        Box::pin(self.writer.ask(|told| Work::Settle(settle, told)))
    }

    fn unsettled<'a>(&'a self, since_ms: u64, jobs_max: usize) -> Asking<'a, Result<Unsettled, JobsFault>> {
        Box::pin(self.with_reader(move |rows, veil, oldest_ms| {
            let mut found = Unsettled::default();
            let mut take = |kept: rows::Fated| match veil.open_fate(&kept.job, &kept.fate) {
                Ok(fate) if matches!(fate.verdict, Some(Verdict::Overtaken | Verdict::Undisturbed)) => Ok(()),
                Ok(_) if found.jobs.len() < jobs_max => {
                    let body = rows.body(kept.number)?;
                    match body.map(|body| veil.open_job(&rows::Kept { job: kept.job, fate: kept.fate, body })) {
                        Some(Ok(job)) if is_part(&job) => {}
                        Some(Ok(job)) => found.jobs.push(Arc::new(job)),
                        Some(Err(_)) => found.left_out += 1,
                        // Forgotten meanwhile.
                        None => {}
                    }
                    Ok(())
                }
                _ => {
                    found.left_out += 1;
                    Ok(())
                }
            };
            rows.since(since_ms.max(oldest_ms), &mut take).map_err(|error| unavailable(&error.to_string()))?;
            Ok(found)
        }))
    }
}

/// It is judged with its script.
fn is_part(job: &KnownJob) -> bool {
    matches!(&job.work, JobWork::Query(work) if work.part != Part::Whole)
}

fn unavailable(text: &str) -> JobsFault {
    JobsFault::Unavailable(format!("the book of jobs: {text}"))
}
