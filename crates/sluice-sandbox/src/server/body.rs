//! The body of a request: read to its end within bounds, unpacked where it is compressed.

use crate::gzip::{self, GzipError};
use crate::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use serde_json::Value;

/// Of a request as it is sent, and of what is packed in it. Uploads have a bound of their own.
pub const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The bytes as they were sent.
pub async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_limit(&error) => Err(too_large(bytes_max)),
        Err(error) => Err(Problem::invalid(format!("The request could not be read: {error}"))),
    }
}

/// The bytes as they were meant.
pub fn unpacked(headers: &HeaderMap, bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()).trim().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some("" | "identity") => Ok(bytes),
        Some("gzip" | "x-gzip") => gzip::unpacked(&bytes, bytes_max).map_err(|error| match error {
            GzipError::Broken(error) => Problem::invalid(format!("The request's gzip is broken: {error}")),
            GzipError::TooLarge { bytes_max } => too_large(bytes_max),
        }),
        Some(other) => Err(Problem::not_implemented(&format!("requests in the encoding `{other}`"))),
    }
}

/// An object, or nothing. Every resource of the API is an object.
pub fn json(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(bytes) {
        Ok(value @ (Value::Null | Value::Object(_))) => Ok(value),
        Ok(_) => Err(Problem::invalid("Invalid JSON payload received: the body is not an object")),
        Err(error) => Err(Problem::invalid(format!("Invalid JSON payload received: {error}"))),
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::invalid(format!("The request is too large, at most {bytes_max} bytes"))
}

/// The limit's own error is inside of axum's.
fn is_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(coding: &'static str, bytes: Vec<u8>, expect: Result<&[u8], &str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        match (unpacked(&headers, bytes, REQUEST_BYTES_MAX), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{coding}"),
            (Err(problem), Err(part)) => assert!(problem.message.contains(part), "{coding}: {problem}"),
            (found, _) => panic!("{coding}: {:?}", found.map(|bytes| bytes.len())),
        }
    }

    #[test]
    fn bodies_are_unpacked_within_bounds() {
        check("gzip", packed(b"{}"), Ok(b"{}"));
        check("GZIP", [packed(b"{"), packed(b"}")].concat(), Ok(b"{}"));
        check("identity", b"{}".to_vec(), Ok(b"{}"));
        check("br", b"{}".to_vec(), Err("`br`"));
        check("gzip", b"{}".to_vec(), Err("broken"));
        check("gzip", packed(b"{}")[..12].to_vec(), Err("broken"));
        check("gzip", packed(&vec![b' '; REQUEST_BYTES_MAX + 1]), Err("too large"));
    }

    #[test]
    fn bodies_are_objects() {
        let check = |bytes: &[u8], expect: bool| assert_eq!(json(bytes).is_ok(), expect, "{bytes:?}");
        check(b"", true);
        check(b"null", true);
        check(b"{\"a\": 1}", true);
        check(b"[]", false);
        check(b"7", false);
        check(b"{", false);
        check(b"\xff\xfe", false);
        check("[".repeat(100_000).as_bytes(), false);
    }
}
