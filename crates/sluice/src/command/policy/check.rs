//! `sluice policy check`: everything that is wrong with a set, at once.

use super::super::{EXIT_FAILED, Failure};
use super::show;
use crate::policy_folder;
use clap::Args;
use serde_json::{Value, json};
use sluice_model::plain::printable;
use sluice_policy::{PolicySet, Problem};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Read a policy set and say everything that is wrong with it.
///
/// A set is a folder: policy.toml (prices, ceiling, limits, judges), labels.toml (sensitive columns and their masks), rules in
/// .cedar files, and cases/*.toml. Rules are checked against the schema in Cedar's strict mode; a warning counts as a problem,
/// because a rule that can never apply was meant to. Exit code 0: nothing is wrong. 1: something is.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice policy check examples/policy/starter")]
pub struct Check {
    /// The folder of the policy set
    #[arg(value_name = "SET")]
    set: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(check: &Check) -> Result<ExitCode, Failure> {
    match policy_folder::read(&check.set)?.load() {
        Ok((set, _, cases)) => {
            if check.json {
                println!("{}", json!({ "problems": [], "set": summary(&set, cases.len()) }));
            } else {
                println!("{}", summary_line(&set, cases.len()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            print_problems(&check.set, &problems, check.json);
            Ok(ExitCode::from(EXIT_FAILED))
        }
    }
}

fn summary_line(set: &PolicySet, cases: usize) -> String {
    let (rules, labels) = (set.rules().count(), set.labels.names().count());
    let name = printable(&set.settings.name);
    format!("{name}: {rules} rules, {labels} labels, {} limits, {cases} cases\n{}", set.settings.limits.len(), set.digest)
}

pub fn summary(set: &PolicySet, cases: usize) -> Value {
    json!({
        "name": set.settings.name,
        "digest": set.digest.text(),
        "rules": set.rules().count(),
        "labels": set.labels.names().count(),
        "limits": set.settings.limits.len(),
        "cases": cases,
    })
}

/// On standard output: they are the answer. The last line counts them.
pub fn print_problems(folder: &Path, problems: &[Problem], as_json: bool) {
    if as_json {
        println!("{}", json!({ "problems": problems.iter().map(|problem| described(folder, problem)).collect::<Vec<_>>() }));
        return;
    }
    for problem in problems {
        show(&folder.join(problem.to_string()).display().to_string());
    }
    println!("{} {}", problems.len(), if problems.len() == 1 { "problem" } else { "problems" });
}

fn described(folder: &Path, problem: &Problem) -> Value {
    json!({ "file": folder.join(&problem.file).display().to_string(), "line": problem.line, "text": problem.text })
}
