//! What nobody labelled is found, and policy decides what becomes of it; and the report of what was masked says what left.

use crate::numbers::page;
use crate::policies::{Change, starter_with};
use crate::program::pause;
use crate::storage_wire::{FORMS, Storage, session};
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use sluice_ledger::record::Kind;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(10);
const ROWS: usize = 24;
/// Of the starter set, which only warns.
const ACTS: Change = ("[cost]\n", "[findings.card_number]\nlabel = \"national_id\"\n\n[findings.iban]\nact = \"refuse\"\n\n[cost]\n");

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

fn sluice(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).output().unwrap()
}

fn said(arguments: &[&str]) -> String {
    let ran = sluice(arguments);
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

fn path(folder: &Path) -> String {
    folder.to_str().unwrap().to_owned()
}

/// A card of Visa's form that is in no other place.
fn card(number: usize) -> String {
    let body = format!("453271{:09}", 310_427_000 + 7 * number);
    let digits: Vec<u32> = body.chars().map(|digit| digit.to_digit(10).unwrap()).collect();
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { *digit }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn iban(number: usize) -> String {
    let account = format!("{:018}", 370_400_440_532_000_000_u64 + 11 * number as u64);
    let remainder = format!("{account}131400").bytes().fold(0, |remainder, digit| (remainder * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - remainder)
}

fn mail(number: usize) -> String {
    format!("found.by.nobody.{number}@canary.example")
}

/// Nobody's label says anything of it.
fn plant(world: &World, table: &str) -> Vec<String> {
    let cards = |number: usize| format!("paid with {} on Monday", card(number));
    let row = |number: usize| {
        format!("STRUCT({number} AS id, '{}' AS remark, '{}' AS account, '{}' AS reach)", cards(number), iban(number), mail(number))
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    let statement = format!("CREATE TABLE staging.{table} AS SELECT * FROM UNNEST([{}])", rows.join(", "));
    let answer = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    (0..ROWS).flat_map(|number| [card(number), iban(number), mail(number)]).collect()
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        pause(Duration::from_millis(30));
    }
}

fn found(world: &World, kind: &str, act: &str) -> bool {
    page(world.plain).0.samples.get(&format!("sluice_findings_total{{kind=\"{kind}\",act=\"{act}\"}}")).is_some_and(|count| *count == 1.0)
}

fn cells(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["f"].as_array().unwrap().clone())
        .map(|cell| cell["v"].clone())
        .collect()
}

#[test]
fn what_nobody_labelled_is_found() {
    let policy = starter_with(&[ACTS]);
    let world = World::start_with("findings", &["--policy", policy.path().to_str().unwrap()]);
    let values = plant(&world, "unseen");
    let ask = |column: &str| query(&world, "report-job", &format!("SELECT {column} FROM staging.unseen ORDER BY id"));
    // Nobody knew of it before.
    assert!(cells(&ask("remark")).iter().all(|cell| cell.as_str().unwrap().starts_with("paid with 4532")));
    wait_for("the cards are found", || found(&world, "card_number", "label"));
    wait_for("and masked", || cells(&ask("remark")).iter().all(|cell| cell.as_str().unwrap().starts_with("XXXXX")));
    let computed = ask("REVERSE(remark)");
    assert!(cells(&computed).iter().all(|cell| cell == ""), "{}", computed.text());
    // What is to be refused is, until a person has labelled it.
    assert!(cells(&ask("account")).iter().all(|cell| cell.as_str().unwrap().starts_with("DE")));
    wait_for("the accounts are found", || found(&world, "iban", "refuse"));
    wait_for("and refused", || ask("account").status == 403);
    let folder = path(&world.folder);
    let labelled = [
        "labels",
        "set",
        "--config",
        &folder,
        "--label",
        "national_id",
        "--by",
        "ana",
        "--reason",
        "seen",
        "acme-prod.staging.unseen.account",
    ];
    said(&labelled);
    wait_for("a person has labelled it", || ask("account").status == 200);
    assert!(cells(&ask("account")).iter().all(|cell| cell.as_str().unwrap().starts_with("XXXXX")));
    // A warning changes nothing, and comes by a stream as well.
    let rows = {
        let storage = Storage::of(&world, "report-job");
        let mut request = session("staging", "unseen", FORMS[2]);
        crate::storage_wire::options(&mut request).selected_fields = vec!["reach".to_owned()];
        storage.open(request).1
    };
    assert_eq!(rows.len(), ROWS);
    wait_for("the addresses are found", || found(&world, "email", "warn"));
    assert_eq!(cells(&ask("reach")), (0..ROWS).map(|number| json!(mail(number))).collect::<Vec<_>>());
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.unseen"]);
    for expect in
        ["staging.unseen.remark  national_id", "found by detectors, record ", "staging.unseen.account  found_sensitive", "by ana: seen"]
    {
        assert!(listed.contains(expect), "{expect}: {listed}");
    }
    let evidence = world.finish();
    let of_table = |record: &&crate::evidence::Record| {
        record
            .sections
            .get("meta")
            .is_some_and(|meta| meta["column"].as_str().is_some_and(|column| column.starts_with("acme-prod.staging.unseen.")))
    };
    let records: Vec<_> = evidence.records.iter().filter(|record| record.kind == Kind::Finding).filter(of_table).collect();
    let told: Vec<(&str, &str, &str)> = records
        .iter()
        .map(|record| {
            (
                record.text("meta/column").unwrap().rsplit('.').next().unwrap(),
                record.text("meta/kind").unwrap(),
                record.text("meta/act").unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("remark", "card_number", "label"), ("account", "iban", "refuse"), ("reach", "email", "warn")]);
    for record in &records {
        let meta = &record.sections["meta"];
        assert_eq!((meta["cells"].as_u64(), meta["found"].as_u64()), (Some(ROWS as u64), Some(ROWS as u64)), "{meta}");
    }
    let texts: Vec<String> = evidence.records.iter().map(|record| json!(record.sections).to_string()).collect();
    let leaked = values.iter().find(|value| texts.iter().any(|text| text.contains(value.as_str())));
    assert_eq!(leaked, None, "a value is on record");
}

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
    of_a_damaged_copy(&world.folder);
    let evidence = world.finish();
    let ends =
        evidence.records.iter().filter(|record| record.kind == Kind::RequestCompleted).filter_map(|record| record.sections.get("result"));
    let first = ends.into_iter().find(|result| result["masked"].as_array().is_some_and(|masked| masked.len() == 2)).unwrap();
    assert_eq!(first["masked"][1]["labels"], json!(["national_id"]), "{first}");
}

/// One bit that is another one, wherever a report reads: there is none then.
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

#[test]
fn a_list_is_imported_and_findings_suggest_labels() {
    let world = World::start("labels-imported");
    let folder = path(&world.folder);
    plant(&world, "listed");
    let ask = |column: &str| query(&world, "report-job", &format!("SELECT {column} FROM staging.listed ORDER BY id"));
    assert_eq!(ask("remark, account, reach").status, 200);
    wait_for("all three are found", || ["card_number", "iban", "email"].iter().all(|kind| found(&world, kind, "warn")));
    let (ledger, keys) = (path(&world.folder.join("ledger")), path(&world.folder.join("ledger-keys")));
    let suggest = || said(&["labels", "suggest", &ledger, "--keys", &keys, "--config", &folder]);
    let line = |label: &str, column: &str| {
        format!("sluice labels set --config {folder} --label {label} --by WHO --reason WHY acme-prod.staging.listed.{column}")
    };
    wait_for("the findings are published", || suggest().contains(&line("payment", "account")));
    let text = suggest();
    assert!(text.contains(&line("payment", "remark")) && text.contains(&line("contact", "reach")), "{text}");
    assert!(text.contains("# email: 24 of 24 cells, record "), "{text}");
    let lists = tempfile::tempdir().unwrap();
    let list = lists.path().join("columns.csv");
    let import = |text: &str| {
        std::fs::write(&list, text).unwrap();
        sluice(&["labels", "import", list.to_str().unwrap(), "--config", &folder, "--by", "ana", "--reason", "from the catalogue"])
    };
    let wrong = import("column,label\nacme-prod.staging.listed.reach,contact\nacme-prod.staging.listed,secret\n");
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stdout));
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("line 3"), "{}", String::from_utf8_lossy(&wrong.stdout));
    let right = import("column,label\nacme-prod.staging.listed.reach,contact\nacme-prod.staging.listed.account,home\n");
    assert!(String::from_utf8_lossy(&right.stdout).starts_with("2 labels imported, 0 were there already"), "{right:?}");
    let again = import("acme-prod.staging.listed.reach,contact\n");
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("0 labels imported, 1 were there already"), "{again:?}");
    wait_for("they are masked", || cells(&ask("reach")).iter().all(|cell| cell == "XXXXX@canary.example"));
    let text = suggest();
    assert!(text.contains("listed.remark") && !text.contains("listed.reach"), "{text}");
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.listed"]);
    assert!(listed.contains("imported by ana: from the catalogue"), "{listed}");
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/what") == Some("import labels")).collect();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].text("meta/reason"), Some("from the catalogue"));
}

/// Copies that the warehouse made before anybody looked, by four ways and one behind the other.
#[test]
fn copies_of_long_ago_are_found() {
    let world = World::start("labels-scanned");
    let direct = |statement: &str| {
        let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
        let answer = world.direct("POST", &format!("{API}/queries"), Some(&body));
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        answer.json()
    };
    direct("CREATE TABLE staging.old AS SELECT id, ssn AS code, CONCAT('no. ', ssn) AS numbered FROM clinic.patients");
    direct("CREATE TABLE staging.cloned CLONE staging.old");
    direct("CREATE TABLE staging.again COPY staging.cloned");
    direct("CREATE TABLE staging.filled (c STRING)");
    direct("INSERT INTO staging.filled (c) SELECT UPPER(numbered) FROM staging.again");
    direct("CREATE TABLE staging.harmless AS SELECT id, name FROM clinic.patients");
    let files = tempfile::tempdir().unwrap();
    let catalog = files.path().join("catalog");
    std::fs::create_dir(&catalog).unwrap();
    for (dataset, table) in [("clinic", "patients"), ("staging", "old"), ("staging", "cloned"), ("staging", "again"), ("staging", "filled")]
    {
        let resource = world.direct("GET", &format!("{API}/datasets/{dataset}/tables/{table}"), None).text();
        std::fs::write(catalog.join(format!("{table}.json")), resource).unwrap();
    }
    let rows = direct(
        "SELECT TO_JSON_STRING(STRUCT(creation_time, project_id, job_id, job_type, statement_type, query, destination_table, referenced_tables)) \
         FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE error_result IS NULL",
    );
    let lines: Vec<String> = rows["rows"].as_array().unwrap().iter().map(|row| row["f"][0]["v"].as_str().unwrap().to_owned()).collect();
    let history = files.path().join("jobs.json");
    std::fs::write(&history, lines.join("\n")).unwrap();
    let folder = path(&world.folder);
    let (history, catalog) = (path(&history), path(&catalog));
    let scan = |more: &[&str]| -> Value {
        let arguments = [&["labels", "scan", &history, "--catalog", &catalog, "--config", &folder, "--json"], more].concat();
        serde_json::from_str(&said(&arguments)).unwrap()
    };
    let lacking = |found: &Value| -> Vec<String> {
        found["lacking"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let computed = if one["computed"] == true { " computed" } else { "" };
                format!("{} {}{computed}", one["column"].as_str().unwrap(), one["label"].as_str().unwrap())
            })
            .collect()
    };
    let expect = ["old.code", "old.numbered", "cloned.code", "cloned.numbered", "again.code", "again.numbered", "filled.c"];
    let computed = |column: &str| if column.ends_with(".code") { "" } else { " computed" };
    let expect: Vec<String> = expect.iter().map(|column| format!("acme-prod.staging.{column} national_id{}", computed(column))).collect();
    let found = scan(&[]);
    assert_eq!(lacking(&found), expect, "{found}");
    let ask = || query(&world, "report-job", "SELECT c FROM staging.filled");
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.filled"]);
    assert_eq!(listed.trim(), "no column has one", "it changes nothing by itself");
    scan(&["--apply", "--by", "ana", "--reason", "copies of last year"]);
    // Until then it would be shown as it is.
    let decides = || query(&world, "report-job", "SELECT COUNT(*) AS n FROM staging.filled WHERE c > 'A'");
    wait_for("they are masked", || decides().status == 403);
    assert!(cells(&ask()).iter().all(|cell| cell == ""), "it was computed: no part of it is shown");
    assert_eq!(lacking(&scan(&[])), Vec::<String>::new());
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/reason") == Some("copies of last year")).collect();
    assert_eq!(acts.len(), 2, "what was computed, and what was not");
    let named = |column: &str| {
        let said = column.trim_end_matches(" computed").replace(' ', ": ");
        let is_computed = column.ends_with(" computed").then_some("yes");
        acts.iter().any(|act| act.text("meta/details/computed") == is_computed && act.text("meta/details/columns").unwrap().contains(&said))
    };
    assert!(expect.iter().all(|column| named(column)), "{acts:?}");
}
