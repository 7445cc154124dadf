//! Jobs as clients ask for them -> what they mean, and the same job written anew out of what was understood.
//!
//! `message/` lists every field that there is. What is not in it is refused by name, what is in it is of its kind before anything else looks at it.

pub(in crate::rest) mod default;
mod destination;
pub(in crate::rest) mod fault;
mod job;
pub(in crate::rest) mod json;
mod label;
pub(in crate::rest) mod message;
mod name;
mod parameter;
mod query;
mod scalar;
pub(in crate::rest) mod shape;
#[cfg(test)]
mod tests;
mod transfer;

pub use fault::FormFault;
pub use json::{BODY_BYTES_MAX, BODY_DEPTH_MAX, BODY_VALUE_BYTES, BODY_VALUES_MAX, read, values_in};

use fault::Path;
use job::Job;
use serde_json::{Map, Value};
use shape::{flag_of, message_of, number_of, text_of};
use sluice_app::{MethodAsk, QueryAsk};

/// Where a job is asked for: known to the door, not said by the body.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub connection: &'a str,
    /// Of the path.
    pub project: &'a str,
    /// For a client that names its job nothing.
    pub job_id: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Insert,
    /// With the file that is loaded.
    Upload,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Inserted {
    Method(Box<MethodAsk>),
    Query(Box<QueryAsk>),
}

/// `jobs.query`: a job, and how its first page is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRequest {
    pub ask: QueryAsk,
    pub max_results: Option<u64>,
    pub timeout_ms: Option<u64>,
    pub int64_timestamps: bool,
    pub timestamp_format: Option<String>,
}

const REQUEST_ID_CHARACTERS_MAX: usize = 36;
const WORKS: [&str; 4] = ["copy", "extract", "load", "query"];

/// The body of `jobs.insert`.
pub fn insert(place: &Place<'_>, body: &Value, way: Way) -> Result<Inserted, FormFault> {
    let root = Path::ROOT;
    let body = shape::object(&message::JOB, body, &root)?;
    let at = root.name("configuration");
    let configuration = message_of(&body, "configuration").ok_or_else(|| FormFault::invalid(&at, "is missing"))?;
    let (what, work) = single_work(configuration, &at)?;
    let work_at = at.name(what);
    if way == Way::Upload && what != "load" {
        return Err(FormFault::invalid(&work_at, "goes without a file: an upload is for `load`"));
    }
    let reference = job::reference(place, message_of(&body, "jobReference"), &root.name("jobReference"))?;
    let job = Job::read(place, reference, configuration, &at)?;
    match what {
        "copy" => transfer::copy(job, work, &work_at).map(Inserted::method),
        "extract" => transfer::extract(job, work, &work_at).map(Inserted::method),
        "load" => transfer::load(job, work, &work_at, way).map(Inserted::method),
        _ => query::ask(job, work, &work_at).map(|ask| Inserted::Query(Box::new(ask))),
    }
}

/// The body of `jobs.query`. What comes of it is a job like any other.
pub fn query_request(place: &Place<'_>, body: &Value) -> Result<QueryRequest, FormFault> {
    let root = Path::ROOT;
    let body = shape::object(&message::QUERY_REQUEST, body, &root)?;
    let location = job::location(text_of(&body, "location"), &root.name("location"))?;
    let job = Job::read(place, job::minted(place, location), &body, &root)?;
    let picked = message::OF_ANY_QUERY.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone())));
    let mut ask = query::ask(job, &picked.collect(), &root)?;
    ask.request_id = request_id(&body, &root)?;
    let format = message_of(&body, "formatOptions");
    let timestamp_format = format.and_then(|format| text_of(format, "timestampOutputFormat"));
    Ok(QueryRequest {
        ask,
        max_results: number_of(&body, "maxResults"),
        timeout_ms: number_of(&body, "timeoutMs"),
        int64_timestamps: format.is_some_and(|format| flag_of(format, "useInt64Timestamp")),
        timestamp_format: timestamp_format.map(str::to_owned),
    })
}

impl Inserted {
    fn method(ask: MethodAsk) -> Inserted {
        Inserted::Method(Box::new(ask))
    }
}

/// One job does one thing. BigQuery's own choice among several is not documented.
fn single_work<'a>(configuration: &'a Map<String, Value>, at: &Path<'_>) -> Result<(&'static str, &'a Map<String, Value>), FormFault> {
    let mut works = WORKS.into_iter().filter_map(|name| Some((name, message_of(configuration, name)?)));
    let Some(first) = works.next() else {
        return Err(FormFault::invalid(at, "says nothing to do: accepted is one of `copy`, `extract`, `load` and `query`"));
    };
    match works.next() {
        Some((second, _)) => {
            Err(FormFault::invalid(at, format!("asks for `{}` and `{second}` at once: one job does one of them", first.0)))
        }
        None => Ok(first),
    }
}

fn request_id(body: &Map<String, Value>, root: &Path<'_>) -> Result<Option<String>, FormFault> {
    let Some(id) = text_of(body, "requestId").filter(|id| !id.is_empty()) else { return Ok(None) };
    if id.len() > REQUEST_ID_CHARACTERS_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = format!("is no request id: accepted are at most {REQUEST_ID_CHARACTERS_MAX} characters of ASCII without spaces");
        return Err(FormFault::invalid(&root.name("requestId"), text));
    }
    Ok(Some(id.to_owned()))
}
