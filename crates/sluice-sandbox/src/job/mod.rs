//! Jobs: what clients ask for, wait for and read results from.

pub mod copy;
mod execution;
mod fields;
pub mod load;
pub mod parameters;
pub mod record;
pub mod registry;
pub mod request;
pub mod resource;
pub mod results;
pub mod submit;
mod transfer;
mod write;

pub use record::{Job, JobKind, JobResult, Phase};
pub use registry::{Filter, Registry};
pub use submit::{Jobs, Order, Submitted};
