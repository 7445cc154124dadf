//! The body of a request: read to its end within bounds, time and room, unpacked where it is compressed, JSON.

use super::configuration::{self, BODY_BYTES_MAX, BODY_VALUE_BYTES, BODY_VALUES_MAX, FormFault};
use super::room::{Full, Place};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use serde_json::Value;
use sluice_app::{FormReason, Why};
use std::io::Read as _;
use std::time::Duration;

/// From the end of the head to the end of the body. Slower is nobody who means it.
pub const BODY_MILLISECONDS_MAX: u64 = 60_000;
/// Room is taken in steps of this, or of an eighth of what there is.
const STEP_BYTES_MIN: usize = 16 << 10;

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyFault {
    Form(FormFault),
    Full,
}

/// An object, or nothing: an empty object then. The place is to be kept for as long as the object.
pub async fn json(place: &mut Place, headers: &HeaderMap, body: Body) -> Result<Value, BodyFault> {
    let bytes = collect(place, body).await?;
    let bytes = unpacked(place, headers, bytes).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    check_type(headers)?;
    object(place, &bytes).await
}

pub async fn object(place: &mut Place, bytes: &[u8]) -> Result<Value, BodyFault> {
    let values = configuration::values_in(bytes);
    // Beyond the bound it is refused by the reader, before it takes anything.
    if values <= BODY_VALUES_MAX {
        place.plant(values * BODY_VALUE_BYTES).await?;
    }
    match configuration::read(bytes)? {
        value @ Value::Object(_) => Ok(value),
        _ => Err(invalid("the body is no JSON object").into()),
    }
}

/// At the end of what is held already, and in the place.
pub async fn append(place: &mut Place, held: &mut Vec<u8>, data: &[u8]) -> Result<(), Full> {
    let free = held.capacity() - held.len();
    if data.len() > free {
        let step = data.len().max(held.len() / 8).max(STEP_BYTES_MIN);
        place.grow(step).await?;
        held.reserve_exact(step);
    }
    held.extend_from_slice(data);
    Ok(())
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

async fn collect(place: &mut Place, body: Body) -> Result<Vec<u8>, BodyFault> {
    let reading = read_bounded(place, body);
    match tokio::time::timeout(Duration::from_millis(BODY_MILLISECONDS_MAX), reading).await {
        Ok(read) => read,
        Err(_) => Err(invalid(format!("the body did not arrive within {BODY_MILLISECONDS_MAX} milliseconds")).into()),
    }
}

async fn read_bounded(place: &mut Place, mut body: Body) -> Result<Vec<u8>, BodyFault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| invalid("the body broke off"))?;
        // Trailers are nobody's.
        let data: Bytes = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large().into());
        }
        append(place, &mut bytes, &data).await?;
    }
    Ok(bytes)
}

async fn unpacked(place: &mut Place, headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, BodyFault> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip" | b"x-gzip") => gunzipped(place, &bytes).await,
        Some(_) => Err(invalid("the `Content-Encoding` is neither `gzip` nor `identity`").into()),
    }
}

/// A small body must not become a large one.
async fn gunzipped(place: &mut Place, bytes: &[u8]) -> Result<Vec<u8>, BodyFault> {
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(bytes);
    let mut step = vec![0; STEP_BYTES_MIN];
    loop {
        let read = decoder.read(&mut step).map_err(|_| invalid("the gzip of the body is broken"))?;
        if read == 0 {
            break;
        }
        if unpacked.len() + read > BODY_BYTES_MAX {
            return Err(too_large().into());
        }
        append(place, &mut unpacked, step.get(..read).unwrap_or_default()).await?;
    }
    if !decoder.into_inner().is_empty() {
        return Err(invalid("something stands behind the gzip of the body").into());
    }
    Ok(unpacked)
}

fn too_large() -> FormFault {
    FormFault { reason: FormReason::TooLarge, field: String::new(), text: format!("the body has more than {BODY_BYTES_MAX} bytes") }
}

fn invalid(text: impl Into<String>) -> FormFault {
    FormFault { reason: FormReason::Invalid, field: String::new(), text: text.into() }
}

impl From<FormFault> for BodyFault {
    fn from(fault: FormFault) -> BodyFault {
        BodyFault::Form(fault)
    }
}

impl From<Full> for BodyFault {
    fn from(_: Full) -> BodyFault {
        BodyFault::Full
    }
}

impl From<BodyFault> for Why {
    fn from(fault: BodyFault) -> Why {
        match fault {
            BodyFault::Form(fault) => fault.into(),
            BodyFault::Full => Why::Busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::room::Room;
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

    async fn check(coding: &'static str, bytes: Vec<u8>, expect: Result<&[u8], &str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        let mut place = Room::of_bodies().place("a".to_owned());
        match (unpacked(&mut place, &headers, bytes).await, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{coding}"),
            (Err(BodyFault::Form(fault)), Err(part)) => assert!(fault.text.contains(part), "{coding}: {fault}"),
            (found, _) => panic!("{coding}: {:?}", found.map(|bytes| bytes.len())),
        }
    }

    #[tokio::test]
    async fn bodies_are_unpacked_within_bounds() {
        check("gzip", packed(b"{}"), Ok(b"{}")).await;
        check("GZIP", packed(b"{}"), Ok(b"{}")).await;
        check("identity", b"{}".to_vec(), Ok(b"{}")).await;
        check("br", b"{}".to_vec(), Err("neither")).await;
        check("gzip, gzip", packed(&packed(b"{}")), Err("neither")).await;
        check("deflate", b"{}".to_vec(), Err("neither")).await;
        check("gzip", b"{}".to_vec(), Err("broken")).await;
        check("gzip", packed(b"{}")[..12].to_vec(), Err("broken")).await;
        check("gzip", [packed(b"{"), packed(b"}")].concat(), Err("behind")).await;
        check("gzip", packed(&vec![b' '; BODY_BYTES_MAX + 1]), Err("more than")).await;
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

    #[tokio::test]
    async fn bodies_are_objects() {
        let mut place = Room::of_bodies().place("a".to_owned());
        for bad in ["[]", "7", "null", "\"x\"", "{", "{\"a\":1,\"a\":2}"] {
            assert!(object(&mut place, bad.as_bytes()).await.is_err(), "{bad}");
        }
        assert!(object(&mut place, b"{\"a\": 1}").await.is_ok());
    }

    /// Thirty bodies of ten callers: what fits into the room is held, and nothing more. To each half of what is left.
    #[tokio::test]
    async fn bodies_without_room_are_sent_away() {
        let room = Room::impatient();
        let lists = format!("{{\"a\":[{}[]]}}", "[],".repeat(400_000));
        let mut held = Vec::new();
        let mut sent_away = 0;
        for number in 0..30 {
            let mut place = room.place(format!("caller {}", number % 10));
            match object(&mut place, lists.as_bytes()).await {
                Ok(_) => held.push(place),
                Err(fault) => {
                    assert_eq!(fault, BodyFault::Full);
                    sent_away += 1;
                }
            }
        }
        let one = (400_000 + 400_000 + 4) * BODY_VALUE_BYTES;
        let all = super::super::room::BODIES_BYTES_MAX / one;
        assert!(held.len() >= 2 && held.len() <= all && held.len() + sent_away == 30, "{} of {all}", held.len());
        drop(held);
        let mut place = room.place("late".to_owned());
        assert!(object(&mut place, lists.as_bytes()).await.is_ok());
    }
}
