//! `sluice halt`: the kill switch. It writes one durable file; a running gateway sees it at the next request and the next page of rows.

use super::{EXIT_REFUSED, Failure, on_record};
use crate::configuration;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use sluice_store::{HaltAct, HaltFile, Halts, Ledger, StoreFault, Turn, Whom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Stop one caller or everyone, at once, until somebody lifts it.
///
/// Every request is refused that asks after this command has returned, each page of rows of a job that runs included. Nothing is
/// cancelled in BigQuery. What stands is one file, `halts` in the policy section of sluice.toml: a gateway that cannot read it, or finds it damaged,
/// refuses everything. Lifting the halt of everyone leaves those halted who were halted by name.
///
/// With --ledger the act is put on record too, and with it every earlier one that is not on record yet. While a gateway holds the
/// ledger it is the gateway's task to do so. Exit code 0: it is so. 2: there was nothing to lift. 1: it could not be done.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["caller", "everyone", "init", "list"])),
    after_help = "Examples:
  sluice halt --init --config /etc/sluice
  sluice halt --config /etc/sluice --caller 'https://login.acme.example/realms/main#7a1c' --by ana --reason 'its token leaked'
  sluice halt --config /etc/sluice --everyone --by ana --reason 'masks are wrong since noon'
  sluice halt --config /etc/sluice --release --everyone --by ben --reason 'mended'
  sluice halt --config /etc/sluice --list"
)]
pub struct Halt {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Whom to stop: issuer, `#`, subject, as records and explanations name a caller
    #[arg(long, value_name = "ISSUER#SUBJECT", requires_all = ["by", "reason"])]
    caller: Option<String>,
    /// Stop everyone
    #[arg(long, requires_all = ["by", "reason"])]
    everyone: bool,
    /// Lift a halt instead
    #[arg(long, conflicts_with_all = ["init", "list"])]
    release: bool,
    /// Make the file, once: a gateway does not start without it
    #[arg(long)]
    init: bool,
    /// Say who is halted, by whom and why
    #[arg(long)]
    list: bool,
    /// Who asks for it: it goes on record
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, in one line: it goes on record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The folder of the ledger, if no gateway runs that holds it
    #[arg(long, value_name = "LEDGER", requires = "keys", conflicts_with = "init")]
    ledger: Option<PathBuf>,
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR", requires = "ledger")]
    keys: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(halt: &Halt) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&halt.config)?;
    let path = &configuration.policy.halts;
    if halt.init {
        HaltFile::create(path).map_err(|fault| failure(&fault))?;
        say(halt, &json!({ "made": path.display().to_string() }), &format!("{}: nobody is halted", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let file = HaltFile::open(path).map_err(|fault| unreadable(path, &fault))?;
    let Some(act) = act(halt, &configuration.text)? else { return list(halt, &file) };
    match file.act(&act) {
        Ok(_) => {}
        Err(StoreFault::Refused(why)) if act.turn == Turn::Lifted => {
            say(halt, &json!({ "refused": why }), &format!("refused: {why}"));
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        Err(fault) => return Err(failure(&fault)),
    }
    // It is so from here on, whatever becomes of the record.
    let turn = turn_word(act.turn);
    let (record, code) = on_record::told((halt.ledger.as_deref(), halt.keys.as_deref()), "halt", |ledger| record_all(&file, ledger));
    let value = json!({ "turn": turn, "whom": act.whom.to_string(), "by": act.by, "reason": act.reason, "at": act.at, "record": record });
    say(halt, &value, &format!("{turn}: {}, by {}: {}\n{record}", act.whom, act.by, act.reason));
    Ok(code)
}

/// None: it is only asked who is halted.
fn act(halt: &Halt, configuration: &str) -> Result<Option<HaltAct>, Failure> {
    let whom = match &halt.caller {
        Some(caller) => {
            // A misspelt name would stop nobody. A halt can always be lifted: its issuer may be gone.
            if !halt.release {
                known_issuer(caller, configuration)?;
            }
            Whom::One(caller.clone())
        }
        None if halt.everyone => Whom::Everyone,
        None => return Ok(None),
    };
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let turn = if halt.release { Turn::Lifted } else { Turn::Halted };
    let (by, reason) = (halt.by.clone().unwrap_or_default(), halt.reason.clone().unwrap_or_default());
    Ok(Some(HaltAct { turn, whom, at, by, reason }))
}

fn known_issuer(caller: &str, configuration: &str) -> Result<(), Failure> {
    let checked = sluice_identity::check(configuration).map_err(|problems| {
        Failure::new(format!("{}: {}", configuration::FILE, problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    })?;
    let issuer = caller.split_once('#').map(|(issuer, _)| issuer);
    // The gateway itself is the issuer of holders of its own credentials.
    let own = checked.access.iter().map(|access| access.issuer.as_str());
    let known: Vec<&str> = checked.issuers.iter().map(|issuer| issuer.url.as_str()).chain(own).collect();
    if issuer.is_some_and(|issuer| known.contains(&issuer)) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{caller}` would stop nobody: it is issuer, `#`, subject, and the issuers of {} are {}",
        configuration::FILE,
        known.join(", ")
    )))
}

fn list(halt: &Halt, file: &HaltFile) -> Result<ExitCode, Failure> {
    let halts = file.current().map_err(|fault| failure(&fault))?;
    let standing = standing(&halts);
    let lines: Vec<String> = standing.iter().map(|act| format!("{}: since {}, by {}: {}", act.whom, act.at, act.by, act.reason)).collect();
    let text = if lines.is_empty() { "nobody is halted".to_owned() } else { lines.join("\n") };
    let waiting = halts.unrecorded().count();
    let values: Vec<Value> =
        standing.iter().map(|act| json!({ "whom": act.whom.to_string(), "at": act.at, "by": act.by, "reason": act.reason })).collect();
    let more = if waiting == 0 { String::new() } else { format!("\n{waiting} not on record yet") };
    say(halt, &json!({ "halted": values, "not_on_record": waiting }), &format!("{text}{more}"));
    Ok(ExitCode::SUCCESS)
}

fn standing(halts: &Halts) -> Vec<&HaltAct> {
    halts.everyone().into_iter().chain(halts.callers().map(|(_, act)| act)).collect()
}

fn record_all(file: &HaltFile, ledger: &mut Ledger) -> Result<Vec<u64>, Failure> {
    let halts = file.current().map_err(|fault| failure(&fault))?;
    let acts = halts.unrecorded().map(|(number, act)| (number, act.draft(number)));
    on_record::each(ledger, acts, |number, record| file.mark_recorded(number, record))
}

fn turn_word(turn: Turn) -> &'static str {
    match turn {
        Turn::Halted => "halted",
        Turn::Lifted => "lifted",
    }
}

fn unreadable(path: &Path, fault: &StoreFault) -> Failure {
    if path.exists() {
        return Failure::new(format!("{fault}; a gateway that reads it refuses everything"));
    }
    Failure::new(format!("{} is not there: `sluice halt --init` makes it", path.display()))
}

fn failure(fault: &StoreFault) -> Failure {
    Failure::new(fault.to_string())
}

fn say(halt: &Halt, value: &Value, text: &str) {
    if halt.json {
        println!("{value}");
    } else {
        println!("{text}");
    }
}
