//! The command line of the verifier. Exit code 0: everything holds; 1: something does not; 2: it could not be judged.

mod arguments;
mod command;

use arguments::{Arguments, Command};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

const FAILS: u8 = 1;
const NOT_JUDGED: u8 = 2;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let done = match Arguments::parse().command {
        Command::Ledger(ledger) => command::ledger(&ledger, &mut out),
        Command::Proof(proof) => command::proof(&proof, &mut out),
        Command::Witness(witness) => command::witness(&witness, &mut out),
        Command::WitnessKey(key) => command::witness_key(&key, &mut out),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILS),
        Err(text) => {
            drop(writeln!(std::io::stderr(), "sluice-verify: {}", sluice_ledger::printable(&text)));
            ExitCode::from(NOT_JUDGED)
        }
    }
}
