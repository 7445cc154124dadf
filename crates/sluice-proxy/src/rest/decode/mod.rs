//! From a method with its body to what is asked of policy and what goes to BigQuery: the body is written anew out of fields that are understood.
//!
//! A field that names another table, a key, an account, or that deletes by another name, is a question of its own or is refused with what to do instead.

mod access;
mod dataset;
mod model;
mod rows;
mod table;

use super::configuration::FormFault;
use super::configuration::fault::Path;
use super::configuration::shape::{self, Fate, Message, Shape};
use super::methods::Kind;
use super::names;
use super::parameters::Parameters;
use super::route::Matched;
use serde_json::{Map, Value};
use sluice_app::{Expression, MethodAsk, Reads};
use sluice_model::TableName;
use sluice_policy::{Resource, Sends, Verb};

/// One call, decoded as far as its address and its JSON go.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub connection: &'a str,
    pub matched: &'a Matched,
    pub parameters: &'a Parameters,
    /// An empty object where there is none.
    pub body: &'a Value,
    pub if_match: Option<&'a str>,
}

/// What a body says.
#[derive(Debug, Default)]
struct Decoded {
    body: Option<Map<String, Value>>,
    also: Vec<(String, Resource)>,
    /// Where the body names what the path does not.
    resource: Option<Resource>,
    changes: Vec<TableName>,
    untags: Option<TableName>,
    expressions: Vec<Expression>,
}

pub fn ask(call: &Call<'_>) -> Result<MethodAsk, FormFault> {
    let matched = call.matched;
    let decoded = match matched.method.takes {
        "" => bodiless(call)?,
        "BatchDeleteRowAccessPoliciesRequest" => access::batch_delete(call)?,
        "Dataset" => dataset::dataset(call)?,
        "GetIamPolicyRequest" => access::get_policy(call)?,
        "Model" => model::model(call)?,
        "SetIamPolicyRequest" => access::set_policy(call)?,
        "Table" => table::table(call)?,
        "TableDataInsertAllRequest" => rows::insert_all(call)?,
        "TestIamPermissionsRequest" => access::test_permissions(call)?,
        "UndeleteDatasetRequest" => dataset::undelete(call)?,
        other => return Err(FormFault::unsupported(&Path::ROOT, format!("a `{other}` is not taken here"))),
    };
    let verb = verb(matched.method.verb);
    let partitions = partitions(matched, decoded.body.as_ref());
    let body = decoded.body.map(|body| Value::Object(body).to_string());
    let sends = Sends { verb, path: matched.path(), query: sent(call), body, if_match: call.if_match.map(str::to_owned) };
    Ok(MethodAsk {
        connection: call.connection.to_owned(),
        project: matched.project().to_owned(),
        name: matched.method.action.to_owned(),
        resource: decoded.resource.unwrap_or_else(|| resource(matched)),
        reads: reads(call)?,
        partitions,
        also: decoded.also,
        sends,
        changes: decoded.changes,
        // What is there already is left alone: the request fails.
        adds: matches!(matched.method.name, "datasets.insert" | "tables.insert"),
        untags: decoded.untags,
        begins: None,
        expressions: decoded.expressions,
        request_id: None,
    })
}

/// Methods without a body of their own. Some clients send an empty object all the same.
fn bodiless(call: &Call<'_>) -> Result<Decoded, FormFault> {
    if call.body.as_object().is_none_or(|body| !body.is_empty()) {
        return Err(FormFault::invalid(&Path::ROOT, "this method takes no body: leave it out"));
    }
    let mut decoded = Decoded::default();
    match call.matched.method.name {
        "datasets.delete" => {
            decoded.changes.push(dataset_name(call.matched));
            if call.parameters.flag("deleteContents") {
                decoded.also.push(("drop".to_owned(), resource(call.matched)));
            }
        }
        "models.delete" => decoded.changes.push(named(call.matched, "modelId")),
        "routines.delete" => decoded.changes.push(named(call.matched, "routineId")),
        "rowAccessPolicies.delete" | "tables.delete" => decoded.changes.push(table_name(call.matched)),
        _ => {}
    }
    Ok(decoded)
}

/// Rows leave by one method of these; everything else reads descriptions.
fn reads(call: &Call<'_>) -> Result<Reads, FormFault> {
    if call.matched.method.name != "tabledata.list" {
        return Ok(Reads::Nothing);
    }
    let table = table_name(call.matched);
    match call.parameters.text("selectedFields") {
        None => Ok(Reads::All(vec![table])),
        Some(text) => match names::field_paths(text) {
            Some(paths) => Ok(Reads::Some(table, paths)),
            None => {
                let path = Path::ROOT;
                Err(FormFault::invalid(&path.name("selectedFields"), "is no list of fields, like `name,address.street`"))
            }
        },
    }
}

fn resource(matched: &Matched) -> Resource {
    let project = matched.project().to_owned();
    match matched.method.kind {
        Kind::Connection => Resource::Connection,
        Kind::Dataset => Resource::Dataset { project, dataset: matched.name("datasetId").to_owned() },
        // Whose it is, the door does not know.
        Kind::Job => Resource::Job { project, id: matched.name("jobId").to_owned(), mine: false },
        Kind::Model => Resource::Model(named(matched, "modelId")),
        Kind::Project => Resource::Project(project),
        Kind::Routine => Resource::Routine(named(matched, "routineId")),
        Kind::Table => Resource::Table(table_name(matched)),
    }
}

/// A projection is for us.
fn sent(call: &Call<'_>) -> Vec<(String, String)> {
    call.parameters.sent().into_iter().filter(|(name, _)| name != "projection").collect()
}

fn verb(verb: &str) -> Verb {
    match verb {
        "DELETE" => Verb::Delete,
        "PATCH" => Verb::Patch,
        "POST" => Verb::Post,
        "PUT" => Verb::Put,
        _ => Verb::Get,
    }
}

fn named(matched: &Matched, name: &str) -> TableName {
    TableName::new(matched.project(), matched.name("datasetId"), matched.name(name))
}

/// The table itself, without the partition that a path may name.
fn table_name(matched: &Matched) -> TableName {
    let name = matched.name("tableId");
    let table = names::decorated(name).map_or(name, |(table, _)| table);
    TableName::new(matched.project(), matched.name("datasetId"), table)
}

/// What is written into a partition is the caller's own; whatever else names one learns of what is there. Partitions that expire are deleted by their values.
fn partitions(matched: &Matched, body: Option<&Map<String, Value>>) -> Vec<TableName> {
    let is_named = names::decorated(matched.name("tableId")).is_some_and(|(_, partition)| partition.is_some());
    let by_name = is_named && matched.method.name != "tabledata.insertAll";
    let expires = body.is_some_and(table::expires) && matches!(matched.method.name, "tables.patch" | "tables.update");
    if by_name || expires { vec![table_name(matched)] } else { Vec::new() }
}

/// A dataset with everything in it.
fn dataset_name(matched: &Matched) -> TableName {
    TableName::new(matched.project(), matched.name("datasetId"), "")
}

/// A resource as a patch has it: `null` takes a field away, so it is kept where the field is.
fn object(message: &Message, call: &Call<'_>) -> Result<Map<String, Value>, FormFault> {
    let root = Path::ROOT;
    if call.matched.method.verb != "PATCH" {
        return shape::object(message, call.body, &root);
    }
    let mut whole = call.body.clone();
    let mut nulls: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in whole.as_object_mut().into_iter().flatten() {
        // `labels: {"a": null}` takes one label away.
        if let Some(entries) = value.as_object_mut().filter(|_| holds_texts(message, name)) {
            let taken: Vec<String> = entries.iter().filter(|(_, value)| value.is_null()).map(|(entry, _)| entry.clone()).collect();
            entries.retain(|_, value| !value.is_null());
            nulls.push((name.clone(), taken));
        }
    }
    let mut clean = shape::object(message, &whole, &root)?;
    for (name, entries) in nulls {
        if let Some(kept) = clean.get_mut(&name).and_then(Value::as_object_mut) {
            kept.extend(entries.into_iter().map(|entry| (entry, Value::Null)));
        }
    }
    let taken = whole.as_object().into_iter().flatten().filter(|(name, value)| value.is_null() && is_kept(message, name));
    clean.extend(taken.map(|(name, _)| (name.clone(), Value::Null)));
    Ok(clean)
}

fn is_kept(message: &Message, name: &str) -> bool {
    message.fields.iter().any(|field| field.name == name && matches!(field.fate, Fate::Kept(_)))
}

fn holds_texts(message: &Message, name: &str) -> bool {
    message.fields.iter().any(|field| field.name == name && matches!(field.fate, Fate::Kept(Shape::Texts(_))))
}

/// Whether a field says something: `null` takes something away, and that is no deletion of data.
fn says(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).is_some_and(|value| !value.is_null())
}

/// A name in the body: the one in the path, or the one that the path leaves open. It is written into the body as it was understood.
fn reference(
    body: &mut Map<String, Value>,
    matched: &Matched,
    field: &str,
    parts: &[&str],
    is_required: bool,
) -> Result<Vec<String>, FormFault> {
    let root = Path::ROOT;
    let at = root.name(field);
    let given = body.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut clean = Map::new();
    let mut names = Vec::new();
    for part in parts {
        let at = at.name(part);
        let expected = matched.name(part);
        let expected = names::decorated(expected).map_or(expected, |(table, _)| table);
        let name = match (given.get(*part).and_then(Value::as_str), expected) {
            (Some(name), expected) if !expected.is_empty() && name != expected => {
                return Err(FormFault::invalid(&at, format!("is not `{expected}`, which the path names")));
            }
            (Some(name), _) => name.to_owned(),
            (None, "") if is_required => return Err(FormFault::invalid(&at, "is missing")),
            (None, expected) => expected.to_owned(),
        };
        let is_name = match *part {
            "projectId" => names::is_project(&name),
            "tableId" => names::is_table(&name),
            _ => names::is_plain(&name),
        };
        if !is_name {
            return Err(FormFault::invalid(&at, "is not a well-formed name"));
        }
        clean.insert((*part).to_owned(), Value::String(name.clone()));
        names.push(name);
    }
    if is_required || body.contains_key(field) {
        body.insert(field.to_owned(), Value::Object(clean));
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
