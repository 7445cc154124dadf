//! What BigQuery itself says is sensitive: policy tags and data policies, column by column.

use serde_json::Value;
use sluice_model::types::TYPE_DEPTH_MAX;
use sluice_model::{ColumnPath, TableName};

/// Every tag of a `TableSchema`, with the column or field that carries it.
pub fn policy_tags(table: &TableName, schema: &Value) -> Vec<(ColumnPath, String)> {
    let mut found = Vec::new();
    of_fields(table, schema, &mut Vec::new(), &mut found);
    found
}

fn of_fields(table: &TableName, within: &Value, path: &mut Vec<String>, found: &mut Vec<(ColumnPath, String)>) {
    if path.len() > TYPE_DEPTH_MAX {
        return;
    }
    for field in within.get("fields").and_then(Value::as_array).into_iter().flatten() {
        path.push(field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
        let column = || ColumnPath { table: table.clone(), path: path.clone() };
        found.extend(names(field).map(|name| (column(), name)));
        of_fields(table, field, path, found);
        path.pop();
    }
}

/// A tag whose name cannot be read is a tag all the same: whoever labels by tags has none for it, and that is the strictest.
fn names(field: &Value) -> impl Iterator<Item = String> {
    let tags = field.pointer("/policyTags/names").and_then(Value::as_array).into_iter().flatten();
    let policies = field.get("dataPolicies").and_then(Value::as_array).into_iter().flatten();
    let tags = tags.map(|tag| tag.as_str().unwrap_or_default().to_owned());
    tags.chain(policies.map(|policy| policy.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_are_found_at_every_depth() {
        let tag = |name: &str| json!({ "names": [format!("projects/p/locations/us/taxonomies/1/policyTags/{name}")] });
        let schema = json!({ "fields": [
            { "name": "id", "type": "INTEGER" },
            { "name": "ssn", "type": "STRING", "policyTags": tag("7") },
            { "name": "empty", "type": "STRING", "policyTags": { "names": [] } },
            { "name": "masked", "type": "STRING", "dataPolicies": [{ "name": "projects/p/locations/us/dataPolicies/d" }] },
            { "name": "odd", "type": "STRING", "policyTags": { "names": [7] } },
            { "name": "address", "type": "RECORD", "policyTags": tag("8"), "fields": [
                { "name": "street", "type": "RECORD", "fields": [{ "name": "number", "type": "STRING", "policyTags": tag("9") }] },
            ] },
        ] });
        let found = policy_tags(&TableName::new("p", "d", "t"), &schema);
        let shown: Vec<String> =
            found.iter().map(|(column, tag)| format!("{column} {}", tag.rsplit('/').next().unwrap_or_default())).collect();
        assert_eq!(shown, ["p.d.t.ssn 7", "p.d.t.masked d", "p.d.t.odd ", "p.d.t.address 8", "p.d.t.address.street.number 9"]);
    }
}
