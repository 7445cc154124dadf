//! What holds whatever a test did: nothing without a record before it, one end for each beginning, no value and no token where it does not belong.

use crate::canaries::Canaries;
use crate::evidence::Record;
use serde_json::Value;
use sluice_ledger::record::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

const LABEL: &str = "\"sluice_request\":\"";
const SUBJECT_DIGITS: usize = 32;
/// What the catalog reads with the gateway's own identity, and what follows a job that is on record.
const OF_THE_GATEWAY: [&str; 6] = ["datasets.get", "models.get", "routines.get", "rowAccessPolicies.list", "tables.get", "tables.list"];
/// Retried upstream, also by a client that saw a fault.
const FAULT_STATUS_MIN: u64 = 429;

/// Each request that acts or reads in a caller's name stands behind a record that is older than it.
pub fn of_warehouse_log(log: &[Value], records: &[Record]) -> Vec<String> {
    let admitted: Vec<&Record> = records.iter().filter(|record| record.kind == Kind::RequestAdmitted).collect();
    let mut jobs = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let pages = pages(records);
    let mut wrong = Vec::new();
    // Of two requests at once, the one that came first may stand second in the log.
    let mut log: Vec<&Value> = log.iter().collect();
    log.sort_by_key(|entry| entry["atMilliseconds"].as_u64());
    for entry in log {
        let target = entry["target"].as_str().unwrap_or_default();
        let method = entry["method"].as_str().unwrap_or_default().trim_start_matches("bigquery.");
        let at_ms = entry["atMilliseconds"].as_u64().unwrap_or_default();
        let said = format!("{} {target}: {}", entry["verb"].as_str().unwrap_or_default(), entry["body"].as_str().unwrap_or_default());
        let is_repeated =
            last.insert(target, entry["status"].as_u64().unwrap_or_default()).is_some_and(|status| status >= FAULT_STATUS_MIN);
        let is_fine = match method {
            "jobs.insert" | "jobs.query" if target.contains("upload_id=") => true,
            "jobs.insert" | "jobs.query" => {
                jobs.extend(job_id(entry));
                is_labelled(entry, records, at_ms)
            }
            "jobs.get" | "jobs.getQueryResults" => {
                // A list looks at every job that was ever begun, also at one that a kill kept from being sent.
                let is_listed = admitted.iter().any(|record| record.api() == "bigquery.jobs.list" && is_just_before(record, at_ms));
                // A start looks at every job that may still run, also at such a one.
                let is_taken_up = entry["status"] == 404 && records.iter().any(|record| is_taking_up(record) && record.time_ms <= at_ms);
                last_part(target).is_some_and(|id| jobs.contains(id)) || is_repeated || is_listed || is_taken_up
            }
            method if OF_THE_GATEWAY.contains(&method) => true,
            _ => {
                // The warehouse has no method for these, and logs none.
                let api = if method.starts_with("google.") {
                    method
                } else if target.contains("/rowAccessPolicies") {
                    "bigquery.rowAccessPolicies."
                } else {
                    &format!("bigquery.{method}")
                };
                let count = seen.entry(api.to_owned()).or_default();
                *count += usize::from(!is_repeated);
                let before = admitted.iter().filter(|record| record.api().starts_with(api) && record.time_ms <= at_ms);
                let asked = before.map(|record| record.subject.as_deref().and_then(|subject| pages.get(subject)).copied().unwrap_or(1));
                asked.sum::<usize>() >= *count
            }
        };
        if !is_fine {
            wrong.push(format!("the warehouse was asked without a record: {}", said.chars().take(600).collect::<String>()));
        }
    }
    wrong
}

/// How many pages of BigQuery's an answer was made of, by its request: its end says so where there were several.
fn pages(records: &[Record]) -> BTreeMap<&str, usize> {
    let ends = records.iter().filter(|record| record.kind.is_terminal());
    let counted = ends.filter_map(|end| Some((end.subject.as_deref()?, end.sections.get("meta")?["counts"]["pages"].as_u64()?)));
    counted.map(|(subject, pages)| (subject, usize::try_from(pages).unwrap())).collect()
}

/// No statement was taken twice. Each INSERT of the test writes a row of its own.
pub fn of_statements(log: &[Value]) -> Vec<String> {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in log.iter().filter(|entry| is_job(entry) && entry["status"] == 200) {
        let row = entry["body"].as_str().unwrap_or_default().split("VALUES (").nth(1).and_then(|rest| rest.split(')').next());
        if let Some(row) = row {
            *taken.entry(row).or_default() += 1;
        }
    }
    taken.into_iter().filter(|(_, count)| *count > 1).map(|(row, count)| format!("row {row} was inserted {count} times")).collect()
}

/// Jobs that the warehouse took, dry runs aside.
pub fn jobs_sent(log: &[Value]) -> usize {
    log.iter().filter(|entry| is_job(entry) && entry["status"] == 200).count()
}

fn is_job(entry: &Value) -> bool {
    entry["method"] == "bigquery.jobs.insert" && !entry["body"].as_str().unwrap_or_default().contains("\"dryRun\":true")
}

/// Who was admitted has one end, and nothing comes behind an end.
pub fn of_ends(records: &[Record]) -> Vec<String> {
    let mut subjects: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        if let Some(subject) = &record.subject {
            subjects.entry(subject).or_default().push(record);
        }
    }
    let mut wrong = Vec::new();
    for (subject, records) in subjects {
        let ends = records.iter().filter(|record| record.kind.is_terminal()).count();
        let is_last = records.last().is_some_and(|record| record.kind.is_terminal());
        if ends != 1 || !is_last {
            let kinds: Vec<&str> = records.iter().map(|record| record.kind.word()).collect();
            let api = records.iter().map(|record| record.api()).find(|api| !api.is_empty()).unwrap_or_default();
            wrong.push(format!("request {subject} of {api} has {ends} ends: {}", kinds.join(", ")));
        }
    }
    wrong
}

/// Each line that the gateway wrote is an event, and none says that a part of the program broke off.
pub fn of_lines(stderr: &str) -> Vec<String> {
    let wrong = |line: &&str| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let is_whole = ["time", "level", "event"].iter().all(|name| event[*name].is_string());
        // Whoever stops it in good order finds the ledger closed.
        !is_whole || event["event"] == "panic" || event["event"] == "ledger_in_use"
    };
    stderr.lines().filter(wrong).map(|line| format!("wrote {line}")).collect()
}

/// No labelled value, in any form that is searched for, at a caller who may not see it, none in a log or a file of the gateway's, no token anywhere.
pub fn of_leaks(told: &[(String, Vec<u8>)], stderr: &str, folder: &Path, secrets: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (caller, bytes) in told {
        let text = String::from_utf8_lossy(bytes);
        wrong.extend(hidden_from(caller).find(&text).map(|found| format!("{caller} was told {found}")));
        wrong.extend(secrets.iter().filter(|secret| text.contains(secret.as_str())).map(|_| format!("{caller} was told a token")));
    }
    let files = files(folder);
    assert!(files.len() > 10, "{}: {} files", folder.display(), files.len());
    let texts = files.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap_or_default()));
    for (place, bytes) in texts.chain([("stderr".to_owned(), stderr.as_bytes().to_vec())]) {
        let text = String::from_utf8_lossy(&bytes);
        wrong.extend(hidden_from("").find(&text).map(|found| format!("{found} stands in {place}")));
        // The gateway's own credential lies in the file that the configuration names.
        let is_its_own = place.ends_with("warehouse.token") || place.ends_with("demo.json");
        let has_secret = secrets.iter().any(|secret| text.contains(secret.as_str()));
        wrong.extend((has_secret && !is_its_own).then(|| format!("a token stands in {place}")));
    }
    wrong
}

/// The starter set shows how somebody is to clinical analysts, and nothing else to anybody.
fn hidden_from(caller: &str) -> &'static Canaries {
    static ALL: LazyLock<Canaries> = LazyLock::new(|| Canaries::declared(|_| true));
    static FROM_ANALYSTS: LazyLock<Canaries> =
        LazyLock::new(|| Canaries::declared(|column| !["patients.notes", "visits.diagnosis"].contains(&column)));
    if caller == "analyst" { &FROM_ANALYSTS } else { &ALL }
}

fn is_labelled(entry: &Value, records: &[Record], at_ms: u64) -> bool {
    let body = entry["body"].as_str().unwrap_or_default();
    let subject = body.split(LABEL).nth(1).and_then(|rest| rest.get(..SUBJECT_DIGITS));
    let is_dry_run = body.contains("\"dryRun\":true");
    subject.is_some_and(|subject| {
        records.iter().any(|record| {
            let permits = record.kind == Kind::RequestAdmitted || (is_dry_run && record.kind == Kind::RequestEstimated);
            permits && record.subject.as_deref() == Some(subject) && record.time_ms <= at_ms
        })
    })
}

/// A start of the gateway that goes on with jobs of the process before it.
pub fn is_taking_up(record: &Record) -> bool {
    record.kind == Kind::AdminAction && record.text("meta/what") == Some("jobs that ran over a start are followed again")
}

/// The time that a list takes.
fn is_just_before(record: &Record, at_ms: u64) -> bool {
    record.time_ms <= at_ms && at_ms <= record.time_ms + 10_000
}

/// The id of a job that was sent, in whatever shape its body has.
fn job_id(entry: &Value) -> Option<String> {
    let body = entry["body"].as_str()?;
    let rest = body.split("\"jobId\":\"").nth(1)?;
    Some(rest.split('"').next()?.to_owned())
}

/// `/bigquery/v2/projects/p/jobs/ID?location=US`.
fn last_part(target: &str) -> Option<&str> {
    target.split('?').next()?.rsplit('/').next()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
