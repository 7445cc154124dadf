//! Answers as bytes: JSON, reduced, compressed. Rows leave in the pieces that they were put on record in; nobody copies a page.

use super::fields::Mask;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use serde_json::{Map, Value};
use sluice_ledger::Recorded;
use sluice_mask::MaskedRows;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How the client wants its answer.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub gzip: bool,
    pub mask: Option<Mask>,
    pub pretty: bool,
    /// `If-None-Match`: an answer with one of these is not sent again.
    pub known_etags: Vec<String>,
}

/// Less is not worth packing.
const PACKED_BYTES_MIN: usize = 1 << 10;
/// What is packed between two looks at the connection.
const SLICE_BYTES_MAX: usize = 64 << 10;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

pub fn empty() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A resource. Its etag is that of the whole, whatever is asked of it.
pub fn resource(value: Value, manner: &Manner) -> Response<Body> {
    let etag = value.get("etag").and_then(Value::as_str).map(|etag| etag.trim_matches('"').to_owned());
    let tag = etag.as_ref().and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok());
    let is_known = etag.as_ref().is_some_and(|etag| manner.known_etags.iter().any(|known| known == etag || known == "*"));
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, value, manner)
    };
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

pub fn json(status: StatusCode, value: Value, manner: &Manner) -> Response<Body> {
    let value = match &manner.mask {
        Some(mask) => mask.apply(value),
        None => value,
    };
    let text = if manner.pretty { format!("{value:#}\n") } else { value.to_string() };
    pieces(status, vec![Bytes::from(text)], manner.gzip)
}

/// Rows with what stands around them: `head` is an object without `rows`.
pub fn page(head: Map<String, Value>, rows: Vec<Recorded<MaskedRows>>, manner: &Manner) -> Response<Body> {
    page_of(head, rows.into_iter().map(Piece), manner)
}

fn page_of<P>(head: Map<String, Value>, rows: impl ExactSizeIterator<Item = P>, manner: &Manner) -> Response<Body>
where
    P: AsRef<[u8]> + Send + 'static,
{
    let whole = Mask::default();
    let mask = manner.mask.as_ref().unwrap_or(&whole);
    let head = mask.apply(Value::Object(head));
    let text = if manner.pretty { format!("{head:#}") } else { head.to_string() };
    let Some(mask) = mask.below("rows").filter(|_| rows.len() > 0) else {
        return pieces(StatusCode::OK, vec![Bytes::from(text)], manner.gzip);
    };
    let open = text.trim_end().strip_suffix('}').unwrap_or_default().trim_end().to_owned();
    let comma = if open.ends_with('{') { "" } else { "," };
    let mut parts = vec![Bytes::from(format!("{open}{comma}\"rows\":["))];
    for rows in rows {
        let bytes = if mask.is_whole() { Bytes::from_owner(rows) } else { reduced(rows.as_ref(), &mask) };
        if bytes.is_empty() {
            continue;
        }
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(bytes);
    }
    parts.push(Bytes::from_static(b"]}"));
    pieces(StatusCode::OK, parts, manner.gzip)
}

/// Rows of which a part is wanted: one piece at a time in memory.
fn reduced(rows: &[u8], mask: &Mask) -> Bytes {
    let list = [b"[", rows, b"]"].concat();
    let Ok(Value::Array(rows)) = serde_json::from_slice(&list) else { return Bytes::new() };
    let rows: Vec<String> = rows.into_iter().map(|row| mask.apply(row).to_string()).collect();
    Bytes::from(rows.join(","))
}

/// The bytes stay where they are, with the proof that they are on record.
struct Piece(Recorded<MaskedRows>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.0.value().text().as_bytes()
    }
}

fn pieces(status: StatusCode, parts: Vec<Bytes>, gzip: bool) -> Response<Body> {
    let bytes: usize = parts.iter().map(Bytes::len).sum();
    let packs = gzip && bytes >= PACKED_BYTES_MIN;
    let packer = packs.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    let left = u64::try_from(bytes).unwrap_or(u64::MAX);
    let mut response = Response::new(Body::new(Pieces { parts: parts.into(), packer, left }));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if packs {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else if let Ok(length) = HeaderValue::from_str(&bytes.to_string()) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// A body that is handed on piece by piece, as the connection takes it.
struct Pieces {
    parts: VecDeque<Bytes>,
    packer: Option<GzEncoder<Vec<u8>>>,
    /// Unpacked bytes that have not been taken.
    left: u64,
}

impl Pieces {
    fn next(&mut self) -> Option<Bytes> {
        let Some(packer) = &mut self.packer else { return self.parts.pop_front() };
        while let Some(part) = self.parts.front_mut() {
            let slice = part.split_to(part.len().min(SLICE_BYTES_MAX));
            if part.is_empty() {
                self.parts.pop_front();
            }
            // Writing into memory does not fail; if it did, the client would see a body that is cut.
            let _ = packer.write_all(&slice);
            if !packer.get_ref().is_empty() {
                return Some(Bytes::from(std::mem::take(packer.get_mut())));
            }
        }
        self.packer.take().and_then(|packer| packer.finish().ok()).map(Bytes::from).filter(|rest| !rest.is_empty())
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.next();
        let taken = next.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.left = self.left.saturating_sub(taken);
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.packer.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.packer.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}

#[cfg(test)]
mod tests;
