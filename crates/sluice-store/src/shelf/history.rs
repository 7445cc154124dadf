//! `checkpoints/`: every checkpoint that was published, in files of 4,096, each with its length in front. Two of them that contradict each other
//! would be proof against us, so none is thrown away.

use crate::disk::Disk;
use crate::fault::StoreFault;

pub const FOLDER: &str = "checkpoints";
const NOTES_PER_FILE: u64 = 4096;
const NOTE_BYTES_MAX: usize = sluice_ledger::note::NOTE_BYTES_MAX;

pub struct History {
    number: u64,
    notes: u64,
    /// Behind the last whole note.
    end: u64,
    last: Option<Vec<u8>>,
}

impl History {
    /// Reads the last file. A note that is cut off was not answered for: what is appended next takes its place.
    pub fn open(disk: &dyn Disk) -> Result<History, StoreFault> {
        let names = disk.list(FOLDER)?;
        let Some(number) =
            names.last().map(|name| name.parse().map_err(|_| StoreFault::Damaged(format!("`{FOLDER}/{name}`")))).transpose()?
        else {
            return Ok(History { number: 0, notes: 0, end: 0, last: None });
        };
        let notes = read_file(disk, number)?;
        let end = notes.iter().map(|note| 4 + note.len() as u64).sum();
        let history = History { number, notes: notes.len() as u64, end, last: notes.into_iter().next_back() };
        history.make_durable(disk)?;
        Ok(history)
    }

    /// The process before may have died of the sync of the last note.
    fn make_durable(&self, disk: &dyn Disk) -> Result<(), StoreFault> {
        if let Some(note) = &self.last {
            let file = disk.open(&path(self.number))?;
            let length = u32::try_from(note.len()).unwrap_or_default();
            file.write_at(self.end - 4 - note.len() as u64, &[&length.to_be_bytes(), note.as_slice()].concat())?;
            file.sync()?;
        }
        Ok(disk.sync_folder(FOLDER)?)
    }

    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    pub fn append(&mut self, disk: &dyn Disk, note: &[u8]) -> Result<(), StoreFault> {
        let (number, notes, end) = if self.notes == NOTES_PER_FILE { (self.number + 1, 0, 0) } else { (self.number, self.notes, self.end) };
        let path = path(number);
        let length = u32::try_from(note.len()).map_err(|_| StoreFault::Refused("a checkpoint is too long".to_owned()))?;
        let file = if end == 0 { disk.create(&path)? } else { disk.open(&path)? };
        file.set_length(end)?;
        file.write_at(end, &[&length.to_be_bytes(), note].concat())?;
        file.sync()?;
        if end == 0 {
            disk.sync_folder(FOLDER)?;
        }
        *self = History { number, notes: notes + 1, end: end + 4 + note.len() as u64, last: Some(note.to_vec()) };
        Ok(())
    }
}

/// Every note, oldest first, as a copy needs them: no file is missing, each but the last is full, and the last may end in a torn note only if
/// somebody may be writing to it.
pub fn read_whole(disk: &dyn Disk, may_be_torn: bool) -> Result<Vec<Vec<u8>>, StoreFault> {
    let names = disk.list(FOLDER)?;
    let mut all = Vec::new();
    for (number, name) in (0..).zip(&names) {
        let path = path(number);
        let is_last = number + 1 == names.len() as u64;
        let damaged = |what: &str| StoreFault::Damaged(format!("`{FOLDER}/{name}`: {what}"));
        if path != format!("{FOLDER}/{name}") {
            return Err(damaged("a file of checkpoints before it is missing, or its name is none"));
        }
        let notes = read_file(disk, number)?;
        let end: u64 = notes.iter().map(|note| 4 + note.len() as u64).sum();
        if disk.open(&path)?.length()? != end && !(is_last && may_be_torn) {
            return Err(damaged("what stands behind its last checkpoint is none"));
        }
        let count = notes.len() as u64;
        if count > NOTES_PER_FILE || (count < NOTES_PER_FILE && !is_last) {
            return Err(damaged(&format!("holds {count} checkpoints, {NOTES_PER_FILE} belong into each file but the last")));
        }
        all.extend(notes);
    }
    Ok(all)
}

/// Every note that can be read, oldest first.
pub fn read(disk: &dyn Disk) -> Result<Vec<Vec<u8>>, StoreFault> {
    let mut notes = Vec::new();
    for (number, _) in disk.list(FOLDER)?.iter().enumerate() {
        notes.extend(read_file(disk, number as u64)?);
    }
    Ok(notes)
}

/// A whole history, where there is none yet.
pub fn write(disk: &dyn Disk, notes: &[Vec<u8>]) -> Result<(), StoreFault> {
    for (number, notes) in (0..).zip(notes.chunks(NOTES_PER_FILE as usize)) {
        let mut bytes = Vec::new();
        for note in notes {
            let length = u32::try_from(note.len()).map_err(|_| StoreFault::Refused("a checkpoint is too long".to_owned()))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(note);
        }
        let file = disk.create(&path(number))?;
        file.write_at(0, &bytes)?;
        file.sync()?;
    }
    Ok(disk.sync_folder(FOLDER)?)
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:06}")
}

fn read_file(disk: &dyn Disk, number: u64) -> Result<Vec<Vec<u8>>, StoreFault> {
    let path = path(number);
    let file = disk.open(&path).map_err(|error| StoreFault::unreadable(&path, &error))?;
    let length = usize::try_from(file.length()?).map_err(|_| StoreFault::Damaged(path))?;
    let bytes = file.read_at(0, length)?;
    let mut notes = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > NOTE_BYTES_MAX {
            break;
        }
        let Some((note, after)) = after.split_at_checked(length) else { break };
        notes.push(note.to_vec());
        rest = after;
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    fn framed(notes: &[&[u8]]) -> Vec<u8> {
        notes.iter().flat_map(|note| [&u32::try_from(note.len()).unwrap().to_be_bytes(), *note].concat()).collect()
    }

    /// What a crash left behind the last whole note, and what stands in the file once the next note is appended.
    fn check(name: &str, torn: &[u8]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let disk = LocalDisk::new(folder.path()).unwrap();
        let path = folder.path().join(path(0));
        std::fs::write(&path, [framed(&[b"first", b"second"]), torn.to_vec()].concat()).unwrap();
        let mut history = History::open(&disk).unwrap();
        assert_eq!(history.last(), Some(b"second".as_slice()), "{name}");
        history.append(&disk, b"third").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), framed(&[b"first", b"second", b"third"]), "{name}");
        assert_eq!(read(&disk).unwrap(), [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()], "{name}");
    }

    #[test]
    fn the_next_note_takes_the_place_of_a_torn_one() {
        check("nothing", b"");
        check("half a length", &[0, 0]);
        check("zeros", &[0; 600]);
        check("a long note cut off", &framed(&[&[b'x'; 400]])[..300]);
        check("a length that no note has", &[0xff; 64]);
    }
}
