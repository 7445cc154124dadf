//! `sluice engine install`: obtains the engine once; everything else only loads it.

use super::Failure;
use clap::Subcommand;
use sluice_googlesql::artefact;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum Engine {
    /// Obtain the engine with pip, check its hash, compile it and put it into the cache folder
    Install,
}

pub fn run(engine: &Engine) -> Result<ExitCode, Failure> {
    match engine {
        Engine::Install => {
            let installed = artefact::install_if_missing(&artefact::Sources::from_environment(), &artefact::Place::from_environment())
                .map_err(|fault| Failure::new(fault.to_string()))?;
            println!("the engine is in {}", installed.folder.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}
