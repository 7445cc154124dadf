//! Our tables of fields against BigQuery's own list of them.

use super::*;
use serde_json::Value;
use std::io::Write;
use std::process::Command;

/// What clients send and the document does not have: Node's settings for reading that it leaves in a query.
const BEYOND: [(&str, &str); 6] = [
    ("JobConfigurationQuery", "dryRun"),
    ("JobConfigurationQuery", "maxResults"),
    ("JobConfigurationQuery", "parseJSON"),
    ("JobConfigurationQuery", "skipParsing"),
    ("JobConfigurationQuery", "timeoutMs"),
    ("JobConfigurationQuery", "wrapIntegers"),
];

/// `SLUICE_DISCOVERY` names the file; otherwise a Python that has the package `google-api-python-client` is asked.
#[expect(clippy::disallowed_methods, reason = "where the document is depends on the machine that tests")]
fn document() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SLUICE_DISCOVERY") {
        return Some(PathBuf::from(path));
    }
    let code = "import googleapiclient, os; print(os.path.dirname(googleapiclient.__file__))";
    let output = Command::new("python3").args(["-c", code]).output().ok().filter(|output| output.status.success())?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim()).join("discovery_cache/documents/bigquery.v2.json"))
}

#[test]
fn every_field_of_the_public_document_is_known_and_of_its_kind() {
    let Some(text) = document().and_then(|path| std::fs::read_to_string(path).ok()) else {
        // Not through `eprintln!`: the harness would keep it for itself.
        let text = "SKIPPED: BigQuery's discovery document is not here: install google-api-python-client or set SLUICE_DISCOVERY";
        writeln!(std::io::stderr(), "{text}").unwrap();
        return;
    };
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut seen = BTreeSet::new();
    for message in [&message::JOB, &message::QUERY_REQUEST] {
        compare(message, &document["schemas"][message.name], &document["schemas"], &mut seen);
    }
    for name in ["JobConfigurationLoad", "JobConfigurationTableCopy", "QueryParameterValue", "TableFieldSchema", "SecureContext"] {
        assert_eq!(seen.contains(name), name != "SecureContext", "{name}");
    }
    assert!(seen.len() >= 30, "{seen:?}");
}

fn compare(message: &Message, schema: &Value, schemas: &Value, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(message.name) {
        return;
    }
    let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{} has no properties", message.name));
    let ours: BTreeSet<&str> = message.fields.iter().map(|field| field.name).collect();
    assert_eq!(ours.len(), message.fields.len(), "{} has a field twice", message.name);
    let beyond = BEYOND.iter().filter(|(name, _)| *name == message.name).map(|(_, field)| *field);
    let theirs: BTreeSet<&str> = properties.keys().map(String::as_str).chain(beyond).collect();
    assert_eq!(ours, theirs, "{}", message.name);
    for field in message.fields {
        let property = &properties.get(field.name).cloned().unwrap_or_default();
        let output_only = property["readOnly"] == true;
        assert!(!output_only || matches!(field.fate, Fate::Dropped), "{}.{} is for answers alone", message.name, field.name);
        if let Fate::Kept(shape) = &field.fate {
            let place = format!("{}.{}", message.name, field.name);
            of_kind(shape, property, schemas, &place, seen);
        }
    }
}

fn of_kind(shape: &Shape, property: &Value, schemas: &Value, place: &str, seen: &mut BTreeSet<&'static str>) {
    let kind = property["type"].as_str().unwrap_or_default();
    let format = property["format"].as_str().unwrap_or_default();
    let mut inner = |message: &'static Message, described: &Value| match described["$ref"].as_str() {
        Some(name) => {
            assert_eq!(name, message.name, "{place}");
            compare(message, &schemas[name], schemas, seen);
        }
        None => compare(message, described, schemas, seen),
    };
    match shape {
        Shape::Flag => assert_eq!(kind, "boolean", "{place}"),
        Shape::List(element, _) => {
            assert_eq!(kind, "array", "{place}");
            of_kind(element, &property["items"], schemas, place, seen);
        }
        Shape::Long { .. } => assert_eq!((kind, format), ("string", "int64"), "{place}"),
        Shape::Map(message, _) => inner(message, &property["additionalProperties"]),
        Shape::Number { most, .. } => {
            assert_eq!(kind, "integer", "{place}");
            assert_eq!(*most, if format == "uint32" { i64::from(u32::MAX) } else { i64::from(i32::MAX) }, "{place}");
        }
        Shape::Object(message) => inner(message, property),
        Shape::Objects(message, _) => {
            assert_eq!(kind, "array", "{place}");
            inner(message, &property["items"]);
        }
        Shape::Scalar | Shape::Text { .. } => {
            assert_eq!(kind, "string", "{place}");
            assert!(property["enum"].is_null() && format != "int64", "{place}");
        }
        Shape::Texts(_) => assert_eq!(property["additionalProperties"]["type"], "string", "{place}"),
        Shape::Words(words) => {
            assert_eq!(kind, "string", "{place}");
            let theirs: Vec<&str> = property["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert!(theirs.is_empty() || words.iter().all(|word| theirs.contains(word)), "{place}: {theirs:?}");
        }
    }
}
