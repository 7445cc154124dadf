//! The part of a request that says what it is about. What goes into it cannot become another path, parameter or header.

/// Encodes everything but letters, digits and `-._~`, so that a name stays one segment or one value.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Whether an encoded path stays where it is put: no dots that lead up, nothing empty, no query, no bytes that HTTP does not know.
pub fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte);
    let leads_elsewhere = |segment: &str| {
        let decoded = segment.replace("%2e", ".").replace("%2E", ".");
        segment.is_empty() || decoded == "." || decoded == ".."
    };
    path.bytes().all(plain) && !path.split('/').any(leads_elsewhere)
}

pub fn with_query(path: &str, query: &[(String, String)]) -> String {
    let mut target = path.to_owned();
    for (position, (name, value)) in query.iter().enumerate() {
        target.push(if position == 0 { '?' } else { '&' });
        target.push_str(&format!("{}={}", encoded(name), encoded(value)));
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are() {
        let check = |text: &str, expect: &str| assert_eq!(encoded(text), expect);
        check("example.com:p", "example.com%3Ap");
        check("a/../b?c=d&e#f", "a%2F..%2Fb%3Fc%3Dd%26e%23f");
        check("x\r\nHost: evil", "x%0D%0AHost%3A%20evil");
        check("t_ü*", "t_%C3%BC%2A");
        assert_eq!(with_query("/a", &[("b c".to_owned(), "d&e".to_owned()), ("f".to_owned(), String::new())]), "/a?b%20c=d%26e&f=");
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for path in ["projects/p/jobs", "projects/example.com%3Ap/jobs/j:cancel", "projects/p/datasets/d/tables/t%2Fu"] {
            assert!(is_plain_path(path), "{path}");
        }
        for path in ["", "/projects", "projects//jobs", "a/../b", "a/%2e%2E/b", "a/./b", "a?b", "a#b", "a b", "a\r\nb", "ü", "a\\b", "a/"]
        {
            assert!(!is_plain_path(path), "{path}");
        }
    }
}
