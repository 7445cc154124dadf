//! Statements that make hidden values long, or many, where a labelled value is one thing: in two warehouses with other labelled values everything that
//! counts bytes or ends by them is told the same.
//!
//! `SLUICE_DOOR_GROWN_COUNT` asks for more statements.

use crate::amplified::{pages, told};
use crate::interference::CLEAR_SIGHTED_ONES;
use crate::pair::{Case, Hidden, Pair, Twins};
use crate::pool::each;
use crate::storage_wire::{FORMS, Form, Storage, bytes, session};
use crate::streamed::table_of;
use crate::talk::Answer;
use crate::world::{API, World};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use sluice_testkit::interference::amplify::statement;
use sluice_testkit::interference::variants::{VARIANTS, content};

const MASKS: [(&str, &str); 2] = [("void", "always_null"), ("blank", "default_value")];
const COUNT: u64 = 14;
const CALLER: &str = "support-agent";
const ANSWERED_PERCENT_MIN: usize = 50;
/// Where pages of the two warehouses end alike, there is nothing to see.
const DIFFERENT_PERCENT_MIN: usize = 25;

/// All that one of both says of a statement and its rows.
struct Told {
    status: u16,
    all: Vec<(&'static str, Vec<String>)>,
    /// Of the warehouse's own first page.
    first_page: usize,
}

fn count(body: &Value) -> usize {
    body["rows"].as_array().map_or(0, Vec::len)
}

/// The same request again is the same job: it is asked until its rows are there, so that how long it takes changes nothing.
fn asked(world: &World, caller: &str, case: &Case) -> Answer {
    let body = json!({
        "query": case.text, "useLegacySql": false, "timeoutMs": 10_000, "requestId": format!("{caller}-{}", case.seed),
        "defaultDataset": { "projectId": "acme-prod", "datasetId": case.dataset },
    });
    loop {
        let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body));
        if answer.status != 200 || answer.json()["jobComplete"] != false {
            return answer;
        }
    }
}

fn look(world: &World, caller: &str, case: &Case) -> Told {
    let answer = asked(world, caller, case);
    if answer.status != 200 {
        return Told { status: answer.status, all: vec![("refusal", vec![without_ids(&answer)])], first_page: 0 };
    }
    let id = answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let described = world.call(caller, "GET", &format!("{API}/jobs/{id}?location=US"), None);
    let place = table_of(&described.json());
    let name = place.as_ref().map(|(_, table)| table.clone()).unwrap_or_default();
    let rows = format!("{API}/queries/{id}?location=US");
    let mut all = vec![
        ("jobs.query", vec![told(&answer, &id, &name)]),
        ("jobs.get", vec![told(&described, &id, &name)]),
        ("all rows", pages(world, caller, &rows, &id, &name)),
        ("some at a time", pages(world, caller, &format!("{rows}&maxResults=20"), &id, &name)),
    ];
    if let Some((dataset, table)) = &place {
        let path = format!("{API}/datasets/{dataset}/tables/{table}");
        all.push(("the table", pages(world, caller, &format!("{path}/data?prettyPrint=false"), &id, &name)));
        all.push(("a column of it", pages(world, caller, &format!("{path}/data?selectedFields=id&maxResults=30"), &id, &name)));
        all.push(("tables.get", vec![told(&world.call(caller, "GET", &path, None), &id, &name)]));
        let form = FORMS[usize::try_from(case.seed).unwrap() % FORMS.len()];
        all.push(("streams", messages(&Storage::of(world, caller), dataset, table, form)));
    }
    let first_page = count(&world.direct("GET", &rows, None).json());
    Told { status: 200, all, first_page }
}

/// A refusal, without the id that it is told with.
fn without_ids(answer: &Answer) -> String {
    answer.text().split("Quote `").next().unwrap_or_default().to_owned()
}

/// Rows of each message, its bytes, and what stands around them.
fn messages(storage: &Storage<'_>, dataset: &str, table: &str, form: Form) -> Vec<String> {
    let opened = match storage.create(session(dataset, table, form)) {
        Ok(opened) => opened,
        Err(status) => return vec![format!("{:?}", status.code())],
    };
    let mut said = vec![format!(
        "{} streams, {} rows, {} bytes",
        opened.streams.len(),
        opened.estimated_row_count,
        opened.estimated_total_bytes_scanned
    )];
    for stream in &opened.streams {
        for message in storage.messages(&stream.name, 0).unwrap() {
            let digest = digest(&SHA256, bytes(&message));
            said.push(format!("{} {:?} {:?} {:?}", message.row_count, message.stats, message.throttle_state, digest));
        }
    }
    said
}

#[expect(clippy::disallowed_methods, reason = "a longer campaign is asked for by the environment")]
fn wanted() -> u64 {
    std::env::var("SLUICE_DOOR_GROWN_COUNT").map_or(COUNT, |text| text.parse().unwrap())
}

fn case(seed: u64) -> Case {
    let turn = usize::try_from(seed).unwrap();
    let (name, mask) = MASKS[turn % MASKS.len()];
    let dataset = format!("{name}_{}", 1 + turn / MASKS.len() % (VARIANTS - 1));
    let text = statement(seed).replace("clinic.", &format!("{dataset}."));
    Case { seed, is_streamed: true, mask, dataset, text }
}

#[test]
fn what_grows_with_a_hidden_value_is_told_to_nobody() {
    let hidden = MASKS.map(|(name, mask)| Hidden::everywhere(name, mask));
    let datasets = MASKS.iter().flat_map(|(name, _)| (1..VARIANTS).map(move |variant| (format!("{name}_{variant}"), variant)));
    let twins: Vec<Twins> = datasets.map(|(dataset, variant)| Twins { dataset, contents: [0, variant].map(content) }).collect();
    let pair = Pair::start("grown", &[], &hidden, &twins, CLEAR_SIGHTED_ONES);
    let mut cases: Vec<Case> = (1..=wanted()).map(case).collect();
    cases.sort_by_key(Case::neighbours);
    let looked = each(&cases, |case| pair.worlds.each_ref().map(|world| look(world, CALLER, case)));
    let (mut wrong, mut answered, mut different) = (Vec::new(), 0, 0);
    for (case, [base, variant]) in cases.iter().zip(&looked) {
        let about = format!("seed {} under {} in {}: {}", case.seed, case.mask, case.dataset, shortened(&case.text));
        answered += usize::from(base.status == 200);
        different += usize::from(base.first_page != variant.first_page);
        if (base.status, base.all.len()) != (variant.status, variant.all.len()) {
            wrong.push(format!("{about}\n  {} beside {}", base.status, variant.status));
        }
        for ((name, one), (_, other)) in base.all.iter().zip(&variant.all).filter(|(one, other)| one != other) {
            wrong.push(format!("{about}\n  {name}: {}", first_difference(one, other)));
        }
    }
    println!("{} statements, {answered} answered; pages of {different} end elsewhere at the warehouse", cases.len());
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(answered * 100 >= cases.len() * ANSWERED_PERCENT_MIN, "{answered} of {}", cases.len());
    assert!(different * 100 >= cases.len() * DIFFERENT_PERCENT_MIN, "the comparison does not bite: {different} of {}", cases.len());
}

fn shortened(text: &str) -> String {
    let mut short = text.to_owned();
    for letter in ["a", "b", "d"] {
        let long = letter.repeat(16);
        while let Some(at) = short.find(&long) {
            short.replace_range(at..at + 15, "");
        }
    }
    short
}

fn first_difference(one: &[String], other: &[String]) -> String {
    let place = one.iter().zip(other).position(|(one, other)| one != other).unwrap_or_else(|| one.len().min(other.len()));
    let part = |all: &[String]| all.get(place).map_or("nothing".to_owned(), |text| text.chars().take(1_500).collect());
    format!("{} and {} parts; at {place}: {}\n  beside {}", one.len(), other.len(), part(one), part(other))
}
