//! Answers as RFC 6749 writes them. None of them may be kept by anybody.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use sluice_app::{Refused, Why, fault_of, hex};
use sluice_identity::{Fault as Turn, Reason};

const RETRY_SECONDS: &str = "60";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub word: Word,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    AccessDenied,
    Busy,
    InvalidGrant,
    InvalidRequest,
    InvalidTarget,
    MediaType,
    NoMethod,
    ServerError,
    TooLarge,
    Unavailable,
    UnsupportedGrant,
}

impl Fault {
    pub fn new(word: Word, text: String) -> Fault {
        Fault { word, text }
    }

    pub fn busy(text: &str) -> Fault {
        Fault::new(Word::Busy, text.to_owned())
    }

    /// The same of an assertion: whatever is wrong with it, it is no grant (RFC 7523).
    pub fn of_assertion(refused: &Refused) -> Fault {
        let fault = Fault::of(refused);
        match fault.word {
            Word::InvalidRequest | Word::InvalidTarget => Fault { word: Word::InvalidGrant, ..fault },
            _ => fault,
        }
    }

    /// What may be said of a refusal outside.
    pub fn of(refused: &Refused) -> Fault {
        let word = match (&refused.why, fault_of(refused)) {
            (Why::Unproven(refusal), _) if matches!(refusal.reason, Reason::AudienceRefused(_)) => Word::InvalidTarget,
            (_, Some(Turn::Caller)) => Word::InvalidRequest,
            (_, Some(Turn::Issuer)) => Word::Unavailable,
            (Why::Policy(_), _) => Word::AccessDenied,
            _ => Word::ServerError,
        };
        match &refused.why {
            // With its own words on whom to ask.
            Why::Unproven(refusal) => Fault::new(word, refusal.public_text(&hex(&refused.subject.0)).0),
            Why::Policy(_) => {
                let text = format!("access is halted at the moment: ask whoever runs the gateway, and quote {}", hex(&refused.subject.0));
                Fault::new(word, text)
            }
            _ => Fault::new(word, "the gateway cannot serve this at the moment: try again in a minute".to_owned()),
        }
    }
}

impl Word {
    /// For the record; the count of a flood is by this.
    pub fn name(self) -> &'static str {
        match self {
            Word::AccessDenied => "access_denied",
            Word::Busy => "too_often",
            Word::InvalidGrant => "invalid_grant",
            Word::InvalidRequest => "invalid_request",
            Word::InvalidTarget => "invalid_target",
            Word::MediaType => "media_type",
            Word::NoMethod => "no_method",
            Word::ServerError => "server_error",
            Word::TooLarge => "too_large",
            Word::Unavailable => "unavailable",
            Word::UnsupportedGrant => "unsupported_grant_type",
        }
    }

    fn error(self) -> &'static str {
        match self {
            Word::AccessDenied => "access_denied",
            Word::Busy | Word::Unavailable => "temporarily_unavailable",
            Word::InvalidGrant => "invalid_grant",
            Word::InvalidRequest | Word::MediaType | Word::NoMethod | Word::TooLarge => "invalid_request",
            Word::InvalidTarget => "invalid_target",
            Word::ServerError => "server_error",
            Word::UnsupportedGrant => "unsupported_grant_type",
        }
    }

    fn status(self) -> u16 {
        match self {
            Word::AccessDenied => 403,
            Word::Busy => 429,
            Word::InvalidGrant | Word::InvalidRequest | Word::InvalidTarget | Word::UnsupportedGrant => 400,
            Word::MediaType => 415,
            Word::NoMethod => 405,
            Word::ServerError | Word::Unavailable => 503,
            Word::TooLarge => 413,
        }
    }
}

pub fn fault(fault: &Fault, refused: Option<&Refused>) -> Response<Body> {
    let reference = refused.map(|refused| hex(&refused.subject.0)).filter(|reference| !fault.text.contains(reference));
    let text = match reference {
        Some(reference) => format!("{}; quote `{reference}` to the operator of this gateway", fault.text),
        None => fault.text.clone(),
    };
    let mut answer = json(fault.word.status(), &json!({ "error": fault.word.error(), "error_description": plain(&text) }));
    let headers = answer.headers_mut();
    match fault.word {
        Word::NoMethod => drop(headers.insert(header::ALLOW, HeaderValue::from_static("POST"))),
        Word::Busy | Word::ServerError | Word::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        _ => {}
    }
    answer
}

pub fn json(status: u16, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(value.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// What is left of the request is not read.
pub fn closed(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// RFC 6749 has visible ASCII in it, without quotes and backslashes.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\') { letter } else { '\'' }).collect()
}
