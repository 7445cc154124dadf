//! A refusal for a client that speaks gRPC. It shows its user nothing of an answer that has another shape, so this one is said in the same words as over REST.

use crate::rest::{self, RATE_LIMIT_EXCEEDED, percent};
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Response};
use sluice_app::{FormReason, Refused, Why};
use sluice_identity::Reason;

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u8,
    pub message: String,
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Clients take heads of eight kilobytes, all in all, and lose what is in longer ones.
const MESSAGE_BYTES_MAX: usize = 5 << 10;
/// The id to quote stands at the end.
const END_BYTES: usize = 80;

const FINE: u8 = 0;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const UNAVAILABLE: u8 = 14;

/// gRPC's numbers for Google's words. A client asks again after `UNAVAILABLE` alone.
const CODES: [(&str, u8); 12] = [
    ("ALREADY_EXISTS", 6),
    ("CANCELLED", 1),
    ("DEADLINE_EXCEEDED", DEADLINE_EXCEEDED),
    ("FAILED_PRECONDITION", 9),
    ("INTERNAL", 13),
    ("INVALID_ARGUMENT", 3),
    ("NOT_FOUND", 5),
    ("PERMISSION_DENIED", 7),
    ("RESOURCE_EXHAUSTED", RESOURCE_EXHAUSTED),
    ("UNAUTHENTICATED", 16),
    ("UNAVAILABLE", UNAVAILABLE),
    ("UNIMPLEMENTED", UNIMPLEMENTED),
];

pub fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl Status {
    /// The one place where a refusal becomes a status of gRPC's.
    pub fn of(refused: &Refused) -> Status {
        let told = rest::told(refused);
        let code = match &refused.why {
            Why::Form { reason: FormReason::NoMethod, .. } => UNIMPLEMENTED,
            Why::Form { reason: FormReason::AnswerTooLarge | FormReason::TooLarge, .. } => RESOURCE_EXHAUSTED,
            // It passes by itself, and clients wait and ask again after nothing else.
            Why::Policy(_) if told.reason == RATE_LIMIT_EXCEEDED => UNAVAILABLE,
            _ => CODES.iter().find(|(status, _)| *status == told.status).map_or(UNKNOWN, |(_, code)| *code),
        };
        Status { code, message: told.message }
    }

    /// Of a connection that was open: after a token that has run out meanwhile a client opens another one, with a fresh token, if this one is not available.
    pub fn of_open(refused: &Refused) -> Status {
        let status = Status::of(refused);
        match &refused.why {
            Why::Unproven(refusal) if matches!(refusal.reason, Reason::Expired { .. }) => Status { code: UNAVAILABLE, ..status },
            _ => status,
        }
    }

    pub fn fine() -> Status {
        Status { code: FINE, message: String::new() }
    }

    /// The client's own deadline. What was begun goes on and is put on record.
    pub fn late() -> Status {
        Status { code: DEADLINE_EXCEEDED, message: "the deadline of the call is over".to_owned() }
    }

    pub fn broken() -> Status {
        Status { code: UNAVAILABLE, message: "the answer broke off: try again".to_owned() }
    }

    /// What a client sends next is for the gateway that comes after this one.
    pub fn stopping() -> Status {
        Status { code: UNAVAILABLE, message: "the gateway stops, and takes no more rows: open the connection again".to_owned() }
    }

    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(STATUS, HeaderValue::from(u16::from(self.code)));
        if !self.message.is_empty() {
            headers.extend(HeaderValue::from_str(&shortened(&self.message)).ok().map(|message| (MESSAGE, message)));
        }
    }
}

/// Without a body: the status stands in the head.
pub fn response(status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    status.write(headers);
    response
}

/// Encoded, within bounds: what is left out is left out of the middle.
fn shortened(message: &str) -> String {
    let encoded = percent::encode(message);
    if encoded.len() <= MESSAGE_BYTES_MAX {
        return encoded;
    }
    let end = message.get(message.ceil_char_boundary(message.len().saturating_sub(END_BYTES))..).unwrap_or_default();
    let end = percent::encode(&format!(" ... {end}"));
    let mut start = String::new();
    for letter in message.chars() {
        let more = percent::encode(letter.encode_utf8(&mut [0; 4]));
        if start.len() + more.len() + end.len() > MESSAGE_BYTES_MAX {
            break;
        }
        start.push_str(&more);
    }
    start + &end
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_app::{UpstreamFault, UpstreamFaultKind};
    use sluice_ledger::record::Subject;

    fn check(why: Why, expect_code: &str, expect: &str) {
        let response = response(&Status::of(&Refused { subject: Subject([7; 16]), why }));
        let text = |name: &HeaderName| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), text(&header::CONTENT_TYPE).as_str()), (200, "application/grpc"));
        assert_eq!(text(&STATUS), expect_code, "{expect}");
        let message = percent::decode(&text(&MESSAGE), percent::Place::Path).unwrap();
        assert!(message.contains(expect) && message.contains(&"07".repeat(16)), "{message}");
        assert!(text(&MESSAGE).len() <= MESSAGE_BYTES_MAX);
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_grpc() {
        let form = |reason: FormReason, text: &str| Why::Form { reason, text: text.to_owned() };
        check(form(FormReason::Invalid, "it is so: 100 %\u{fc}"), "3", "it is so: 100 %\u{fc}");
        check(form(FormReason::NoMethod, "no such method"), "12", "no such method");
        check(form(FormReason::TooLarge, "too much"), "8", "too much");
        check(form(FormReason::Unsupported, &"\u{fc}".repeat(3_000)), "3", "\u{fc}\u{fc}");
        check(Why::NotFound { what: "stream".to_owned() }, "5", "Not found: stream");
        check(Why::Busy, "14", "try again");
        let fault = UpstreamFault {
            kind: UpstreamFaultKind::Deadline,
            status: None,
            error: None,
            attempts: 1,
            may_have_acted: false,
            detail: String::new(),
        };
        check(Why::Upstream { fault: Box::new(fault), told: None }, "4", "did not answer in time");
    }

    #[test]
    fn only_grpc_is_answered_so() {
        for (kind, expect) in [("application/grpc", true), ("application/grpc+proto", true), ("application/json", false)] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_asked(&headers), expect, "{kind}");
        }
        assert!(!is_asked(&HeaderMap::new()));
    }
}
