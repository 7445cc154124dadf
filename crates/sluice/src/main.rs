//! The one binary: the command line. Each command is a file under `command/`.

mod catalog_folder;
mod command;
mod configuration;
mod policy_folder;
mod render;
mod serve;

use clap::{Parser, Subcommand};
use sluice_model::plain::printable_lines;
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
    Check(command::check::Check),
    ClientConfig(command::client_config::ClientConfig),
    /// Issue credentials files for clients that can do no other, list them, revoke them
    #[command(subcommand)]
    Credentials(command::credentials::Credentials),
    #[cfg(feature = "sandbox")]
    Demo(command::demo::Demo),
    /// Obtain and check the GoogleSQL engine
    #[command(subcommand)]
    Engine(command::engine::Engine),
    Halt(command::halt::Halt),
    Init(command::init::Init),
    /// Make, prove, back up and look after the ledger that the evidence is in
    #[command(subcommand, long_about = command::ledger::ABOUT)]
    Ledger(command::ledger::LedgerCommand),
    /// Which columns got a label with the data, by a policy tag or by a person; label more
    #[command(subcommand)]
    Labels(command::labels::Labels),
    Lockdown(command::lockdown::Lockdown),
    /// Say what was masked, for whom, and what was seen clear by right
    #[command(subcommand)]
    Masking(command::masking::Masking),
    /// Check, test, explain, compare and activate policy sets
    #[command(subcommand)]
    Policy(command::policy::Policy),
    Requests(command::requests::Requests),
    Serve(command::serve::Serve),
    /// Serve the embedded warehouse: BigQuery's REST API over synthetic data
    #[cfg(feature = "sandbox")]
    Sandbox(command::sandbox::Serve),
    Token(command::token::Token),
}

fn main() -> ExitCode {
    stop_quietly_without_reader();
    let result = match Arguments::parse().command {
        Command::Analyze(analyze) => command::analyze::run(&analyze),
        Command::Check(check) => command::check::run(&check),
        Command::ClientConfig(client_config) => command::client_config::run(&client_config),
        Command::Credentials(credentials) => command::credentials::run(&credentials),
        #[cfg(feature = "sandbox")]
        Command::Demo(demo) => command::demo::run(&demo),
        Command::Engine(engine) => command::engine::run(&engine),
        Command::Halt(halt) => command::halt::run(&halt),
        Command::Init(init) => command::init::run(&init),
        Command::Ledger(ledger) => command::ledger::run(&ledger),
        Command::Labels(labels) => command::labels::run(&labels),
        Command::Lockdown(lockdown) => command::lockdown::run(&lockdown),
        Command::Masking(masking) => command::masking::run(&masking),
        Command::Policy(policy) => command::policy::run(&policy),
        Command::Requests(requests) => command::requests::run(&requests),
        Command::Serve(serve) => command::serve::run(&serve),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(serve) => command::sandbox::run(&serve),
        Command::Token(token) => command::token::run(&token),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("sluice: {}", printable_lines(&failure.to_string()));
            ExitCode::from(command::EXIT_FAILED)
        }
    }
}

/// `sluice ... | head`: whoever reads has heard enough, and that is no fault to show a backtrace for.
#[expect(clippy::disallowed_methods, reason = "printing has failed, so nobody is left to be told")]
fn stop_quietly_without_reader() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(0);
        }
        before(panic);
    }));
}
