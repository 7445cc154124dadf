//! `ledger.json`: it says which ledger this is, and has to say what the trust file says.

use crate::folder::Folder;
use crate::report::Report;
use serde::{Deserialize, Serialize};
use sluice_ledger::trust::Trust;
use std::ops::RangeInclusive;

const PATH: &str = "ledger.json";
const FACTS_BYTES_MAX: usize = 4096;
/// What is evidence is the same in both.
const FORMATS: RangeInclusive<u64> = 1..=2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    format: u64,
    origin: String,
    ledger: String,
    verifier_key: String,
    created_ms: u64,
}

pub fn check(folder: &Folder, trust: &Trust, origin: &str, report: &mut Report) {
    match folder.read(PATH, FACTS_BYTES_MAX) {
        Ok(Some(bytes)) => judge(&bytes, trust, origin, report),
        Ok(None) => report.find(PATH, "missing: a folder without it is no ledger"),
        Err(error) => report.find(PATH, error.to_string()),
    }
}

fn judge(bytes: &[u8], trust: &Trust, origin: &str, report: &mut Report) {
    let facts: Facts = match serde_json::from_slice(bytes) {
        Ok(facts) => facts,
        Err(error) => return report.find(PATH, format!("cannot be read: {error}")),
    };
    if !FORMATS.contains(&facts.format) {
        let (first, last) = (FORMATS.start(), FORMATS.end());
        report.find(PATH, format!("format {} is unknown here, {first} to {last} are known", facts.format));
    }
    if facts.origin != origin {
        report.find(PATH, format!("it is the ledger `{}`, and `{origin}` is asked for", facts.origin));
    }
    if !trust.logs().iter().any(|key| key.name() == origin && key.to_string() == facts.verifier_key) {
        report.find(PATH, "the key that it names is not one that the trust file names");
    }
    let is_identifier = facts.ledger.len() == 32 && facts.ledger.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    // One spelling, so that nothing hides between the fields.
    let again = serde_json::to_string_pretty(&facts).map(|text| text + "\n").unwrap_or_default();
    if !is_identifier || again.as_bytes() != bytes {
        report.find(PATH, "it is not written as the store writes it");
    }
}
