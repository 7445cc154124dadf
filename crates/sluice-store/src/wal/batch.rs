//! One batch as it stands in a segment: a head, records, zeros up to the next block. It is whole or it is nothing.
//!
//! Batches start at multiples of a block, so that a sector that was synced is not written again before its segment is wiped: a torn write
//! can only hurt what nobody was told of. The digest finds the torn end; evidence rests on the tree alone.

use aws_lc_rs::digest;

/// Of every file system and disk in use: a sector never crosses it.
pub const BLOCK_BYTES: usize = 4096;
pub const HEAD_BYTES: usize = 96;
const MAGIC: &[u8; 8] = b"sluicew1";
const DIGEST_START: usize = HEAD_BYTES - 32;

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub head: Head,
    pub digest: Digest,
    pub entries: Vec<Entry>,
}

impl Entry {
    pub fn bytes_in_batch(&self) -> usize {
        2 + 4 + 4 + self.leaf.len() + self.body.len() + self.slot.len()
    }
}

impl Head {
    /// The bytes of a batch, with zeros up to the next block. `ledger` keeps a segment of another ledger from being read as one of this.
    pub fn encode(&self, ledger: &[u8; 16], entries: &[Entry]) -> Option<(Vec<u8>, Digest)> {
        let content: usize = entries.iter().map(Entry::bytes_in_batch).sum();
        let mut bytes = Vec::with_capacity((HEAD_BYTES + content).next_multiple_of(BLOCK_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u32::try_from(content).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(entries.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&self.first_index.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&[0; 32]);
        for entry in entries {
            bytes.extend_from_slice(&u16::try_from(entry.leaf.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&u32::try_from(entry.body.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&u32::try_from(entry.slot.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&entry.leaf);
            bytes.extend_from_slice(&entry.body);
            bytes.extend_from_slice(&entry.slot);
        }
        let digest = digest_of(ledger, &bytes)?;
        bytes.get_mut(DIGEST_START..HEAD_BYTES)?.copy_from_slice(&digest);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        Some((bytes, digest))
    }
}

impl Batch {
    pub fn next_index(&self) -> u64 {
        self.head.first_index + self.entries.len() as u64
    }

    /// The batch at the start of these bytes and the bytes that it takes with its zeros; None unless it is whole and of this ledger.
    pub fn decode(ledger: &[u8; 16], bytes: &[u8]) -> Option<(Batch, usize)> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        if magic != MAGIC {
            return None;
        }
        let mut reader = Reader { rest };
        let content = usize::try_from(reader.u32()?).ok()?;
        let count = reader.u32()?;
        let (first_index, epoch) = (reader.u64()?, reader.u64()?);
        let previous = reader.array()?;
        let digest: Digest = reader.array()?;
        let whole = bytes.get(..HEAD_BYTES.checked_add(content)?)?;
        if digest_of(ledger, whole)? != digest {
            return None;
        }
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

/// Over everything but the digest itself.
fn digest_of(ledger: &[u8; 16], whole: &[u8]) -> Option<Digest> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(ledger);
    context.update(whole.get(..DIGEST_START)?);
    context.update(whole.get(HEAD_BYTES..)?);
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
mod tests {
    use super::*;

    const LEDGER: [u8; 16] = [7; 16];

    const HEAD: Head = Head { first_index: 5, epoch: 2, previous: [3; 32] };

    fn entries() -> Vec<Entry> {
        let entry = |fill: u8, length: usize| Entry { leaf: vec![fill; 90], body: vec![fill; length], slot: vec![fill; 70] };
        vec![entry(1, 0), entry(2, 5000), entry(3, 1)]
    }

    #[test]
    fn a_batch_is_read_back() {
        let (bytes, digest) = HEAD.encode(&LEDGER, &entries()).unwrap();
        assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let expect = (Batch { head: HEAD, digest, entries: entries() }, bytes.len());
        assert_eq!(Batch::decode(&LEDGER, &bytes).as_ref(), Some(&expect));
        assert_eq!(Batch::decode(&LEDGER, &[bytes.clone(), vec![9; 100]].concat()), Some(expect));
        assert_eq!(Batch::decode(&[8; 16], &bytes), None);
    }

    #[test]
    fn no_bit_of_it_can_flip() {
        let (bytes, _) = HEAD.encode(&LEDGER, &entries()).unwrap();
        let content = HEAD_BYTES + entries().iter().map(Entry::bytes_in_batch).sum::<usize>();
        for place in 0..content {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            assert_eq!(Batch::decode(&LEDGER, &damaged), None, "byte {place}");
        }
        for length in 0..content {
            assert_eq!(Batch::decode(&LEDGER, &bytes[..length]), None, "{length} bytes");
        }
    }
}
