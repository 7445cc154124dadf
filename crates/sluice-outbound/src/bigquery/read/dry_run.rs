//! What BigQuery says of a statement without running it.

use super::field::{Misread, fields, maybe_number, maybe_object, maybe_text, references};
use serde_json::Value;
use sluice_policy::DryRun;

/// How good a number is. Of the others nobody knows by how much the truth is above it.
const ACCURACIES: [&str; 2] = ["PRECISE", "UPPER_BOUND"];

pub(crate) fn dry_run(resource: &Value) -> Result<DryRun, Misread> {
    let statistics = maybe_object(resource, "statistics")?.ok_or_else(|| Misread("`statistics` is missing".to_owned()))?;
    let query = maybe_object(statistics, "query")?.ok_or_else(|| Misread("`statistics.query` is missing".to_owned()))?;
    let bytes = match maybe_number(query, "totalBytesProcessed")? {
        Some(bytes) => Some(bytes),
        None => maybe_number(statistics, "totalBytesProcessed")?,
    };
    let is_bound = maybe_text(query, "totalBytesProcessedAccuracy")?.is_none_or(|accuracy| ACCURACIES.contains(&accuracy));
    Ok(DryRun {
        statement_type: maybe_text(query, "statementType")?.map(str::to_owned),
        bytes: bytes.filter(|_| is_bound),
        referenced_tables: references(query, "referencedTables", "tableId")?,
        referenced_routines: references(query, "referencedRoutines", "routineId")?,
        schema: maybe_object(query, "schema")?.map(fields).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_count_as_far_as_they_are_bounds() {
        let check = |query: Value, expect: Option<u64>| {
            let resource = json!({ "statistics": { "totalBytesProcessed": "7", "query": query } });
            assert_eq!(dry_run(&resource).map(|found| found.bytes), Ok(expect), "{resource}");
        };
        check(json!({ "totalBytesProcessed": "12" }), Some(12));
        check(json!({ "totalBytesProcessed": 12 }), Some(12));
        check(json!({}), Some(7));
        check(json!({ "totalBytesProcessed": "12", "totalBytesProcessedAccuracy": "PRECISE" }), Some(12));
        check(json!({ "totalBytesProcessed": "12", "totalBytesProcessedAccuracy": "UPPER_BOUND" }), Some(12));
        check(json!({ "totalBytesProcessed": "12", "totalBytesProcessedAccuracy": "LOWER_BOUND" }), None);
        check(json!({ "totalBytesProcessed": "12", "totalBytesProcessedAccuracy": "UNKNOWN" }), None);
        check(json!({ "totalBytesProcessed": "18446744073709551615" }), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_dry_run_is_not_read() {
        for resource in [
            json!({}),
            json!({ "statistics": {} }),
            json!({ "statistics": { "query": [] } }),
            json!({ "statistics": { "query": { "totalBytesProcessed": "-1" } } }),
            json!({ "statistics": { "query": { "totalBytesProcessed": 1.5 } } }),
            json!({ "statistics": { "query": { "totalBytesProcessed": "18446744073709551616" } } }),
            json!({ "statistics": { "query": { "totalBytesProcessed": "+1" } } }),
            json!({ "statistics": { "query": { "statementType": 7 } } }),
            json!({ "statistics": { "query": { "referencedTables": {} } } }),
            json!({ "statistics": { "query": { "referencedTables": [{ "projectId": "p", "datasetId": "d" }] } } }),
            json!({ "statistics": { "query": { "referencedTables": [{ "projectId": "p", "datasetId": "", "tableId": "t" }] } } }),
            json!({ "statistics": { "query": { "schema": { "fields": [{ "name": "a", "type": "NONE" }] } } } }),
        ] {
            assert!(dry_run(&resource).is_err(), "{resource}");
        }
    }

    #[test]
    fn all_of_it_is_read() {
        let resource = json!({ "statistics": { "query": {
            "statementType": "SELECT",
            "totalBytesProcessed": "1",
            "referencedTables": [{ "projectId": "example.com:p", "datasetId": "d", "tableId": "t" }],
            "referencedRoutines": [{ "projectId": "p", "datasetId": "d", "routineId": "r" }],
            "schema": { "fields": [{ "name": "a", "type": "RECORD", "mode": "REPEATED", "fields": [{ "name": "b", "type": "INTEGER" }] }] },
        } } });
        let found = dry_run(&resource).unwrap();
        let schema: Vec<String> = found.schema.iter().flatten().map(|field| format!("{} {}", field.name, field.kind)).collect();
        assert_eq!(schema, ["a ARRAY<STRUCT<b INT64>>"]);
        let named = found.referenced_tables.iter().chain(&found.referenced_routines).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named, ["example.com:p.d.t", "p.d.r"]);
        assert_eq!(found.statement_type.as_deref(), Some("SELECT"));
    }
}
