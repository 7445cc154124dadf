//! `sluice ledger prove`: one record as a file that convinces without this ledger.

use super::made::write_new;
use super::{Answer, Outcome, Place, Stop, reader, secrets};
use clap::Args;
use serde_json::json;
use sluice_ledger::keyring::KeyEntry;
use sluice_ledger::keyring::WrappedKeys;
use sluice_ledger::layout::Slot;
use sluice_ledger::proof::{PROOF_EXTRA_BYTES_MAX, Proof};
use sluice_ledger::record::{Body, Disclosure, OpenedSection, SectionId, SectionSet, open};
use sluice_ledger::tree::inclusion_proof;
use sluice_store::{Reader, StoreFault};
use std::path::PathBuf;

/// Write a proof of one record that anyone can check without this ledger.
///
/// The file has the form c2sp.org/tlog-proof@v1: the leaf, its path to the root, and the signed checkpoint. With --show it also holds
/// the text of those sections, and of no other: the reader sees that the others exist and what they are called, nothing of what they
/// say. `sluice-verify proof` checks it offline.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger prove var/ledger 1042 --out record-1042.tlog-proof
  sluice ledger prove var/ledger 1042 --out record-1042.tlog-proof --keys var/ledger-keys --show meta --show policy")]
pub struct Prove {
    #[command(flatten)]
    place: Place,
    /// The number of the record
    #[arg(value_name = "RECORD")]
    record: u64,
    /// The file to write; nothing is written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A section to show: meta, identity, request, policy, approval, result, recording, upstream
    #[arg(long, value_name = "SECTION", value_parser = section, requires = "keys")]
    show: Vec<SectionId>,
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(prove: &Prove) -> Outcome {
    let folder = &prove.place.folder;
    let reader = reader(folder)?;
    if prove.record >= reader.size() {
        let reason = format!("there is no record {}; the signed checkpoint covers {}", prove.record, reader.size());
        return Err(Stop::Refused(reason));
    }
    let leaf = reader.leaf(prove.record).map_err(|fault| Stop::of(folder, &fault))?;
    let wanted: SectionSet = prove.show.iter().copied().collect();
    let disclosure = disclosure(prove, &reader, wanted)?;
    let shown: SectionSet = disclosure.shown.iter().map(|shown| shown.section).collect();
    if let Some(missing) = wanted.without(shown).iter().next() {
        let what = if leaf.sections.contains(missing) { "was given up and cannot be read" } else { "is not part of the record" };
        return Err(Stop::Refused(format!("section `{}` {what}", missing.word())));
    }
    let extra = disclosure.bytes(&leaf);
    if extra.len() > PROOF_EXTRA_BYTES_MAX {
        let reason = format!("what is shown has {} bytes, a proof holds at most {PROOF_EXTRA_BYTES_MAX}", extra.len());
        return Err(Stop::Refused(reason));
    }
    let hashes = inclusion_proof(&reader.nodes(), prove.record, reader.size())
        .ok_or_else(|| Stop::of(folder, &StoreFault::Damaged("a tile is missing".to_owned())))?;
    let proof = Proof { extra: Some(extra), index: prove.record, hashes, checkpoint: reader.checkpoint().to_string() };
    write_new(&prove.out, proof.to_string().as_bytes())?;
    let words: Vec<&str> = shown.iter().map(SectionId::word).collect();
    Ok(Answer::new(
        json!({ "record": prove.record, "kind": leaf.kind.word(), "checkpoint_records": reader.size(), "shown": words }),
        &[
            ("record", format!("{} ({})", prove.record, leaf.kind.word())),
            ("checkpoint", format!("of {} records", reader.size())),
            ("shown", if words.is_empty() { "nothing but that it exists".to_owned() } else { words.join(", ") }),
            ("proof", prove.out.display().to_string()),
        ],
    ))
}

fn disclosure(prove: &Prove, reader: &Reader, wanted: SectionSet) -> Result<Disclosure, Stop> {
    let folder = &prove.place.folder;
    let record = reader.record(prove.record).map_err(|fault| Stop::of(folder, &fault))?;
    let body = Body::read(&record.body).map_err(|error| Stop::Failed(format!("record {}: {error}", prove.record)))?;
    body.check(&record.leaf).map_err(|error| Stop::Failed(format!("record {}: {error}", prove.record)))?;
    let nothing = Disclosure { rows: body.rows().copied().collect(), shown: Vec::new() };
    let (Some(keys), Slot::Keys(wrapped)) = (&prove.keys, record.slot) else { return Ok(nothing) };
    let origin = &reader.facts().origin;
    let master = secrets(keys)?.master();
    let entry = KeyEntry::unwrap(&WrappedKeys(wrapped), origin, record.leaf.record, master.as_ref());
    let entry = entry.map_err(|error| Stop::Failed(format!("record {}: {error}", prove.record)))?;
    let opened = open(&record.body, &record.leaf, origin, Some(&entry));
    let opened = opened.map_err(|error| Stop::Failed(format!("record {}: {error}", prove.record)))?;
    let texts: Vec<(SectionId, Vec<u8>)> = opened
        .into_iter()
        .filter_map(|(section, opened)| match opened {
            OpenedSection::KeyGone => None,
            OpenedSection::Verified(text) => Some((section, text)),
        })
        .collect();
    Ok(Disclosure::of(&body, &entry, &texts, wanted))
}

pub fn section(word: &str) -> Result<SectionId, String> {
    let words: Vec<&str> = SectionId::ALL.into_iter().map(SectionId::word).collect();
    SectionId::parse(word).ok_or_else(|| format!("sections are {}", words.join(", ")))
}
