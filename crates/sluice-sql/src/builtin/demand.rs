//! What a literal argument must be for a call never to fail. Whatever is not known to be good is not good.

use std::collections::BTreeSet;

/// Numbers of letters, places and the like: far below every limit on the size of a value.
const COUNT_MAX: i64 = 1_000;
/// An array of twice so many numbers is below what any engine makes: 16,000.
const FEW_MAX: i64 = 5_000;
const PRECISIONS: std::ops::RangeInclusive<i64> = 10..=24;
const PATTERN_BYTES_MAX: usize = 1_000;
/// Of a place in an array of JSON.
const SPOT_DIGITS_MAX: usize = 2;

/// A literal as the analyzer has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    Null,
    Integer(i64),
    Float(f64),
    /// Text, and bytes that are text.
    Text(String),
    /// The number of an enumerator, such as a part of a date.
    Part(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// 0 or 1.
    Bit,
    /// A collation that each engine has.
    Collation,
    Count,
    /// Parts that two dates differ by.
    Days,
    /// Text in which no letter stands twice.
    Distinct,
    /// A number that an array can count from or to.
    Few,
    /// Text that is not empty.
    Filled,
    Fraction,
    /// A regular expression with one group at most.
    Group,
    /// Any literal.
    Known,
    Like,
    /// Elements of FORMAT_DATE and the like.
    Moment,
    /// 0 and up.
    Natural,
    Ordinal,
    /// A path into JSON.
    Path,
    /// A path to something in JSON, not to the whole.
    Member,
    /// How a path of JSON goes through arrays.
    Mode,
    /// A place in a text, from either end.
    Position,
    /// 1 and up.
    Positive,
    Precision,
    Printf,
    Regex,
    /// What a match is replaced with.
    Rewrite,
    /// Parts from hours down.
    Seconds,
    /// A path into JSON to which something can be put: no far place in an array, before which all places would be filled.
    Spot,
    /// Parts whose start lies within the calendar for each date. The first week that begins on a Sunday began before the first day.
    Start,
    Text,
    /// Parts that an INTERVAL has.
    Unit,
    Utc,
}

impl Demand {
    pub(super) fn named(word: &str) -> Option<Demand> {
        Some(match word {
            "bit" => Demand::Bit,
            "count" => Demand::Count,
            "days" => Demand::Days,
            "distinct" => Demand::Distinct,
            "few" => Demand::Few,
            "filled" => Demand::Filled,
            "fraction" => Demand::Fraction,
            "group" => Demand::Group,
            "known" => Demand::Known,
            "like" => Demand::Like,
            "member" => Demand::Member,
            "mode" => Demand::Mode,
            "moment" => Demand::Moment,
            "natural" => Demand::Natural,
            "ordinal" => Demand::Ordinal,
            "path" => Demand::Path,
            "position" => Demand::Position,
            "positive" => Demand::Positive,
            "precision" => Demand::Precision,
            "printf" => Demand::Printf,
            "regex" => Demand::Regex,
            "rewrite" => Demand::Rewrite,
            "seconds" => Demand::Seconds,
            "spot" => Demand::Spot,
            "start" => Demand::Start,
            "text" => Demand::Text,
            "utc" => Demand::Utc,
            _ => return None,
        })
    }

    pub fn is_met_by(self, literal: &Written) -> bool {
        match literal {
            // It makes the call NULL, whatever stands beside it.
            Written::Null => !matches!(self, Demand::Collation | Demand::Mode | Demand::Text | Demand::Unit),
            Written::Integer(number) => self.takes_integer(*number),
            Written::Float(number) => self == Demand::Fraction && (0.0..=1.0).contains(number),
            Written::Text(text) => text.len() <= PATTERN_BYTES_MAX && self.takes_text(text),
            Written::Part(part) => self.takes_part(*part),
        }
    }

    fn takes_integer(self, number: i64) -> bool {
        match self {
            Demand::Bit => matches!(number, 0 | 1),
            Demand::Count => (0..=COUNT_MAX).contains(&number),
            Demand::Few => (-FEW_MAX..=FEW_MAX).contains(&number),
            Demand::Fraction => matches!(number, 0 | 1),
            Demand::Natural => number >= 0,
            Demand::Positive => number >= 1,
            Demand::Ordinal => (1..=COUNT_MAX).contains(&number),
            Demand::Position => number != 0 && (-COUNT_MAX..=COUNT_MAX).contains(&number),
            Demand::Known => true,
            Demand::Precision => PRECISIONS.contains(&number),
            _ => false,
        }
    }

    fn takes_text(self, text: &str) -> bool {
        match self {
            Demand::Collation => text == "und:ci",
            Demand::Distinct => text.chars().collect::<BTreeSet<_>>().len() == text.chars().count(),
            Demand::Filled => !text.is_empty(),
            Demand::Group => is_plain_pattern(text) && groups(text) <= 1,
            Demand::Like => ends_no_escape(text),
            Demand::Moment => is_moment_format(text),
            Demand::Member => is_json_path(text) && text != "$",
            Demand::Mode => matches!(text, "strict" | "lax" | "lax recursive"),
            Demand::Path => is_json_path(text),
            Demand::Printf => is_printf_format(text),
            Demand::Known => true,
            Demand::Regex => is_plain_pattern(text),
            // `\1` is good where the pattern has that many groups. Only the whole match is always there.
            Demand::Rewrite => !text.replace("\\0", "").contains('\\'),
            Demand::Spot => {
                is_json_path(text) && text.split(|letter: char| !letter.is_ascii_digit()).all(|digits| digits.len() <= SPOT_DIGITS_MAX)
            }
            Demand::Text => true,
            Demand::Utc => text == "UTC",
            _ => false,
        }
    }

    /// By the numbers of GoogleSQL's `DateTimestampPart`.
    fn takes_part(self, part: i64) -> bool {
        const YEAR_MONTH_DAY: [i64; 3] = [1, 2, 3];
        const QUARTER: i64 = 6;
        const HOUR_TO_MICROSECOND: std::ops::RangeInclusive<i64> = 7..=11;
        const WEEK: i64 = 14;
        const ISO_YEAR_WEEK_AND_MONDAY: std::ops::RangeInclusive<i64> = 17..=19;
        const OTHER_WEEKS: std::ops::RangeInclusive<i64> = 20..=24;
        let start = YEAR_MONTH_DAY.contains(&part) || part == QUARTER || ISO_YEAR_WEEK_AND_MONDAY.contains(&part);
        match self {
            Demand::Days => start || part == WEEK || OTHER_WEEKS.contains(&part),
            Demand::Seconds => HOUR_TO_MICROSECOND.contains(&part),
            Demand::Start => start || HOUR_TO_MICROSECOND.contains(&part),
            Demand::Unit => YEAR_MONTH_DAY.contains(&part) || HOUR_TO_MICROSECOND.contains(&part),
            _ => false,
        }
    }
}

/// A backslash at the end escapes nothing.
fn ends_no_escape(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()).is_multiple_of(2)
}

/// `$`, `.name`, `[0]`.
fn is_json_path(text: &str) -> bool {
    const DIGITS_MAX: usize = 6;
    let Some(mut rest) = text.strip_prefix('$') else { return false };
    while !rest.is_empty() {
        let after = if let Some(name) = rest.strip_prefix('.') {
            let after = name.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
            (after.len() < name.len() && !name.starts_with(|letter: char| letter.is_ascii_digit())).then_some(after)
        } else {
            let digits = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let is_number = |digits: &str| (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.filter(|(digits, _)| is_number(digits)).map(|(_, after)| after)
        };
        match after {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

fn is_moment_format(text: &str) -> bool {
    const ELEMENTS: &str = "aAbBcCdDeFgGhHIjklmMnpRSsTtuUVwWxXyYZz%";
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        let good = match letters.next() {
            Some('E') => match letters.next() {
                Some('4') => letters.next() == Some('Y'),
                Some('1'..='6' | '*') => letters.next() == Some('S'),
                Some('z') => true,
                _ => false,
            },
            Some(element) => ELEMENTS.contains(element),
            None => false,
        };
        if !good {
            return false;
        }
    }
    true
}

/// No width out of an argument, and no `%x` and `%o`: BigQuery fails for negative numbers there.
fn is_printf_format(text: &str) -> bool {
    const WIDTH_DIGITS_MAX: usize = 3;
    let mut pieces = text.split('%');
    pieces.next();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            // `%%`, and what stands behind it is plain.
            if pieces.next().is_none() {
                return false;
            }
            continue;
        }
        let flagless = piece.trim_start_matches(['-', '+', ' ', '#', '0', '\'']);
        let specifier = flagless.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let width = flagless.len() - specifier.len();
        if width > 2 * WIDTH_DIGITS_MAX || flagless.split('.').take(2).any(|digits| leading_digits(digits) > WIDTH_DIGITS_MAX) {
            return false;
        }
        if !specifier.starts_with(['d', 'i', 'f', 'F', 'e', 'E', 'g', 'G', 's', 't', 'T', 'p', 'P']) {
            return false;
        }
    }
    true
}

fn leading_digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len()
}

/// What a repeat would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Letter,
    Group,
}

/// A regular expression out of parts that RE2 is known to take: letters, classes of them, groups, choices, and repeats.
fn is_plain_pattern(text: &str) -> bool {
    const DEPTH_MAX: usize = 20;
    let mut letters = text.chars().peekable();
    let mut depth = 0_usize;
    let mut before = Before::Nothing;
    while let Some(letter) = letters.next() {
        before = match letter {
            '(' if letters.next_if_eq(&'?').is_none() || letters.next() == Some(':') => {
                depth += 1;
                Before::Nothing
            }
            ')' if depth > 0 => {
                depth -= 1;
                Before::Group
            }
            '[' if is_class(&mut letters) => Before::Letter,
            '\\' => match letters.next() {
                Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 't' | 'n') => Before::Letter,
                Some('b') => Before::Nothing,
                Some(escaped) if escaped.is_ascii_punctuation() => Before::Letter,
                _ => return false,
            },
            '*' | '+' | '?' if before != Before::Nothing => {
                letters.next_if_eq(&'?');
                Before::Nothing
            }
            // Numbers of nested repeats multiply, and RE2 has a limit: only letters are counted.
            '{' if before == Before::Letter && is_repeat(&mut letters) => Before::Nothing,
            '^' | '$' | '|' => Before::Nothing,
            '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' => return false,
            _ => Before::Letter,
        };
        if depth > DEPTH_MAX {
            return false;
        }
    }
    depth == 0
}

/// What stands between `[` and `]`: letters, and ranges of letters or digits.
fn is_class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    letters.next_if_eq(&'^');
    let mut any = false;
    let mut before: Option<char> = None;
    while let Some(letter) = letters.next() {
        match letter {
            ']' => return any,
            '[' => return false,
            '\\' => match letters.next() {
                Some('d' | 'w' | 's') => before = None,
                Some(escaped) if escaped.is_ascii_punctuation() => before = None,
                _ => return false,
            },
            '-' if letters.peek() == Some(&']') || !any => before = None,
            '-' => match (before, letters.next()) {
                (Some(from), Some(to)) if from.is_ascii_alphanumeric() && to.is_ascii_alphanumeric() && from <= to => before = None,
                _ => return false,
            },
            letter => before = Some(letter),
        }
        any = true;
    }
    false
}

/// `3}`, `3,}`, `3,5}`.
fn is_repeat(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    const REPEATS_MAX: u32 = 20;
    let mut text = String::new();
    loop {
        match letters.next() {
            Some('}') => break,
            Some(letter) if text.len() < 8 => text.push(letter),
            _ => return false,
        }
    }
    letters.next_if_eq(&'?');
    let (least, most) = text.split_once(',').unwrap_or((&text, &text));
    let Ok(least) = least.parse::<u32>() else { return false };
    let most = if most.is_empty() { Ok(least) } else { most.parse::<u32>() };
    most.is_ok_and(|most| least <= most && most <= REPEATS_MAX)
}

/// Groups that capture, escapes left out.
fn groups(pattern: &str) -> usize {
    pattern.replace("\\\\", "").replace("\\(", "").replace("(?:", "").matches('(').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_literal_is_told_from_a_bad_one() {
        let check = |demand: Demand, good: &[&str], bad: &[&str]| {
            let is_met = |text: &str| demand.is_met_by(&Written::Text(text.to_owned()));
            good.iter().for_each(|text| assert!(is_met(text), "{demand:?} {text}"));
            bad.iter().for_each(|text| assert!(!is_met(text), "{demand:?} {text}"));
        };
        check(Demand::Like, &["", "a%", "%\\\\", "\\%_"], &["a\\", "\\\\\\"]);
        check(
            Demand::Path,
            &["$", "$.a", "$.a_1[0].b", "$[12]"],
            &["", "a", "$.", "$[", "$[]", "$[a]", "$.1", "$.a b", "$..a", "lax $.a", "$[9999999]", "$.a\""],
        );
        check(
            Demand::Regex,
            &["", "a", "^a(b)?$", "[a-z0-9_.-]+@[^@]+", "\\d{3}-\\d{2}", "a|b", "(?:ab)*?", "x{2,}", "[-a]", "\\.", "(a(b))"],
            &[
                "(",
                ")",
                "[",
                "a**",
                "a{",
                "a{999}",
                "a{3,2}",
                "(?P<x>a)",
                "(?=a)",
                "\\1",
                "\\",
                "*",
                "[z-a]",
                "[[:alpha:]]",
                "[]",
                "^*",
                "\\p{L}",
                "(?i)a",
                "a]",
                "(a{2}){3}",
                "\\b+",
            ],
        );
        check(Demand::Group, &["a", "(a)b", "(?:a)(b)", "\\(a(b)"], &["(a)(b)", "(a(b))", "("]);
        check(Demand::Rewrite, &["", "x", "\\0-"], &["\\1", "\\", "a\\"]);
        check(
            Demand::Printf,
            &["", "a", "%d", "%5.2f%%", "%s|%-10s", "%T %t", "%'d", "%%", "%%d"],
            &["%*d", "%.*f", "%", "%x", "%o", "%9999d", "%d %", "%q", "%.9999f"],
        );
        check(Demand::Moment, &["", "%Y-%m-%d", "%E*S", "%E3S", "%Ez", "100%%"], &["%", "%Q", "%J", "%E9S", "%EY", "%P"]);
        check(Demand::Member, &["$.a", "$[0]"], &["$", ""]);
        check(Demand::Mode, &["strict", "lax", "lax recursive"], &["bogus", "", "recursive"]);
        check(Demand::Collation, &["und:ci"], &["bogus", "", "und:xx"]);
        check(Demand::Utc, &["UTC"], &["", "utc+1", "America/Los_Angeles", "Foo/Bar"]);
        check(Demand::Distinct, &["", "abc"], &["aa"]);
        check(Demand::Filled, &["a"], &[""]);
        check(Demand::Text, &["", "a"], &[]);
        check(Demand::Count, &[], &["1", ""]);
    }

    #[test]
    fn a_good_number_is_told_from_a_bad_one() {
        let check = |demand: Demand, good: &[i64], bad: &[i64]| {
            good.iter().for_each(|number| assert!(demand.is_met_by(&Written::Integer(*number)), "{demand:?} {number}"));
            bad.iter().for_each(|number| assert!(!demand.is_met_by(&Written::Integer(*number)), "{demand:?} {number}"));
        };
        check(Demand::Bit, &[0, 1], &[-1, 2]);
        check(Demand::Count, &[0, 1_000], &[-1, 1_001, i64::MIN]);
        check(Demand::Ordinal, &[1], &[0, -1]);
        check(Demand::Position, &[1, -1], &[0, i64::MIN]);
        check(Demand::Precision, &[10, 24], &[9, 25]);
        check(Demand::Natural, &[0, i64::MAX], &[-1]);
        check(Demand::Positive, &[1, i64::MAX], &[0]);
        let all = ["bit", "count", "like", "regex", "start", "utc", "printf"].map(|word| Demand::named(word).unwrap());
        assert!(all.iter().all(|demand| demand.is_met_by(&Written::Null)) && !Demand::Text.is_met_by(&Written::Null));
        assert!([Demand::Collation, Demand::Mode].iter().all(|demand| !demand.is_met_by(&Written::Null)));
        assert_eq!(Demand::named("nice"), None);
        check(Demand::Fraction, &[0, 1], &[2, -1]);
        check(Demand::Utc, &[], &[0]);
        let fraction = |number: f64| Demand::Fraction.is_met_by(&Written::Float(number));
        assert!(fraction(0.5) && !fraction(1.5) && !fraction(f64::NAN));
        let part = |demand: Demand, good: &[i64]| (0..40).all(|part| demand.is_met_by(&Written::Part(part)) == good.contains(&part));
        assert!(part(Demand::Start, &[1, 2, 3, 6, 7, 8, 9, 10, 11, 17, 18, 19]));
        assert!(part(Demand::Seconds, &[7, 8, 9, 10, 11]));
        assert!(part(Demand::Days, &[1, 2, 3, 6, 14, 17, 18, 19, 20, 21, 22, 23, 24]));
        assert!(part(Demand::Unit, &[1, 2, 3, 7, 8, 9, 10, 11]));
        assert!(part(Demand::Count, &[]));
    }
}
