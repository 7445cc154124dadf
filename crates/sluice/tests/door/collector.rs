//! A collector of traces that keeps what it is sent, and one that takes everything and never answers.

use crate::program::pause;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(10);
/// No call waits so long unless something is broken.
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Answers,
    Hangs,
}

pub struct FakeCollector {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Received>>>,
}

#[derive(Clone, Debug)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl FakeCollector {
    pub fn start(manner: Manner) -> FakeCollector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&calls);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || attend(stream.unwrap(), manner, &kept));
            }
        });
        FakeCollector { address, calls }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn calls(&self) -> Vec<Received> {
        self.calls.lock().unwrap().clone()
    }

    /// Of all calls, in the order in which they came.
    pub fn spans(&self) -> Vec<Value> {
        let of = |call: &Received| {
            let body: Value = serde_json::from_slice(&call.body).unwrap_or_else(|error| panic!("{error}: {call:?}"));
            body.pointer("/resourceSpans/0/scopeSpans/0/spans").and_then(Value::as_array).unwrap_or_else(|| panic!("{body}")).clone()
        };
        self.calls().iter().flat_map(of).collect()
    }

    pub fn wait(&self, what: &str, holds: impl Fn(&FakeCollector) -> bool) {
        wait(what, || holds(self));
    }
}

/// Until it holds.
pub fn wait(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < WITHIN, "in vain: {what}");
        pause(LOOK);
    }
}

fn attend(mut stream: TcpStream, manner: Manner, kept: &Mutex<Vec<Received>>) {
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        while let Some((call, rest)) = split(&bytes) {
            kept.lock().unwrap().push(call);
            bytes = rest;
            if manner == Manner::Answers {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            }
        }
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => return,
        }
    }
}

/// The first whole call.
fn split(bytes: &[u8]) -> Option<(Received, Vec<u8>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.to_ascii_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
    let body = bytes.get(end..end + length)?.to_vec();
    Some((Received { head, body }, bytes[end + length..].to_vec()))
}
