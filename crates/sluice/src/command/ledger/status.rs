//! `sluice ledger status`: reads, takes no lock, needs no key. It is no verification: that is `sluice-verify`'s.

use super::{Answer, Outcome, Place, Stop, reader};
use clap::Args;
use serde_json::json;
use sluice_ledger::date;
use sluice_ledger::grammar::{ENDED_KEPT_MAX, Grammar, Step};
use sluice_ledger::record::Kind;
use sluice_store::FORMAT;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Say what a ledger holds and whether it is in order.
///
/// Reads every leaf that the signed checkpoint covers and follows the grammar: epochs, signs of life, the life of each request.
/// Needs no key and can be asked while the gateway runs. It believes the folder: whoever may not, asks `sluice-verify`.
/// Exit code 0: the grammar holds. 2: it does not.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice ledger status var/ledger")]
pub struct Status {
    #[command(flatten)]
    place: Place,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

const VIOLATIONS_SHOWN_MAX: usize = 10;

pub fn run(status: &Status) -> Outcome {
    let folder = &status.place.folder;
    let reader = reader(folder)?;
    let mut grammar = Grammar::new(ENDED_KEPT_MAX);
    let (mut kinds, mut violations, mut count) = (BTreeMap::<&str, u64>::new(), Vec::new(), 0_u64);
    let followed = reader.each_leaf(0, |index, leaf| {
        *kinds.entry(leaf.kind.word()).or_default() += 1;
        if let Err(violation) = grammar.follow(&leaf) {
            count += 1;
            if violations.len() < VIOLATIONS_SHOWN_MAX {
                violations.push(format!("record {index}: {violation}"));
            }
        }
        Ok(())
    });
    followed.map_err(|fault| Stop::of(folder, &fault))?;
    let open = grammar.requests().open().filter(|(_, step)| *step != Step::Waiting).count();
    let waiting = grammar.requests().open().count() - open;
    let held = grammar.held().count();
    let facts = reader.facts();
    let root = reader.checkpoint().checkpoint().root.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let state = match grammar.epoch() {
        0 => "new",
        _ if grammar.is_running() => "running, or it ended without a word",
        _ => "closed in good order",
    };
    let value = json!({
        "origin": facts.origin, "format": FORMAT, "verifier_key": facts.verifier_key.to_string(), "records": reader.size(), "root": root,
        "epoch": grammar.epoch(), "running": grammar.is_running(), "last_record_ms": grammar.time_ms(), "open_requests": open,
        "waiting_requests": waiting, "held_records": held, "kinds": kinds, "violations": violations, "violations_count": count,
    });
    let of_kind = |kind: Kind| kinds.get(kind.word()).copied().unwrap_or_default();
    let mut lines = vec![
        ("origin", facts.origin.clone()),
        ("verifier key", facts.verifier_key.to_string()),
        ("records", reader.size().to_string()),
        ("root", root.clone()),
        ("epoch", format!("{} ({state})", grammar.epoch())),
        ("last record", age(grammar.time_ms())),
        ("requests", format!("{open} open, {waiting} waiting for people")),
        ("legal holds", held.to_string()),
        ("given up", format!("{} times by erasure, {} times by expiry", of_kind(Kind::Erasure), of_kind(Kind::RetentionExpired))),
    ];
    if count > 0 {
        lines.push(("not in order", format!("{count} records; the first of them:")));
    }
    lines.extend(violations.iter().map(|violation| ("violation", violation.clone())));
    let answer = Answer::new(value, &lines);
    Ok(if count == 0 { answer } else { answer.not_in_order() })
}

fn age(time_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match time_ms {
        0 => "none".to_owned(),
        _ => format!("{}, {} s ago", date::text(time_ms), now.saturating_sub(Duration::from_millis(time_ms)).as_secs()),
    }
}
