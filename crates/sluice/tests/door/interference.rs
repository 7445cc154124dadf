//! Two warehouses that differ only in labelled values, a gateway in front of each: a masked caller is told the same by both.
//!
//! `SLUICE_DOOR_INTERFERENCE_COUNT` asks for more statements.

use crate::pair::{Case, Hidden, Pair, STREAMED_STEP, Twins};
use crate::pool::each;
use crate::world::World;
use serde_json::Value as Json;
use sluice_mask::COARSE_BYTES;
use sluice_testkit::interference::generate::{Statement, statement};
use sluice_testkit::interference::handmade;
use sluice_testkit::interference::variants::{VARIANTS, content, varied};
use std::collections::BTreeMap;

/// Masks that leave nothing of a value, and the begin of the names of the datasets in which they lie on every labelled column.
const MASKS: [(&str, &str); 3] = [("void", "always_null"), ("blank", "default_value"), ("fixed", "constant(withheld)")];
const FIXED_COUNT: u64 = 3_000;
const CALLER: &str = "support-agent";
const CLEAR_SIGHTED: &str = "analyst";
pub const CLEAR_SIGHTED_ONES: &str = "principal is Person in Group::\"clinical-analysts\"";
const CLEAR_COUNT: usize = 150;
/// Below these it would be a test of refusals.
const ANSWERED_PERCENT_MIN: usize = 40;
const CLEAR_DIFFERENT_PERCENT_MIN: usize = 25;
/// Where all counts of bytes are told by steps, nothing is compared.
const EXACT_PERCENT_MIN: usize = 1;
const STREAMED_PERCENT_MIN: usize = 4;
/// Between two looks at the warehouse's log, which is bounded.
const PART: usize = 600;

/// The first warehouse holds the base in every dataset, the second one a variant in each.
fn pair() -> Pair {
    let hidden = MASKS.map(|(name, mask)| Hidden::everywhere(name, mask));
    let datasets = MASKS.iter().flat_map(|(name, _)| (1..VARIANTS).map(move |variant| (format!("{name}_{variant}"), variant)));
    let twins: Vec<Twins> = datasets.map(|(dataset, variant)| Twins { dataset, contents: [0, variant].map(content) }).collect();
    Pair::start("interference", &[], &hidden, &twins, CLEAR_SIGHTED_ONES)
}

fn is_exact(told: &Json) -> bool {
    let body: Json = told["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    body["totalBytesProcessed"].as_str().and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes % COARSE_BYTES != 0)
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
    let pair = pair();
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
