//! The folder of keys: the seed that signs checkpoints, and master keys. Whoever copies the ledger does not copy this.
//!
//! `log.seed` never changes. `master.keys` has a line for each key, the current one first; it is replaced whole, and what stood there before is
//! overwritten by zeros. A folder or file that others may read is refused: nobody knows then who has.

use crate::facts::{bytes_of, hexadecimal};
use crate::fault::StoreFault;
use crate::machine::Machine;
use sluice_ledger::keyring::{LocalMasterKeys, MASTER_KEYS_MAX, MasterKey, MasterKeyId};
use sluice_ledger::note::{KeyKind, SEED_BYTES, Signer};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEED: &str = "log.seed";
const MASTER: &str = "master.keys";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Any of these on a file or folder, and others can get at it.
const OTHERS: u32 = 0o077;
const FILE_BYTES_MAX: u64 = 4096;

pub struct Secrets {
    folder: PathBuf,
    signer: Arc<Signer>,
    /// The current one first.
    master: Vec<(MasterKeyId, [u8; 32])>,
    keys: Arc<LocalMasterKeys>,
}

impl Secrets {
    /// A new folder, or an empty one.
    pub fn create(folder: &Path, origin: &str, machine: &dyn Machine) -> Result<Secrets, StoreFault> {
        if !folder.exists() {
            std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(|error| unreadable(folder, &error))?;
        }
        check_closed(folder)?;
        if std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?.next().is_some() {
            return Err(StoreFault::Exists("a file in the folder of the new keys".to_owned()));
        }
        let mut seed = [0; SEED_BYTES];
        machine.random(&mut seed)?;
        let master = vec![new_master_key(&[], machine)?];
        write_new(&folder.join(MASTER), &master_text(&master))?;
        // Last: with it the folder is whole.
        write_new(&folder.join(SEED), &format!("{origin} {}\n", hexadecimal(&seed)))?;
        sync_folder(folder)?;
        Secrets::open(folder)
    }

    pub fn open(folder: &Path) -> Result<Secrets, StoreFault> {
        check_closed(folder)?;
        let seed = read(&folder.join(SEED))?;
        let damaged = |name: &str| StoreFault::Key(format!("`{name}` is not as this program writes it"));
        let (origin, digits) = seed.strip_suffix('\n').and_then(|line| line.split_once(' ')).ok_or_else(|| damaged(SEED))?;
        let seed: [u8; SEED_BYTES] = bytes_of(digits).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| damaged(SEED))?;
        let signer = Signer::from_seed(origin, KeyKind::Log, &seed).map_err(|fault| StoreFault::Key(fault.to_string()))?;
        let master = read_master(&read(&folder.join(MASTER))?).ok_or_else(|| damaged(MASTER))?;
        let keys = Arc::new(keys_of(&master)?);
        Ok(Secrets { folder: folder.to_owned(), signer: Arc::new(signer), master, keys })
    }

    pub fn signer(&self) -> Arc<Signer> {
        self.signer.clone()
    }

    pub fn master(&self) -> Arc<dyn MasterKey> {
        self.keys.clone()
    }

    /// Of the key that wraps now.
    pub fn master_key(&self) -> MasterKeyId {
        self.keys.current()
    }

    /// Those before it, which a rotation has not thrown away yet.
    pub fn older_master_keys(&self) -> Vec<MasterKeyId> {
        self.master.iter().skip(1).map(|(id, _)| *id).collect()
    }

    /// It wraps from now on; those before it still unwrap.
    pub fn add_master_key(&mut self, machine: &dyn Machine) -> Result<MasterKeyId, StoreFault> {
        if self.master.len() >= MASTER_KEYS_MAX {
            return Err(StoreFault::Key(format!("there are {MASTER_KEYS_MAX} master keys already")));
        }
        let new = new_master_key(&self.master, machine)?;
        self.put(std::iter::once(new).chain(self.master.iter().copied()).collect())?;
        Ok(new.0)
    }

    /// All but the current one, once nothing is wrapped by them any more.
    pub fn retire_master_keys(&mut self) -> Result<Vec<MasterKeyId>, StoreFault> {
        let retired = self.master.iter().skip(1).map(|(id, _)| *id).collect();
        self.put(self.master.iter().take(1).copied().collect())?;
        Ok(retired)
    }

    fn put(&mut self, master: Vec<(MasterKeyId, [u8; 32])>) -> Result<(), StoreFault> {
        let keys = keys_of(&master)?;
        let (path, beside) = (self.folder.join(MASTER), self.folder.join("master.keys.new"));
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(&beside, &error)),
            _ => {}
        }
        let before = OpenOptions::new().write(true).open(&path).map_err(|error| unreadable(&path, &error))?;
        write_new(&beside, &master_text(&master))?;
        std::fs::rename(&beside, &path).map_err(|error| unreadable(&path, &error))?;
        sync_folder(&self.folder)?;
        // The file has no name any more; its bytes would lie on the disk until something else is written there.
        overwrite(&before).map_err(|error| unreadable(&path, &error))?;
        (self.master, self.keys) = (master, Arc::new(keys));
        Ok(())
    }
}

fn keys_of(master: &[(MasterKeyId, [u8; 32])]) -> Result<LocalMasterKeys, StoreFault> {
    let (current, older) = master.split_first().ok_or_else(|| StoreFault::Key("there is no master key".to_owned()))?;
    LocalMasterKeys::new(*current, older).map_err(|fault| StoreFault::Key(fault.to_string()))
}

fn new_master_key(others: &[(MasterKeyId, [u8; 32])], machine: &dyn Machine) -> Result<(MasterKeyId, [u8; 32]), StoreFault> {
    let (mut id, mut key) = ([0; 4], [0; 32]);
    machine.random(&mut key)?;
    // Four bytes are few enough that two could meet.
    loop {
        machine.random(&mut id)?;
        if others.iter().all(|(other, _)| *other != MasterKeyId(id)) {
            return Ok((MasterKeyId(id), key));
        }
    }
}

fn master_text(master: &[(MasterKeyId, [u8; 32])]) -> String {
    master.iter().map(|(id, key)| format!("{id} {}\n", hexadecimal(key))).collect()
}

fn read_master(text: &str) -> Option<Vec<(MasterKeyId, [u8; 32])>> {
    let line = |line: &str| {
        let (id, key) = line.split_once(' ')?;
        Some((MasterKeyId(bytes_of(id)?.try_into().ok()?), bytes_of(key)?.try_into().ok()?))
    };
    let master: Option<Vec<_>> = text.lines().map(line).collect();
    master.filter(|master| master_text(master) == text)
}

fn check_closed(path: &Path) -> Result<(), StoreFault> {
    let facts = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if facts.mode() & OTHERS != 0 {
        let mode = facts.mode() & 0o777;
        return Err(StoreFault::Key(format!("`{}` is open to others (mode {mode:o}): who has read it?", path.display())));
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, StoreFault> {
    check_closed(path)?;
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

fn write_new(path: &Path, text: &str) -> Result<(), StoreFault> {
    let written = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| unreadable(path, &error))
}

fn overwrite(file: &File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all_at(&vec![0; length], 0)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> Result<(), StoreFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unreadable(folder, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> StoreFault {
    StoreFault::Key(format!("`{}`: {error}", path.display()))
}
