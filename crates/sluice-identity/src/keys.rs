//! The key set of one issuer. A set that looks hostile or broken is refused whole; keys for other purposes are left aside.

use crate::algorithm::Algorithm;
use crate::json::{self, Object};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
pub const KEYS_MAX: usize = 100;
const RSA_MODULUS_BYTES_MIN: usize = 2048 / 8;
const RSA_MODULUS_BYTES_MAX: usize = 8192 / 8;
/// 65537, which every issuer uses. Others have been the way into broken implementations.
const RSA_EXPONENT: &[u8] = &[1, 0, 1];
/// Parts of private keys: a set that shows them signs for everyone.
const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Knows nothing of issuers: whoever holds it keeps one for each, so that a key id of one issuer is never looked up at another.
pub struct KeySet {
    keys: BTreeMap<String, Key>,
    digest: [u8; 32],
    set_aside: usize,
}

pub struct Key {
    pub(crate) decoding: DecodingKey,
    fits: &'static [Algorithm],
    /// Where the set binds the key to one.
    algorithm: Option<Algorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetFault {
    Empty,
    KeyIdTwice(String),
    KeyMalformed(String),
    Malformed(String),
    PrivateKey(String),
    Symmetric(String),
    TooLarge { bytes: usize },
    TooManyKeys { keys: usize },
    WeakKey(String),
}

impl KeySet {
    pub fn read(text: &[u8]) -> Result<KeySet, KeySetFault> {
        if text.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetFault::TooLarge { bytes: text.len() });
        }
        let set = json::read_object(text).map_err(|fault| KeySetFault::Malformed(fault.0))?;
        let Some(Value::Array(listed)) = set.get("keys") else {
            return Err(KeySetFault::Malformed("`keys` is not a list".to_owned()));
        };
        if listed.len() > KEYS_MAX {
            return Err(KeySetFault::TooManyKeys { keys: listed.len() });
        }
        let mut keys = BTreeMap::new();
        for value in listed {
            let Value::Object(members) = value else { return Err(KeySetFault::Malformed("a key is not an object".to_owned())) };
            let Some((id, key)) = Key::read(members)? else { continue };
            if keys.insert(id.clone(), key).is_some() {
                return Err(KeySetFault::KeyIdTwice(id));
            }
        }
        if keys.is_empty() {
            return Err(KeySetFault::Empty);
        }
        let set_aside = listed.len() - keys.len();
        Ok(KeySet { keys, digest: Sha256::digest(text).into(), set_aside })
    }

    pub fn holds(&self, key_id: &str) -> bool {
        self.keys.contains_key(key_id)
    }

    /// Of the text as it was published, so that evidence names the very set that a token was believed from.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Keys for encryption, of unknown kinds, or without an id.
    pub fn set_aside(&self) -> usize {
        self.set_aside
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&Key> {
        self.keys.get(key_id)
    }
}

impl Key {
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.fits.contains(&algorithm) && self.algorithm.is_none_or(|bound| bound == algorithm)
    }

    /// Nothing for a key that serves another purpose.
    fn read(members: &Object) -> Result<Option<(String, Key)>, KeySetFault> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let id = text("kid").unwrap_or_default().to_owned();
        if text("kty") == Some("oct") {
            return Err(KeySetFault::Symmetric(id));
        }
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(KeySetFault::PrivateKey(id));
        }
        let serves = match (members.get("use"), members.get("key_ops")) {
            (None, None) => true,
            (None, Some(Value::Array(operations))) => operations.iter().any(|operation| operation == "verify"),
            (Some(purpose), _) => purpose == "sig" || purpose == "jwt-svid",
            (None, Some(_)) => false,
        };
        let algorithm = members.get("alg").map(|word| word.as_str().and_then(Algorithm::parse));
        let (true, false, Some(algorithm)) = (serves, id.is_empty(), algorithm.map_or(Some(None), |known| known.map(Some))) else {
            return Ok(None);
        };
        let found = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Some((rsa(members, &id)?, [Algorithm::Rs256, Algorithm::Ps256].as_slice())),
            (Some("EC"), Some("P-256")) => Some((curve(members, &id, 32)?, [Algorithm::Es256].as_slice())),
            (Some("EC"), Some("P-384")) => Some((curve(members, &id, 48)?, [Algorithm::Es384].as_slice())),
            (Some("OKP"), Some("Ed25519")) => {
                let point = bytes(members, "x", &id)?;
                sized(&point, 32, &id)?;
                Some((DecodingKey::from_ed_der(&point), [Algorithm::EdDsa].as_slice()))
            }
            _ => None,
        };
        Ok(found.map(|(decoding, fits)| (id, Key { decoding, fits, algorithm })))
    }
}

fn rsa(members: &Object, id: &str) -> Result<DecodingKey, KeySetFault> {
    let (modulus, exponent) = (bytes(members, "n", id)?, bytes(members, "e", id)?);
    // Without a leading zero, so that the length is the strength.
    if modulus.first().is_none_or(|byte| *byte < 0x80) || modulus.len() < RSA_MODULUS_BYTES_MIN {
        return Err(KeySetFault::WeakKey(id.to_owned()));
    }
    if modulus.len() > RSA_MODULUS_BYTES_MAX || exponent != RSA_EXPONENT {
        return Err(KeySetFault::KeyMalformed(id.to_owned()));
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn curve(members: &Object, id: &str, length: usize) -> Result<DecodingKey, KeySetFault> {
    let (x, y) = (bytes(members, "x", id)?, bytes(members, "y", id)?);
    sized(&x, length, id)?;
    sized(&y, length, id)?;
    // An uncompressed point; whether it lies on the curve is checked with each signature.
    Ok(DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
}

fn bytes(members: &Object, name: &str, id: &str) -> Result<Vec<u8>, KeySetFault> {
    let decoded = members.get(name).and_then(Value::as_str).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    decoded.ok_or_else(|| KeySetFault::KeyMalformed(id.to_owned()))
}

fn sized(bytes: &[u8], length: usize, id: &str) -> Result<(), KeySetFault> {
    if bytes.len() == length { Ok(()) } else { Err(KeySetFault::KeyMalformed(id.to_owned())) }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.keys.keys()).finish()
    }
}

impl fmt::Display for KeySetFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySetFault::Empty => write!(formatter, "the key set holds no key for signatures"),
            KeySetFault::KeyIdTwice(id) => write!(formatter, "key id `{}` stands twice", id.escape_debug()),
            KeySetFault::KeyMalformed(id) => write!(formatter, "key `{}` is malformed", id.escape_debug()),
            KeySetFault::Malformed(fault) => write!(formatter, "the key set cannot be read: {}", fault.escape_debug()),
            KeySetFault::PrivateKey(id) => write!(formatter, "key `{}` is published with its private part", id.escape_debug()),
            KeySetFault::Symmetric(id) => write!(formatter, "key `{}` is symmetric: whoever verifies with it can sign", id.escape_debug()),
            KeySetFault::TooLarge { bytes } => write!(formatter, "the key set has {bytes} bytes, at most {KEY_SET_BYTES_MAX}"),
            KeySetFault::TooManyKeys { keys } => write!(formatter, "the key set has {keys} keys, at most {KEYS_MAX}"),
            KeySetFault::WeakKey(id) => write!(formatter, "key `{}` is an RSA key below 2048 bits", id.escape_debug()),
        }
    }
}

impl std::error::Error for KeySetFault {}
