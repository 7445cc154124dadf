//! What is left of a job's description for a caller who may not see everything that the job read.

use crate::ports::{JobState, UpstreamError};
use serde_json::{Map, Value, json};

const MESSAGE_WITHHELD: &str = "BigQuery's message is withheld: it can hold values of columns that you may not see";
/// Of `statistics.query`: what tells nothing of values.
const QUERY_STATISTICS: [&str; 12] = [
    "billingTier",
    "cacheHit",
    "ddlOperationPerformed",
    "ddlTargetTable",
    "estimatedBytesProcessed",
    "numDmlAffectedRows",
    "referencedTables",
    "schema",
    "statementType",
    "totalBytesBilled",
    "totalBytesProcessed",
    "totalSlotMs",
];

pub(crate) fn withhold(mut state: JobState) -> JobState {
    if let Some(error) = &mut state.error {
        *error = UpstreamError { reason: error.reason.clone(), message: MESSAGE_WITHHELD.to_owned() };
    }
    if let Some(query) = state.resource.0.pointer_mut("/statistics/query").and_then(Value::as_object_mut) {
        let kept: Map<String, Value> =
            std::mem::take(query).into_iter().filter(|(name, _)| QUERY_STATISTICS.contains(&name.as_str())).collect();
        *query = kept;
    }
    if let Some(status) = state.resource.0.get_mut("status").and_then(Value::as_object_mut) {
        let reason = status.get("errorResult").and_then(|error| error.get("reason")).cloned();
        if let Some(reason) = reason {
            let error = json!({ "reason": reason, "message": MESSAGE_WITHHELD });
            status.insert("errors".to_owned(), Value::Array(vec![error.clone()]));
            status.insert("errorResult".to_owned(), error);
        } else {
            // Warnings of a job that went well.
            status.remove("errors");
        }
    }
    state
}
