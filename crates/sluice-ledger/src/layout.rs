//! Where bodies and keys stand in the folder of a ledger, for whoever writes them and for whoever verifies them.
//!
//! A pack holds the rows of 4,096 records: `bodies/000000.pack` what never changes, `keys/000000.keys` what opens it. Head: 8 bytes of magic,
//! the number of the first record, a table with the end of each row as its place in the file, 0 for a row that is not written yet; numbers have
//! 8 bytes, the highest first. Rows follow one behind the other. A row of keys is a slot whose length never changes.

use std::fmt;

pub const PACK_RECORDS: u64 = 4096;
const MAGIC_BYTES: usize = 8;
const TABLE_START: usize = MAGIC_BYTES + 8;
/// The first row starts here.
pub const PACK_HEAD_BYTES: usize = TABLE_START + 8 * 4096;
/// State and length of what stands in a slot.
pub const SLOT_HEAD_BYTES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackKind {
    Bodies,
    Keys,
}

/// Which pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackName {
    pub kind: PackKind,
    pub number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutFault {
    Head(PackName),
    /// The row of this record ends where none can.
    Row(PackName, u64),
    Slot(u64),
}

impl PackName {
    pub fn of(kind: PackKind, record: u64) -> PackName {
        PackName { kind, number: record / PACK_RECORDS }
    }

    pub fn path(self) -> String {
        match self.kind {
            PackKind::Bodies => format!("bodies/{:06}.pack", self.number),
            PackKind::Keys => format!("keys/{:06}.keys", self.number),
        }
    }

    pub fn first_record(self) -> u64 {
        self.number.saturating_mul(PACK_RECORDS)
    }

    /// The head of a pack without rows.
    pub fn empty_head(self) -> Vec<u8> {
        let mut head = Vec::with_capacity(PACK_HEAD_BYTES);
        head.extend_from_slice(self.magic());
        head.extend_from_slice(&self.first_record().to_be_bytes());
        head.resize(PACK_HEAD_BYTES, 0);
        head
    }

    const fn magic(self) -> &'static [u8; MAGIC_BYTES] {
        match self.kind {
            PackKind::Bodies => b"sluicebd",
            PackKind::Keys => b"sluicekw",
        }
    }
}

/// Where the end of a record's row stands in the head.
pub fn table_offset(record: u64) -> u64 {
    TABLE_START as u64 + 8 * (record % PACK_RECORDS)
}

/// The head of a pack, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackTable {
    name: PackName,
    ends: Vec<u64>,
}

impl PackTable {
    pub fn empty(name: PackName) -> PackTable {
        PackTable { name, ends: Vec::new() }
    }

    /// Only the first `records` rows are looked at: what stands behind them was never published.
    pub fn read(name: PackName, head: &[u8], records: u64) -> Result<PackTable, LayoutFault> {
        let fault = LayoutFault::Head(name);
        let (magic, rest) = head.split_first_chunk().ok_or(fault.clone())?;
        let (first, table) = rest.split_first_chunk().ok_or(fault.clone())?;
        if magic != name.magic() || u64::from_be_bytes(*first) != name.first_record() || table.len() + TABLE_START != PACK_HEAD_BYTES {
            return Err(fault);
        }
        let mut ends = Vec::new();
        let mut before = PACK_HEAD_BYTES as u64;
        for (row, end) in table.as_chunks().0.iter().take(usize::try_from(records).unwrap_or(usize::MAX)).enumerate() {
            let end = u64::from_be_bytes(*end);
            if end < before {
                return Err(LayoutFault::Row(name, name.first_record() + row as u64));
            }
            ends.push(end);
            before = end;
        }
        Ok(PackTable { name, ends })
    }

    pub fn name(&self) -> PackName {
        self.name
    }

    /// Rows that are written.
    pub fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Where the next row starts.
    pub fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(PACK_HEAD_BYTES as u64)
    }

    /// Start and length of a record's row.
    pub fn row(&self, record: u64) -> Option<(u64, usize)> {
        let place = usize::try_from(record.checked_sub(self.name.first_record())?).ok()?;
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(PACK_HEAD_BYTES as u64);
        Some((start, usize::try_from(end.checked_sub(start)?).ok()?))
    }

    /// Room for a row behind the others. Returns where it starts.
    pub fn push(&mut self, length: usize) -> u64 {
        let start = self.end();
        self.ends.push(start + length as u64);
        start
    }
}

/// What stands in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Given up; the leaf says why.
    Gone { leaf: u64 },
    /// Wrapped by the master key.
    Keys(Vec<u8>),
}

const SLOT_KEYS: u8 = 1;
const SLOT_GONE: u8 = 2;

impl Slot {
    /// None if it does not fit.
    pub fn bytes(&self, capacity: usize) -> Option<Vec<u8>> {
        let (state, payload) = match self {
            Slot::Gone { leaf } => (SLOT_GONE, leaf.to_be_bytes().to_vec()),
            Slot::Keys(wrapped) => (SLOT_KEYS, wrapped.clone()),
        };
        let mut bytes = vec![state];
        bytes.extend_from_slice(&u16::try_from(payload.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&payload);
        if bytes.len() > capacity {
            return None;
        }
        bytes.resize(capacity, 0);
        Some(bytes)
    }

    /// Takes the bytes that `bytes` gives, and no others.
    pub fn read(record: u64, bytes: &[u8]) -> Result<Slot, LayoutFault> {
        Slot::parse(bytes).filter(|slot| slot.bytes(bytes.len()).is_some_and(|same| same == bytes)).ok_or(LayoutFault::Slot(record))
    }

    fn parse(bytes: &[u8]) -> Option<Slot> {
        let (state, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let payload = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        match *state {
            SLOT_KEYS => Some(Slot::Keys(payload.to_vec())),
            SLOT_GONE => Some(Slot::Gone { leaf: u64::from_be_bytes(payload.try_into().ok()?) }),
            _ => None,
        }
    }
}

impl fmt::Display for LayoutFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutFault::Head(name) => write!(formatter, "`{}` has not the head of a pack", name.path()),
            LayoutFault::Row(name, record) => write!(formatter, "`{}`: the row of record {record} ends where none can", name.path()),
            LayoutFault::Slot(record) => write!(formatter, "the slot of record {record} is damaged"),
        }
    }
}

impl std::error::Error for LayoutFault {}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: PackName = PackName { kind: PackKind::Keys, number: 2 };

    #[test]
    fn rows_are_found_where_the_table_says() {
        let mut table = PackTable::empty(NAME);
        let mut head = NAME.empty_head();
        assert_eq!(head.len(), PACK_HEAD_BYTES);
        for (record, length) in [(8192, 10), (8193, 0), (8194, 7)] {
            let start = table.push(length);
            assert_eq!(table.row(record), Some((start, length)));
            let place = usize::try_from(table_offset(record)).unwrap();
            head[place..place + 8].copy_from_slice(&table.end().to_be_bytes());
        }
        assert_eq!(PackTable::read(NAME, &head, 3), Ok(table.clone()));
        assert_eq!((table.row(8191), table.row(8195)), (None, None));
        assert_eq!(PackTable::read(NAME, &head, 4), Err(LayoutFault::Row(NAME, 8195)));
        assert_eq!(PackTable::read(PackName { number: 3, ..NAME }, &head, 0), Err(LayoutFault::Head(PackName { number: 3, ..NAME })));
        assert_eq!(PackTable::read(NAME, &head[1..], 0), Err(LayoutFault::Head(NAME)));
    }

    #[test]
    fn slots_are_read_back_and_nothing_else_is() {
        for slot in [Slot::Gone { leaf: 7 }, Slot::Keys(vec![9; 20])] {
            let bytes = slot.bytes(30).unwrap();
            assert_eq!(bytes.len(), 30);
            assert_eq!(Slot::read(1, &bytes), Ok(slot));
            for place in [0, 1, 29] {
                let mut damaged = bytes.clone();
                damaged[place] ^= 0x40;
                assert_eq!(Slot::read(1, &damaged), Err(LayoutFault::Slot(1)), "byte {place}");
            }
        }
        assert_eq!(Slot::Keys(vec![0; 28]).bytes(30), None);
        assert_eq!(Slot::read(1, &[0; 30]), Err(LayoutFault::Slot(1)));
    }
}
