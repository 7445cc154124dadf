//! A small file of checked lines that only grows, written by one process and read by another while it is written.
//!
//! Crash order: a line is written and synced, then answered. A last line without its end, or with a sector that was never written, was never answered:
//! readers leave it out, the next writer cuts it off. Any other damage refuses: what stands in such a file must not come undone by a flipped bit.
//! Every append writes the whole file again, in place: what a failed sync has lost is in the cache and nowhere else.

use crate::checked_line::{checked, has_lost_sector, unchecked};
use crate::disk::{self, Disk, DiskFile, LocalDisk, Version};
use crate::fault::StoreFault;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

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
    place: Place,
    seen: Mutex<Option<(Version, Arc<T>)>>,
}

/// Where such a file is, and its name for those who ask.
pub struct Place {
    disk: Arc<dyn Disk>,
    name: String,
    shown: String,
}

/// A file as it was read.
struct Contents<T> {
    said: T,
    /// Up to the end of the last whole line.
    text: String,
    is_whole: bool,
}

impl<T: Lines> CheckedFile<T> {
    /// Makes the file that `open` expects: one that is missing must not pass for one that says nothing.
    pub fn create(place: &Place) -> Result<(), StoreFault> {
        match place.disk.open(&place.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(disk::replace(place.disk.as_ref(), &place.name, T::HEAD.as_bytes())?)
            }
            Err(error) => Err(StoreFault::unreadable(&place.shown, &error)),
            Ok(_) => Err(StoreFault::Exists(place.shown.clone())),
        }
    }

    pub fn open(place: Place) -> Result<CheckedFile<T>, StoreFault> {
        let file = CheckedFile { place, seen: Mutex::new(None) };
        file.current()?;
        Ok(file)
    }

    /// Read again where it has changed.
    pub fn current(&self) -> Result<Arc<T>, StoreFault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // From before it is read: with a line more it is read again next time.
        let version = self.place.disk.version(&self.place.name).map_err(|error| self.unreadable(&error))?;
        if let Some((known, said)) = seen.as_ref()
            && *known == version
        {
            return Ok(said.clone());
        }
        let read = self.read(self.open_file()?.as_ref())?;
        let said = Arc::new(read.said);
        // A line may take the place of a torn one within one tick of the clock, at the same length.
        *seen = read.is_whole.then(|| (version, said.clone()));
        Ok(said)
    }

    /// Appends what `decide` answers to what stands there, and hands on the rest of its answer. Durable when it returns. Several
    /// processes may do so, one after the other.
    pub fn append<R>(&self, decide: impl FnOnce(&T) -> Result<(String, R), StoreFault>) -> Result<R, StoreFault> {
        let file = self.open_file()?;
        file.hold()?;
        let mut read = self.read(file.as_ref())?;
        let (line, answer) = decide(&read.said)?;
        let end = read.text.len() as u64;
        read.text.push_str(&checked(&line));
        if read.text.len() as u64 > FILE_BYTES_MAX {
            return Err(StoreFault::Refused(format!("`{}` is full: {FILE_BYTES_MAX} bytes", self.place.shown)));
        }
        if !read.is_whole {
            // Before anything else: the rest of a longer line behind a shorter one would be damage.
            file.set_length(end)?;
            file.sync()?;
        }
        file.write_at(0, read.text.as_bytes())?;
        file.sync()?;
        Ok(answer)
    }

    fn open_file(&self) -> Result<Box<dyn DiskFile>, StoreFault> {
        self.place.disk.open(&self.place.name).map_err(|error| self.unreadable(&error))
    }

    fn read(&self, file: &dyn DiskFile) -> Result<Contents<T>, StoreFault> {
        let damaged = |what: &str| StoreFault::Damaged(format!("`{}`: {what}", self.place.shown));
        let unreadable = |error: io::Error| self.unreadable(&error);
        let length = usize::try_from(file.length().map_err(unreadable)?).unwrap_or(usize::MAX);
        if length as u64 > FILE_BYTES_MAX {
            return Err(damaged("it is too long"));
        }
        let mut bytes = file.read_at(0, length).map_err(unreadable)?;
        // What a torn line holds need not be text.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        let mut text = String::from_utf8(bytes).map_err(|_| damaged("no text"))?;
        let body = text.strip_prefix(T::HEAD).ok_or_else(|| damaged(&format!("its first line is not `{}`", T::HEAD.trim_end())))?;
        let mut said = T::default();
        let mut end = T::HEAD.len();
        for (number, line) in body.split_inclusive('\n').enumerate() {
            if unchecked(line).and_then(|line| said.take(line)).is_none() {
                if end + line.len() == length && has_lost_sector(line, end) {
                    break;
                }
                return Err(damaged(&format!("line {} is damaged", number + 2)));
            }
            end += line.len();
        }
        text.truncate(end);
        Ok(Contents { said, text, is_whole: end == length })
    }

    fn unreadable(&self, error: &io::Error) -> StoreFault {
        StoreFault::unreadable(&self.place.shown, error)
    }
}

impl Place {
    pub fn of(path: &Path) -> Result<Place, StoreFault> {
        let shown = path.display().to_string();
        let unreadable = |error: io::Error| StoreFault::unreadable(&shown, &error);
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| unreadable(io::ErrorKind::InvalidFilename.into()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let disk = Arc::new(LocalDisk::new(folder).map_err(unreadable)?);
        Ok(Place { disk, name: name.to_owned(), shown })
    }

    pub fn on(disk: Arc<dyn Disk>, name: &str) -> Place {
        Place { disk, name: name.to_owned(), shown: name.to_owned() }
    }
}
