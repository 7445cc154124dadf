//! A ledger made of the pure pieces: records by the hand of a test, written into a folder as a store writes them. What is signed, and by whom, is
//! the test's choice too.

use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::cosignature::cosign;
use sluice_ledger::keyring::{KeyEntry, LocalMasterKeys, MasterKeyId, RecordSecret, WrappedKeys, wrapped_keys_bytes_max};
use sluice_ledger::layout::{PACK_RECORDS, PackKind, PackName, PackTable, SLOT_HEAD_BYTES, Slot, table_offset};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Entropy, Kind, Leaf, RecordId, SectionId, SectionSet, Subject, Target, seal};
use sluice_ledger::tree::{Tree, empty_root, leaf_hash, root};
use sluice_ledger::trust::Trust;
use std::collections::BTreeMap;

pub const ORIGIN: &str = "ledger.example.com/one";
pub const START_MS: u64 = 1_795_000_000_000;

/// Paths and bytes: a folder that has not been written yet.
pub type Files = BTreeMap<String, Vec<u8>>;

#[derive(Clone)]
pub struct Row {
    pub leaf: Vec<u8>,
    pub body: Vec<u8>,
    pub slot: Vec<u8>,
}

/// The writer of an honest ledger.
#[derive(Clone)]
pub struct Book {
    pub rows: Vec<Row>,
    pub time_ms: u64,
    pub epoch: u64,
    /// Random bytes come from it.
    pub salt: u8,
}

pub fn log_key(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, KeyKind::Log, &[seed; 32]).unwrap()
}

pub fn witness_key(seed: u8) -> Signer {
    Signer::from_seed(&format!("w{seed}.example.com"), KeyKind::Witness, &[100 + seed; 32]).unwrap()
}

pub fn master() -> LocalMasterKeys {
    LocalMasterKeys::new((MasterKeyId([1; 4]), [42; 32]), &[]).unwrap()
}

/// Two of three witnesses.
pub fn trust() -> Trust {
    let witnesses: String = (1..=3).map(|seed| format!("witness w{seed} {}\n", witness_key(seed).verifier_key())).collect();
    Trust::parse(format!("log {}\n{witnesses}group all 2 w1 w2 w3\nquorum all\n", log_key(1).verifier_key()).as_bytes()).unwrap()
}

pub fn sections(ids: &[SectionId]) -> SectionSet {
    ids.iter().copied().collect()
}

impl Book {
    pub fn new() -> Book {
        Book { rows: Vec::new(), time_ms: START_MS, epoch: 0, salt: 7 }
    }

    pub fn add(&mut self, draft: Draft) -> u64 {
        let index = self.rows.len() as u64;
        let row = self.row(index, draft);
        self.rows.push(row);
        index
    }

    /// As it would stand at this place.
    pub fn row(&self, index: u64, draft: Draft) -> Row {
        let mut id = [self.salt; 16];
        id[..8].copy_from_slice(&index.to_be_bytes());
        let mut secret = [self.salt; 32];
        secret[..8].copy_from_slice(&index.to_be_bytes());
        let entropy = Entropy { record: RecordId(id), secret: RecordSecret(secret), nonce: [9; 12] };
        let sealed = seal(&draft, ORIGIN, entropy, &master()).unwrap();
        let leaf = sealed.leaf(self.time_ms, self.epoch);
        let slot = Slot::Keys(sealed.keys.0.clone()).bytes(capacity(&leaf)).unwrap();
        Row { leaf: leaf.bytes(), body: sealed.body, slot }
    }

    pub fn leaf(&self, index: u64) -> Leaf {
        Leaf::read(&self.rows[index as usize].leaf).unwrap()
    }

    pub fn plain(&mut self, kind: Kind) -> u64 {
        let draft = Draft::new(kind).unwrap().with(SectionId::Meta, format!("{{\"kind\":\"{}\"}}", kind.word()).into_bytes()).unwrap();
        self.add(draft)
    }

    pub fn boot(&mut self) {
        self.epoch += 1;
        self.plain(Kind::Boot);
    }

    pub fn of_request(&mut self, kind: Kind, number: u8, ids: &[SectionId]) -> u64 {
        self.time_ms += 40;
        let mut draft = Draft::of_request(kind, Subject([number; 16])).unwrap();
        for id in ids {
            draft = draft.with(*id, format!("{{\"{}\":\"{} of request {number}\"}}", id.word(), kind.word()).into_bytes()).unwrap();
        }
        self.add(draft)
    }

    pub fn of_record(&mut self, kind: Kind, index: u64, given_up: SectionSet) -> u64 {
        let draft = Draft::of_record(kind, Target { index, sections: given_up }).unwrap();
        self.add(draft.with(SectionId::Meta, b"{\"basis\":\"a letter\"}".to_vec()).unwrap())
    }

    pub fn request(&mut self, number: u8) {
        use SectionId::{Identity, Meta, Policy, Recording, Request, Result, Upstream};
        self.of_request(Kind::RequestAdmitted, number, &[Meta, Identity, Request, Policy]);
        self.of_request(Kind::UpstreamDispatched, number, &[Meta, Upstream]);
        self.of_request(Kind::ResultPage, number, &[Result, Recording]);
        self.of_request(Kind::RequestCompleted, number, &[Meta, Result]);
    }

    /// A minute later.
    pub fn heartbeat(&mut self) {
        self.time_ms += 59_000;
        self.plain(Kind::Heartbeat);
    }

    /// Gives up sections of a record as the store does: first the leaf, then the keys.
    pub fn give_up(&mut self, kind: Kind, index: u64, lost: SectionSet) -> u64 {
        let leaf = self.of_record(kind, index, lost);
        self.drop_keys(index, lost, leaf);
        leaf
    }

    /// Without any leaf that says so.
    pub fn drop_keys(&mut self, index: u64, lost: SectionSet, by: u64) {
        let leaf = self.leaf(index);
        let entry = self.entry(index);
        let slot = match entry.without(lost, leaf.sections).unwrap() {
            Some(rest) => Slot::Keys(rest.wrap(ORIGIN, leaf.record, [8; 12], &master()).unwrap().0),
            None => Slot::Gone { leaf: by },
        };
        self.rows[index as usize].slot = slot.bytes(capacity(&leaf)).unwrap();
    }

    pub fn entry(&self, index: u64) -> KeyEntry {
        let Slot::Keys(wrapped) = Slot::read(index, &self.rows[index as usize].slot).unwrap() else { panic!("record {index} has no keys") };
        KeyEntry::unwrap(&WrappedKeys(wrapped), ORIGIN, self.leaf(index).record, &master()).unwrap()
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        let hashes: Vec<_> = self.rows.iter().take(size as usize).map(|row| leaf_hash(&row.leaf)).collect();
        Checkpoint { origin: ORIGIN.to_owned(), size, root: if size == 0 { empty_root() } else { root(&hashes) } }
    }

    pub fn signed(&self, size: u64) -> SignedCheckpoint {
        self.checkpoint(size).sign(&log_key(1)).unwrap()
    }

    /// By two witnesses, two seconds after its last record.
    pub fn cosigned(&self, size: u64) -> SignedCheckpoint {
        let mut signed = self.signed(size);
        for seed in [1, 3] {
            let line = cosign(signed.note(), &witness_key(seed), self.leaf(size - 1).time_ms / 1000 + 2).unwrap();
            signed.add(line).unwrap();
        }
        signed
    }

    /// Bodies, keys and tiles of all records, with the partial tiles of each of these sizes, and `ledger.json`.
    pub fn files(&self, sizes: &[u64]) -> Files {
        let mut files = Files::new();
        let mut tree = Tree::default();
        for row in &self.rows {
            let tiles = tree.append(&row.leaf).unwrap();
            files.extend(tiles.into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
            if sizes.contains(&tree.size()) {
                files.extend(tree.partial().into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
            }
        }
        // The store takes partial tiles away once the full one stands there.
        let full: Vec<String> = files.keys().filter(|path| !path.contains(".p/")).map(|path| format!("{path}.p/")).collect();
        files.retain(|path, _| !full.iter().any(|start| path.starts_with(start)));
        for (number, rows) in (0..).zip(self.rows.chunks(PACK_RECORDS as usize)) {
            let pack = |kind, rows: Vec<&[u8]>| (PackName { kind, number }.path(), pack(PackName { kind, number }, &rows));
            files.extend([pack(PackKind::Bodies, rows.iter().map(|row| &row.body[..]).collect())]);
            files.extend([pack(PackKind::Keys, rows.iter().map(|row| &row.slot[..]).collect())]);
        }
        let key = log_key(1).verifier_key().to_string();
        let facts = format!(
            "{{\n  \"format\": 2,\n  \"origin\": \"{ORIGIN}\",\n  \"ledger\": \"{}\",\n  \"verifier_key\": \"{key}\",\n  \"created_ms\": {START_MS}\n}}\n",
            "5".repeat(32)
        );
        files.insert("ledger.json".to_owned(), facts.into_bytes());
        files
    }
}

fn pack(name: PackName, rows: &[&[u8]]) -> Vec<u8> {
    let mut table = PackTable::empty(name);
    let mut bytes = name.empty_head();
    for (record, row) in (name.first_record()..).zip(rows) {
        table.push(row.len());
        let place = table_offset(record) as usize;
        bytes[place..place + 8].copy_from_slice(&table.end().to_be_bytes());
        bytes.extend_from_slice(row);
    }
    bytes
}

fn capacity(leaf: &Leaf) -> usize {
    SLOT_HEAD_BYTES + wrapped_keys_bytes_max(leaf.sections.len()).max(8)
}

/// What is published, oldest first; the last of them counts.
pub fn publish(files: &mut Files, notes: &[String]) {
    let mut history = Vec::new();
    for note in notes {
        history.extend_from_slice(&(note.len() as u32).to_be_bytes());
        history.extend_from_slice(note.as_bytes());
    }
    files.insert("checkpoints/000000".to_owned(), history);
    files.insert("checkpoint".to_owned(), notes.last().unwrap().clone().into_bytes());
}
