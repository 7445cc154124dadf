//! `sluice labels`: which columns have a label beside those that the policy set names, and why. A person may add one; what takes one off is a release in
//! the policy set, which is signed.

mod import;
mod list;
mod scan;
mod suggest;

use super::on_record::{self, Said};
use super::policy::FolderLog;
use super::{EXIT_REFUSED, Failure};
use crate::configuration::{self, Configuration};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sluice_model::plain::printable;
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{ActivationLog, PolicySet};
use sluice_store::{KeptLabelsFile, Labelling, Ledger, Origin, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// What stands in the name of no project, dataset, table or column.
const IN_NO_NAME: &str = "!\"$()*,/;?@[\\]^`{}~";
const UNCHECKED: &str = "whether these columns are there was not checked: a misspelt one labels nothing";

/// Labels follow data: what is written from a labelled column has its label from then on. Policy tags that were seen once count from then on too.
#[derive(Subcommand)]
pub enum Labels {
    Import(import::Import),
    List(list::List),
    Scan(scan::Scan),
    Set(Set),
    Suggest(suggest::Suggest),
}

/// Put a label on columns, at once, until a release in the policy set takes it off.
///
/// A running gateway holds to it within a second, and puts it on record. With --ledger this command does, where no gateway runs.
///
/// Each column is named in full: patterns (`*`) stand in labels.toml. Whether a column is there is not checked, for it may come later.
///
/// Exit code 0: it is so. 2: the label is none, or a column is none, and nothing has changed. 1: it could not be done.
#[derive(Args)]
#[command(after_help = "Example:
  sluice labels set --config /etc/sluice --label health --by ana --reason 'seen in a review' acme-prod.clinic.notes.text")]
pub struct Set {
    /// The columns hold what was computed from such values: no part of it is shown to whoever may not see them
    #[arg(long)]
    computed: bool,
    /// One of the policy set in force
    #[arg(long, value_name = "NAME")]
    label: String,
    /// The columns, a field of a record as `column.field`
    #[arg(required = true, value_name = "PROJECT.DATASET.TABLE.COLUMN")]
    columns: Vec<String>,
    #[command(flatten)]
    responsible: Responsible,
}

/// Who does it and why, and where it goes on record.
#[derive(Args)]
struct Responsible {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    #[command(flatten)]
    said: Said,
}

pub fn run(labels: &Labels) -> Result<ExitCode, Failure> {
    match labels {
        Labels::Import(asked) => import::run(asked),
        Labels::List(asked) => list::run(asked),
        Labels::Scan(asked) => scan::run(asked),
        Labels::Set(asked) => set(asked),
        Labels::Suggest(asked) => suggest::run(asked),
    }
}

fn set(asked: &Set) -> Result<ExitCode, Failure> {
    let responsible = &asked.responsible;
    let configuration = configuration::read_sound(&responsible.config)?;
    let known = labels_in_force(&configuration)?;
    if !known.contains(&asked.label) {
        let text = format!("`{}` is no label of the policy set in force: {}", asked.label, known.join(", "));
        say(responsible.said.json, &json!({ "refused": text }), &format!("refused: {text}"));
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    let read: Result<Vec<ColumnPath>, String> = asked.columns.iter().map(|text| column(text)).collect();
    let columns: Vec<(ColumnPath, String)> = match read {
        Ok(columns) => columns.into_iter().map(|column| (column, asked.label.clone())).collect(),
        Err(text) => {
            say(responsible.said.json, &json!({ "refused": text }), &format!("refused: {text}"));
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
    };
    let (at, by, reason) = (now(), responsible.said.by.clone(), responsible.said.reason.clone());
    let file = open(&configuration)?;
    let computed = asked.computed;
    file.add(&Labelling { origin: Origin::Set { by, reason }, computed, at, columns }).map_err(|fault| failure(&fault))?;
    // It is so from here on, whatever becomes of the record.
    let (record, code) = responsible.record(&file, true);
    let Said { by, reason, json, .. } = &responsible.said;
    let value = json!({
        "label": asked.label, "columns": asked.columns, "columns_checked": false, "computed": computed, "by": by, "reason": reason, "at": at,
        "record": record,
    });
    say(*json, &value, &format!("{}: {}, by {by}: {reason}\n{UNCHECKED}\n{record}", asked.label, asked.columns.join(", ")));
    Ok(code)
}

impl Responsible {
    /// What to tell of the record, which a gateway makes where one runs; of what earlier commands did too, where this one has the ledger.
    fn record(&self, file: &KeptLabelsFile, is_new: bool) -> (String, ExitCode) {
        if !is_new && self.said.ledger.is_none() {
            return ("nothing is new, so nothing goes on record".to_owned(), ExitCode::SUCCESS);
        }
        on_record::told((self.said.ledger.as_deref(), self.said.keys.as_deref()), "labels", |ledger| record_all(file, ledger))
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A misspelt label would hide a column under a name that nobody knows.
fn labels_in_force(configuration: &Configuration) -> Result<Vec<String>, Failure> {
    Ok(set_in_force(configuration)?.labels.names().map(|label| label.name.clone()).collect())
}

fn set_in_force(configuration: &Configuration) -> Result<PolicySet, Failure> {
    let log = FolderLog::new(&configuration.policy.activations, configuration.policy.keys.clone());
    let standing = log.standing().map_err(|error| Failure::new(error.to_string()))?;
    let digest = standing.in_force().ok_or_else(|| Failure::new("no policy set is in force: `sluice policy activate` puts one there"))?;
    log.set(digest).map_err(|error| Failure::new(error.to_string()))
}

/// One column by its full name. What holds letters that no name of BigQuery's may hold would label nothing.
fn column(text: &str) -> Result<ColumnPath, String> {
    let read = || {
        let name = TableName::parse(text)?;
        let (table, path) = name.table.split_once('.')?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        Some(ColumnPath { table: TableName::new(&name.project, &name.dataset, table), path })
    };
    let shown = printable(text);
    if text.contains('*') {
        return Err(format!(
            "`{shown}` is a pattern: patterns stand in labels.toml, as `columns` of a label; here each column is named in full"
        ));
    }
    let column = read().ok_or_else(|| format!("`{shown}` is no column: it is project.dataset.table.column"))?;
    let is_none = |part: &String| {
        part.is_empty() || part.trim() != part.as_str() || part.contains(|letter: char| letter.is_control() || IN_NO_NAME.contains(letter))
    };
    let ColumnPath { table: TableName { project, dataset, table }, path } = &column;
    if [project, dataset, table].into_iter().chain(path).any(is_none) {
        return Err(format!("`{shown}` is no column: a part of it is no name. It is project.dataset.table.column, without quotes"));
    }
    Ok(column)
}

fn record_all(file: &KeptLabelsFile, ledger: &mut Ledger) -> Result<Vec<u64>, Failure> {
    let kept = file.current().map_err(|fault| failure(&fault))?;
    let acts = kept.unrecorded().map(|(number, act)| (number, act.draft(number)));
    on_record::each(ledger, acts, |number, record| file.mark_recorded(number, record))
}

fn open(configuration: &Configuration) -> Result<KeptLabelsFile, Failure> {
    let path: &Path = &configuration.policy.labels;
    KeptLabelsFile::open(path).map_err(|fault| {
        if path.exists() {
            return failure(&fault);
        }
        Failure::new(format!("{} is not there: `sluice init` makes it", path.display()))
    })
}

fn failure(fault: &StoreFault) -> Failure {
    Failure::new(fault.to_string())
}

fn say(as_json: bool, value: &Value, text: &str) {
    if as_json {
        println!("{value}");
    } else {
        println!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_named_in_full() {
        let check = |text: &str, expect: Result<&str, &str>| match (column(text), expect) {
            (Ok(column), Ok(name)) => assert_eq!(column.to_string(), name, "{text}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("p.d.t.a", Ok("p.d.t.a"));
        check("example.com:p.d.t.a.b", Ok("example.com:p.d.t.a.b"));
        check("p.d.t.straße & co", Ok("p.d.t.straße & co"));
        check("p.d.events-2024.a", Ok("p.d.events-2024.a"));
        check("acme-prod.shop.*.name", Err("patterns stand in labels.toml"));
        check("p.d.t.na*", Err("patterns stand in labels.toml"));
        for none in ["", "p.d.t", "p.d.t.", "p.d..a", "`p.d.t.a`", "p.d.t. a", "p.d.t.a\n", "p.d.t$20240101.a", "p.d.t.a;b", "p.d.t.[a]"] {
            check(none, Err("is no column"));
        }
    }
}
