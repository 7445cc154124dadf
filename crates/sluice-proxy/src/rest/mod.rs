//! BigQuery's REST API, for clients that do not know we are there.
//!
//! `serve.rs` is the way of one request: head, route, caller, parameters, body, then one call of the application, then the answer.
//! Nothing of a request is forwarded: what goes to BigQuery is written anew out of what was understood.

pub mod configuration;

mod answer;
mod application;
mod attend;
mod body;
mod decode;
mod discovery;
mod encode;
mod fields;
pub(crate) mod head;
mod methods;
pub(crate) mod names;
mod parameters;
pub(crate) mod percent;
mod refusal;
mod remainder;
pub(crate) mod room;
mod route;
mod serve;
mod upload;

pub use application::{Application, Authenticate, JobList};
pub use body::BODY_MILLISECONDS_MAX;
pub use head::{Ambiguous, HEADERS_BYTES_MAX, HEADERS_MAX, Peer};
pub use methods::{Duty, Kind, METHODS, Method, Type};
pub use parameters::{PARAMETER_BYTES_MAX, QUERY_BYTES_MAX};
pub use refusal::{RATE_LIMIT_EXCEEDED, Told, told};
pub use room::{BODIES_BYTES_MAX, BODIES_OF_ONE_BYTES_MAX, ROOM_MILLISECONDS_MAX, UPLOADS_BYTES_MAX, UPLOADS_OF_ONE_BYTES_MAX};
pub use route::PATH_BYTES_MAX;
pub use serve::{Connections, POLL_MILLISECONDS_MAX, Rest, Settings, router};
pub use upload::{UPLOAD_CHUNK_BYTES_MAX, UPLOADS_MAX, UPLOADS_OF_ONE_MAX};
