//! Who asks, and what: put together from arguments, as a case would say it.

use super::super::Failure;
use clap::Args;
use sluice_policy::cases::{Case, CaseCaller, CaseDryRun, CaseMethod};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Who asks")]
pub struct Who {
    /// What the caller is: agent, person, pipeline or service
    #[arg(long, value_name = "KIND", required_unless_present_any = ["case", "claims"])]
    caller: Option<String>,
    /// Its subject, as its issuer names it
    #[arg(long, requires = "caller")]
    subject: Option<String>,
    /// A group that it is in; several may be given
    #[arg(long = "group", requires = "caller")]
    groups: Vec<String>,
    /// The person whom it acts for
    #[arg(long, value_name = "NAME", requires = "caller")]
    on_behalf_of: Option<String>,
    /// What a CI system signed about its run: protected=true, event=push ...
    #[arg(long = "run", value_name = "NAME=VALUE", requires = "caller")]
    run: Vec<String>,
    /// What else its issuer signed: namespace=etl ...
    #[arg(long = "fact", value_name = "NAME=VALUE", requires = "caller")]
    facts: Vec<String>,
    /// A just-in-time grant that it holds
    #[arg(long = "grant", value_name = "ID", requires = "caller")]
    grants: Vec<String>,
    /// The claims of a token as JSON instead, judged by the identity section of --config; no signature is looked at
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with = "caller")]
    pub claims: Option<PathBuf>,
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "What is asked")]
pub struct What {
    /// A case of the set, by its name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["caller", "claims", "sql", "method"])]
    pub case: Option<String>,
    /// A method of the API instead of a statement: tables.delete, tabledata.list ...
    #[arg(long, value_name = "NAME", conflicts_with = "sql")]
    method: Option<String>,
    /// The table that the method is about
    #[arg(long, value_name = "PROJECT.DATASET.TABLE", requires = "method")]
    table: Option<String>,
    /// Where the job puts the result
    #[arg(long, value_name = "PROJECT.DATASET.TABLE")]
    destination: Option<String>,
    /// What BigQuery's dry run says that it reads
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    bytes: u64,
}

/// The case that the arguments describe, or one of those that are there.
pub fn case(who: &Who, what: &What, sql: Option<&str>, cases: &[Case]) -> Result<Case, Failure> {
    if let Some(name) = &what.case {
        let found = cases.iter().find(|case| case.name == *name);
        return found.cloned().ok_or_else(|| Failure::new(format!("the set has no case `{name}`")));
    }
    let method = what.method.as_ref().map(|name| CaseMethod { name: name.clone(), table: what.table.clone(), ..CaseMethod::default() });
    let sql = sql.map(super::super::analyze::statement_text).transpose()?;
    Ok(Case {
        name: "the arguments".to_owned(),
        caller: caller(who)?,
        sql,
        method,
        destination: what.destination.clone(),
        dry_run: CaseDryRun { bytes: what.bytes, ..CaseDryRun::default() },
        ..Case::default()
    })
}

fn caller(who: &Who) -> Result<CaseCaller, Failure> {
    Ok(CaseCaller {
        kind: who.caller.clone().unwrap_or_default(),
        groups: who.groups.iter().cloned().collect(),
        subject: who.subject.clone(),
        run: if who.run.is_empty() { None } else { Some(pairs(&who.run)?) },
        facts: pairs(&who.facts)?,
        on_behalf_of: who.on_behalf_of.clone(),
        grants: who.grants.clone(),
    })
}

fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| Failure::new(format!("`{text}` is not NAME=VALUE")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    texts.iter().map(pair).collect()
}
