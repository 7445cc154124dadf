//! A refusal for a client that speaks gRPC, such as those of the Storage API. It shows its user nothing of an answer that has another shape.

use super::Told;
use crate::rest::percent;
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Response};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// gRPC's numbers for Google's words. A client asks again after `UNAVAILABLE` alone.
const CODES: [(&str, u8); 12] = [
    ("ALREADY_EXISTS", 6),
    ("CANCELLED", 1),
    ("DEADLINE_EXCEEDED", 4),
    ("FAILED_PRECONDITION", 9),
    ("INTERNAL", 13),
    ("INVALID_ARGUMENT", 3),
    ("NOT_FOUND", UNIMPLEMENTED),
    ("PERMISSION_DENIED", 7),
    ("RESOURCE_EXHAUSTED", 8),
    ("UNAUTHENTICATED", 16),
    ("UNAVAILABLE", 14),
    ("UNIMPLEMENTED", UNIMPLEMENTED),
];
/// No method of gRPC's is served: what is not found is the method.
const UNIMPLEMENTED: u8 = 12;
const ADVICE: &str =
    "The gateway does not serve the Storage API: read over REST, in Python with to_dataframe(create_bqstorage_client=False). ";

pub fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Without a body: the status stands in the head.
pub fn response(told: &Told) -> Response<Body> {
    let code = CODES.iter().find(|(status, _)| *status == told.status).map_or(UNIMPLEMENTED, |(_, code)| *code);
    let message = if code == UNIMPLEMENTED { format!("{ADVICE}{}", told.message) } else { told.message.clone() };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(u16::from(code)));
    headers.extend(HeaderValue::from_str(&percent::encode(&message)).ok().map(|message| (MESSAGE, message)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, status: &'static str, expect_code: &str, expect: &str) {
        let told = Told { code, reason: "x".to_owned(), status, location: None, message: "it is so: 100 %\u{fc}".to_owned() };
        let response = response(&told);
        let text = |name: &HeaderName| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), text(&header::CONTENT_TYPE).as_str()), (200, "application/grpc"));
        assert_eq!(text(&STATUS), expect_code, "{status}");
        let message = percent::decode(&text(&MESSAGE), percent::Place::Path).unwrap();
        assert_eq!(message, format!("{expect}it is so: 100 %\u{fc}"));
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_grpc() {
        check(403, "PERMISSION_DENIED", "7", "");
        check(401, "UNAUTHENTICATED", "16", "");
        check(503, "UNAVAILABLE", "14", "");
        check(404, "NOT_FOUND", "12", ADVICE);
        check(418, "TEAPOT", "12", ADVICE);
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
