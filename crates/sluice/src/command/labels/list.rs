//! `sluice labels list`: what people, findings, tags and copies gave a label, and the patterns of labels.toml.

use super::{failure, open, say, set_in_force};
use crate::command::Failure;
use crate::configuration;
use clap::Args;
use serde_json::{Value, json};
use sluice_app::hex;
use sluice_ledger::date;
use sluice_model::plain::printable;
use sluice_model::{ColumnPath, TableName};
use sluice_policy::Written;
use sluice_store::{KeptLabels, Labelling, Origin};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say which columns have a label, since when and why.
///
/// The list has what people, findings, policy tags and copies gave a label, and the patterns of labels.toml in the policy set in force, each marked
/// as what it is; with --table those patterns that mean columns of it. Whether a column of that name is there is not asked.
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

pub fn run(asked: &List) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&asked.config)?;
    let kept = open(&configuration)?.current().map_err(|fault| failure(&fault))?;
    let read = |text: &str| TableName::parse(text).ok_or_else(|| Failure::new(format!("`{}` is no table", printable(text))));
    let table = asked.table.as_deref().map(read).transpose()?;
    let name = table.as_ref().map(|table| table.to_string().to_lowercase());
    let wanted = |column: &ColumnPath| name.as_ref().is_none_or(|name| column.table.to_string().to_lowercase() == *name);
    let entries: Vec<Entry<'_>> = entries(&kept).filter(|entry| wanted(entry.column)).collect();
    // What people gave counts for whatever set is in force later.
    let set = set_in_force(&configuration);
    let (patterns, unread) = match &set {
        Ok(set) => (set.labels.written(table.as_ref()), None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    let mut lines: Vec<String> = patterns.iter().map(pattern_line).collect();
    lines.extend(entries.iter().map(Entry::line));
    if let Some(why) = &unread {
        lines.push(format!("the patterns of labels.toml are not in the list: {}", printable(why)));
    }
    if lines.is_empty() {
        lines.push("no column has one".to_owned());
    }
    let waiting = kept.unrecorded().count();
    if waiting > 0 {
        lines.push(format!("{waiting} not on record yet"));
    }
    let values: Vec<Value> = entries.iter().map(Entry::value).collect();
    let patterns: Vec<Value> = patterns.iter().map(pattern_value).collect();
    let value = json!({ "labels": values, "patterns": patterns, "patterns_not_read": unread, "not_on_record": waiting });
    say(asked.json, &value, &lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn pattern_line(one: &Written<'_>) -> String {
    let (what, because) = match one.released_by {
        None => ("a pattern of labels.toml", String::new()),
        Some(by) => ("taken off in labels.toml", format!(" by {by}")),
    };
    printable(&format!("{}  {}  {what}{because}: {}", one.pattern, one.label, one.reason))
}

fn pattern_value(one: &Written<'_>) -> Value {
    let origin = if one.released_by.is_some() { "released" } else { "pattern" };
    json!({ "pattern": one.pattern.to_string(), "label": one.label, "origin": origin, "by": one.released_by, "reason": one.reason })
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
        let since = date::text(self.labelling.at.saturating_mul(1_000));
        format!("{}  {}{computed}  since {since}, {}", self.column, self.label, self.origin())
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
