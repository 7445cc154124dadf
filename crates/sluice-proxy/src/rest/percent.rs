//! Percent-encoding, decoded once and strictly: what could be read in two ways is not read.

/// Why an encoded text is not taken. No text of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentFault {
    /// `%` without two hexadecimal digits behind it.
    Broken,
    /// A control character, by itself or encoded.
    Control,
    /// `%2F` in a part of a path: the part would be two.
    Slash,
    /// A character that has to be encoded.
    Stray,
    /// Not UTF-8: overlong forms and surrogates too.
    Utf8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between two slashes of a path.
    Path,
    /// A name or a value behind the question mark: a plus is a space.
    Query,
}

pub fn decode(text: &str, place: Place) -> Result<String, PercentFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(encoded(rest.next(), rest.next(), place)?),
            b'+' if place == Place::Query => bytes.push(b' '),
            byte if byte < 0x20 || byte == 0x7f => return Err(PercentFault::Control),
            byte if !byte.is_ascii() || is_stray(byte) => return Err(PercentFault::Stray),
            byte => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| PercentFault::Utf8)?;
    if text.chars().any(char::is_control) { Err(PercentFault::Control) } else { Ok(text) }
}

/// For a part of a path: everything but what stands for itself in one.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'$' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn encoded(high: Option<u8>, low: Option<u8>, place: Place) -> Result<u8, PercentFault> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(PercentFault::Broken) };
    match high * 16 + low {
        b'/' | b'\\' if place == Place::Path => Err(PercentFault::Slash),
        byte if byte < 0x20 || byte == 0x7f => Err(PercentFault::Control),
        byte => Ok(byte),
    }
}

/// Other programs read these in more than one way when they stand unencoded.
fn is_stray(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b';')
}

impl PercentFault {
    pub fn text(self) -> &'static str {
        match self {
            PercentFault::Broken => "has a `%` without two hexadecimal digits behind it",
            PercentFault::Control => "holds a control character",
            PercentFault::Slash => "holds an encoded slash",
            PercentFault::Stray => "holds a character that has to be percent-encoded",
            PercentFault::Utf8 => "is not UTF-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_decoded_once() {
        let check = |text: &str, place: Place, expect: Result<&str, PercentFault>| {
            assert_eq!(decode(text, place), expect.map(str::to_owned), "{text}");
        };
        for place in [Place::Path, Place::Query] {
            check("example.com:project", place, Ok("example.com:project"));
            check("example.com%3Aproject", place, Ok("example.com:project"));
            check("%c3%a4", place, Ok("ä"));
            check("%2541", place, Ok("%41"));
            check("%252F", place, Ok("%2F"));
            check("t%24p", place, Ok("t$p"));
            check("", place, Ok(""));
            check("%", place, Err(PercentFault::Broken));
            check("%4", place, Err(PercentFault::Broken));
            check("%G1", place, Err(PercentFault::Broken));
            check("%+1", place, Err(PercentFault::Broken));
            check("%-1", place, Err(PercentFault::Broken));
            check("%u0041", place, Err(PercentFault::Broken));
            check("%00", place, Err(PercentFault::Control));
            check("%0d%0aX: y", place, Err(PercentFault::Control));
            check("%7f", place, Err(PercentFault::Control));
            check("%C2%85", place, Err(PercentFault::Control));
            check("a\u{1}b", place, Err(PercentFault::Control));
            check("%c0%af", place, Err(PercentFault::Utf8));
            check("%c0%80", place, Err(PercentFault::Utf8));
            check("%e0%80%af", place, Err(PercentFault::Utf8));
            check("%ed%a0%80", place, Err(PercentFault::Utf8));
            check("%f5%80%80%80", place, Err(PercentFault::Utf8));
            check("%ff", place, Err(PercentFault::Utf8));
            check("%c3", place, Err(PercentFault::Utf8));
            check("ä", place, Err(PercentFault::Stray));
            check("a;b", place, Err(PercentFault::Stray));
            check("a\\b", place, Err(PercentFault::Stray));
            check("a\"b", place, Err(PercentFault::Stray));
        }
        check("%2F", Place::Path, Err(PercentFault::Slash));
        check("%2f", Place::Path, Err(PercentFault::Slash));
        check("%5C", Place::Path, Err(PercentFault::Slash));
        check("%2F", Place::Query, Ok("/"));
        check("a+b", Place::Query, Ok("a b"));
        check("a+b", Place::Path, Ok("a+b"));
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for text in ["t$20240101", "example.com:p", "a b", "ä/ö", "%41", "a?b#c&d=e"] {
            assert_eq!(decode(&encode(text), Place::Query), Ok(text.to_owned()));
            assert!(!encode(text).contains(['/', '?', '#', ' ', '&']), "{text}");
        }
    }
}
