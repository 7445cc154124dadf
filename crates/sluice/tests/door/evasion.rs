//! Everything that a query can do to get at a labelled value, asked by a caller who may see none of them: no byte that comes back, and none that the
//! gateway keeps, holds one.

use crate::attempts::{self, Attempt};
use crate::canaries::Canaries;
use crate::evidence::{Evidence, Record};
use crate::policies::{WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::pool::each;
use crate::streams::{Streamed, by_streams, judged_streams};
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CALLER: &str = "support-agent";
/// Below these the suite would mostly show that everything is refused.
const DISTINCT_MIN: usize = 1_000;
const MASKED_PERCENT_MIN: usize = 65;
/// Of statements whose transformation the search must notice where nobody masks.
const FOUND_PERCENT_MIN: usize = 45;
/// One in so many combinations is asked direct, too.
const DIRECT_STEP: usize = 12;
/// Copies of labelled columns, by every way that a pipeline has.
const WRITTEN: [&str; 7] = [
    "CREATE TABLE staging.copied AS SELECT id, ssn AS code FROM clinic.patients",
    "CREATE TABLE staging.structured AS SELECT id, STRUCT('' AS _1, ssn || '') AS s FROM clinic.patients",
    "CREATE TABLE staging.computed AS SELECT id, CONCAT('x@', REPLACE(email, '@', '.')) AS mail FROM clinic.patients",
    "CREATE TABLE staging.filled (id INT64, c STRING)",
    "INSERT INTO staging.filled (id, c) SELECT id, ssn FROM clinic.patients",
    "CREATE TABLE staging.merged (id INT64, d STRING)",
    "MERGE staging.merged AS t USING clinic.visits AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, d) VALUES (s.id, s.diagnosis)",
];
const TABLES: [&str; 11] = [
    "clinic/tables/cards",
    "clinic/tables/patients",
    "clinic/tables/visits",
    "shop/tables/customers",
    "staging/tables/computed",
    "staging/tables/copied",
    "staging/tables/filled",
    "staging/tables/merged",
    "staging/tables/raw_patients",
    "staging/tables/raw_visits",
    "staging/tables/structured",
];

/// What one attempt came to.
struct Met {
    name: String,
    outcome: &'static str,
    marks: Vec<String>,
    told: String,
    leaks: Vec<String>,
    streams: Vec<Streamed>,
}

#[test]
fn nothing_labelled_leaves() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &WITHOUT_LIMITS[..]].concat());
    let world = World::start_unpaced("evasion", policy.path());
    for statement in WRITTEN {
        let answer = query(&world, "etl-nightly", statement, &Map::new());
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    }
    let canaries = Canaries::of(&world);
    let mut known = BTreeSet::new();
    let mut all = [attempts::combined(), attempts::by_hand(), attempts::of_cases()].concat();
    all.retain(|attempt| known.insert((attempt.statement.clone(), Value::from(attempt.fields.clone()).to_string())));
    let numbered: Vec<(usize, &Attempt)> = all.iter().enumerate().collect();
    let mut met = Vec::new();
    for part in numbered.chunks(400) {
        met.extend(each(part, |(number, attempt)| attempted(&world, &canaries, *number, attempt)));
        world.take_over_log();
    }
    met.extend(tables(&world, &canaries));
    met.iter().flat_map(|met| &met.leaks).for_each(|leak| println!("{leak}"));
    let evidence = world.finish();
    let (masked, mut wrong) = judged(&met, &evidence, &canaries);
    wrong.extend(judged_streams(met.iter().flat_map(|met| &met.streams), &masked_marks(&evidence.records)));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    met.iter().for_each(|met| *counts.entry(met.outcome).or_default() += 1);
    let distinct = known.len();
    println!("{distinct} distinct statements, {masked} answers with masked cells, by outcome: {counts:?}");
    for met in met.iter().filter(|met| ["not understood", "not there", "invalid", "not done"].contains(&met.outcome)) {
        println!("{}: {}: {}", met.outcome, met.name, met.told.chars().take(160).collect::<String>());
    }
    wrong.extend((distinct < DISTINCT_MIN).then(|| format!("{distinct} statements")));
    wrong.extend((masked * 100 < distinct * MASKED_PERCENT_MIN).then(|| format!("{masked} of {distinct} came masked")));
    assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
}

/// Answers with masked cells, and everything that is wrong.
fn judged(met: &[Met], evidence: &Evidence, canaries: &Canaries) -> (usize, Vec<String>) {
    let mut wrong: Vec<String> = met.iter().flat_map(|met| &met.leaks).cloned().collect();
    let failed = |met: &&Met| ["failed", "withheld"].contains(&met.outcome);
    wrong.extend(met.iter().filter(failed).map(|met| format!("{} failed: {}", met.name, met.told)));
    let masked = masked_marks(&evidence.records);
    for record in &evidence.records {
        let text = serde_json::to_string(&record.sections).unwrap();
        wrong.extend(canaries.find(&text).map(|found| format!("a record of {} holds {found}", record.api())));
    }
    (met.iter().filter(|met| met.marks.iter().any(|mark| masked.contains(mark.as_str()))).count(), wrong)
}

/// The calls whose rows had cells masked.
pub fn masked_marks(records: &[Record]) -> BTreeSet<&str> {
    let marks: BTreeMap<&str, &str> = records.iter().filter_map(|record| Some((record.subject.as_deref()?, record.mark()?))).collect();
    let has_masked = |record: &&Record| {
        let masked = record.sections.get("result").and_then(|result| result["masked"].as_array());
        masked.is_some_and(|masked| masked.iter().any(|path| path["cells"].as_u64() > Some(0)))
    };
    records.iter().filter(has_masked).filter_map(|record| marks.get(record.subject.as_deref()?).copied()).collect()
}

/// By turns as a query, as a job whose rows are read again, as a query whose job is read again, and dry.
fn attempted(world: &World, canaries: &Canaries, number: usize, attempt: &Attempt) -> Met {
    let answers = match number % 4 {
        0 if attempt.fields.is_empty() => by_job(world, &attempt.statement),
        2 => {
            let first = query(world, CALLER, &attempt.statement, &attempt.fields);
            let again = reread(world, &first);
            [vec![first], again].concat()
        }
        _ => vec![query(world, CALLER, &attempt.statement, &attempt.fields)],
    };
    let mut answers = answers;
    if number.is_multiple_of(10) {
        let mut fields = attempt.fields.clone();
        fields.insert("dryRun".to_owned(), json!(true));
        answers.push(query(world, CALLER, &attempt.statement, &fields));
    }
    let (streams, leaked) = by_streams(world, canaries, number, attempt, &answers[0]);
    let leaks = answers.iter().filter_map(|answer| canaries.find_in(answer)).chain(leaked);
    let leaks = leaks.map(|found| format!("{}: {}: {found}", attempt.name, attempt.statement)).collect();
    let first = answers.iter().find(|answer| answer.status != 200).unwrap_or(&answers[0]);
    let marks = answers.iter().map(|answer| answer.mark.clone()).collect();
    Met { name: attempt.name.clone(), outcome: outcome(first), marks, told: message(first), leaks, streams }
}

fn query(world: &World, caller: &str, statement: &str, fields: &Map<String, Value>) -> Answer {
    let mut body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    if !fields.contains_key("defaultDataset") {
        body["defaultDataset"] = json!({ "projectId": "acme-prod", "datasetId": "shop" });
    }
    body.as_object_mut().unwrap().extend(fields.clone());
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// As `jobs.insert`, with its description, its rows once and again, and the table that they lie in.
fn by_job(world: &World, statement: &str) -> Vec<Answer> {
    let configuration = json!({ "query": { "query": statement, "useLegacySql": false } });
    let begun = world.call(CALLER, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    let again = reread(world, &begun);
    [vec![begun], again].concat()
}

/// A job's rows in other pages and another form, its description, and its table.
fn reread(world: &World, begun: &Answer) -> Vec<Answer> {
    let job = begun.json()["jobReference"]["jobId"].as_str().map(str::to_owned);
    let Some(job) = job.filter(|_| begun.status == 200) else { return Vec::new() };
    let get = |path: &str| world.call(CALLER, "GET", &format!("{API}/{path}"), None);
    let whole = get(&format!("queries/{job}?location=US"));
    let described = get(&format!("jobs/{job}?location=US"));
    let table = described.json()["configuration"]["query"]["destinationTable"].clone();
    let fields: Vec<String> =
        whole.json()["schema"]["fields"].as_array().into_iter().flatten().map(|field| field["name"].to_string()).collect();
    let mut answers =
        vec![get(&format!("queries/{job}?location=US&startIndex=1&maxResults=2&formatOptions.useInt64Timestamp=true")), described];
    if whole.status == 200 && table.is_object() && !fields.is_empty() {
        let word = |name: &str| table[name].as_str().unwrap_or_default().to_owned();
        let last = fields[fields.len() - 1].trim_matches('"').to_owned();
        let is_plain = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let selected = if is_plain { format!("?selectedFields={last}&maxResults=3") } else { String::new() };
        answers.push(get(&format!("datasets/{}/tables/{}/data{selected}", word("datasetId"), word("tableId"))));
    }
    answers.insert(0, whole);
    answers
}

/// Tables as they lie there: whole, by columns, in pages, described and listed.
fn tables(world: &World, canaries: &Canaries) -> Vec<Met> {
    let mut paths: Vec<String> =
        ["jobs?maxResults=50", "jobs?projection=full", "datasets", "datasets/clinic/tables", "datasets/staging/tables"]
            .map(str::to_owned)
            .to_vec();
    for table in TABLES {
        let described = world.direct("GET", &format!("{API}/datasets/{table}"), None).json();
        let fields = described["schema"]["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
        paths.extend(
            ["", "/data", "/data?maxResults=3&startIndex=2", "/data?formatOptions.useInt64Timestamp=true"]
                .map(|more| format!("datasets/{table}{more}")),
        );
        paths.extend(fields.map(|field| format!("datasets/{table}/data?selectedFields={field}")));
    }
    paths.extend(
        ["contacts.phone", "address.street", "address", "contacts,id"]
            .map(|fields| format!("datasets/clinic/tables/patients/data?selectedFields={fields}")),
    );
    each(&paths, |path| {
        let answer = world.call(CALLER, "GET", &format!("{API}/{path}"), None);
        let leaks = canaries.find_in(&answer).map(|found| format!("{path}: {found}")).into_iter().collect();
        let marks = vec![answer.mark.clone()];
        Met { name: path.clone(), outcome: outcome(&answer), marks, told: message(&answer), leaks, streams: Vec::new() }
    })
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn outcome(answer: &Answer) -> &'static str {
    let told = message(answer);
    match answer.status {
        200 => "answered",
        403 if told.contains("not understood") => "not understood",
        403 => "refused by policy",
        404 => "not there",
        400 => "invalid",
        501 => "not done",
        // Of a job's own table some columns alone: the masks of the job are those of all of them, so that nothing is shown.
        _ if told.starts_with("rows are withheld") => "withheld",
        _ => "failed",
    }
}

/// Each predicate on a labelled column is refused, by its column and its clause.
#[test]
fn predicates_are_refused_by_column_and_clause() {
    let policy = starter_with(&WITHOUT_LIMITS);
    let world = World::start_unpaced("predicates", policy.path());
    let predicates = attempts::predicates();
    assert!(predicates.len() > 100, "{}", predicates.len());
    let wrong: Vec<String> = each(&predicates, |predicate| {
        let answer = query(&world, CALLER, predicate.statement, &Map::new());
        let expect = format!("deciding rows by column {} ({})", predicate.column, predicate.clause);
        let is_refused = answer.class() == "403 accessDenied" && message(&answer).contains(&expect);
        (!is_refused).then(|| format!("{}: no `{expect}` in {} {}", predicate.statement, answer.status, answer.text()))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), predicates.len(), wrong.join("\n"));
    assert!(
        world.warehouse_log().iter().all(|entry| !entry["target"].as_str().unwrap_or_default().ends_with("/jobs")),
        "something was sent"
    );
}

/// The same statements where nobody masks: the search notices what they make of a value, so that it would have noticed above.
#[test]
fn what_is_searched_for_is_found_where_nobody_masks() {
    let policy = starter_with(&WITHOUT_LIMITS);
    let world = World::start_unpaced("evasion-direct", policy.path());
    let canaries = Canaries::of(&world);
    let combined = attempts::combined();
    let sample: Vec<&Attempt> = combined.iter().step_by(DIRECT_STEP).filter(|attempt| !reads_copies(attempt)).collect();
    let found = each(&sample, |attempt| {
        let body = json!({ "query": attempt.statement, "useLegacySql": false });
        let answer = world.direct("POST", &format!("{API}/queries"), Some(&body));
        (answer.status == 200).then(|| canaries.find_in(&answer).is_some())
    });
    let answered: Vec<bool> = found.into_iter().flatten().collect();
    let found = answered.iter().filter(|found| **found).count();
    println!("of {} statements asked direct, {} were answered, {found} with a value that is found", sample.len(), answered.len());
    assert!(found * 100 >= answered.len() * FOUND_PERCENT_MIN, "{found} of {}", answered.len());
}

fn reads_copies(attempt: &Attempt) -> bool {
    ["staging.copied", "staging.filled", "staging.merged"].iter().any(|table| attempt.statement.contains(table))
}
