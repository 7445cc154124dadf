//! `sluice check`: a whole configuration, every problem at once.

use super::policy::{print_problems, summary};
use super::{EXIT_FAILED, Failure};
use crate::configuration::{self, Configuration};
use crate::policy_folder;
use crate::serve::settings;
use clap::Args;
use serde_json::{Value, json};
use sluice_policy::{PolicySet, Problem, Who};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The table that every gateway has.
const SERVER: &str = "server";

/// Check a whole configuration, and say everything that is wrong with it.
///
/// Reads sluice.toml (issuers and tokens in its identity section, the policy set and who may activate it in its policy section; with a server
/// section everything that `sluice serve` is told), the policy set with its rules, labels, limits and cases, and whether they fit together.
/// Nothing is fetched and nothing is started.
/// Exit code 0: nothing is wrong. 1: something is.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice check examples/configuration")]
pub struct Check {
    /// The folder of sluice.toml
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// What was found sound, for the answer.
#[derive(Default)]
struct Sound {
    issuers: Vec<String>,
    signers: usize,
    policy: Option<Value>,
}

pub fn run(check: &Check) -> Result<ExitCode, Failure> {
    let (configuration, mut problems) = configuration::read(&check.folder)?;
    let mut sound = Sound { signers: configuration.policy.keys.current.len(), ..Sound::default() };
    let issuers = issuers(&configuration, &mut sound, &mut problems);
    problems.extend(serving(&configuration, &check.folder));
    let set = set(&configuration, &check.folder, &mut sound, &mut problems);
    if let (Some(issuers), Some(set)) = (issuers, set) {
        problems.extend(strangers(&issuers, &set));
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        print_problems(&check.folder, &problems, check.json);
        return Ok(ExitCode::from(EXIT_FAILED));
    }
    if check.json {
        println!("{}", json!({ "problems": [], "issuers": sound.issuers, "signers": sound.signers, "set": sound.policy }));
    } else {
        println!("issuers   {}", sound.issuers.join(", "));
        println!("signers   {}", sound.signers);
        if let Some(policy) = &sound.policy {
            let number = |name: &str| policy.get(name).and_then(Value::as_u64).unwrap_or_default();
            let text = |name: &str| policy.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            println!(
                "policy    {}: {} rules, {} labels, {} limits, {} cases",
                text("name"),
                number("rules"),
                number("labels"),
                number("limits"),
                number("cases")
            );
            println!("          {}", text("digest"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The URLs of the issuers, if `[identity]` is sound.
fn issuers(configuration: &Configuration, sound: &mut Sound, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    match sluice_identity::check(&configuration.text) {
        Ok(checked) => {
            sound.issuers = checked.issuers.iter().map(|issuer| issuer.name.clone()).collect();
            Some(checked.issuers.into_iter().map(|issuer| issuer.url).collect())
        }
        Err(found) => {
            // A file that is no TOML was reported when it was read.
            let found = found.into_iter().filter(|problem| !problem.place.is_empty());
            problems.extend(found.map(|problem| Problem::new(configuration::FILE, problem.to_string())));
            None
        }
    }
}

/// What `sluice serve` is told. Rules can be checked before there is a gateway to serve them.
fn serving(configuration: &Configuration, folder: &Path) -> Vec<Problem> {
    let serves = configuration.text.parse::<toml::Table>().is_ok_and(|tables| tables.contains_key(SERVER));
    if serves { settings::read(folder, &configuration.text).err().unwrap_or_default() } else { Vec::new() }
}

fn set(configuration: &Configuration, folder: &Path, sound: &mut Sound, problems: &mut Vec<Problem>) -> Option<PolicySet> {
    let place = &configuration.policy.set;
    let shown = |name: &str| place.strip_prefix(folder).unwrap_or(place).join(name).display().to_string();
    let read = match policy_folder::read(place) {
        Ok(read) => read,
        Err(failure) => {
            problems.push(Problem::new(configuration::FILE, format!("policy.set: {failure}")));
            return None;
        }
    };
    match read.load() {
        Ok((set, _, cases)) => {
            sound.policy = Some(summary(&set, cases.len()));
            Some(set)
        }
        Err(found) => {
            problems.extend(found.into_iter().map(|problem| Problem { file: shown(&problem.file), ..problem }));
            None
        }
    }
}

/// Limits for callers whom no issuer could name: they would limit nobody.
fn strangers(issuers: &[String], set: &PolicySet) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in &set.settings.limits {
        let Who::One(caller) = &rule.who else { continue };
        let issuer = caller.split_once('#').map(|(issuer, _)| issuer);
        if !issuer.is_some_and(|issuer| issuers.iter().any(|known| known == issuer)) {
            let text = format!("limit for caller `{caller}`: no issuer of {} names it (issuer, `#`, subject)", configuration::FILE);
            problems.push(Problem::new(sluice_policy::SETTINGS_FILE, text));
        }
    }
    problems
}
