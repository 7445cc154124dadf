//! A client of a few lines: one request on one connection, read to its end.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

pub struct Answer {
    pub status: u16,
    /// Lower case, a line each.
    pub head: String,
    /// As it was sent.
    pub raw_head: String,
    pub body: Vec<u8>,
    /// The connection ended before the body did.
    pub broken: bool,
}

pub struct Client {
    pub address: SocketAddr,
    pub token: Option<&'static str>,
}

impl Client {
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", &[])
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &body.to_string(), &[])
    }

    pub fn send(&self, verb: &str, path: &str, body: &str, headers: &[&str]) -> Answer {
        self.send_bytes(verb, path, body.as_bytes(), headers)
    }

    pub fn send_bytes(&self, verb: &str, path: &str, body: &[u8], headers: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head =
            format!("{verb} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n", self.address, body.len());
        if let Some(token) = self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
        stream.write_all(&[format!("{head}\r\n").as_bytes(), body].concat()).unwrap();
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        parse(&bytes, ended.is_err())
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.raw_head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// `status reason`, reason empty for what is no error.
    pub fn verdict(&self) -> String {
        let reason = serde_json::from_slice::<Value>(&self.body).ok().and_then(|body| body.pointer("/error/errors/0/reason").cloned());
        format!("{} {}", self.status, reason.as_ref().and_then(Value::as_str).unwrap_or_default())
    }
}

fn parse(bytes: &[u8], failed: bool) -> Answer {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {failed}"));
    let raw_head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let head = raw_head.to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &bytes[split + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse::<usize>().unwrap());
    match length {
        Some(length) => Answer { status, head, raw_head, body: rest.to_vec(), broken: rest.len() < length },
        None if head.contains("transfer-encoding: chunked") => {
            let (body, whole) = unchunked(rest);
            Answer { status, head, raw_head, body, broken: !whole }
        }
        None => Answer { status, head, raw_head, body: rest.to_vec(), broken: failed },
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let start = line + 2;
        if rest.len() < start + size + 2 {
            body.extend(&rest[start.min(rest.len())..]);
            return (body, false);
        }
        body.extend(&rest[start..start + size]);
        rest = &rest[start + size + 2..];
    }
}
