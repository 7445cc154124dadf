//! Activations in a folder: a file each, numbered, and a copy of every set that was activated, by its digest.
//!
//! A file appears whole or not at all and is never written again. Beside it stands, once the ledger has recorded it, the number of that record: between
//! the record and this a crash may leave an activation to be recorded twice, never not at all.

use crate::policy_folder;
use crate::render;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_ledger::record::content::Change as Said;
use sluice_ledger::record::{Draft, DraftError, Kind, SectionId};
use sluice_policy::{
    Activated, Activation, ActivationError, ActivationKeys, ActivationLog, Bundle, BundleDigest, Change, PolicySet, Standing,
};
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
    #[serde(default)]
    changes: Vec<Value>,
}

/// An activation as the ledger is told of it.
pub struct Entry {
    activation: Activation,
    text: String,
    signature: String,
    changes: Vec<Value>,
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

    /// Those that are not on record yet, with their numbers. Whoever holds the ledger writes them there, in this order, and marks them.
    pub fn unrecorded(&self) -> Result<Vec<(usize, Entry)>, ActivationError> {
        let (entries, _) = self.follow()?;
        Ok((1..).zip(entries).filter(|(number, _)| !self.mark(*number).exists()).collect())
    }

    /// The number that the next activation gets.
    pub fn next(&self) -> Result<usize, ActivationError> {
        Ok(self.follow()?.0.len() + 1)
    }

    /// `record`: the one of the ledger that says so.
    pub fn mark_recorded(&self, number: usize, record: u64) -> Result<(), ActivationError> {
        match write_whole(&self.mark(number), format!("{record}\n").as_bytes()) {
            // Somebody else recorded it too.
            Err(ActivationError::Behind) => Ok(()),
            other => other,
        }
    }

    fn mark(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number:06}.recorded"))
    }

    /// All there are, and what they come to. They are numbered from 1 without a gap.
    fn follow(&self) -> Result<(Vec<Entry>, Standing), ActivationError> {
        let mut standing = Standing::default();
        let mut entries = Vec::new();
        loop {
            let path = self.record(entries.len() + 1);
            let bytes = match std::fs::metadata(&path) {
                Ok(found) if found.len() <= RECORD_BYTES_MAX => std::fs::read(&path).map_err(|error| failed(&path, &error))?,
                Ok(_) => return Err(broken(&path, "too long")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((entries, standing)),
                Err(error) => return Err(failed(&path, &error)),
            };
            let record: Record = serde_json::from_slice(&bytes).map_err(|error| broken(&path, &error.to_string()))?;
            let signature = STANDARD.decode(&record.signature).map_err(|error| broken(&path, &error.to_string()))?;
            if record.format != FORMAT {
                return Err(broken(&path, "of another format"));
            }
            let activation = standing.follow(&record.text, &signature, &self.keys).map_err(|error| broken(&path, &error.to_string()))?;
            let Record { text, signature, changes, .. } = record;
            entries.push(Entry { activation, text, signature, changes });
        }
    }
}

impl Entry {
    pub fn of(activated: &Activated, changes: &[Change]) -> Entry {
        Entry {
            activation: activated.activation().clone(),
            text: activated.activation().text(),
            signature: STANDARD.encode(activated.signature()),
            changes: changes.iter().map(render::policy::change).collect(),
        }
    }

    /// Who, why, which set, and what it says otherwise than the one before; with the signature, so that the record proves it without the folder.
    pub fn draft(&self) -> Result<Draft, DraftError> {
        let Activation { set, shadow, after, by, reason, at } = &self.activation;
        let way = if *shadow { "shadow" } else { "in force" };
        let after = after.as_ref().map_or("none", BundleDigest::text);
        let details = [("set", set.text()), ("as", way), ("after", after), ("at", &at.to_string())];
        let said = Said {
            what: "activate a policy set".to_owned(),
            by: by.clone(),
            reason: reason.clone(),
            details: details.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..Said::default()
        };
        let policy = |changes: &[Value]| {
            let left_out = self.changes.len() - changes.len();
            json!({ "text": self.text, "signature": self.signature, "changes": changes, "changes_left_out": left_out })
                .to_string()
                .into_bytes()
        };
        let whole = policy(&self.changes);
        // What changed is read from the two sets as well, and they are named by their digests.
        let policy = if whole.len() > SectionId::Policy.plaintext_bytes_max() { policy(&[]) } else { whole };
        Draft::of_change(Kind::PolicyActivate, None, &said)?.with(SectionId::Policy, policy)
    }
}

impl ActivationLog for FolderLog {
    fn standing(&self) -> Result<Standing, ActivationError> {
        self.follow().map(|(_, standing)| standing)
    }

    fn append(&mut self, activated: &Activated, changes: &[Change]) -> Result<(), ActivationError> {
        let (entries, standing) = self.follow()?;
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
        write_whole(&self.record(entries.len() + 1), format!("{record:#}\n").as_bytes())
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
