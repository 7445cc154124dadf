//! What the activations so far come to: which set is in force, which are in shadow, what the next activation has to name.

use super::{Activated, Activation, ActivationError, ActivationKeys};
use crate::bundle::BundleDigest;
use crate::change::Change;
use crate::shadow::SHADOWS_MAX;

/// Where activations are kept. PORT: what `append` returned for is durable, is never changed, and comes back in this order.
pub trait ActivationLog {
    /// What stands there now.
    fn standing(&self) -> Result<Standing, ActivationError>;

    /// `changes`: what the set says otherwise than the one in force. Fails where another activation came first.
    fn append(&mut self, activated: &Activated, changes: &[Change]) -> Result<(), ActivationError>;
}

/// Follows a log from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    last: Option<BundleDigest>,
    in_force: Option<BundleDigest>,
    shadows: Vec<BundleDigest>,
}

impl Standing {
    /// The next record of the log. The moment of its signing was checked when it was written.
    pub fn follow(&mut self, text: &str, signature: &[u8], keys: &ActivationKeys) -> Result<Activation, ActivationError> {
        let activation = Activation::read(text).ok_or(ActivationError::Format)?;
        let key = keys.of(&activation.by).ok_or_else(|| ActivationError::Key { by: activation.by.clone() })?;
        super::check_signature(text, signature, key)?;
        if activation.after != self.last {
            return Err(ActivationError::Behind);
        }
        self.last = Some(super::digest(text));
        if activation.shadow {
            self.shadows.retain(|set| *set != activation.set);
            self.shadows.push(activation.set.clone());
            let surplus = self.shadows.len().saturating_sub(SHADOWS_MAX);
            self.shadows.drain(..surplus);
        } else {
            // Shadows were there to be compared with what was in force.
            self.shadows.clear();
            self.in_force = Some(activation.set.clone());
        }
        Ok(activation)
    }

    /// The digest that the next activation has to name.
    pub fn last(&self) -> Option<&BundleDigest> {
        self.last.as_ref()
    }

    pub fn in_force(&self) -> Option<&BundleDigest> {
        self.in_force.as_ref()
    }

    /// From the oldest on; at most `SHADOWS_MAX`.
    pub fn shadows(&self) -> &[BundleDigest] {
        &self.shadows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    fn digest(letter: char) -> BundleDigest {
        BundleDigest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
    }

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
    }

    fn keys() -> ActivationKeys {
        let key: [u8; 32] = pair().public_key().as_ref().try_into().unwrap();
        ActivationKeys { current: Default::default(), retired: [("ana".to_owned(), key)].into() }
    }

    fn text(set: char, shadow: bool, after: Option<&BundleDigest>, by: &str) -> String {
        Activation { set: digest(set), shadow, after: after.cloned(), by: by.to_owned(), reason: "r".to_owned(), at: 1 }.text()
    }

    fn follow(standing: &mut Standing, text: &str) -> Result<Activation, ActivationError> {
        standing.follow(text, pair().sign(text.as_bytes()).as_ref(), &keys())
    }

    #[test]
    fn a_log_is_followed() {
        let mut standing = Standing::default();
        for set in ['a', 'b', 'c', 'd', 'e', 'b'] {
            let text = text(set, true, standing.last(), "ana");
            follow(&mut standing, &text).unwrap();
        }
        assert_eq!((standing.in_force(), standing.shadows()), (None, &['c', 'd', 'e', 'b'].map(digest)[..]));
        let text = text('b', false, standing.last(), "ana");
        follow(&mut standing, &text).unwrap();
        assert_eq!((standing.in_force(), standing.shadows()), (Some(&digest('b')), &[][..]));
    }

    #[test]
    fn a_log_with_a_gap_or_a_strange_hand_is_not() {
        let mut standing = Standing::default();
        let first = text('a', false, None, "ana");
        follow(&mut standing, &first).unwrap();
        assert_eq!(follow(&mut standing, &first), Err(ActivationError::Behind));
        let by_eve = text('b', false, standing.last(), "eve");
        assert_eq!(follow(&mut standing, &by_eve), Err(ActivationError::Key { by: "eve".to_owned() }));
        let unsigned = text('b', false, standing.last(), "ana");
        assert_eq!(standing.follow(&unsigned, &[0; 64], &keys()), Err(ActivationError::Signature));
        // The last sound one stands.
        assert_eq!(standing.in_force(), Some(&digest('a')));
    }
}
