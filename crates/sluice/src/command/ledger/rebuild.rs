//! `sluice ledger rebuild-index`: for an index that nobody trusts any more.

use super::index::{IndexPlace, scribe};
use super::{Answer, Keys, Outcome, Place, Stop, reader, secrets};
use clap::Args;
use serde_json::json;
use sluice_store::Index;

/// Make the index anew that `find` searches.
///
/// Reads every leaf that the signed checkpoint covers, and opens who called. `find` does it by itself when the index is missing, damaged or of
/// another ledger; a row that somebody took out of it is noticed by nobody, and this is the remedy. The keys are needed, because the index
/// holds callers as an HMAC under a key that the master key wraps.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger rebuild-index var/ledger --keys var/ledger-keys
  sluice ledger rebuild-index backup/2026-11-21 --keys var/ledger-keys --index /tmp/2026-11-21.index.sqlite")]
pub struct RebuildIndex {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    index: IndexPlace,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(rebuild: &RebuildIndex) -> Outcome {
    let folder = &rebuild.place.folder;
    let reader = reader(folder)?;
    let path = rebuild.index.path(folder)?;
    let scribe = scribe(&secrets(&rebuild.keys.keys)?, &reader);
    Index::rebuild(&path, &reader, &scribe).map_err(|fault| Stop::of(folder, &fault))?;
    Ok(Answer::new(
        json!({ "index": path.display().to_string(), "records": reader.size() }),
        &[("index", path.display().to_string()), ("records", reader.size().to_string())],
    ))
}
