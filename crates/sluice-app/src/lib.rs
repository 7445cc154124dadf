//! The path of a request, from a proven caller to rows that may leave. `query.rs` is the whole of it, top-down; `ports.rs` says what it needs.

mod admit;
mod asked;
mod at_rest;
mod changes;
mod changing;
mod decide;
mod expression;
mod findings;
mod follow;
mod gateway;
mod identify;
mod job;
mod jobs;
mod joined;
mod judged;
mod labels;
mod onward;
mod partition;
mod places;
mod plain;
mod ports;
mod probing;
mod query;
mod record;
mod refusal;
mod release;
mod repeat;
mod resumed;
mod running;
mod script;
mod session;
mod shapes;
mod sizes;
mod sticky;
mod storage;
mod telling;
mod together;
mod trail;
mod understand;
mod upload;
mod withhold;
mod writers;

pub use admit::Admitted;
pub use asked::{Expression, MethodAsk, QueryAsk, Reads, UNKNOWN_METHOD, Visit};
pub use findings::{FoundSensitive, SAMPLE_BYTES_WAITING_MAX, SAMPLES_WAITING_MAX};
pub use gateway::{Connection, Gateway, Parts};
pub use job::{Copied, Course, JobName, JobWork, KnownJob, Part, Places, QueryWork, Rested, RestedKind, RestedRole, Verdict, owner_of};
pub use jobs::{JOBS_LISTED_MAX, JobPage};
pub use joined::JOINED_READ_BYTES_MAX;
pub use labels::LABEL_PREFIX;
pub use onward::{Ahead, MoreRows, RowsToCome};
pub use places::{LONG_ROWS_AT_ONCE_MAX, LONG_ROWS_OF_ONE_MAX, ROWS_AT_ONCE_OF_ONE_MAX, ROWS_WAIT_MILLISECONDS_MAX};
pub use ports::{
    Alarm, Asking, BatchSource, Catalog, CatalogFault, CatalogPart, InForce, JobRows, JobState, Jobs, JobsFault, KeepFault, Keys, Machine,
    RawRows, RawSession, Resource, RowBatch, RowShape, RowsAsk, RowsSource, SealFault, Sealer, UPLOAD_HELD_BYTES_MAX,
    UPLOAD_IDLE_SECONDS_MAX, Unsettled, Upload, Upstream, UpstreamError, UpstreamFault, UpstreamFaultKind,
};
pub use query::Results;
pub use record::hex;
pub use refusal::{FormReason, Refused, Why};
pub use session::{ExchangeAsk, Exchanged, Introspected, LATE_SECONDS_MAX, SESSIONS_PER_MINUTE_MAX, SessionAsk, SessionFault, fault_of};
pub use storage::{
    APPEND_IDLE_SECONDS_MAX, APPENDS_UNANSWERED_MAX, AnswersToCome, AppendAnswer, AppendAsk, AppendFault, AppendSink, AppendSource,
    BatchesToCome, Coming, Committed, Compression, Moment, MoreAnswers, MoreBatches, OpenedSession, READ_SESSION_MILLISECONDS_MAX,
    READ_SESSIONS_MAX, READ_SESSIONS_OF_ONE_MAX, READ_STREAMS_MAX, ReadSessionAsk, RowFault, RowForm, RowsToAppend, StreamAct,
    StreamAnswer, StreamAsk, StreamFault, StreamKind, StreamSplit, StreamedBatch, WRITE_STREAM_MILLISECONDS_MAX, WRITE_STREAMS_MAX,
    WRITE_STREAMS_OF_ONE_MAX, WriteStreamState,
};
pub use trail::{Ended, STEPS_KEPT_MAX, Stage, Step, Trail, Walked};
