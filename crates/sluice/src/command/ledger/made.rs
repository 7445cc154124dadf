//! Folders and files that a command makes: new ones or none, and nothing that was there is touched.

use super::Stop;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// For the one who runs it: wrapped secrets lie in a ledger, and keys beside it.
const FOLDER_MODE: u32 = 0o700;

/// A folder for something new. It goes again unless it is kept.
pub struct NewFolder {
    path: PathBuf,
    /// The topmost folder that was made for it; nothing if it was there, and empty.
    made: Option<PathBuf>,
}

impl NewFolder {
    pub fn make(path: &Path) -> Result<NewFolder, Stop> {
        let made = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).last().map(Path::to_owned);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(|error| Stop::at(path, &error))?;
        let mut names = std::fs::read_dir(path).map_err(|error| Stop::at(path, &error))?;
        match names.next() {
            None => Ok(NewFolder { path: path.to_owned(), made }),
            Some(_) => Err(Stop::Refused(format!("{}: is not empty, and what is new is made in an empty folder", path.display()))),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn keep(mut self) {
        self.made = None;
        self.path = PathBuf::new();
    }

    /// What stands in it was made by whoever made the folder: it goes too.
    pub fn remove_all(self) {
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            // As a file first: a link is removed, not followed.
            if std::fs::remove_file(&path).is_err() {
                drop(std::fs::remove_dir_all(&path));
            }
        }
    }
}

impl Drop for NewFolder {
    /// As far as they are empty.
    fn drop(&mut self) {
        let Some(top) = &self.made else { return };
        for folder in self.path.ancestors() {
            if std::fs::remove_dir(folder).is_err() || folder == top {
                return;
            }
        }
    }
}

/// Inside the ledger it would be copied, served and verified with it.
pub fn check_outside(ledger: &Path, path: &Path) -> Result<(), Stop> {
    let ledger = ledger.canonicalize().map_err(|error| Stop::at(ledger, &error))?;
    if real(path).starts_with(&ledger) {
        return Err(Stop::Refused(format!("{}: lies in the ledger {}: it needs a place of its own", path.display(), ledger.display())));
    }
    Ok(())
}

/// Where it is, or would be.
pub fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|folder| Some((folder.to_owned(), folder.canonicalize().ok()?)));
    match there {
        Some((folder, real)) => whole.strip_prefix(&folder).map_or(real.clone(), |rest| real.join(rest)),
        None => whole,
    }
}

/// The whole file under its name, or no file.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    let refused = || Stop::Refused(format!("{}: is there already, and nothing is written over", path.display()));
    if path.symlink_metadata().is_ok() {
        return Err(refused());
    }
    let mut name = path.file_name().map(ToOwned::to_owned).ok_or_else(|| Stop::at(path, &"not the name of a file"))?;
    name.push(".part");
    let part = path.with_file_name(name);
    let opened = OpenOptions::new().write(true).create_new(true).open(&part);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Stop::Refused(format!("{}: was left by a run that was broken off: remove it", part.display())),
        _ => Stop::at(&part, &error),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| put(&part, path));
    written.map_err(|error| {
        drop(std::fs::remove_file(&part));
        if error.kind() == io::ErrorKind::AlreadyExists { refused() } else { Stop::at(path, &error) }
    })
}

/// Both names for a moment, so that nobody's file is replaced. Where there are no hard links it is renamed.
fn put(part: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(part, path) {
        Ok(()) => std::fs::remove_file(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => std::fs::rename(part, path),
    }
}
