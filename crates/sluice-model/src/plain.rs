//! Text that somebody else wrote, on its way to a terminal or onto record. A file name, a name or a reason may hold what moves the cursor, ends the line or
//! turns the direction of writing, and then people read something else than what is there.

/// Unseen, or turns the order of what is seen, or moves the cursor: it is there to deceive a reader.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// As one line; what is hostile is written as `\u{1b}`.
pub fn printable(text: &str) -> String {
    escaped(text, is_hostile)
}

/// The same for a text of several lines that this program laid out: their ends stay.
pub fn printable_lines(text: &str) -> String {
    escaped(text, |character| is_hostile(character) && character != '\n')
}

/// What is wrong with a text that goes on record as one line.
pub fn check_line(what: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    match text {
        _ if text.trim().is_empty() => Err(format!("{what} is empty")),
        _ if text.len() > bytes_max => Err(format!("{what} has {} bytes, at most {bytes_max}", text.len())),
        _ if text.chars().any(is_hostile) => {
            Err(format!("{what} is not one line of plain text: it holds a character that is not shown as it is"))
        }
        _ => Ok(()),
    }
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) { plain.extend(character.escape_unicode()) } else { plain.push(character) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_as_it_is_is_written_out() {
        let check = |text: &str, expect: &str| assert_eq!(printable(text), expect, "{text:?}");
        check("Zoë's `ledger`, 100 %", "Zoë's `ledger`, 100 %");
        check("\u{1b}[2Jx\ny\r", "\\u{1b}[2Jx\\u{a}y\\u{d}");
        check("a\u{202e}b\u{2028}c\u{9b}d", "a\\u{202e}b\\u{2028}c\\u{9b}d");
        check("\u{feff}\u{200b}\u{e0041}", "\\u{feff}\\u{200b}\\u{e0041}");
        assert_eq!(printable_lines("a\nb\u{1b}\r\n"), "a\nb\\u{1b}\\u{d}\n");
    }

    #[test]
    fn a_line_is_one_line() {
        let check = |text: &str, expect: Result<(), &str>| {
            assert_eq!(
                check_line("it", text, 9).map_err(|fault| fault.split(':').next().unwrap().to_owned()),
                expect.map_err(str::to_owned),
                "{text:?}"
            );
        };
        check("it's fine", Ok(()));
        check(" ", Err("it is empty"));
        check("1234567890", Err("it has 10 bytes, at most 9"));
        for hostile in ["a\nb", "a\u{1b}b", "a\u{202e}b", "a\u{2028}b", "a\u{2066}b"] {
            check(hostile, Err("it is not one line of plain text"));
        }
    }
}
