//! Fields that a client wrote though they have their default value. Libraries in JavaScript do; those that leave them out say the same in fewer bytes.

use tonic_prost::prost::encoding::{decode_varint, encoded_len_varint};

/// Of a message: fields that say nothing by their default, and those that are messages, by their numbers. No list is among the first, nor what may be
/// absent: their defaults say something, and are written again.
pub struct Within(pub &'static [u64], pub &'static [(u64, Within)]);

const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const WITH_LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;
const KIND_BITS: u32 = 3;

/// By how many bytes a message is shorter without them; nothing where it is none.
pub fn spared(message: &[u8], within: &Within) -> Option<usize> {
    let (mut rest, mut spared) = (message, 0);
    while !rest.is_empty() {
        let before = rest.len();
        let tag = decode_varint(&mut rest).ok()?;
        let (number, kind) = (tag >> KIND_BITS, tag & ((1 << KIND_BITS) - 1));
        let mut is_default = false;
        match kind {
            VARINT => is_default = decode_varint(&mut rest).ok()? == 0,
            EIGHT_BYTES => is_default = taken(&mut rest, size_of::<u64>())?.iter().all(|byte| *byte == 0),
            FOUR_BYTES => is_default = taken(&mut rest, size_of::<u32>())?.iter().all(|byte| *byte == 0),
            WITH_LENGTH => {
                let length = decode_varint(&mut rest).ok()?;
                let value = taken(&mut rest, usize::try_from(length).ok()?)?;
                match within.1.iter().find(|(inner, _)| *inner == number) {
                    Some((_, inner)) => {
                        let inside = self::spared(value, inner)?;
                        let shorter = u64::try_from(value.len().checked_sub(inside)?).ok()?;
                        spared += inside + encoded_len_varint(length).checked_sub(encoded_len_varint(shorter))?;
                    }
                    None => is_default = value.is_empty(),
                }
            }
            _ => return None,
        }
        if is_default && within.0.contains(&number) {
            spared += before - rest.len();
        }
    }
    Some(spared)
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_counted() {
        let within = Within(&[1, 3], &[(2, Within(&[1], &[(7, Within(&[1], &[]))]))]);
        let check = |bytes: &[u8], expect: Option<usize>| assert_eq!(spared(bytes, &within), expect, "{bytes:?}");
        check(b"", Some(0));
        check(b"\x0a\x01s\x10\x05", Some(0));
        check(b"\x0a\x01s\x18\x00", Some(2));
        check(b"\x0a\x00\x18\x07", Some(2));
        check(b"\x19\0\0\0\0\0\0\0\0", Some(9));
        check(b"\x19\0\0\0\0\0\0\0\x01", Some(0));
        check(b"\x1d\0\0\0\0", Some(5));
        // Inside of a message, and again inside of that.
        check(b"\x12\x02\x08\x00", Some(2));
        check(b"\x12\x04\x3a\x02\x08\x00", Some(2));
        check(b"\x12\x00", Some(0));
        // A message that is shorter by them has a shorter length too.
        let long = [&b"\x12\x81\x01\x08\x00\x0a\x7d"[..], &[b'x'; 0x7d]].concat();
        check(&long, Some(3));
        // Of a number that is not known, or in a list.
        check(b"\x20\x00", Some(0));
        check(b"\x2a\x00", Some(0));
        // No message.
        check(b"\x0a\x05s", None);
        check(b"\x0b", None);
        check(b"\x08", None);
        check(b"\x12\x01\x08", None);
    }
}
