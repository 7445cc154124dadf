//! The folder of a ledger, read-only. Nothing in it is trusted: sizes are bounded, links are not followed, every name is looked at.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A hostile folder may nest for ever.
const DEPTH_MAX: usize = 12;

pub struct Folder {
    root: PathBuf,
}

/// A file that is read row by row.
pub struct Rows {
    file: File,
    bytes: u64,
}

impl Folder {
    pub fn open(root: &Path) -> io::Result<Folder> {
        fs::read_dir(root)?;
        Ok(Folder { root: root.to_owned() })
    }

    /// None if it is not there. A link, a folder and a file that is too long are errors.
    pub fn read(&self, path: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(mut rows) = self.rows(path)? else { return Ok(None) };
        let bytes = usize::try_from(rows.bytes).ok().filter(|bytes| *bytes <= bytes_max);
        let bytes = bytes.ok_or_else(|| refused(format!("longer than {bytes_max} bytes")))?;
        rows.read(0, bytes).map(Some)
    }

    pub fn rows(&self, path: &str) -> io::Result<Option<Rows>> {
        let path = self.root.join(path);
        let about = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            about => about?,
        };
        if !about.is_file() {
            return Err(refused("not a plain file".to_owned()));
        }
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Some(Rows { file, bytes }))
    }

    /// Every path below, in order, and whether it is a plain file; folders themselves are left out.
    pub fn paths(&self) -> io::Result<Vec<(String, bool)>> {
        let mut found = Vec::new();
        walk(&self.root, "", 0, &mut found)?;
        found.sort();
        Ok(found)
    }
}

impl Rows {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn read(&mut self, start: u64, bytes: usize) -> io::Result<Vec<u8>> {
        // Measured first: a length out of a damaged table is no reason to ask for memory.
        if start.checked_add(bytes as u64).is_none_or(|end| end > self.bytes) {
            return Err(refused("cut off".to_owned()));
        }
        let mut row = vec![0; bytes];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut row)?;
        Ok(row)
    }
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<(String, bool)>) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(refused(format!("`{prefix}` is nested too deep")));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, found)?;
        } else {
            found.push((path, kind.is_file()));
        }
    }
    Ok(())
}

fn refused(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn fresh() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), b"0123456789").unwrap();
        folder
    }

    #[test]
    fn plain_files_are_read_and_nothing_else() {
        let place = fresh();
        let root = place.path();
        symlink(root.join("below/file"), root.join("link")).unwrap();
        symlink(root.join("nowhere"), root.join("dangling")).unwrap();
        let folder = Folder::open(root).unwrap();
        assert_eq!(folder.read("below/file", 10).unwrap().unwrap(), b"0123456789");
        assert_eq!(folder.read("below/none", 10).unwrap(), None);
        for (path, bytes_max, expect) in [
            ("below/file", 9, "longer than 9 bytes"),
            ("link", 10, "not a plain file"),
            ("dangling", 10, "not a plain file"),
            ("below", 10, "not a plain file"),
        ] {
            assert_eq!(folder.read(path, bytes_max).unwrap_err().to_string(), expect, "{path}");
        }
        let listed = ["below/file", "dangling", "link"].map(|path| (path.to_owned(), path == "below/file"));
        assert_eq!(folder.paths().unwrap(), listed);
        let mut rows = folder.rows("below/file").unwrap().unwrap();
        assert_eq!((rows.read(3, 2).unwrap(), rows.read(10, 0).unwrap()), (b"34".to_vec(), Vec::new()));
        for (start, bytes) in [(9, 2), (11, 0), (u64::MAX, 1), (0, usize::MAX)] {
            assert_eq!(rows.read(start, bytes).unwrap_err().to_string(), "cut off", "{bytes} at {start}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let place = fresh();
        let root = place.path();
        let deepest = |levels: usize| root.join("d/".repeat(levels));
        fs::create_dir_all(deepest(DEPTH_MAX)).unwrap();
        assert!(Folder::open(root).unwrap().paths().is_ok());
        fs::create_dir_all(deepest(DEPTH_MAX + 1)).unwrap();
        assert!(Folder::open(root).unwrap().paths().unwrap_err().to_string().ends_with("is nested too deep"));
    }
}
