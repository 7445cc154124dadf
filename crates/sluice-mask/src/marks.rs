//! Where a string of JSON wants a look: at the next quote, backslash or control character.

/// Looked at eight bytes at a time: most values end within these.
const SHORT_BYTES: usize = 16;
/// Of what is longer: as many as the plainest processors compare at once.
const STEP_BYTES: usize = 16;

/// How many bytes stand before it, or before the end.
#[inline(always)]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut before = 0;
    for word in words.iter().take(SHORT_BYTES / 8) {
        let marks = marks_of_word(u64::from_le_bytes(*word));
        if marks != 0 {
            // The lowest mark is true, those above it may be borrowed.
            return before + (marks.trailing_zeros() / 8) as usize;
        }
        before += 8;
    }
    before + long(bytes.get(before..).unwrap_or_default())
}

fn long(bytes: &[u8]) -> usize {
    let (steps, rest) = bytes.as_chunks::<STEP_BYTES>();
    let mut before = 0;
    for step in steps {
        let marks = marks_of_step(step);
        if marks != 0 {
            return before + (marks.trailing_zeros() / 8) as usize;
        }
        before += STEP_BYTES;
    }
    before + rest.iter().position(|byte| is_mark(*byte)).unwrap_or(rest.len())
}

#[inline(always)]
fn is_mark(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

/// The high bit of each byte that is one.
#[inline(always)]
fn marks_of_word(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 128;
    let is = |byte: u8| {
        let different = word ^ (ONES * u64::from(byte));
        different.wrapping_sub(ONES) & !different
    };
    (is(b'"') | is(b'\\') | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGHS
}

/// All bits of each byte that is one. Nothing in it depends on what came before, so the compiler compares all of them at once.
#[inline(always)]
fn marks_of_step(step: &[u8; STEP_BYTES]) -> u128 {
    let mut marks = [0; STEP_BYTES];
    for (mark, byte) in marks.iter_mut().zip(step) {
        *mark = if is_mark(*byte) { u8::MAX } else { 0 };
    }
    u128::from_le_bytes(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn check(bytes: &[u8]) {
        let expect = bytes.iter().take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count();
        assert_eq!((plain_bytes(bytes), long(bytes)), (expect, expect), "{bytes:x?}");
    }

    /// Every byte at every place, among bytes that are near to a mark or share bits with one.
    #[test]
    fn each_byte_is_told_at_each_place() {
        const BYTES: usize = SHORT_BYTES + 2 * STEP_BYTES + 3;
        for around in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff] {
            for (byte, at) in (0..=u8::MAX).flat_map(|byte| (0..BYTES).map(move |at| (byte, at))) {
                let mut bytes = [around; BYTES];
                bytes[at] = byte;
                check(&bytes);
            }
        }
    }

    proptest! {
        /// Wherever marks stand, and whatever stands beside them.
        #[test]
        fn marks_side_by_side_are_told(bytes in vec(prop_oneof![any::<u8>(), Just(b'"'), 0x1c..0x25_u8], 0..80)) {
            check(&bytes);
        }

        /// However long a text is, and wherever in it the look begins.
        #[test]
        fn long_texts_are_read_to_their_first_mark(bytes in vec(prop_oneof![200 => 0x23..0x5c_u8, 1 => any::<u8>()], 0..300), from in 0..300_usize) {
            check(bytes.get(from..).unwrap_or_default());
        }
    }
}
