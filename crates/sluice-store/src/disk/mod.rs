//! The file system as the ledger needs it, small enough that a test can lose, tear, reorder and fail every operation of it.
//!
//! Consistency: a read sees every write before it. Durability: bytes of a file are on stable storage when `sync` has answered, a name when `sync_folder`
//! of its folder has; before that any part of them may be lost, also in another order. Failure: after an error of a `sync` nobody knows what the disk holds,
//! and asking again may lie; whoever sees one stops. `rename` is atomic. Paths are relative to the folder of the ledger, with `/` between their parts.

mod local;

pub use local::LocalDisk;

use std::collections::BTreeSet;
use std::io;

pub trait Disk: Send + Sync {
    fn make_folder(&self, path: &str) -> io::Result<()>;
    fn has_folder(&self, path: &str) -> io::Result<bool>;
    /// The names in a folder, sorted; empty for one that is not there.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// An error of kind `NotFound` for a file that is not there.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Of what has that name.
    fn version(&self, path: &str) -> io::Result<Version>;
    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file that was not there: of all who ask, one. The others get an error of kind `AlreadyExists`.
    fn create_new(&self, path: &str) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, path: &str) -> io::Result<()>;
    /// An empty one.
    fn remove_folder(&self, path: &str) -> io::Result<()>;
    fn sync_folder(&self, path: &str) -> io::Result<()>;
    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Held until it is dropped. An error of kind `WouldBlock` while someone else holds it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>>;
}

pub trait DiskFile: Send {
    fn length(&self) -> io::Result<u64>;
    /// As many bytes as there are, at most `length`.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Past the end the file grows; what lies between reads as zeros.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_length(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Waits until nobody else holds it; held until it is dropped.
    fn hold(&self) -> io::Result<()>;
}

/// A file that grows or shrinks gets another one, and so does another file. Written over, it may keep its own within one tick of the clock.
pub type Version = [i128; 4];

/// Small files only: whoever calls says how small.
pub fn read_whole(disk: &dyn Disk, path: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.length()? > bytes_max as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` is longer than {bytes_max} bytes")));
    }
    file.read_at(0, bytes_max).map(Some)
}

/// Puts a file in the place of another: at any time there is the old one or the new one, whole.
pub fn replace(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{path}.new");
    let file = disk.create(&beside)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&beside, path)?;
    disk.sync_folder(folder_of(path))
}

/// Makes the folders above a file, each durable before the next. `known` are those that this process has seen durable: that a name is there
/// does not say so, the process before may have made it and died.
pub fn make_folders_above(disk: &dyn Disk, path: &str, known: &mut BTreeSet<String>) -> io::Result<()> {
    let folder = folder_of(path);
    if folder.is_empty() || known.contains(folder) {
        return Ok(());
    }
    make_folders_above(disk, folder, known)?;
    disk.make_folder(folder)?;
    disk.sync_folder(folder_of(folder))?;
    known.insert(folder.to_owned());
    Ok(())
}

/// Removes all that a folder holds, as far as that goes: for what was begun and cannot be finished.
pub fn clear(disk: &dyn Disk, folder: &str) -> io::Result<()> {
    for name in disk.list(folder)? {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        // First as a file: a link goes, and nobody looks where it leads.
        if disk.remove(&path).is_err() {
            clear(disk, &path)?;
            disk.remove_folder(&path)?;
        }
    }
    Ok(())
}

pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What may pass when somebody makes room; every other error of a write is for good.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
