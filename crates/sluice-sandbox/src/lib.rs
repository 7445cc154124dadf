//! The embedded warehouse: BigQuery's protocols, REST and the Storage API, over GoogleSQL's reference evaluator.
//!
//! A means for the demo and for hermetic tests, in memory, small. What it does not do it refuses by name (501).

mod clock;
pub mod data;
pub mod execute;
pub mod faults;
mod gzip;
pub mod job;
pub mod load;
pub mod log;
pub mod problem;
pub mod server;
mod settings;
pub mod storage;
pub mod store;
pub mod values;

pub use execute::{Outcome, RunSettings, StatementOutcome, Warehouse};
pub use faults::{Act, Fault, Lie};
pub use server::{Running, Sandbox, StartError};
pub use settings::{OPEN_USER_EMAIL, Settings, Token};
