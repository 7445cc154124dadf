//! Single values out of the text of a file.

use super::csv::Field;
use crate::values::calendar::timestamp_microseconds;
use crate::values::{Column, Datum, Scalar, limit, read};
use sluice_model::Type;

/// Quotes tell an empty text from a value that is not there.
pub fn of_text(column: &Column, field: &Field, null_markers: &[String]) -> Result<Datum, String> {
    let text = field.text.as_str();
    let Scalar::Of(kind) = &column.kind else { return Err("Unable to parse".to_owned()) };
    let is_text = matches!(kind, Type::String | Type::Bytes);
    if null_markers.iter().any(|marker| marker == text) && (!field.quoted || (text.is_empty() && !is_text)) {
        return Ok(Datum::Null);
    }
    let mut cell = scalar(kind, text).ok_or("Unable to parse")?;
    limit::fit(column, &mut cell)?;
    Ok(cell)
}

/// More forms than a statement's literals have: `y`, slashes in dates, seconds since 1970.
fn scalar(kind: &Type, text: &str) -> Option<Datum> {
    match kind {
        Type::Bool => match text.trim() {
            "y" | "Y" => Some(Datum::Bool(true)),
            "n" | "N" => Some(Datum::Bool(false)),
            other => read::scalar(kind, other),
        },
        Type::Timestamp => timestamp(text).or_else(|| epoch(text)),
        _ => read::scalar(kind, text),
    }
}

/// `2026-01-31 01:02`, `2026/01/31T01:02:03.5 -05:00`.
pub fn timestamp(text: &str) -> Option<Datum> {
    let text = text.trim();
    let (date, _) = text.split_at_checked(text.find(['T', 't', ' ']).unwrap_or(text.len()))?;
    let written = if date.contains('/') { text.replacen('/', "-", 2) } else { text.to_owned() };
    timestamp_microseconds(&written).map(Datum::Timestamp)
}

fn epoch(text: &str) -> Option<Datum> {
    read::seconds_timestamp(&serde_json::from_str(text.trim()).ok()?)
}
