//! One batch as it stands in a segment: a head, records, zeros up to the next block. It is whole or it is nothing.
//!
//! Batches start at multiples of a block, so that a sector that was synced is not written again before its segment is wiped: a torn write
//! can only hurt what nobody was told of. The digest finds the torn end. The mark finds what somebody else wrote: what stands here will be signed,
//! and whoever can write the folder has not the key. So a batch whose digest is right and whose mark is wrong was never torn.

use crate::facts::LedgerFacts;
use crate::fault::StoreFault;
use aws_lc_rs::{digest, hmac};
use sluice_ledger::note::Signer;

/// Of every file system and disk in use: a sector never crosses it.
pub const BLOCK_BYTES: usize = 4096;
pub const HEAD_BYTES: usize = 128;
const MAGIC: &[u8; 8] = b"sluicew2";
const MARK_START: usize = HEAD_BYTES - 64;
const DIGEST_START: usize = HEAD_BYTES - 32;
const KEY_USAGE: &[u8] = b"sluice.wal.v2";

pub type Digest = [u8; 32];

/// A record that is in the log, with everything that has to be kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub leaf: Vec<u8>,
    pub body: Vec<u8>,
    /// The slot of its keys, at its full length.
    pub slot: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub first_index: u64,
    pub epoch: u64,
    /// Digest of the batch before.
    pub previous: Digest,
}

/// Marks batches of one ledger. Derived from the seed that signs its checkpoints, which a new master key does not change.
#[derive(Clone)]
pub struct BatchKey(hmac::Key);

/// Whole, and not marked by the key of this ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub head: Head,
    /// Covers the mark, and with it all batches before.
    pub digest: Digest,
    pub entries: Vec<Entry>,
}

impl BatchKey {
    pub fn of(signer: &Signer, facts: &LedgerFacts) -> Result<BatchKey, StoreFault> {
        if signer.verifier_key() != &facts.verifier_key {
            return Err(StoreFault::Key("the signing key is not the one that the ledger names".to_owned()));
        }
        let secret = signer.derive(KEY_USAGE, &facts.ledger).map_err(|fault| StoreFault::Key(fault.to_string()))?;
        Ok(BatchKey(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }
}

impl Entry {
    pub fn bytes_in_batch(&self) -> usize {
        2 + 4 + 4 + self.leaf.len() + self.body.len() + self.slot.len()
    }
}

impl Head {
    /// The bytes of a batch, with zeros up to the next block.
    pub fn encode(&self, key: &BatchKey, entries: &[Entry]) -> Option<(Vec<u8>, Digest)> {
        let content: usize = entries.iter().map(Entry::bytes_in_batch).sum();
        let mut bytes = Vec::with_capacity((HEAD_BYTES + content).next_multiple_of(BLOCK_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u32::try_from(content).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(entries.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&self.first_index.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&[0; HEAD_BYTES - MARK_START]);
        for entry in entries {
            bytes.extend_from_slice(&u16::try_from(entry.leaf.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&u32::try_from(entry.body.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&u32::try_from(entry.slot.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&entry.leaf);
            bytes.extend_from_slice(&entry.body);
            bytes.extend_from_slice(&entry.slot);
        }
        let content = content_digest(&bytes)?;
        let mark = hmac::sign(&key.0, &content);
        let digest = whole_digest(&content, mark.as_ref())?;
        bytes.get_mut(MARK_START..DIGEST_START)?.copy_from_slice(mark.as_ref());
        bytes.get_mut(DIGEST_START..HEAD_BYTES)?.copy_from_slice(&digest);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        Some((bytes, digest))
    }
}

impl Batch {
    pub fn next_index(&self) -> u64 {
        self.head.first_index + self.entries.len() as u64
    }

    /// The batch at the start of these bytes and the bytes that it takes with its zeros; None unless it is whole.
    pub fn decode(key: &BatchKey, bytes: &[u8]) -> Result<Option<(Batch, usize)>, Forged> {
        let Some((whole, mark)) = Batch::whole(bytes) else { return Ok(None) };
        let content = content_digest(whole).ok_or(Forged)?;
        hmac::verify(&key.0, &content, mark).map_err(|_| Forged)?;
        Ok(Batch::read(whole))
    }

    /// Its bytes without zeros, and its mark, whoever made it.
    fn whole(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        if magic != MAGIC {
            return None;
        }
        let mut reader = Reader { rest };
        let content = usize::try_from(reader.u32()?).ok()?;
        let whole = bytes.get(..HEAD_BYTES.checked_add(content)?)?;
        let (mark, digest) = (whole.get(MARK_START..DIGEST_START)?, whole.get(DIGEST_START..HEAD_BYTES)?);
        (whole_digest(&content_digest(whole)?, mark)? == digest).then_some((whole, mark))
    }

    fn read(whole: &[u8]) -> Option<(Batch, usize)> {
        let mut reader = Reader { rest: whole.get(MAGIC.len() + 4..)? };
        let count = reader.u32()?;
        let (first_index, epoch) = (reader.u64()?, reader.u64()?);
        let previous = reader.array()?;
        let (_mark, digest): (Digest, Digest) = (reader.array()?, reader.array()?);
        let mut entries = Vec::new();
        for _ in 0..count {
            let (leaf, body, slot) = (usize::from(reader.u16()?), reader.u32()?, reader.u32()?);
            let mut take = |length: u32| usize::try_from(length).ok().and_then(|length| reader.take(length));
            let (leaf, body, slot) = (take(u32::try_from(leaf).ok()?)?, take(body)?, take(slot)?);
            entries.push(Entry { leaf: leaf.to_vec(), body: body.to_vec(), slot: slot.to_vec() });
        }
        Some((Batch { head: Head { first_index, epoch, previous }, digest, entries }, whole.len().next_multiple_of(BLOCK_BYTES)))
    }
}

/// What is marked: everything but the mark and the digest.
fn content_digest(whole: &[u8]) -> Option<Digest> {
    digest_of(&[whole.get(..MARK_START)?, whole.get(HEAD_BYTES..)?])
}

/// The mark is in it: torn in its mark, a batch is torn and not forged.
fn whole_digest(content: &Digest, mark: &[u8]) -> Option<Digest> {
    digest_of(&[content, mark])
}

fn digest_of(parts: &[&[u8]]) -> Option<Digest> {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().ok()
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use sluice_ledger::note::KeyKind;

    const HEAD: Head = Head { first_index: 5, epoch: 2, previous: [3; 32] };

    pub fn key(seed: u8, ledger: u8) -> BatchKey {
        let signer = Signer::from_seed("ledger.example.com/one", KeyKind::Log, &[seed; 32]).unwrap();
        let verifier_key = signer.verifier_key().clone();
        let facts = LedgerFacts { origin: verifier_key.name().to_owned(), ledger: [ledger; 16], verifier_key, created_ms: 0 };
        BatchKey::of(&signer, &facts).unwrap()
    }

    fn entries() -> Vec<Entry> {
        let entry = |fill: u8, length: usize| Entry { leaf: vec![fill; 90], body: vec![fill; length], slot: vec![fill; 70] };
        vec![entry(1, 0), entry(2, 5000), entry(3, 1)]
    }

    #[test]
    fn a_batch_is_read_back() {
        let (bytes, digest) = HEAD.encode(&key(7, 7), &entries()).unwrap();
        assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let expect = (Batch { head: HEAD, digest, entries: entries() }, bytes.len());
        assert_eq!(Batch::decode(&key(7, 7), &bytes).as_ref(), Ok(&Some(expect.clone())));
        assert_eq!(Batch::decode(&key(7, 7), &[bytes.clone(), vec![9; 100]].concat()), Ok(Some(expect)));
        assert_eq!(Batch::decode(&key(7, 7), &[0; BLOCK_BYTES]), Ok(None));
    }

    #[test]
    fn what_another_key_marked_is_forged_and_not_torn() {
        let (bytes, _) = HEAD.encode(&key(7, 7), &entries()).unwrap();
        for (seed, ledger) in [(8, 7), (7, 8)] {
            assert_eq!(Batch::decode(&key(seed, ledger), &bytes), Err(Forged), "{seed} {ledger}");
        }
    }

    /// Everything is public but the key: a digest can be made for any change, and a mark cannot.
    #[test]
    fn no_bit_of_it_can_be_changed_and_the_digest_made_anew() {
        let (bytes, _) = HEAD.encode(&key(7, 7), &entries()).unwrap();
        let content = HEAD_BYTES + entries().iter().map(Entry::bytes_in_batch).sum::<usize>();
        // Not the magic and the length, which say where the batch ends, and not the digest.
        for place in (12..DIGEST_START).chain(HEAD_BYTES..content) {
            let mut forged = bytes[..content].to_vec();
            forged[place] ^= 1 << (place % 8);
            let digest = whole_digest(&content_digest(&forged).unwrap(), &forged[MARK_START..DIGEST_START]).unwrap();
            forged[DIGEST_START..HEAD_BYTES].copy_from_slice(&digest);
            assert_eq!(Batch::decode(&key(7, 7), &forged), Err(Forged), "byte {place}");
        }
    }

    #[test]
    fn a_batch_with_a_flipped_bit_or_without_its_end_is_none() {
        let (bytes, _) = HEAD.encode(&key(7, 7), &entries()).unwrap();
        let content = HEAD_BYTES + entries().iter().map(Entry::bytes_in_batch).sum::<usize>();
        for place in 0..content {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            assert_eq!(Batch::decode(&key(7, 7), &damaged), Ok(None), "byte {place}");
        }
        for length in 0..content {
            assert_eq!(Batch::decode(&key(7, 7), &bytes[..length]), Ok(None), "{length} bytes");
        }
    }
}
