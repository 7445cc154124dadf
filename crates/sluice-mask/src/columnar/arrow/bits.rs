//! One bit for each row, the first one lowest. Bits behind the last row are none.

use std::ops::Range;

pub(super) fn bytes_for(rows: usize) -> usize {
    rows.div_ceil(8)
}

/// So many, all alike.
pub(super) fn none(rows: usize) -> Vec<u8> {
    vec![0; bytes_for(rows)]
}

pub(super) fn is_set(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

pub(super) fn count(bits: &[u8]) -> usize {
    bits.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// Some of the rows, the first of them at the first bit. Nothing if there are not so many.
pub(super) fn window(bits: &[u8], rows: &Range<usize>) -> Option<Vec<u8>> {
    let (from, length) = (rows.start, rows.end.checked_sub(rows.start)?);
    let whole = bits.get(from / 8..bytes_for(rows.end).max(from / 8))?;
    let mut found: Vec<u8> = match from % 8 {
        0 => whole.to_vec(),
        shift => {
            let next = whole.iter().skip(1).copied().chain([0]);
            whole.iter().zip(next).map(|(byte, next)| byte >> shift | next << (8 - shift)).collect()
        }
    };
    found.truncate(bytes_for(length));
    if let Some(last) = found.last_mut().filter(|_| !length.is_multiple_of(8)) {
        *last &= (1 << (length % 8)) - 1;
    }
    Some(found)
}

/// Set where both are. Nothing stands for all.
pub(super) fn both(one: Option<&[u8]>, other: Option<&[u8]>) -> Option<Vec<u8>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.iter().zip(other).map(|(one, other)| one & other).collect()),
        (one, other) => one.or(other).map(<[u8]>::to_vec),
    }
}

/// Behind the bits of so many rows those of some more.
pub(super) fn append(bits: &mut Vec<u8>, rows: usize, more: &[u8], more_rows: usize) {
    let shift = rows % 8;
    if shift == 0 {
        bits.extend_from_slice(more);
    } else {
        for byte in more {
            if let Some(last) = bits.last_mut() {
                *last |= byte << shift;
            }
            bits.push(byte >> (8 - shift));
        }
    }
    bits.truncate(bytes_for(rows + more_rows));
}

/// Set in each row.
pub(super) fn all(rows: usize) -> Vec<u8> {
    let mut bits = vec![0xff; bytes_for(rows)];
    if let Some(last) = bits.last_mut().filter(|_| !rows.is_multiple_of(8)) {
        *last = (1 << (rows % 8)) - 1;
    }
    bits
}

/// Set in the second wherever in the first.
pub(super) fn covers(above: Option<&[u8]>, bits: &[u8], rows: usize) -> bool {
    match above {
        Some(above) => above.iter().zip(bits).all(|(above, bits)| above & !bits == 0),
        None => count(bits) == rows,
    }
}

/// Bits that are pushed one by one.
#[derive(Default)]
pub(super) struct Pushed {
    pub(super) bits: Vec<u8>,
    rows: usize,
}

impl Pushed {
    pub(super) fn push(&mut self, is_set: bool) {
        if self.rows.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(is_set) << (self.rows % 8);
        }
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn pushed(rows: &[bool]) -> Vec<u8> {
        let mut pushed = Pushed::default();
        rows.iter().for_each(|is_set| pushed.push(*is_set));
        pushed.bits
    }

    proptest! {
        /// A window is the same as those rows pushed one by one, whatever lies around them.
        #[test]
        fn windows_are_what_is_in_them(rows in vec(any::<bool>(), 0..70), from in 0_usize..80, length in 0_usize..80, noise: u8) {
            let mut bits = pushed(&rows);
            if let Some(last) = bits.last_mut().filter(|_| rows.len() % 8 != 0) {
                *last |= noise << (rows.len() % 8);
            }
            let expect = rows.get(from..from + length);
            match expect {
                Some(rows) => {
                    let found = window(&bits, &(from..from + length)).unwrap();
                    prop_assert_eq!(&found, &pushed(rows));
                    prop_assert_eq!(count(&found), rows.iter().filter(|is_set| **is_set).count());
                    prop_assert!(rows.iter().enumerate().all(|(row, expect)| is_set(&found, row) == *expect));
                }
                None => prop_assert!(from + length > rows.len()),
            }
        }

        #[test]
        fn those_of_more_rows_stand_behind(rows in vec(any::<bool>(), 0..40), more in vec(any::<bool>(), 0..40)) {
            let mut found = pushed(&rows);
            append(&mut found, rows.len(), &pushed(&more), more.len());
            prop_assert_eq!(found, pushed(&[rows.as_slice(), &more].concat()));
            prop_assert_eq!(all(rows.len()), pushed(&vec![true; rows.len()]));
        }

        #[test]
        fn two_of_them_are_compared_row_by_row(rows in vec((any::<bool>(), any::<bool>()), 0..40)) {
            let (one, other): (Vec<bool>, Vec<bool>) = rows.iter().copied().unzip();
            let (one, other) = (pushed(&one), pushed(&other));
            let together: Vec<bool> = rows.iter().map(|(one, other)| *one && *other).collect();
            prop_assert_eq!(both(Some(&one), Some(&other)), Some(pushed(&together)));
            prop_assert_eq!(both(None, Some(&other)), Some(other.clone()));
            prop_assert_eq!(covers(Some(&one), &other, rows.len()), rows.iter().all(|(one, other)| *other || !*one));
            prop_assert_eq!(covers(None, &other, rows.len()), rows.iter().all(|(_, other)| *other));
        }
    }
}
