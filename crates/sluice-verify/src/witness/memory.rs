//! What a witness remembers: of each log the last checkpoint that it cosigned, in a file that is replaced whole and synced before any answer.

use aws_lc_rs::digest::{SHA256, digest};
use sluice_ledger::checkpoint::SignedCheckpoint;
use sluice_ledger::cosignature::cosigned_by;
use sluice_ledger::note::{NOTE_BYTES_MAX, VerifierKey};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const NAME: &str = "checkpoint";

pub struct Memory {
    folder: PathBuf,
    /// Held as long as the witness lives: two on one folder would each forget what the other saw.
    _lock: File,
}

impl Memory {
    pub fn open(folder: &Path) -> io::Result<Memory> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| io::Error::other(format!("another witness works in this folder: {error}")))?;
        Ok(Memory { folder: folder.to_owned(), _lock: lock })
    }

    /// None if nothing was ever cosigned for this log. What does not bear our own cosignature is an error, never nothing: forgetting is how a
    /// rollback would pass.
    pub fn last(&self, origin: &str, log_keys: &[VerifierKey], own: &VerifierKey) -> io::Result<Option<SignedCheckpoint>> {
        let Some(bytes) = self.text(&origin_hash(origin))? else { return Ok(None) };
        let damaged = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let signed = SignedCheckpoint::open(&bytes, log_keys).map_err(|fault| damaged(fault.to_string()))?;
        let is_ours = cosigned_by(signed.note(), own).map_err(|fault| damaged(fault.to_string()))?.is_some();
        if !is_ours || signed.checkpoint().origin != origin {
            return Err(damaged(format!("what is remembered of `{origin}` was not cosigned by this witness")));
        }
        Ok(Some(signed))
    }

    /// Returns when it is on disk.
    pub fn remember(&self, signed: &SignedCheckpoint) -> io::Result<()> {
        let folder = self.folder.join(origin_hash(&signed.checkpoint().origin));
        let is_new = !folder.exists();
        fs::create_dir_all(&folder)?;
        let aside = folder.join("checkpoint.new");
        let mut file = File::create(&aside)?;
        file.write_all(signed.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, folder.join(NAME))?;
        File::open(&folder)?.sync_all()?;
        if is_new { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    /// By the hash of the log's origin, as it stands in the address that monitors ask for.
    pub fn text(&self, origin_hash: &str) -> io::Result<Option<Vec<u8>>> {
        // It becomes a path: nothing but a hash may.
        if origin_hash.len() != 64 || !origin_hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        match fs::read(self.folder.join(origin_hash).join(NAME)) {
            Ok(bytes) if bytes.len() <= NOTE_BYTES_MAX => Ok(Some(bytes)),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "longer than a note")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub fn origin_hash(origin: &str) -> String {
    digest(&SHA256, origin.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let memory = Memory::open(root).unwrap();
        let hash = origin_hash("log.example.com");
        for folder in [root.to_owned(), root.join(&hash), root.join("short")] {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(NAME), b"text").unwrap();
        }
        assert_eq!(memory.text(&hash).unwrap().unwrap(), b"text");
        for address in ["./".repeat(32), "short".to_owned(), String::new(), format!("{}{hash}", "./".repeat(8)), hash.to_uppercase()] {
            assert_eq!(memory.text(&address).unwrap(), None, "{address}");
        }
        fs::write(root.join(&hash).join(NAME), vec![b'x'; NOTE_BYTES_MAX + 1]).unwrap();
        assert!(memory.text(&hash).is_err());
    }
}
