//! The discovery document, made out of the method table: `bq` and other generic clients build themselves from it.

use super::methods::{METHODS, Method};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const INTEGERS: [&str; 5] = ["accessPolicyVersion", "maxResults", "pageSize", "startIndex", "timeoutMs"];
const BOOLEANS: [&str; 5] = ["all", "allUsers", "autodetect_schema", "deleteContents", "formatOptions.useInt64Timestamp"];

/// `root` is the address under which the client reached us, with a slash at its end.
pub fn document(root: &str) -> Value {
    let mut resources = Map::new();
    for method in METHODS {
        let (resource, name) = method.name.split_once('.').unwrap_or((method.name, ""));
        let entry = resources.entry(resource).or_insert_with(|| json!({ "methods": {} }));
        if let Some(methods) = entry.get_mut("methods").and_then(Value::as_object_mut) {
            methods.insert(name.to_owned(), describe(method));
        }
    }
    json!({
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "bigquery:v2",
        "name": "bigquery",
        "version": "v2",
        "revision": "20260101",
        "title": "BigQuery API",
        "description": "The part of BigQuery that the sandbox warehouse has.",
        "protocol": "rest",
        "rootUrl": root,
        "servicePath": "bigquery/v2/",
        "basePath": "/bigquery/v2/",
        "baseUrl": format!("{root}bigquery/v2/"),
        "batchPath": "batch/bigquery/v2",
        "parameters": {
            "alt": { "type": "string", "default": "json", "location": "query" },
            "fields": { "type": "string", "location": "query" },
            "key": { "type": "string", "location": "query" },
            "prettyPrint": { "type": "boolean", "default": "true", "location": "query" },
            "quotaUser": { "type": "string", "location": "query" },
        },
        "auth": { "oauth2": { "scopes": {
            "https://www.googleapis.com/auth/bigquery": { "description": "BigQuery" },
            "https://www.googleapis.com/auth/cloud-platform": { "description": "Cloud platform" },
        } } },
        "schemas": schemas(),
        "resources": resources,
    })
}

fn describe(method: &Method) -> Value {
    let names: Vec<&str> = method.path.split('/').filter_map(|part| part.strip_prefix('{')?.split('}').next()).collect();
    let mut parameters = Map::new();
    for name in &names {
        parameters.insert((*name).to_owned(), json!({ "type": "string", "required": true, "location": "path" }));
    }
    for name in method.query {
        let (name, repeated) = name.strip_suffix('*').map_or((*name, false), |name| (name, true));
        let kind = if INTEGERS.contains(&name) {
            "integer"
        } else if BOOLEANS.contains(&name) {
            "boolean"
        } else {
            "string"
        };
        let mut parameter = json!({ "type": kind, "location": "query" });
        if let (true, Some(fields)) = (repeated, parameter.as_object_mut()) {
            fields.insert("repeated".to_owned(), json!(true));
        }
        parameters.insert(name.to_owned(), parameter);
    }
    let mut described = json!({
        "id": method.id,
        "path": method.path.replace('{', "{+"),
        "flatPath": method.path,
        "httpMethod": method.verb,
        "description": method.name,
        "parameters": parameters,
        "parameterOrder": names,
        "scopes": ["https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform"],
    });
    if let Some(fields) = described.as_object_mut() {
        if !method.takes.is_empty() {
            fields.insert("request".to_owned(), json!({ "$ref": method.takes }));
        }
        if !method.gives.is_empty() {
            fields.insert("response".to_owned(), json!({ "$ref": method.gives }));
        }
        if method.name == "jobs.insert" {
            fields.insert("supportsMediaUpload".to_owned(), json!(true));
            let paths = json!({
                "simple": { "multipart": true, "path": "/upload/bigquery/v2/projects/{+projectId}/jobs" },
                "resumable": { "multipart": true, "path": "/resumable/upload/bigquery/v2/projects/{+projectId}/jobs" },
            });
            fields.insert("mediaUpload".to_owned(), json!({ "accept": ["*/*"], "protocols": paths }));
        }
    }
    described
}

/// Resources by name; what is in them is not described.
fn schemas() -> Value {
    let names: BTreeSet<&str> = METHODS.iter().flat_map(|method| [method.takes, method.gives]).filter(|name| !name.is_empty()).collect();
    let schema = |name: &str| (name.to_owned(), json!({ "id": name, "type": "object", "properties": {} }));
    Value::Object(names.into_iter().map(schema).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_described_with_schemas_that_are_there() {
        let document = document("http://localhost:1/");
        let mut found = 0;
        for (_, resource) in document["resources"].as_object().unwrap() {
            for (_, method) in resource["methods"].as_object().unwrap() {
                found += 1;
                for body in ["request", "response"] {
                    if let Some(name) = method[body]["$ref"].as_str() {
                        assert!(document["schemas"][name].is_object(), "{name}");
                    }
                }
                for name in method["parameterOrder"].as_array().unwrap() {
                    assert_eq!(method["parameters"][name.as_str().unwrap()]["location"], "path");
                }
            }
        }
        assert_eq!(found, METHODS.len());
        assert_eq!(document["resources"]["jobs"]["methods"]["list"]["parameters"]["stateFilter"]["repeated"], true);
    }
}
