//! The Storage Write API: streams, and rows that a client sends on a connection both ways.

mod answer;
mod decode;
mod encode;
mod frames;
mod serve;

use super::api;

pub use decode::{COMMITTED_STREAMS_MAX, append, of_stream};
pub use frames::APPEND_BYTES_MAX;
