//! What every job has: a name, labels, limits; and how it is written anew.

use super::super::names;
use super::super::percent;
use super::Place;
use super::fault::{FormFault, Path, quoted};
use super::label;
use super::message;
use super::shape::{flag_of, message_of, text_of};
use serde_json::{Map, Value, json};
use sluice_app::JobName;
use sluice_policy::{Resource, Sends, Verb};

/// Ids that the gateway makes begin so.
const OWN_JOB_PREFIX: &str = "sluice_";
const LOCATION_BYTES_MAX: usize = 64;

pub(super) struct Job<'a> {
    pub place: &'a Place<'a>,
    pub name: JobName,
    /// As the client spells it.
    pub location: Option<String>,
    pub dry_run: bool,
    pub also: Questions,
    /// What stands in its configuration beside what it does.
    around: Map<String, Value>,
}

pub(super) struct Reference {
    name: JobName,
    location: Option<String>,
}

/// Each question once, in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<(String, Resource)>);

impl<'a> Job<'a> {
    /// `around` is the message that holds labels and limits: the configuration, or the body of `jobs.query`.
    pub fn read(place: &'a Place<'a>, reference: Reference, around: &Map<String, Value>, at: &Path<'_>) -> Result<Job<'a>, FormFault> {
        let mut also = Questions::default();
        if let Some(labels) = message_of(around, "labels") {
            label::check(labels, &at.name("labels"))?;
        }
        if let Some(reservation) = text_of(around, "reservation") {
            is_reservation(reservation, &at.name("reservation"))?;
            also.ask("administration", Resource::Project(place.project.to_owned()));
        }
        let kept = message::OF_ANY_JOB.iter().filter_map(|name| Some(((*name).to_owned(), around.get(*name)?.clone())));
        let (name, location) = (reference.name, reference.location);
        Ok(Job { place, name, location, dry_run: flag_of(around, "dryRun"), also, around: kept.collect() })
    }

    /// `jobs.insert`, with every field in its place.
    pub fn sends(&self, what: &str, work: Map<String, Value>) -> Sends {
        let mut reference = Map::new();
        reference.insert("projectId".to_owned(), Value::from(self.name.project.as_str()));
        reference.insert("jobId".to_owned(), Value::from(self.name.id.as_str()));
        reference.extend(self.location.iter().map(|location| ("location".to_owned(), Value::from(location.as_str()))));
        let mut configuration = Map::new();
        configuration.insert(what.to_owned(), Value::Object(work));
        configuration.extend(self.around.clone());
        let body = json!({ "jobReference": reference, "configuration": configuration });
        let path = format!("projects/{}/jobs", percent::encode(self.place.project));
        Sends { verb: Verb::Post, path, body: Some(body.to_string()), ..Sends::default() }
    }
}

/// The job's own name. The project is the path's: policy and billing go by it.
pub(super) fn reference(place: &Place<'_>, given: Option<&Map<String, Value>>, at: &Path<'_>) -> Result<Reference, FormFault> {
    let nothing = Map::new();
    let given = given.unwrap_or(&nothing);
    let project = text_of(given, "projectId").unwrap_or(place.project);
    if project != place.project {
        let text = format!("is {}, and the path says {}: a job runs in one project", quoted(project), quoted(place.project));
        return Err(FormFault::invalid(&at.name("projectId"), text));
    }
    let location = location(text_of(given, "location"), &at.name("location"))?;
    let minted = minted(place, location);
    let Some(id) = text_of(given, "jobId") else { return Ok(minted) };
    if !names::is_plain(id) {
        let text = format!("is {}: accepted are at most 1024 letters, digits, `_` and `-`", quoted(id));
        return Err(FormFault::invalid(&at.name("jobId"), text));
    }
    if id.starts_with(OWN_JOB_PREFIX) {
        return Err(FormFault::invalid(
            &at.name("jobId"),
            format!("begins with `{OWN_JOB_PREFIX}`, as the gateway's own do: choose another one"),
        ));
    }
    Ok(Reference { name: JobName { id: id.to_owned(), ..minted.name }, ..minted })
}

/// A job under the id that the door brought.
pub(super) fn minted(place: &Place<'_>, location: Option<String>) -> Reference {
    let lower = location.as_deref().map(str::to_ascii_lowercase);
    Reference { name: JobName { project: place.project.to_owned(), location: lower, id: place.job_id.to_owned() }, location }
}

pub(super) fn location(given: Option<&str>, at: &Path<'_>) -> Result<Option<String>, FormFault> {
    let Some(location) = given.filter(|location| !location.is_empty()) else { return Ok(None) };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if location.len() > LOCATION_BYTES_MAX || !location.bytes().all(is_letter) {
        return Err(FormFault::invalid(at, format!("is {}, accepted is a location like `EU` or `europe-west3`", quoted(location))));
    }
    Ok(Some(location.to_owned()))
}

impl Questions {
    pub fn ask(&mut self, action: &str, resource: Resource) {
        let question = (action.to_owned(), resource);
        if !self.0.contains(&question) {
            self.0.push(question);
        }
    }

    pub fn into_list(self) -> Vec<(String, Resource)> {
        self.0
    }
}

/// Who pays for the slots, or that nobody has reserved any.
fn is_reservation(text: &str, at: &Path<'_>) -> Result<(), FormFault> {
    let is_named = |parts: &[&str]| match parts {
        ["projects", project, "locations", location, "reservations", reservation] => {
            names::is_project(project) && names::is_plain(location) && names::is_plain(reservation)
        }
        _ => false,
    };
    if text == "none" || is_named(&text.split('/').collect::<Vec<_>>()) {
        return Ok(());
    }
    Err(FormFault::invalid(at, format!("is {}, accepted is `none` or `projects/p/locations/l/reservations/r`", quoted(text))))
}
