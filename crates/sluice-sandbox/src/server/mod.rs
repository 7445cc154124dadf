//! The warehouse behind HTTP.

mod admin;
mod authenticate;
mod body;
mod call;
mod datasets;
mod discovery;
mod fields;
mod jobs;
mod labels;
mod methods;
mod respond;
mod service;
mod start;
mod tables;

pub use body::REQUEST_BYTES_MAX;
pub use jobs::POLL_MILLISECONDS_MAX;
pub use methods::{METHODS, Method};
pub use start::{Running, Sandbox, StartError};
