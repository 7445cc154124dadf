//! Rows with labelled columns, on every way that rows have: each value is what its label's mask leaves of what the warehouse holds.

use crate::evidence::Evidence;
use crate::program::pause;
use crate::talk::Answer;
use crate::world::{API, World};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;

const COLUMNS: &str = "id, ssn, email, address, phones, contacts, notes";
const ALL_IS_OVER: Duration = Duration::from_secs(3);

fn all(limit: usize) -> String {
    format!("SELECT {COLUMNS} FROM clinic.patients ORDER BY id LIMIT {limit}")
}

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

fn rows(answer: &Value) -> Vec<Value> {
    answer["rows"].as_array().cloned().unwrap_or_else(|| panic!("{answer}"))
}

fn direct(world: &World, statement: &str) -> Vec<Value> {
    let body = json!({ "query": statement, "useLegacySql": false });
    rows(&world.direct("POST", &format!("{API}/queries"), Some(&body)).json())
}

/// What the mask `email` leaves.
fn email(value: &Value) -> Value {
    let Some(value) = value.as_str() else { return Value::Null };
    json!(match value.split_once('@') {
        Some((_, domain)) => format!("XXXXX@{domain}"),
        None => STANDARD.encode(digest(&SHA256, value.as_bytes())),
    })
}

/// What is left of a telephone number: as many characters, the last two of them its own.
fn telephone(value: &Value) -> Value {
    let Some(value) = value.as_str() else { return Value::Null };
    let filled = value.chars().count().saturating_sub(2);
    json!(value.chars().enumerate().map(|(index, letter)| if index < filled { '*' } else { letter }).collect::<String>())
}

/// A row of `COLUMNS`, by the labels of the starter set.
pub fn masked(row: &Value) -> Value {
    let cell = |position: usize| &row["f"][position]["v"];
    let ssn = cell(1).as_str().unwrap();
    let mut address = cell(3).clone();
    address["f"][0]["v"] = json!("");
    let phones: Vec<Value> = cell(4).as_array().unwrap().iter().map(|phone| json!({ "v": telephone(&phone["v"]) })).collect();
    let mut contacts = cell(5).clone();
    for contact in contacts.as_array_mut().unwrap() {
        contact["v"]["f"][1]["v"] = telephone(&contact["v"]["f"][1]["v"]);
    }
    let cells = [cell(0).clone(), json!(last_four(ssn)), email(cell(2)), address, json!(phones), contacts, Value::Null];
    json!({ "f": cells.map(|cell| json!({ "v": cell })) })
}

pub fn check(found: &[Value], expect: &[Value], what: &str) {
    assert_eq!(found.len(), expect.len(), "{what}");
    for (found, expect) in found.iter().zip(expect) {
        assert_eq!(found, expect, "{what}");
    }
}

/// What the mask `last_four` leaves of more letters than four.
fn last_four(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    format!("XXXXX{}", letters[letters.len() - 4..].iter().collect::<String>())
}

/// Whether it is what that mask leaves of a social security number.
fn is_hidden(text: &str) -> bool {
    text.starts_with("XXXXX") && text.len() == "XXXXX0013".len()
}

/// Sums of the cells that one call left on record: of its pieces, and of its end.
pub fn on_record(evidence: &Evidence, mark: &str, path: &str) -> (u64, u64) {
    let subjects: Vec<&Option<String>> = evidence.of_mark(mark).iter().map(|record| &record.subject).collect();
    let (mut pieces, mut ends) = (0, 0);
    for record in evidence.records.iter().filter(|record| subjects.contains(&&record.subject)) {
        let masked = record.sections.get("result").and_then(|result| result["masked"].as_array()).cloned().unwrap_or_default();
        let cells: u64 = masked.iter().filter(|masked| masked["path"] == path).map(|masked| masked["cells"].as_u64().unwrap()).sum();
        if record.kind.is_terminal() { ends += cells } else { pieces += cells }
    }
    (pieces, ends)
}

#[test]
fn each_column_is_masked_as_its_label_says() {
    let world = World::start("masks");
    let expect: Vec<Value> = direct(&world, &all(20)).iter().map(masked).collect();
    let mut marks = Vec::new();
    for caller in ["report-job", "support-agent"] {
        let answer = query(&world, caller, &all(20));
        assert_eq!(answer.status, 200, "{}", answer.text());
        check(&rows(&answer.json()), &expect, caller);
        marks.push(answer.mark);
    }
    // Whoever may see a column sees it, and of another label nothing.
    let statement =
        "SELECT v.id, v.diagnosis, p.ssn FROM clinic.visits AS v, clinic.patients AS p WHERE p.id = v.patient_id ORDER BY v.id LIMIT 5";
    let seen = rows(&query(&world, "analyst", statement).json());
    for (found, real) in seen.iter().zip(direct(&world, statement)) {
        assert_eq!(found["f"][1], real["f"][1]);
        let ssn = real["f"][2]["v"].as_str().unwrap();
        assert_eq!(found["f"][2]["v"], json!(last_four(ssn)));
    }
    assert_eq!(seen.len(), 5);
    let evidence = world.finish();
    for mark in marks {
        assert_eq!(on_record(&evidence, &mark, "ssn"), (20, 20));
        assert_eq!(on_record(&evidence, &mark, "address.street"), (20, 20));
        assert!(on_record(&evidence, &mark, "contacts.phone").0 > 0);
        assert_eq!(on_record(&evidence, &mark, "id"), (0, 0));
    }
}

#[test]
fn names_views_and_expressions_do_not_evade_a_mask() {
    let world = World::start("masks-evaded");
    for (statement, expect) in [
        ("SELECT CONCAT('no. ', ssn) AS innocent FROM clinic.patients LIMIT 1", json!([""])),
        ("SELECT REVERSE(ssn), LENGTH(ssn), ssn > '5' FROM clinic.patients LIMIT 1", json!(["", "0", "false"])),
        ("WITH p AS (SELECT ssn AS x FROM clinic.patients) SELECT STRUCT(x AS y, 1 AS z) AS s FROM p WHERE FALSE", json!(null)),
        ("SELECT TO_JSON(STRUCT(ssn)) AS j, notes.text AS t FROM clinic.patients LIMIT 1", json!([null, null])),
        ("SELECT AS STRUCT UPPER(address.street) AS s, address.city IS NULL AS c FROM clinic.patients LIMIT 1", json!(["", "false"])),
    ] {
        let answer = query(&world, "report-job", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        let answer = answer.json();
        let first: Value = match answer["rows"][0]["f"].as_array() {
            Some(cells) => cells.iter().map(|cell| cell["v"].clone()).collect(),
            None => Value::Null,
        };
        assert_eq!(first, expect, "{statement}");
    }
    // These are values of the column, whole.
    for statement in [
        "SELECT ANY_VALUE(ssn) FROM clinic.patients",
        "SELECT e FROM (SELECT ARRAY_AGG(ssn) AS a FROM clinic.patients), UNNEST(a) AS e",
        "SELECT national_id FROM clinic.v_patients",
    ] {
        let answer = query(&world, "report-job", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        let found = rows(&answer.json());
        assert!(!found.is_empty() && found.iter().all(|row| is_hidden(row["f"][0]["v"].as_str().unwrap())), "{statement}");
    }
    // Masks lift no refusal.
    for statement in [
        "SELECT credit_card FROM clinic.cards",
        "SELECT id FROM clinic.patients WHERE ssn LIKE '9%'",
        "SELECT ssn FROM clinic.patients ORDER BY ssn",
        "CREATE TABLE staging.stolen AS SELECT ssn FROM clinic.patients",
    ] {
        assert_eq!(query(&world, "report-job", statement).status, 403, "{statement}");
    }
}

/// A table read whole, a job's pages, its result table: once, again, in parts.
#[test]
fn every_way_of_rows_has_the_same_masks() {
    let world = World::start("masks-ways");
    let expect: Vec<Value> = direct(&world, &all(10)).iter().map(masked).collect();
    let body = json!({
        "jobReference": { "projectId": "acme-prod", "jobId": "masked" },
        "configuration": { "query": { "query": all(10), "useLegacySql": false } },
    });
    let begun = world.call("report-job", "POST", &format!("{API}/jobs"), Some(&body));
    assert_eq!(begun.status, 200, "{}", begun.text());
    for path in [format!("{API}/queries/masked"), format!("{API}/queries/masked?location=US")] {
        let answer = world.call("report-job", "GET", &path, None);
        check(&rows(&answer.json()), &expect, &path);
    }
    let (mut paged, mut token) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = world.call("report-job", "GET", &format!("{API}/queries/masked?maxResults=3{token}"), None).json();
        paged.extend(rows(&page));
        let Some(next) = page["pageToken"].as_str() else { break };
        token = format!("&pageToken={next}");
    }
    check(&paged, &expect, "page by page");
    let job = world.call("report-job", "GET", &format!("{API}/jobs/masked"), None).json();
    assert!(job["statistics"]["query"].get("queryPlan").is_none() && job["status"]["state"] == "DONE", "{job}");
    let table = &job["configuration"]["query"]["destinationTable"];
    let (dataset, name) = (table["datasetId"].as_str().unwrap(), table["tableId"].as_str().unwrap());
    let result = format!("{API}/datasets/{dataset}/tables/{name}/data");
    for path in [result.clone(), format!("{result}?maxResults=10")] {
        check(&rows(&world.call("report-job", "GET", &path, None).json()), &expect, "the result table");
    }
    assert_eq!(world.call("analyst", "GET", &result, None).status, 404, "it is its owner's");
    assert_eq!(world.call("report-job", "GET", &format!("{API}/datasets/{dataset}/tables/{name}"), None).status, 200);
    let fields = COLUMNS.replace(", ", ",");
    for path in [format!("selectedFields={fields}"), format!("selectedFields={fields}&maxResults=4&startIndex=3")] {
        let path = format!("{API}/datasets/clinic/tables/patients/data?{path}");
        let real = rows(&world.direct("GET", &path, None).json());
        let found = world.call("support-agent", "GET", &path, None);
        // The table's own order of columns, not the client's.
        let order = rows(&found.json()).iter().map(|row| row["f"].as_array().unwrap().len()).max();
        assert_eq!((found.status, order), (200, Some(7)), "{}", found.text());
        let expect: Vec<Value> = real.iter().map(masked).collect();
        check(&rows(&found.json()), &expect, &path);
    }
    // Fields inside of records, alone.
    let path = format!("{API}/datasets/clinic/tables/patients/data?selectedFields=contacts.phone,address.city,address.street");
    let real = rows(&world.direct("GET", &path, None).json());
    let found = world.call("support-agent", "GET", &path, None);
    let hidden = |row: &Value| {
        let mut row = row.clone();
        row["f"][0]["v"]["f"][0]["v"] = json!("");
        for contact in row["f"][1]["v"].as_array_mut().unwrap() {
            contact["v"]["f"][0]["v"] = telephone(&contact["v"]["f"][0]["v"]);
        }
        row
    };
    let expect: Vec<Value> = real.iter().map(hidden).collect();
    assert_eq!((found.status, real.len()), (200, 40), "{}", found.text());
    check(&rows(&found.json()), &expect, &path);
    let whole = world.call("report-job", "GET", &format!("{API}/datasets/clinic/tables/visits/data?maxResults=2"), None).json();
    assert!(rows(&whole).iter().all(|row| row["f"][3]["v"].is_null() && row["f"][0]["v"].is_string()), "{whole}");
    let dry = json!({ "query": all(1), "useLegacySql": false, "dryRun": true });
    let dry = world.call("report-job", "POST", &format!("{API}/queries"), Some(&dry));
    assert!(dry.status == 200 && dry.json().get("rows").is_none(), "{}", dry.text());
}

/// A moment is written as it was asked for, also where nothing is left of it.
#[test]
fn moments_keep_their_form_under_a_mask() {
    let world = World::start("masks-moments");
    let statement = "SELECT IF(ssn > '5', admitted_at, NULL) AS moment FROM clinic.patients LIMIT 4";
    for (options, expect) in [(json!({}), "0.0"), (json!({ "useInt64Timestamp": true }), "0")] {
        let body = json!({ "query": statement, "useLegacySql": false, "formatOptions": options });
        let answer = world.call("report-job", "POST", &format!("{API}/queries"), Some(&body)).json();
        let found = rows(&answer);
        assert!(found.len() == 4 && found.iter().all(|row| row["f"][0]["v"] == expect), "{options}: {answer}");
        let job = answer["jobReference"]["jobId"].as_str().unwrap();
        let again = world.call("report-job", "GET", &format!("{API}/queries/{job}?formatOptions.useInt64Timestamp=true"), None).json();
        assert!(rows(&again).iter().all(|row| row["f"][0]["v"] == "0"), "{again}");
    }
}

/// Which statement the rows of a script are of is told by their columns. Where several have the same, what one of them hides is hidden.
#[test]
fn statements_of_a_script_are_not_mixed_up() {
    let world = World::start("masks-scripts");
    let shown = |statement: &str| {
        let answer = query(&world, "report-job", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        rows(&answer.json()).iter().map(|row| row["f"][0]["v"].as_str().unwrap_or("null").to_owned()).collect::<Vec<_>>()
    };
    let of = |column: &str, name: &str| format!("SELECT {column} AS {name} FROM clinic.patients ORDER BY id LIMIT 2");
    let names = direct(&world, &of("name", "n"));
    let names: Vec<&str> = names.iter().map(|row| row["f"][0]["v"].as_str().unwrap()).collect();
    assert_eq!(shown(&format!("{}; {}", of("ssn", "x"), of("name", "y"))), names);
    let hidden = |text: &String| is_hidden(text);
    assert!(shown(&format!("{}; {}", of("name", "x"), of("ssn", "y"))).iter().all(hidden));
    for condition in ["TRUE", "FALSE"] {
        let script = format!("IF {condition} THEN {}; ELSE {}; END IF", of("ssn", "x"), of("name", "x"));
        assert!(shown(&script).iter().all(hidden), "{condition}");
    }
    let script = format!("CREATE TEMP TABLE t AS SELECT id, ssn AS s FROM clinic.patients; {}", "SELECT s FROM t LIMIT 2");
    assert!(shown(&script).iter().all(hidden));
    let script = "DECLARE x STRING DEFAULT (SELECT ANY_VALUE(ssn) FROM clinic.patients); SELECT x";
    assert!(shown(script).iter().all(hidden));
}

/// Some seven megabytes, of which a part is masked while they come.
#[test]
fn a_long_page_is_masked_on_its_way() {
    let world = World::start("masks-long");
    let statement = "SELECT p.id, p.ssn, REPEAT('größer ', 30) AS filler, p.phones FROM clinic.patients AS p, clinic.logins AS a, clinic.measurements AS b, \
                     (SELECT number FROM UNNEST([1, 2, 3, 4]) AS number) WHERE p.id < 4 ORDER BY p.id";
    let body = json!({ "query": statement, "useLegacySql": false, "maxResults": 0 });
    let answer = world.call("report-job", "POST", &format!("{API}/queries"), Some(&body)).json();
    let path = format!("{API}/queries/{}?location=US", answer["jobReference"]["jobId"].as_str().unwrap_or_else(|| panic!("{answer}")));
    let real = world.direct("GET", &path, None);
    assert!(real.body.len() > 5 << 20, "{}", real.body.len());
    let told = world.call("report-job", "GET", &path, None);
    assert_eq!((told.status, told.header("transfer-encoding")), (200, Some("chunked")));
    // Of the warehouse's pages as many as the answer has rows of.
    let (found, total) = (told.json(), real.json()["totalRows"].clone());
    let mut unmasked = rows(&real.json());
    while unmasked.len() < rows(&found).len() {
        unmasked.extend(rows(&world.direct("GET", &format!("{path}&startIndex={}", unmasked.len()), None).json()));
    }
    let expect: Vec<Value> = unmasked
        .into_iter()
        .take(rows(&found).len())
        .map(|mut row| {
            row["f"][1]["v"] = json!(last_four(row["f"][1]["v"].as_str().unwrap()));
            for phone in row["f"][3]["v"].as_array_mut().unwrap() {
                phone["v"] = telephone(&phone["v"]);
            }
            row
        })
        .collect();
    assert!(rows(&found).len() > rows(&real.json()).len() && found["pageToken"].is_string(), "more than one page of the warehouse's");
    assert_eq!(found["totalRows"], total);
    check(&rows(&found), &expect, "a long page");
    pause(ALL_IS_OVER);
    let evidence = world.finish();
    assert_eq!(evidence.ends(&told.mark), ["completed"]);
    let count = expect.len() as u64;
    assert_eq!(on_record(&evidence, &told.mark, "ssn"), (count, count));
}
