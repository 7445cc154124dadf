//! Bytes to the gateway and back, over sockets of our own: nothing on the way makes a request better or worse than it was written.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any call may be held.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The mark that its request carried, and its records carry.
    pub mark: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// BigQuery's word for an error; empty where there is none.
    pub fn reason(&self) -> String {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value.pointer("/error/errors/0/reason").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Status and reason, as tables of cases write them.
    pub fn class(&self) -> String {
        format!("{} {}", self.status, self.reason()).trim_end().to_owned()
    }
}

/// A connection, plain or not.
pub enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Whoever made the certificate of the gateway.
pub fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}

impl Link {
    pub fn plain(address: SocketAddr) -> Link {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Link::Plain(stream)
    }

    pub fn tls(address: SocketAddr, roots: RootCertStore, protocol: &[u8]) -> Link {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut configuration = builder.with_root_certificates(roots).with_no_client_auth();
        configuration.alpn_protocols = vec![protocol.to_vec()];
        let client = ClientConnection::new(Arc::new(configuration), ServerName::try_from("localhost").unwrap()).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Link::Tls(Box::new(StreamOwned::new(client, stream)))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Link::Plain(stream) => stream,
            Link::Tls(stream) => &stream.sock,
        }
    }

    /// The other side may have closed already: what counts is what it answers.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let stream: &mut dyn Write = match self {
            Link::Plain(stream) => stream,
            Link::Tls(stream) => stream,
        };
        stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
    }

    /// Everything until the other side closes or is silent for so long; and whether it closed.
    pub fn receive(&mut self, silence: Duration) -> (Vec<u8>, bool) {
        let mut back = Vec::new();
        loop {
            match self.receive_some(if back.is_empty() { PATIENCE } else { silence }) {
                None => return (back, false),
                Some(part) if part.is_empty() => return (back, true),
                Some(part) => back.extend_from_slice(&part),
            }
        }
    }

    /// Everything until the other side closes, or nothing comes for so long.
    pub fn receive_whole(&mut self, patience: Duration) -> Vec<u8> {
        let mut back = Vec::new();
        while let Some(part) = self.receive_some(patience).filter(|part| !part.is_empty()) {
            back.extend_from_slice(&part);
        }
        back
    }

    /// Nothing in time: none. Closed: empty.
    pub fn receive_some(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let started = Instant::now();
        let mut part = vec![0; 64 << 10];
        loop {
            let left = patience.checked_sub(started.elapsed()).filter(|left| !left.is_zero())?;
            self.socket().set_read_timeout(Some(left)).unwrap();
            let stream: &mut dyn Read = match self {
                Link::Plain(stream) => stream,
                Link::Tls(stream) => stream,
            };
            match stream.read(&mut part) {
                Ok(count) => return Some(part[..count].to_vec()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(_) => return Some(Vec::new()),
            }
        }
    }
}

/// One request on a connection of its own, as a plain client sends it.
pub fn request(verb: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut text = format!("{verb} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if body.is_some() || matches!(verb, "PATCH" | "POST" | "PUT") {
        text.push_str(&format!("Content-Length: {}\r\n", body.map_or(0, <[u8]>::len)));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body.unwrap_or_default()].concat()
}

/// The answers in what came back, one after the other. Interim ones are left out.
pub fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {head}"));
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        bytes = &bytes[end + 4..];
        if status == 100 {
            continue;
        }
        let of = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let (body, rest) = if of("transfer-encoding") == Some("chunked") {
            unchunked(bytes)
        } else {
            let length = of("content-length").and_then(|value| value.parse().ok());
            let length: usize = length.unwrap_or(if matches!(status, 204 | 304) { 0 } else { bytes.len() }).min(bytes.len());
            (bytes[..length].to_vec(), &bytes[length..])
        };
        answers.push(Answer { status, headers, body, mark: String::new() });
        bytes = rest;
    }
    answers
}

/// As far as it came.
fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let start = end + 2;
        match size {
            Some(0) => return (body, &bytes[(start + 2).min(bytes.len())..]),
            Some(size) if bytes.len() >= start + size => {
                body.extend_from_slice(&bytes[start..start + size]);
                bytes = &bytes[(start + size + 2).min(bytes.len())..];
            }
            _ => break,
        }
    }
    body.extend_from_slice(bytes);
    (body, &[])
}
