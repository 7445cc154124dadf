//! HTTP/2 written by hand, right and wrong.

use crate::talk::Link;
use std::time::Duration;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const HEAD_BYTES: usize = 9;
const SILENCE: Duration = Duration::from_millis(150);

#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header as it stands, in no table and not packed.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if text.len() < 127 {
        bytes.push(u8::try_from(text.len()).unwrap());
    } else {
        bytes.push(127);
        let mut left = text.len() - 127;
        while left >= 128 {
            bytes.push(u8::try_from(left % 128 + 128).unwrap());
            left /= 128;
        }
        bytes.push(u8::try_from(left).unwrap());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

pub fn head(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// Of a request without a body.
pub fn get(path: &str, bearer: &str) -> Vec<u8> {
    head(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path), ("authorization", bearer)])
}

/// The preface and settings of nobody special.
pub fn begin(link: &mut Link) -> bool {
    link.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
}

/// What came until the other side was silent or closed; and whether it closed.
pub fn receive(link: &mut Link) -> (Vec<Frame>, bool) {
    let (bytes, closed) = link.receive(SILENCE);
    (read(&bytes), closed)
}

pub fn read(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while bytes.len() >= HEAD_BYTES {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        if bytes.len() < HEAD_BYTES + length {
            break;
        }
        frames.push(Frame { kind: bytes[3], stream, payload: bytes[HEAD_BYTES..HEAD_BYTES + length].to_vec() });
        bytes = &bytes[HEAD_BYTES + length..];
    }
    frames
}

/// The status in a block of headers: of the table, or as digits behind its name.
pub fn status(payload: &[u8]) -> Option<u16> {
    match *payload.first()? {
        0x88 => Some(200),
        0x89 => Some(204),
        0x8c => Some(400),
        0x8d => Some(404),
        0x8e => Some(500),
        0x48 | 0x08 | 0x18 => digits(payload.get(1..)?),
        _ => None,
    }
}

/// Plain, or in the codes of five bits that digits have: `0`, `1`, `2`; the rest has six.
fn digits(value: &[u8]) -> Option<u16> {
    let (length, is_packed) = (usize::from(value.first()? & 0x7f), value.first()? & 0x80 != 0);
    let bytes = value.get(1..=length)?;
    if !is_packed {
        return std::str::from_utf8(bytes).ok()?.parse().ok();
    }
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut number) = (bits.as_str(), 0_u16);
    for _ in 0..3 {
        let (digit, after) = match rest.split_at_checked(5)? {
            (code @ ("00000" | "00001" | "00010"), after) => (u16::from_str_radix(code, 2).ok()?, after),
            _ => {
                let (code, after) = rest.split_at_checked(6)?;
                // `3` is 011001, and so on.
                (u16::from_str_radix(code, 2).ok()?.checked_sub(22)?, after)
            }
        };
        number = number * 10 + digit;
        rest = after;
    }
    Some(number)
}
