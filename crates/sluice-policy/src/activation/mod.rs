//! Which set is in force, by whose word. An activation is a short text, signed with a key that configuration names; it is what is put on record.
//!
//! The text names the activation before it: an old one that is played again does not follow what is in force now.

mod keys;
mod standing;

pub use keys::ActivationKeys;
pub use standing::{ActivationLog, Standing};

use crate::bundle::BundleDigest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use sluice_model::plain::check_line;
use std::fmt;

const HEAD: &str = "sluice policy activation, format 1";
pub const ACTIVATION_BYTES_MAX: usize = 4096;
/// How far the signer's clock may be from ours, either way.
pub const ACTIVATION_AGE_SECONDS_MAX: i64 = 15 * 60;
const NONE: &str = "none";

/// What somebody wants: this set, in force or in shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    pub set: BundleDigest,
    /// In shadow it is asked and recorded, and decides nothing.
    pub shadow: bool,
    /// The digest of the activation that is in force; nothing for the first.
    pub after: Option<BundleDigest>,
    /// A name of the configured keys.
    pub by: String,
    pub reason: String,
    /// Seconds since 1970.
    pub at: i64,
}

/// An activation whose signature was verified. Made by `verify` alone.
#[derive(Debug)]
pub struct Activated {
    activation: Activation,
    signature: Vec<u8>,
    digest: BundleDigest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivationError {
    /// It was made for another state of things: another one came between, or this one is played again.
    Behind,
    /// It is not a text of ours.
    Format,
    Key {
        by: String,
    },
    /// Where activations are kept cannot be read or written.
    Log {
        text: String,
    },
    Signature,
    /// It was signed too long ago, or by a clock that is ahead.
    Time,
}

impl Activation {
    /// The text that is signed. One field a line, nothing left out.
    pub fn text(&self) -> String {
        let shadow = if self.shadow { "shadow" } else { "in force" };
        let after = self.after.as_ref().map_or(NONE, BundleDigest::text);
        let (by, reason) = (one_line(&self.by), one_line(&self.reason));
        format!("{HEAD}\nset {}\nas {shadow}\nafter {after}\nby {by}\nat {}\nreason {reason}\n", self.set, self.at)
    }

    /// What is wrong with what a person says in it: whoever signs has to see what they sign.
    pub fn check(&self) -> Result<(), String> {
        check_line("who signs", &self.by, ACTIVATION_BYTES_MAX)?;
        check_line("the reason", &self.reason, ACTIVATION_BYTES_MAX)?;
        let bytes = self.text().len();
        if bytes > ACTIVATION_BYTES_MAX { Err(format!("the text has {bytes} bytes, at most {ACTIVATION_BYTES_MAX}")) } else { Ok(()) }
    }

    fn read(text: &str) -> Option<Activation> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name);
        field(HEAD).filter(|rest| rest.is_empty())?;
        let set = BundleDigest::parse(field("set ")?)?;
        let shadow = match field("as ")? {
            "in force" => false,
            "shadow" => true,
            _ => return None,
        };
        let after = match field("after ")? {
            NONE => None,
            digest => Some(BundleDigest::parse(digest)?),
        };
        let (by, at, reason) = (field("by ")?.to_owned(), field("at ")?.parse().ok()?, field("reason ")?.to_owned());
        let activation = Activation { set, shadow, after, by, reason, at };
        // Only the text that we would write: no second way to say the same, and none that a terminal shows as another.
        (activation.text() == text && activation.check().is_ok()).then_some(activation)
    }
}

impl Activated {
    /// `current`: the digest of the activation in force, from this very function.
    pub fn verify(
        text: &str,
        signature: &[u8],
        keys: &ActivationKeys,
        current: Option<&BundleDigest>,
        now: i64,
    ) -> Result<Activated, ActivationError> {
        if text.len() > ACTIVATION_BYTES_MAX {
            return Err(ActivationError::Format);
        }
        let activation = Activation::read(text).ok_or(ActivationError::Format)?;
        let key = keys.current.get(&activation.by).ok_or_else(|| ActivationError::Key { by: activation.by.clone() })?;
        check_signature(text, signature, key)?;
        if now.saturating_sub(activation.at).saturating_abs() > ACTIVATION_AGE_SECONDS_MAX {
            return Err(ActivationError::Time);
        }
        if activation.after.as_ref() != current {
            return Err(ActivationError::Behind);
        }
        Ok(Activated { activation, signature: signature.to_vec(), digest: digest(text) })
    }

    pub fn activation(&self) -> &Activation {
        &self.activation
    }

    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What the next activation has to name.
    pub fn digest(&self) -> &BundleDigest {
        &self.digest
    }
}

fn check_signature(text: &str, signature: &[u8], key: &[u8; 32]) -> Result<(), ActivationError> {
    UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), signature).map_err(|_| ActivationError::Signature)
}

fn digest(text: &str) -> BundleDigest {
    BundleDigest::of(&Sha256::digest(text.as_bytes()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for ActivationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActivationError::Behind => formatter.write_str("it does not follow the activation in force"),
            ActivationError::Format => formatter.write_str("it is not an activation as this program writes it"),
            ActivationError::Key { by } => write!(formatter, "no key of `{by}` is configured"),
            ActivationError::Log { text } => formatter.write_str(text),
            ActivationError::Signature => formatter.write_str("the signature is not of this text by that key"),
            ActivationError::Time => write!(formatter, "it was signed more than {ACTIVATION_AGE_SECONDS_MAX} seconds from now"),
        }
    }
}

impl std::error::Error for ActivationError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use std::collections::BTreeMap;

    const NOW: i64 = 1_893_585_600;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn activation(after: Option<BundleDigest>) -> Activation {
        let (by, reason) = ("ana".to_owned(), "masks for the new columns".to_owned());
        Activation { set: Bundle::default().digest(), shadow: false, after, by, reason, at: NOW }
    }

    fn verify(text: &str, signer: &Ed25519KeyPair, current: Option<&BundleDigest>, now: i64) -> Result<Activated, ActivationError> {
        let key: [u8; 32] = pair(1).public_key().as_ref().try_into().unwrap();
        let keys = ActivationKeys { current: BTreeMap::from([("ana".to_owned(), key)]), retired: BTreeMap::new() };
        Activated::verify(text, signer.sign(text.as_bytes()).as_ref(), &keys, current, now)
    }

    #[test]
    fn a_chain_of_activations_is_followed() {
        let first = verify(&activation(None).text(), &pair(1), None, NOW).unwrap();
        assert_eq!(first.activation(), &activation(None));
        let second = activation(Some(first.digest().clone())).text();
        let second = verify(&second, &pair(1), Some(first.digest()), NOW + 60).unwrap();
        // Played again, it follows nothing that is in force.
        assert_eq!(verify(&activation(None).text(), &pair(1), Some(second.digest()), NOW).unwrap_err(), ActivationError::Behind);
    }

    #[test]
    fn what_is_not_signed_so_is_refused() {
        let text = activation(None).text();
        let check = |text: &str, signer: u8, now: i64, expect: ActivationError| {
            assert_eq!(verify(text, &pair(signer), None, now).unwrap_err(), expect, "{text}");
        };
        check(&text, 2, NOW, ActivationError::Signature);
        check(&text, 1, NOW + ACTIVATION_AGE_SECONDS_MAX + 1, ActivationError::Time);
        check(&text, 1, NOW - ACTIVATION_AGE_SECONDS_MAX - 1, ActivationError::Time);
        check(&text.replace("by ana", "by eve"), 1, NOW, ActivationError::Key { by: "eve".to_owned() });
        for broken in [
            format!("{text}\n"),
            format!("{text}shadow\n"),
            text.replace("as in force", "as in  force"),
            text.replace("at 1", "at +1"),
            text.replace("reason ", "reason  "),
            text.replace("format 1", "format 2"),
            text.replace('\n', "\r\n"),
            String::new(),
            "x".repeat(ACTIVATION_BYTES_MAX + 1),
            text.replace("for the", "for \u{1b}[2Kthe"),
            text.replace("for the", "for \u{202e}the"),
        ] {
            check(&broken, 1, NOW, ActivationError::Format);
        }
    }

    #[test]
    fn a_changed_letter_voids_the_signature() {
        let text = activation(None).text();
        let key: [u8; 32] = pair(1).public_key().as_ref().try_into().unwrap();
        let keys = ActivationKeys { current: BTreeMap::from([("ana".to_owned(), key)]), retired: BTreeMap::new() };
        let signature = pair(1).sign(text.as_bytes());
        let other = text.replace("in force", "shadow");
        assert_eq!(Activated::verify(&other, signature.as_ref(), &keys, None, NOW).unwrap_err(), ActivationError::Signature);
    }
}
