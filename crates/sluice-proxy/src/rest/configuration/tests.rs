//! Cases out of `tests/data/configuration`: a body, and everything that comes of it.

use super::shape::{Fate, Message, Shape};
use super::{FormFault, Inserted, Place, Way, insert, message, query_request, read};
use sluice_app::{FormReason, JobName, MethodAsk, QueryAsk, Reads};
use sluice_policy::{Resource, Sends};
use sluice_sql::engine::Parameters;
use std::collections::BTreeSet;
use std::path::PathBuf;

mod corpus;
mod discovery;
mod large;

const CASES_MIN: usize = 200;
const PLACE: Place<'_> = Place { connection: "main", project: "acme-prod", job_id: "sluice_0a1b" };

#[test]
fn every_case_comes_out_as_it_says() {
    let (mut cases, mut names, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for (file, text) in files() {
        for case in text.split("\n# ").skip(1) {
            let (name, rest) = case.split_once('\n').unwrap();
            assert!(names.insert(format!("{file}: {name}")), "{file}: `{name}` is there twice");
            let (question, expect) = rest.split_once("\n=>\n").unwrap_or_else(|| panic!("{file}: `{name}` has no `=>`"));
            let found = outcome(question);
            if found.trim() != expect.trim() {
                wrong.push(format!("{file}: {name}\n  expected:\n{}\n  found:\n{found}", expect.trim()));
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases >= CASES_MIN, "{cases}");
}

/// What goes upstream is read again, and says the same: nothing is lost or made up on the way.
#[test]
fn what_is_sent_means_what_was_asked() {
    let mut sent = 0;
    for (file, text) in files() {
        for case in text.split("\n# ").skip(1) {
            let (name, rest) = case.split_once('\n').unwrap();
            let (way, body) = rest.split_once("\n=>\n").unwrap().0.split_once('\n').unwrap();
            let Ok(first) = asked(way, body) else { continue };
            let way = if way == "upload" { "upload" } else { "insert" };
            // Ids of the gateway's own are not for clients to send.
            let again = sends(&first).body.clone().unwrap().replace("\"jobId\":\"sluice_0a1b\"", "\"jobId\":null");
            let second = asked(way, &again).unwrap_or_else(|fault| panic!("{file}: {name}: {again}: {fault}"));
            let same = |asked: &Inserted| match asked.clone() {
                Inserted::Query(ask) => Inserted::Query(Box::new(QueryAsk { request_id: None, ..*ask })),
                method @ Inserted::Method(_) => method,
            };
            assert_eq!(same(&first), same(&second), "{file}: {name}");
            sent += 1;
        }
    }
    assert!(sent >= 60, "{sent}");
}

/// A field that is kept and sent in no case would be one that nobody has seen come out.
#[test]
fn every_field_that_is_kept_is_sent_in_some_case() {
    let texts: Vec<String> = files().into_iter().map(|(_, text)| text).collect();
    let sent: Vec<&str> = texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("sends ")).collect();
    let (mut fields, mut seen) = (BTreeSet::new(), BTreeSet::new());
    fields_of(&message::JOB, &mut fields, &mut seen);
    // It is written as the list that took its place.
    fields.remove("destinationUri");
    assert!(fields.len() >= 100, "{}", fields.len());
    let missing: Vec<&&str> = fields.iter().filter(|field| !sent.iter().any(|line| line.contains(&format!("\"{field}\":")))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn fields_of(message: &Message, fields: &mut BTreeSet<&'static str>, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(message.name) {
        return;
    }
    for field in message.fields {
        let Fate::Kept(shape) = &field.fate else { continue };
        fields.insert(field.name);
        if let Shape::Map(inner, _) | Shape::Object(inner) | Shape::Objects(inner, _) = shape {
            fields_of(inner, fields, seen);
        }
    }
}

/// Of policy's own schema: a question that does not fit it would refuse every job that asks it.
#[test]
fn every_question_is_one_that_policy_knows() {
    let fits = |action: &str, resource: &Resource| {
        let shown = shown(resource);
        let kind = shown.split(' ').next().unwrap();
        sluice_policy::SCHEMA.split(';').any(|part| {
            let resources = part.split_once("resource: [").and_then(|(_, rest)| rest.split_once(']'));
            let names = |(kinds, _): (&str, &str)| kinds.split(", ").any(|known| known.eq_ignore_ascii_case(kind));
            part.contains(&format!("\"{action}\"")) && resources.is_some_and(names)
        })
    };
    let mut asked_of_policy = BTreeSet::new();
    for (file, text) in files() {
        for case in text.split("\n# ").skip(1) {
            let (way, body) = case.split_once('\n').unwrap().1.split_once("\n=>\n").unwrap().0.split_once('\n').unwrap();
            let (also, method) = match asked(way, body) {
                Ok(Inserted::Query(ask)) => (ask.also, None),
                Ok(Inserted::Method(ask)) => (ask.also, Some((ask.name, ask.resource))),
                Err(_) => continue,
            };
            for (action, resource) in also.into_iter().chain(method) {
                assert!(fits(&action, &resource), "{file}: {action} {}", shown(&resource));
                asked_of_policy.insert(action);
            }
        }
    }
    assert!(!fits("jobs.copy", &Resource::Connection) && !fits("teleport", &Resource::Connection));
    assert!(asked_of_policy.len() >= 15, "{asked_of_policy:?}");
}

fn files() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/configuration");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())).collect()
}

fn asked(way: &str, body: &str) -> Result<Inserted, FormFault> {
    let body = read(body.as_bytes())?;
    match way {
        "insert" => insert(&PLACE, &body, Way::Insert),
        "upload" => insert(&PLACE, &body, Way::Upload),
        "query" => query_request(&PLACE, &body).map(|request| Inserted::Query(Box::new(request.ask))),
        other => panic!("`{other}` is no way to ask"),
    }
}

fn outcome(question: &str) -> String {
    let (way, body) = question.split_once('\n').unwrap();
    let mut lines = match asked(way, body) {
        Err(fault) => return format!("{}: {fault}", reason(fault.reason)),
        Ok(Inserted::Query(ask)) => of_query(&ask),
        Ok(Inserted::Method(ask)) => of_method(&ask),
    };
    if way == "query" {
        let request = query_request(&PLACE, &read(body.as_bytes()).unwrap()).unwrap();
        lines.extend(request.max_results.map(|rows| format!("at most {rows} rows")));
        lines.extend(request.timeout_ms.map(|timeout| format!("within {timeout} ms")));
        lines.extend(request.int64_timestamps.then(|| "timestamps as INT64".to_owned()));
        lines.extend(request.timestamp_format.map(|format| format!("timestamps as {format}")));
    }
    lines.join("\n")
}

fn reason(reason: FormReason) -> &'static str {
    match reason {
        FormReason::Invalid => "invalid",
        FormReason::TooLarge => "too large",
        FormReason::Unsupported => "unsupported",
        other => panic!("{other:?}"),
    }
}

fn of_query(ask: &QueryAsk) -> Vec<String> {
    assert_eq!((ask.connection.as_str(), ask.query.project.as_str(), ask.query.legacy_sql), ("main", "acme-prod", false));
    assert!(ask.query.opaque_settings.is_empty());
    let mut lines = vec![format!("query {:?}", ask.query.text)];
    lines.extend(ask.query.default_dataset.iter().map(|(project, dataset)| format!("default dataset {project} {dataset}")));
    match &ask.query.parameters {
        Parameters::None => assert!(ask.parameters.is_empty()),
        Parameters::Named(types) => {
            let recorded = ask.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.kind.clone()));
            assert!(types.iter().map(|(name, kind)| (name.clone(), kind.to_string())).eq(recorded));
        }
        Parameters::Positional(types) => {
            let recorded =
                ask.parameters.iter().zip(1..).map(|(parameter, place)| (parameter.name == format!("?{place}"), parameter.kind.clone()));
            assert!(types.iter().map(|kind| (true, kind.to_string())).eq(recorded));
        }
    }
    lines.extend(ask.parameters.iter().map(|parameter| format!("parameter {} {} {}", parameter.name, parameter.kind, parameter.value)));
    let into = ask.query.destination.iter();
    lines.extend(into.map(|to| format!("{} {}", if to.truncates { "replaces" } else { "writes" }, to.table)));
    let sorted = ask.query.destination.iter().map(|to| &to.sorted);
    lines.extend(sorted.clone().flat_map(|sorted| &sorted.columns).map(|(name, how)| format!("{how:?} by {name}").to_lowercase()));
    lines.extend(sorted.filter(|sorted| sorted.expires).map(|_| "old partitions go".to_owned()));
    lines.extend(ask.adds.then(|| "adds rows alone".to_owned()));
    lines.extend(ask.dry_run.then(|| "dry run".to_owned()));
    lines.extend(ask.location.iter().map(|location| format!("location {location}")));
    lines.extend(ask.request_id.iter().map(|id| format!("request id {id}")));
    lines.extend(ending(&ask.also, &ask.job, &ask.sends));
    lines
}

fn of_method(ask: &MethodAsk) -> Vec<String> {
    assert_eq!((ask.connection.as_str(), ask.project.as_str(), &ask.request_id), ("main", "acme-prod", &None));
    let mut lines = vec![format!("{} {}", ask.name, shown(&ask.resource))];
    match &ask.reads {
        Reads::All(tables) => lines.extend(tables.iter().map(|table| format!("reads all of {table}"))),
        Reads::Nothing => {}
        Reads::Some(..) => panic!("{ask:?}"),
    }
    lines.extend(ask.changes.iter().map(|table| format!("{} {table}", if ask.adds { "adds rows alone to" } else { "changes" })));
    lines.extend(ask.expressions.iter().map(|expression| format!("expression {} {}", expression.field, expression.text)));
    lines.extend(ending(&ask.also, ask.begins.as_ref().unwrap(), &ask.sends));
    lines
}

fn ending(also: &[(String, Resource)], job: &JobName, sends: &Sends) -> Vec<String> {
    let also = also.iter().map(|(action, resource)| format!("also {action} {}", shown(resource)));
    assert_eq!((sends.path.as_str(), sends.verb), ("projects/acme-prod/jobs", sluice_policy::Verb::Post));
    assert!(sends.query.is_empty());
    also.chain([format!("job {job}"), format!("sends {}", sends.body.clone().unwrap())]).collect()
}

fn sends(asked: &Inserted) -> &Sends {
    match asked {
        Inserted::Method(ask) => &ask.sends,
        Inserted::Query(ask) => &ask.sends,
    }
}

fn shown(resource: &Resource) -> String {
    match resource {
        Resource::Connection => "connection".to_owned(),
        Resource::Dataset { project, dataset } => format!("dataset {project}.{dataset}"),
        Resource::Job { project, id, .. } => format!("job {project}.{id}"),
        Resource::Model(name) => format!("model {name}"),
        Resource::Project(project) => format!("project {project}"),
        Resource::Routine(name) => format!("routine {name}"),
        Resource::Table(name) => format!("table {name}"),
    }
}
