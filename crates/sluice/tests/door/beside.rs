//! What is done beside a gateway that serves: `sluice halt`.

use crate::numbers::page;
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::json;
use sluice_ledger::record::Kind;
use std::process::Command;

/// For whom `support-agent` acts.
const PAT: &str = "https://login.demo.sluice.test#u-2002";
pub const REPORT_JOB: &str = "https://services.demo.sluice.test#svc-reports";

pub fn halt(world: &World, arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).arg("halt").arg("--config").arg(&world.folder).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn query(world: &World, caller: &str) -> Answer {
    let body = json!({ "query": "SELECT x FROM UNNEST([1, 2, 3]) AS x", "useLegacySql": false, "maxResults": 1 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// In force, by what operators see: for everybody, and by name.
fn halts(world: &World) -> (f64, f64) {
    let (page, _) = page(world.plain);
    (page.number("sluice_halts{scope=\"everyone\"}"), page.number("sluice_halts{scope=\"caller\"}"))
}

#[test]
fn a_halt_stops_the_next_request_and_the_next_page() {
    let world = World::start("halt");
    let first = query(&world, "report-job").json();
    let job = first["jobReference"]["jobId"].as_str().unwrap();
    let page = || world.call("report-job", "GET", &format!("{API}/queries/{job}?maxResults=1&startIndex=1&location=US"), None);
    assert_eq!(page().status, 200);
    halt(&world, &["--caller", REPORT_JOB, "--by", "ana", "--reason", "its token leaked"]);
    for refused in [query(&world, "report-job"), page()] {
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("the caller is halted"), "{}", refused.text());
    }
    assert_eq!(query(&world, "analyst").status, 200, "nobody else is halted");
    let exchanged = world.exchange("report-job");
    assert_eq!((exchanged.status, &exchanged.json()["error"]), (403, &json!("access_denied")), "{}", exchanged.text());
    assert_eq!(world.exchange("analyst").status, 200);
    assert_eq!(halts(&world), (0.0, 1.0));
    halt(&world, &["--everyone", "--by", "ana", "--reason", "masks are wrong since noon"]);
    assert_eq!(query(&world, "analyst").status, 403);
    assert_eq!(halts(&world), (1.0, 1.0));
    assert_eq!(world.exchange("analyst").status, 403);
    halt(&world, &["--release", "--everyone", "--by", "ben", "--reason", "mended"]);
    assert_eq!(query(&world, "analyst").status, 200);
    assert_eq!(query(&world, "report-job").status, 403, "who was halted by name stays so");
    halt(&world, &["--release", "--caller", REPORT_JOB, "--by", "ben", "--reason", "a new token"]);
    assert_eq!(page().status, 200);
    assert_eq!(halts(&world), (0.0, 0.0));
    let evidence = world.finish();
    let acts: Vec<String> = evidence
        .records
        .iter()
        .filter(|record| record.kind == Kind::AdminAction)
        .map(|record| serde_json::to_string(&record.sections).unwrap())
        .collect();
    for expect in ["its token leaked", "masks are wrong since noon", "mended", "a new token"] {
        assert_eq!(acts.iter().filter(|act| act.contains(expect)).count(), 1, "{expect}: {acts:?}");
    }
    let activations = evidence.records.iter().filter(|record| record.kind == Kind::PolicyActivate).count();
    assert_eq!(activations, 1, "the set that the demo began with");
}

/// Whoever acts for somebody stops with them; and who is stopped leaves a bounded number of records, however often it asks.
#[test]
fn a_halt_of_a_person_stops_who_acts_for_them() {
    const ASKED: usize = 80;
    let world = World::start("halt-person");
    assert_eq!(query(&world, "support-agent").status, 200);
    halt(&world, &["--caller", PAT, "--by", "ana", "--reason", "their token leaked"]);
    let body = json!({ "query": "SELECT 1 AS x", "useLegacySql": false });
    let asked: Vec<Answer> = (0..ASKED).map(|_| world.call_at_once("support-agent", "POST", &format!("{API}/queries"), &body)).collect();
    let told = |text: &str| asked.iter().filter(|answer| answer.text().contains(text)).count();
    assert!(asked.iter().all(|answer| answer.status == 403), "{}", asked[0].text());
    assert!(told("halted") > 0 && told("halted") + told("in a second") == ASKED);
    let evidence = world.finish();
    let single: usize = asked.iter().map(|answer| evidence.ends(&answer.mark).len()).sum();
    let counted = evidence.records.iter().filter(|record| record.kind == Kind::AuthnFail).map(|record| &record.sections["meta"]);
    let counted: u64 = counted.filter(|meta| meta["caller"].as_str().is_some()).map(|meta| meta["refusals"].as_u64().unwrap()).sum();
    assert!(single < ASKED && counted > 0, "{single} records");
    assert_eq!(single + counted as usize, ASKED, "each is on record or counted");
}
