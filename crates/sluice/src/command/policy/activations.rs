//! Activations in a folder: a file each, numbered, and a copy of every set that was activated, by its digest.
//!
//! A file appears whole or not at all and is never written again. That it stays is up to whoever keeps the folder, until the ledger records it.

use crate::policy_folder;
use crate::render;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sluice_policy::{Activated, ActivationError, ActivationKeys, ActivationLog, Bundle, BundleDigest, Change, PolicySet, Standing};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const SETS_FOLDER: &str = "sets";
const RECORD_BYTES_MAX: u64 = 16 << 20;

pub struct FolderLog {
    folder: PathBuf,
    keys: ActivationKeys,
}

/// What is read back; the rest of the file is for people.
#[derive(Deserialize)]
struct Record {
    format: u32,
    text: String,
    signature: String,
}

impl FolderLog {
    pub fn new(folder: &Path, keys: ActivationKeys) -> FolderLog {
        FolderLog { folder: folder.to_owned(), keys }
    }

    /// Keeps the set by its digest, for whoever loads it or compares with it later.
    pub fn keep(&self, bundle: &Bundle) -> Result<(), ActivationError> {
        let folder = self.set_folder(&bundle.digest());
        std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        for (name, text) in bundle.files() {
            let path = folder.join(name);
            if !path.exists() {
                write_whole(&path, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// A set that was activated. It is what its digest says, or an error.
    pub fn set(&self, digest: &BundleDigest) -> Result<PolicySet, ActivationError> {
        let folder = self.set_folder(digest);
        let broken = |why: String| ActivationError::Log { text: format!("{}: {why}", folder.display()) };
        let read = policy_folder::read(&folder).map_err(|failure| broken(failure.to_string()))?;
        if read.bundle.digest() != *digest {
            return Err(broken("it is not what was activated".to_owned()));
        }
        let (set, ..) = read.load().map_err(|problems| broken(problems.first().map(ToString::to_string).unwrap_or_default()))?;
        Ok(set)
    }

    fn set_folder(&self, digest: &BundleDigest) -> PathBuf {
        self.folder.join(SETS_FOLDER).join(digest.text().replace(':', "-"))
    }

    fn record(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number:06}.json"))
    }

    /// How many there are, and what they come to. They are numbered from 1 without a gap.
    fn follow(&self) -> Result<(usize, Standing), ActivationError> {
        let mut standing = Standing::default();
        let mut count = 0;
        loop {
            let path = self.record(count + 1);
            let bytes = match std::fs::metadata(&path) {
                Ok(found) if found.len() <= RECORD_BYTES_MAX => std::fs::read(&path).map_err(|error| failed(&path, &error))?,
                Ok(_) => return Err(broken(&path, "too long")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((count, standing)),
                Err(error) => return Err(failed(&path, &error)),
            };
            let record: Record = serde_json::from_slice(&bytes).map_err(|error| broken(&path, &error.to_string()))?;
            let signature = STANDARD.decode(&record.signature).map_err(|error| broken(&path, &error.to_string()))?;
            if record.format != FORMAT {
                return Err(broken(&path, "of another format"));
            }
            standing.follow(&record.text, &signature, &self.keys).map_err(|error| broken(&path, &error.to_string()))?;
            count += 1;
        }
    }
}

impl ActivationLog for FolderLog {
    fn standing(&self) -> Result<Standing, ActivationError> {
        self.follow().map(|(_, standing)| standing)
    }

    fn append(&mut self, activated: &Activated, changes: &[Change]) -> Result<(), ActivationError> {
        let (count, standing) = self.follow()?;
        let activation = activated.activation();
        if standing.last() != activation.after.as_ref() {
            return Err(ActivationError::Behind);
        }
        let record = json!({
            "format": FORMAT,
            "text": activation.text(),
            "signature": STANDARD.encode(activated.signature()),
            "by": activation.by,
            "reason": activation.reason,
            "at": activation.at,
            "set": activation.set.text(),
            "as": if activation.shadow { "shadow" } else { "in force" },
            "changes": changes.iter().map(render::policy::change).collect::<Vec<_>>(),
        });
        write_whole(&self.record(count + 1), format!("{record:#}\n").as_bytes())
    }
}

/// Under another name first; then it is linked, which fails where the name is taken: of two at once, one comes first.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ActivationError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::hard_link(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    let result = written();
    let removed = std::fs::remove_file(&beside);
    match result.and(removed) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(ActivationError::Behind),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ActivationError {
    broken(path, &error.to_string())
}

fn broken(path: &Path, why: &str) -> ActivationError {
    ActivationError::Log { text: format!("{}: {why}", path.display()) }
}
