//! `sluice credentials list`.

use super::{Desk, Failure};
use clap::Args;
use serde_json::{Value, json};
use sluice_ledger::date;
use sluice_store::Standing;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say which credentials files were issued, by whom and why, and which of them still serve.
#[derive(Args)]
pub struct List {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(list: &List) -> Result<ExitCode, Failure> {
    let desk = Desk::open(&list.config)?;
    let credentials = desk.file()?.current().map_err(|fault| super::failure(&fault))?;
    let waiting = credentials.unrecorded().count();
    if list.json {
        let all: Vec<Value> = credentials.standing().map(|one| value(&one, &desk)).collect();
        println!("{}", json!({ "credentials": all, "not_on_record": waiting }));
        return Ok(ExitCode::SUCCESS);
    }
    for one in credentials.standing() {
        let groups: Vec<&str> = one.registration.groups.iter().map(String::as_str).collect();
        println!("{}  {}  {}", one.id, one.registration.address(), state(&one, desk.now));
        println!("  {}, groups: {}", one.registration.kind.word(), if groups.is_empty() { "none".to_owned() } else { groups.join(", ") });
        println!("  issued {}, by {}: {}", moment(one.issued.at), one.issued.by, one.issued.reason);
        if let Some(act) = one.revoked {
            println!("  revoked {}, by {}: {}", moment(act.at), act.by, act.reason);
        }
    }
    if credentials.standing().next().is_none() {
        println!("none was issued");
    }
    if waiting > 0 {
        println!("{waiting} acts not on record yet");
    }
    Ok(ExitCode::SUCCESS)
}

fn state(one: &Standing<'_>, now: u64) -> String {
    match one.revoked {
        Some(_) => "revoked".to_owned(),
        None if one.registration.not_after <= now => format!("ended {}", moment(one.registration.not_after)),
        None => format!("until {}", moment(one.registration.not_after)),
    }
}

fn value(one: &Standing<'_>, desk: &Desk) -> Value {
    let act = |act: &sluice_store::CredentialAct| json!({ "at": act.at, "by": act.by, "reason": act.reason });
    json!({
        "id": one.id,
        "address": one.registration.address(),
        "caller": format!("{}#{}", desk.issuer, one.id),
        "kind": one.registration.kind.word(),
        "groups": one.registration.groups,
        "ends_at": one.registration.not_after,
        "serves": one.revoked.is_none() && one.registration.not_after > desk.now,
        "issued": act(one.issued),
        "revoked": one.revoked.map(act),
    })
}

fn moment(seconds: u64) -> String {
    date::text(seconds.saturating_mul(1_000))
}
