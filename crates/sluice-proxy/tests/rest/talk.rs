//! Bytes to a door and back.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for a busy machine; a connection that is kept open answers nothing more.
const SILENCE: Duration = Duration::from_millis(400);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Everything that comes back, until the door closes or is silent; and whether it closed.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The door may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut back = Vec::new();
    let mut wait = Duration::from_secs(10);
    loop {
        let mut part = vec![0; 64 << 10];
        match tokio::time::timeout(wait, stream.read(&mut part)).await {
            Err(_) => return (back, false),
            Ok(Ok(0) | Err(_)) => return (back, true),
            Ok(Ok(count)) => back.extend_from_slice(&part[..count]),
        }
        wait = SILENCE;
    }
}

/// The answers in what came back, one after the other. Interim ones are left out.
pub fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        bytes = &bytes[end + 4..];
        if status == 100 {
            continue;
        }
        let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
        let length: usize = length.unwrap_or(if matches!(status, 204 | 304) { 0 } else { bytes.len() }).min(bytes.len());
        let (body, rest) = bytes.split_at(length);
        answers.push(Answer { status, headers, body: body.to_vec() });
        bytes = rest;
    }
    answers
}

pub async fn ask(address: SocketAddr, verb: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut text = format!("{verb} {path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n{headers}");
    if !body.is_empty() || matches!(verb, "POST" | "PUT" | "PATCH") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    if !body.is_empty() && !headers.to_ascii_lowercase().contains("content-type") {
        text.push_str("Content-Type: application/json\r\n");
    }
    text.push_str("\r\n");
    let (back, _) = exchange(address, &[text.as_bytes(), body].concat()).await;
    let mut answers = answers(&back);
    assert_eq!(answers.len(), 1, "{verb} {path}: {}", String::from_utf8_lossy(&back));
    answers.remove(0)
}

pub const GOOD: &str = "Authorization: Bearer good\r\n";
