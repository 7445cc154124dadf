//! `sluice credentials`: files in the form of a service account's that the gateway itself issues, for clients that can do no other.

mod issue;
mod list;
mod revoke;

use super::Failure;
use crate::command::ledger::append;
use crate::command::on_record::{self, Said};
use crate::configuration;
use crate::serve::settings::{self, ServeSettings};
use crate::serve::{CREDENTIALS_FILE, Issued};
use clap::Subcommand;
use sluice_store::{CredentialFile, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum Credentials {
    Issue(Box<issue::Issue>),
    List(list::List),
    Revoke(revoke::Revoke),
}

/// What all of them look at.
struct Desk {
    settings: ServeSettings,
    /// Of the gateway's own tokens.
    issuer: String,
    path: PathBuf,
    now: u64,
}

pub fn run(credentials: &Credentials) -> Result<ExitCode, Failure> {
    match credentials {
        Credentials::Issue(issue) => issue::run(issue),
        Credentials::List(list) => list::run(list),
        Credentials::Revoke(revoke) => revoke::run(revoke),
    }
}

impl Desk {
    fn open(folder: &Path) -> Result<Desk, Failure> {
        let text = configuration::read_sound(folder)?.text;
        let joined = |problems: Vec<String>| Failure::new(format!("{}: {}", configuration::FILE, problems.join("; ")));
        let settings =
            settings::read(folder, &text).map_err(|problems| joined(problems.iter().map(ToString::to_string).collect::<Vec<_>>()))?;
        let identity =
            sluice_identity::check(&text).map_err(|problems| joined(problems.iter().map(ToString::to_string).collect::<Vec<_>>()))?;
        let access = identity.access.ok_or_else(|| Failure::new("[identity.access] is missing: this gateway issues nothing"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Desk { path: settings.state.join(CREDENTIALS_FILE), settings, issuer: access.issuer, now })
    }

    fn file(&self) -> Result<CredentialFile, Failure> {
        CredentialFile::open(&self.path).map_err(|fault| {
            let remedy = if self.path.exists() { "a gateway that reads it refuses everything" } else { "`sluice init` makes it" };
            Failure::new(format!("{fault}; {remedy}"))
        })
    }

    /// Every act that is not on record yet: what to say of it, and how the command ends. What was done stays done, whatever becomes of its record.
    fn put_on_record(&self, said: &Said) -> (String, ExitCode) {
        on_record::told((said.ledger.as_deref(), said.keys.as_deref()), "credentials", |ledger| {
            let issued = Issued::new(self.file()?, Some(self.issuer.clone()));
            issued.record(|number, act| {
                let draft = act.draft(number).map_err(|error| Failure::new(error.to_string()))?;
                append(ledger, &draft).map(|receipt| receipt.index).map_err(|fault| Failure::new(fault.to_string()))
            })
        })
    }
}

fn failure(fault: &StoreFault) -> Failure {
    Failure::new(fault.to_string())
}
