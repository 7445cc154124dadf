//! `sluice policy`: what a policy set says, before it decides anything.

mod activate;
mod activations;
mod check;
mod diff;
mod explain;
mod subject;
mod test;
mod understanding;

use super::Failure;
use crate::policy_folder;
use clap::Subcommand;
use sluice_model::plain::printable;
use sluice_policy::cases::Case;
use sluice_policy::{Bundle, PolicySet, Problem};
use std::path::Path;
use std::process::ExitCode;

pub use activations::FolderLog;
pub use check::{print_problems, summary};

#[derive(Subcommand)]
pub enum Policy {
    Check(check::Check),
    Test(test::Test),
    Explain(Box<explain::Explain>),
    Diff(diff::Diff),
    Activate(Box<activate::Activate>),
}

pub fn run(policy: &Policy) -> Result<ExitCode, Failure> {
    match policy {
        Policy::Check(check) => check::run(check),
        Policy::Test(test) => test::run(test),
        Policy::Explain(explain) => explain::run(explain),
        Policy::Diff(diff) => diff::run(diff),
        Policy::Activate(activate) => activate::run(activate),
    }
}

/// One line for people, out of texts that others wrote.
fn show(line: &str) {
    println!("{}", printable(line));
}

/// The set in a folder with its cases, for commands that cannot go on with problems.
fn load(folder: &Path) -> Result<(PolicySet, Bundle, Vec<Case>), Failure> {
    policy_folder::read(folder)?.load().map_err(|problems| failure(folder, &problems))
}

fn failure(folder: &Path, problems: &[Problem]) -> Failure {
    let lines: String = problems.iter().map(|problem| format!("\n  {}", folder.join(problem.to_string()).display())).collect();
    Failure::new(format!("the policy set cannot be used:{lines}"))
}
