//! The commands. Exit codes mean the same in all of them.

pub mod analyze;
pub mod check;
pub mod client_config;
pub mod credentials;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod engine;
pub mod halt;
pub mod init;
pub mod labels;
pub mod ledger;
pub mod lockdown;
pub mod masking;
pub mod on_record;
pub mod policy;
pub mod requests;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod serve;
pub mod token;

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::{GoogleSql, Settings};
use std::fmt;

/// The command did what it was asked; what it looked at was refused.
pub const EXIT_REFUSED: u8 = 2;
/// The command could not do what it was asked.
pub const EXIT_FAILED: u8 = 1;

/// Why a command stopped, in words for the person who typed it.
#[derive(Debug)]
pub struct Failure {
    text: String,
}

impl Failure {
    pub fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into() }
    }
}

/// The installed engine, started.
pub fn start_engine() -> Result<GoogleSql, Failure> {
    let artefact = Artefact::load(&Place::from_environment()).map_err(|fault| Failure::new(fault.to_string()))?;
    GoogleSql::start(&artefact, Settings::default()).map_err(|fault| Failure::new(fault.to_string()))
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
