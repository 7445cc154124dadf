//! The head of a request: what can be read in two ways is refused before anything else is asked, and of the rest only what is needed is read.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Version, header};
use sluice_app::FormReason;
use std::net::IpAddr;

/// What is known of the connection that a request came by. The server puts it into each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: Option<IpAddr>,
    pub tls: Option<String>,
}

/// Put into a request whose head says in two ways how long its body is: by then one of them is gone from the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// As it is meant: after `X-HTTP-Method-Override`.
    pub verb: String,
    pub host: String,
    pub bearer: Option<Vec<u8>>,
    pub if_match: Option<String>,
    pub known_etags: Vec<String>,
    pub accepts_gzip: bool,
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub said: Vec<(String, String)>,
}

/// After one of these nobody knows where the next request begins, so the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadFault {
    pub reason: FormReason,
    pub text: String,
}

pub const HEADERS_MAX: usize = 100;
pub const HEADERS_BYTES_MAX: usize = 64 << 10;
pub const ETAG_BYTES_MAX: usize = 256;
pub const ETAGS_MAX: usize = 32;
const SAID_BYTES_MAX: usize = 512;

const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Each at most once: of two, programs on the way may each have believed another.
const SINGLE: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    OVERRIDE,
    HeaderName::from_static("x-upload-content-type"),
];

/// Kept for the record as what the client says of itself.
const SAID: [&str; 4] = ["x-goog-api-client", "x-goog-request-reason", "x-goog-user-project", "traceparent"];

/// The verbs that a method can have.
const VERBS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

pub fn read(parts: &Parts, peer: &Peer, proxies: &[IpAddr]) -> Result<Head, HeadFault> {
    let headers = &parts.headers;
    check_sizes(headers)?;
    for name in &SINGLE {
        if headers.get_all(name).iter().count() > 1 {
            return Err(invalid(format!("the header `{name}` stands twice")));
        }
    }
    check_framing(parts)?;
    Ok(Head {
        verb: verb(parts)?,
        host: host(parts)?,
        bearer: bearer(headers)?,
        if_match: etag(headers, &header::IF_MATCH)?,
        known_etags: known_etags(parts)?,
        accepts_gzip: accepts_gzip(headers),
        address: address(headers, peer, proxies)?,
        user_agent: text(headers, &header::USER_AGENT).map(|agent| cut(agent, SAID_BYTES_MAX)),
        said: SAID.iter().filter_map(|name| Some(((*name).to_owned(), cut(headers.get(*name)?.to_str().ok()?, SAID_BYTES_MAX)))).collect(),
    })
}

fn check_sizes(headers: &HeaderMap) -> Result<(), HeadFault> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        let text = format!("the request has more than {HEADERS_MAX} headers, or more than {HEADERS_BYTES_MAX} bytes of them");
        return Err(HeadFault { reason: FormReason::TooLarge, text });
    }
    Ok(())
}

/// How long the body is must be said in one way.
fn check_framing(parts: &Parts) -> Result<(), HeadFault> {
    let headers = &parts.headers;
    if parts.extensions.get::<Ambiguous>().is_some() {
        let text = "the request says how long its body is in two ways (a `Content-Length` and a `Transfer-Encoding`, two lengths that differ, two codings) or in \
                    one that cannot be read; accepted: one `Content-Length`, or `Transfer-Encoding: chunked`";
        return Err(invalid(text));
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(invalid("the request has a `Content-Length` and a `Transfer-Encoding`"));
        }
        if parts.version < Version::HTTP_11 || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(invalid("the `Transfer-Encoding` is not `chunked`"));
        }
    }
    if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        let digits = length.as_bytes();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(invalid("the `Content-Length` is not a number"));
        }
    }
    if headers.contains_key(header::UPGRADE) {
        return Err(invalid("the connection is not upgraded to another protocol"));
    }
    if headers.get(header::EXPECT).is_some_and(|expected| !expected.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(invalid("the `Expect` is not `100-continue`"));
    }
    for name in [header::IF_UNMODIFIED_SINCE, header::RANGE, header::IF_RANGE] {
        if headers.contains_key(&name) {
            return Err(invalid(format!("the header `{name}` is not understood here: leave it out")));
        }
    }
    Ok(())
}

/// For clients whose network lets only GET and POST through.
fn verb(parts: &Parts) -> Result<String, HeadFault> {
    let verb = parts.method.as_str();
    let Some(meant) = parts.headers.get(OVERRIDE) else { return Ok(verb.to_owned()) };
    let known = VERBS.iter().find(|known| known.as_bytes() == meant.as_bytes());
    match known {
        Some(known) if verb == "POST" => Ok((*known).to_owned()),
        Some(_) => Err(invalid(format!("`{OVERRIDE}` goes with POST alone"))),
        None => Err(invalid(format!("`{OVERRIDE}` is none of {}", VERBS.join(", ")))),
    }
}

/// One name for the gateway in one request: the header's, and where the target carries one, the same.
fn host(parts: &Parts) -> Result<String, HeadFault> {
    let is_http1 = parts.version < Version::HTTP_2;
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let header = match parts.headers.get(header::HOST) {
        Some(host) => Some(host.to_str().map_err(|_| invalid("the `Host` is not a name"))?.to_owned()),
        None => None,
    };
    if is_http1 && authority.is_some() {
        return Err(invalid("the target of the request is a whole address: send the path alone"));
    }
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(invalid("the request is for another protocol"));
    }
    let host = match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(&authority) => {
            return Err(invalid("the `Host` is not the one that the request is for"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(invalid("the request has no `Host`")),
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(is_letter) {
        return Err(invalid("the `Host` is not a name"));
    }
    Ok(host)
}

fn bearer(headers: &HeaderMap) -> Result<Option<Vec<u8>>, HeadFault> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let bytes = value.as_bytes();
    let (scheme, token) = bytes.split_at_checked(7).unwrap_or((bytes, &[]));
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Ok(None);
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.is_empty() || !token.iter().all(is_token) {
        return Err(invalid("the `Authorization` is not `Bearer` and one token"));
    }
    Ok(Some(token.to_vec()))
}

/// The state that a change is meant for. Sent on as it came, so it must be one plain tag.
fn etag(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, HeadFault> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str().ok().map(str::trim).filter(|tag| is_etag(tag)) {
        Some(tag) => Ok(Some(tag.to_owned())),
        None => Err(invalid(format!("the header `{name}` is not one etag"))),
    }
}

/// What the client has already, where it only reads.
fn known_etags(parts: &Parts) -> Result<Vec<String>, HeadFault> {
    let Some(value) = parts.headers.get(header::IF_NONE_MATCH) else { return Ok(Vec::new()) };
    let text = value.to_str().map_err(|_| invalid("the header `if-none-match` is not a list of etags"))?;
    let tags: Vec<&str> = text.split(',').map(str::trim).collect();
    if tags.len() > ETAGS_MAX || !tags.iter().all(|tag| is_etag(tag)) {
        return Err(invalid("the header `if-none-match` is not a list of etags"));
    }
    if parts.method != "GET" {
        return Err(invalid("the header `if-none-match` goes with GET alone"));
    }
    Ok(tags.into_iter().map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned()).collect())
}

fn is_etag(tag: &str) -> bool {
    let inner = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(inner);
    let is_letter = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\');
    !inner.is_empty() && inner.len() <= ETAG_BYTES_MAX && inner.bytes().all(is_letter)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    accepted.into_iter().any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let is_refused = parts.any(|part| {
            part.replace(' ', "").strip_prefix("q=").is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0))
        });
        is_gzip && !is_refused
    })
}

/// Whom a configured proxy has seen; of others a header says nothing.
fn address(headers: &HeaderMap, peer: &Peer, proxies: &[IpAddr]) -> Result<Option<IpAddr>, HeadFault> {
    let Some(proxy) = peer.address.filter(|address| proxies.contains(address)) else { return Ok(peer.address) };
    let values = headers.get_all(FORWARDED_FOR);
    let mut seen = Vec::new();
    for text in values.iter().map(|value| value.to_str().unwrap_or("?")).flat_map(|text| text.split(',')) {
        seen.push(text.trim().parse::<IpAddr>().map_err(|_| invalid("`x-forwarded-for` is not a list of addresses"))?);
    }
    // From the right: the nearest that is no proxy of ours. What stands further left was said by it, or by nobody.
    Ok(Some(seen.into_iter().rev().find(|address| !proxies.contains(address)).unwrap_or(proxy)))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Header values of this kind are ASCII, so a byte is a letter.
fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..bytes_max).unwrap_or(text).to_owned()
}

fn invalid(text: impl Into<String>) -> HeadFault {
    HeadFault { reason: FormReason::Invalid, text: text.into() }
}

#[cfg(test)]
mod tests;
