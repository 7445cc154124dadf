//! The gateway as one process: what it is told, what it is made of, what is in force, how it ends.

mod compose;
mod in_force;
pub mod keys;
mod local;
mod routes;
pub mod settings;

pub use compose::{Composed, compose, connect, prepare};
pub use in_force::Force;
pub use local::ErrorLog;
pub use routes::routes;
