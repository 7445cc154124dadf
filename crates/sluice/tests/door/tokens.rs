//! Tokens of pages that hide something: each is for one caller and one result, says a row, and nothing of it can be changed.

use crate::findings::wait_for;
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Value, json};
use std::process::Command;

const CALLERS: [&str; 2] = ["report-job", "etl-nightly"];
const AT_ONCE: usize = 4;

/// Where rows are read, in the order of their ids.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    /// Results that have the same tokens.
    result: String,
    path: String,
}

fn ids(answer: &Value) -> Vec<String> {
    let rows = answer["rows"].as_array().into_iter().flatten();
    rows.map(|row| row["f"][0]["v"].as_str().unwrap().to_owned()).collect()
}

fn get(world: &World, caller: &str, place: &Place, more: &str) -> Answer {
    world.call(caller, "GET", &format!("{}{more}", place.path), None)
}

/// A job of this caller's, by both of the ways to its rows; and two tables.
fn places(world: &World, caller: &str, name: &str) -> Vec<Place> {
    let body = json!({ "query": "SELECT id, ssn FROM clinic.patients ORDER BY id LIMIT 12", "useLegacySql": false, "timeoutMs": 10_000 });
    let begun = world.call(caller, "POST", &format!("{API}/queries"), Some(&body)).json();
    let job = begun["jobReference"]["jobId"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let state = world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    let table = &state["configuration"]["query"]["destinationTable"];
    let (dataset, own) = (table["datasetId"].as_str().unwrap(), table["tableId"].as_str().unwrap());
    let place = |result: &str, path: String| Place { result: result.to_owned(), path };
    vec![
        place(&format!("{caller} {name}"), format!("{API}/queries/{job}?location=US")),
        place(&format!("{caller} {name}"), format!("{API}/datasets/{dataset}/tables/{own}/data?prettyPrint=false")),
        place("patients", format!("{API}/datasets/clinic/tables/patients/data?selectedFields=id,ssn")),
        place("visits", format!("{API}/datasets/clinic/tables/visits/data?selectedFields=id,diagnosis")),
    ]
}

fn token(world: &World, caller: &str, place: &Place) -> (String, Vec<String>) {
    let answer = get(world, caller, place, &format!("&maxResults={AT_ONCE}"));
    assert_eq!(answer.status, 200, "{caller} {}: {}", place.path, answer.text());
    let answer = answer.json();
    let token = answer["pageToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    assert!(token.starts_with("sluice."), "{token}");
    let whole = ids(&get(world, caller, place, "").json());
    assert_eq!(ids(&answer), whole[..AT_ONCE]);
    (token, whole)
}

fn is_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.class(), "400 invalid", "{what}: {}", answer.text());
    assert!(answer.text().contains("`pageToken` is none of this result's"), "{what}: {}", answer.text());
}

/// Every token at every place, by every caller.
#[test]
fn a_token_is_for_one_caller_and_one_result() {
    let world = World::start("tokens-places");
    let all: Vec<(&str, Place)> = CALLERS
        .iter()
        .flat_map(|caller| {
            let two = places(&world, caller, "two").into_iter().take(2);
            places(&world, caller, "one").into_iter().chain(two).map(move |place| (*caller, place)).collect::<Vec<_>>()
        })
        .collect();
    let mut served = 0;
    for (giver, given) in &all {
        let (token, whole) = token(&world, giver, given);
        for (caller, place) in &all {
            let answer = get(&world, caller, place, &format!("&maxResults=3&pageToken={token}"));
            let what = format!("a token of {giver} for {} at {} by {caller}", given.path, place.path);
            if caller == giver && place.result == given.result {
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                assert_eq!(ids(&answer.json()), whole[AT_ONCE..AT_ONCE + 3], "{what}");
                served += 1;
            } else if CALLERS.iter().any(|other| other != caller && place.result.starts_with(other)) {
                // A job and its result are its owner's: for others there is neither, whatever they hold.
                assert_eq!(answer.class(), "404 notFound", "{what}");
            } else {
                is_refused(&answer, &what);
            }
        }
    }
    // Two jobs in two ways each, and each of two tables.
    assert_eq!(served, CALLERS.len() * (2 * 4 + 2));
    world.finish();
}

#[test]
fn nothing_of_a_token_can_be_changed() {
    let world = World::start("tokens-changed");
    let caller = CALLERS[0];
    for place in places(&world, caller, "one") {
        let (token, whole) = token(&world, caller, &place);
        let ask = |token: &str, more: &str| get(&world, caller, &place, &format!("&pageToken={token}{more}"));
        // As often as one likes, with any number of rows, whatever index stands beside it.
        for (more, count) in [("&maxResults=1", 1), ("&maxResults=5", 5), ("", whole.len() - AT_ONCE), ("&maxResults=2&startIndex=0", 2)] {
            for _ in 0..2 {
                let answer = ask(&token, more);
                assert_eq!(answer.status, 200, "{more}: {}", answer.text());
                assert_eq!(ids(&answer.json()), whole[AT_ONCE..AT_ONCE + count], "{more}");
            }
        }
        // Every letter of one of them, and some of the others.
        let step = if place.path.contains("/queries/") { 1 } else { 6 };
        let mut changed: Vec<String> = (0..token.len())
            .step_by(step)
            .map(|place| {
                let (before, from) = token.split_at(place);
                let (letter, behind) = from.split_at(1);
                let other = if letter == "0" { "1" } else { "0" };
                format!("{before}{other}{behind}")
            })
            .collect();
        let (row, tag) = token.rsplit_once('.').unwrap();
        changed.extend([
            format!("{row}.{}", tag.to_uppercase()),
            token.replacen("sluice.", "sluice.0", 1),
            token.replacen("sluice.", "sluice.%2B", 1),
            token.replacen("sluice.", "SLUICE.", 1),
            format!("{token}0"),
            format!("{token}%20"),
            format!("%20{token}"),
            token.split_at(token.len() - 1).0.to_owned(),
            format!("{row}."),
            row.to_owned(),
            "sluice.".to_owned(),
            "sluice.ffffffffffffffffff.00".to_owned(),
            AT_ONCE.to_string(),
        ]);
        for token in changed {
            is_refused(&ask(&token, "&maxResults=3"), &format!("{token} at {}", place.path));
        }
    }
    world.finish();
}

/// A token of BigQuery's goes on while nothing is hidden, and no more once something is.
#[test]
fn a_token_from_before_a_column_was_hidden_is_refused() {
    let world = World::start("tokens-before");
    let caller = CALLERS[0];
    let place = Place { result: String::new(), path: format!("{API}/datasets/shop/tables/products/data?prettyPrint=false") };
    let first = get(&world, caller, &place, "&maxResults=3").json();
    let token = first["pageToken"].as_str().unwrap().to_owned();
    assert!(!token.starts_with("sluice."), "{token}");
    let next = || get(&world, caller, &place, &format!("&maxResults=3&pageToken={token}"));
    let clear = next().json();
    let name = |answer: &Value| answer["rows"][0]["f"][1]["v"].clone();
    assert!(clear["rows"].as_array().unwrap().len() == 3 && name(&clear).is_string(), "{clear}");
    let labels = ["labels", "set", "--label", "health", "--by", "ana", "--reason", "seen in a review", "acme-prod.shop.products.name"];
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).args(labels).arg("--config").arg(&world.folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    wait_for("the column is hidden", || name(&get(&world, caller, &place, "&maxResults=3").json()).is_null());
    is_refused(&next(), "a token from before");
    // From the beginning, with tokens of the gateway's own, the same rows come without what is hidden.
    let first = get(&world, caller, &place, "&maxResults=3").json();
    let own = first["pageToken"].as_str().unwrap();
    assert!(own.starts_with("sluice."), "{own}");
    let again = get(&world, caller, &place, &format!("&maxResults=3&pageToken={own}")).json();
    assert_eq!((ids(&again), name(&again)), (ids(&clear), Value::Null));
    world.finish();
}
