//! What an answer means that is not the one that was hoped for.

use crate::rest::{Answer, ExchangeFault};
use serde_json::Value;
use sluice_app::{UpstreamError, UpstreamFaultKind};
use std::time::Duration;

pub const ERROR_MESSAGE_BYTES_MAX: usize = 8 * 1024;
pub const ERROR_REASON_BYTES_MAX: usize = 128;
/// The address of a file is one.
const ERROR_LOCATION_BYTES_MAX: usize = 2 * 1024;
/// An answer that is longer is no error.
pub(crate) const ERROR_BODY_BYTES_MAX: usize = 256 * 1024;
/// A server that asks for more patience is asked when it pleases us.
const RETRY_AFTER_SECONDS_MAX: u64 = 30;

/// One attempt that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub kind: UpstreamFaultKind,
    pub status: Option<u16>,
    pub error: Option<UpstreamError>,
    pub detail: String,
    /// The same request may be answered better a moment later.
    pub may_pass: bool,
    pub acted: Acted,
    pub retry_after: Option<Duration>,
}

/// What BigQuery has done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acted {
    /// It said so, in a way that only it can.
    No,
    /// It has never seen it.
    NotSent,
    Unknown,
}

/// Why a body of an answer with a good status is not what was asked for.
#[derive(Debug)]
pub(crate) enum Unread {
    /// An error in the place of the answer.
    Error(UpstreamError),
    /// It did not arrive as it was sent.
    Malformed(String),
    /// It is whole, and something else. It would be the same again.
    Misread(String),
    TooLarge,
}

impl Failure {
    pub fn of_exchange(fault: &ExchangeFault) -> Failure {
        let (kind, may_pass, acted) = match fault {
            ExchangeFault::Broken(_) => (UpstreamFaultKind::Unavailable, true, Acted::Unknown),
            ExchangeFault::Deadline => (UpstreamFaultKind::Deadline, true, Acted::Unknown),
            ExchangeFault::Nonsense(_) => (UpstreamFaultKind::Malformed, true, Acted::Unknown),
            ExchangeFault::NotSent(_) => (UpstreamFaultKind::Unavailable, true, Acted::NotSent),
            ExchangeFault::TooLarge { .. } => (UpstreamFaultKind::TooLarge, false, Acted::Unknown),
        };
        Failure { kind, status: None, error: None, detail: fault.to_string(), may_pass, acted, retry_after: None }
    }

    /// Of a status that is none of those that were hoped for.
    pub fn of_status(answer: &Answer) -> Failure {
        let error = read(&answer.body);
        let reason = error.as_ref().map_or("", |error| error.reason.as_str());
        let is_busy = matches!(reason, "rateLimitExceeded" | "jobRateLimitExceeded");
        let (kind, may_pass, acted) = match answer.status {
            401 => (UpstreamFaultKind::Credential, false, Acted::No),
            403 | 429 if is_busy => (UpstreamFaultKind::Unavailable, true, Acted::No),
            429 => (UpstreamFaultKind::Unavailable, true, Acted::No),
            408 => (UpstreamFaultKind::Unavailable, true, Acted::Unknown),
            400..=499 | 501 => (UpstreamFaultKind::Refused, false, Acted::No),
            500..=599 => (UpstreamFaultKind::Unavailable, true, Acted::Unknown),
            _ => (UpstreamFaultKind::Malformed, false, Acted::Unknown),
        };
        let detail = match (answer.status, &error) {
            (300..=399, _) => format!("a redirect ({}), which is not followed", answer.status),
            (status, Some(error)) => format!("status {status}, {}", error.reason),
            (status, None) => format!("status {status} without a reason"),
        };
        Failure { kind, status: Some(answer.status), error, detail, may_pass, acted, retry_after: retry_after(answer) }
    }

    pub fn of_body(answer: &Answer, unread: Unread) -> Failure {
        let status = Some(answer.status);
        let failure =
            |kind, error, detail, may_pass| Failure { kind, status, error, detail, may_pass, acted: Acted::Unknown, retry_after: None };
        match unread {
            Unread::Error(error) => {
                let detail = format!("an error in an answer with status {}: {}", answer.status, error.reason);
                failure(UpstreamFaultKind::Refused, Some(error), detail, false)
            }
            Unread::Malformed(text) => failure(UpstreamFaultKind::Malformed, None, text, true),
            Unread::Misread(text) => failure(UpstreamFaultKind::Malformed, None, text, false),
            Unread::TooLarge => failure(UpstreamFaultKind::TooLarge, None, "more rows than fit a page".to_owned(), false),
        }
    }
}

/// `{"error": {...}}`: the first reason, and the message.
pub(crate) fn read(body: &[u8]) -> Option<UpstreamError> {
    of_value(&serde_json::from_slice(body).ok()?)
}

pub(crate) fn of_value(body: &Value) -> Option<UpstreamError> {
    let error = body.get("error").filter(|error| error.is_object())?;
    let first = error.pointer("/errors/0").unwrap_or(&Value::Null);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let reason = text(first, "reason").or_else(|| text(error, "status")).unwrap_or_default();
    let message = text(error, "message").or_else(|| text(first, "message")).unwrap_or_default();
    Some(cut(reason, text(first, "location"), message))
}

/// `{"reason", "location", "message"}`, as jobs have it.
pub(crate) fn of_job(error: &Value) -> UpstreamError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    cut(text("reason").unwrap_or_default(), text("location"), text("message").unwrap_or_default())
}

fn cut(mut reason: String, location: Option<String>, mut message: String) -> UpstreamError {
    // A word, and nothing that could pass for something else in a log.
    reason.retain(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    reason.truncate(ERROR_REASON_BYTES_MAX);
    message.truncate(message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
    // Half of a name would be another name.
    let location = location.filter(|location| !location.is_empty() && location.len() <= ERROR_LOCATION_BYTES_MAX);
    UpstreamError { reason, location, message }
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = answer.headers.get(hyper::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)))
}
