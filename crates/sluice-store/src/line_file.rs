//! A file of checked lines for one process: it grows line by line, and is written anew when most of it counts no more.
//!
//! Crash order: a line is appended and synced, then it counts. A last line without its end, or with a sector that was never written, never counted
//! and is cut off; any other damage keeps the file shut.

use crate::checked_line::{checked, has_lost_sector, unchecked};
use crate::disk::{self, Disk, DiskFile, LocalDisk};
use std::io;
use std::path::Path;
use std::sync::Arc;

const FILE_BYTES_MAX: u64 = 256 << 20;

/// A file beside it is locked, so that a second process does not count for itself.
pub struct LineFile {
    disk: Arc<dyn Disk>,
    name: String,
    /// The first line, with its end.
    head: &'static str,
    file: Box<dyn DiskFile>,
    /// Behind the last whole line.
    end: u64,
    lines: usize,
    /// Held for the others' sake.
    _lock: Box<dyn Send + Sync>,
}

impl LineFile {
    /// Makes the file that `open` expects: one that is missing must not pass for one that is empty.
    pub fn create(disk: &dyn Disk, name: &str, head: &'static str) -> io::Result<()> {
        match disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk::replace(disk, name, head.as_bytes()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("`{name}` is there already"))),
        }
    }

    /// `see` answers whether it understands a line. What a process before has written may be gone after the next power cut, so it is made durable
    /// before anything is answered by it.
    pub fn open(disk: Arc<dyn Disk>, name: &str, head: &'static str, mut see: impl FnMut(&str) -> Option<()>) -> io::Result<LineFile> {
        let lock = disk.lock(&format!("{name}.lock")).map_err(|error| io::Error::other(format!("used by another process: {error}")))?;
        let file = disk.open(name)?;
        let length = file.length()?;
        if length > FILE_BYTES_MAX {
            return Err(damaged("the file is too long"));
        }
        let bytes = file.read_at(0, usize::try_from(length).unwrap_or(usize::MAX))?;
        let text = String::from_utf8(bytes).map_err(|_| damaged("no text"))?;
        let body = text.strip_prefix(head).ok_or_else(|| damaged(&format!("its first line is not `{}`", head.trim_end())))?;
        let (mut lines, mut end) = (0, head.len());
        for line in body.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if unchecked(line).and_then(&mut see).is_none() {
                if end + line.len() == text.len() && has_lost_sector(line, end) {
                    break;
                }
                return Err(damaged(&format!("line {} is damaged", lines + 2)));
            }
            lines += 1;
            end += line.len();
        }
        let kept = text.get(..end).unwrap_or_default();
        disk::replace(disk.as_ref(), name, kept.as_bytes())?;
        let file = disk.open(name)?;
        Ok(LineFile { disk, name: name.to_owned(), head, file, end: kept.len() as u64, lines, _lock: lock })
    }

    /// Durable when it returns. After an error nobody knows what the disk holds: the file is to be opened again.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        let line = checked(line);
        if self.end + line.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("`{}` is full: {FILE_BYTES_MAX} bytes", self.name)));
        }
        self.file.write_at(self.end, line.as_bytes())?;
        self.file.sync()?;
        self.end += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// These lines alone, in a file beside it that then takes its place. Either of the two is whole.
    pub fn rewrite(&mut self, lines: impl Iterator<Item = String>) -> io::Result<()> {
        let mut text = self.head.to_owned();
        self.lines = lines.map(|line| text.push_str(&checked(&line))).count();
        disk::replace(self.disk.as_ref(), &self.name, text.as_bytes())?;
        self.file = self.disk.open(&self.name)?;
        self.end = text.len() as u64;
        Ok(())
    }

    pub fn lines(&self) -> usize {
        self.lines
    }
}

/// The folder, and the name in it.
pub fn place(path: &Path) -> io::Result<(LocalDisk, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidFilename, format!("`{}` names no file", path.display())))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((LocalDisk::new(folder)?, name.to_owned()))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
