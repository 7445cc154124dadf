//! Two warehouses that differ only in labelled values, a gateway in front of each: a masked caller is told the same by both.
//!
//! `SLUICE_DOOR_INTERFERENCE_COUNT` asks for more statements.

use crate::policies::{Change, WITHOUT_LIMITS, starter_with};
use crate::pool::each;
use crate::storage_wire::{FORMS, Storage, bytes, rows, session};
use crate::streamed::table_of;
use crate::talk::Answer;
use crate::twins::fill;
use crate::world::{API, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use sluice_mask::COARSE_BYTES;
use sluice_testkit::interference::clinic::{TABLES, VIEW};
use sluice_testkit::interference::generate::{Statement, statement};
use sluice_testkit::interference::handmade;
use sluice_testkit::interference::variants::{VARIANTS, varied};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Masks that leave nothing of a value, and the begin of the names of the datasets in which they lie on every labelled column.
const MASKS: [(&str, &str); 3] = [("void", "always_null"), ("blank", "default_value"), ("fixed", "constant(withheld)")];
const FIXED_COUNT: u64 = 3_000;
const CALLER: &str = "support-agent";
const CLEAR_SIGHTED: &str = "analyst";
const CLEAR_SIGHT: &str = r#"
@id("clear-sight")
@reason("sees what the masks of this test hide, so that it is known to differ")
permit (
    principal is Person in Group::"clinical-analysts",
    action in [Action::"see", Action::"decide_by"],
    resource
)
when { resource in [Label::"void", Label::"blank", Label::"fixed"] };
"#;
const CLEAR_COUNT: usize = 150;
/// What policy permits of a labelled column, a masked caller may learn: agents count values.
const WITHOUT_COUNTS: Change = (
    "permit (principal is Agent, action == Action::\"count\", resource);",
    "permit (principal is Agent, action == Action::\"connect\", resource);",
);
/// Below these it would be a test of refusals.
const ANSWERED_PERCENT_MIN: usize = 40;
const CLEAR_DIFFERENT_PERCENT_MIN: usize = 25;
/// Where all counts of bytes are told by steps, nothing is compared.
const EXACT_PERCENT_MIN: usize = 1;
/// Of one statement in so many the rows are read as streams, too.
const STREAMED_STEP: u64 = 8;
const STREAMED_PERCENT_MIN: usize = 4;
/// Between two looks at the warehouse's log, which is bounded.
const PART: usize = 600;

struct Case {
    seed: u64,
    /// Its rows are read as streams, too.
    is_streamed: bool,
    mask: &'static str,
    dataset: String,
    text: String,
}

impl Case {
    /// Statements over the same tables come one behind the other: the engine builds all of its functions anew for tables that it does not remember,
    /// which takes longer than a statement.
    fn neighbours(&self) -> (String, Vec<bool>, u64) {
        let names = TABLES.iter().map(|table| self.text.contains(&format!("{}.{}", self.dataset, table.name)));
        (self.dataset.clone(), names.collect(), self.seed)
    }
}

/// The first warehouse holds the base in every dataset, the second one a variant in each.
struct Pair {
    worlds: [World; 2],
}

impl Pair {
    fn start() -> Pair {
        let policy = starter_with(&[&[WITHOUT_COUNTS], &WITHOUT_LIMITS[..]].concat());
        let labels = policy.path().join("labels.toml");
        let text = std::fs::read_to_string(&labels).unwrap() + &labels_of_masks();
        std::fs::write(&labels, text).unwrap();
        std::fs::write(policy.path().join("clear.cedar"), CLEAR_SIGHT).unwrap();
        let worlds = ["base", "variant"].map(|side| World::start_unpaced(&format!("interference-{side}"), policy.path()));
        for (position, world) in worlds.iter().enumerate() {
            for (dataset, variant) in datasets() {
                fill(world, &dataset, variant * position);
            }
        }
        Pair { worlds }
    }

    /// What both say, as far as it may be compared.
    fn ask(&self, caller: &str, case: &Case) -> [Json; 2] {
        let mut answers = self.worlds.each_ref().map(|world| ask(world, caller, case));
        // A call is held for ten seconds at most: what took longer in one of them is asked for in both.
        if answers.iter().any(|answer| answer.status == 200 && answer.json()["jobComplete"] == false) {
            answers = [0, 1].map(|side| ended(&self.worlds[side], caller, &answers[side]));
        }
        [0, 1].map(|side| {
            let (world, answer) = (&self.worlds[side], &answers[side]);
            let mut said = told(answer);
            if case.is_streamed && answer.status == 200 {
                said["streams"] = streamed(world, caller, case, answer);
            }
            said
        })
    }
}

fn datasets() -> Vec<(String, usize)> {
    MASKS.iter().flat_map(|(name, _)| (1..VARIANTS).map(move |variant| (format!("{name}_{variant}"), variant))).collect()
}

fn labels_of_masks() -> String {
    let mut text = String::new();
    for (name, mask) in MASKS {
        let columns = TABLES
            .iter()
            .filter(|table| table.name != VIEW.0)
            .flat_map(|table| table.labelled.iter().map(move |path| format!("\"acme-prod.{name}_*.{}.{path}\"", table.name)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        write!(text, "\n[labels.{name}]\nmask = \"{mask}\"\nreason = \"leaves nothing\"\ncolumns = [{columns}]\n").unwrap();
    }
    text
}

fn ask(world: &World, caller: &str, case: &Case) -> Answer {
    let body = json!({
        "query": case.text,
        "useLegacySql": false,
        "timeoutMs": 20_000,
        "defaultDataset": { "projectId": "acme-prod", "datasetId": case.dataset },
    });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// The rows of a job that was begun, when they are there.
fn ended(world: &World, caller: &str, begun: &Answer) -> Answer {
    let Some(job) = begun.json()["jobReference"]["jobId"].as_str().map(str::to_owned) else { return begun.clone() };
    loop {
        let answer = world.call(caller, "GET", &format!("{API}/queries/{job}?location=US"), None);
        if answer.status != 200 || answer.json()["jobComplete"] != false {
            return answer;
        }
    }
}

/// What a client is told that reads the result by the Storage API: its schema, its messages as they came, and its cells.
fn streamed(world: &World, caller: &str, case: &Case, answer: &Answer) -> Json {
    let job = answer.json()["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
    let described = world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None);
    let Some((dataset, table)) = table_of(&described.json()) else { return Json::Null };
    let (storage, form) = (Storage::of(world, caller), FORMS[usize::try_from(case.seed / STREAMED_STEP).unwrap() % FORMS.len()]);
    let read = storage.create(session(&dataset, &table, form)).and_then(|opened| {
        let messages = opened.streams.iter().map(|stream| storage.messages(&stream.name, 0)).collect::<Result<Vec<_>, _>>()?.concat();
        Ok((opened, messages))
    });
    let (opened, messages) = match read {
        Ok(read) => read,
        Err(status) => return json!({ "code": format!("{:?}", status.code()), "message": without_ids(status.message()) }),
    };
    let cells = json!(rows(&opened, &messages));
    let packed: Vec<String> = messages.iter().map(|message| STANDARD.encode(bytes(message))).collect();
    json!({ "rows": cells, "schema": format!("{:?}", opened.schema), "count": opened.estimated_row_count,
        "bytes": opened.estimated_total_bytes_scanned, "messages": packed })
}

/// Without ids and times. Every count of bytes stays: where a labelled column can be counted it is told by steps, and elsewhere exactly.
fn told(answer: &Answer) -> Json {
    let mut body = answer.json();
    for name in ["jobReference", "queryId", "creationTime", "startTime", "endTime", "totalSlotMs"] {
        body.as_object_mut().unwrap().remove(name);
    }
    json!({ "status": answer.status, "body": without_ids(&body.to_string()) })
}

fn is_exact(told: &Json) -> bool {
    let body: Json = told["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    body["totalBytesProcessed"].as_str().and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes % COARSE_BYTES != 0)
}

fn without_ids(told: &str) -> String {
    let mut parts = told.split("Quote `");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('`').map_or(part, |(_, rest)| rest));
    rest.fold(first, |all, part| all + "Quote it" + part)
}

/// Masks by turns, and variants by turns among those that change most of the labelled columns that the statement names.
fn case(seed: u64, made: &Statement) -> Case {
    let turn = usize::try_from(seed).unwrap();
    let (name, mask) = MASKS[turn % MASKS.len()];
    let names = |path: &[String]| path.last().is_some_and(|last| made.text.contains(last.as_str()));
    let reached = |variant: usize| varied(variant).iter().filter(|column| names(&column.path)).count();
    let most = (1..VARIANTS).map(reached).max().unwrap();
    let fitting: Vec<usize> = (1..VARIANTS).filter(|variant| reached(*variant) * 2 >= most).collect();
    let dataset = format!("{name}_{}", fitting[turn / MASKS.len() % fitting.len()]);
    let text = made.text.replace("clinic.", &format!("{dataset}."));
    Case { seed, is_streamed: seed.is_multiple_of(STREAMED_STEP), mask, dataset, text }
}

#[expect(clippy::disallowed_methods, reason = "a longer campaign is asked for by the environment")]
fn count() -> u64 {
    std::env::var("SLUICE_DOOR_INTERFERENCE_COUNT").map_or(FIXED_COUNT, |text| text.parse().unwrap())
}

#[test]
fn a_masked_caller_learns_nothing_of_labelled_values() {
    let pair = Pair::start();
    let written = handmade::statements();
    let generated = (1..=count()).map(|seed| case(seed, &statement(seed, true)));
    let mut cases: Vec<Case> = generated.chain(written.iter().zip(1_000_000..).map(|(made, seed)| case(seed, made))).collect();
    cases.sort_by_key(Case::neighbours);
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<(&str, u64), usize> = BTreeMap::new();
    let (mut streamed, mut exact) = (0, 0);
    for part in cases.chunks(PART) {
        for (case, [base, variant]) in part.iter().zip(each(part, |case| pair.ask(CALLER, case))) {
            let status = base["status"].as_u64().unwrap();
            *counts.entry((case.mask, status)).or_default() += 1;
            if status >= 500 && status != 501 {
                println!("seed {} in {}: {base}\n  {}", case.seed, case.dataset, case.text);
            }
            streamed += usize::from(base["streams"]["rows"].as_array().is_some_and(|rows| !rows.is_empty()));
            exact += usize::from(is_exact(&base));
            if base != variant {
                wrong.push(format!("seed {} under {} in {}: {}\n  {base}\n  {variant}", case.seed, case.mask, case.dataset, case.text));
            }
        }
        pair.worlds.iter().for_each(World::take_over_log);
    }
    println!(
        "{} statements, by mask and status: {counts:?}; rows of {streamed} read as streams too, sizes of {exact} told exactly",
        cases.len()
    );
    let answered: usize = counts.iter().filter(|((_, status), _)| *status == 200).map(|(_, count)| count).sum();
    let failed: Vec<_> = counts.keys().filter(|(_, status)| *status >= 500 && *status != 501).collect();
    let asked: Vec<&Case> = cases.iter().filter(|case| (1..=CLEAR_COUNT as u64).contains(&case.seed)).collect();
    let clear = different_for_the_clear_sighted(&pair, &asked);
    println!("of {CLEAR_COUNT} statements {clear} differ for whoever sees clear");
    assert!(clear * 100 >= CLEAR_COUNT * CLEAR_DIFFERENT_PERCENT_MIN, "the comparison does not bite: {clear} of {CLEAR_COUNT}");
    assert!(streamed * 100 >= cases.len() * STREAMED_PERCENT_MIN, "{streamed} read as streams");
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(exact * 100 >= cases.len() * EXACT_PERCENT_MIN, "{exact} with exact sizes");
    assert!(answered * 100 >= cases.len() * ANSWERED_PERCENT_MIN && failed.is_empty(), "{answered} of {}, {failed:?}", cases.len());
}

fn different_for_the_clear_sighted(pair: &Pair, cases: &[&Case]) -> usize {
    let told = each(cases, |case| pair.ask(CLEAR_SIGHTED, case));
    told.iter().filter(|[base, variant]| base != variant).count()
}
