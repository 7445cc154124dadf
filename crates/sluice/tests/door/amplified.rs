//! Hidden values that are long for one answer to a question and short for the other: nothing that a masked caller is told depends on how long they are.

use crate::storage_wire::{FORMS, Form, Storage, api, bytes, rows, session};
use crate::talk::Answer;
use crate::world::{API, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const CALLER: &str = "support-agent";
/// True of every patient, and of none.
const CONDITIONS: [&str; 2] = ["STARTS_WITH(ssn, '9')", "STARTS_WITH(ssn, '0')"];
const ENOUGH_PAGES: usize = 60;

/// What is hidden has so many bytes a row where the condition holds, and none where it does not.
fn hidden(condition: &str, letters: usize, times: usize) -> String {
    format!("REPLACE('{}', 'a', IF({condition}, '{}', ''))", "a".repeat(times), "b".repeat(letters))
}

/// 40 rows, or 30 megabytes of them.
fn amplified(condition: &str) -> String {
    format!("SELECT id, {} AS x FROM clinic.patients ORDER BY id", hidden(condition, 5_000, 150))
}

/// The same request again is the same job: it is asked until its rows are there.
fn query(world: &World, statement: &str, condition: &str) -> Answer {
    let request = condition.replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 10_000, "requestId": request });
    loop {
        let answer = world.call(CALLER, "POST", &format!("{API}/queries"), Some(&body));
        if answer.status != 200 || answer.json()["jobComplete"] != false {
            return answer;
        }
    }
}

/// All that is told of a job's rows, without its names and times; and the job's name.
pub fn told(answer: &Answer, job: &str, table: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut body = answer.json();
    strip(&mut body);
    // The same row is said by another token for another job.
    if let Some((row, _)) = body["pageToken"].as_str().and_then(|token| token.rsplit_once('.')) {
        body["pageToken"] = json!(row);
    }
    let heads = ["content-length", "transfer-encoding", "content-type"].map(|name| answer.header(name).map(str::to_owned));
    let text = body.to_string();
    let text = if table.is_empty() { text } else { text.replace(table, "TABLE") };
    // The order of members, too, tells how an answer was sent.
    format!("{heads:?} {}", text.replace(job, "JOB"))
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in [
                "creationTime",
                "startTime",
                "endTime",
                "lastModifiedTime",
                "expirationTime",
                "totalSlotMs",
                "finalExecutionDurationMs",
                "etag",
            ] {
                fields.shift_remove(name);
            }
            // The text of the statement says which of both it is.
            if fields.get("query").is_some_and(Value::is_string) {
                fields.shift_remove("query");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Page by page, by the tokens that come with them.
pub fn pages(world: &World, caller: &str, path: &str, job: &str, table: &str) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), String::new());
    for _ in 0..ENOUGH_PAGES {
        let answer = world.call(caller, "GET", &format!("{path}{token}"), None);
        found.push(told(&answer, job, table));
        let Some(next) = answer.json()["pageToken"].as_str().map(str::to_owned) else { return found };
        token = format!("&pageToken={next}");
    }
    panic!("{path} does not end: {found:?}");
}

struct Job {
    id: String,
    table: String,
    /// What `jobs.query` answered.
    first: String,
}

fn run(world: &World, statement: &str, condition: &str) -> Job {
    let answer = query(world, statement, condition);
    let id = answer.json()["jobReference"]["jobId"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    let job = world.call(CALLER, "GET", &format!("{API}/jobs/{id}?location=US"), None).json();
    let table = &job["configuration"]["query"]["destinationTable"];
    let table = format!("{}/tables/{}", table["datasetId"].as_str().unwrap(), table["tableId"].as_str().unwrap());
    let first = told(&answer, &id, "");
    Job { id, table, first }
}

fn count(answer: &Value) -> usize {
    answer["rows"].as_array().map_or(0, Vec::len)
}

#[test]
fn pages_do_not_tell_how_long_hidden_values_are() {
    let world = World::start("amplified");
    let mut counts = Vec::new();
    let both = CONDITIONS.map(|condition| {
        let job = run(&world, &amplified(condition), condition);
        let name = job.table.rsplit('/').next().unwrap().to_owned();
        let (rows, table) = (format!("{API}/queries/{}?location=US", job.id), format!("{API}/datasets/{}", job.table));
        counts.push(count(&world.direct("GET", &rows, None).json()));
        let get = |path: &str| vec![told(&world.call(CALLER, "GET", path, None), &job.id, &name)];
        [
            ("jobs.query", vec![job.first.clone()]),
            ("all rows", pages(&world, CALLER, &rows, &job.id, &name)),
            ("seven at a time", pages(&world, CALLER, &format!("{rows}&maxResults=7"), &job.id, &name)),
            ("from the 35th", pages(&world, CALLER, &format!("{rows}&startIndex=35&maxResults=3"), &job.id, &name)),
            ("the table", pages(&world, CALLER, &format!("{table}/data?prettyPrint=false"), &job.id, &name)),
            ("nine of the table", pages(&world, CALLER, &format!("{table}/data?maxResults=9"), &job.id, &name)),
            ("what is clear of it", pages(&world, CALLER, &format!("{table}/data?selectedFields=id"), &job.id, &name)),
            ("tables.get", get(&table)),
            ("jobs.get", get(&format!("{API}/jobs/{}?location=US", job.id))),
        ]
    });
    // The warehouse itself ends its pages by what is hidden: otherwise there is nothing to see here.
    assert!(counts[0] < counts[1], "{counts:?} rows in the first pages of the warehouse's");
    let [first, second] = both;
    for ((name, first), (_, second)) in first.iter().zip(&second) {
        assert_eq!(first, second, "{name}");
    }
    let sizes: Vec<usize> = first.iter().map(|(_, pages)| pages.len()).collect();
    assert_eq!(sizes, [1, 1, 6, 2, 1, 5, 1, 1, 1], "pages");
    world.finish();
}

/// Answers that leave while they come, and end by what is shown of their rows.
#[test]
fn long_answers_end_by_what_is_shown() {
    let world = World::start("amplified-long");
    let both = CONDITIONS.map(|condition| {
        let (hidden, shown) = (hidden(condition, 5_000, 20), "CONCAT('c', REPEAT('d', 59999))");
        let statement =
            format!("SELECT id, n, {hidden} AS x, {shown} AS pad FROM clinic.patients, UNNEST(GENERATE_ARRAY(1, 10)) AS n ORDER BY id, n");
        let job = run(&world, &statement, condition);
        let path = format!("{API}/queries/{}?location=US", job.id);
        (job.first.clone(), pages(&world, CALLER, &path, &job.id, ""))
    });
    let [first, second] = both;
    assert!(first == second, "long answers differ: {} and {} pages", first.1.len(), second.1.len());
    assert_eq!(first.1.len(), 2, "pages");
    world.finish();
}

/// Tokens are the gateway's own, for one result and one caller, and lead through all rows once.
#[test]
fn tokens_of_masked_rows_are_the_gateways_own() {
    let world = World::start("amplified-tokens");
    let statement = "SELECT id, ssn FROM clinic.patients ORDER BY id LIMIT 10";
    let ask = |caller: &str| {
        let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 10_000, "maxResults": 4 });
        world.call(caller, "POST", &format!("{API}/queries"), Some(&body)).json()
    };
    let (mine, other) = (ask("report-job"), ask("report-job"));
    let (job, token) = (mine["jobReference"]["jobId"].as_str().unwrap(), mine["pageToken"].as_str().unwrap());
    assert!(token.starts_with("sluice.") && count(&mine) == 4, "{mine}");
    let page = |caller: &str, more: &str| world.call(caller, "GET", &format!("{API}/queries/{job}?location=US&maxResults=4{more}"), None);
    let mut ids: Vec<Value> = mine["rows"].as_array().unwrap().iter().map(|row| row["f"][0]["v"].clone()).collect();
    let mut token = Some(token.to_owned());
    while let Some(next) = token {
        // A client may say an index beside a token: the token counts.
        let found = page("report-job", &format!("&pageToken={next}&startIndex=1")).json();
        ids.extend(found["rows"].as_array().unwrap().iter().map(|row| row["f"][0]["v"].clone()));
        token = found["pageToken"].as_str().map(str::to_owned);
    }
    let all = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false }))).json();
    let expect: Vec<Value> = all["rows"].as_array().unwrap().iter().map(|row| row["f"][0]["v"].clone()).collect();
    assert_eq!(ids, expect);
    // By the table that the rows lie in, the same token goes on: Java's client reads so.
    let described = world.call("report-job", "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    let table = &described["configuration"]["query"]["destinationTable"];
    let data = format!("{API}/datasets/{}/tables/{}/data", table["datasetId"].as_str().unwrap(), table["tableId"].as_str().unwrap());
    let own = mine["pageToken"].as_str().unwrap();
    let rest = world.call("report-job", "GET", &format!("{data}?pageToken={own}"), None).json();
    assert_eq!(rest["rows"][0]["f"][0]["v"], expect[4], "{rest}");
    let forged = own.replacen("sluice.4", "sluice.3", 1);
    for token in [other["pageToken"].as_str().unwrap(), &forged, "sluice.", "4", "BGKDHFHKJQAQAAASA4EAAEEAQCAAKGQ"] {
        for answer in [
            page("report-job", &format!("&pageToken={token}")),
            world.call("report-job", "GET", &format!("{data}?pageToken={token}"), None),
        ] {
            assert_eq!(answer.status, 400, "{token}: {}", answer.text());
            assert!(answer.text().contains("pageToken"), "{}", answer.text());
        }
    }
    // Of rows that hide nothing pages and tokens are the warehouse's own.
    let clear =
        json!({ "query": "SELECT id FROM clinic.patients ORDER BY id", "useLegacySql": false, "maxResults": 4, "timeoutMs": 10_000 });
    let clear = world.call("report-job", "POST", &format!("{API}/queries"), Some(&clear)).json();
    assert_eq!(clear["pageToken"], "4");
    world.finish();
}

/// Rows of a message, its bytes, and what is said of it beside.
fn messages(storage: &Storage<'_>, table: &str, form: Form) -> (Vec<String>, String) {
    let (dataset, name) = table.split_once("/tables/").unwrap();
    let opened = storage.create(session(dataset, name, form)).unwrap();
    let found: Vec<_> = opened.streams.iter().flat_map(|stream| storage.messages(&stream.name, 0).unwrap()).collect();
    let cells = rows(&opened, &found).len();
    let halves = storage.split(&opened.streams[0].name, 0.5).unwrap().is_some();
    // From the midst of a message on.
    let later = storage.messages(&opened.streams[0].name, 5).unwrap();
    let said = |message: &api::ReadRowsResponse| {
        format!("{} {:?} {:?} {:?}", message.row_count, message.stats, message.throttle_state, STANDARD.encode(bytes(message)))
    };
    let around = format!(
        "{} streams, {} rows, {} bytes, {cells} cells, halves {halves}",
        opened.streams.len(),
        opened.estimated_row_count,
        opened.estimated_total_bytes_scanned
    );
    (found.iter().chain(&later).map(said).collect(), around)
}

#[test]
fn messages_of_streams_do_not_tell_how_long_hidden_values_are() {
    let world = World::start("amplified-streams");
    let tables = CONDITIONS.map(|condition| run(&world, &amplified(condition), condition).table);
    let storage = Storage::of(&world, CALLER);
    for form in FORMS {
        let [long, short] = tables.each_ref().map(|table| messages(&storage, table, form));
        assert_eq!(long.1, "1 streams, 40 rows, 0 bytes, 40 cells, halves false", "{form:?}");
        assert!(long == short, "{form:?}: {} and {} messages, {} and {}", long.0.len(), short.0.len(), long.1, short.1);
        assert_eq!(long.0.len(), 2, "{form:?}: one from the first row on, one from the sixth");
    }
    world.finish();
}
