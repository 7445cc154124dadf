//! What the path of a request needs from outside. Each port says what its answer is worth; `crates/sluice/src/compose.rs` alone knows who serves it.

use crate::findings::FoundSensitive;
use crate::job::{JobName, KnownJob, Verdict};
use crate::storage::{AppendSink, AppendSource, StreamAnswer};
use crate::trail::Ended;
use bytes::Bytes;
use sluice_identity::{IssuedCredentials, Issuer, KeySet, Revocations};
use sluice_ledger::Recorded;
use sluice_ledger::record::{Draft, SealedRecord, Subject};
use sluice_mask::{Head, PageStart, RawPage, StreamSchema};
use sluice_model::{ColumnPath, Field, RoutineName, TableName};
use sluice_policy::{Counters, DryRun, Estimate, Halt, Inherited, Known, Permit, PolicySet};
use sluice_sql::Required;
use sluice_sql::catalog::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// BigQuery, in a caller's name: only for what is on record.
///
/// Each call is bounded in time and in bytes. Retries: what is safe to repeat is repeated here (reads; a job under its own id; nothing else), and
/// `UpstreamFault::attempts` says how often. A fault says whether BigQuery may have acted.
pub trait Upstream: Send + Sync {
    /// A dry run of the request that the estimate owns. Nothing else may be asked with an estimate.
    fn estimate<'a>(&'a self, estimate: &'a Recorded<Estimate>) -> Asking<'a, Result<DryRun, UpstreamFault>>;

    /// Inserts the job that the permit owns; the same job under the same id is one job.
    fn dispatch<'a>(&'a self, permit: &'a Recorded<Permit>, upload: Option<Upload>) -> Asking<'a, Result<JobState, UpstreamFault>>;

    /// Sends what the permit owns, for methods that answer a resource or nothing.
    fn send<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Resource, UpstreamFault>>;

    /// The job, as it stands after at most `patience`; sooner if it is done.
    fn job<'a>(&'a self, permit: &'a Recorded<Permit>, job: &'a JobName, patience: Duration)
    -> Asking<'a, Result<JobState, UpstreamFault>>;

    /// The same for a job of the book's that an earlier process of the gateway was permitted and sent: the one question without a permit, asked in the name of
    /// the job's caller and put on record as an act of the gateway's own. Nobody is told its answer: by it the gateway knows when to look back and let go.
    fn sent_before<'a>(&'a self, job: &'a KnownJob) -> Asking<'a, Result<JobState, UpstreamFault>>;

    /// Rows of a job that is done, or of the table that the permit's request names.
    fn rows<'a>(&'a self, permit: &'a Recorded<Permit>, rows: &'a RowsAsk) -> Asking<'a, Result<RawRows, UpstreamFault>>;

    /// Opens the read session that the permit's request describes. One that is opened twice is two sessions, and does no harm.
    fn open_session<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<RawSession, UpstreamFault>>;

    /// The stream that the permit's request names, from the row that it names.
    fn read_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Box<dyn BatchSource>, UpstreamFault>>;

    /// The halves of the stream that the permit's request names; nothing where it cannot be split.
    fn split_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Option<[String; 2]>, UpstreamFault>>;

    /// Creates the write stream that the permit's request describes, or does to the one that it names what it says.
    fn ask_of_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<StreamAnswer, UpstreamFault>>;

    /// A connection that appends to the stream that the permit's request names.
    fn append_rows<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<AppendHalves, UpstreamFault>>;
}

/// What rows are appended by, and what is said of them.
pub type AppendHalves = (Box<dyn AppendSink>, Box<dyn AppendSource>);

/// A read session, as BigQuery opened it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSession {
    /// Where its data is, as it stands in names.
    pub location: String,
    /// By BigQuery's names.
    pub streams: Vec<String>,
    pub shape: RowShape,
    pub expires_ms: Option<u64>,
    pub rows_estimated: u64,
    pub bytes_estimated: u64,
}

/// How rows of a stream are written: of Arrow the message of its schema, of Avro a schema in JSON.
#[derive(Clone, PartialEq, Eq)]
pub enum RowShape {
    Arrow(Bytes),
    Avro(String),
}

/// Rows of a stream, as they came: one batch of Arrow, or rows of Avro one behind the other.
pub struct RowBatch {
    pub bytes: Bytes,
    pub rows: u64,
    /// Said with the first of a stream.
    pub shape: Option<RowShape>,
    pub progress: Option<(f64, f64)>,
    pub throttle_percent: u32,
}

/// The messages of a stream. They come no faster than they are asked for; whoever drops it wants no more of them.
pub trait BatchSource: Send + Sync {
    /// Nothing at the end. Bounded in time and in bytes.
    fn next(&mut self) -> Asking<'_, Result<Option<RowBatch>, UpstreamFault>>;
}

impl RowShape {
    pub fn bytes(&self) -> &[u8] {
        match self {
            RowShape::Arrow(bytes) => bytes,
            RowShape::Avro(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_schema(&self) -> StreamSchema<'_> {
        match self {
            RowShape::Arrow(bytes) => StreamSchema::Arrow(bytes),
            RowShape::Avro(text) => StreamSchema::Avro(text),
        }
    }

    /// The same kind, as masks leave it.
    pub(crate) fn with(&self, masked: &[u8]) -> Option<RowShape> {
        match self {
            RowShape::Arrow(_) => Some(RowShape::Arrow(Bytes::copy_from_slice(masked))),
            RowShape::Avro(_) => String::from_utf8(masked.to_vec()).ok().map(RowShape::Avro),
        }
    }
}

/// Names of columns are for whoever may describe the table.
impl fmt::Debug for RowShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} with {} bytes", if matches!(self, RowShape::Arrow(_)) { "Arrow" } else { "Avro" }, self.bytes().len())
    }
}

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsAsk {
    /// As the permit's request says: `tabledata.list`.
    AsSent,
    OfJob(JobRows),
    /// As the permit's request says, but for where it begins and how many they are.
    SentFrom {
        start_index: u64,
        rows_max: Option<u64>,
    },
}

impl RowsAsk {
    /// The same rows, further on.
    pub(crate) fn further(&self, start_index: u64, rows_max: Option<u64>) -> RowsAsk {
        match self {
            RowsAsk::AsSent | RowsAsk::SentFrom { .. } => RowsAsk::SentFrom { start_index, rows_max },
            RowsAsk::OfJob(rows) => RowsAsk::OfJob(JobRows { page_token: None, start_index: Some(start_index), rows_max, ..rows.clone() }),
        }
    }
}

/// A page of rows, all of it or its beginning.
pub enum RawRows {
    Begun(Box<PageStart>, Box<dyn RowsSource>),
    Whole(Box<RawPage>),
}

/// What of a page has not come yet. It comes no faster than it is asked for; whoever drops it wants no more of it.
pub trait RowsSource: Send + Sync {
    /// At least a byte; nothing at the end. Bounded in time.
    fn next(&mut self) -> Asking<'_, Result<Option<Bytes>, UpstreamFault>>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRows {
    pub job: JobName,
    pub rows_max: Option<u64>,
    pub page_token: Option<String>,
    pub start_index: Option<u64>,
    /// `formatOptions.useInt64Timestamp`.
    pub int64_timestamps: bool,
    /// `formatOptions.timestampOutputFormat`, as it came.
    pub timestamp_format: Option<String>,
}

/// Between two requests of one upload. Afterwards it is gone, on either side of the channel.
pub const UPLOAD_IDLE_SECONDS_MAX: u64 = 600;

/// What is held of one upload at a time, by all together: whoever opens the channel makes room for it.
pub const UPLOAD_HELD_BYTES_MAX: usize = 5 << 20;

/// What a client uploads, read from its connection as it is sent on: at most as much as fits into the channel is in memory.
///
/// An empty chunk ends it. A channel that is closed without one is a client that hung up: half of a file is not loaded.
pub struct Upload {
    pub content_type: Option<String>,
    pub chunks: tokio::sync::mpsc::Receiver<Vec<u8>>,
}

/// A resource of BigQuery's, as JSON. Doors let known fields through and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource(pub serde_json::Value);

/// A job, as far as the path of a request has to know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobState {
    pub name: JobName,
    pub done: bool,
    /// Why it failed: a word of BigQuery's, and a text that can hold values.
    pub error: Option<UpstreamError>,
    /// What was wrong where, and what was only noticed: of a load, record by record.
    pub errors: Vec<UpstreamError>,
    pub statement_type: Option<String>,
    pub referenced_tables: Vec<TableName>,
    pub referenced_routines: Vec<RoutineName>,
    /// Of its result, once it is done: `getQueryResults` says so, not the job itself.
    pub schema: Option<Vec<Field>>,
    /// What stands around its rows, once it is done: `getQueryResults` without rows.
    pub head: Option<Head>,
    pub destination: Option<TableName>,
    /// Numbers with a known name: `totalBytesBilled`, `totalSlotMs` ...
    pub statistics: BTreeMap<String, u64>,
    pub resource: Resource,
}

impl JobState {
    /// By BigQuery's description of it, which can be ahead of what is known here.
    pub fn is_said_done(&self) -> bool {
        self.resource.0.pointer("/status/state").and_then(serde_json::Value::as_str) == Some("DONE")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    pub reason: String,
    /// A file, a column, a part of the request: where it is wrong.
    pub location: Option<String>,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFault {
    pub kind: UpstreamFaultKind,
    pub status: Option<u16>,
    /// BigQuery's own words, if it said any. The message can hold values of the data.
    pub error: Option<UpstreamError>,
    pub attempts: u64,
    /// Whether BigQuery may have done what was asked: it was sent, and nobody knows what became of it.
    pub may_have_acted: bool,
    /// For operators.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamFaultKind {
    /// The gateway could not prove who it is.
    Credential,
    /// No answer in time. BigQuery may have acted.
    Deadline,
    /// It answered something that it would not answer. It may have acted.
    Malformed,
    /// It said no, and why: `error`.
    Refused,
    /// Larger than any answer may be.
    TooLarge,
    /// It could not be reached, or kept saying that it is busy. `acted` is not known.
    Unavailable,
}

impl UpstreamFaultKind {
    pub fn word(self) -> &'static str {
        match self {
            UpstreamFaultKind::Credential => "credential",
            UpstreamFaultKind::Deadline => "deadline",
            UpstreamFaultKind::Malformed => "malformed",
            UpstreamFaultKind::Refused => "refused",
            UpstreamFaultKind::TooLarge => "too_large",
            UpstreamFaultKind::Unavailable => "unavailable",
        }
    }
}

/// The warehouse's schema, read with the gateway's own identity. What it knows never reaches the text of a refusal for a caller.
pub trait Catalog: Send + Sync {
    /// Everything of `wanted`, no older than the connection allows. What is not there is in `absent`.
    fn fetch<'a>(&'a self, connection: &'a str, wanted: &'a Required) -> Asking<'a, Result<CatalogPart, CatalogFault>>;

    /// A statement or a method changed this: the next `fetch` reads it anew, by whichever connection.
    fn forget(&self, changed: &TableName);
}

#[derive(Debug, Default)]
pub struct CatalogPart {
    pub snapshot: Snapshot,
    /// BigQuery's policy tags.
    pub tags: Vec<(ColumnPath, String)>,
    /// Tables and views that have row access policies: what they show depends on who asks.
    pub row_policies: Vec<TableName>,
    /// Projects with datasets that are not there, so nothing in them is.
    pub absent_datasets: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogFault {
    /// The gateway's own identity may not read this. For operators: a view can name what its reader knows nothing of.
    Denied(TableName),
    /// More names than one statement may have.
    TooMany {
        names_max: usize,
    },
    Unavailable(String),
    UnknownConnection,
}

/// What jobs callers have: a job is durable before it answers, a restart forgets nothing, and two replicas share one book.
pub trait Jobs: Send + Sync {
    /// Takes the job's id for its owner. `Taken` tells nothing of whose it is.
    fn begin<'a>(&'a self, job: KnownJob) -> Asking<'a, Result<(), JobsFault>>;

    fn find<'a>(&'a self, connection: &'a str, job: &'a JobName) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>>;

    /// By what a client sends to repeat itself safely, within one owner.
    fn find_by_request_id<'a>(
        &'a self,
        owner: &'a str,
        project: &'a str,
        request_id: &'a str,
    ) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>>;

    /// Whose job made this anonymous result table.
    fn find_by_destination<'a>(&'a self, connection: &'a str, table: &'a TableName)
    -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>>;

    /// The newest first, at most `jobs_max`, older than the one named.
    fn list<'a>(
        &'a self,
        owner: &'a str,
        project: &'a str,
        before: Option<&'a str>,
        jobs_max: usize,
    ) -> Asking<'a, Result<Vec<Arc<KnownJob>>, JobsFault>>;

    /// BigQuery did not take the job: its id and its request id are free again, and nobody owns whatever has that id.
    fn release<'a>(&'a self, connection: &'a str, job: &'a JobName) -> Asking<'a, Result<(), JobsFault>>;

    /// It has arrived, and what became of it: where its rows are, and whether they may be shown, once somebody has judged that. Found from then on; a crash
    /// of the machine may lose it, but not that a job was overtaken, which nothing takes back. What is lost is found out anew: the job's own labels say whose it
    /// is, and what it was understood by is held against what is there.
    fn settle<'a>(
        &'a self,
        connection: &'a str,
        job: &'a JobName,
        destination: Option<TableName>,
        verdict: Option<Verdict>,
    ) -> Asking<'a, Result<(), JobsFault>>;

    /// Of the jobs that began since then those that nobody has judged, but for parts of scripts: the newest, at most `jobs_max`.
    fn unsettled<'a>(&'a self, since_ms: u64, jobs_max: usize) -> Asking<'a, Result<Unsettled, JobsFault>>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsettled {
    pub jobs: Vec<Arc<KnownJob>>,
    /// Jobs that cannot be read, or were more than are wanted.
    pub left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobsFault {
    Taken,
    Unavailable(String),
}

/// Keys of issuers, fetched and kept elsewhere.
pub trait Keys: Send + Sync {
    fn keys<'a>(&'a self, issuer: &'a Issuer, key_id: &'a str, now: u64) -> Asking<'a, Result<Arc<KeySet>, sluice_identity::Reason>>;
}

/// What is in force at this moment. Asked anew with every decision, so that a change takes effect on the next page.
pub trait InForce: Send + Sync {
    fn policy(&self) -> Arc<PolicySet>;
    fn shadows(&self) -> Vec<Arc<PolicySet>>;
    fn halt(&self) -> Arc<Halt>;
    /// Policy tags and labels that came with the data.
    fn known(&self) -> Arc<Known>;

    /// Whether labels came into this table with the data of a request: whoever wrote it chose how long what is hidden there is.
    fn carries(&self, table: &TableName) -> bool {
        let _ = table;
        false
    }

    /// Labels that go with the data of a request. Durable, and in `known`, when it answers. It may block.
    fn carry(&self, request: Subject, labels: &[Inherited]) -> Result<(), KeepFault>;

    /// Policy tags that were seen: they stay, whatever becomes of them at BigQuery's. Likewise.
    fn remember(&self, tags: &[(ColumnPath, String)]) -> Result<(), KeepFault>;

    /// A label for what detectors found, by the record of the finding. Durable, and in `known`, when it answers. It may block.
    fn label_found(&self, column: &ColumnPath, label: &str, record: u64) -> Result<(), KeepFault> {
        let _ = (column, label, record);
        Err(KeepFault("labels cannot be kept here".to_owned()))
    }

    fn counters(&self) -> &dyn Counters;
    fn revocations(&self) -> Arc<Revocations>;

    /// Credentials that the gateway issued by itself, if it does.
    fn issued(&self) -> Arc<IssuedCredentials> {
        Arc::default()
    }

    /// Durable, and in `revocations`, when it answers. It may block.
    fn end_session(&self, id: &str) -> Result<(), SealFault> {
        let _ = id;
        Err(SealFault("sessions cannot be ended here".to_owned()))
    }
}

/// Encrypts a record under the ledger's keys.
pub trait Sealer: Send + Sync {
    fn seal(&self, draft: &Draft) -> Result<SealedRecord, SealFault>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealFault(pub String);

/// A label could not be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepFault(pub String);

/// Time and chance.
pub trait Machine: Send + Sync {
    fn now_ms(&self) -> u64;
    fn random(&self, bytes: &mut [u8]) -> Result<(), SealFault>;
}

/// Told what operators want to know. It must not block.
pub trait Alarm: Send + Sync {
    /// At once: somebody should look. Never with a text that came from outside.
    fn raise(&self, what: &str);

    /// A request is over, for numbers, logs and traces. Told before its client is answered.
    fn ended(&self, ended: Ended<'_>) {
        drop(ended);
    }

    /// A column that nobody labelled looks sensitive, and that is on record.
    fn found(&self, found: FoundSensitive) {
        let _ = found;
    }
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} after {} attempts: {}", self.kind.word(), self.attempts, self.detail)
    }
}

impl std::error::Error for UpstreamFault {}
