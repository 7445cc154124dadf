//! `sluice ledger hold | release | erase`: what people do to a record. Each is itself on record, with who and why.

use super::prove::section;
use super::{Answer, Keys, Outcome, Place, Responsible, Stop, append, reader, secrets, with_ledger};
use clap::Args;
use serde_json::json;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, Kind, SectionId, SectionSet, Target};
use std::path::Path;

/// Forbid that a record is erased, until the hold is released.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice ledger hold var/ledger 1042 --keys var/ledger-keys --by counsel --reason 'case 17'")]
pub struct Hold {
    #[command(flatten)]
    pub on: On,
}

/// Release a hold.
#[derive(Args)]
#[command(
    after_help = "Example:\n  sluice ledger release var/ledger 1042 --keys var/ledger-keys --by counsel --reason 'case 17 is closed'"
)]
pub struct Release {
    #[command(flatten)]
    pub on: On,
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
    pub on: On,
    /// Only this section; without it, all of them
    #[arg(long, value_name = "SECTION", value_parser = section)]
    section: Vec<SectionId>,
    /// The law or contract that asks for it
    #[arg(long, value_name = "TEXT", value_parser = super::plain_line)]
    basis: Option<String>,
}

#[derive(Args)]
pub struct On {
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
    pub json: bool,
}

pub fn hold(hold: &Hold) -> Outcome {
    let change = hold.on.responsible.change("hold a record");
    act(&hold.on, Kind::LegalHold, SectionSet::ALL, &change)
}

pub fn release(release: &Release) -> Outcome {
    let change = release.on.responsible.change("release a hold");
    act(&release.on, Kind::LegalHoldReleased, SectionSet::ALL, &change)
}

pub fn erase(erase: &Erase) -> Outcome {
    let all = erase.section.is_empty();
    let sections = if all { SectionSet::ALL } else { erase.section.iter().copied().collect() };
    let change = Change { basis: erase.basis.clone(), ..erase.on.responsible.change("erase a record") };
    act(&erase.on, Kind::Erasure, sections, &change)
}

fn act(on: &On, kind: Kind, sections: SectionSet, change: &Change) -> Outcome {
    let folder = on.place.folder.as_path();
    let sections = left(folder, on.record, kind, sections)?;
    let secrets = secrets(&on.keys.keys)?;
    let target = Target { index: on.record, sections };
    let draft = Draft::of_change(kind, Some(target), change).map_err(|error| Stop::Failed(error.to_string()))?;
    let receipt = with_ledger(folder, &secrets, kind.word(), |ledger| match kind {
        Kind::Erasure => ledger.give_up(ledger.seal(&draft)?),
        _ => append(ledger, &draft),
    })?;
    let words: Vec<&str> = sections.iter().map(SectionId::word).collect();
    Ok(Answer::new(
        json!({ "record": on.record, "sections": words, "kind": kind.word(), "by_record": receipt.index }),
        &[("record", on.record.to_string()), ("sections", words.join(", ")), ("on record", format!("{} ({})", receipt.index, kind.word()))],
    ))
}

/// Those of the sections that the record has and that nobody gave up yet. The leaf names no others, so that nobody looks for what never was.
/// What the grammar would refuse is refused here, before the ledger is opened and an epoch begun.
fn left(folder: &Path, record: u64, kind: Kind, wanted: SectionSet) -> Result<SectionSet, Stop> {
    let reader = reader(folder)?;
    let size = reader.size();
    if record >= size {
        return Err(Stop::Refused(format!("there is no record {record}; the signed checkpoint covers {size}")));
    }
    let (mut sections, mut given_up_by, mut held_by) = (SectionSet::default(), None, None);
    let seen = reader.each_leaf(record, |index, leaf| {
        if index == record {
            sections = leaf.sections.intersection(wanted);
        }
        let Some(target) = leaf.target.filter(|target| target.index == record) else { return Ok(()) };
        match leaf.kind {
            Kind::LegalHold => held_by = Some(index),
            Kind::LegalHoldReleased => held_by = None,
            Kind::Erasure | Kind::RetentionExpired => {
                given_up_by = if sections.intersection(target.sections).is_empty() { given_up_by } else { Some(index) };
                sections = sections.without(target.sections);
            }
            _ => {}
        }
        Ok(())
    });
    seen.map_err(|fault| Stop::of(folder, &fault))?;
    let refused = match (kind, held_by, given_up_by) {
        (Kind::Erasure, Some(by), _) => format!("record {record} is held by record {by} and may not be erased"),
        (Kind::LegalHoldReleased, None, _) => format!("no hold stands on record {record}"),
        _ if !sections.is_empty() => return Ok(sections),
        (_, _, Some(by)) => format!("record {record} is given up already, by record {by}"),
        _ => format!("record {record} has none of these sections"),
    };
    Err(Stop::Refused(refused))
}
