//! Who may activate: Ed25519 public keys by the name of who holds them, out of configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluice_model::plain::is_hostile;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivationKeys {
    pub current: BTreeMap<String, [u8; 32]>,
    /// They sign nothing new. What they signed once stays verifiable.
    pub retired: BTreeMap<String, [u8; 32]>,
}

/// What stands before an Ed25519 key in a public key file (RFC 8410).
const PUBLIC_KEY_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl ActivationKeys {
    /// Each key is the middle line of its public key file, or the bare 32 bytes, in base64. Every problem is said.
    pub fn read(current: &BTreeMap<String, String>, retired: &BTreeMap<String, String>) -> Result<ActivationKeys, Vec<String>> {
        let mut problems = Vec::new();
        let keys = ActivationKeys { current: all(current, &mut problems), retired: all(retired, &mut problems) };
        let mut seen: BTreeMap<&[u8; 32], &str> = BTreeMap::new();
        for (name, key) in keys.current.iter().chain(&keys.retired) {
            if let Some(other) = seen.insert(key, name).filter(|other| other != name) {
                problems.push(format!("`{other}` and `{name}` have the same key: nobody could say which of them it was"));
            }
        }
        // One name is one key: an old activation must not come to be of another hand.
        problems.extend(
            keys.retired.keys().filter(|name| keys.current.contains_key(*name)).map(|name| format!("`{name}` is current and retired")),
        );
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }

    pub(super) fn of(&self, name: &str) -> Option<&[u8; 32]> {
        self.current.get(name).or_else(|| self.retired.get(name))
    }
}

fn all(entries: &BTreeMap<String, String>, problems: &mut Vec<String>) -> BTreeMap<String, [u8; 32]> {
    let mut keys = BTreeMap::new();
    for (name, text) in entries {
        if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || is_hostile(letter)) {
            problems.push(format!("`{name}` is no name of a key: one word"));
        }
        match key(text) {
            Some(key) => drop(keys.insert(name.clone(), key)),
            None => problems.push(format!("key of `{name}` is no Ed25519 public key in base64")),
        }
    }
    keys
}

fn key(text: &str) -> Option<[u8; 32]> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.strip_prefix(&PUBLIC_KEY_HEAD).unwrap_or(&bytes).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const WHOLE: &str = "MCowBQYDK2VwAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn check(current: &[(&str, &str)], retired: &[(&str, &str)], expect: &[&str]) {
        let entries = |entries: &[(&str, &str)]| entries.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
        let problems = ActivationKeys::read(&entries(current), &entries(retired)).err().unwrap_or_default();
        assert_eq!(problems.len(), expect.len(), "{problems:?}");
        for (problem, expect) in problems.iter().zip(expect) {
            assert!(problem.contains(expect), "`{problem}` does not hold `{expect}`");
        }
    }

    #[test]
    fn keys_are_read_in_both_forms() {
        let read = |text: &str| key(text).map(|key| key.to_vec());
        assert_eq!(read(BARE), Some((0..32).collect()));
        assert_eq!(read(WHOLE), read(BARE));
        for text in ["", "AAEC", "MCowBQYDK2VwAyEA", "-----BEGIN PUBLIC KEY-----", &format!("{BARE}\n")] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_problem_is_said_at_once() {
        check(&[("ana", WHOLE)], &[], &[]);
        check(&[("a b", BARE), ("ben", "x"), ("cleo", WHOLE)], &[], &["no name of a key", "key of `ben`", "the same key"]);
        check(&[("ana", WHOLE)], &[("ben", BARE)], &["the same key"]);
        check(&[("ana", WHOLE)], &[("ana", BARE)], &["current and retired"]);
    }
}
