//! The Storage Write API, for what is on record.

mod append;
mod call;
mod change;

use super::api;
