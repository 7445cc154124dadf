//! What a table definition says beside its columns: options, partitioning, clustering. They are kept in the resource and change nothing else.

use super::text::Script;
use serde_json::{Map, Value, json};
use sluice_sql::tree::NodeId;

const MILLISECONDS_OF_A_DAY: f64 = 86_400_000.0;

/// The fields of the table resource that a CREATE statement sets.
pub fn of_table(script: &Script, node: NodeId) -> Map<String, Value> {
    let mut fields = Map::new();
    set(script, node, &mut fields);
    let expressions =
        |field: &str, list: &str| script.tree.child(node, field).map(|clause| script.tree.children(clause, list)).unwrap_or_default();
    let clustering: Vec<String> =
        expressions("cluster_by", "clustering_expressions").iter().filter_map(|path| column(script, *path)).collect();
    if !clustering.is_empty() {
        fields.insert("clustering".to_owned(), json!({ "fields": clustering }));
    }
    let partitioning = expressions("partition_by", "partitioning_expressions");
    fields.extend(partitioning.first().and_then(|by| partitioning_of(script, *by)).map(|by| ("timePartitioning".to_owned(), by)));
    expire(script, node, &mut fields);
    fields
}

/// When partitions are to be deleted is part of how a table is partitioned.
fn expire(script: &Script, node: NodeId, kept: &mut Map<String, Value>) {
    let is_it =
        |entry: &NodeId| script.identifier(*entry, "name").is_some_and(|name| name.eq_ignore_ascii_case("partition_expiration_days"));
    let value = entries(script, node).into_iter().find(is_it).and_then(|entry| script.tree.child(entry, "value"));
    let (Some(value), Some(partitioning)) = (value, kept.get_mut("timePartitioning").and_then(Value::as_object_mut)) else { return };
    if script.tree.kind(value) == "ASTNullLiteral" {
        partitioning.remove("expirationMs");
    } else if let Ok(days) = script.slice(value).parse::<f64>() {
        let milliseconds = (days * MILLISECONDS_OF_A_DAY).round();
        partitioning.insert("expirationMs".to_owned(), json!(format!("{milliseconds:.0}")));
    }
}

/// Lays the options of a statement over those that are kept; NULL takes one away. What is no literal is left as it was.
pub fn set(script: &Script, node: NodeId, kept: &mut Map<String, Value>) {
    let names = [("description", "description"), ("friendly_name", "friendlyName"), ("labels", "labels")];
    for entry in entries(script, node) {
        let name = script.identifier(entry, "name").unwrap_or_default();
        let Some((_, field)) = names.iter().find(|(option, _)| option.eq_ignore_ascii_case(name)) else { continue };
        match script.tree.child(entry, "value") {
            Some(value) if script.tree.kind(value) == "ASTNullLiteral" => drop(kept.remove(*field)),
            Some(value) => kept.extend(literal(script, value).map(|value| ((*field).to_owned(), value))),
            None => {}
        }
    }
    expire(script, node, kept);
}

/// The text of an option of a column or table.
pub fn description(script: &Script, node: NodeId) -> Option<String> {
    let entry = entries(script, node).into_iter().find(|entry| script.identifier(*entry, "name") == Some("description"))?;
    let value = script.tree.child(entry, "value")?;
    script.tree.text(value, "string_value").map(str::to_owned)
}

fn entries(script: &Script, node: NodeId) -> Vec<NodeId> {
    script.tree.child(node, "options_list").map(|list| script.tree.children(list, "options_entries")).unwrap_or_default()
}

/// A string, or labels as an array of pairs. Nothing for an expression that would have to be evaluated.
fn literal(script: &Script, node: NodeId) -> Option<Value> {
    if let Some(text) = script.tree.text(node, "string_value") {
        return Some(json!(text));
    }
    let pair = |pair: NodeId| {
        let parts = script.tree.children(pair, "field_expressions");
        let texts: Vec<&str> = parts.iter().filter_map(|part| script.tree.text(*part, "string_value")).collect();
        match texts.as_slice() {
            [key, value] => Some(((*key).to_owned(), json!(value))),
            _ => None,
        }
    };
    let pairs = script.tree.children(node, "elements");
    (!pairs.is_empty()).then(|| pairs.into_iter().map(pair).collect::<Option<Map<_, _>>>().map(Value::Object)).flatten()
}

/// `day`, `DATE(at)`, `TIMESTAMP_TRUNC(at, HOUR)`.
fn partitioning_of(script: &Script, node: NodeId) -> Option<Value> {
    let by_unit = |unit: &str, field: String| match field.starts_with("_PARTITION") {
        true => json!({ "type": unit }),
        false => json!({ "type": unit, "field": field }),
    };
    if let Some(field) = column(script, node) {
        return Some(by_unit("DAY", field));
    }
    let arguments = script.tree.children(node, "arguments");
    let field = arguments.first().and_then(|argument| column(script, *argument))?;
    let unit = arguments.get(1).map_or("DAY".to_owned(), |unit| script.slice(*unit).to_ascii_uppercase());
    ["HOUR", "DAY", "MONTH", "YEAR"].contains(&unit.as_str()).then(|| by_unit(&unit, field))
}

fn column(script: &Script, node: NodeId) -> Option<String> {
    let path = script.path(node);
    (!path.is_empty()).then(|| path.join("."))
}
