//! `sluice policy explain`: what a set says to one caller about one request, and why. It grants nothing.

use super::super::{EXIT_REFUSED, Failure};
use super::subject::{self, What, Who};
use super::understanding::Catalog;
use crate::{configuration, render};
use clap::Args;
use sluice_identity::Identity;
use sluice_model::Principal;
use sluice_model::plain::printable_lines;
use sluice_policy::{Outcome, cases};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The type of the tokens that most issuers sign.
const MEDIA_TYPE: &str = "JWT";
/// Claims are at most a token.
const CLAIMS_BYTES_MAX: u64 = 64 << 10;

/// Say what a policy set says to one caller about one statement, and why.
///
/// Names the rules that decided, the facts that their conditions found, the columns that are masked, the approval that is
/// due, and what would be accepted instead. Nothing is sent anywhere and nothing is granted; the dry run is taken to agree with the
/// analysis and to read --bytes. Exit code 0: permitted. 2: refused, or held until it is approved.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice policy explain examples/policy/starter --caller agent --on-behalf-of ana \\
    --catalog examples/clinic --default-dataset acme-prod.clinic 'SELECT name, ssn FROM patients'
  sluice policy explain examples/policy/starter --caller agent --on-behalf-of ana \\
    --method tables.delete --table acme-prod.staging.old
  sluice policy explain examples/policy/starter --case 'an agent drops nothing'")]
pub struct Explain {
    /// The folder of the policy set
    #[arg(value_name = "SET")]
    set: PathBuf,
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "SQL", required_unless_present_any = ["case", "method"])]
    sql: Option<String>,
    #[command(flatten)]
    catalog: Catalog,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    who: Who,
}

pub fn run(explain: &Explain) -> Result<ExitCode, Failure> {
    let (set, _, cases) = super::load(&explain.set)?;
    let understanding = explain.catalog.open()?;
    let case = understanding.completed(subject::case(&explain.who, &explain.what, explain.sql.as_deref(), &cases)?);
    let principal = match (&explain.who.claims, &explain.who.config) {
        (Some(claims), Some(config)) => preview(claims, config)?,
        _ => cases::principal(&case.caller).map_err(Failure::new)?,
    };
    let (_, evaluation) = cases::run_as(&set, &case, &principal, &|case| understanding.analyze(case)).map_err(Failure::new)?;
    if explain.json {
        println!("{}", render::policy::evaluation(&set, &principal.to_string(), &evaluation));
    } else {
        print!("{}", printable_lines(&sluice_policy::explain(&set, &principal.to_string(), &evaluation)));
    }
    Ok(if evaluation.outcome == Outcome::Permitted { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

/// Who a token with these claims would be.
fn preview(claims: &Path, config: &Path) -> Result<Principal, Failure> {
    let configuration = configuration::read_sound(config)?;
    let checked = sluice_identity::check(&configuration.text).map_err(|problems| {
        Failure::new(format!("{}: {}", configuration::FILE, problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    })?;
    let failed = |why: String| Failure::new(format!("{}: {why}", claims.display()));
    let bytes = std::fs::metadata(claims).map_err(|error| failed(error.to_string()))?.len();
    if bytes > CLAIMS_BYTES_MAX {
        return Err(failed(format!("{bytes} bytes, at most {CLAIMS_BYTES_MAX}")));
    }
    let text = std::fs::read(claims).map_err(|error| failed(error.to_string()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Identity::new(checked, None).preview(MEDIA_TYPE, &text, now).map_err(|refusal| failed(refusal.operator_text().0))
}
