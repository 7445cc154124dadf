//! The path of a request, from a proven caller to rows that may leave. `query.rs` is the whole of it, top-down; `ports.rs` says what it needs.

mod admit;
mod asked;
mod decide;
mod follow;
mod gateway;
mod identify;
mod job;
mod jobs;
mod labels;
mod ports;
mod query;
mod record;
mod refusal;
mod release;
mod running;
mod script;
mod session;
mod trail;
mod understand;
mod upload;
mod withhold;

pub use admit::Admitted;
pub use asked::{MethodAsk, QueryAsk, Reads, Visit};
pub use gateway::{Connection, Gateway, Parts};
pub use job::{JobName, JobWork, KnownJob, Part, QueryWork, owner_of};
pub use jobs::{JOBS_LISTED_MAX, JobPage};
pub use labels::LABEL_PREFIX;
pub use ports::{
    Alarm, Asking, Catalog, CatalogFault, CatalogPart, InForce, JobRows, JobState, Jobs, JobsFault, Keys, Machine, Resource, RowsAsk,
    SealFault, Sealer, UPLOAD_HELD_BYTES_MAX, UPLOAD_IDLE_SECONDS_MAX, Upload, Upstream, UpstreamError, UpstreamFault, UpstreamFaultKind,
};
pub use query::Results;
pub use record::hex;
pub use refusal::{FormReason, Refused, Why};
pub use session::{ExchangeAsk, Exchanged, Introspected, LATE_SECONDS_MAX, SESSIONS_PER_MINUTE_MAX, SessionAsk, SessionFault, fault_of};
pub use trail::{Ended, STEPS_KEPT_MAX, Stage, Step, Trail, Walked};
