//! `sluice ledger expire`: the time of old records is over. Each is given up by a record of its own, which nothing is held against.

use super::prove::section;
use super::{Answer, Keys, Outcome, Place, Responsible, Stop, reader, secrets, with_ledger};
use clap::Args;
use serde_json::json;
use sluice_ledger::date;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, Kind, Leaf, Presence, SectionId, SectionSet, Target};
use sluice_store::{Reader, StoreFault};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;
/// A century.
const DAYS_MAX: i64 = 36_525;
/// Records that are written and given up together.
const TOGETHER_MAX: usize = 256;

/// Give up what can be read of every record that is older than so many days; the proofs stay.
///
/// It concerns records of requests and of tokens: what callers did. What was done to the gateway and its ledger stays: boots, halts,
/// activations, holds, erasures. First a record of kind `retention.expired` for each says by whom and why, then their keys are
/// overwritten; a verifier reports EXPIRED with the number of that record. Records under a legal hold are left out and counted. A run
/// that was broken off is finished by the next; a second run finds nothing to do. What is older is asked of this machine's clock.
///
/// It cannot be undone, except from a backup that is older: throw those away in time.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger expire var/ledger --older-than 400 --keys var/ledger-keys --by dpo --reason 'retention of 400 days' --dry-run
  sluice ledger expire var/ledger --older-than 400 --keys var/ledger-keys --by dpo --reason 'retention of 400 days'
  sluice ledger expire var/ledger --older-than 90 --section identity --keys var/ledger-keys --by dpo --reason 'names for 90 days'")]
pub struct Expire {
    #[command(flatten)]
    place: Place,
    /// Days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=DAYS_MAX))]
    older_than: i64,
    /// Only these sections; without it, all of them
    #[arg(long, value_name = "SECTION", value_parser = section)]
    section: Vec<SectionId>,
    /// Say what would be given up, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    responsible: Responsible,
    /// The law or contract that asks for it
    #[arg(long, value_name = "TEXT", value_parser = super::plain_line)]
    basis: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// What the time of is over.
struct Due {
    targets: Vec<Target>,
    /// Left out.
    held: Vec<u64>,
    /// Whoever wrote last came to an end: what is on record is carried out.
    is_closed: bool,
}

pub fn run(expire: &Expire) -> Outcome {
    let folder = expire.place.folder.as_path();
    let age = Duration::from_secs(SECONDS_PER_DAY * u64::try_from(expire.older_than).unwrap_or_default());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before_ms = u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or_default();
    let all = expire.section.is_empty();
    let sections = if all { SectionSet::ALL } else { expire.section.iter().copied().collect() };
    // Looked at first without the lock: nothing to do begins no epoch.
    let mut due = due(&reader(folder)?, before_ms, sections).map_err(|fault| Stop::of(folder, &fault))?;
    let mut records = Vec::new();
    let is_done = due.targets.is_empty() && due.is_closed;
    if !is_done && !expire.dry_run {
        let secrets = secrets(&expire.keys.keys)?;
        let change = Change { basis: expire.basis.clone(), ..expire.responsible.change("expire records") };
        (due, records) = with_ledger(folder, &secrets, "expire", |ledger| {
            // And again when nobody else can place a hold any more.
            let due = self::due(&ledger.reader()?, before_ms, sections)?;
            let mut records = Vec::new();
            for targets in due.targets.chunks(TOGETHER_MAX) {
                let draft = |target: &Target| Draft::of_change(Kind::RetentionExpired, Some(*target), &change);
                let drafts = targets.iter().map(draft).collect::<Result<Vec<_>, _>>();
                let drafts = drafts.map_err(|error| StoreFault::Refused(error.to_string()))?;
                let sealed = drafts.iter().map(|draft| ledger.seal(draft)).collect::<Result<Vec<_>, _>>()?;
                records.extend(ledger.give_up_all(sealed)?.into_iter().map(|receipt| receipt.index));
            }
            Ok((due, records))
        })?;
    }
    Ok(answer(expire, &due, &records, before_ms))
}

fn answer(expire: &Expire, due: &Due, records: &[u64], before_ms: u64) -> Answer {
    let word = if expire.dry_run { "would expire" } else { "expired" };
    let by = match (records.first(), records.last()) {
        (Some(first), Some(last)) => format!("{first} to {last} ({})", Kind::RetentionExpired.word()),
        _ => "nothing".to_owned(),
    };
    let numbers: Vec<u64> = due.targets.iter().map(|target| target.index).collect();
    let value = json!({
        "before": date::text(before_ms),
        "dry_run": expire.dry_run,
        "records": numbers,
        "held": due.held,
        "by_records": records,
    });
    Answer::new(
        value,
        &[
            ("before", date::text(before_ms)),
            (word, format!("{} records", numbers.len())),
            ("held", format!("{} records, left out", due.held.len())),
            ("on record", by),
        ],
    )
}

/// Of each record the sections that it has, that are asked for, and that nobody gave up yet.
fn due(reader: &Reader, before_ms: u64, wanted: SectionSet) -> Result<Due, StoreFault> {
    let mut old: BTreeMap<u64, SectionSet> = BTreeMap::new();
    let mut held = BTreeSet::new();
    let mut is_closed = true;
    reader.each_leaf(0, |index, leaf| {
        is_closed = leaf.kind == Kind::Shutdown;
        if is_of_callers(&leaf) && leaf.time_ms < before_ms {
            old.insert(index, leaf.sections.intersection(wanted));
        }
        match (leaf.kind, leaf.target) {
            (Kind::LegalHold, Some(target)) => drop(held.insert(target.index)),
            (Kind::LegalHoldReleased, Some(target)) => drop(held.remove(&target.index)),
            (Kind::Erasure | Kind::RetentionExpired, Some(target)) => {
                old.entry(target.index).and_modify(|left| *left = left.without(target.sections));
            }
            _ => {}
        }
        Ok(())
    })?;
    old.retain(|_, left| !left.is_empty());
    let (held, free): (Vec<_>, Vec<_>) = old.into_iter().partition(|(index, _)| held.contains(index));
    Ok(Due {
        targets: free.into_iter().map(|(index, sections)| Target { index, sections }).collect(),
        held: held.into_iter().map(|(index, _)| index).collect(),
        is_closed,
    })
}

/// The rest says how the ledger was kept, also which records expired: were that to expire too, each run would owe the next one more.
fn is_of_callers(leaf: &Leaf) -> bool {
    leaf.kind.subject() == Presence::Always || matches!(leaf.kind, Kind::AuthnFail | Kind::AuthnOk)
}
