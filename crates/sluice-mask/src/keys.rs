//! What hashes are made with. The secret comes in: nothing here draws or keeps one.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fmt;

pub const MASK_SECRET_BYTES: usize = 32;

/// One key for one use, so that a hash of the one kind is none of the other.
const KEYED: &[u8] = b"sluice keyed_hash 1";
const RANDOM: &[u8] = b"sluice random_hash 1";

/// Of a deployment: its replicas have the same, or equal values do not have equal hashes.
pub struct MaskKeys {
    keyed: Key,
    random: Key,
}

/// For the rows of one result.
#[derive(Clone)]
pub(crate) struct HashKeys {
    /// The deployment's: equal values are equal in every result.
    pub(crate) keyed: Key,
    /// This result's alone.
    pub(crate) random: Key,
}

impl MaskKeys {
    pub fn new(secret: &[u8; MASK_SECRET_BYTES]) -> MaskKeys {
        let secret = Key::new(HMAC_SHA256, secret);
        let derived = |use_of: &[u8]| Key::new(HMAC_SHA256, sign(&secret, use_of).as_ref());
        MaskKeys { keyed: derived(KEYED), random: derived(RANDOM) }
    }

    /// `result` names it: all pages of one result say the same, and no other result does.
    pub(crate) fn of_result(&self, result: &[&str]) -> HashKeys {
        // Each part behind its length, so that no two results are named alike.
        let named: Vec<u8> = result.iter().flat_map(|part| [format!("{}:", part.len()).as_bytes(), part.as_bytes()].concat()).collect();
        HashKeys { keyed: self.keyed.clone(), random: Key::new(HMAC_SHA256, sign(&self.random, &named).as_ref()) }
    }
}

/// Keys do not reach a log.
impl fmt::Debug for MaskKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MaskKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HashKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_deployment_one_use_and_one_result() {
        let tag = |key: &Key| sign(key, b"x").as_ref().to_vec();
        let tags = |secret: u8, result: &[&str]| {
            let keys = MaskKeys::new(&[secret; MASK_SECRET_BYTES]).of_result(result);
            (tag(&keys.keyed), tag(&keys.random))
        };
        let (keyed, random) = tags(1, &["job", "p", "j"]);
        assert_eq!(tags(1, &["job", "p", "j"]), (keyed.clone(), random.clone()));
        assert_ne!(keyed, random);
        for other in [&["job", "p", "k"][..], &["job", "pj", ""], &["job", "p"], &["job", "p", "j", ""], &["table", "p", "j"]] {
            let (other_keyed, other_random) = tags(1, other);
            assert!(other_keyed == keyed && other_random != random, "{other:?}");
        }
        assert!(tags(2, &["job", "p", "j"]).0 != keyed && tags(2, &["job", "p", "j"]).1 != random);
    }
}
