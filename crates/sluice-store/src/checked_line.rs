//! Lines of small files that only grow: each carries a check, so that one that is damaged is told from one that is whole.

use crate::facts::hexadecimal;
use aws_lc_rs::digest;

/// Written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// With its end.
pub fn checked(body: &str) -> String {
    format!("{body} {}\n", check(body))
}

/// What stands in a line with its end; None if it is damaged.
pub fn unchecked(line: &str) -> Option<&str> {
    let (body, found) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    (found == check(body)).then_some(body)
}

/// Of a last line that starts there: it crosses the end of a sector, and of one of the two nothing was written. A crash leaves zeros there, damage
/// something else.
pub fn has_lost_sector(line: &str, offset: usize) -> bool {
    let first = SECTOR_BYTES - offset % SECTOR_BYTES;
    let (start, rest) = line.as_bytes().split_at_checked(first).unwrap_or((line.as_bytes(), &[]));
    std::iter::once(start).chain(rest.chunks(SECTOR_BYTES)).any(|part| !part.is_empty() && part.iter().all(|byte| *byte == 0))
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn check(body: &str) -> String {
    hexadecimal(sha256(body.as_bytes()).get(..4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, offset: usize, expect: bool) {
        assert_eq!(has_lost_sector(line, offset), expect, "{line:?} at {offset}");
    }

    #[test]
    fn a_sector_that_was_never_written_is_told_from_damage() {
        check("\0\0\0cdef\n", 509, true);
        check("abc\0\0\0\0\0", 509, true);
        check("\0\0cdef\n", 509, false);
        check("\0bcdefg\n", 509, false);
        check("abcdefg\n", 509, false);
        check("ab\0\0efg\n", 510, false);
        check(&format!("a{}b\n", "\0".repeat(512)), 511, true);
        check(&format!("a{}b\n", "\0".repeat(511)), 511, false);
        check("abcdefg\n", 0, false);
    }
}
