//! The data that a new warehouse starts with, all of it out of a seed.

pub mod clinic;
pub mod clinic_code;
pub mod events;
mod load;
pub mod seed;
pub mod shop;
pub mod staging;

pub use load::{DataSettings, PROJECT};

use crate::values::calendar;
use serde_json::Value;

/// A table to be loaded: rows as `insertAll` takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct TableData {
    pub name: String,
    /// `name TYPE, name TYPE`.
    pub columns: &'static str,
    /// Columns whose mode is REQUIRED.
    pub required: &'static [&'static str],
    pub rows: Vec<Value>,
}

impl TableData {
    fn new(name: &str, columns: &'static str, required: &'static [&'static str], rows: Vec<Value>) -> TableData {
        TableData { name: name.to_owned(), columns, required, rows }
    }
}

fn date(days: i64) -> String {
    calendar::date_text(days)
}

fn timestamp(seconds: i64) -> String {
    format!("{}Z", calendar::datetime_text(seconds * calendar::MICROSECONDS_PER_SECOND))
}
