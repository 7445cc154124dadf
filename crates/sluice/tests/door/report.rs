//! The report of what was masked, compared with counts that the test makes from the answers themselves.

use crate::evidence::Evidence;
use crate::findings::{cells, path, query, said, sluice, wait_for};
use crate::program::pause;
use crate::storage_wire::{FORMS, Storage, options, session};
use crate::talk::{self, Answer};
use crate::world::{API, PROJECT, World, ask};
use serde_json::{Value, json};
use sluice_ledger::record::Kind;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Counted by the test out of bodies, and by the report out of records.
#[test]
fn the_report_says_what_left() {
    const REPORT_JOB: &str = crate::beside::REPORT_JOB;
    let world = World::start("masking-report");
    let mut expect: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut rows = 0;
    for (statement, columns) in [
        ("SELECT id, ssn, email FROM clinic.patients WHERE id < 12", vec![("", ""), ("ssn", "last_four"), ("email", "email")]),
        ("SELECT CONCAT('no. ', ssn) AS x FROM clinic.patients WHERE id < 6", vec![("ssn", "default_value")]),
        ("SELECT name FROM clinic.patients WHERE id < 4", vec![("", "")]),
    ] {
        let answer = query(&world, "report-job", statement).json();
        for row in answer["rows"].as_array().unwrap() {
            rows += 1;
            for (cell, (column, mask)) in row["f"].as_array().unwrap().iter().zip(&columns).filter(|(_, (column, _))| !column.is_empty()) {
                let sum = expect.entry((format!("{PROJECT}.clinic.patients.{column}"), (*mask).to_owned())).or_default();
                // These masks leave a null as it is; `default_value` hides it, and no number is null.
                *sum = (sum.0 + 1, sum.1 + u64::from(cell["v"].is_null()));
            }
        }
    }
    let seen = cells(&query(&world, "analyst", "SELECT diagnosis FROM clinic.visits WHERE id < 8")).len();
    let (ledger, keys) = (path(&world.folder.join("ledger")), path(&world.folder.join("ledger-keys")));
    let report = |more: &[&str]| -> Value {
        serde_json::from_str(&said(&[&["masking", "report", &ledger, "--keys", &keys, "--format", "json"], more].concat())).unwrap()
    };
    // Records are published a second after they are durable.
    wait_for("all is published", || report(&[])["rows"] == json!(rows + seen));
    let of_job = report(&["--caller", REPORT_JOB]);
    let told: BTreeMap<(String, String), (u64, u64)> = of_job["masked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let key = (line["columns"][0].as_str().unwrap().to_owned(), line["mask"].as_str().unwrap().to_owned());
            (key, (line["cells"].as_u64().unwrap(), line["nulls"].as_u64().unwrap()))
        })
        .collect();
    assert_eq!(told, expect, "{of_job}");
    assert_eq!((&of_job["rows"], &of_job["results"], &of_job["clear_by_right"]), (&json!(rows), &json!(3), &json!([])));
    let all = report(&[]);
    let clear = &all["clear_by_right"][0];
    assert_eq!(
        (&clear["columns"], &clear["labels"], &clear["rows"], &clear["results"]),
        (&json!([format!("{PROJECT}.clinic.visits.diagnosis")]), &json!(["health"]), &json!(seen), &json!(1)),
        "{all}"
    );
    assert_eq!(report(&["--until", "2020-01-01"])["rows"], 0);
    assert_eq!(report(&["--since", "2020-01-01"])["rows"], all["rows"]);
    let text = said(&["masking", "report", &ledger, "--keys", &keys]);
    assert!(
        text.contains("masked last_four  acme-prod.clinic.patients.ssn  (national_id)  for ") && text.contains("clear by right  "),
        "{text}"
    );
    let csv = said(&["masking", "report", &ledger, "--keys", &keys, "--format", "csv"]);
    assert_eq!(csv.lines().count(), 1 + all["masked"].as_array().unwrap().len() + 1, "{csv}");
    of_wrong_questions(&ledger, &keys);
    of_a_damaged_copy(&world.folder);
    let evidence = world.finish();
    let ends =
        evidence.records.iter().filter(|record| record.kind == Kind::RequestCompleted).filter_map(|record| record.sections.get("result"));
    let first = ends.into_iter().find(|result| result["masked"].as_array().is_some_and(|masked| masked.len() == 2)).unwrap();
    assert_eq!(first["masked"][1]["labels"], json!(["national_id"]), "{first}");
}

/// One bit that is another one, wherever a report reads: there is none then.
/// An empty report must not look like an answer.
fn of_wrong_questions(ledger: &str, keys: &str) {
    let check = |keys: &str, more: &[&str], code: i32, part: &str| {
        let ran = sluice(&[&["masking", "report", ledger, "--keys", keys], more].concat());
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{more:?}: {told}");
        assert!(told.contains(part) && (part.is_empty() == told.is_empty()), "{more:?}: {told}");
    };
    check(keys, &["--since", "2026-02-01", "--until", "2026-01-01"], 2, "is not before --until");
    check(keys, &["--since", "2026-02-01", "--until", "2026-02-01"], 2, "is not before --until");
    check(keys, &["--caller", "https://nobody.example#x"], 0, "no record names the caller https://nobody.example#x");
    check(keys, &["--caller", crate::beside::REPORT_JOB, "--until", "2020-01-01"], 0, "");
    let other = tempfile::tempdir().unwrap();
    let (others, keys) = (path(&other.path().join("ledger")), path(&other.path().join("keys")));
    said(&["ledger", "init", &others, "--keys", &keys, "--origin", "ledger.example.com/other"]);
    check(&keys, &[], 1, "the keys are not those of this ledger");
}

fn of_a_damaged_copy(folder: &Path) {
    for (part, at) in [("bodies", usize::MAX), ("tile/entries", 700), ("checkpoint", 60)] {
        let copy = tempfile::tempdir().unwrap();
        let ledger = copy.path().join("ledger");
        let copied = Command::new("cp").arg("-r").arg(folder.join("ledger")).arg(&ledger).status().unwrap();
        assert!(copied.success());
        let file = newest_file(&ledger.join(part));
        let mut bytes = std::fs::read(&file).unwrap();
        // The last record is one of rows.
        let at = at.min(bytes.len() - 50);
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let ran = sluice(&["masking", "report", &path(&ledger), "--keys", &path(&folder.join("ledger-keys"))]);
        assert!(!ran.status.success() && ran.stdout.is_empty(), "{part}: {}", String::from_utf8_lossy(&ran.stdout));
    }
}

/// Of partial tiles the widest is read.
fn newest_file(place: &Path) -> std::path::PathBuf {
    if place.is_file() {
        return place.to_owned();
    }
    let mut inside: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    inside.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    newest_file(inside.last().unwrap())
}

const SSN: Option<(&str, &str)> = Some(("ssn", "last_four"));
const EMAIL: Option<(&str, &str)> = Some(("email", "email"));

/// By column and mask: cells, and nulls among them.
type Masked = BTreeMap<(String, String), (u64, u64)>;

fn masked(report: &Value) -> Masked {
    let mut all = Masked::new();
    for line in report["masked"].as_array().unwrap() {
        let key = (line["columns"][0].as_str().unwrap().to_owned(), line["mask"].as_str().unwrap().to_owned());
        let sum = all.entry(key).or_default();
        *sum = (sum.0 + line["cells"].as_u64().unwrap(), sum.1 + line["nulls"].as_u64().unwrap());
    }
    all
}

/// What an answer shows, each column with its mask, or none.
fn count(answer: &Answer, columns: &[Option<(&str, &str)>], all: &mut Masked) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let rows = answer["rows"].as_array().unwrap();
    for row in rows {
        for (cell, column) in row["f"].as_array().unwrap().iter().zip(columns) {
            let Some((column, mask)) = column else { continue };
            let sum = all.entry((format!("{PROJECT}.clinic.patients.{column}"), (*mask).to_owned())).or_default();
            *sum = (sum.0 + 1, sum.1 + u64::from(cell["v"].is_null()));
        }
    }
    rows.len() as u64
}

/// One job in pages, each of a request of its own: its mark, what is masked in it, its rows.
fn in_pages(world: &World) -> (String, Vec<(String, Masked, u64)>) {
    let statement = "SELECT id, ssn, email FROM clinic.patients WHERE id < 26 ORDER BY id";
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000, "maxResults": 10 });
    let mut page = world.call("report-job", "POST", &format!("{API}/queries"), Some(&body));
    let job = page.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let mut requests = Vec::new();
    loop {
        let mut of_page = Masked::new();
        let rows = count(&page, &[None, SSN, EMAIL], &mut of_page);
        requests.push((page.mark.clone(), of_page, rows));
        let Some(next) = page.json()["pageToken"].as_str().map(str::to_owned) else { return (job, requests) };
        page = world.call("report-job", "GET", &format!("{API}/queries/{job}?pageToken={next}&maxResults=10&location=US"), None);
    }
}

/// A session of its own, and one answer in it with its mark.
fn in_another_session(world: &World) -> (String, Masked, u64) {
    let token = world.exchange("report-job").json()["access_token"].as_str().unwrap().to_owned();
    let (bearer, mark) = (format!("Bearer {token}"), world.mark());
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("User-Agent", &mark)];
    let text = json!({ "query": "SELECT email FROM clinic.patients WHERE id < 5", "useLegacySql": false }).to_string();
    let answer = ask(world.plain, &talk::request("POST", &format!("{API}/queries"), &headers, Some(text.as_bytes())));
    let mut masked = Masked::new();
    let rows = count(&answer, &[EMAIL], &mut masked);
    (mark, masked, rows)
}

/// A second that is to come, and it has begun.
fn next_second() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let boundary = now() + 2;
    while now() < boundary {
        pause(Duration::from_millis(50));
    }
    boundary
}

/// One session, one job with its pages, one request, one hour: each has what its own answers show, and nothing of the others.
#[test]
fn the_report_is_narrowed() {
    let world = World::start("masking-narrowed");
    let (ledger, keys) = (path(&world.folder.join("ledger")), path(&world.folder.join("ledger-keys")));
    let report = |more: &[&str]| -> Value {
        serde_json::from_str(&said(&[&["masking", "report", &ledger, "--keys", &keys, "--format", "json"], more].concat())).unwrap()
    };
    let (job, requests) = in_pages(&world);
    let mut of_job = Masked::new();
    requests.iter().for_each(|(_, of_page, _)| add(&mut of_job, of_page));
    let job_rows: u64 = requests.iter().map(|(.., rows)| rows).sum();
    assert!(requests.len() > 2 && job_rows == 25, "{} pages of {job_rows} rows", requests.len());
    // The second, of the same session, later by seconds.
    let boundary = next_second();
    let mut of_next = Masked::new();
    let next_rows = count(&query(&world, "report-job", "SELECT ssn FROM clinic.patients WHERE id < 9"), &[SSN], &mut of_next);
    let mut of_session = of_job.clone();
    let session_rows = job_rows + next_rows;
    add(&mut of_session, &of_next);
    // The same caller in a session of its own.
    let (mark, of_second, second_rows) = in_another_session(&world);
    let mut of_later = of_next.clone();
    add(&mut of_later, &of_second);
    let later_rows = next_rows + second_rows;
    // And another caller, who sees one column clear by right, by a query and as a stream.
    let seen = cells(&query(&world, "analyst", "SELECT diagnosis FROM clinic.visits WHERE id < 8")).len() as u64;
    let streamed = {
        let storage = Storage::of(&world, "analyst");
        let mut request = session("clinic", "visits", FORMS[0]);
        options(&mut request).selected_fields = vec!["diagnosis".to_owned()];
        storage.open(request).1.len() as u64
    };
    let all = session_rows + second_rows + seen + streamed;
    wait_for("all is published", || report(&[])["rows"] == json!(all));
    let live = Evidence::read(&world.folder);
    let of = |mark: &str, place: &str| {
        let records = live.of_mark(mark);
        records.iter().find_map(|record| record.text(place).map(str::to_owned)).unwrap_or_else(|| panic!("{mark} has no {place}"))
    };
    let check = |more: &[&str], expect: &Masked, rows: u64, results: usize| {
        let told = report(more);
        assert_eq!((&masked(&told), &told["rows"], &told["results"]), (expect, &json!(rows), &json!(results)), "{more:?}: {told}");
    };
    check(&["--job", &job], &of_job, job_rows, requests.len());
    for (mark, expect, rows) in &requests {
        let request = with_rows(&live, mark);
        check(&["--request", &request], expect, *rows, 1);
        check(&["--request", &request, "--job", &job], expect, *rows, 1);
        check(&["--request", &request, "--job", "another"], &Masked::new(), 0, 0);
    }
    let (first, other) = (of(&requests[0].0, "meta/session"), of(&mark, "meta/session"));
    assert_ne!(first, other);
    check(&["--session", &first], &of_session, session_rows, requests.len() + 1);
    check(&["--session", &other], &of_second, second_rows, 1);
    check(&["--session", &other, "--job", &job], &Masked::new(), 0, 0);
    check(&["--session", "none"], &Masked::new(), 0, 0);
    let moment = world.direct_cell(&format!("SELECT FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', TIMESTAMP_SECONDS({boundary}))"));
    check(&["--until", &moment], &of_job, job_rows, requests.len());
    check(&["--since", &moment, "--caller", crate::beside::REPORT_JOB], &of_later, later_rows, 2);
    check(&["--since", &moment, "--session", &first], &of_next, next_rows, 1);
    // Who saw what clear: by the ends as well as by the permits.
    let clear = report(&["--since", &moment])["clear_by_right"].clone();
    let columns = [format!("{PROJECT}.clinic.visits.diagnosis")];
    let (caller, rows) = (&clear[0]["caller"], seen + streamed);
    let expect = json!([{ "caller": caller, "columns": columns, "labels": ["health"], "rows": rows, "results": 2 }]);
    assert_eq!(clear, expect);
    assert_eq!(report(&["--until", &moment])["clear_by_right"], json!([]));
    of_ends(&world.finish(), seen, streamed);
}

/// A call of `jobs.query` is a request that begins a job, and one that shows rows: which of them that is.
fn with_rows(evidence: &Evidence, mark: &str) -> String {
    let pages: Vec<&String> =
        evidence.records.iter().filter(|record| record.kind == Kind::ResultPage).filter_map(|record| record.subject.as_ref()).collect();
    let of_mark = evidence.of_mark(mark);
    of_mark.iter().filter_map(|record| record.subject.clone()).find(|subject| pages.contains(&subject)).unwrap()
}

/// The end of a request names what was clear by right, and no other end does.
fn of_ends(evidence: &Evidence, seen: u64, streamed: u64) {
    let ends = evidence.records.iter().filter(|record| record.kind == Kind::RequestCompleted);
    let clear: Vec<&Value> = ends.filter_map(|record| record.sections.get("result")).filter(|result| !result["clear"].is_null()).collect();
    let rows: Vec<u64> = clear.iter().map(|result| result["rows"].as_u64().unwrap()).collect();
    let mut expect = vec![seen, streamed];
    expect.sort_unstable();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expect);
    for result in clear {
        let path = json!([{ "path": "diagnosis", "labels": ["health"], "columns": [format!("{PROJECT}.clinic.visits.diagnosis")] }]);
        assert_eq!((&result["clear"], &result["masked"]), (&path, &Value::Null), "{result}");
    }
    let permits = evidence.records.iter().filter(|record| record.sections.get("policy").is_some_and(|policy| !policy["clear"].is_null()));
    assert!(permits.count() >= 2, "a permit says it before anything leaves");
}

fn add(all: &mut Masked, more: &Masked) {
    for (key, (cells, nulls)) in more {
        let sum = all.entry(key.clone()).or_default();
        *sum = (sum.0 + cells, sum.1 + nulls);
    }
}
