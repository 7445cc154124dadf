//! Answers as bytes: JSON, reduced, compressed. Rows leave in the pieces that they were put on record in; nobody copies a page.

use super::fields::Mask;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use body::{Around, Coming, Onward, Pieces};
use serde_json::{Map, Value};
use sluice_app::{Ahead, RowsToCome};
use sluice_ledger::Recorded;
use sluice_mask::{Head, MaskedRows};
use std::collections::VecDeque;
use std::sync::Arc;

/// How the client wants its answer.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub gzip: bool,
    pub mask: Option<Mask>,
    pub pretty: bool,
    /// `If-None-Match`: an answer with one of these is not sent again.
    pub known_etags: Vec<String>,
}

impl Manner {
    /// Whether an answer with rows is asked for nothing that comes with them: neither rows nor where they go on.
    pub fn wants_no_rows(&self) -> bool {
        self.mask.as_ref().is_some_and(|mask| ["rows", "pageToken"].iter().all(|name| mask.below(name).is_none()))
    }
}

/// Less is not worth packing.
const PACKED_BYTES_MIN: usize = 1 << 10;

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

/// Rows with what stands around them: `head` is an object without `rows`. `tail` says what of it is known only behind them.
pub fn page(head: Map<String, Value>, results: PageRows, tail: Tail, manner: &Manner) -> Response<Body> {
    let PageRows { rows, more } = results;
    page_of(head, rows.into_iter().map(|rows| Piece { rows, _ahead: None }), more.map(|more| (more, tail)), manner)
}

/// What stands around the rows, by the page's own word.
pub type Tail = fn(&Head) -> Map<String, Value>;

/// The rows of an answer, and those that follow while it is sent.
pub struct PageRows {
    pub rows: Vec<Recorded<MaskedRows>>,
    pub more: Option<RowsToCome>,
}

fn page_of<P, C>(
    head: Map<String, Value>,
    rows: impl ExactSizeIterator<Item = P>,
    more: Option<(C, Tail)>,
    manner: &Manner,
) -> Response<Body>
where
    P: AsRef<[u8]> + Send + 'static,
    C: Coming<Rows = P>,
{
    let whole = Mask::default();
    let mask = manner.mask.as_ref().unwrap_or(&whole);
    let sent: Vec<String> = head.keys().cloned().collect();
    let head = mask.apply(Value::Object(head));
    let text = if manner.pretty { format!("{head:#}") } else { head.to_string() };
    let rows_mask = mask.below("rows").filter(|_| rows.len() > 0 || more.is_some()).cloned();
    if rows_mask.is_none() && more.is_none() {
        return pieces(StatusCode::OK, vec![Bytes::from(text)], manner.gzip);
    }
    let mut open = text.trim_end().strip_suffix('}').unwrap_or_default().trim_end().to_owned();
    let mut joint = Joint { is_first_member: open.ends_with('{'), is_first_row: true, rows: rows_mask.map(Arc::new) };
    joint.open_rows(&mut open);
    let mut parts = vec![Bytes::from(open)];
    let reduces = joint.reduces();
    let mut waiting = VecDeque::new();
    match &reduces {
        Some(_) => waiting.extend(rows),
        None => rows.for_each(|rows| parts.extend(joint.rows(Bytes::from_owner(rows)))),
    }
    if more.is_none() && reduces.is_none() {
        parts.push(joint.close(&Map::new()));
        return pieces(StatusCode::OK, parts, manner.gzip);
    }
    let (coming, tail) = more.map_or((None, None), |(coming, tail)| (Some(coming), Some(tail)));
    let around = Around { mask: mask.clone(), sent, tail };
    let body = Onward { inner: Pieces::new(parts, manner.gzip), waiting, reducing: None, coming, joint: Some(joint), around };
    headed(StatusCode::OK, Body::new(body), manner.gzip, None)
}

/// Where commas stand.
struct Joint {
    is_first_member: bool,
    is_first_row: bool,
    /// What is wanted of a row; nothing where no rows are.
    rows: Option<Arc<Mask>>,
}

impl Joint {
    fn open_rows(&mut self, text: &mut String) {
        if self.rows.is_some() {
            text.push_str(if self.is_first_member { "\"rows\":[" } else { ",\"rows\":[" });
            self.is_first_member = false;
        }
    }

    /// What is wanted of each row, where that is not all.
    fn reduces(&self) -> Option<Arc<Mask>> {
        self.rows.as_ref().filter(|mask| !mask.is_whole()).cloned()
    }

    /// As they are to be sent.
    fn rows(&mut self, bytes: Bytes) -> Vec<Bytes> {
        if self.rows.is_none() || bytes.is_empty() {
            return Vec::new();
        }
        let comma = (!self.is_first_row).then(|| Bytes::from_static(b","));
        self.is_first_row = false;
        comma.into_iter().chain([bytes]).collect()
    }

    fn close(&mut self, tail: &Map<String, Value>) -> Bytes {
        let mut text = String::from(if self.rows.is_some() { "]" } else { "" });
        for (name, value) in tail {
            if !self.is_first_member {
                text.push(',');
            }
            self.is_first_member = false;
            text.push_str(&format!("{}:{value}", Value::from(name.as_str())));
        }
        text.push('}');
        Bytes::from(text)
    }
}

/// Rows of which a part is wanted: one piece at a time in memory.
fn reduced(rows: &[u8], mask: &Mask) -> Bytes {
    let list = [b"[", rows, b"]"].concat();
    let Ok(Value::Array(rows)) = serde_json::from_slice(&list) else { return Bytes::new() };
    let rows: Vec<String> = rows.into_iter().map(|row| mask.apply(row).to_string()).collect();
    Bytes::from(rows.join(","))
}

/// The bytes stay where they are, with the proof that they are on record.
struct Piece {
    rows: Recorded<MaskedRows>,
    _ahead: Option<Ahead>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.rows.value().text().as_bytes()
    }
}

fn pieces(status: StatusCode, parts: Vec<Bytes>, gzip: bool) -> Response<Body> {
    let bytes: usize = parts.iter().map(Bytes::len).sum();
    let packs = gzip && bytes >= PACKED_BYTES_MIN;
    headed(status, Body::new(Pieces::new(parts, packs)), packs, Some(bytes))
}

fn headed(status: StatusCode, body: Body, packs: bool, bytes: Option<usize>) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if packs {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else if let Some(length) = bytes.and_then(|bytes| HeaderValue::from_str(&bytes.to_string()).ok()) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    response
}

mod body;
#[cfg(test)]
mod tests;
