//! Keys of logs and of witnesses, by name. All are Ed25519; the kind says what a signature by the key means.

use crate::tree::sha256;
use aws_lc_rs::hkdf;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

pub const KEY_NAME_BYTES_MAX: usize = 255;
const PUBLIC_KEY_BYTES: usize = 32;
pub const SEED_BYTES: usize = 32;
pub const DERIVED_BYTES: usize = 32;

/// What a key signs. It is part of the key's id, so a signature of one kind is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text of a note: what a log does with its checkpoints.
    Log,
    /// Time and text, `cosignature/v1`: what a witness does with a checkpoint that it saw.
    Witness,
}

/// The public half, with the name that stands in signature lines.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: [u8; PUBLIC_KEY_BYTES],
    id: u32,
}

/// The private half. It is not shown, not even to a debugger's text.
pub struct Signer {
    key: VerifierKey,
    pair: Ed25519KeyPair,
    seed: hkdf::Prk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    Form,
    /// The id is not the one that name, kind and key give.
    Id,
    /// A kind that we do not take.
    Kind,
    Name,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            KeyKind::Log => 0x01,
            KeyKind::Witness => 0x04,
        }
    }
}

impl VerifierKey {
    pub fn new(name: &str, kind: KeyKind, public: [u8; PUBLIC_KEY_BYTES]) -> Result<VerifierKey, KeyFault> {
        if !is_key_name(name) {
            return Err(KeyFault::Name);
        }
        let hash = sha256(&[name.as_bytes(), b"\n", &[kind.byte()], &public]);
        let [first, second, third, fourth, ..] = hash;
        Ok(VerifierKey { name: name.to_owned(), kind, public, id: u32::from_be_bytes([first, second, third, fourth]) })
    }

    /// `name+id+key`, as `Display` writes it and nothing else.
    pub fn parse(text: &str) -> Result<VerifierKey, KeyFault> {
        let (name, rest) = text.split_once('+').ok_or(KeyFault::Form)?;
        let (_, encoded) = rest.split_once('+').ok_or(KeyFault::Form)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyFault::Form)?;
        let (kind, public) = bytes.split_first().ok_or(KeyFault::Form)?;
        let kinds = [KeyKind::Log, KeyKind::Witness];
        let kind = kinds.into_iter().find(|known| known.byte() == *kind).ok_or(KeyFault::Kind)?;
        let key = VerifierKey::new(name, kind, public.try_into().map_err(|_| KeyFault::Form)?)?;
        if key.to_string() == text { Ok(key) } else { Err(KeyFault::Id) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    pub fn public(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl Signer {
    pub fn from_seed(name: &str, kind: KeyKind, seed: &[u8; SEED_BYTES]) -> Result<Signer, KeyFault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyFault::Form)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyFault::Form)?;
        let seed = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(seed);
        Ok(Signer { key: VerifierKey::new(name, kind, public)?, pair, seed })
    }

    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// A secret that nobody has without the seed. It says nothing of the seed, of signatures, or of what is derived for another use.
    pub fn derive(&self, usage: &[u8], context: &[u8]) -> Result<[u8; DERIVED_BYTES], KeyFault> {
        let mut derived = [0; DERIVED_BYTES];
        // The zero keeps two uses apart of which one begins the other.
        let info = [usage, &[0], context];
        self.seed.expand(&info, hkdf::HKDF_SHA256).and_then(|secret| secret.fill(&mut derived)).map_err(|_| KeyFault::Form)?;
        Ok(derived)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Not empty, without spaces of any script, plus signs and control characters.
pub fn is_key_name(name: &str) -> bool {
    let is_plain = |character: char| !character.is_whitespace() && !character.is_control() && character != '+';
    !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX && name.chars().all(is_plain)
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(&self.public);
        write!(formatter, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifierKey({self})")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.key)
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            KeyFault::Form => "a verifier key is written `name+id+key`",
            KeyFault::Id => "the id of the verifier key is not that of its name and key",
            KeyFault::Kind => "only Ed25519 keys of logs (type 1) and of witnesses (type 4) are taken",
            KeyFault::Name => "a key name has 1 to 255 bytes, without spaces, plus signs and control characters",
        })
    }
}

impl std::error::Error for KeyFault {}
