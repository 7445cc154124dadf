//! Answers as bytes: reduced, compressed, and broken where the fault plan says so.

use super::call::Reply;
use super::fields::Mask;
use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use serde_json::Value;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// How the client wants its answer, and what the fault plan does to it.
#[derive(Debug, Default)]
pub struct Manner {
    pub gzip: bool,
    /// `If-None-Match`: an answer with one of these is not sent again.
    pub known_etags: Vec<String>,
    pub mask: Option<Mask>,
    pub reset_after_bytes: Option<usize>,
    /// In place of what would be answered.
    pub text: Option<String>,
    pub truncate_gzip: bool,
    /// An upload that goes on is told so with 200 and a header of its own: some clients would follow a 308.
    pub no_308: bool,
}

/// For clients that ask for no 308.
const STATUS_OVERRIDE: HeaderName = HeaderName::from_static("x-http-status-code-override");
const UPLOAD_ID: HeaderName = HeaderName::from_static("x-guploader-uploadid");
/// Not in any standard: what Google's services answer when a client gives an upload up.
const CLIENT_CLOSED_REQUEST: u16 = 499;

pub fn reply(reply: Result<Reply, Problem>, status: Option<u16>, manner: &Manner) -> Response<Body> {
    match reply {
        Ok(Reply::Empty) => plain(StatusCode::NO_CONTENT, Body::empty()),
        Ok(Reply::Json(value)) => {
            let etag = value.get("etag").and_then(Value::as_str).and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok());
            if value.get("etag").and_then(Value::as_str).is_some_and(|etag| manner.known_etags.iter().any(|known| known == etag)) {
                return tagged(plain(StatusCode::NOT_MODIFIED, Body::empty()), etag);
            }
            let value = match &manner.mask {
                Some(mask) => mask.apply(value),
                None => value,
            };
            tagged(json(StatusCode::OK, &value, manner), etag)
        }
        Ok(Reply::UploadBegun { location, id }) => {
            let mut response = bytes(StatusCode::OK, Vec::new(), manner);
            let headers = response.headers_mut();
            headers.extend(HeaderValue::try_from(location).ok().map(|location| (header::LOCATION, location)));
            headers.extend(HeaderValue::try_from(id).ok().map(|id| (UPLOAD_ID, id)));
            response
        }
        Ok(Reply::UploadCancelled) => bytes(code(CLIENT_CLOSED_REQUEST), Vec::new(), manner),
        Ok(Reply::UploadIncomplete { received_bytes }) => incomplete(received_bytes, manner),
        Err(problem) => {
            let status = status.unwrap_or_else(|| problem.reason.status().0);
            json(code(status), &problem.body(status), manner)
        }
    }
}

/// The bytes that are there, as `bytes=0-262143`; nothing where there are none.
fn incomplete(received_bytes: u64, manner: &Manner) -> Response<Body> {
    let status = if manner.no_308 { StatusCode::OK } else { StatusCode::PERMANENT_REDIRECT };
    let mut response = bytes(status, Vec::new(), manner);
    let headers = response.headers_mut();
    if manner.no_308 {
        headers.insert(STATUS_OVERRIDE, HeaderValue::from_static("308"));
    }
    let range = received_bytes.checked_sub(1).and_then(|last| HeaderValue::try_from(format!("bytes=0-{last}")).ok());
    headers.extend(range.map(|range| (header::RANGE, range)));
    response
}

fn json(status: StatusCode, value: &Value, manner: &Manner) -> Response<Body> {
    let mut text = manner.text.clone().unwrap_or_else(|| value.to_string()).into_bytes();
    let gzip = manner.gzip || manner.truncate_gzip;
    if gzip {
        text = compressed(&text);
    }
    if manner.truncate_gzip {
        text.truncate(text.len() / 2);
    }
    let mut response = bytes(status, text, manner);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// All of them, or as many as the fault plan lets through.
fn bytes(status: StatusCode, mut bytes: Vec<u8>, manner: &Manner) -> Response<Body> {
    let body = match manner.reset_after_bytes {
        Some(after) => {
            bytes.truncate(after);
            Body::new(Broken { bytes: Some(Bytes::from(bytes)), breaks: Box::pin(tokio::time::sleep(UNTIL_BROKEN)) })
        }
        None => Body::from(bytes),
    };
    plain(status, body)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn tagged(mut response: Response<Body>, etag: Option<HeaderValue>) -> Response<Body> {
    response.headers_mut().extend(etag.map(|etag| (header::ETAG, etag)));
    response
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail; if it did, the client would see a body that is cut.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// What was said before the connection breaks has to be on its way by then.
const UNTIL_BROKEN: Duration = Duration::from_millis(50);

/// A body that breaks the connection after its bytes.
struct Broken {
    bytes: Option<Bytes>,
    breaks: Pin<Box<Sleep>>,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let reset = || io::Error::new(io::ErrorKind::ConnectionReset, "planned reset");
        self.breaks.as_mut().poll(context).map(|()| Some(Err(reset())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
