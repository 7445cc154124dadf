//! What was done at a warehouse before the gateway knew, and what is there: read with the connection's own identity, for whoever looks for copies.
//!
//! `jobs.rs` reads the history of jobs, `holdings.rs` what datasets hold. All of it is GET; nothing is billed.

mod holdings;
mod jobs;

pub use holdings::{Derivation, HOLDINGS_MAX, Holdings, Made, OldModel};
pub use jobs::{CopyKind, HISTORY_BYTES_MAX, HISTORY_JOBS_MAX, History, PastJob, PastWork, Wanted};

use crate::bigquery::{Ask, Connection, Unread, json_of};
use serde_json::Value;
use sluice_app::UpstreamFault;
use sluice_model::TableName;

const LIST_ENTRIES: &str = "1000";
/// Of one list: a warehouse that always says that there is more is not followed for ever.
const PAGES_MAX: usize = 10_000;

/// Page after page of a list, until it ends or `take` has had enough. Whether it came to its end.
async fn each(
    connection: &Connection,
    path: &str,
    query: &[(String, String)],
    field: &str,
    mut take: impl FnMut(&Value) -> bool,
) -> Result<bool, UpstreamFault> {
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let query: Vec<(String, String)> = query.iter().cloned().chain(token.take().map(|token| ("pageToken".to_owned(), token))).collect();
        // A warehouse that does not know the method has none of it.
        let ask = Ask { hoped: &[501], ..Ask::get(connection, path, &query) };
        let read = |answer: &crate::rest::Answer| -> Result<Value, Unread> {
            if answer.status == 501 { Ok(Value::Null) } else { json_of(answer) }
        };
        let page = connection.ask(None, &ask, read).await?;
        for entry in page.get(field).and_then(Value::as_array).into_iter().flatten() {
            if !take(entry) {
                return Ok(false);
            }
        }
        match page.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(next) => token = Some(next.to_owned()),
            None => return Ok(true),
        }
    }
    Ok(false)
}

/// A reference: `projectId`, `datasetId`, and the thing itself.
fn named(value: &Value, id: &str) -> Option<TableName> {
    let part = |name: &str| value.get(name).and_then(Value::as_str).filter(|part| !part.is_empty());
    Some(TableName::new(part("projectId")?, part("datasetId")?, part(id)?))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// 64-bit numbers are texts in BigQuery's JSON.
fn number(value: &Value, pointer: &str) -> u64 {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(other) => other.as_u64().unwrap_or_default(),
        None => 0,
    }
}
