use super::*;
use serde_json::json;

fn check(resource: &str, value: Value, expect: Value, dropped: u64) {
    assert_eq!(keep(resource, value.clone()), (expect, dropped), "{resource}: {value}");
}

#[test]
fn known_fields_pass_and_others_are_counted() {
    check("DatasetReference", json!({ "projectId": "p", "datasetId": "d" }), json!({ "projectId": "p", "datasetId": "d" }), 0);
    check("DatasetReference", json!({ "projectId": "p", "secret": "x", "also": { "a": 1 } }), json!({ "projectId": "p" }), 2);
    check("DatasetReference", json!({ "projectId": { "value": "x" } }), json!({}), 1);
    check("DatasetReference", json!({ "projectId": ["a", ["x"], { "b": 1 }] }), json!({ "projectId": ["a"] }), 2);
    check("DatasetReference", json!({ "projectId": null }), json!({ "projectId": null }), 0);
    check("TableSchema", json!({ "fields": "text" }), json!({}), 1);
    check("Nothing", json!({ "a": 1 }), json!({}), 0);
    check("TableSchema", json!("text"), json!({}), 1);
}

#[test]
fn resources_nest() {
    let field = |inner: Value| json!({ "name": "a", "type": "RECORD", "fields": [inner] });
    let schema = json!({ "fields": [field(field(json!({ "name": "b", "type": "STRING", "sample": "555-0100" })))] });
    let kept = json!({ "fields": [field(field(json!({ "name": "b", "type": "STRING" })))] });
    check("TableSchema", schema, kept, 1);
    check("Dataset", json!({ "labels": { "a": "b", "c": { "d": 1 } } }), json!({ "labels": { "a": "b" } }), 1);
    let value = json!({ "structValues": { "a": { "value": "1", "x": 1 }, "b": { "arrayValues": [{ "value": "2" }] } } });
    let expect = json!({ "structValues": { "a": { "value": "1" }, "b": { "arrayValues": [{ "value": "2" }] } } });
    check("QueryParameterValue", value, expect, 1);
    let mut deep = json!({ "name": "leaf" });
    for _ in 0..200 {
        deep = json!({ "fields": [deep] });
    }
    let (kept, dropped) = keep("TableSchema", deep);
    assert!(!kept.to_string().contains("leaf"));
    assert_eq!(dropped, 1);
}

/// A job as BigQuery could write it: nothing of what can hold values of the data is left.
#[test]
fn places_that_hold_values_stay() {
    let job = json!({
        "kind": "bigquery#job",
        "status": { "state": "DONE", "errorResult": { "message": "CANARY" }, "errors": [{ "message": "CANARY" }] },
        "statistics": {
            "creationTime": "1",
            "query": {
                "statementType": "SELECT",
                "queryPlan": [{ "name": "S00", "steps": [{ "kind": "READ", "substeps": ["$1:ssn, ssn = CANARY"] }] }],
                "performanceInsights": { "note": "CANARY" },
                "mlStatistics": { "iterationResults": [{ "trainingLoss": "CANARY" }] },
                "sparkStatistics": { "endpoints": { "x": "CANARY" } },
            },
            "scriptStatistics": { "evaluationKind": "STATEMENT", "stackFrames": [{ "text": "CANARY" }] },
        },
        "newField": "CANARY",
    });
    let (kept, dropped) = keep("Job", job);
    assert!(!kept.to_string().contains("CANARY"), "{kept}");
    assert_eq!(kept["statistics"]["query"], json!({ "statementType": "SELECT" }));
    assert_eq!(dropped, 8);
    let model = json!({ "modelType": "KMEANS", "trainingRuns": [{ "results": "CANARY" }], "hparamTrials": [{ "x": "CANARY" }],
        "transformColumns": [{ "transformSql": "CANARY" }] });
    assert_eq!(keep("Model", model), (json!({ "modelType": "KMEANS" }), 3));
}

#[test]
fn the_table_is_whole() {
    assert_eq!(KNOWN.len(), RESOURCES.len(), "a line does not parse, or a name stands twice");
    fn names(known: &Known, found: &mut Vec<&'static str>) {
        match known {
            Known::Fields(fields) => fields.iter().for_each(|(_, known)| names(known, found)),
            Known::Map | Known::Plain => {}
            Known::Entries(name) | Known::Resource(name) => found.push(name),
        }
    }
    let mut found = Vec::new();
    KNOWN.values().for_each(|known| names(known, &mut found));
    for name in found {
        assert!(KNOWN.contains_key(name), "{name}");
    }
    for method in crate::rest::methods::METHODS.iter().filter(|method| !matches!(method.gives, "" | "JobList" | "JobCancelResponse")) {
        assert!(KNOWN.contains_key(method.gives), "{} gives {}", method.name, method.gives);
    }
}

/// A name that BigQuery does not have is a mistake of ours: what it stands for would stay behind.
#[test]
fn every_known_field_is_one_of_the_public_document() {
    let Some(document) = crate::rest::methods::tests::document() else { return };
    let schemas = &document["schemas"];
    fn properties<'a>(schemas: &'a Value, mut schema: &'a Value) -> &'a Value {
        loop {
            if let Some(name) = schema["$ref"].as_str() {
                schema = &schemas[name];
            } else if schema["type"] == "array" {
                schema = &schema["items"];
            } else {
                return &schema["properties"];
            }
        }
    }
    fn compare(known: &Known, schemas: &Value, schema: &Value, at: &str, unknown: &mut Vec<String>) {
        let Known::Fields(fields) = known else { return };
        let properties = properties(schemas, schema);
        for (name, below) in fields {
            let at = format!("{at}.{name}");
            match properties.get(name) {
                None => unknown.push(at),
                Some(schema) => match below {
                    Known::Entries(resource) | Known::Resource(resource) => {
                        let is_it = schema["$ref"] == *resource
                            || schema["items"]["$ref"] == *resource
                            || schema["additionalProperties"]["$ref"] == *resource;
                        if !is_it {
                            unknown.push(format!("{at} as {resource}"));
                        }
                    }
                    below => compare(below, schemas, schema, &at, unknown),
                },
            }
        }
    }
    let mut unknown = Vec::new();
    for (name, known) in KNOWN.iter() {
        compare(known, schemas, &schemas[*name], name, &mut unknown);
    }
    unknown.sort();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}
