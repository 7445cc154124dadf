//! `sluice credentials revoke`.

use super::{Desk, Failure, Said};
use crate::command::EXIT_REFUSED;
use clap::Args;
use serde_json::json;
use sluice_store::{CredentialAct, Deed, StoreFault};
use std::path::PathBuf;
use std::process::ExitCode;

/// End a credentials file, and every token that was given for it.
///
/// A gateway that runs refuses its holder within two seconds. It cannot be undone: issue another. Exit code 0: it is so. 2: there was nothing to revoke.
/// 1: it could not be done.
#[derive(Args)]
#[command(after_help = "Example:
  sluice credentials revoke --config /etc/sluice --id 3f0c... --by ana --reason 'the laptop was stolen'")]
pub struct Revoke {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// `private_key_id` of the file, as `sluice credentials list` shows it
    #[arg(long, value_name = "ID")]
    id: String,
    #[command(flatten)]
    said: Said,
}

pub fn run(revoke: &Revoke) -> Result<ExitCode, Failure> {
    let (desk, said) = (Desk::open(&revoke.config)?, &revoke.said);
    let deed = Deed::Revoked(revoke.id.clone());
    let act = CredentialAct { deed, at: desk.now, by: said.by.clone(), reason: said.reason.clone() };
    match desk.file()?.act(&act) {
        Ok(_) => {}
        Err(StoreFault::Refused(why)) => {
            if said.json {
                println!("{}", json!({ "refused": why }))
            } else {
                println!("refused: {why}")
            }
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        Err(fault) => return Err(super::failure(&fault)),
    }
    let (record, code) = desk.put_on_record(said);
    if said.json {
        println!("{}", json!({ "revoked": revoke.id, "record": record }));
    } else {
        println!("revoked: {}, by {}: {}\n{record}", revoke.id, said.by, said.reason);
    }
    Ok(code)
}
