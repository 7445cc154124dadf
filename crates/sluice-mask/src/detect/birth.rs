//! Dates on which somebody can have been born, and names of persons: only where the column says that it holds such.

const YEAR_MIN: u32 = 1_900;
const NAME_CHARACTERS_MAX: usize = 64;
const NAME_WORDS_MAX: usize = 6;

/// `1980-02-01`, `01.02.1980`, `2/1/1980`, `19800201`; a time may stand behind it.
pub(crate) fn is_birth(cell: &str, year_max: u32) -> bool {
    let date = cell.split(['T', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = date.splitn(4, ['-', '.', '/']).collect();
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let of = |year: &str, one: &str, two: &str| {
        let (Some(year), Some(one), Some(two)) = (number(year), number(one), number(two)) else { return false };
        // Which of the two is the month differs from place to place.
        let is_month = |number: u32| (1..=12).contains(&number);
        let is_day = |number: u32| (1..=31).contains(&number);
        (YEAR_MIN..=year_max).contains(&year) && is_day(one) && is_day(two) && (is_month(one) || is_month(two))
    };
    match parts.as_slice() {
        [year, one, two] if year.len() == 4 && one.len() <= 2 && two.len() <= 2 => of(year, one, two),
        [one, two, year] if year.len() == 4 && one.len() <= 2 && two.len() <= 2 => of(year, one, two),
        [whole] if whole.len() == 8 && whole.is_ascii() => {
            let (year, rest) = whole.split_at(4);
            let (one, two) = rest.split_at(2);
            of(year, one, two)
        }
        _ => false,
    }
}

/// Words that begin with a capital letter, of any script, and no digit among them.
pub(crate) fn is_name(cell: &str) -> bool {
    let is_part = |letter: char| letter.is_alphabetic() || matches!(letter, '\'' | '’' | '-' | '.' | ',' | ' ');
    let words = || cell.split([' ', ',']).filter(|word| !word.is_empty());
    let has_capital = words().any(|word| word.chars().next().is_some_and(|letter| letter.is_uppercase() || !letter.is_ascii()));
    let length = cell.chars().take(NAME_CHARACTERS_MAX + 1).count();
    (2..=NAME_CHARACTERS_MAX).contains(&length)
        && cell.chars().all(is_part)
        && (1..=NAME_WORDS_MAX).contains(&words().count())
        && has_capital
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn births() {
        for (cell, expect) in [
            ("1980-02-01", true),
            ("1980-02-01T00:00:00", true),
            ("01.02.1980", true),
            ("12/31/1999", true),
            ("31/12/1999", true),
            ("19800201", true),
            ("2026-11-22", true),
            ("2027-01-01", false),
            ("1899-12-31", false),
            ("1980-13-32", false),
            ("31/31/1999", false),
            ("1980", false),
            ("", false),
            ("+980-02-01", false),
            ("N/A", false),
            ("ééééé", false),
        ] {
            assert_eq!(is_birth(cell, 2_026), expect, "{cell}");
        }
    }

    #[test]
    fn names() {
        for (cell, expect) in [
            ("Ada", true),
            ("Ada Brandt", true),
            ("O'Neill, Chidi", true),
            ("Müller-Lüdenscheidt", true),
            ("李小龙", true),
            ("Ada B. Brandt Jr.", true),
            ("ada", false),
            ("User 17", false),
            ("A", false),
            ("", false),
            ("ada@example.com", false),
        ] {
            assert_eq!(is_name(cell), expect, "{cell}");
        }
    }
}
