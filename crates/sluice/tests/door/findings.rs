//! What nobody labelled is found, and policy decides what becomes of it; a person takes it back.

use crate::apart::{Apart, SEEN_WITHIN};
use crate::evidence::{Evidence, Record};
use crate::numbers::page;
use crate::policies::{Change, WITHOUT_LIMITS, changed, starter_with};
use crate::program::pause;
use crate::storage_wire::{FORMS, Storage, bytes, session};
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Value, json};
use sluice_ledger::record::Kind;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(10);
const ROWS: usize = 24;
/// Of the starter set, which only warns.
const ACTS: [Change; 2] = [
    ("[cost]\n", "[findings.card_number]\nlabel = \"found_card\"\n\n[findings.iban]\nact = \"refuse\"\n\n[cost]\n"),
    // A label of no column by itself.
    ("[labels.health]\n", "[labels.found_card]\nmask = \"last_four\"\nreason = \"looks like a card\"\ncolumns = []\n\n[labels.health]\n"),
];

pub fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

pub fn sluice(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).output().unwrap()
}

pub fn said(arguments: &[&str]) -> String {
    let ran = sluice(arguments);
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

pub fn path(folder: &Path) -> String {
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

pub fn mail(number: usize) -> String {
    format!("found.by.nobody.{number}@canary.example")
}

/// Nobody's label says anything of it.
pub fn plant(world: &World, table: &str) -> Vec<String> {
    let ask =
        |statement: &str| world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })));
    plant_by(&ask, table)
}

fn plant_by(ask: &dyn Fn(&str) -> Answer, table: &str) -> Vec<String> {
    let cards = |number: usize| format!("paid with {} on Monday", card(number));
    let row = |number: usize| {
        format!("STRUCT({number} AS id, '{}' AS remark, '{}' AS account, '{}' AS reach)", cards(number), iban(number), mail(number))
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    let statement = format!("CREATE TABLE staging.{table} AS SELECT * FROM UNNEST([{}])", rows.join(", "));
    let answer = ask(&statement);
    assert_eq!(answer.status, 200, "{}", answer.text());
    (0..ROWS).flat_map(|number| [card(number), iban(number), mail(number)]).collect()
}

pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        pause(Duration::from_millis(30));
    }
}

pub fn found(world: &World, kind: &str, act: &str) -> bool {
    page(world.plain).0.samples.get(&format!("sluice_findings_total{{kind=\"{kind}\",act=\"{act}\"}}")).is_some_and(|count| *count == 1.0)
}

pub fn cells(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["f"].as_array().unwrap().clone())
        .map(|cell| cell["v"].clone())
        .collect()
}

/// The findings of a table's columns.
fn of_table<'a>(evidence: &'a Evidence, table: &str) -> Vec<&'a Record> {
    let is_of = |record: &&Record| record.text("meta/column").is_some_and(|column| column.starts_with(table));
    evidence.records.iter().filter(|record| record.kind == Kind::Finding).filter(is_of).collect()
}

/// Column, kind, act.
fn told<'a>(records: &[&'a Record]) -> Vec<(&'a str, &'a str, &'a str)> {
    let text = |record: &'a Record, place: &str| record.text(place).unwrap();
    let one = |record: &&'a Record| {
        (text(record, "meta/column").rsplit('.').next().unwrap(), text(record, "meta/kind"), text(record, "meta/act"))
    };
    records.iter().map(one).collect()
}

#[test]
fn what_nobody_labelled_is_found() {
    let policy = starter_with(&ACTS);
    let world = World::start_with("findings", &["--policy", policy.path().to_str().unwrap()]);
    let values = plant(&world, "unseen");
    let ask = |column: &str| query(&world, "report-job", &format!("SELECT {column} FROM staging.unseen ORDER BY id"));
    // Nobody knew of it before.
    assert!(cells(&ask("remark")).iter().all(|cell| cell.as_str().unwrap().starts_with("paid with 4532")));
    wait_for("the cards are found", || found(&world, "card_number", "label"));
    // What is answered in the very moment is withheld.
    wait_for("and masked", || {
        let answer = ask("remark");
        answer.status == 200 && cells(&answer).iter().all(|cell| cell.as_str().unwrap().starts_with("XXXXX"))
    });
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
        ["staging.unseen.remark  found_card", "found by detectors, record ", "staging.unseen.account  found_sensitive", "by ana: seen"]
    {
        assert!(listed.contains(expect), "{expect}: {listed}");
    }
    let evidence = world.finish();
    let records = of_table(&evidence, "acme-prod.staging.unseen.");
    assert_eq!(told(&records), [("remark", "card_number", "label"), ("account", "iban", "refuse"), ("reach", "email", "warn")]);
    for record in &records {
        let meta = &record.sections["meta"];
        assert_eq!((meta["cells"].as_u64(), meta["found"].as_u64()), (Some(ROWS as u64), Some(ROWS as u64)), "{meta}");
    }
    let texts: Vec<String> = evidence.records.iter().map(|record| json!(record.sections).to_string()).collect();
    let leaked = values.iter().find(|value| texts.iter().any(|text| text.contains(value.as_str())));
    assert_eq!(leaked, None, "a value is on record");
}

/// One entry takes the label of a finding off one column. It stands in a set that somebody signed, and holds though the values are still there.
#[test]
fn a_person_takes_back_what_detectors_did() {
    let apart = Apart::start("findings-released", &["report-job"]);
    let set = changed(&ACTS, &apart.folder.join("policy"));
    apart.activate(set.path());
    pause(SEEN_WITHIN);
    plant_by(&|statement| apart.query_direct(statement), "taken_back");
    let ask = |column: &str| apart.query("report-job", &format!("SELECT {column} FROM staging.taken_back ORDER BY id"));
    let clear = |column: &str| cells(&apart.query_direct(&format!("SELECT {column} FROM staging.taken_back ORDER BY id")));
    for column in ["account", "remark", "reach"] {
        assert_eq!(cells(&ask(column)), clear(column), "nobody knew of it");
    }
    wait_for("the accounts are refused", || ask("account").status == 403);
    let shows = |column: &str, is_clear: bool| {
        let answer = ask(column);
        answer.status == 200 && (cells(&answer) == clear(column)) == is_clear
    };
    wait_for("the cards are masked", || shows("remark", false));
    assert_eq!(cells(&ask("reach")), clear("reach"), "a warning changes nothing");
    assert!(ask("account").text().contains("staging.taken_back.account"), "{}", ask("account").text());
    // Of one column, and of one label: what is not named stays as it is.
    let release = |set: &Path, column: &str, label: &str| {
        let set = changed(&[], set);
        let file = set.path().join("labels.toml");
        let entry = format!(
            "\n[[released]]\ncolumn = \"acme-prod.staging.taken_back.{column}\"\nlabel = \"{label}\"\n\
             by = \"ana\"\nreason = \"numbers of machines\"\n"
        );
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &entry).unwrap();
        set
    };
    let first = release(set.path(), "account", "found_sensitive");
    apart.activate(first.path());
    wait_for("the accounts are released", || ask("account").status == 200);
    assert_eq!(cells(&ask("account")), clear("account"));
    assert_ne!(cells(&ask("remark")), clear("remark"), "its label is another one");
    let second = release(first.path(), "remark", "found_card");
    apart.activate(second.path());
    wait_for("the cards are released", || shows("remark", true));
    assert_eq!(cells(&ask("account")), clear("account"));
    // What detectors gave is still listed, with its record: a release says more, it takes nothing out of the list.
    let listed = said(&["labels", "list", "--config", &path(&apart.folder), "--table", "acme-prod.staging.taken_back"]);
    assert!(listed.contains("account  found_sensitive") && listed.contains("found by detectors, record "), "{listed}");
    let evidence = apart.finish();
    let expect = [("account", "iban", "refuse"), ("reach", "email", "warn"), ("remark", "card_number", "label")];
    let records = of_table(&evidence, "acme-prod.staging.taken_back.");
    let mut found = told(&records);
    found.sort_unstable();
    assert_eq!(found, expect);
    let activated = evidence.records.iter().filter(|record| record.kind == Kind::PolicyActivate);
    let reasons: Vec<&str> = activated.filter_map(|record| record.text("meta/reason")).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == "a change while rows leave").count(), 3, "{reasons:?}");
}

/// What does not fit is left out and counted, and no row waits for it or is another one.
#[test]
fn samples_that_do_not_fit_are_dropped_and_counted() {
    const READS_MAX: usize = 3_000;
    const READERS: usize = 8;
    const MESSAGES_SAMPLED_MAX: usize = 4;
    let policy = starter_with(&WITHOUT_LIMITS);
    let world = World::start_unpaced("findings-dropped", policy.path());
    // Half a kilobyte of groups of digits in each of ten columns: two hundred rows fill a message, and all of their values are looked at.
    let columns: Vec<String> =
        (0..10).map(|number| format!("REPEAT(CONCAT(CAST(1000 + id AS STRING), ' 0815 471{number} 2026 '), 25) AS c{number}")).collect();
    let statement = format!("CREATE TABLE staging.wide AS SELECT id, {} FROM UNNEST(GENERATE_ARRAY(1, 700)) AS id", columns.join(", "));
    let made = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })));
    assert_eq!(made.status, 200, "{}", made.text());
    let expect: Vec<Vec<u8>> = {
        let direct = Storage::direct(&world);
        let opened = direct.create(session("staging", "wide", FORMS[0])).unwrap();
        direct.messages(&opened.streams[0].name, 0).unwrap().iter().map(|message| bytes(message).to_vec()).collect()
    };
    assert!(expect.len() >= MESSAGES_SAMPLED_MAX, "{} messages", expect.len());
    let counted = || {
        let page = page(world.plain).0;
        let of = |outcome: &str| page.number(&format!("sluice_finding_samples_total{{outcome=\"{outcome}\"}}"));
        (of("looked"), of("dropped"))
    };
    let before = counted();
    let read = std::sync::atomic::AtomicUsize::new(0);
    world.token("report-job");
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let storage = Storage::of(&world, "report-job");
                let opened = storage.create(session("staging", "wide", FORMS[0])).unwrap();
                while counted().1 == before.1 && read.fetch_add(1, Ordering::Relaxed) < READS_MAX {
                    let came = storage.messages(&opened.streams[0].name, 0).unwrap();
                    assert!(came.iter().map(bytes).eq(expect.iter().map(Vec::as_slice)), "a row waits for no sample, and is no other one");
                }
            });
        }
    });
    // Who found that enough was dropped has not read any more.
    let reads = read.into_inner();
    wait_for("all of them are looked at", || {
        let (looked, dropped) = counted();
        (looked - before.0) + (dropped - before.1) == (reads * MESSAGES_SAMPLED_MAX) as f64
    });
    let (looked, dropped) = counted();
    println!("{reads} reads: {looked} samples looked at, {dropped} dropped");
    assert!(dropped > before.1 && looked > before.0, "{looked} looked at, {dropped} dropped");
    drop(world.finish());
}
