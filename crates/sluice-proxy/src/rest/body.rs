//! The body of a request: read to its end within bounds and time, unpacked where it is compressed, JSON.

use super::configuration::{self, BODY_BYTES_MAX, FormFault};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use serde_json::Value;
use sluice_app::FormReason;
use std::io::Read as _;
use std::time::Duration;

/// From the end of the head to the end of the body. Slower is nobody who means it.
pub const BODY_MILLISECONDS_MAX: u64 = 60_000;

/// An object, or nothing: an empty object then.
pub async fn json(headers: &HeaderMap, body: Body) -> Result<Value, FormFault> {
    let bytes = collect(body).await?;
    let bytes = unpacked(headers, bytes)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    check_type(headers)?;
    object(&bytes)
}

pub fn object(bytes: &[u8]) -> Result<Value, FormFault> {
    match configuration::read(bytes)? {
        value @ Value::Object(_) => Ok(value),
        _ => Err(invalid("the body is no JSON object")),
    }
}

/// JSON in UTF-8, and said so: what a browser sends by itself from a form of another site is not taken.
fn check_type(headers: &HeaderMap) -> Result<(), FormFault> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.ok_or_else(|| invalid("the body has no `Content-Type`: accepted is `application/json`"))?;
    if is_json(text) { Ok(()) } else { Err(invalid("the `Content-Type` is not `application/json` in UTF-8")) }
}

pub fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|part| {
            part.to_ascii_lowercase().strip_prefix("charset=").is_some_and(|set| matches!(set.trim_matches('"'), "utf-8" | "utf8"))
        })
}

async fn collect(body: Body) -> Result<Vec<u8>, FormFault> {
    let reading = read_bounded(body);
    match tokio::time::timeout(Duration::from_millis(BODY_MILLISECONDS_MAX), reading).await {
        Ok(read) => read,
        Err(_) => Err(invalid(format!("the body did not arrive within {BODY_MILLISECONDS_MAX} milliseconds"))),
    }
}

async fn read_bounded(mut body: Body) -> Result<Vec<u8>, FormFault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| invalid("the body broke off"))?;
        // Trailers are nobody's.
        let data: Bytes = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn unpacked(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, FormFault> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip" | b"x-gzip") => gunzipped(&bytes),
        Some(_) => Err(invalid("the `Content-Encoding` is neither `gzip` nor `identity`")),
    }
}

/// A small body must not become a large one.
fn gunzipped(bytes: &[u8]) -> Result<Vec<u8>, FormFault> {
    let mut unpacked = Vec::new();
    let bound = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoder = GzDecoder::new(bytes);
    (&mut decoder).take(bound).read_to_end(&mut unpacked).map_err(|_| invalid("the gzip of the body is broken"))?;
    if unpacked.len() > BODY_BYTES_MAX {
        return Err(too_large());
    }
    if !decoder.into_inner().is_empty() {
        return Err(invalid("something stands behind the gzip of the body"));
    }
    Ok(unpacked)
}

fn too_large() -> FormFault {
    FormFault { reason: FormReason::TooLarge, field: String::new(), text: format!("the body has more than {BODY_BYTES_MAX} bytes") }
}

fn invalid(text: impl Into<String>) -> FormFault {
    FormFault { reason: FormReason::Invalid, field: String::new(), text: text.into() }
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
        match (unpacked(&headers, bytes), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{coding}"),
            (Err(fault), Err(part)) => assert!(fault.text.contains(part), "{coding}: {fault}"),
            (found, _) => panic!("{coding}: {:?}", found.map(|bytes| bytes.len())),
        }
    }

    #[test]
    fn bodies_are_unpacked_within_bounds() {
        check("gzip", packed(b"{}"), Ok(b"{}"));
        check("GZIP", packed(b"{}"), Ok(b"{}"));
        check("identity", b"{}".to_vec(), Ok(b"{}"));
        check("br", b"{}".to_vec(), Err("neither"));
        check("gzip, gzip", packed(&packed(b"{}")), Err("neither"));
        check("deflate", b"{}".to_vec(), Err("neither"));
        check("gzip", b"{}".to_vec(), Err("broken"));
        check("gzip", packed(b"{}")[..12].to_vec(), Err("broken"));
        check("gzip", [packed(b"{"), packed(b"}")].concat(), Err("behind"));
        check("gzip", packed(&vec![b' '; BODY_BYTES_MAX + 1]), Err("more than"));
    }

    #[test]
    fn types_are_json() {
        for good in
            ["application/json", "application/json; charset=UTF-8", "Application/JSON;charset=utf-8", "application/json; charset=\"utf-8\""]
        {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json; boundary=x",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/related",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn bodies_are_objects() {
        for bad in ["[]", "7", "null", "\"x\"", "{", "{\"a\":1,\"a\":2}"] {
            assert!(object(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(object(b"{\"a\": 1}").is_ok());
    }
}
