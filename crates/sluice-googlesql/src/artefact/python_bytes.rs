//! Reads one Python bytes literal, as the protocol buffer compiler writes it: `b'\n\x05text...'`.

/// The bytes behind the first `prefix` in the source, up to the closing quote. `None` when there is none or it is not such a literal.
pub fn literal(source: &str, prefix: &str) -> Option<Vec<u8>> {
    let (_, rest) = source.split_once(prefix)?;
    let rest = rest.strip_prefix('b')?;
    let quote = rest.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    let mut letters = rest.strip_prefix(quote)?.chars();
    let mut found = Vec::new();
    loop {
        let letter = letters.next()?;
        if letter == quote {
            return Some(found);
        }
        if letter != '\\' {
            found.push(u8::try_from(letter).ok().filter(u8::is_ascii)?);
            continue;
        }
        match letters.next()? {
            'n' => found.push(b'\n'),
            'r' => found.push(b'\r'),
            't' => found.push(b'\t'),
            'x' => found.push(hexadecimal(letters.next()?, letters.next()?)?),
            mark @ ('\\' | '\'' | '"') => found.push(u8::try_from(mark).ok()?),
            digit @ '0'..='7' => found.push(octal(digit, &mut letters)?),
            _ => return None,
        }
    }
}

fn hexadecimal(high: char, low: char) -> Option<u8> {
    u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()
}

/// One to three digits.
fn octal(first: char, letters: &mut std::str::Chars<'_>) -> Option<u8> {
    let mut number = first.to_digit(8)?;
    for _ in 0..2 {
        let Some(digit) = letters.as_str().chars().next().and_then(|letter| letter.to_digit(8)) else { break };
        letters.next();
        number = number * 8 + digit;
    }
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: Option<&[u8]>) {
        assert_eq!(literal(source, "Add(").as_deref(), expect, "{source}");
    }

    #[test]
    fn literals_are_read() {
        check(r#"x = Add(b'a\n\x05\\\'"\t')"#, Some(b"a\n\x05\\'\"\t"));
        check(r#"Add(b"it's")"#, Some(b"it's"));
        check(r"Add(b'\0a\1234')", Some(b"\0a\x534"));
        check(r"Add(b'\xff\xFE')", Some(b"\xff\xfe"));
        check("Add('a')", None);
        check("Add(b'a", None);
        check(r"Add(b'\x4')", None);
        check(r"Add(b'\q')", None);
        check(r"Add(b'\777')", None);
        check("Add(b'\u{e9}')", None);
        check("nothing", None);
    }
}
