//! One job: what was asked, where it stands, what came out.

use crate::clock::now_milliseconds;
use crate::execute::{Changed, Definition, DryRun, JobFacts, Place};
use crate::problem::Problem;
use crate::store::Rows;
use crate::values::Column;
use serde_json::Value;
use sluice_model::TableName;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

pub struct Job {
    pub ticket: Ticket,
    pub created_milliseconds: i64,
    pub cancelled: Arc<AtomicBool>,
    progress: Mutex<Progress>,
    done: watch::Sender<bool>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Copy,
    Extract,
    Load,
    Query,
}

/// What was asked, by whom.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub kind: JobKind,
    pub project: String,
    pub id: String,
    pub location: String,
    pub user_email: String,
    pub parent: Option<String>,
    /// As it was sent, for the resource.
    pub configuration: Value,
    pub sql: String,
    pub labels: Vec<(String, String)>,
    /// In a script, where the statement stands; nothing for jobs of their own.
    pub frame: Option<Frame>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub place: Place,
    pub expression: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub phase: Phase,
    pub started_milliseconds: Option<i64>,
    pub ended_milliseconds: Option<i64>,
    pub error: Option<Problem>,
    /// Known before the statement runs.
    pub estimate: Option<DryRun>,
    pub finished: Finished,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    Done,
    #[default]
    Pending,
    Running,
}

/// What came out. Nothing of it is there before the job is done.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    pub kind: Option<&'static str>,
    pub result: Option<JobResult>,
    pub changed: Option<Changed>,
    pub definition: Option<Definition>,
    pub destination: Option<TableName>,
    pub children: usize,
    pub moved: Option<Moved>,
    /// Errors that are listed beside the one that ended the job, or although it did not fail.
    pub notes: Vec<Problem>,
}

/// What a copy or a load carried. Bytes of rows are logical ones, those of input are as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Copied {
        rows: u64,
        bytes: u64,
    },
    /// Without rows and bytes of output where the load failed.
    Loaded {
        output: Option<(u64, u64)>,
        input_bytes: u64,
        bad_records: u64,
    },
}

#[derive(Clone, Debug)]
pub struct JobResult {
    pub columns: Vec<Column>,
    pub rows: Arc<Rows>,
}

impl Job {
    pub fn new(ticket: Ticket) -> Job {
        Job {
            ticket,
            created_milliseconds: now_milliseconds(),
            cancelled: Arc::default(),
            progress: Mutex::default(),
            done: watch::Sender::new(false),
        }
    }

    pub fn progress(&self) -> Progress {
        self.lock().clone()
    }

    pub fn is_done(&self) -> bool {
        self.lock().phase == Phase::Done
    }

    pub fn set_estimate(&self, estimate: DryRun) {
        self.lock().estimate = Some(estimate);
    }

    pub fn start(&self) {
        let mut progress = self.lock();
        if progress.phase == Phase::Pending {
            progress.phase = Phase::Running;
            progress.started_milliseconds = Some(now_milliseconds());
        }
    }

    /// Only the first end counts: a cancelled job stays cancelled.
    pub fn finish(&self, finished: Finished, error: Option<Problem>) -> bool {
        let mut progress = self.lock();
        if progress.phase == Phase::Done {
            return false;
        }
        let now = now_milliseconds();
        progress.phase = Phase::Done;
        progress.started_milliseconds.get_or_insert(now);
        progress.ended_milliseconds = Some(now);
        progress.finished = finished;
        progress.error = error;
        drop(progress);
        self.done.send_replace(true);
        true
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        let mut receiver = self.done.subscribe();
        // The sender lives as long as the job itself.
        let _ = receiver.wait_for(|done| *done).await;
    }

    pub fn facts(&self) -> JobFacts {
        let progress = self.progress();
        let bytes = progress.estimate.as_ref().map(|estimate| estimate.bytes).unwrap_or_default();
        let kind = progress.finished.kind.or_else(|| progress.estimate.as_ref().map(|estimate| estimate.kind));
        JobFacts {
            project: self.ticket.project.clone(),
            job_id: self.ticket.id.clone(),
            job_type: self.ticket.kind.word().to_owned(),
            parent_job_id: self.ticket.parent.clone(),
            user_email: self.ticket.user_email.clone(),
            statement_type: kind.map(str::to_owned),
            query: self.ticket.sql.clone(),
            state: progress.phase.word().to_owned(),
            created_milliseconds: self.created_milliseconds,
            started_milliseconds: progress.started_milliseconds.unwrap_or(self.created_milliseconds),
            ended_milliseconds: progress.ended_milliseconds,
            bytes_processed: bytes,
            bytes_billed: super::resource::billed(bytes),
            error: progress.error,
            destination: progress.finished.destination,
            referenced: progress.estimate.map(|estimate| estimate.tables).unwrap_or_default(),
            labels: self.ticket.labels.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobKind {
    /// A configuration has exactly one of the four.
    pub fn of(configuration: &Value) -> Result<JobKind, Problem> {
        const ALL: [JobKind; 4] = [JobKind::Copy, JobKind::Extract, JobKind::Load, JobKind::Query];
        let given = |kind: &JobKind| configuration.get(kind.field()).is_some_and(|value| !value.is_null());
        let found: Vec<JobKind> = ALL.into_iter().filter(given).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            _ => Err(Problem::invalid(format!(
                "Job configuration must contain exactly one of copy, extract, load and query, but there were {}",
                found.len()
            ))),
        }
    }

    pub fn field(self) -> &'static str {
        match self {
            JobKind::Copy => "copy",
            JobKind::Extract => "extract",
            JobKind::Load => "load",
            JobKind::Query => "query",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            JobKind::Copy => "COPY",
            JobKind::Extract => "EXTRACT",
            JobKind::Load => "LOAD",
            JobKind::Query => "QUERY",
        }
    }
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Phase::Done => "DONE",
            Phase::Pending => "PENDING",
            Phase::Running => "RUNNING",
        }
    }
}
