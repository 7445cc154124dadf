//! `sluice ledger status`: reads, takes no lock, needs no key. It is no verification: that is `sluice-verify`'s.

use super::{Place, answer, reader, store};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use sluice_ledger::grammar::{ENDED_KEPT_MAX, Grammar, Step};
use sluice_ledger::record::Kind;
use sluice_store::FORMAT;
use std::collections::BTreeMap;
use std::process::ExitCode;
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
    json: bool,
}

const VIOLATIONS_SHOWN_MAX: usize = 10;

pub fn run(status: &Status) -> Result<ExitCode, Failure> {
    let folder = &status.place.folder;
    let reader = reader(folder)?;
    let mut grammar = Grammar::new(ENDED_KEPT_MAX);
    let (mut kinds, mut violations) = (BTreeMap::<&str, u64>::new(), Vec::new());
    let followed = reader.each_leaf(0, |index, leaf| {
        *kinds.entry(leaf.kind.word()).or_default() += 1;
        if let Err(violation) = grammar.follow(&leaf) {
            violations.push(format!("record {index}: {violation}"));
        }
        Ok(())
    });
    followed.map_err(|fault| store(folder, &fault))?;
    let open = grammar.requests().open().filter(|(_, step)| *step != Step::Waiting).count();
    let waiting = grammar.requests().open().count() - open;
    let facts = reader.facts();
    let root = reader.checkpoint().checkpoint().root.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let state = match grammar.epoch() {
        0 => "new",
        _ if grammar.is_running() => "running, or it ended without a word",
        _ => "closed in good order",
    };
    violations.truncate(VIOLATIONS_SHOWN_MAX);
    let value = json!({
        "origin": facts.origin, "format": FORMAT, "verifier_key": facts.verifier_key.to_string(), "records": reader.size(), "root": root,
        "epoch": grammar.epoch(), "running": grammar.is_running(), "last_record_ms": grammar.time_ms(), "open_requests": open,
        "waiting_requests": waiting, "kinds": kinds, "violations": violations,
    });
    let count = |kind: Kind| kinds.get(kind.word()).copied().unwrap_or_default();
    let mut lines = vec![
        ("origin", facts.origin.clone()),
        ("verifier key", facts.verifier_key.to_string()),
        ("records", reader.size().to_string()),
        ("root", root.clone()),
        ("epoch", format!("{} ({state})", grammar.epoch())),
        ("last record", age(grammar.time_ms())),
        ("requests", format!("{open} open, {waiting} waiting for people")),
        ("given up", format!("{} erased, {} expired", count(Kind::Erasure), count(Kind::RetentionExpired))),
    ];
    lines.extend(violations.iter().map(|violation| ("violation", violation.clone())));
    answer(status.json, &value, &lines);
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(crate::command::EXIT_REFUSED) })
}

fn age(time_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match time_ms {
        0 => "none".to_owned(),
        _ => format!("{} s ago", now.saturating_sub(Duration::from_millis(time_ms)).as_secs()),
    }
}
