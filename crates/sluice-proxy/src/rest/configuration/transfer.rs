//! Jobs without a statement: loads, copies, extracts. Each asks for every table, model, bucket and key that it touches.

use super::Way;
use super::default;
use super::destination::{self, Destination};
use super::fault::{FormFault, Path};
use super::job::Job;
use super::message;
use super::name;
use super::query;
use super::shape::{list_of, message_of, ordered, text_of};
use serde_json::{Map, Value};
use sluice_app::{MethodAsk, Reads};
use sluice_model::TableName;
use sluice_policy::{Resource, Sends};

pub(super) fn load(mut job: Job<'_>, work: &Map<String, Value>, at: &Path<'_>, way: Way) -> Result<MethodAsk, FormFault> {
    is_no_dry_run(&job)?;
    let mut work = work.clone();
    sources(&mut job, &work, at, way)?;
    query::properties(&work, &at.name("connectionProperties"))?;
    let destination = written(&mut job, &mut work, destination::ADDS, at)?;
    job.also.ask("load", destination.resource());
    let expressions = default::expressions(work.get("schema"), &at.name("schema"));
    let describes = list_of_fields(&work).iter().any(has_policy_tags) || !expressions.is_empty();
    if describes {
        job.also.ask("alter", destination.resource());
    }
    let (partitions, adds) = (destination.partitions(), destination.adds() && !describes);
    let sends = job.sends("load", ordered(&message::LOAD, work));
    let table = destination.named.table;
    let ask = method(job, "jobs.load", Resource::Table(table.clone()), Reads::Nothing, vec![table], sends);
    Ok(MethodAsk { expressions, partitions, adds, ..ask })
}

pub(super) fn copy(mut job: Job<'_>, work: &Map<String, Value>, at: &Path<'_>) -> Result<MethodAsk, FormFault> {
    is_no_dry_run(&job)?;
    let mut work = work.clone();
    let named = copied(&job, &mut work, at)?;
    let mut partitions: Vec<TableName> = named.iter().filter(|named| named.is_partition()).map(|named| named.table.clone()).collect();
    let sources: Vec<TableName> = named.into_iter().map(|named| named.table).collect();
    let destination = written(&mut job, &mut work, destination::IF_EMPTY, at)?;
    partitions.extend(destination.partitions());
    sources.iter().for_each(|source| job.also.ask("read", Resource::Table(source.clone())));
    let operation = text_of(&work, "operationType");
    let effect = match operation {
        Some("SNAPSHOT" | "CLONE") => "clone",
        Some("RESTORE") => "restore",
        _ => "copy",
    };
    if effect != "copy" && sources.len() > 1 {
        return Err(FormFault::invalid(&at.name("sourceTables"), format!("has {} tables: a {effect} is of one", sources.len())));
    }
    job.also.ask(effect, destination.resource());
    let adds = effect == "copy" && destination.adds();
    let sends = job.sends("copy", ordered(&message::COPY, work));
    let table = destination.named.table;
    let ask = method(job, "jobs.copy", Resource::Table(table.clone()), Reads::All(sources), vec![table], sends);
    Ok(MethodAsk { partitions, adds, ..ask })
}

pub(super) fn extract(mut job: Job<'_>, work: &Map<String, Value>, at: &Path<'_>) -> Result<MethodAsk, FormFault> {
    is_no_dry_run(&job)?;
    let mut work = work.clone();
    let mut partitions = Vec::new();
    let (resource, reads) = match (message_of(&work, "sourceTable"), message_of(&work, "sourceModel")) {
        (Some(given), None) => {
            let named = name::table(job.place.project, given, &at.name("sourceTable"))?;
            work.insert("sourceTable".to_owned(), named.reference());
            partitions.extend(Some(&named).filter(|named| named.is_partition()).map(|named| named.table.clone()));
            let resource = Resource::Table(named.table.clone());
            job.also.ask("read", resource.clone());
            job.also.ask("export", resource.clone());
            (resource, Reads::All(vec![named.table]))
        }
        (None, Some(given)) => {
            let model = name::model(job.place.project, given, &at.name("sourceModel"))?;
            let TableName { project, dataset, table } = &model;
            work.insert("sourceModel".to_owned(), serde_json::json!({ "projectId": project, "datasetId": dataset, "modelId": table }));
            job.also.ask("open", Resource::Routine(model.clone()));
            (Resource::Model(model), Reads::Nothing)
        }
        (None, None) => return Err(FormFault::invalid(at, "names nothing to extract: accepted is `sourceTable` or `sourceModel`")),
        (Some(_), Some(_)) => return Err(FormFault::invalid(at, "names `sourceTable` and `sourceModel`: a job extracts one of them")),
    };
    let uris = targets(&mut work, at)?;
    for (place, uri) in uris.iter().enumerate() {
        let bucket = name::bucket(uri, &at.name("destinationUris").place(place))?;
        job.also.ask("open", bucket);
    }
    let sends = job.sends("extract", ordered(&message::EXTRACT, work));
    Ok(MethodAsk { partitions, ..method(job, "jobs.extract", resource, reads, Vec::new(), sends) })
}

fn method(job: Job<'_>, name: &str, resource: Resource, reads: Reads, changes: Vec<TableName>, sends: Sends) -> MethodAsk {
    MethodAsk {
        connection: job.place.connection.to_owned(),
        project: job.place.project.to_owned(),
        name: name.to_owned(),
        resource,
        reads,
        also: job.also.into_list(),
        sends,
        changes,
        adds: false,
        partitions: Vec::new(),
        untags: None,
        begins: Some(job.name),
        expressions: Vec::new(),
        request_id: None,
    }
}

/// BigQuery does not say what it does with one, so it may do the job.
fn is_no_dry_run(job: &Job<'_>) -> Result<(), FormFault> {
    if !job.dry_run {
        return Ok(());
    }
    let at = Path::ROOT;
    Err(FormFault::unsupported(&at.name("configuration").name("dryRun"), "is `true`, and only queries can be tried without doing them"))
}

/// Rows go in, and perhaps others are gone. Of a query that is asked with its destination.
fn written(job: &mut Job<'_>, work: &mut Map<String, Value>, absent: &str, at: &Path<'_>) -> Result<Destination, FormFault> {
    let destination = destination::read(job, work, absent, at)?;
    let destination = destination.ok_or_else(|| FormFault::invalid(&at.name("destinationTable"), "is missing"))?;
    job.also.ask(if destination.replaces { "truncate" } else { "insert" }, destination.resource());
    Ok(destination)
}

/// Rows come from where the job says, or from the client itself.
fn sources(job: &mut Job<'_>, work: &Map<String, Value>, at: &Path<'_>, way: Way) -> Result<(), FormFault> {
    let uris = list_of(work, "sourceUris");
    let at_uris = at.name("sourceUris");
    match way {
        Way::Insert if uris.is_empty() => {
            return Err(FormFault::invalid(&at_uris, "is missing: name files in Cloud Storage, or upload one to `/upload/...`"));
        }
        Way::Upload if !uris.is_empty() => return Err(FormFault::invalid(&at_uris, "goes without a file: the upload is what is loaded")),
        Way::Insert | Way::Upload => {}
    }
    let mut ask = |uri: &str, at: &Path<'_>| name::bucket(uri, at).map(|bucket| job.also.ask("open", bucket));
    for (place, uri) in uris.iter().filter_map(Value::as_str).enumerate() {
        ask(uri, &at_uris.place(place))?;
    }
    if let Some(uri) = text_of(work, "referenceFileSchemaUri") {
        ask(uri, &at.name("referenceFileSchemaUri"))?;
    }
    match message_of(work, "hivePartitioningOptions").and_then(|options| text_of(options, "sourceUriPrefix")) {
        Some(uri) => ask(uri, &at.name("hivePartitioningOptions").name("sourceUriPrefix")),
        None => Ok(()),
    }
}

/// The tables that a copy reads, written out in full.
fn copied(job: &Job<'_>, work: &mut Map<String, Value>, at: &Path<'_>) -> Result<Vec<name::Named>, FormFault> {
    let many = list_of(work, "sourceTables");
    let single = message_of(work, "sourceTable");
    if let (Some(_), [_, ..]) = (single, many) {
        return Err(FormFault::invalid(at, "names `sourceTable` and `sourceTables`: accepted is one of them"));
    }
    if let Some(given) = single {
        let named = name::table(job.place.project, given, &at.name("sourceTable"))?;
        work.insert("sourceTable".to_owned(), named.reference());
        work.remove("sourceTables");
        return Ok(vec![named]);
    }
    let at = at.name("sourceTables");
    if many.is_empty() {
        return Err(FormFault::invalid(&at, "is missing: name the tables to copy"));
    }
    let given = many.iter().filter_map(Value::as_object).enumerate();
    let named = given.map(|(place, given)| name::table(job.place.project, given, &at.place(place))).collect::<Result<Vec<_>, _>>()?;
    work.insert("sourceTables".to_owned(), named.iter().map(name::Named::reference).collect());
    Ok(named)
}

/// Where an extract writes. The field for one place is written as the list that took its place.
fn targets(work: &mut Map<String, Value>, at: &Path<'_>) -> Result<Vec<String>, FormFault> {
    let many: Vec<String> = list_of(work, "destinationUris").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let single = work.remove("destinationUri").and_then(|uri| uri.as_str().map(str::to_owned));
    let uris = match (single, many.is_empty()) {
        (Some(_), false) => return Err(FormFault::invalid(at, "names `destinationUri` and `destinationUris`: accepted is the list")),
        (Some(uri), true) => vec![uri],
        (None, false) => many,
        (None, true) => return Err(FormFault::invalid(&at.name("destinationUris"), "is missing: name where to write to")),
    };
    work.insert("destinationUris".to_owned(), uris.clone().into());
    Ok(uris)
}

fn list_of_fields(work: &Map<String, Value>) -> &[Value] {
    message_of(work, "schema").map_or(&[], |schema| list_of(schema, "fields"))
}

/// Nested no deeper than the reader lets through.
fn has_policy_tags(field: &Value) -> bool {
    let inner = field.get("fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    field.get("policyTags").is_some() || inner.iter().any(has_policy_tags)
}
