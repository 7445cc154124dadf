//! One record's entry of the keyring: the secret while the record is whole, the keys of single sections once one of them was given up.

use super::master::{MasterKey, MasterKeyFault, MasterKeyId};
use crate::record::{RecordId, SectionId, SectionSet};
use aws_lc_rs::hkdf;
use std::collections::BTreeMap;
use std::fmt;

const SECTION_LABEL: &[u8] = b"sluice.section.v1";
const WHOLE: u8 = 1;
const SINGLE: u8 = 2;
const WRAP_GROWTH_BYTES: usize = 4 + 12 + 16;
const SINGLE_BYTES: usize = 1 + 32 + 32;
/// Of a record that nothing was taken from.
pub const WHOLE_ENTRY_BYTES: usize = WRAP_GROWTH_BYTES + 1 + 32;
/// The longest of all.
pub const WRAPPED_KEYS_BYTES_MAX: usize = wrapped_keys_bytes_max(SectionId::ALL.len());

/// The longest that may ever stand for a record with so many sections: one section was taken from it.
pub const fn wrapped_keys_bytes_max(sections: usize) -> usize {
    let single = WRAP_GROWTH_BYTES + 2 + sections.saturating_sub(1) * SINGLE_BYTES;
    if single > WHOLE_ENTRY_BYTES { single } else { WHOLE_ENTRY_BYTES }
}

/// 32 random bytes that everything about one record is derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordSecret(pub [u8; 32]);

/// Of one section: `salt` goes into its commitment, `key` encrypts it.
#[derive(Clone, PartialEq, Eq)]
pub struct SectionKeys {
    pub salt: [u8; 32],
    pub key: [u8; 32],
}

#[derive(Clone, PartialEq, Eq)]
pub enum KeyEntry {
    Sections(BTreeMap<SectionId, SectionKeys>),
    Whole(RecordSecret),
}

/// An entry as it is stored: id of the master key, nonce, ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKeys(pub Vec<u8>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyEntryError {
    Derivation,
    /// It is not in the one form that an entry has.
    Form,
    MasterKey(MasterKeyFault),
}

impl RecordSecret {
    pub fn section_keys(&self, section: SectionId) -> Result<SectionKeys, KeyEntryError> {
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.0);
        let code = [section.code()];
        let info: [&[u8]; 2] = [SECTION_LABEL, &code];
        let mut both = [0; 64];
        pseudorandom.expand(&info, SixtyFour).and_then(|material| material.fill(&mut both)).map_err(|_| KeyEntryError::Derivation)?;
        let mut keys = SectionKeys { salt: [0; 32], key: [0; 32] };
        let (salt, key) = both.split_at(32);
        keys.salt.copy_from_slice(salt);
        keys.key.copy_from_slice(key);
        Ok(keys)
    }
}

struct SixtyFour;

impl hkdf::KeyType for SixtyFour {
    fn len(&self) -> usize {
        64
    }
}

impl KeyEntry {
    /// None of a section that was given up.
    pub fn section_keys(&self, section: SectionId) -> Result<Option<SectionKeys>, KeyEntryError> {
        match self {
            KeyEntry::Whole(secret) => secret.section_keys(section).map(Some),
            KeyEntry::Sections(keys) => Ok(keys.get(&section).cloned()),
        }
    }

    /// What is left of the keys of a record with the sections `all` when `lost` are given up. None: nothing is left, a tombstone takes its place.
    pub fn without(&self, lost: SectionSet, all: SectionSet) -> Result<Option<KeyEntry>, KeyEntryError> {
        let mut left = BTreeMap::new();
        for section in all.without(lost).iter() {
            if let Some(keys) = self.section_keys(section)? {
                left.insert(section, keys);
            }
        }
        Ok((!left.is_empty()).then_some(KeyEntry::Sections(left)))
    }

    pub fn wrap(&self, origin: &str, record: RecordId, nonce: [u8; 12], master: &dyn MasterKey) -> Result<WrappedKeys, MasterKeyFault> {
        let wrapped = master.wrap(&self.bytes(), &context(origin, record), nonce)?;
        Ok(WrappedKeys([master.current().0.as_slice(), &nonce, &wrapped].concat()))
    }

    pub fn unwrap(wrapped: &WrappedKeys, origin: &str, record: RecordId, master: &dyn MasterKey) -> Result<KeyEntry, KeyEntryError> {
        let (id, nonce, ciphertext) = wrapped.parts().ok_or(KeyEntryError::Form)?;
        let bytes = master.unwrap(id, ciphertext, &context(origin, record), nonce).map_err(KeyEntryError::MasterKey)?;
        KeyEntry::read(&bytes).ok_or(KeyEntryError::Form)
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            KeyEntry::Whole(secret) => [&[WHOLE], secret.0.as_slice()].concat(),
            KeyEntry::Sections(keys) => {
                let mut out = vec![SINGLE, keys.len() as u8];
                for (section, keys) in keys {
                    out.push(section.code());
                    out.extend(keys.salt);
                    out.extend(keys.key);
                }
                out
            }
        }
    }

    /// Takes what `bytes` gives, and nothing else.
    pub fn read(bytes: &[u8]) -> Option<KeyEntry> {
        let (form, rest) = bytes.split_first()?;
        let entry = match *form {
            WHOLE => KeyEntry::Whole(RecordSecret(rest.try_into().ok()?)),
            SINGLE => {
                let (_, mut rest) = rest.split_first()?;
                let mut keys = BTreeMap::new();
                while let Some((code, after)) = rest.split_first() {
                    let (salt, after) = after.split_first_chunk::<32>()?;
                    let (key, after) = after.split_first_chunk::<32>()?;
                    keys.insert(SectionId::from_code(*code)?, SectionKeys { salt: *salt, key: *key });
                    rest = after;
                }
                if keys.is_empty() {
                    return None;
                }
                KeyEntry::Sections(keys)
            }
            _ => return None,
        };
        (entry.bytes() == bytes).then_some(entry)
    }
}

impl WrappedKeys {
    /// Of the key that wrapped it.
    pub fn master(&self) -> Option<MasterKeyId> {
        self.parts().map(|(id, _, _)| id)
    }

    /// The same secret under the key that is current now; nothing if it is already. The record itself is not touched.
    pub fn rewrap(
        &self,
        origin: &str,
        record: RecordId,
        nonce: [u8; 12],
        master: &dyn MasterKey,
    ) -> Result<Option<WrappedKeys>, KeyEntryError> {
        if self.master() == Some(master.current()) {
            return Ok(None);
        }
        let entry = KeyEntry::unwrap(self, origin, record, master)?;
        entry.wrap(origin, record, nonce, master).map(Some).map_err(KeyEntryError::MasterKey)
    }

    fn parts(&self) -> Option<(MasterKeyId, [u8; 12], &[u8])> {
        let (id, rest) = self.0.split_first_chunk::<4>()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<12>()?;
        Some((MasterKeyId(*id), *nonce, ciphertext))
    }
}

/// What an entry is tied to. The record's id has a fixed length, so no two are written alike.
fn context(origin: &str, record: RecordId) -> Vec<u8> {
    [origin.as_bytes(), &record.0].concat()
}

macro_rules! hidden {
    ($($name:ident)*) => {
        $(
            /// Secrets stay out of logs.
            impl fmt::Debug for $name {
                fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str(concat!(stringify!($name), "(..)"))
                }
            }
        )*
    };
}

hidden!(KeyEntry RecordSecret SectionKeys WrappedKeys);

impl fmt::Display for KeyEntryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyEntryError::Derivation => formatter.write_str("the keys of a section could not be derived"),
            KeyEntryError::Form => formatter.write_str("the keys of a record are not in the one form that they have"),
            KeyEntryError::MasterKey(fault) => fault.fmt(formatter),
        }
    }
}

impl std::error::Error for KeyEntryError {}
