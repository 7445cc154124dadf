//! What a client is told when it is not served: BigQuery's own shape of an error, so that every client prints it and none tries again in vain.
//!
//! The reasons `backendError` and the like are for what may go better the next time; clients repeat those for minutes.

use super::answer::{self, Manner};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use sluice_app::{CatalogFault, FormReason, JobsFault, Refused, UpstreamFault, UpstreamFaultKind, Why, hex};
use sluice_identity::Fault;
use sluice_ledger::AppendFault;
use sluice_mask::MaskFault;
use sluice_policy::{Decision, Difference, ReasonKind};

/// How BigQuery says one kind of error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub code: u16,
    pub reason: String,
    /// Google's word for the code.
    pub status: &'static str,
    pub message: String,
    /// The part of the request that is wrong, as BigQuery names it.
    pub location: Option<String>,
}

pub const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// Of these, for what to quote.
const QUOTE_BYTES_MAX: usize = 128;

/// How BigQuery names the text of a query.
const QUERY: &str = "q";

/// Of policy's limits on how fast and how much at once.
pub const RATE_LIMIT_EXCEEDED: &str = "rateLimitExceeded";
const ACCESS_DENIED: (u16, &str, &str) = (403, "accessDenied", "PERMISSION_DENIED");
const AGAIN: (u16, &str, &str) = (503, "backendError", "UNAVAILABLE");
const INVALID: (u16, &str, &str) = (400, "invalid", "INVALID_ARGUMENT");
const NOT_FOUND: (u16, &str, &str) = (404, "notFound", "NOT_FOUND");

/// Reasons of BigQuery's that are passed on, with the code that belongs to each. Any other is `invalid`.
const UPSTREAM_REASONS: [(&str, u16, &str); 22] = [
    ("accessDenied", 403, "PERMISSION_DENIED"),
    ("attributeNotFound", 404, "NOT_FOUND"),
    ("backendError", 503, "UNAVAILABLE"),
    ("billingNotEnabled", 403, "PERMISSION_DENIED"),
    ("billingTierLimitExceeded", 400, "INVALID_ARGUMENT"),
    ("blocked", 403, "PERMISSION_DENIED"),
    ("conditionNotMet", 412, "FAILED_PRECONDITION"),
    ("duplicate", 409, "ALREADY_EXISTS"),
    ("internalError", 500, "INTERNAL"),
    ("invalid", 400, "INVALID_ARGUMENT"),
    ("invalidQuery", 400, "INVALID_ARGUMENT"),
    ("invalidUser", 400, "INVALID_ARGUMENT"),
    ("jobRateLimitExceeded", 400, "RESOURCE_EXHAUSTED"),
    ("notFound", 404, "NOT_FOUND"),
    ("notImplemented", 501, "UNIMPLEMENTED"),
    ("quotaExceeded", 403, "RESOURCE_EXHAUSTED"),
    ("rateLimitExceeded", 403, "RESOURCE_EXHAUSTED"),
    ("resourceInUse", 400, "FAILED_PRECONDITION"),
    ("resourcesExceeded", 400, "RESOURCE_EXHAUSTED"),
    ("responseTooLarge", 403, "RESOURCE_EXHAUSTED"),
    ("stopped", 400, "CANCELLED"),
    ("tableUnavailable", 400, "FAILED_PRECONDITION"),
];

pub fn told(refused: &Refused) -> Told {
    let reference = hex(&refused.subject.0);
    if let Why::Unproven(refusal) = &refused.why {
        let ((code, reason, status), message) = match refusal.fault() {
            Fault::Caller => ((401, "authError", "UNAUTHENTICATED"), refusal.public_text(&reference).0),
            Fault::Issuer | Fault::Us => (AGAIN, refusal.public_text(&reference).0),
        };
        return Told { code, reason: reason.to_owned(), status, message: bounded(&message, MESSAGE_BYTES_MAX), location: None };
    }
    let (code, reason, status, text) = of(&refused.why);
    Told {
        code,
        reason,
        status,
        // However long the text is, what to quote is there.
        message: format!(
            "{}. Quote `{reference}` to the operator of this gateway",
            bounded(text.trim_end_matches('.'), MESSAGE_BYTES_MAX - QUOTE_BYTES_MAX)
        ),
        location: location(&refused.why),
    }
}

/// Where BigQuery said it, and where its text may be told too.
fn location(why: &Why) -> Option<String> {
    match why {
        Why::Form { reason: FormReason::InvalidQuery, .. } => Some(QUERY.to_owned()),
        Why::Upstream { fault, told: Some(_) } => fault.error.as_ref().and_then(|error| error.location.clone()),
        _ => None,
    }
}

/// The one place where a refusal becomes an error of the REST API.
fn of(why: &Why) -> (u16, String, &'static str, String) {
    let ((code, reason, status), text) = match why {
        Why::Busy => (AGAIN, "the gateway has as much to do as it takes on, so nothing was done: try again".to_owned()),
        Why::Catalog(CatalogFault::TooMany { names_max }) => (INVALID, format!("the statement names more than {names_max} tables and routines")),
        Why::Catalog(CatalogFault::Unavailable(_)) => (AGAIN, "names could not be looked up, so nothing was done: try again".to_owned()),
        Why::Catalog(CatalogFault::UnknownConnection) => (NOT_FOUND, "this project is none that the gateway serves".to_owned()),
        // Nothing is said of what is there.
        Why::Catalog(CatalogFault::Denied(_)) => (ACCESS_DENIED, "a name of the statement cannot be looked up by the gateway".to_owned()),
        Why::Concurrent { name } => (
            AGAIN,
            format!("`{name}` is called or made by a job that writes, or read by one that takes data out, and another request changes it, or writes into it what is labelled: one of them waits until the other is over, so nothing was done: try again"),
        ),
        Why::Drift(found) if Difference::is_of_columns(found) => (
            ACCESS_DENIED,
            "rows are withheld: the result has other columns, or columns of other types, than what was decided on says. The operator finds which on record".to_owned(),
        ),
        Why::Drift(_) => (
            ACCESS_DENIED,
            "rows are withheld: what was decided on is not what is so now, because a table, view or routine, a label or a rule changed meanwhile. Send the statement again, or open the stream again".to_owned(),
        ),
        Why::Form { reason, text } => (of_form(*reason), text.clone()),
        Why::Jobs(JobsFault::Taken) => (of_form(FormReason::Duplicate), "Already Exists: Job".to_owned()),
        Why::Jobs(JobsFault::Unavailable(_)) => (AGAIN, "the book of jobs could not be read: try again".to_owned()),
        Why::Labels(_) => (AGAIN, "labels that go with the data could not be kept, so nothing was done: try again".to_owned()),
        // The other ones say that BigQuery's answer is odd.
        Why::Masking(MaskFault::Unfit) => (
            ACCESS_DENIED,
            "rows are withheld: which of their columns have to be masked is not certain. Send the statement again, and of a script one statement alone".to_owned(),
        ),
        Why::Masking(_) => ((502, "invalidAnswer", "INTERNAL"), "rows are withheld: BigQuery's answer is not as expected".to_owned()),
        Why::NotFound { what } => (NOT_FOUND, format!("Not found: {what}")),
        Why::Policy(decision) => (of_decision(decision), decision_text(decision)),
        Why::Recording(AppendFault::Refused(_)) => ((500, "invalidState", "INTERNAL"), "the request could not be put on record, so it was not done".to_owned()),
        Why::Recording(_) => (AGAIN, "the request could not be put on record, so it was not done: try again".to_owned()),
        Why::Sealing(_) => (AGAIN, "the record could not be sealed, so nothing was done: try again".to_owned()),
        Why::Unproven(refusal) => ((401, "authError", "UNAUTHENTICATED"), refusal.public_text("-").0),
        Why::Unwatched => (
            ACCESS_DENIED,
            "rows are withheld: the gateway was started anew while the job ran, and nobody can say whether what it read was changed meanwhile. Send the statement again".to_owned(),
        ),
        Why::Upstream { fault, told } => return of_upstream(fault, told.as_deref()),
    };
    (code, reason.to_owned(), status, text)
}

fn of_form(reason: FormReason) -> (u16, &'static str, &'static str) {
    match reason {
        FormReason::AnswerTooLarge => (403, "responseTooLarge", "RESOURCE_EXHAUSTED"),
        FormReason::Duplicate => (409, "duplicate", "ALREADY_EXISTS"),
        FormReason::InvalidQuery => (400, "invalidQuery", "INVALID_ARGUMENT"),
        // Not 501: clients try those again.
        FormReason::Invalid | FormReason::Unsupported => INVALID,
        FormReason::NoMethod => NOT_FOUND,
        FormReason::TooLarge => (413, "requestTooLarge", "INVALID_ARGUMENT"),
    }
}

fn of_decision(decision: &Decision) -> (u16, &'static str, &'static str) {
    let reasons = &decision.evaluation.reasons;
    let only = |kind: ReasonKind| !reasons.is_empty() && reasons.iter().all(|reason| reason.kind == kind);
    if only(ReasonKind::Limit) {
        return (403, "quotaExceeded", "RESOURCE_EXHAUSTED");
    }
    // Clients wait and try again, as they do when BigQuery says it: here that helps.
    if only(ReasonKind::Pace) {
        return (403, RATE_LIMIT_EXCEEDED, "RESOURCE_EXHAUSTED");
    }
    ACCESS_DENIED
}

/// The rule, the reason, what would be accepted, in words that this caller may read.
fn decision_text(decision: &Decision) -> String {
    let text = sluice_policy::tell(&decision.evaluation).replace('\n', "; ");
    let reasons = &decision.evaluation.reasons;
    if reasons.iter().any(|reason| reason.kind == ReasonKind::Pace) {
        return format!("Exceeded rate limits: {text}");
    }
    format!("Access Denied: {}", if text.is_empty() { "no rule permits it" } else { text.as_str() })
}

fn of_upstream(fault: &UpstreamFault, told: Option<&str>) -> (u16, String, &'static str, String) {
    let text = |plain: &str| told.map_or_else(|| plain.to_owned(), str::to_owned);
    let ((code, reason, status), text) = match fault.kind {
        UpstreamFaultKind::Credential => (ACCESS_DENIED, "the gateway could not prove itself to BigQuery".to_owned()),
        UpstreamFaultKind::Deadline => {
            ((504, "timeout", "DEADLINE_EXCEEDED"), "BigQuery did not answer in time; it may have acted".to_owned())
        }
        UpstreamFaultKind::Malformed => ((502, "invalidAnswer", "INTERNAL"), "BigQuery's answer is not as expected".to_owned()),
        // It never went out, so these are the gateway's own words.
        UpstreamFaultKind::Refused if fault.attempts == 0 && fault.status.is_none() && fault.error.is_none() => {
            (INVALID, fault.detail.clone())
        }
        UpstreamFaultKind::Refused => {
            let said = fault.error.as_ref().map_or("", |error| error.reason.as_str());
            let known = UPSTREAM_REASONS.iter().find(|(reason, ..)| *reason == said);
            let known = known.map_or(INVALID, |(reason, code, status)| (*code, *reason, *status));
            (known, text(&withheld(said)))
        }
        UpstreamFaultKind::TooLarge => (
            (403, "responseTooLarge", "RESOURCE_EXHAUSTED"),
            "BigQuery's answer is larger than the gateway takes: ask for fewer rows".to_owned(),
        ),
        UpstreamFaultKind::Unavailable => (AGAIN, text("BigQuery could not be reached, or is busy: try again")),
    };
    (code, reason.to_owned(), status, text)
}

/// In words of our own, which hold nothing of the data.
fn withheld(reason: &str) -> String {
    let what = match reason {
        "duplicate" => "Already Exists: what the statement makes is there already",
        "notFound" => "Not found: something that the statement names",
        "resourcesExceeded" => "Resources exceeded: the statement takes more than BigQuery gives",
        _ => "BigQuery refused it",
    };
    format!("{what}. Its message is withheld: it can hold values of columns that you may not see")
}

impl Told {
    pub fn body(&self) -> Value {
        let mut error = json!({ "message": self.message, "domain": "global", "reason": self.reason });
        if let (Some(fields), Some(location)) = (error.as_object_mut(), &self.location) {
            fields.insert("location".to_owned(), Value::String(location.clone()));
            fields.insert("locationType".to_owned(), Value::String("parameter".to_owned()));
        }
        json!({ "error": { "code": self.code, "message": self.message, "errors": [error], "status": self.status } })
    }

    pub fn response(&self, manner: &Manner) -> Response<Body> {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer::json(code, self.body(), &Manner { mask: None, ..manner.clone() });
        if self.code == 401 {
            let challenge = HeaderValue::from_static("Bearer realm=\"sluice\", error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Within bounds. Lines stay lines, as the analyzer writes them; nothing else steers a terminal. Cut where a character ends.
fn bounded(text: &str, bytes_max: usize) -> String {
    let mut bounded = String::with_capacity(text.len().min(bytes_max));
    for letter in text.replace("\r\n", "\n").chars().map(|letter| if letter.is_control() && letter != '\n' { ' ' } else { letter }) {
        if bounded.len() + letter.len_utf8() > bytes_max {
            bounded.push('…');
            break;
        }
        bounded.push(letter);
    }
    bounded
}

#[cfg(test)]
mod tests;
