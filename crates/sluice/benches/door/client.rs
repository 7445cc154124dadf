//! A client that keeps its connection: one request, one answer, and no copy of what nobody looks at.

use super::Outcome;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// As many libraries read.
const BUFFER_BYTES: usize = 256 << 10;
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Of a body, that are kept.
const END_BYTES: usize = 4 << 10;
const SILENCE: Duration = Duration::from_secs(60);

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub token: Option<String>,
}

pub struct Link {
    stream: TcpStream,
    authorization: String,
    buffer: Vec<u8>,
    /// What of the buffer has been read from the socket and not been used.
    from: usize,
    to: usize,
}

pub struct Answer {
    pub status: u16,
    /// As much of the body as was wanted.
    pub start: Vec<u8>,
    /// Its last bytes.
    pub end: Vec<u8>,
    /// All of the body.
    pub bytes: u64,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.start).into_owned()
    }

    pub fn json(&self) -> Outcome<serde_json::Value> {
        Ok(serde_json::from_slice(&self.start)?)
    }

    /// The value of a text that stands before the rows, or behind them.
    pub fn member(&self, name: &str) -> Option<String> {
        let (start, end) = (self.text(), String::from_utf8_lossy(&self.end));
        let parts = [start.split("\"rows\"").next()?, end.rsplit(']').next()?];
        let (_, behind) = parts.iter().find_map(|part| part.split_once(&format!("\"{name}\":\"")))?;
        behind.split('"').next().map(str::to_owned)
    }
}

impl Link {
    pub fn open(target: &Target) -> Outcome<Link> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let authorization = target.token.as_ref().map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        Ok(Link { stream, authorization, buffer: vec![0; BUFFER_BYTES], from: 0, to: 0 })
    }

    /// `kept_bytes_max` of the body are kept, the rest is read and counted.
    pub fn ask(&mut self, verb: &str, path: &str, kind: &str, body: &str, kept_bytes_max: usize) -> Outcome<Answer> {
        let length = body.len();
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}",
            self.authorization
        );
        self.stream.write_all(request.as_bytes())?;
        let head = self.head()?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status")?;
        let field = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:").map(|value| value.trim().to_owned());
        let mut answer = Answer { status, start: Vec::new(), end: Vec::new(), bytes: 0 };
        if let Some(length) = head.lines().find_map(field) {
            self.take(length.parse()?, kept_bytes_max, &mut answer)?;
            return Ok(answer);
        }
        // A page that leaves while it comes has no length.
        loop {
            let size = u64::from_str_radix(self.until(b"\r\n")?.trim_end(), 16)?;
            self.take(size, kept_bytes_max, &mut answer)?;
            self.until(b"\r\n")?;
            if size == 0 {
                return Ok(answer);
            }
        }
    }

    fn take(&mut self, bytes: u64, kept_bytes_max: usize, answer: &mut Answer) -> Outcome<()> {
        let mut left = bytes;
        while left > 0 {
            if self.from == self.to {
                self.fill()?;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.to - self.from);
            let wanted = count.min(kept_bytes_max.saturating_sub(answer.start.len()));
            answer.start.extend_from_slice(self.buffer.get(self.from..self.from + wanted).unwrap_or_default());
            let to = self.from + count;
            let last = self.buffer.get(to.saturating_sub(END_BYTES).max(self.from)..to);
            answer.end.extend_from_slice(last.unwrap_or_default());
            answer.end.drain(..answer.end.len().saturating_sub(END_BYTES));
            self.from += count;
            left -= count as u64;
        }
        answer.bytes += bytes;
        Ok(())
    }

    fn head(&mut self) -> Outcome<String> {
        self.until(b"\r\n\r\n")
    }

    fn until(&mut self, end: &[u8]) -> Outcome<String> {
        let mut text = Vec::new();
        while !text.ends_with(end) {
            if self.from == self.to {
                self.fill()?;
            }
            text.extend(self.buffer.get(self.from));
            self.from += 1;
            if text.len() > HEAD_BYTES_MAX {
                return Err("a head without an end".into());
            }
        }
        Ok(String::from_utf8(text)?)
    }

    fn fill(&mut self) -> Outcome<()> {
        (self.from, self.to) = (0, self.stream.read(&mut self.buffer)?);
        if self.to == 0 { Err("the connection was closed before the answer was whole".into()) } else { Ok(()) }
    }
}
