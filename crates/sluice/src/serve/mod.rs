//! The gateway as one process: what it is told, what it is made of, what is in force, what operators see of it, how it ends.

mod compose;
mod in_force;
mod issued;
pub mod keys;
mod local;
mod mask_secret;
mod routes;
pub mod settings;
pub mod watch;

pub use compose::{CREDENTIALS_FILE, Composed, compose, connect, prepare};
pub use in_force::Force;
pub use issued::Issued;
pub use routes::{metrics_routes, routes};
