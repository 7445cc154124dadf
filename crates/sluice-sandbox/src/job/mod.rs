//! Jobs: what clients ask for, wait for and read results from.

pub mod parameters;
pub mod record;
pub mod registry;
pub mod request;
pub mod resource;
pub mod results;
pub mod submit;

pub use record::{Job, JobResult, Phase};
pub use registry::{Filter, Registry};
pub use submit::{Jobs, Order, Submitted};
