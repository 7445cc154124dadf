//! Groups of digits in a text, and what stands between and around them.

/// Of one run: more than any number that is looked for has.
const GROUPS_MAX: usize = 12;
/// `) (` is the longest.
const GAP_BYTES_MAX: usize = 3;

/// Groups of digits with short gaps between them.
pub(crate) struct Run<'a> {
    text: &'a [u8],
    /// Where each begins and ends.
    groups: [(usize, usize); GROUPS_MAX],
    count: usize,
}

/// Some neighbours of a run.
#[derive(Clone, Copy)]
pub(crate) struct Window<'r, 'a> {
    run: &'r Run<'a>,
    from: usize,
    to: usize,
}

/// Each run of a text, from the left. A long one is cut where it has too many groups.
pub(crate) fn runs(text: &[u8]) -> impl Iterator<Item = Run<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = next(text, at)?;
        at = run.end();
        Some(run)
    })
}

fn next(text: &[u8], from: usize) -> Option<Run<'_>> {
    let begin = from + text.get(from..)?.iter().position(u8::is_ascii_digit)?;
    let mut run = Run { text, groups: [(0, 0); GROUPS_MAX], count: 0 };
    let mut at = begin;
    while let Some(place) = run.groups.get_mut(run.count) {
        let end = at + text.get(at..)?.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len() - at);
        *place = (at, end);
        run.count += 1;
        let gap = text.get(end..)?.iter().take(GAP_BYTES_MAX + 1).position(u8::is_ascii_digit);
        match gap {
            Some(length) if length > 0 && text.get(end..end + length)?.iter().all(|byte| is_gap(*byte)) => at = end + length,
            _ => break,
        }
    }
    Some(run)
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'a> Run<'a> {
    fn end(&self) -> usize {
        self.group(self.count.saturating_sub(1)).1
    }

    fn group(&self, number: usize) -> (usize, usize) {
        self.groups.get(number).copied().unwrap_or_default()
    }

    /// So many neighbours, wherever they begin; of any number where that is none.
    pub(crate) fn windows<'r>(&'r self, groups: usize) -> impl Iterator<Item = Window<'r, 'a>> {
        let last = (self.count + 1).saturating_sub(groups);
        (0..last).map(move |from| Window { run: self, from, to: from + groups })
    }

    /// The groups behind a plus, as far as they belong together.
    pub(crate) fn behind_plus<'r>(&'r self) -> impl Iterator<Item = Window<'r, 'a>> {
        let begins = (0..self.count).filter(|number| self.byte_before(*number) == Some(b'+'));
        begins.map(|from| Window { run: self, from, to: self.count })
    }

    fn byte_before(&self, number: usize) -> Option<u8> {
        self.text.get(self.group(number).0.checked_sub(1)?).copied()
    }
}

impl<'a> Window<'_, 'a> {
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(crate) fn digits(&self, group: usize) -> &'a [u8] {
        let (from, to) = self.run.group(self.from + group);
        if self.from + group < self.to { self.run.text.get(from..to).unwrap_or_default() } else { &[] }
    }

    /// What stands behind a group, before the next one.
    pub(crate) fn gap(&self, group: usize) -> &'a [u8] {
        let number = self.from + group;
        let (from, to) = (self.run.group(number).1, self.run.group(number + 1).0);
        if number + 1 < self.to { self.run.text.get(from..to).unwrap_or_default() } else { &[] }
    }

    pub(crate) fn lengths_are(&self, lengths: &[usize]) -> bool {
        self.len() == lengths.len() && lengths.iter().enumerate().all(|(group, length)| self.digits(group).len() == *length)
    }

    /// All gaps are this.
    pub(crate) fn gaps_are(&self, gap: &[u8]) -> bool {
        (1..self.len()).all(|group| self.gap(group - 1) == gap)
    }

    /// Its first groups.
    pub(crate) fn first(&self, groups: usize) -> Self {
        Window { to: self.to.min(self.from + groups), ..*self }
    }

    pub(crate) fn joined(&self, room: &mut Vec<u8>) {
        room.clear();
        (0..self.len()).for_each(|group| room.extend_from_slice(self.digits(group)));
    }

    /// It is no part of something longer: of a word, of a number with a point, of what is joined by a dash.
    pub(crate) fn stands_alone(&self) -> bool {
        let text = self.run.text;
        let (begin, end) = (self.run.group(self.from).0, self.run.group(self.to.saturating_sub(1)).1);
        let before = |back: usize| begin.checked_sub(back).and_then(|at| text.get(at)).copied();
        let behind = |on: usize| text.get(end + on).copied();
        let joins = |byte: u8| matches!(byte, b'-' | b'.' | b'/' | b',' | b':' | b'\'');
        let is_free_before = match before(1) {
            None => true,
            Some(byte) if is_word(byte) => false,
            // A colon and a slash stand behind words: `card:4012`, `/cards/4012`.
            Some(b':' | b'/') => !before(2).is_some_and(|byte| byte.is_ascii_digit()),
            Some(byte) if joins(byte) => !before(2).is_some_and(is_word),
            Some(_) => true,
        };
        let is_free_behind = match behind(0) {
            None => true,
            Some(byte) if is_word(byte) => false,
            Some(byte) if joins(byte) => !behind(1).is_some_and(is_word),
            Some(_) => true,
        };
        is_free_before && is_free_behind
    }

    /// What stands right before it.
    pub(crate) fn before(&self) -> Option<u8> {
        self.run.byte_before(self.from)
    }

    /// What stands behind it, so many bytes on.
    pub(crate) fn behind(&self, on: usize) -> Option<u8> {
        self.run.text.get(self.run.group(self.to.saturating_sub(1)).1 + on).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&[&str]]) {
        let runs: Vec<Vec<String>> = runs(text.as_bytes())
            .map(|run| (0..run.count).map(|group| text.get(run.group(group).0..run.group(group).1).unwrap().to_owned()).collect())
            .collect();
        assert_eq!(runs, expect, "{text}");
    }

    #[test]
    fn groups_belong_together_while_gaps_are_short() {
        check("", &[]);
        check("no digit", &[]);
        check("12 34-56", &[&["12", "34", "56"]]);
        check("+1 (415) 555-2671, 7", &[&["1", "415", "555", "2671"], &["7"]]);
        check("a1b2", &[&["1"], &["2"]]);
        check("1, 2", &[&["1"], &["2"]]);
        check("1    2", &[&["1"], &["2"]]);
        let many = (0..15).map(|_| "7").collect::<Vec<_>>();
        check(&many.join(" "), &[&many[..GROUPS_MAX], &many[GROUPS_MAX..]]);
    }

    #[test]
    fn a_window_is_no_part_of_something_longer() {
        let check = |text: &str, groups: usize, expect: &[bool]| {
            let run = runs(text.as_bytes()).next().unwrap();
            let found: Vec<bool> = run.windows(groups).map(|window| window.stands_alone()).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("123", 1, &[true]);
        check("x123", 1, &[false]);
        check("123x", 1, &[false]);
        check("(123).", 1, &[true]);
        check("A-123-45-6789", 3, &[false]);
        check("card:123, and", 1, &[true]);
        check("/cards/123/4", 1, &[false, false]);
        check("12 34", 1, &[true, true]);
        check("12-34", 1, &[false, false]);
        check("1.234", 1, &[false, false]);
        check("1,234", 1, &[false]);
        check("12:34", 1, &[false]);
    }
}
