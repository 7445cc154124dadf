//! Ordinary work comes through the gateway as the warehouse gives it: schema, rows, their order, totals. Nothing of it is refused.

use crate::policies::{Change, WITHOUT_LIMITS, starter_with};
use crate::pool::each;
use crate::storage_wire::{FORMS, Storage, bytes, rows, session};
use crate::streamed::table_of;
use crate::talk::Answer;
use crate::twins::fill;
use crate::world::{API, World};
use serde_json::{Map, Value, json};
use sluice_testkit::honest;
use sluice_testkit::interference::generate::statement;
use sluice_testkit::interference::variants::content;
use std::collections::BTreeMap;

const WRITTEN: &str = include_str!("data/honest.txt");
const HONEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sluice-testkit/honest");
const FILES: [&str; 3] = ["shop", "tpch", "tpcds"];
/// The labels of the demo, on the tables of the demo alone: those of the models and of the small clinic hold nobody's secrets.
const OF_THE_DEMO: [Change; 2] = [
    (
        "columns = [\"*.*.*.email\"]",
        "columns = [\"acme-prod.clinic.*.email\", \"acme-prod.shop.*.email\", \"acme-prod.staging.raw_patients.email\"]",
    ),
    ("columns = [\"*.*.*.ssn\", \"*.*.*.national_id\"]", "columns = [\"acme-prod.clinic.*.ssn\", \"acme-prod.staging.raw_patients.ssn\"]"),
];
const CALLERS: [&str; 3] = ["analyst", "report-job", "support-agent"];
/// A clinic without labels, for generated statements.
const SMALL: &str = "small";
const GENERATED: u64 = 260;
const FAILS_DIRECT: &str = "fails direct";
/// Two seconds for an analysis are enough on a machine that does little else.
const TOOK_LONG: &str = "took long to analyse";
const TOOK_LONG_MAX: usize = 2;
const ASKED_AGAIN: usize = 20;
const ROWS: usize = 12;
const COUNTED_MIN: usize = 500;
const WITH_ROWS_MIN: usize = 300;
const STREAMED_MIN: usize = 250;

struct Work {
    name: String,
    caller: &'static str,
    statement: String,
    dataset: &'static str,
}

enum Judged {
    /// How many rows both gave, and how many of them as streams.
    Same(usize, usize),
    /// The warehouse cannot do it, or does it otherwise each time.
    Left(&'static str),
    Other(String),
}

#[test]
fn ordinary_work_comes_through_as_it_is() {
    let policy = starter_with(&[OF_THE_DEMO, WITHOUT_LIMITS].concat());
    let world = World::start_unpaced("honest", policy.path());
    make_models(&world);
    fill(&world, SMALL, &content(0));
    let work: Vec<Work> = of_models().into_iter().chain(written()).chain(generated()).collect();
    let numbered: Vec<(usize, &Work)> = work.iter().enumerate().collect();
    let judged = each(&numbered, |(number, work)| judge(&world, *number, work));
    let (mut same, mut with_rows, mut streamed, mut left, mut other) = (0, 0, 0, BTreeMap::<&str, usize>::new(), Vec::new());
    for (work, judged) in work.iter().zip(judged) {
        match judged {
            Judged::Same(rows, in_streams) => {
                same += 1;
                with_rows += usize::from(rows > 0);
                streamed += usize::from(in_streams > 0);
            }
            Judged::Left(why) => {
                *left.entry(why).or_default() += 1;
                if why != FAILS_DIRECT {
                    println!("{why}: {} as {}: {}", work.name, work.caller, work.statement);
                }
            }
            Judged::Other(what) => other.push(format!("{} as {}: {}\n  {what}", work.name, work.caller, work.statement)),
        }
    }
    println!(
        "{} statements: {same} the same, {with_rows} of them with rows, {streamed} read as streams too; not counted {left:?}; different {}",
        work.len(),
        other.len()
    );
    assert!(other.is_empty(), "{}", other.join("\n"));
    assert!(left.get(TOOK_LONG).is_none_or(|count| *count <= TOOK_LONG_MAX), "{left:?}");
    assert!(same >= COUNTED_MIN && with_rows >= WITH_ROWS_MIN, "{same} counted, {with_rows} with rows");
    assert!(streamed >= STREAMED_MIN, "{streamed} read as streams");
}

fn judge(world: &World, number: usize, work: &Work) -> Judged {
    let body = json!({
        "query": work.statement,
        "useLegacySql": false,
        "timeoutMs": 20_000,
        "defaultDataset": { "projectId": "acme-prod", "datasetId": work.dataset },
    });
    let path = format!("{API}/queries");
    let ask_direct = || world.direct("POST", &path, Some(&body));
    let direct = ask_direct();
    if direct.status != 200 {
        return Judged::Left(FAILS_DIRECT);
    }
    let mut through = world.call(work.caller, "POST", &path, Some(&body));
    // A call is held for ten seconds at most, however long it may take.
    while through.status == 200 && through.json()["jobComplete"] == false {
        let job = through.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
        through = world.call(work.caller, "GET", &format!("{API}/queries/{job}?location=US"), None);
    }
    if through.text().contains("the analysis took longer than") {
        return Judged::Left(TOOK_LONG);
    }
    if seen(&through) == seen(&direct) {
        let rows = direct.json()["rows"].as_array().map_or(0, Vec::len);
        return match streamed_alike(world, number, work.caller, [&direct, &through]) {
            Ok(in_streams) => Judged::Same(rows, in_streams),
            Err(what) => Judged::Other(what),
        };
    }
    // What is sampled is now and then the same twice.
    if (0..ASKED_AGAIN).any(|_| seen(&ask_direct()) != seen(&direct)) {
        return Judged::Left("differs each time");
    }
    let short = |answer: &Answer| answer.text().chars().take(600).collect::<String>();
    Judged::Other(format!("direct {}\n  through {}", short(&direct), short(&through)))
}

/// Both results as streams, by turns in each form: the same schema, the same messages, byte for byte. How many rows there are.
fn streamed_alike(world: &World, number: usize, caller: &str, [direct, through]: [&Answer; 2]) -> Result<usize, String> {
    let path = |answer: &Answer| format!("{API}/jobs/{}?location=US", answer.json()["jobReference"]["jobId"].as_str().unwrap_or_default());
    let theirs = table_of(&world.direct("GET", &path(direct), None).json());
    let ours = table_of(&world.call(caller, "GET", &path(through), None).json());
    // A script has no table of its own.
    let (Some(theirs), Some(ours)) = (theirs, ours) else { return Ok(0) };
    let form = FORMS[number % FORMS.len()];
    let open = |storage: &Storage<'_>, (dataset, table): &(String, String)| {
        let mut request = session(dataset, table, form);
        request.max_stream_count = i32::try_from(1 + number / 4 % 2).unwrap();
        let opened = storage.create(request).map_err(|status| format!("{form:?}: {status}"))?;
        let messages = opened.streams.iter().map(|stream| storage.messages(&stream.name, 0));
        let messages = messages.collect::<Result<Vec<_>, _>>().map_err(|status| format!("{form:?}: {status}"))?.concat();
        Ok::<_, String>((opened, messages))
    };
    let (real, sent) = open(&Storage::direct(world), &theirs)?;
    let (asked, came) = open(&Storage::of(world, caller), &ours)?;
    let heads = [&real, &asked].map(|session| (&session.schema, session.estimated_row_count));
    // How many bytes there are is not said where something hidden could be among them.
    let is_sized = [real.estimated_total_bytes_scanned, 0].contains(&asked.estimated_total_bytes_scanned);
    let bodies = [&sent, &came]
        .map(|messages| messages.iter().map(|message| (bytes(message), message.row_count, &message.schema)).collect::<Vec<_>>());
    let (theirs, ours) = (rows(&real, &sent), rows(&asked, &came));
    // Messages of a result that counts hidden values are made anew: their rows are the same.
    let is_made_anew = asked.estimated_total_bytes_scanned == 0 && theirs == ours;
    if heads[0] != heads[1] || !is_sized || !(is_made_anew || bodies[0] == bodies[1]) {
        return Err(format!("{form:?}: by streams direct {theirs:?}\n  through {ours:?}"));
    }
    Ok(ours.len())
}

/// Everything that a client makes its table of.
fn seen(answer: &Answer) -> Value {
    let body = answer.json();
    let fields = ["schema", "rows", "totalRows", "jobComplete", "numDmlAffectedRows", "pageToken"];
    let seen: Map<String, Value> = fields.iter().filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone()))).collect();
    json!({ "status": answer.status, "seen": seen })
}

/// The sets of the test kit, over tables of their own. What they write is another matter.
fn of_models() -> Vec<Work> {
    let read = |file: &str| honest::parse(&std::fs::read_to_string(format!("{HONEST}/{file}.txt")).unwrap()).unwrap();
    let all = FILES.iter().flat_map(|file| read(file)).filter(|model| model.writes.as_ref().is_none_or(BTreeMap::is_empty));
    let reads_alone = |sql: &str| ["SELECT", "WITH", "FROM", "("].iter().any(|word| sql.starts_with(word));
    let here = |model: honest::Honest| Work {
        name: model.name,
        caller: "report-job",
        statement: model.sql.replace("`bench`.", "`acme-prod`.").replace("`bench.", "`acme-prod."),
        dataset: "shop",
    };
    all.filter(|model| reads_alone(&model.sql)).map(here).collect()
}

fn written() -> Vec<Work> {
    let lines = WRITTEN.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(" | ").unwrap());
    lines.map(|(caller, statement)| Work { name: "written".to_owned(), caller, statement: statement.to_owned(), dataset: "shop" }).collect()
}

fn generated() -> Vec<Work> {
    let work = |seed: u64| Work {
        name: format!("seed {seed}"),
        caller: CALLERS[usize::try_from(seed).unwrap() % CALLERS.len()],
        statement: statement(seed, true).text.replace("clinic.", &format!("{SMALL}.")),
        dataset: SMALL,
    };
    (1..=GENERATED).map(work).collect()
}

/// The tables of the models, each with a few rows that fit each other.
fn make_models(world: &World) {
    let made = |answer: Answer, what: &str| assert!([200, 409].contains(&answer.status), "{what}: {}", answer.text());
    for dataset in ["analytics", "marts", "raw", "tpch", "tpcds"] {
        let body = json!({ "datasetReference": { "projectId": "acme-prod", "datasetId": dataset }, "location": "US" });
        made(world.direct("POST", &format!("{API}/datasets"), Some(&body)), dataset);
    }
    let mut files: Vec<_> = std::fs::read_dir(format!("{HONEST}/catalog")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let table: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let word = |name: &str| table["tableReference"][name].as_str().unwrap().to_owned();
        let reference = json!({ "projectId": "acme-prod", "datasetId": word("datasetId"), "tableId": word("tableId") });
        let tables = format!("{API}/datasets/{}/tables", word("datasetId"));
        let body = json!({ "tableReference": reference, "schema": table["schema"] });
        made(world.direct("POST", &tables, Some(&body)), &word("tableId"));
        let rows: Vec<Value> = (0..ROWS).map(|row| json!({ "json": record(&table["schema"]["fields"], row) })).collect();
        let inserted = world.direct("POST", &format!("{tables}/{}/insertAll", word("tableId")), Some(&json!({ "rows": rows })));
        assert!(inserted.status == 200 && inserted.json().get("insertErrors").is_none(), "{}: {}", file.display(), inserted.text());
    }
}

fn record(fields: &Value, row: usize) -> Value {
    let fields = fields.as_array().unwrap().iter().enumerate();
    fields.map(|(place, field)| (field["name"].as_str().unwrap().to_owned(), value(field, row, place))).collect::<Map<_, _>>().into()
}

/// Keys count from one in every table, so that joins meet; everything else takes turns.
fn value(field: &Value, row: usize, place: usize) -> Value {
    if field["mode"] == "REPEATED" {
        let element = json!({ "name": field["name"], "type": field["type"], "fields": field["fields"] });
        return (0..row % 3).map(|more| value(&element, row + more, place)).collect();
    }
    let name = field["name"].as_str().unwrap();
    let is_key = ["id", "key", "sk", "number"].iter().any(|end| name.ends_with(end));
    let turn = if is_key { row } else { (row * 5 + place) % 7 };
    match field["type"].as_str().unwrap() {
        "INTEGER" if name.ends_with("year") => json!(1998 + turn % 5),
        "INTEGER" => json!(1 + turn),
        "FLOAT" => json!(1.5 * (1 + turn) as f64),
        "NUMERIC" => json!(format!("{}.25", 10 * (1 + turn))),
        "BOOLEAN" => json!(turn.is_multiple_of(2)),
        "DATE" => json!(format!("{}-{:02}-1{}", 1998 + turn % 5, 1 + turn % 12, turn % 9)),
        "TIMESTAMP" => json!(format!("2024-0{}-1{}T08:30:00Z", 1 + turn % 7, turn % 9)),
        "JSON" => json!({ "channel": "web", "n": turn }),
        "BYTES" => json!("YWJj"),
        "GEOGRAPHY" => json!("POINT(1 2)"),
        "RECORD" => record(&field["fields"], row),
        _ => json!(["A", "web", "1998", "paid", "books", "M", "x y"][turn % 7]),
    }
}
