//! A text that does not show itself.

use hyper::header::HeaderValue;
use std::fmt;

/// A token or a key. There is no `Display`, and `Debug` says nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// For the request that it is meant for, and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Nothing for a text that cannot stand in a header.
    pub fn bearer(&self) -> Option<HeaderValue> {
        let is_token = !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok().filter(|_| is_token)?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new("ya29.abc");
        let header = secret.bearer().unwrap();
        for text in [format!("{secret:?}"), format!("{header:?}"), format!("{:?}", Some(&secret))] {
            assert!(!text.contains("abc"), "{text}");
        }
        assert_eq!(header.as_bytes(), b"Bearer ya29.abc");
        for broken in ["", "a b", "a\r\nb", "a\u{fc}", "a\n"] {
            assert!(Secret::new(broken).bearer().is_none(), "{broken:?}");
        }
    }
}
