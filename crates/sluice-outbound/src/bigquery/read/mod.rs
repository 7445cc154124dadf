//! BigQuery's answers, read strictly: what is there must be what it is said to be. What is not known is left alone.

mod dry_run;
mod field;
mod job;

pub(crate) use dry_run::dry_run;
pub(crate) use field::{Misread, fields};
pub(crate) use job::{is_query, job};
