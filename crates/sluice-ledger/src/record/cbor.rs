//! As much of CBOR as a leaf needs: a map of small numbers to numbers and byte strings, in the one deterministic form (RFC 8949, 4.2.1).

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const MAP: u8 = 5;

pub fn write_map(out: &mut Vec<u8>, pairs: u64) {
    write_head(out, MAP, pairs);
}

pub fn write_unsigned(out: &mut Vec<u8>, number: u64) {
    write_head(out, UNSIGNED, number);
}

pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    let wide = number.to_be_bytes();
    let (marker, width) = match number {
        0..24 => return out.push(major | wide[7]),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major | marker);
    out.extend(wide.iter().skip(8 - width));
}

/// Reads heads whatever their width: who calls compares with the deterministic form in the end.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn map(&mut self) -> Option<u64> {
        self.head(MAP)
    }

    pub fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    pub fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.head(BYTES)? != N as u64 {
            return None;
        }
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn head(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.rest.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let width = match first & 0x1f {
            small @ 0..24 => {
                self.rest = rest;
                return Some(u64::from(small));
            }
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let (number, rest) = rest.split_at_checked(width)?;
        self.rest = rest;
        Some(number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of RFC 8949, appendix A.
    #[test]
    fn numbers_are_written_as_the_standard_shows() {
        let cases: &[(u64, &[u8])] = &[
            (0, &[0x00]),
            (10, &[0x0a]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
            (u64::MAX, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (number, expect) in cases {
            let mut out = Vec::new();
            write_unsigned(&mut out, *number);
            assert_eq!(out, *expect, "{number}");
            let mut reader = Reader::new(&out);
            assert_eq!((reader.unsigned(), reader.is_at_end()), (Some(*number), true));
        }
    }

    #[test]
    fn byte_strings_have_the_length_that_is_asked_for() {
        let mut out = Vec::new();
        write_bytes(&mut out, &[1, 2, 3, 4]);
        assert_eq!(out, [0x44, 1, 2, 3, 4]);
        assert_eq!(Reader::new(&out).bytes::<4>(), Some([1, 2, 3, 4]));
        assert_eq!(Reader::new(&out).bytes::<3>(), None);
        assert_eq!(Reader::new(&[0x44, 1, 2, 3]).bytes::<4>(), None);
        assert_eq!(Reader::new(&[0x1c]).unsigned(), None);
        assert_eq!(Reader::new(&[0x19, 1]).unsigned(), None);
    }
}
