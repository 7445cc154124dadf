//! `sluice.toml`: what the gateway is told. Each table is checked by the crate that it is for; here they are found, and told from misspelt ones.

use crate::command::Failure;
use serde::Deserialize;
use sluice_policy::{ActivationKeys, Problem};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const FILE: &str = "sluice.toml";
const BYTES_MAX: u64 = 1 << 20;
/// Tables that some part of the gateway reads.
const TABLES: [&str; 8] = ["connections", "identity", "ledger", "log", "policy", "server", "state", "traces"];
const SET_FOLDER: &str = "policy";
const ACTIVATIONS_FOLDER: &str = "activations";
const HALTS_FILE: &str = "halts";
const LABELS_FILE: &str = "labels";

pub struct Configuration {
    /// The whole file, for those who read their own table of it.
    pub text: String,
    pub policy: PolicyTable,
}

/// `[policy]`, with its folders beside the file.
pub struct PolicyTable {
    pub set: PathBuf,
    pub activations: PathBuf,
    /// Who is halted: `sluice halt` writes it, the gateway reads it.
    pub halts: PathBuf,
    /// Labels that came with data, or by hand: the gateway and `sluice labels` write it.
    pub labels: PathBuf,
    pub keys: ActivationKeys,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyEntry {
    set: Option<PathBuf>,
    activations: Option<PathBuf>,
    halts: Option<PathBuf>,
    labels: Option<PathBuf>,
    #[serde(default)]
    keys: BTreeMap<String, String>,
    #[serde(default)]
    retired_keys: BTreeMap<String, String>,
}

/// A file that cannot be read is a failure; what it says wrong are problems, all of them.
pub fn read(folder: &Path) -> Result<(Configuration, Vec<Problem>), Failure> {
    let path = folder.join(FILE);
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let bytes = std::fs::metadata(&path).map_err(failed)?.len();
    if bytes > BYTES_MAX {
        return Err(Failure::new(format!("{}: {bytes} bytes, at most {BYTES_MAX}", path.display())));
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let mut problems = Vec::new();
    let table: toml::Table = text.parse().unwrap_or_else(|error: toml::de::Error| {
        problems.push(Problem::new(FILE, error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")));
        toml::Table::new()
    });
    for name in table.keys().filter(|name| !TABLES.contains(&name.as_str())) {
        problems.push(Problem::new(FILE, format!("`{name}`: nothing reads it; there are {}", TABLES.join(", "))));
    }
    let entry = match table.get("policy").cloned().map(PolicyEntry::deserialize) {
        None => PolicyEntry::default(),
        Some(Ok(entry)) => entry,
        Some(Err(error)) => {
            problems.push(Problem::new(FILE, format!("policy: {}", error.message())));
            PolicyEntry::default()
        }
    };
    let keys = ActivationKeys::read(&entry.keys, &entry.retired_keys).unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|text| Problem::new(FILE, format!("policy.keys: {text}"))));
        ActivationKeys::default()
    });
    let set = folder.join(entry.set.unwrap_or_else(|| SET_FOLDER.into()));
    let activations = folder.join(entry.activations.unwrap_or_else(|| ACTIVATIONS_FOLDER.into()));
    let halts = folder.join(entry.halts.unwrap_or_else(|| HALTS_FILE.into()));
    let labels = folder.join(entry.labels.unwrap_or_else(|| LABELS_FILE.into()));
    Ok((Configuration { text, policy: PolicyTable { set, activations, halts, labels, keys } }, problems))
}

/// The same for those who cannot go on with problems.
pub fn read_sound(folder: &Path) -> Result<Configuration, Failure> {
    let (configuration, problems) = read(folder)?;
    match problems.as_slice() {
        [] => Ok(configuration),
        problems => Err(Failure::new(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n        "))),
    }
}
