//! Every field of a job, and what becomes of it. A test compares these tables with BigQuery's discovery document.

mod job;
mod load;
mod query;
pub(in crate::rest) mod table;
mod transfer;

pub(super) use job::{JOB, OF_ANY_JOB};
pub(super) use load::LOAD;
pub(super) use query::{OF_ANY_QUERY, QUERY, QUERY_REQUEST, SESSIONS};
pub(super) use transfer::{COPY, EXTRACT};
