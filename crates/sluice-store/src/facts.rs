//! `ledger.json`: which ledger this is. A folder without it is no ledger, so it is written last, by `create` alone.

use crate::disk::{self, Disk};
use crate::fault::StoreFault;
use crate::shelf;
use crate::wal::{self, SegmentSizes};
use serde::{Deserialize, Serialize};
use sluice_ledger::checkpoint::Checkpoint;
use sluice_ledger::note::{Signer, VerifierKey};
use sluice_ledger::tree;

/// 2: batches of the write-ahead log bear a mark.
pub const FORMAT: u64 = 2;
pub const PATH: &str = "ledger.json";
const FACTS_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFacts {
    /// The name in its checkpoints and of its key.
    pub origin: String,
    /// Random; ties the write-ahead log to the ledger.
    pub ledger: [u8; 16],
    /// For people. Who verifies pins the key from elsewhere.
    pub verifier_key: VerifierKey,
    pub created_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u64,
    origin: String,
    ledger: String,
    verifier_key: String,
    created_ms: u64,
}

/// All that a later version may rely on.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// Makes a new, empty ledger in an empty folder, with a signed checkpoint of size 0: from then on, whatever is missing was taken.
pub fn create(disk: &dyn Disk, facts: &LedgerFacts, signer: &Signer, sizes: SegmentSizes) -> Result<(), StoreFault> {
    if !disk.list("")?.is_empty() {
        return Err(StoreFault::Exists("a file in the folder of the new ledger".to_owned()));
    }
    if facts.origin != facts.verifier_key.name() || signer.verifier_key() != &facts.verifier_key {
        return Err(StoreFault::Key("the signing key is not the one that the ledger names".to_owned()));
    }
    wal::create(disk, sizes)?;
    for folder in shelf::FOLDERS {
        disk.make_folder(folder)?;
        disk.sync_folder(folder)?;
    }
    let empty = Checkpoint { origin: facts.origin.clone(), size: 0, root: tree::empty_root() };
    disk::replace(disk, shelf::CHECKPOINT, empty.sign(signer)?.to_string().as_bytes())?;
    write(disk, facts, FORMAT)
}

pub fn read(disk: &dyn Disk) -> Result<LedgerFacts, StoreFault> {
    let bytes = read_bytes(disk)?;
    let found = format_of(&bytes)?;
    if found != FORMAT {
        return Err(StoreFault::Format { found, known: FORMAT });
    }
    parse(&bytes)
}

/// The version alone, for an upgrade.
pub fn read_format(disk: &dyn Disk) -> Result<u64, StoreFault> {
    format_of(&read_bytes(disk)?)
}

pub fn write(disk: &dyn Disk, facts: &LedgerFacts, format: u64) -> Result<(), StoreFault> {
    let written = Written {
        format,
        origin: facts.origin.clone(),
        ledger: hexadecimal(&facts.ledger),
        verifier_key: facts.verifier_key.to_string(),
        created_ms: facts.created_ms,
    };
    let text = serde_json::to_string_pretty(&written).map_err(|error| StoreFault::Refused(error.to_string()))?;
    Ok(disk::replace(disk, PATH, format!("{text}\n").as_bytes())?)
}

/// Whatever its format.
pub fn read_any(disk: &dyn Disk) -> Result<LedgerFacts, StoreFault> {
    parse(&read_bytes(disk)?)
}

/// All else stays.
pub fn rewrite_format(disk: &dyn Disk, format: u64) -> Result<(), StoreFault> {
    write(disk, &read_any(disk)?, format)
}

fn read_bytes(disk: &dyn Disk) -> Result<Vec<u8>, StoreFault> {
    disk::read_whole(disk, PATH, FACTS_BYTES_MAX)?.ok_or_else(|| StoreFault::Missing(PATH.to_owned()))
}

fn format_of(bytes: &[u8]) -> Result<u64, StoreFault> {
    let version: Version = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
    Ok(version.format)
}

pub fn parse(bytes: &[u8]) -> Result<LedgerFacts, StoreFault> {
    let written: Written = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
    let verifier_key = VerifierKey::parse(&written.verifier_key).map_err(|fault| damaged(&fault.to_string()))?;
    let ledger = bytes_of(&written.ledger).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| damaged("no identifier of a ledger"))?;
    if verifier_key.name() != written.origin {
        return Err(damaged("the key bears another name"));
    }
    Ok(LedgerFacts { origin: written.origin, ledger, verifier_key, created_ms: written.created_ms })
}

fn damaged(text: &str) -> StoreFault {
    StoreFault::Damaged(format!("`{PATH}`: {text}"))
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| format!("{text}{byte:02x}"))
}

/// Only what `hexadecimal` writes.
pub fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let values: Vec<u32> = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = values.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect::<Option<_>>()?;
    (rest.is_empty() && hexadecimal(&bytes) == digits).then_some(bytes)
}
