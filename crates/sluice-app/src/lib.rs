//! The path of a request, from a proven caller to rows that may leave. `query.rs` is the whole of it, top-down; `ports.rs` says what it needs.

mod asked;
mod job;
mod ports;
mod refusal;

pub use asked::{MethodAsk, QueryAsk, Reads, Visit};
pub use job::{JobName, JobWork, KnownJob, QueryWork};
pub use ports::{
    Alarm, Asking, Catalog, CatalogFault, CatalogPart, InForce, JobRows, JobState, Jobs, JobsFault, Keys, Machine, Resource, RowsAsk,
    SealFault, Sealer, Upload, Upstream, UpstreamError, UpstreamFault, UpstreamFaultKind,
};
pub use refusal::{FormReason, Refused, Why};
