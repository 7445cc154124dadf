//! The warehouse behind HTTP.

mod admin;
pub(crate) mod authenticate;
mod body;
mod call;
mod content_range;
mod datasets;
mod discovery;
mod fields;
mod jobs;
mod labels;
mod methods;
mod multipart;
mod respond;
pub(crate) mod service;
mod start;
mod tables;
mod upload;
mod uploads;

pub use body::REQUEST_BYTES_MAX;
pub use jobs::POLL_MILLISECONDS_MAX;
pub use methods::{METHODS, Method};
pub use start::{Running, Sandbox, StartError};
pub use uploads::{CHUNK_STEP_BYTES, UPLOAD_BYTES_MAX, UPLOAD_IDLE_MILLISECONDS_MAX, UPLOADS_BYTES_MAX, UPLOADS_MAX};
