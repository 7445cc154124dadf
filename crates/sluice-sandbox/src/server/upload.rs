//! Load jobs whose file comes with them: in one request, or piece by piece.

use super::call::{Call, Reply};
use super::content_range::ContentRange;
use super::service::{Answer, Service, meant_verb, text};
use super::uploads::{Owner, Piece, Step};
use super::{body, jobs, methods, multipart};
use crate::clock::now_milliseconds;
use crate::job::results::unique;
use crate::job::{JobKind, resource};
use crate::problem::Problem;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use serde_json::Value;

const DECLARED_BYTES: HeaderName = HeaderName::from_static("x-upload-content-length");

/// The path of the method behind what marks an upload. The service's own prefix stands before it where a client has it in its address.
pub fn below_upload(path: &str) -> Option<&str> {
    let path = path.strip_prefix("/bigquery/v2").unwrap_or(path);
    let below = path.strip_prefix("/upload/").or_else(|| path.strip_prefix("/resumable/upload/"))?;
    Some(methods::below_service(below))
}

/// `kept_bytes_max`: so the fault plan wants it. Nothing is waited for here: whoever hangs up leaves no upload half done.
pub fn answer(service: &Service, parts: &Parts, call: Call, bytes: Vec<u8>, kept_bytes_max: Option<u64>) -> Answer {
    let verb = meant_verb(parts);
    if parts.headers.contains_key("x-goog-upload-protocol") || call.parameter("upload_protocol").is_some() {
        return Err(Problem::not_implemented("uploads by `X-Goog-Upload-Protocol`"));
    }
    match (verb.as_str(), call.parameter("uploadType"), call.parameter("upload_id")) {
        ("POST", Some("multipart"), None) => multipart_upload(service, parts, &call, bytes),
        ("POST", Some("resumable"), None) => begin(service, parts, &call, &bytes),
        ("POST", Some("media"), None) => Err(Problem::invalid("An upload of the type `media` carries no job")),
        ("PUT", Some("resumable"), Some(id)) => put(service, parts, &call, id, &bytes, kept_bytes_max),
        ("DELETE", Some("resumable"), Some(id)) => {
            service.uploads.cancel(id, &owner(&call), now_milliseconds())?;
            Ok(Reply::UploadCancelled)
        }
        (_, upload_type, _) => {
            let upload_type = upload_type.unwrap_or_default();
            Err(Problem::invalid(format!("Not an upload: {verb} with the upload type `{upload_type}`")))
        }
    }
}

fn multipart_upload(service: &Service, parts: &Parts, call: &Call, bytes: Vec<u8>) -> Answer {
    let content_type = text(&parts.headers, header::CONTENT_TYPE).unwrap_or_default();
    let found = multipart::split(content_type, &bytes)?;
    let job = body::json(found.job)?;
    let media = found.file.to_vec();
    // The request is not needed any more, and may be large.
    drop(bytes);
    let id = insert(service, call, &job, media)?;
    known(service, call, &id)
}

fn begin(service: &Service, parts: &Parts, call: &Call, bytes: &[u8]) -> Answer {
    let job = body::json(bytes)?;
    service.jobs.check_load(job.get("configuration").unwrap_or(&Value::Null), call.project())?;
    let declared = text(&parts.headers, DECLARED_BYTES);
    let declared =
        declared.map(|length| length.trim().parse().map_err(|_| Problem::invalid(format!("Invalid {DECLARED_BYTES}: {length}"))));
    let id = unique();
    service.uploads.begin(id.clone(), owner(call), job, declared.transpose()?, now_milliseconds())?;
    let host = text(&parts.headers, header::HOST).unwrap_or("localhost");
    let location = format!("http://{host}{}?uploadType=resumable&upload_id={id}", parts.uri.path());
    Ok(Reply::UploadBegun { location, id })
}

fn put(service: &Service, parts: &Parts, call: &Call, id: &str, bytes: &[u8], kept_bytes_max: Option<u64>) -> Answer {
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::not_implemented("pieces of an upload with a Content-Encoding"));
    }
    let range = ContentRange::parse(text(&parts.headers, header::CONTENT_RANGE))?;
    match service.uploads.put(id, &owner(call), &Piece { range, bytes, kept_bytes_max }, now_milliseconds())? {
        Step::Incomplete { received_bytes } => Ok(Reply::UploadIncomplete { received_bytes }),
        Step::Ended(outcome) => known(service, call, &outcome?),
        Step::Complete { job, media } => {
            let outcome = insert(service, call, &job, media);
            service.uploads.end(id, outcome.clone());
            known(service, call, &outcome?)
        }
    }
}

/// Gives the id of the job.
fn insert(service: &Service, call: &Call, job: &Value, media: Vec<u8>) -> Result<String, Problem> {
    let order = jobs::inserted(call, job, Some(media));
    let kind = JobKind::of(&order.configuration)?;
    Ok(service.jobs.submit_transfer(kind, order)?.ticket.id.clone())
}

fn known(service: &Service, call: &Call, id: &str) -> Answer {
    Ok(Reply::Json(resource::job(&*service.jobs.registry.get(call.project(), id)?)))
}

fn owner(call: &Call) -> Owner {
    Owner { project: call.project().to_owned(), user_email: call.user_email.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_known_by_their_paths() {
        let check = |path: &str, expect: Option<&str>| assert_eq!(below_upload(path), expect, "{path}");
        check("/upload/bigquery/v2/projects/p/jobs", Some("projects/p/jobs"));
        check("/upload/projects/p/jobs", Some("projects/p/jobs"));
        check("/resumable/upload/bigquery/v2/projects/p/jobs", Some("projects/p/jobs"));
        check("/bigquery/v2/upload/bigquery/v2/projects/p/jobs", Some("projects/p/jobs"));
        check("/bigquery/v2/projects/p/jobs", None);
        check("/uploads/projects/p/jobs", None);
    }
}
