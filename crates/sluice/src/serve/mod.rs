//! The gateway as one process: what it is told, what it is made of, what is in force, how it ends.

mod compose;
mod in_force;
mod issued;
pub mod keys;
mod local;
mod routes;
pub mod settings;

pub use compose::{CREDENTIALS_FILE, Composed, compose, prepare};
pub use in_force::Force;
pub use issued::Issued;
pub use local::ErrorLog;
pub use routes::routes;
