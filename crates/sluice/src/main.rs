//! The one binary: the command line. Each command is a file under `command/`.

mod catalog_folder;
mod command;
mod render;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "sluice", version, about = "An identity-aware gateway for BigQuery")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what a statement does: what it reads, writes and exposes, and what decides its rows
    Analyze(command::analyze::Analyze),
    /// Show on the embedded warehouse what the analysis finds
    #[cfg(feature = "sandbox")]
    Demo(command::demo::Demo),
    /// Obtain and check the GoogleSQL engine
    #[command(subcommand)]
    Engine(command::engine::Engine),
    /// Serve the embedded warehouse: BigQuery's REST API over synthetic data
    #[cfg(feature = "sandbox")]
    Sandbox(command::sandbox::Serve),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Analyze(analyze) => command::analyze::run(&analyze),
        #[cfg(feature = "sandbox")]
        Command::Demo(demo) => command::demo::run(&demo),
        Command::Engine(engine) => command::engine::run(&engine),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(serve) => command::sandbox::run(&serve),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("sluice: {failure}");
            ExitCode::from(command::EXIT_FAILED)
        }
    }
}
