//! What wraps the secrets of records. The port is shaped like a key service; `LocalMasterKeys` is the arithmetic of one that lies in a file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use std::collections::BTreeMap;
use std::fmt;

const WRAP_LABEL: &[u8] = b"sluice.wrap.v1";
/// Old keys stay only until everything is wrapped anew.
pub const MASTER_KEYS_MAX: usize = 16;

/// Random; never given to a second key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId(pub [u8; 4]);

/// Wraps and unwraps small secrets.
///
/// Confidentiality: what `wrap` returns says nothing about the secret without the key. Integrity: `unwrap` gives back exactly what was wrapped
/// with the same `context`, or fails. Nothing is kept: both are functions of their arguments and the keys. Calls come from many threads at once
/// and must not wait for a network: an adapter of a key service fetches its key at the start.
pub trait MasterKey: Send + Sync {
    /// Of the key that `wrap` uses.
    fn current(&self) -> MasterKeyId;

    /// `context` is authenticated, and no two records have the same. `nonce` is random.
    fn wrap(&self, secret: &[u8], context: &[u8], nonce: [u8; 12]) -> Result<Vec<u8>, MasterKeyFault>;

    fn unwrap(&self, key: MasterKeyId, wrapped: &[u8], context: &[u8], nonce: [u8; 12]) -> Result<Vec<u8>, MasterKeyFault>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeyFault {
    /// Two keys have one id, or there are too many.
    Keys,
    /// The key service said so.
    Unavailable(String),
    /// This key is not among those that are configured.
    Unknown(MasterKeyId),
    /// What was wrapped was changed, or is another record's.
    Wrong,
}

/// Keys in memory.
pub struct LocalMasterKeys {
    current: MasterKeyId,
    keys: BTreeMap<MasterKeyId, [u8; 32]>,
}

impl LocalMasterKeys {
    pub fn new(current: (MasterKeyId, [u8; 32]), older: &[(MasterKeyId, [u8; 32])]) -> Result<LocalMasterKeys, MasterKeyFault> {
        let keys: BTreeMap<MasterKeyId, [u8; 32]> = older.iter().copied().chain([current]).collect();
        if keys.len() != older.len() + 1 || keys.len() > MASTER_KEYS_MAX {
            return Err(MasterKeyFault::Keys);
        }
        Ok(LocalMasterKeys { current: current.0, keys })
    }

    /// A key of its own for each record: the random nonces of many records never meet under one key.
    fn cipher(&self, id: MasterKeyId, context: &[u8]) -> Result<LessSafeKey, MasterKeyFault> {
        let key = self.keys.get(&id).ok_or(MasterKeyFault::Unknown(id))?;
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
        let info = [WRAP_LABEL, context];
        let material = pseudorandom.expand(&info, &AES_256_GCM).map_err(|_| MasterKeyFault::Wrong)?;
        Ok(LessSafeKey::new(UnboundKey::from(material)))
    }
}

impl MasterKey for LocalMasterKeys {
    fn current(&self) -> MasterKeyId {
        self.current
    }

    fn wrap(&self, secret: &[u8], context: &[u8], nonce: [u8; 12]) -> Result<Vec<u8>, MasterKeyFault> {
        let mut bytes = secret.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let cipher = self.cipher(self.current, context)?;
        cipher.seal_in_place_append_tag(nonce, Aad::from(context), &mut bytes).map_err(|_| MasterKeyFault::Wrong)?;
        Ok(bytes)
    }

    fn unwrap(&self, key: MasterKeyId, wrapped: &[u8], context: &[u8], nonce: [u8; 12]) -> Result<Vec<u8>, MasterKeyFault> {
        let mut bytes = wrapped.to_vec();
        let cipher = self.cipher(key, context)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let secret = cipher.open_in_place(nonce, Aad::from(context), &mut bytes).map_err(|_| MasterKeyFault::Wrong)?;
        Ok(secret.to_vec())
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKeyId({self})")
    }
}

/// Keys stay out of logs.
impl fmt::Debug for LocalMasterKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LocalMasterKeys({} of {})", self.current, self.keys.len())
    }
}

impl fmt::Display for MasterKeyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MasterKeyFault::Keys => write!(formatter, "two master keys have the same id, or there are more than {MASTER_KEYS_MAX}"),
            MasterKeyFault::Unavailable(text) => write!(formatter, "the key service does not answer: {}", text.escape_debug()),
            MasterKeyFault::Unknown(id) => write!(formatter, "master key `{id}` is not among those that are configured"),
            MasterKeyFault::Wrong => formatter.write_str("what was wrapped was changed, or belongs to another record"),
        }
    }
}

impl std::error::Error for MasterKeyFault {}
