//! What BigQuery can do wrong at each stage of a query: one end on record, a typed error, no text with a labelled value, and nothing done twice.

use crate::program::pause;
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Value, json};
use sluice_sandbox::data::clinic::ClinicSettings;
use std::time::{Duration, Instant};

const TABLE: &str = include_str!("data/faults.txt");
/// One of them is masked, so no text of the warehouse is told.
const SELECT: &str = "SELECT id, ssn FROM clinic.patients ORDER BY id LIMIT 3";
const ALWAYS: u64 = 50;
const FIRST_ROW: usize = 900_000;
/// After the fault is gone: a job that is followed is looked at every two seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

struct Case {
    line: &'static str,
    stage: &'static str,
    fault: &'static str,
    count: u64,
    query: &'static str,
    insert: &'static str,
}

fn cases() -> Vec<Case> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").collect();
            let [stage, fault, times, query, insert] = parts.as_slice() else { panic!("{line}") };
            Case { line, stage, fault, count: if *times == "once" { 1 } else { ALWAYS }, query, insert }
        })
        .collect()
}

/// The text holds a value of a labelled column, as real ones do.
fn act(fault: &str, canary: &str) -> Value {
    let answer = |status: u16, reason: &str| json!({ "kind": "answer", "status": status, "reason": reason, "message": format!("Bad value {canary}") });
    let error = json!({ "error": { "code": 400, "message": canary, "errors": [{ "reason": "invalidQuery", "message": canary }] } });
    let job = json!({ "kind": "bigquery#job", "jobReference": { "projectId": "acme-prod", "jobId": "anothers", "location": "US" },
        "status": { "state": "DONE" }, "configuration": { "query": { "query": canary } }, "statistics": { "query": {} } });
    let body = |text: String| json!({ "kind": "body", "text": text });
    match fault {
        "400" => answer(400, "invalidQuery"),
        "401" => answer(401, "authError"),
        "403" => answer(403, "accessDenied"),
        "404" => answer(404, "notFound"),
        "409" => answer(409, "duplicate"),
        "429" => answer(429, "rateLimitExceeded"),
        "500" => answer(500, "internalError"),
        "503" => answer(503, "backendError"),
        "a list" => body(format!("[{canary:?}]")),
        "an error inside 200" => body(error.to_string()),
        "another's job" => body(job.to_string()),
        "no JSON" => body(format!("<html>{canary}</html>")),
        "reset 0" => json!({ "kind": "reset", "afterBytes": 0 }),
        "reset 40" => json!({ "kind": "reset", "afterBytes": 40 }),
        "torn gzip" => json!({ "kind": "truncatedGzip" }),
        other => panic!("{other}"),
    }
}

/// Which requests of the warehouse's it meets: the dry run is the first of two that look the same.
fn plan(case: &Case, canary: &str) -> Value {
    let (verb, path, skip) = match case.stage {
        "dry run" => ("POST", "/jobs", 0),
        "insert" => ("POST", "/jobs", 1),
        "poll" => ("GET", "/jobs/", 0),
        "rows" => ("GET", "/queries/", 1),
        other => panic!("{other}"),
    };
    json!({ "verb": verb, "path": path, "skip": skip, "count": case.count, "act": act(case.fault, canary) })
}

fn ask(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 3_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// One that was made, and what is to be seen of it.
struct Tried {
    case: Case,
    number: usize,
    answers: [Answer; 2],
}

/// All faults of one stage, against the program.
fn try_stage(stage: &str, cases_min: usize) {
    let world = World::start(&format!("faults-{}", stage.replace(' ', "-")));
    let canaries = ClinicSettings::default().canaries();
    let (_, canary) = canaries.iter().find(|(column, _)| *column == "patients.ssn").unwrap();
    let numbered = cases().into_iter().filter(|case| case.stage == stage).zip(FIRST_ROW..);
    let tried: Vec<Tried> = numbered.map(|(case, number)| try_case(&world, case, number, canary)).collect();
    assert!(tried.len() >= cases_min, "{} cases", tried.len());
    let mut wrong: Vec<String> = tried.iter().filter_map(|tried| judge_answers(tried).err()).collect();
    wait_for_jobs(&world);
    wrong.extend(tried.iter().filter_map(|tried| judge_row(tried, &rows_of(&world, tried.number)).err()));
    let evidence = world.finish();
    for Tried { case, answers, .. } in &tried {
        for answer in answers {
            let ends = evidence.ends(&answer.mark);
            let has_failed = ends.iter().any(|end| end != "completed");
            // Who is told that its job still runs sees the end later.
            if ends.is_empty() || (has_failed == (answer.status == 200) && is_complete(answer)) {
                wrong.push(format!("{}: {} has the ends {ends:?}", case.line, answer.class()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 2 * tried.len(), wrong.join("\n"));
}

fn try_case(world: &World, case: Case, number: usize, canary: &str) -> Tried {
    // It reads a labelled column too, so what is said of it could hold a value.
    let insert =
        format!("INSERT INTO staging.raw_visits (id) SELECT {number} FROM clinic.patients WHERE ssn LIKE '9%' ORDER BY id LIMIT 1");
    let answers = [("analyst", SELECT), ("etl-nightly", insert.as_str())].map(|(caller, statement)| {
        world.fault(&plan(&case, canary));
        let answer = ask(world, caller, statement);
        let waiting = world.clear_faults();
        assert_eq!(waiting, u64::from(case.count == ALWAYS), "{}: nobody met the fault: {}", case.line, answer.class());
        answer
    });
    Tried { case, number, answers }
}

fn judge_answers(Tried { case, answers, .. }: &Tried) -> Result<(), String> {
    let classes = answers.each_ref().map(Answer::class);
    if classes == [case.query, case.insert] {
        return Ok(());
    }
    let line = case.line.rsplitn(3, " | ").last().unwrap();
    Err(format!("{line} | {} | {}", classes[0], classes[1]))
}

/// The row is there once or never: once if its caller was told so, never if nothing was sent.
fn judge_row(Tried { case, answers, .. }: &Tried, count: &str) -> Result<(), String> {
    let [_, insert] = answers;
    let expect: &[&str] = match (insert.status, is_complete(insert)) {
        (200, true) => &["1"],
        _ if case.stage == "dry run" => &["0"],
        _ => &["0", "1"],
    };
    if expect.contains(&count) { Ok(()) } else { Err(format!("{}: {} and inserted {count} times", case.line, insert.class())) }
}

fn is_complete(answer: &Answer) -> bool {
    answer.status != 200 || answer.json()["jobComplete"] == true
}

fn rows_of(world: &World, number: usize) -> String {
    world.direct_cell(&format!("SELECT COUNT(*) FROM staging.raw_visits WHERE id = {number}"))
}

/// Of both sides: a job that could not be followed is looked at every two seconds.
fn wait_for_jobs(world: &World) {
    let started = Instant::now();
    let running = || {
        ["analyst", "etl-nightly"].iter().any(|caller| {
            let list = world.call(caller, "GET", &format!("{API}/jobs?stateFilter=running&stateFilter=pending"), None).json();
            list["jobs"].as_array().is_some_and(|jobs| !jobs.is_empty())
        })
    };
    while running() {
        assert!(started.elapsed() < SETTLED_WITHIN, "jobs do not end");
        pause(Duration::from_millis(200));
    }
}

#[test]
fn dry_runs_that_fail() {
    try_stage("dry run", 15);
}

#[test]
fn jobs_that_cannot_be_sent() {
    try_stage("insert", 17);
}

#[test]
fn jobs_that_cannot_be_followed() {
    try_stage("poll", 12);
}

#[test]
fn rows_that_do_not_come() {
    try_stage("rows", 11);
}
