//! A small file of checked lines that only grows, written by one process and read by another while it is written.
//!
//! Crash order: a line is appended and synced, then answered. A last line without its end was never answered: readers leave it out, the next writer cuts
//! it off. Any other damage refuses: what stands in such a file must not come undone by a flipped bit.

use crate::checked_line::{checked, sync_folder_of, unchecked};
use crate::fault::StoreFault;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const FILE_MODE: u32 = 0o600;
/// Some hundred thousand lines.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What the lines of one kind of file say, taken together.
pub trait Lines: Default {
    /// The first line, with its end.
    const HEAD: &'static str;

    /// None: the line is none of this file's.
    fn take(&mut self, line: &str) -> Option<()>;
}

pub struct CheckedFile<T> {
    path: PathBuf,
    seen: Mutex<Option<(Version, Arc<T>)>>,
}

/// A file that is changed has another length, or is another file.
type Version = (u64, u64, i64, i64);

/// A file as it was read.
struct Contents<T> {
    said: T,
    /// Where the last whole line ends.
    end: u64,
    is_whole: bool,
}

impl<T: Lines> CheckedFile<T> {
    /// Makes the file that `open` expects: one that is missing must not pass for one that says nothing.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        let mut file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreFault::Exists(path.display().to_string()),
            _ => error.into(),
        })?;
        file.write_all(T::HEAD.as_bytes())?;
        file.sync_all()?;
        Ok(sync_folder_of(path)?)
    }

    pub fn open(path: &Path) -> Result<CheckedFile<T>, StoreFault> {
        let file = CheckedFile { path: path.to_owned(), seen: Mutex::new(None) };
        file.current()?;
        Ok(file)
    }

    /// Read again where it has changed.
    pub fn current(&self) -> Result<Arc<T>, StoreFault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version(&std::fs::metadata(&self.path).map_err(|error| self.unreadable(&error))?);
        if let Some((known, said)) = seen.as_ref()
            && *known == version
        {
            return Ok(said.clone());
        }
        let mut file = File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        // Of what is read, not of what was there before: a line more is read again next time.
        let version = self::version(&file.metadata().map_err(|error| self.unreadable(&error))?);
        let read = self.read(&mut file)?;
        let said = Arc::new(read.said);
        // A line may take the place of a torn one within one tick of the clock, at the same length.
        *seen = read.is_whole.then(|| (version, said.clone()));
        Ok(said)
    }

    /// Appends what `decide` answers to what stands there, and hands on the rest of its answer. Durable when it returns. Several
    /// processes may do so, one after the other.
    pub fn append<R>(&self, decide: impl FnOnce(&T) -> Result<(String, R), StoreFault>) -> Result<R, StoreFault> {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(|error| self.unreadable(&error))?;
        file.lock()?;
        let read = self.read(&mut file)?;
        let (line, answer) = decide(&read.said)?;
        let line = checked(&line);
        if read.end.saturating_add(line.len() as u64) > FILE_BYTES_MAX {
            return Err(StoreFault::Refused(format!("`{}` is full: {FILE_BYTES_MAX} bytes", self.path.display())));
        }
        file.set_len(read.end)?;
        file.seek(SeekFrom::Start(read.end))?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        Ok(answer)
    }

    fn read(&self, file: &mut File) -> Result<Contents<T>, StoreFault> {
        let damaged = |what: &str| StoreFault::Damaged(format!("`{}`: {what}", self.path.display()));
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(&error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(damaged("it is too long"));
        }
        // What a torn line holds need not be text.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let is_whole = whole == bytes.len();
        bytes.truncate(whole);
        let text = String::from_utf8(bytes).map_err(|_| damaged("no text"))?;
        let body = text.strip_prefix(T::HEAD).ok_or_else(|| damaged(&format!("its first line is not `{}`", T::HEAD.trim_end())))?;
        let mut said = T::default();
        for (number, line) in body.split_inclusive('\n').enumerate() {
            unchecked(line).and_then(|line| said.take(line)).ok_or_else(|| damaged(&format!("line {} is damaged", number + 2)))?;
        }
        Ok(Contents { said, end: whole as u64, is_whole })
    }

    fn unreadable(&self, error: &io::Error) -> StoreFault {
        StoreFault::unreadable(&self.path.display().to_string(), error)
    }
}

fn version(facts: &Metadata) -> Version {
    (facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec())
}
