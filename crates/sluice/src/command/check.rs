//! `sluice check`: a whole configuration, every problem at once.

use super::policy::{print_problems, summary};
use super::{EXIT_FAILED, Failure};
use crate::configuration::{self, Configuration};
use crate::policy_folder;
use clap::Args;
use serde_json::{Value, json};
use sluice_outbound::CredentialsSettings;
use sluice_policy::{PolicySet, Problem, Who};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check a whole configuration, and say everything that is wrong with it.
///
/// Reads sluice.toml (issuers and tokens in its identity section, the policy set and who may activate it in its policy section), the
/// policy set with its rules, labels, limits and cases, and whether they fit together. Where the file also says how to serve, everything
/// that `sluice serve` would refuse to start with, but for ports that are taken. Nothing is fetched and nothing is started.
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
    let set = set(&configuration, &check.folder, &mut sound, &mut problems);
    problems.extend(served(&configuration, &check.folder));
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

/// What `sluice serve` needs beside, if the file is meant for it.
fn served(configuration: &Configuration, folder: &Path) -> Vec<Problem> {
    let Ok(file) = configuration.text.parse::<toml::Table>() else { return Vec::new() };
    if !["connections", "ledger", "server", "state"].iter().any(|name| file.contains_key(*name)) {
        return Vec::new();
    }
    let found = crate::serve::settings::find(folder, &configuration.text);
    let ledger = found.ledger.as_ref();
    let places = [
        (ledger.map(|ledger| ledger.folder.join("ledger.json")), "ledger.folder", "`sluice ledger init` makes a ledger"),
        (ledger.map(|ledger| ledger.keys.clone()), "ledger.keys", "`sluice ledger init` makes them"),
        (found.state.clone(), "state.folder", "`sluice init` makes it"),
    ];
    let places = places.into_iter().filter_map(|(path, field, advice)| Some((path?, field, advice)));
    let missing = places.filter(|(path, ..)| !path.exists());
    let missing = missing.map(|(path, field, advice)| format!("{field}: `{}` is not there; {advice}", path.display()));
    let tls = found.server.as_ref().and_then(|server| server.tls.as_ref());
    let doors = tls.into_iter().flat_map(|tls| [("server.certificate", &tls.certificate), ("server.key", &tls.key)]);
    let doors = doors.filter(|(_, path)| !path.exists()).map(|(field, path)| format!("{field}: `{}` is not there", path.display()));
    // They are read when a token is needed first: too late for a check.
    let credentials = found.connections.iter().filter_map(|(name, connection)| match &connection.upstream.credentials {
        CredentialsSettings::Federation { path, .. } | CredentialsSettings::KeyFile { path, .. } if !Path::new(path).exists() => {
            Some(format!("connections.{name}.credential: `{path}` is not there"))
        }
        _ => None,
    });
    let missing: Vec<String> = missing.chain(doors).chain(credentials).collect();
    let unreachable = crate::serve::connect(&found.connections).err().unwrap_or_default();
    let served = missing.into_iter().chain(unreachable.iter().map(ToString::to_string)).map(|text| Problem::new(configuration::FILE, text));
    found.problems.into_iter().chain(served).collect()
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
