//! A server of bytes: it reads requests and answers what each test has written down, also what no server should.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one request is answered with.
#[derive(Clone, Debug)]
pub enum Turn {
    /// These bytes, and the connection stays.
    Say(Vec<u8>),
    /// These bytes, and the connection ends in good order.
    Close(Vec<u8>),
    /// These bytes, and the connection breaks.
    Reset(Vec<u8>),
    /// These bytes, and then nothing for as long as anybody waits.
    Stall(Vec<u8>),
    /// A byte now and then.
    Drip(Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub verb: String,
    pub target: String,
    /// As they came, with the verb.
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Double {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

const DRIP_MILLISECONDS: u64 = 40;

impl Double {
    /// The last turn is for all requests that follow.
    pub async fn start(turns: Vec<Turn>) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, turns) = (seen.clone(), Arc::new(turns));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), turns.clone()));
            }
        });
        Double { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `POST GET`.
    pub fn verbs(&self) -> String {
        self.seen().iter().map(|seen| seen.verb.clone()).collect::<Vec<_>>().join(" ")
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, turns: Arc<Vec<Turn>>) {
    let mut held = Vec::new();
    while let Some(seen) = request(&mut stream, &mut held).await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(seen);
            log.len() - 1
        };
        let turn = turns.get(number).or(turns.last()).cloned().unwrap_or(Turn::Close(Vec::new()));
        let (Turn::Say(bytes) | Turn::Close(bytes) | Turn::Reset(bytes) | Turn::Stall(bytes) | Turn::Drip(bytes)) = &turn;
        if matches!(turn, Turn::Drip(_)) {
            for byte in bytes {
                tokio::time::sleep(Duration::from_millis(DRIP_MILLISECONDS)).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        } else if stream.write_all(bytes).await.is_err() {
            return;
        }
        match turn {
            Turn::Say(_) | Turn::Drip(_) => {}
            Turn::Close(_) => return drop(stream.shutdown().await),
            Turn::Reset(_) => {
                // What was said has to arrive first.
                tokio::time::sleep(Duration::from_millis(20)).await;
                return drop(stream.set_zero_linger());
            }
            Turn::Stall(_) => return tokio::time::sleep(Duration::from_secs(3600)).await,
        }
    }
}

/// One request with its body, of a given length alone. Nothing at the end of the connection.
async fn request(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, held).await?;
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.unwrap_or(0);
    while held.len() < end + length {
        more(stream, held).await?;
    }
    let mut words = head.split(' ');
    let (verb, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let body = held[end..end + length].to_vec();
    held.drain(..end + length);
    Some(Seen { verb, target, head, body })
}

async fn more(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 64 * 1024];
    let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
    held.extend_from_slice(&buffer[..read]);
    Some(())
}

/// A whole answer.
pub fn said(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// BigQuery's error of this status and reason.
pub fn error(status: u16, reason: &str) -> Vec<u8> {
    said(&format!("{status} No"), &error_body(status, reason))
}

pub fn error_body(status: u16, reason: &str) -> String {
    let first = serde_json::json!({ "reason": reason, "message": "no 4711" });
    serde_json::json!({ "error": { "code": status, "message": "no 4711", "errors": [first] } }).to_string()
}
