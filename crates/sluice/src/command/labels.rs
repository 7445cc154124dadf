//! `sluice labels`: which columns have a label beside those that the policy set names, and why. A person may add one; what takes one off is a release in
//! the policy set, which is signed.

mod import;
mod scan;
mod suggest;

use super::on_record::{self, Said};
use super::policy::FolderLog;
use super::{EXIT_REFUSED, Failure};
use crate::configuration::{self, Configuration};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sluice_app::hex;
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{ActivationLog, PolicySet};
use sluice_store::{KeptLabels, KeptLabelsFile, Labelling, Ledger, Origin, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Labels follow data: what is written from a labelled column has its label from then on. Policy tags that were seen once count from then on too.
#[derive(Subcommand)]
pub enum Labels {
    Import(import::Import),
    List(List),
    Scan(scan::Scan),
    Set(Set),
    Suggest(suggest::Suggest),
}

/// Say which columns got a label, when and why.
///
/// The patterns of labels.toml are not in the list: `sluice policy check` shows those.
#[derive(Args)]
#[command(after_help = "Example:
  sluice labels list --config /etc/sluice --table acme-prod.clinic.patients_copy")]
pub struct List {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Of this table alone
    #[arg(long, value_name = "PROJECT.DATASET.TABLE")]
    table: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Put a label on columns, at once, until a release in the policy set takes it off.
///
/// A running gateway holds to it within a second, and puts it on record. With --ledger this command does, where no gateway runs. Exit code 0: it is so. 2: the label is none. 1: it could not be done.
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
        Labels::List(asked) => list(asked),
        Labels::Scan(asked) => scan::run(asked),
        Labels::Set(asked) => set(asked),
        Labels::Suggest(asked) => suggest::run(asked),
    }
}

fn list(asked: &List) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&asked.config)?;
    let kept = open(&configuration)?.current().map_err(|fault| failure(&fault))?;
    let table = asked.table.as_deref().map(|text| TableName::parse(text).ok_or_else(|| Failure::new(format!("`{text}` is no table"))));
    let table = table.transpose()?.map(|table| table.to_string().to_lowercase());
    let wanted = |column: &ColumnPath| table.as_ref().is_none_or(|table| column.table.to_string().to_lowercase() == *table);
    let entries: Vec<Entry<'_>> = entries(&kept).filter(|entry| wanted(entry.column)).collect();
    let waiting = kept.unrecorded().count();
    let lines: Vec<String> = entries.iter().map(Entry::line).collect();
    let text = if lines.is_empty() { "no column has one".to_owned() } else { lines.join("\n") };
    let more = if waiting == 0 { String::new() } else { format!("\n{waiting} not on record yet") };
    let values: Vec<Value> = entries.iter().map(Entry::value).collect();
    say(asked.json, &json!({ "labels": values, "not_on_record": waiting }), &format!("{text}{more}"));
    Ok(ExitCode::SUCCESS)
}

/// A column, what it has, and why.
struct Entry<'a> {
    column: &'a ColumnPath,
    label: &'a str,
    labelling: &'a Labelling,
}

fn entries(kept: &KeptLabels) -> impl Iterator<Item = Entry<'_>> {
    kept.labellings().iter().flat_map(|labelling| labelling.columns.iter().map(move |(column, label)| Entry { column, label, labelling }))
}

impl Entry<'_> {
    fn origin(&self) -> String {
        match &self.labelling.origin {
            Origin::Carried(request) => format!("with the data of request {}", hex(&request.0)),
            Origin::Set { by, reason } => format!("by {by}: {reason}"),
            Origin::Found(record) => format!("found by detectors, record {record}"),
            Origin::Imported { by, reason } => format!("imported by {by}: {reason}"),
            Origin::Tagged => "a policy tag of BigQuery's".to_owned(),
            Origin::TagsImported { by, reason } => format!("a policy tag of BigQuery's, imported by {by}: {reason}"),
        }
    }

    fn line(&self) -> String {
        let computed = if self.labelling.computed { ", computed" } else { "" };
        format!("{}  {}{computed}  since {}, {}", self.column, self.label, self.labelling.at, self.origin())
    }

    fn value(&self) -> Value {
        let Labelling { at, computed, .. } = self.labelling;
        let mut value = json!({ "column": self.column.to_string(), "label": self.label, "computed": computed, "at": at });
        let more = match &self.labelling.origin {
            Origin::Carried(request) => json!({ "origin": "carried", "request": hex(&request.0) }),
            Origin::Found(record) => json!({ "origin": "found", "record": record }),
            Origin::Imported { by, reason } => json!({ "origin": "imported", "by": by, "reason": reason }),
            Origin::Set { by, reason } => json!({ "origin": "set", "by": by, "reason": reason }),
            Origin::Tagged => json!({ "origin": "policy_tag" }),
            Origin::TagsImported { by, reason } => json!({ "origin": "policy_tag_imported", "by": by, "reason": reason }),
        };
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        value
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
    let columns = asked.columns.iter().map(|text| Ok((column(text)?, asked.label.clone()))).collect::<Result<Vec<_>, Failure>>()?;
    let (at, by, reason) = (now(), responsible.said.by.clone(), responsible.said.reason.clone());
    let file = open(&configuration)?;
    let computed = asked.computed;
    file.add(&Labelling { origin: Origin::Set { by, reason }, computed, at, columns }).map_err(|fault| failure(&fault))?;
    // It is so from here on, whatever becomes of the record.
    let (record, code) = responsible.record(&file);
    let Said { by, reason, json, .. } = &responsible.said;
    let value = json!({ "label": asked.label, "columns": asked.columns, "computed": computed, "by": by, "reason": reason, "at": at, "record": record });
    say(*json, &value, &format!("{}: {}, by {by}: {reason}\n{record}", asked.label, asked.columns.join(", ")));
    Ok(code)
}

impl Responsible {
    /// What to tell of the record, which a gateway makes where one runs.
    fn record(&self, file: &KeptLabelsFile) -> (String, ExitCode) {
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

fn column(text: &str) -> Result<ColumnPath, Failure> {
    let read = || {
        let name = TableName::parse(text)?;
        let (table, path) = name.table.split_once('.')?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let whole = !table.is_empty() && path.iter().all(|part| !part.is_empty());
        whole.then(|| ColumnPath { table: TableName::new(&name.project, &name.dataset, table), path })
    };
    read().ok_or_else(|| Failure::new(format!("`{text}` is no column: it is project.dataset.table.column")))
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
