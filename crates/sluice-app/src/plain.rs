//! BigQuery's messages with nothing in them but words that BigQuery uses of itself. For callers who may not see all that a statement reads: even where
//! no operation had a hidden value in hand, a value that stands in a message after all does not leave.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Stands for what is left out.
const LEFT_OUT: &str = "(...)";
/// Of the line and of the column in `at [12:34]`.
const PLACE_DIGITS_MAX: usize = 5;

static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| include_str!("../data/words.txt").split_whitespace().collect());

/// What is no such word is left out, with everything up to the next one.
pub(crate) fn plain(message: &str) -> String {
    let (text, place) = split_place(message);
    let (mut told, mut between, mut leaves_out) = (String::new(), String::new(), false);
    for piece in pieces(text) {
        if !piece.starts_with(is_part_of_word) {
            between.extend(piece.chars().filter(|letter| letter.is_ascii_punctuation() || *letter == ' '));
            continue;
        }
        let is_known = WORDS.contains(piece.to_ascii_lowercase().as_str());
        // Between two that are left out nothing shows how many there were.
        if is_known || !leaves_out {
            told.push_str(&between);
            told.push_str(if is_known { piece } else { LEFT_OUT });
        }
        between.clear();
        leaves_out = !is_known;
    }
    told.push_str(&between);
    told.push_str(place);
    told
}

fn is_part_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Words, and what stands between them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_word = is_part_of_word(rest.chars().next()?);
        let end = rest.find(|letter| is_part_of_word(letter) != is_word).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at_checked(end)?;
        rest = behind;
        Some(piece)
    })
}

/// ` at [1:8]` at the end.
fn split_place(message: &str) -> (&str, &str) {
    let is_number = |text: &str| (1..=PLACE_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let found = message.rfind(" at [").and_then(|begin| message.split_at_checked(begin)).filter(|(_, place)| {
        let inner = place.strip_prefix(" at [").and_then(|place| place.strip_suffix(']'));
        inner.and_then(|inner| inner.split_once(':')).is_some_and(|(line, column)| is_number(line) && is_number(column))
    });
    found.unwrap_or((message, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_known_words_is_told() {
        let check = |message: &str, expect: &str| assert_eq!(plain(message), expect);
        check("division by zero: 1 / 0", "division by zero: (...)");
        check("Bad int64 value: 995-76-0013", "Bad int64 value: (...)");
        check("Bad int64 value: 995-76-0013; error in SUM at [12:34]", "Bad int64 value: (...); error in SUM at [12:34]");
        check("Bad value: Ines Ito, ines@x.example; at [1:2] and more", "Bad value: (...); at [(...)] and more");
        check("LIMIT expects a non-negative integer at [1:8]", "LIMIT expects a non-negative integer at [1:8]");
        check(
            "Cannot query over table 'p.d.t' without a filter over column(s) 'day' that can be used for partition elimination",
            "Cannot query over table '(...)' without a filter over column(s) '(...)' that can be used for partition elimination",
        );
        check("größer als 5", "(...)");
        check(" at [1:999999]", " at [(...)]");
        check("", "");
        check("\u{7f}\n\0 value", " value");
    }
}
