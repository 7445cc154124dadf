//! Follows the requests of a connection of HTTP/1 from head to head, beside the library that serves them.
//!
//! The library lets a `Transfer-Encoding` win over a `Content-Length` and forgets that there was one. Whoever sends both wants two readers to
//! see two different requests, so it is refused, and for that somebody has to see both. What cannot be followed here is refused too.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Longer than any line that the library takes.
const LINE_BYTES_MAX: usize = 128 << 10;
/// Heads that are read and not served yet. The library reads no further than a few.
const HEADS_WAITING_MAX: usize = 4_096;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Of each head that came, in order, whether it says how long its body is in one way.
#[derive(Debug, Default)]
pub struct Heads(Mutex<VecDeque<bool>>);

#[derive(Debug)]
pub struct Framing {
    state: State,
    line: Vec<u8>,
    length: Option<Option<u64>>,
    coding: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Body(u64),
    ChunkData(u64),
    ChunkEnd,
    ChunkSize,
    Headers,
    /// HTTP/2, or what the library refuses.
    Over,
    /// So many bytes are as HTTP/2 begins.
    Preface(usize),
    RequestLine,
    Trailers,
}

impl Heads {
    /// For the next request that is served. False also for one that was not followed.
    pub fn next_is_clear(&self) -> bool {
        self.lock().pop_front().unwrap_or(false)
    }

    fn push(&self, is_clear: bool) -> bool {
        let mut heads = self.lock();
        let has_room = heads.len() < HEADS_WAITING_MAX;
        if has_room {
            heads.push_back(is_clear);
        }
        has_room
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Framing {
    pub fn new() -> Framing {
        Framing { state: State::Preface(0), line: Vec::new(), length: None, coding: None }
    }

    /// Whether it is known which version of HTTP it is: from then on the library watches the time.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Preface(_))
    }

    /// The bytes that came next.
    pub fn follow(&mut self, mut bytes: &[u8], heads: &Heads) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Over => return,
                State::Preface(count) => {
                    self.state = begin(count, *first);
                    match self.state {
                        State::RequestLine => self.line.extend_from_slice(PREFACE.get(..count).unwrap_or_default()),
                        _ => bytes = rest,
                    }
                }
                State::Body(left) | State::ChunkData(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.skip(left.saturating_sub(taken as u64));
                }
                State::ChunkEnd | State::ChunkSize | State::Headers | State::RequestLine | State::Trailers => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let taken = end.map_or(bytes.len(), |end| end + 1);
                    self.line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if self.line.len() > LINE_BYTES_MAX {
                        self.state = State::Over;
                    } else if end.is_some() {
                        let line = std::mem::take(&mut self.line);
                        self.state = self.after_line(without_end(&line), heads);
                    }
                }
            }
        }
    }

    fn skip(&mut self, left: u64) {
        self.state = match self.state {
            State::Body(_) if left == 0 => State::RequestLine,
            State::Body(_) => State::Body(left),
            _ if left == 0 => State::ChunkEnd,
            _ => State::ChunkData(left),
        };
    }

    fn after_line(&mut self, line: &[u8], heads: &Heads) -> State {
        match self.state {
            // Empty lines before a request are nothing.
            State::RequestLine if line.is_empty() => State::RequestLine,
            State::RequestLine => {
                (self.length, self.coding) = (None, None);
                State::Headers
            }
            State::Headers if line.is_empty() => self.after_head(heads),
            State::Headers => self.header(line),
            State::ChunkSize => match chunk_size(line) {
                None => State::Over,
                Some(0) => State::Trailers,
                Some(size) => State::ChunkData(size),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::Trailers if line.is_empty() => State::RequestLine,
            State::Trailers => State::Trailers,
            _ => State::Over,
        }
    }

    fn header(&mut self, line: &[u8]) -> State {
        // A folded line could belong to either of them.
        let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|_| !line.starts_with(b" ") && !line.starts_with(b"\t")) else {
            return State::Over;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = length.and_then(|text| text.parse().ok());
            let is_same = self.length.is_none_or(|before| before == length);
            self.length = Some(length.filter(|_| is_same));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding = Some(self.coding.is_none() && value.eq_ignore_ascii_case(b"chunked"));
        }
        State::Headers
    }

    fn after_head(&mut self, heads: &Heads) -> State {
        let (is_clear, next) = match (self.length, self.coding) {
            (None, None) => (true, State::RequestLine),
            (Some(Some(0)), None) => (true, State::RequestLine),
            (Some(Some(length)), None) => (true, State::Body(length)),
            (None, Some(true)) => (true, State::ChunkSize),
            // Of both, or of one that cannot be read, nothing is believed.
            _ => (false, State::Over),
        };
        if heads.push(is_clear) { next } else { State::Over }
    }
}

fn begin(count: usize, byte: u8) -> State {
    match PREFACE.get(count) {
        Some(expected) if *expected == byte && count + 1 == PREFACE.len() => State::Over,
        Some(expected) if *expected == byte => State::Preface(count + 1),
        _ => State::RequestLine,
    }
}

/// Extensions say nothing of it.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(text, 16).ok()
}

/// Some write the end of a line without a carriage return.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of every size the same is seen.
    fn check(text: &str, expect: &[bool]) {
        for piece in [1, 2, 3, 7, text.len()] {
            let (heads, mut framing) = (Heads::default(), Framing::new());
            for part in text.as_bytes().chunks(piece) {
                framing.follow(part, &heads);
            }
            assert_eq!(heads.0.into_inner().unwrap(), expect, "pieces of {piece}: {text}");
        }
    }

    #[test]
    fn each_head_is_seen_once() {
        let get = "GET / HTTP/1.1\r\nHost: gw\r\n\r\n";
        let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n{body}");
        let chunked = post("transfer-encoding: Chunked\r\n", "5;x\r\nGET /\r\n0\r\nA: b\r\n\r\n");
        let counted = post("Content-Length: 9\r\nContent-Length: 9\r\n", "GET / x\r\n");
        check(get, &[true]);
        check(&format!("\r\n{get}{counted}{chunked}{get}"), &[true, true, true, true]);
        check(&get.replace("\r\n", "\n").repeat(2), &[true, true]);
        check(&post("Content-Length: 0\r\n", get), &[true, true]);
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[]);
        check("PRI / HTTP/1.1\r\n\r\n", &[true]);
        check("P", &[]);
    }

    #[test]
    fn two_lengths_are_not_clear() {
        let check = |headers: &str| {
            let post = format!("POST / HTTP/1.1\r\n{headers}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
            check(&format!("GET / HTTP/1.1\r\n\r\n{post}"), &[true, false]);
        };
        check("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n");
        check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
        check("Content-Length: 0\r\nTRANSFER-ENCODING: chunked\r\n");
        check("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
        check("Transfer-Encoding: gzip, chunked\r\n");
        check("Content-Length: 5\r\nContent-Length: 6\r\n");
        check("Content-Length: 5, 5\r\n");
        check("Content-Length: +5\r\n");
        check("Content-Length: 99999999999999999999\r\n");
    }

    #[test]
    fn what_cannot_be_followed_is_not_clear() {
        let lost = |text: &str| {
            let (heads, mut framing) = (Heads::default(), Framing::new());
            framing.follow(text.as_bytes(), &heads);
            while heads.0.lock().unwrap().len() > 1 {
                heads.next_is_clear();
            }
            assert_eq!(framing.state, State::Over, "{text}");
        };
        lost("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n");
        lost("GET / HTTP/1.1\r\nno colon\r\n\r\n");
        lost("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
        lost("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n");
        lost(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(LINE_BYTES_MAX)));
        assert!(!Heads::default().next_is_clear());
    }
}
