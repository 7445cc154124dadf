//! The discovery document, made out of the method table: `bq` and other generic clients build themselves from it. It leads to us.

use super::methods::{METHODS, Method, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform"];

/// `base` is the address under which the client reached us, without a slash at its end.
pub fn document(base: &str) -> Value {
    let mut resources = Map::new();
    for method in METHODS {
        let (resource, name) = method.name.split_once('.').unwrap_or((method.name, ""));
        let entry = resources.entry(resource).or_insert_with(|| json!({ "methods": {} }));
        if let Some(methods) = entry.get_mut("methods").and_then(Value::as_object_mut) {
            methods.insert(name.to_owned(), describe(method));
        }
    }
    let scope = |scope: &str| (scope.to_owned(), json!({ "description": scope }));
    json!({
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "bigquery:v2",
        "name": "bigquery",
        "version": "v2",
        "revision": "20260101",
        "title": "BigQuery API",
        "description": "BigQuery as this gateway serves it.",
        "protocol": "rest",
        "rootUrl": format!("{base}/"),
        "servicePath": "bigquery/v2/",
        "basePath": "/bigquery/v2/",
        "baseUrl": format!("{base}/bigquery/v2/"),
        "batchPath": "batch/bigquery/v2",
        "parameters": general(),
        "auth": { "oauth2": { "scopes": SCOPES.into_iter().map(scope).collect::<Map<_, _>>() } },
        "schemas": schemas(),
        "resources": resources,
    })
}

fn general() -> Value {
    json!({
        "alt": { "type": "string", "default": "json", "enum": ["json"], "enumDescriptions": ["JSON"], "location": "query" },
        "fields": { "type": "string", "location": "query" },
        "key": { "type": "string", "location": "query" },
        "prettyPrint": { "type": "boolean", "default": "false", "location": "query" },
        "quotaUser": { "type": "string", "location": "query" },
    })
}

fn describe(method: &Method) -> Value {
    let names: Vec<&str> = method.names().collect();
    let mut parameters = Map::new();
    for name in &names {
        parameters.insert((*name).to_owned(), json!({ "type": "string", "required": true, "location": "path" }));
    }
    for (name, kind) in method.parameters {
        parameters.insert((*name).to_owned(), parameter(*kind));
    }
    let mut described = json!({
        "id": method.id(),
        "path": method.path.replace('{', "{+"),
        "flatPath": method.path,
        "httpMethod": method.verb,
        "description": method.name,
        "parameters": parameters,
        "parameterOrder": names,
        "scopes": SCOPES,
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

fn parameter(kind: Type) -> Value {
    match kind {
        Type::Flag => json!({ "type": "boolean", "location": "query" }),
        Type::Number(u64::MAX) => json!({ "type": "string", "format": "uint64", "location": "query" }),
        Type::Number(number_max) => {
            let format = if number_max > 1 << 31 { "uint32" } else { "int32" };
            json!({ "type": "integer", "format": format, "location": "query" })
        }
        Type::Text => json!({ "type": "string", "location": "query" }),
        Type::Word(words) => json!({ "type": "string", "enum": words, "enumDescriptions": words, "location": "query" }),
        Type::Words(words) => json!({ "type": "string", "repeated": true, "enum": words, "enumDescriptions": words, "location": "query" }),
    }
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
        let document = document("https://gateway.example");
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
        assert_eq!(document["baseUrl"], "https://gateway.example/bigquery/v2/");
        assert!(!document.to_string().contains("bigquery.googleapis.com"));
    }
}
