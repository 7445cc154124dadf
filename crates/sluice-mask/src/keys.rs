//! What hashes are made with. The secret comes in: nothing here draws or keeps one.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fmt;

pub const MASK_SECRET_BYTES: usize = 32;

/// One key for one use, so that a hash of the one kind is none of the other.
const KEYED: &[u8] = b"sluice keyed_hash 1";
const RANDOM: &[u8] = b"sluice random_hash 1";
const COARSE: &[u8] = b"sluice coarse_bytes 1";
/// What a count of bytes is rounded to: the least that BigQuery bills a table for.
pub const COARSE_BYTES: u64 = 10 << 20;

/// Of a deployment: its replicas have the same, or equal values do not have equal hashes.
pub struct MaskKeys {
    keyed: Key,
    random: Key,
    coarse: Key,
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
        MaskKeys { keyed: derived(KEYED), random: derived(RANDOM), coarse: derived(COARSE) }
    }

    /// A count of bytes for somebody who may not know how long the values are together.
    ///
    /// Rounding alone would not do: whoever reads something of known size beside it finds the size at which the result jumps. So a part of a step
    /// that is drawn from the exact count is added first. Equal counts are told alike; a difference of one byte shows in about one of ten million.
    pub fn coarse_bytes(&self, bytes: u64) -> u64 {
        let tag = sign(&self.coarse, &bytes.to_be_bytes());
        let drawn = tag.as_ref().iter().take(size_of::<u64>()).fold(0, |drawn: u64, byte| (drawn << 8) | u64::from(*byte));
        let steps = bytes.saturating_add(drawn % COARSE_BYTES) / COARSE_BYTES;
        // Never nothing: an empty column would be told from one that is not.
        steps.max(1).saturating_mul(COARSE_BYTES)
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
    fn counts_of_bytes_are_told_by_steps_that_nobody_can_find() {
        let keys = MaskKeys::new(&[1; MASK_SECRET_BYTES]);
        let check = |bytes: u64, expect: &[u64]| {
            let told = keys.coarse_bytes(bytes);
            assert_eq!(told, keys.coarse_bytes(bytes));
            assert!(told.is_multiple_of(COARSE_BYTES) && expect.contains(&(told / COARSE_BYTES)), "{bytes}: {told}");
        };
        check(0, &[1]);
        check(1, &[1]);
        check(COARSE_BYTES, &[1]);
        check(7 * COARSE_BYTES + COARSE_BYTES / 2, &[7, 8]);
        check(u64::MAX, &[u64::MAX / COARSE_BYTES]);
        // Beside a pad of any size: half of the answers are the one, half the other, so no pad finds the step.
        let beside = |secret: u64, from: u64| {
            let told = (0..1_000).map(|pad| keys.coarse_bytes(from + secret + pad) / COARSE_BYTES);
            told.filter(|steps| *steps == 4).count()
        };
        let half = beside(7, 3 * COARSE_BYTES + COARSE_BYTES / 2);
        assert!((400..600).contains(&half), "{half}");
        let other = MaskKeys::new(&[2; MASK_SECRET_BYTES]);
        let differs = |bytes: &u64| other.coarse_bytes(*bytes) != keys.coarse_bytes(*bytes);
        assert!((0..100).map(|bytes| bytes + 3 * COARSE_BYTES + COARSE_BYTES / 2).any(|bytes| differs(&bytes)));
    }

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
