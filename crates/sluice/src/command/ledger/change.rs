//! `sluice ledger hold | release | erase`: what people do to a record. Each is itself on record, with who and why.

use super::prove::section;
use super::{Keys, Place, Responsible, answer, reader, refused, secrets, store, with_ledger};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use sluice_ledger::Receipt;
use sluice_ledger::layout::Slot;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, Kind, SectionId, SectionSet, Target};
use sluice_store::{Ledger, StoreFault};
use std::path::Path;
use std::process::ExitCode;

/// Forbid that a record is erased, until the hold is released.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice ledger hold var/ledger 1042 --keys var/ledger-keys --by counsel --reason 'case 17'")]
pub struct Hold {
    #[command(flatten)]
    on: On,
}

/// Release a hold.
#[derive(Args)]
#[command(
    after_help = "Example:\n  sluice ledger release var/ledger 1042 --keys var/ledger-keys --by counsel --reason 'case 17 is closed'"
)]
pub struct Release {
    #[command(flatten)]
    on: On,
}

/// Give up what can be read of a record; its proof stays.
///
/// First a record of kind `erasure` says which sections are given up, by whom, why and on which legal basis; then their keys are
/// overwritten. What is left is ciphertext that nobody can open and a commitment that says nothing: tree, proofs and checkpoints stay
/// as they are, and a verifier reports ERASED with the number of the record that says so. It cannot be undone, except from a backup that
/// is older: throw those away in time. A record under a legal hold is refused.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger erase var/ledger 1042 --keys var/ledger-keys --by dpo --reason 'request 88' --basis 'GDPR Art. 17'
  sluice ledger erase var/ledger 1042 --section identity --keys var/ledger-keys --by dpo --reason 'request 88'")]
pub struct Erase {
    #[command(flatten)]
    on: On,
    /// Only this section; without it, all of them
    #[arg(long, value_name = "SECTION", value_parser = section)]
    section: Vec<SectionId>,
    /// The law or contract that asks for it
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,
}

#[derive(Args)]
struct On {
    #[command(flatten)]
    place: Place,
    /// The number of the record
    #[arg(value_name = "RECORD")]
    record: u64,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    responsible: Responsible,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn hold(hold: &Hold) -> Result<ExitCode, Failure> {
    let change = hold.on.responsible.change("hold a record");
    act(&hold.on, Kind::LegalHold, SectionSet::ALL, &change)
}

pub fn release(release: &Release) -> Result<ExitCode, Failure> {
    let change = release.on.responsible.change("release a hold");
    act(&release.on, Kind::LegalHoldReleased, SectionSet::ALL, &change)
}

pub fn erase(erase: &Erase) -> Result<ExitCode, Failure> {
    let all = erase.section.is_empty();
    let sections = if all { SectionSet::ALL } else { erase.section.iter().copied().collect() };
    let change = Change { basis: erase.basis.clone(), ..erase.on.responsible.change("erase a record") };
    act(&erase.on, Kind::Erasure, sections, &change)
}

fn act(on: &On, kind: Kind, sections: SectionSet, change: &Change) -> Result<ExitCode, Failure> {
    let folder = on.place.folder.as_path();
    let sections = match present(folder, on.record, sections)? {
        Ok(sections) => sections,
        Err(reason) => return Ok(refused(on.json, &reason)),
    };
    let secrets = secrets(&on.keys.keys)?;
    let target = Target { index: on.record, sections };
    let draft = Draft::of_change(kind, Some(target), change).map_err(|error| Failure::new(error.to_string()))?;
    let written = with_ledger(folder, &secrets, kind.word(), |ledger| Ok(write(ledger, &draft)))?;
    let receipt = match written {
        Ok(receipt) => receipt,
        Err(fault @ (StoreFault::Held { .. } | StoreFault::Refused(_))) => return Ok(refused(on.json, &fault.to_string())),
        Err(fault) => return Err(store(folder, &fault)),
    };
    let words: Vec<&str> = sections.iter().map(SectionId::word).collect();
    answer(
        on.json,
        &json!({ "record": on.record, "sections": words, "kind": kind.word(), "by_record": receipt.index }),
        &[("record", on.record.to_string()), ("sections", words.join(", ")), ("on record", format!("{} ({})", receipt.index, kind.word()))],
    );
    Ok(ExitCode::SUCCESS)
}

fn write(ledger: &mut Ledger, draft: &Draft) -> Result<Receipt, StoreFault> {
    let record = ledger.seal(draft)?;
    if draft.kind() == Kind::Erasure {
        return ledger.give_up(record);
    }
    let answers = ledger.append(vec![record]);
    let receipt = answers.into_iter().next().ok_or_else(|| StoreFault::Refused("there was no answer".to_owned()))?;
    receipt.map_err(|fault| StoreFault::Refused(fault.to_string()))
}

/// Those of the sections that the record has. The leaf names no others, so that nobody looks for what never was.
fn present(folder: &Path, record: u64, sections: SectionSet) -> Result<Result<SectionSet, String>, Failure> {
    let reader = reader(folder)?;
    if record >= reader.size() {
        return Ok(Err(format!("there is no record {record}; the signed checkpoint covers {}", reader.size())));
    }
    let fault = |fault: StoreFault| store(folder, &fault);
    let leaf = reader.leaf(record).map_err(fault)?;
    if let Slot::Gone { leaf } = reader.slot(record).map_err(fault)? {
        return Ok(Err(format!("record {record} is given up already, by record {leaf}")));
    }
    let present = leaf.sections.intersection(sections);
    Ok(if present.is_empty() { Err(format!("record {record} has none of these sections")) } else { Ok(present) })
}
