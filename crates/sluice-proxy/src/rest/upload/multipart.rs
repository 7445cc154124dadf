//! `multipart/related`, as BigQuery's clients send it: exactly two parts, read as they come.

use super::{invalid, next_data};
use crate::rest::configuration::FormFault;
use axum::body::{Body, Bytes};

pub const BOUNDARY_BYTES_MAX: usize = 70;
pub const PART_HEAD_BYTES_MAX: usize = 8 << 10;

pub struct Multipart {
    body: Body,
    /// Read and not yet given out.
    buffer: Vec<u8>,
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    place: Place,
    parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a delimiter, in the data of a part.
    Data,
    /// Behind a delimiter, where a head or the end follows.
    Delimiter,
    End,
}

impl Multipart {
    pub fn new(media_type: &str, body: Body) -> Result<Multipart, FormFault> {
        let boundary = boundary(media_type).ok_or_else(|| invalid("the `Content-Type` is not `multipart/related` with a boundary"))?;
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line before it.
        Ok(Multipart { body, buffer: b"\r\n".to_vec(), delimiter, place: Place::Data, parts: 0 })
    }

    /// The media type of the next part.
    pub async fn next_head(&mut self) -> Result<Option<String>, FormFault> {
        if self.place == Place::Data {
            // What stands before the first part is nobody's; a part that was not read to its end is a mistake of ours.
            if self.next_data().await?.is_some() {
                return Err(invalid("something stands before the first part of the upload"));
            }
        }
        if self.place == Place::End || self.parts >= 2 {
            return Err(invalid("the upload has not two parts"));
        }
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > PART_HEAD_BYTES_MAX || !self.fill().await? {
                return Err(invalid("the head of a part of the upload has no end"));
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).map_err(|_| invalid("the head of a part of the upload is not UTF-8"))?;
        self.place = Place::Data;
        self.parts += 1;
        let mut media_type = None;
        for line in head.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("the head of a part of the upload is malformed"))?;
            match name.to_ascii_lowercase().as_str() {
                "content-type" if media_type.is_none() => media_type = Some(value.trim().to_owned()),
                "mime-version" | "content-id" | "content-length" | "content-disposition" => {}
                "content-transfer-encoding" if matches!(value.trim().to_ascii_lowercase().as_str(), "binary" | "8bit" | "7bit") => {}
                _ => return Err(invalid("the head of a part of the upload has a field that is not understood")),
            }
        }
        Ok(media_type)
    }

    /// Data of this part; nothing at its end.
    pub async fn next_data(&mut self) -> Result<Option<Bytes>, FormFault> {
        if self.place != Place::Data {
            return Ok(None);
        }
        loop {
            if let Some(at) = find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.give(at)));
                }
                return self.pass_delimiter().await.map(|()| None);
            }
            // A delimiter may have begun at the end.
            let safe = self.buffer.len().saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.give(safe)));
            }
            if !self.fill().await? {
                return Err(invalid("the upload breaks off"));
            }
        }
    }

    /// The last delimiter has been seen, behind two parts.
    pub fn is_whole(&self) -> bool {
        self.place == Place::End && self.parts == 2
    }

    fn give(&mut self, bytes: usize) -> Bytes {
        Bytes::from(self.buffer.drain(..bytes).collect::<Vec<u8>>())
    }

    async fn fill(&mut self) -> Result<bool, FormFault> {
        let Some(data) = next_data(&mut self.body).await? else { return Ok(false) };
        self.buffer.extend_from_slice(&data);
        Ok(true)
    }

    /// A line break means that another part follows, two dashes that none does.
    async fn pass_delimiter(&mut self) -> Result<(), FormFault> {
        let bytes = self.delimiter.len();
        while self.buffer.len() < bytes + 2 {
            if !self.fill().await? {
                return Err(invalid("the upload breaks off"));
            }
        }
        self.buffer.drain(..bytes);
        let mark: Vec<u8> = self.buffer.drain(..2).collect();
        match mark.as_slice() {
            b"\r\n" => self.place = Place::Delimiter,
            b"--" => self.end().await?,
            _ => return Err(invalid("the boundary of the upload is malformed")),
        }
        Ok(())
    }

    /// Behind the last boundary nothing stands but a line break.
    async fn end(&mut self) -> Result<(), FormFault> {
        while self.buffer.len() <= 2 && self.fill().await? {}
        if !matches!(self.buffer.as_slice(), b"" | b"\r\n") {
            return Err(invalid("something stands behind the last part of the upload"));
        }
        self.place = Place::End;
        Ok(())
    }
}

fn boundary(media_type: &str) -> Option<String> {
    let mut parts = media_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let mut found = None;
    for part in parts {
        let (name, value) = part.split_once('=')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "boundary" if found.is_none() => found = Some(value.trim().trim_matches('"').to_owned()),
            "type" | "charset" | "start" => {}
            _ => return None,
        }
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    found.filter(|boundary| !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX && boundary.bytes().all(is_letter))
}

/// Where it begins. Delimiters begin with a carriage return, and most data has few.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| *byte == first)?;
        if text.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    /// The same, cut anywhere.
    async fn parts(media_type: &str, text: &[u8], cut: usize) -> Result<Vec<(String, Vec<u8>)>, String> {
        let frames: Vec<Result<Bytes, std::io::Error>> = text.chunks(cut).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = Body::new(Frames(frames.into()).boxed_unsync());
        let mut multipart = Multipart::new(media_type, body).map_err(|fault| fault.text)?;
        let mut parts = Vec::new();
        for _ in 0..2 {
            let head = multipart.next_head().await.map_err(|fault| fault.text)?.unwrap_or_default();
            let mut data = Vec::new();
            while let Some(bytes) = multipart.next_data().await.map_err(|fault| fault.text)? {
                assert!(!bytes.is_empty());
                data.extend_from_slice(&bytes);
            }
            parts.push((head, data));
        }
        if multipart.is_whole() { Ok(parts) } else { Err("not whole".to_owned()) }
    }

    struct Frames(std::collections::VecDeque<Result<Bytes, std::io::Error>>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
            std::task::Poll::Ready(self.0.pop_front().map(|data| data.map(http_body::Frame::data)))
        }
    }

    const TYPE: &str = "multipart/related; boundary=\"b\"";

    async fn check(media_type: &str, text: &str, expect: Result<&str, &str>) {
        for cut in [1, 2, 3, 5, 7, 64, 100_000] {
            match (parts(media_type, text.as_bytes(), cut).await, expect) {
                (Ok(parts), Ok(expect)) => {
                    let found: Vec<String> = parts.iter().map(|(head, data)| format!("{head}:{}", String::from_utf8_lossy(data))).collect();
                    assert_eq!(found.join("|"), expect, "{text:?} by {cut}");
                }
                (Err(fault), Err(part)) => assert!(fault.contains(part), "{text:?} by {cut}: {fault}"),
                (found, _) => panic!("{text:?} by {cut}: {found:?}"),
            }
        }
    }

    #[tokio::test]
    async fn two_parts_are_read_wherever_they_are_cut() {
        let two = |first: &str, second: &str| {
            format!("--b\r\nContent-Type: application/json\r\n\r\n{first}\r\n--b\r\ncontent-type: */*\r\n\r\n{second}\r\n--b--")
        };
        check(TYPE, &two("{}", "a,b"), Ok("application/json:{}|*/*:a,b")).await;
        check(TYPE, &(two("{}", "a,b") + "\r\n"), Ok("application/json:{}|*/*:a,b")).await;
        check(TYPE, &two("{}", ""), Ok("application/json:{}|*/*:")).await;
        check(TYPE, &two("", "\r\n\r\n"), Ok("application/json:|*/*:\r\n\r\n")).await;
        check(TYPE, &two("{}", "x\r\n--\r\n-b\r\n--a"), Ok("application/json:{}|*/*:x\r\n--\r\n-b\r\n--a")).await;
        check("Multipart/Related;boundary=b", &two("{}", "x"), Ok("application/json:{}|*/*:x")).await;
        let refused = [
            ("", "breaks off"),
            ("--b", "breaks off"),
            ("--b\r\n", "no end"),
            ("--b--", "not two parts"),
            ("--b\r\nA: b\r\n\r\nx\r\n--b--", "not understood"),
            ("--b\r\n\r\nx\r\n--b--", "no end"),
            ("--b\r\nContent-Type: a\r\n\r\nx\r\n--b--", "not two parts"),
            ("x--b\r\n", "the upload"),
            ("x\r\n--b\r\nContent-Type: a\r\n\r\nx\r\n--b--", "before the first part"),
            ("--b\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n", "not understood"),
            ("--b\r\nContent-Type: a\r\n folded\r\n\r\n", "malformed"),
            ("--b\r\nContent-Transfer-Encoding: base64\r\n\r\n", "not understood"),
            ("--b \r\nContent-Type: a\r\n\r\n", "malformed"),
        ];
        for (text, part) in refused {
            check(TYPE, text, Err(part)).await;
        }
        check(TYPE, two("{}", "x").strip_suffix("--").unwrap(), Err("breaks off")).await;
        check(TYPE, &(two("{}", "x") + "\r\n--b\r\n"), Err("behind the last part")).await;
        check(TYPE, &two("{}", "x").replace("--b--", "--b\r\nContent-Type: c\r\n\r\ny\r\n--b--"), Err("not whole")).await;
        check(TYPE, &format!("--b\r\nContent-Type: {}", "a".repeat(2 * PART_HEAD_BYTES_MAX)), Err("no end")).await;
        for media_type in [
            "multipart/related",
            "multipart/form-data; boundary=b",
            "multipart/related; boundary=",
            "multipart/related; boundary=a b",
            "multipart/related; boundary=b; boundary=c",
            "multipart/related; boundary=b; x=y",
        ] {
            check(media_type, &two("{}", "x"), Err("with a boundary")).await;
        }
        check(&format!("multipart/related; boundary={}", "b".repeat(71)), &two("{}", "x"), Err("with a boundary")).await;
    }
}
