//! Places in a text: where the engine says that something is wrong, in the text as its caller wrote it.

use std::rc::Rc;

/// Columns that a tab leads to the next of.
const TAB_COLUMNS: u32 = 8;

/// What was put in place of what: start and end before, length after. In order, and none over another.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    made: Vec<(usize, usize, usize)>,
}

/// A piece that the engine was asked about, and how it came out of the caller's text.
pub(crate) struct Places {
    piece: String,
    /// Where the piece begins in the prepared text.
    start: usize,
    edits: Edits,
    written: Rc<Written>,
}

/// A text before it was prepared, and what preparing it changed.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub text: String,
    pub edits: Edits,
}

/// Puts new texts in place of byte ranges.
pub(crate) fn edit(text: &str, mut changes: Vec<(usize, usize, String)>) -> (String, Edits) {
    changes.sort();
    changes.dedup();
    let (mut result, mut edits) = (String::with_capacity(text.len() + 64), Edits::default());
    let mut from = 0;
    for (start, end, new) in changes {
        if start < from {
            continue;
        }
        result.push_str(text.get(from..start).unwrap_or_default());
        result.push_str(&new);
        edits.made.push((start, end, new.len()));
        from = end;
    }
    result.push_str(text.get(from..).unwrap_or_default());
    (result, edits)
}

impl Edits {
    /// An offset of the new text in the old one. Within something new: where it stands.
    fn before(&self, offset: usize) -> usize {
        let (mut old, mut new) = (0, 0);
        for (start, end, length) in &self.made {
            let kept = start.saturating_sub(old);
            if offset < new + kept {
                break;
            }
            if offset < new + kept + length {
                return *start;
            }
            (old, new) = (*end, new + kept + length);
        }
        old + offset.saturating_sub(new)
    }
}

impl Places {
    pub fn new(piece: String, start: usize, edits: Edits, written: Rc<Written>) -> Places {
        Places { piece, start, edits, written }
    }

    pub fn piece(&self) -> &str {
        &self.piece
    }

    /// Line and column, from 1, of a byte of the piece.
    pub fn of_offset(&self, offset: usize) -> (u32, u32) {
        let prepared = self.start + self.edits.before(offset);
        place_of(&self.written.text, self.written.edits.before(prepared))
    }

    /// The same for a line and a column of the piece.
    pub fn of_place(&self, line: u32, column: u32) -> (u32, u32) {
        self.of_offset(offset_of(&self.piece, line, column))
    }
}

/// Each character with its byte, its line and its column, as GoogleSQL counts them; and the end.
fn places(text: &str) -> impl Iterator<Item = (usize, (u32, u32))> {
    let (mut line, mut column, mut after_return) = (1_u32, 1_u32, false);
    let ends = std::iter::once((text.len(), None));
    text.char_indices().map(|(byte, letter)| (byte, Some(letter))).chain(ends).filter_map(move |(byte, letter)| {
        let is_pair = after_return && letter == Some('\n');
        let here = (line, column);
        after_return = letter == Some('\r');
        match letter {
            // The line was over with the first of the two.
            Some('\n') if is_pair => {}
            Some('\n' | '\r') => (line, column) = (line.saturating_add(1), 1),
            Some('\t') => column = (column.saturating_sub(1) / TAB_COLUMNS).saturating_add(1).saturating_mul(TAB_COLUMNS).saturating_add(1),
            _ => column = column.saturating_add(1),
        }
        (!is_pair).then_some((byte, here))
    })
}

fn offset_of(text: &str, line: u32, column: u32) -> usize {
    places(text).find(|(_, place)| *place >= (line, column)).map_or(text.len(), |(byte, _)| byte)
}

pub(crate) fn place_of(text: &str, offset: usize) -> (u32, u32) {
    places(text).take_while(|(byte, _)| *byte <= offset).last().map_or((1, 1), |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_as_the_engine_does() {
        let check = |text: &str, offset: usize, line: u32, column: u32| {
            assert_eq!(place_of(text, offset), (line, column), "{text:?} {offset}");
            assert_eq!(offset_of(text, line, column), offset, "{text:?} {line}:{column}");
        };
        check("", 0, 1, 1);
        check("abc", 0, 1, 1);
        check("abc", 3, 1, 4);
        check("a\nbc", 2, 2, 1);
        check("a\r\nbc", 3, 2, 1);
        check("a\rbc", 2, 2, 1);
        check("\tb", 1, 1, 9);
        check("abc\tb", 4, 1, 9);
        check("12345678\tb", 9, 1, 17);
        check("\u{e9}x", 2, 1, 2);
        // Behind the end is the end.
        assert_eq!(offset_of("ab", 7, 7), 2);
        assert_eq!(place_of("ab", 99), (1, 3));
    }

    /// The word `x` of a piece, and where it stands in the text.
    #[test]
    fn places_of_a_piece_are_those_of_the_text() {
        let check = |text: &str, splits: Vec<(usize, usize, &str)>, piece_from: usize, opened: Vec<(usize, usize, &str)>| {
            let owned =
                |changes: Vec<(usize, usize, &str)>| changes.into_iter().map(|(start, end, new)| (start, end, new.to_owned())).collect();
            let (prepared, edits) = edit(text, owned(splits));
            let written = Rc::new(Written { text: text.to_owned(), edits });
            let (piece, edits) = edit(prepared.get(piece_from..).unwrap(), owned(opened));
            let at = piece.find('x').unwrap();
            let (line, column) = place_of(&piece, at);
            let places = Places::new(piece, piece_from, edits, written);
            let expect = place_of(text, text.find('x').unwrap());
            assert_eq!((places.of_offset(at), places.of_place(line, column)), (expect, expect), "{text}");
        };
        check("SELECT x", vec![], 0, vec![]);
        check("SELECT 1;\n SELECT x", vec![], 11, vec![]);
        check("SELECT 1 FROM `a.b` WHERE x", vec![(14, 19, "`a`.`b`")], 0, vec![]);
        check("SELECT 1;SELECT f(1) FROM `a.b` WHERE x", vec![(26, 31, "`a`.`b`")], 9, vec![(7, 8, "`temporary f`")]);
    }

    #[test]
    fn what_was_put_in_stands_where_it_was_put() {
        let (text, edits) = edit("ab cd ef", vec![(3, 5, "12345".to_owned()), (3, 5, "12345".to_owned()), (6, 6, "+".to_owned())]);
        assert_eq!(text, "ab 12345 +ef");
        let before: Vec<usize> = (0..=text.len()).map(|offset| edits.before(offset)).collect();
        assert_eq!(before, [0, 1, 2, 3, 3, 3, 3, 3, 5, 6, 6, 7, 8]);
    }
}
