//! One request from its first byte to its last: written down, let in or not, led to its method, answered.

use super::call::{Call, Reply};
use super::fields::Mask;
use super::methods::{self, Method, Operation};
use super::respond::{self, Manner};
use super::uploads::{UPLOAD_BYTES_MAX, Uploads};
use super::{admin, authenticate, body, datasets, discovery, jobs, tables, upload};
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::faults::{Act, FaultPlan};
use crate::job::Jobs;
use crate::log::{LOG_BODY_BYTES_MAX, LoggedRequest, RequestLog};
use crate::problem::Problem;
use crate::settings::Settings;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response, header};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// For clients whose network lets only GET and POST through.
const OVERRIDE: &str = "x-http-method-override";
/// Of Go's clients, which cannot have a 308.
const NO_308: &str = "x-guploader-no-308";

pub struct Service {
    pub warehouse: Arc<Warehouse>,
    pub jobs: Jobs,
    pub uploads: Uploads,
    pub faults: Arc<FaultPlan>,
    pub log: Arc<RequestLog>,
    pub settings: Settings,
}

pub type Answer = Result<Reply, Problem>;

/// Beside the file of an upload, what tells about it.
const UPLOAD_HEAD_BYTES_MAX: usize = 1024 * 1024;

pub async fn serve(State(service): State<Arc<Service>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let user = authenticate::user(&service.settings.tokens, text(&parts.headers, header::AUTHORIZATION));
    let is_upload = upload::below_upload(parts.uri.path()).is_some();
    // Only those who may come in may send much.
    let bytes_max = if is_upload && user.is_ok() { UPLOAD_BYTES_MAX + UPLOAD_HEAD_BYTES_MAX } else { body::REQUEST_BYTES_MAX };
    let bytes = body::read(body, bytes_max).await;
    let body_bytes = bytes.as_ref().map_or(0, Vec::len) as u64;
    let bytes = bytes.and_then(|bytes| body::unpacked(&parts.headers, bytes, bytes_max));
    let path = parts.uri.path().to_owned();
    let target = parts.uri.path_and_query().map_or(path.clone(), ToString::to_string);
    let verb = meant_verb(&parts);
    let found = match upload::below_upload(&path) {
        // Whatever is done with an upload is part of inserting its job.
        Some(below) => methods::find("POST", below).filter(|(method, _)| method.operation == Operation::JobsInsert),
        None => methods::find(&verb, methods::below_service(&path)),
    };
    if service.settings.admin
        && let Some(answer) = admin::answer(&service, &verb, &path, bytes.as_deref().unwrap_or_default())
    {
        return respond::reply(answer, None, &Manner::default());
    }
    let sequence = service.log.begin(LoggedRequest {
        sequence: 0,
        at_milliseconds: now_milliseconds(),
        verb: verb.clone(),
        target,
        method: found.as_ref().map(|(method, _)| method.id),
        headers: logged_headers(&parts.headers),
        caller: None,
        body: bytes.as_ref().map(|bytes| logged_body(bytes)).unwrap_or_default(),
        body_bytes,
        status: 0,
    });
    let caller = user.as_ref().ok().cloned();
    let acts = service.faults.take(&verb, &path);
    let mut manner = Manner {
        gzip: accepts_gzip(&parts.headers),
        known_etags: known_etags(&verb, &parts.headers),
        no_308: parts.headers.get(NO_308).is_some_and(|wanted| wanted.as_bytes().eq_ignore_ascii_case(b"yes")),
        ..Manner::default()
    };
    let mut planned = Planned::default();
    for act in acts {
        planned.add(act, &mut manner).await;
    }
    let status = planned.answer.as_ref().map(|(status, _)| *status);
    let answer = match (planned.answer.take(), user) {
        (Some((_, problem)), _) => Err(problem),
        (None, Err(problem)) => Err(problem),
        (None, Ok(user)) => match bytes {
            Ok(bytes) => answer(&service, &parts, bytes, found, user, planned, &mut manner).await,
            Err(problem) => Err(problem),
        },
    };
    let response = respond::reply(answer, status, &manner);
    service.log.finish(sequence, response.status().as_u16(), caller);
    response
}

/// What the fault plan has for one request.
#[derive(Default)]
struct Planned {
    answer: Option<(u16, Problem)>,
    lie: Option<crate::faults::Lie>,
    hold_milliseconds: u64,
    kept_bytes_max: Option<u64>,
}

impl Planned {
    async fn add(&mut self, act: Act, manner: &mut Manner) {
        match act {
            Act::BreakStream { .. } => {}
            Act::Answer { status, reason, message } => self.answer = Some((status, Problem::new(reason, message))),
            Act::Body { text } => manner.text = Some(text),
            Act::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::DryRun(lie) => self.lie = Some(lie),
            Act::Job { milliseconds } => self.hold_milliseconds = milliseconds,
            Act::KeepBytes { bytes } => self.kept_bytes_max = Some(bytes),
            Act::Reset { after_bytes } => manner.reset_after_bytes = Some(after_bytes),
            Act::TruncatedGzip => manner.truncate_gzip = true,
        }
    }
}

async fn answer(
    service: &Service,
    parts: &Parts,
    bytes: Vec<u8>,
    found: Option<(&'static Method, Vec<(&'static str, String)>)>,
    user_email: String,
    planned: Planned,
    manner: &mut Manner,
) -> Answer {
    let path = parts.uri.path();
    if matches!(path, "/discovery/v1/apis/bigquery/v2/rest" | "/$discovery/rest") {
        let host = text(&parts.headers, header::HOST).unwrap_or("localhost");
        return Ok(Reply::Json(discovery::document(&format!("http://{host}/"))));
    }
    if path.starts_with("/batch") {
        return Err(Problem::not_implemented("batches"));
    }
    let (method, path_parts) = found.ok_or_else(|| Problem::not_found(format!("Not found: {} {path}", parts.method)))?;
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|error| Problem::invalid(error.to_string()))?.0;
    let is_upload = upload::below_upload(path).is_some();
    let call = Call {
        method,
        parts: path_parts,
        query,
        body: if is_upload { Value::Null } else { body::json(&bytes)? },
        user_email,
        if_match: text(&parts.headers, header::IF_MATCH).map(str::to_owned),
        lie: planned.lie,
        hold_milliseconds: planned.hold_milliseconds,
    };
    if call.parameter("alt").is_some_and(|alt| alt != "json") {
        return Err(Problem::not_implemented("answers in another form than JSON"));
    }
    if let Some(fields) = call.parameter("fields") {
        let mask = Mask::parse(fields).ok_or_else(|| Problem::invalid(format!("Invalid field selection {fields}")))?;
        manner.mask = Some(mask);
    }
    if is_upload {
        return upload::answer(service, parts, call, bytes, planned.kept_bytes_max);
    }
    dispatch(service, &call).await
}

async fn dispatch(service: &Service, call: &Call) -> Answer {
    let (warehouse, jobs) = (&service.warehouse, &service.jobs);
    match call.method.operation {
        Operation::DatasetsDelete => datasets::delete(warehouse, call),
        Operation::DatasetsGet => datasets::get(warehouse, call),
        Operation::DatasetsInsert => datasets::insert(warehouse, call),
        Operation::DatasetsList => datasets::list(warehouse, call),
        Operation::DatasetsPatch => datasets::change(warehouse, call, false),
        Operation::DatasetsUpdate => datasets::change(warehouse, call, true),
        Operation::JobsCancel => jobs::cancel(jobs, call),
        Operation::JobsDelete => jobs::delete(jobs, call),
        Operation::JobsGet => jobs::get(jobs, call),
        Operation::JobsGetQueryResults => jobs::get_query_results(jobs, call).await,
        Operation::JobsInsert => jobs::insert(jobs, call).await,
        Operation::JobsList => jobs::list(jobs, call),
        Operation::JobsQuery => jobs::query(jobs, call).await,
        Operation::ProjectsGetServiceAccount => Ok(datasets::service_account(call)),
        Operation::ProjectsList => Ok(datasets::list_projects(warehouse)),
        Operation::Refused => Err(Problem::not_implemented(&format!("`{}`", call.method.id))),
        Operation::RoutinesDelete => datasets::delete_routine(warehouse, call),
        Operation::RoutinesGet => datasets::get_routine(warehouse, call),
        Operation::RoutinesInsert => datasets::insert_routine(warehouse, call),
        Operation::RoutinesList => datasets::list_routines(warehouse, call),
        Operation::RoutinesUpdate => datasets::update_routine(warehouse, call),
        Operation::TabledataInsertAll => tables::insert_rows(warehouse, call),
        Operation::TabledataList => tables::list_rows(warehouse, call),
        Operation::TablesDelete => tables::delete(warehouse, call),
        Operation::TablesGet => tables::get(warehouse, call),
        Operation::TablesInsert => tokio::task::block_in_place(|| tables::insert(warehouse, call)),
        Operation::TablesList => tables::list(warehouse, call),
        Operation::TablesPatch => tokio::task::block_in_place(|| tables::change(warehouse, call, false)),
        Operation::TablesUpdate => tokio::task::block_in_place(|| tables::change(warehouse, call, true)),
    }
}

pub fn meant_verb(parts: &Parts) -> String {
    let verb = parts.method.as_str();
    let meant = parts.headers.get(OVERRIDE).and_then(|meant| meant.to_str().ok()).filter(|_| matches!(verb, "GET" | "POST"));
    meant.map_or_else(|| verb.to_owned(), |meant| meant.trim().to_ascii_uppercase())
}

/// What the client has already, where it only reads.
fn known_etags(verb: &str, headers: &HeaderMap) -> Vec<String> {
    let given = text(headers, header::IF_NONE_MATCH).filter(|_| verb == "GET").unwrap_or_default();
    given.split(',').map(|etag| etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()).filter(|etag| !etag.is_empty()).collect()
}

pub fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.split(',').any(|coding| coding.trim().starts_with("gzip")))
}

/// No more than is kept is turned into text.
fn logged_body(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..LOG_BODY_BYTES_MAX).unwrap_or(bytes)).into_owned()
}

/// The token itself is nobody's business.
pub fn logged_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().filter(|(name, _)| **name != header::AUTHORIZATION);
    shown.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
