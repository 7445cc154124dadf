//! Fills a ledger that `sluice ledger init` made with requests as a gateway records them, for trying out commands and auditors:
//! `cargo run -p sluice-store --example fill -- LEDGER KEYS REQUESTS`. With `killed` behind it, it ends without a word in the middle of a request.

use sluice_ledger::record::content::{Identity, Meta, Page, Policy, Request, Steps, Token, Totals, Upstream};
use sluice_ledger::record::{Draft, Subject};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LocalMachine, Machine, Opening, Secrets};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const REPOSITORIES: [&str; 3] = ["clinic/etl", "clinic/reports", "clinic/sandbox"];
const BATCH_RECORDS: usize = 256;

type Anything = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, keys, count, more @ ..] = arguments.as_slice() else { return Err("LEDGER KEYS REQUESTS [killed]".into()) };
    let (count, is_killed): (u64, bool) = (count.parse()?, more.first().is_some_and(|word| word == "killed"));
    let secrets = Secrets::open(Path::new(keys))?;
    let machine = Arc::new(LocalMachine::default());
    let boot = serde_json::json!({ "program": "fill", "version": env!("CARGO_PKG_VERSION") });
    let opening = Opening { signer: secrets.signer(), master: secrets.master(), machine: machine.clone(), boot, free_bytes_min: 0 };
    let mut ledger = Ledger::open(Arc::new(LocalDisk::new(Path::new(folder))?), &opening)?;
    let mut waiting = Vec::new();
    for number in 0..count {
        let mut subject = [0; 16];
        machine.random(&mut subject)?;
        for draft in request(number, Subject(subject))? {
            waiting.push(ledger.seal(&draft)?);
        }
        if waiting.len() >= BATCH_RECORDS || number + 1 == count {
            ledger.append(std::mem::take(&mut waiting)).into_iter().collect::<Result<Vec<_>, _>>()?;
        }
    }
    if is_killed {
        let admitted = request(0, Subject([250; 16]))?.into_iter().take(1);
        let records = admitted.map(|draft| ledger.seal(&draft)).collect::<Result<_, _>>()?;
        ledger.append(records).into_iter().collect::<Result<Vec<_>, _>>()?;
        // Nothing is closed, as after a kill.
        return Ok(());
    }
    Ok(ledger.shut()?)
}

/// Each seventh is refused; the others are permitted, sent, answered.
fn request(number: u64, subject: Subject) -> Result<Vec<Draft>, Anything> {
    let steps = Steps { subject };
    let is_refused = number % 7 == 3;
    let table = if is_refused { "clinic.patients" } else { "clinic.visits" };
    let statement = format!("SELECT ward, COUNT(*) AS visits FROM `{table}` WHERE day > '2026-01-{:02}' GROUP BY ward", 1 + number % 28);
    let request = Request { statement: Some(statement), default_dataset: Some("clinic".to_owned()), ..Request::of_method("hospital") };
    let meta = Meta {
        api: "bigquery.jobs.query".to_owned(),
        connection: Some("hospital".to_owned()),
        outcome: if is_refused { "refused" } else { "permitted" }.to_owned(),
        resources: vec![format!("hospital.{table}")],
        ..Meta::default()
    };
    let policy = Policy {
        set: "sha256:51f0".to_owned(),
        outcome: meta.outcome.clone(),
        judge: "analysis and dry run".to_owned(),
        ..Policy::default()
    };
    if is_refused {
        return Ok(vec![steps.refused(&meta, &identity(number), &request, &policy)?]);
    }
    let upstream = Upstream { job: format!("hospital:EU.sluice_{number:06}"), status: Some(200), attempts: 1, ..Upstream::default() };
    let totals = Totals { pages: 1, rows: 12, bytes: 480, truncated: false, schema_digest: None, ..Totals::default() };
    let done = Meta { outcome: "completed".to_owned(), ..meta.clone() };
    Ok(vec![
        steps.admitted(&meta, &identity(number), &request, &policy)?,
        steps.dispatched(&upstream)?,
        steps.page(&Page::new(0, 12, 480, &[7; 32], Vec::new()))?,
        steps.completed(&done, &totals, &upstream)?,
    ])
}

fn identity(number: u64) -> Identity {
    let repository = REPOSITORIES.iter().cycle().nth(usize::try_from(number % 3).unwrap_or_default()).copied().unwrap_or_default();
    let token = Token {
        issuer: ISSUER.to_owned(),
        id: Some(format!("{number:08x}")),
        digest: String::new(),
        key_id: "cc413527".to_owned(),
        algorithm: "RS256".to_owned(),
        keys_digest: String::new(),
        issued_at: 1_795_000_000,
        expires_at: 1_795_000_300,
    };
    Identity {
        kind: "ci",
        issuer: ISSUER.to_owned(),
        subject: format!("repo:{repository}:ref:refs/heads/main"),
        name: repository.to_owned(),
        groups: BTreeSet::new(),
        run: BTreeMap::from([("repository", repository.to_owned()), ("workflow", "nightly".to_owned())]),
        facts: BTreeMap::new(),
        on_behalf_of: Vec::new(),
        grants: Vec::new(),
        asserted: BTreeMap::new(),
        token: token.with_digests(&[1; 32], &[2; 32]),
        session: None,
    }
}
