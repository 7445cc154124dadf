//! A folder of this machine's file system.

use super::{Disk, DiskFile, Version};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The ledger is for the one who runs it; whatever serves tiles to others gets its own copy or runs as the same user.
const FILE_MODE: u32 = 0o600;

pub struct LocalDisk {
    root: PathBuf,
}

struct LocalFile {
    file: File,
}

impl LocalDisk {
    /// The folder has to be there.
    pub fn new(root: &Path) -> io::Result<LocalDisk> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("`{}` is no folder", root.display())));
        }
        Ok(LocalDisk { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

impl Disk for LocalDisk {
    fn make_folder(&self, path: &str) -> io::Result<()> {
        match std::fs::create_dir(self.at(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn has_folder(&self, path: &str) -> io::Result<bool> {
        match std::fs::metadata(self.at(path)) {
            Ok(facts) => Ok(facts.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.at(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = match OpenOptions::new().read(true).write(true).open(self.at(path)) {
            // Whoever may only read can read.
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                File::open(self.at(path))?
            }
            other => other?,
        };
        Ok(Box::new(LocalFile { file }))
    }

    fn version(&self, path: &str) -> io::Result<Version> {
        let facts = std::fs::metadata(self.at(path))?;
        Ok([facts.ino().into(), facts.len().into(), facts.mtime().into(), facts.mtime_nsec().into()])
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(FILE_MODE).open(self.at(path))?;
        Ok(Box::new(LocalFile { file }))
    }

    fn create_new(&self, path: &str) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(self.at(path)).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.at(path))
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        std::fs::remove_dir(self.at(path))
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(&self.root)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(self.at(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for LocalFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let rest = self.length()?.saturating_sub(offset);
        let length = usize::try_from(rest).map_or(length, |rest| rest.min(length));
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn hold(&self) -> io::Result<()> {
        self.file.lock()
    }
}
