//! What hashes are made with. The secret comes in: nothing here draws or keeps one.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fmt;

pub const MASK_SECRET_BYTES: usize = 32;

/// One key for one use, so that a hash of the one kind is none of the other.
const KEYED: &[u8] = b"sluice keyed_hash 1";
const RANDOM: &[u8] = b"sluice random_hash 1";
const COARSE: &[u8] = b"sluice coarse_bytes 1";
const PAGES: &[u8] = b"sluice page_token 1";
/// What a count of bytes is rounded to: the least that BigQuery bills a table for.
pub const COARSE_BYTES: u64 = 10 << 20;
/// How a token of the gateway's begins. No letter of BigQuery's tokens is a full stop.
const TOKEN: &str = "sluice.";
const TOKEN_TAG_BYTES: usize = 16;

/// Of a deployment: its replicas have the same, or equal values do not have equal hashes.
pub struct MaskKeys {
    keyed: Key,
    random: Key,
    coarse: Key,
    pages: Key,
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
        MaskKeys { keyed: derived(KEYED), random: derived(RANDOM), coarse: derived(COARSE), pages: derived(PAGES) }
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
        HashKeys { keyed: self.keyed.clone(), random: Key::new(HMAC_SHA256, sign(&self.random, &named(result)).as_ref()) }
    }

    /// What a client goes on by, from this row of that result. BigQuery's own tokens say where its pages end.
    pub fn page_token(&self, result: &[&str], row: u64) -> String {
        let tag: String = self.token_tag(result, row).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{TOKEN}{row:x}.{tag}")
    }

    /// Which row a token says. `None` where it is none of the gateway's, `Some(None)` where it is of another result.
    pub fn token_row(&self, result: &[&str], token: &str) -> Option<Option<u64>> {
        let said = token.strip_prefix(TOKEN)?;
        let row = said.split_once('.').and_then(|(row, _)| u64::from_str_radix(row, 16).ok());
        Some(row.filter(|row| verify_slices_are_equal(self.page_token(result, *row).as_bytes(), token.as_bytes()).is_ok()))
    }

    fn token_tag(&self, result: &[&str], row: u64) -> Vec<u8> {
        let said = [&row.to_be_bytes()[..], &named(result)].concat();
        sign(&self.pages, &said).as_ref().iter().take(TOKEN_TAG_BYTES).copied().collect()
    }
}

/// Each part behind its length, so that no two results are named alike.
fn named(result: &[&str]) -> Vec<u8> {
    result.iter().flat_map(|part| [format!("{}:", part.len()).as_bytes(), part.as_bytes()].concat()).collect()
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
    fn a_token_says_a_row_of_one_result_and_of_no_other() {
        let (keys, other) = (MaskKeys::new(&[1; MASK_SECRET_BYTES]), MaskKeys::new(&[2; MASK_SECRET_BYTES]));
        let result = ["job", "p", "j"];
        let token = keys.page_token(&result, 4_711);
        let check = |keys: &MaskKeys, result: &[&str], token: &str, expect: Option<Option<u64>>| {
            assert_eq!(keys.token_row(result, token), expect, "{token} of {result:?}");
        };
        check(&keys, &result, &token, Some(Some(4_711)));
        check(&keys, &["job", "pj", ""], &token, Some(None));
        check(&other, &result, &token, Some(None));
        check(&keys, &result, &token.replace("1267", "1268"), Some(None));
        check(&keys, &result, &token.replace("1267", "01267"), Some(None));
        check(&keys, &result, &format!("{token}0"), Some(None));
        check(&keys, &result, "sluice.", Some(None));
        check(&keys, &result, "BGKDHFHKJQAQAAASA4EAAEEAQCAAKGQ=", None);
        check(&keys, &result, "12", None);
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
