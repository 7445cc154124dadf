//! `sluice requests`: what was asked, by whom, what was decided and what became of it, out of the ledger.

use super::Failure;
use super::ledger::{Keys, Place, Stop, disk, request_id, say, secrets, time};
use crate::render::requests as render;
use clap::Args;
use serde_json::{Map, Value, json};
use sluice_ledger::date;
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::record::{Kind, OpenedSection, Presence, Subject};
use sluice_model::plain::printable;
use sluice_store::{Recent, StoreFault};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

const REQUESTS_MAX: u32 = 100_000;

/// Show what was asked, by whom, what was decided and what became of it.
///
/// One line for each request, the oldest first:
///
///   time, id, who, connection, method and kind of statement, job,
///   decision and policy set, rules or reasons, bytes and cost of the dry run,
///   outcome, polls, rows
///
/// With --json one JSON object for each request and line, with everything that its records say:
/// identity and claims, the statement and its parameters, policy, result, what BigQuery said.
///
/// It takes no lock and can be asked while the gateway runs; what was answered is shown at once.
/// It believes the ledger: whoever may not, asks `sluice-verify`.
/// Tokens that were refused are no requests: `sluice ledger find --kind authn.fail` finds those.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  sluice requests var/ledger --keys var/ledger-keys --max 20
  sluice requests var/ledger --keys var/ledger-keys --outcome refused --since 2026-11-21T09:30:00Z
  sluice requests var/ledger --keys var/ledger-keys --request 5f0c9be1a2d34e5f8a9b0c1d2e3f4a5b --json"
)]
pub struct Requests {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// ISSUER#SUBJECT of whoever called, or on whose behalf an agent called
    #[arg(long, value_name = "CALLER", value_parser = caller)]
    caller: Option<String>,
    /// Only this request, by its 32 hexadecimal digits: the id that a refusal names
    #[arg(long, value_name = "ID", value_parser = request_id)]
    request: Option<Subject>,
    /// Only those that ended so: completed, refused, failed, lost, abandoned, interrupted; or `open`
    #[arg(long, value_name = "WORD", value_parser = ["completed", "refused", "failed", "lost", "abandoned", "interrupted", "open"])]
    outcome: Option<String>,
    /// Only those that began at this time or later, in UTC: 2026-11-21 or 2026-11-21T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// The newest, and at most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(REQUESTS_MAX)))]
    max: u32,
    /// One JSON object for each request and line
    #[arg(long)]
    json: bool,
}

/// Where the records of one request stand.
struct Asked {
    subject: Subject,
    began_ms: u64,
    records: Vec<u64>,
}

pub fn run(requests: &Requests) -> Result<ExitCode, Failure> {
    let found = match find(requests) {
        Ok(found) => found,
        Err(stop) => return say(requests.json, Err(stop)),
    };
    if found.is_empty() {
        eprintln!("no request on record is like that");
    }
    let line = |told: &Value| if requests.json { told.to_string() } else { printable(&render::line(told)) };
    let text: String = found.iter().map(|told| line(told) + "\n").collect();
    // Whoever reads may have heard enough.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Ok(ExitCode::SUCCESS)
}

fn caller(text: &str) -> Result<String, String> {
    match text.split_once('#') {
        Some((issuer, subject)) if !issuer.is_empty() && !subject.is_empty() => Ok(text.to_owned()),
        _ => Err("a caller is its issuer's URL, `#`, and its subject, as the lines of this command show it".to_owned()),
    }
}

/// The newest that fit, in the order in which they began.
fn find(requests: &Requests) -> Result<Vec<Value>, Stop> {
    let folder = &requests.place.folder;
    let stop = |fault: StoreFault| Stop::of(folder, &fault);
    let secrets = secrets(&requests.keys.keys)?;
    let master = secrets.master();
    let recent = Recent::open(&disk(folder)?, &secrets.signer()).map_err(stop)?;
    let mut found = Vec::new();
    for asked in begun(&recent, requests).map_err(stop)?.iter().rev() {
        let told = tell(&recent, asked, master.as_ref()).map_err(stop)?;
        if fits(requests, &told) {
            found.push(told);
        }
        if found.len() >= requests.max as usize {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// Reads leaves alone: nothing is opened for a request that is not asked for.
fn begun(recent: &Recent, requests: &Requests) -> Result<Vec<Asked>, StoreFault> {
    let mut known: BTreeMap<Subject, Asked> = BTreeMap::new();
    recent.each_leaf(|index, leaf| {
        let Some(subject) = leaf.subject.filter(|_| leaf.kind.subject() == Presence::Always) else { return Ok(()) };
        if requests.request.is_some_and(|wanted| wanted != subject) {
            return Ok(());
        }
        let asked = known.entry(subject).or_insert_with(|| Asked { subject, began_ms: leaf.time_ms, records: Vec::new() });
        asked.records.push(index);
        // What began too early and is over is not kept in memory.
        if leaf.kind.is_terminal() && requests.since.is_some_and(|since| asked.began_ms < since) {
            known.remove(&subject);
        }
        Ok(())
    })?;
    let mut begun: Vec<Asked> = known.into_values().filter(|asked| requests.since.is_none_or(|since| asked.began_ms >= since)).collect();
    begun.sort_by_key(|asked| asked.records.first().copied());
    Ok(begun)
}

fn tell(recent: &Recent, asked: &Asked, master: &dyn MasterKey) -> Result<Value, StoreFault> {
    let mut records = Vec::new();
    let mut ended = None;
    for index in &asked.records {
        let (leaf, opened) = recent.open_record(*index, master)?;
        if leaf.kind.is_terminal() {
            ended = Some(leaf.kind);
        }
        let (mut sections, mut gone) = (Map::new(), Vec::new());
        for (section, opened) in opened {
            match opened {
                OpenedSection::KeyGone => gone.push(section.word()),
                OpenedSection::Verified(text) => {
                    let content = serde_json::from_slice(&text)
                        .map_err(|error| StoreFault::Damaged(format!("record {index}: section `{}`: {error}", section.word())))?;
                    sections.insert(section.word().to_owned(), content);
                }
            }
        }
        records.push(json!({
            "record": index, "kind": leaf.kind.word(), "time": date::text(leaf.time_ms), "time_ms": leaf.time_ms,
            "sections": sections, "erased": gone,
        }));
    }
    Ok(join(asked, ended, records))
}

/// What all records of a request say together.
fn join(asked: &Asked, ended: Option<Kind>, records: Vec<Value>) -> Value {
    let first = |pointer: &str| records.iter().find_map(|record| record.pointer(pointer)).filter(|value| !value.is_null());
    let last = |pointer: &str| records.iter().rev().find_map(|record| record.pointer(pointer)).filter(|value| !value.is_null());
    let empty = Value::Null;
    let identity = first("/sections/identity").unwrap_or(&empty);
    let policy = last("/sections/policy").unwrap_or(&empty);
    let outcome = match ended {
        None => json!("open"),
        // The next start says so, and nothing else.
        Some(Kind::RequestInterrupted) => json!("interrupted"),
        Some(_) => last("/sections/meta/outcome").cloned().unwrap_or_else(|| json!("erased")),
    };
    let rows: u64 = match last("/sections/result/rows").and_then(Value::as_u64) {
        Some(rows) if records.iter().all(|record| record["kind"] != Kind::ResultPage.word()) => rows,
        _ => sum(&records, "/sections/result/rows"),
    };
    json!({
        "request": asked.subject.to_string(),
        "time": date::text(asked.began_ms),
        "time_ms": asked.began_ms,
        "caller": render::principal(identity),
        "kind": identity.get("kind"),
        "on_behalf_of": identity.pointer("/on_behalf_of/0").and_then(render::principal),
        "run": identity.get("run"),
        "connection": first("/sections/meta/connection"),
        "api": first("/sections/meta/api"),
        "statement_types": statement_types(first("/sections/request/analysis/statements")),
        "job": last("/sections/meta/job").and_then(|job| job.get("id")),
        "decision": policy.get("outcome"),
        "policy": policy.get("set"),
        "rules": render::rules(policy),
        "reasons": render::reasons(policy),
        "bytes": policy.get("bytes"),
        "cost_micros": policy.get("cost_micros"),
        "outcome": outcome,
        "reason": last("/sections/meta/reason"),
        "polls": last("/sections/meta/counts/polls"),
        "rows": rows,
        "records": records,
    })
}

/// Of the pages: the end of a request says the same number again.
fn sum(records: &[Value], pointer: &str) -> u64 {
    let pages = records.iter().filter(|record| record["kind"] == Kind::ResultPage.word());
    pages.filter_map(|record| record.pointer(pointer)).filter_map(Value::as_u64).sum()
}

fn statement_types(statements: Option<&Value>) -> Vec<&Value> {
    let statements = statements.and_then(Value::as_array);
    statements.map(|statements| statements.iter().filter_map(|statement| statement.get("kind")).collect()).unwrap_or_default()
}

fn fits(requests: &Requests, told: &Value) -> bool {
    let outcome_fits = requests.outcome.as_ref().is_none_or(|outcome| told["outcome"] == outcome.as_str());
    let caller_fits = requests.caller.as_ref().is_none_or(|caller| {
        let records = told["records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let hands = records.iter().filter_map(|record| record.pointer("/sections/identity/on_behalf_of")?.as_array()).flatten();
        told["caller"] == caller.as_str() || hands.filter_map(render::principal).any(|hand| hand == *caller)
    });
    outcome_fits && caller_fits
}
