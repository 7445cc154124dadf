//! `sluice labels suggest`: what detectors found and what columns are called, as commands that a person may run. It changes nothing.

use super::{labels_in_force, say};
use crate::command::Failure;
use crate::command::ledger::{Keys, Place, Stop, disk, secrets};
use crate::{catalog_folder, configuration};
use clap::Args;
use serde_json::{Value, json};
use sluice_ledger::record::{Kind, OpenedSection, SectionId};
use sluice_mask::kinds_by_name;
use sluice_model::plain::printable;
use sluice_model::{Field, Type};
use sluice_policy::FindingKind;
use sluice_store::{Reader, StoreFault};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// In place of a label that a person has to choose.
const NO_LABEL: &str = "LABEL";

/// Print the commands that would label what detectors found.
///
/// Reads the findings on record; with --catalog also the names of columns of a folder of table resources. Columns that have a label are
/// left out. It changes nothing: whoever agrees runs the commands.
#[derive(Args)]
#[command(after_help = "Example:
  sluice labels suggest var/ledger --keys var/ledger-keys --config /etc/sluice")]
pub struct Suggest {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// A folder of table resources, as `tables.get` returns them
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Why a column is suggested, by kind.
type Reasons = BTreeMap<FindingKind, String>;

pub fn run(asked: &Suggest) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&asked.config)?;
    let set = super::set_in_force(&configuration)?;
    let known = super::open(&configuration)?.current().map_err(|fault| super::failure(&fault))?;
    let mut columns = found(asked).map_err(|stop| match stop {
        Stop::Failed(text) | Stop::Refused(text) => Failure::new(printable(&text)),
    })?;
    if let Some(folder) = &asked.catalog {
        named(&catalog_folder::read(folder)?, &mut columns);
    }
    columns.retain(|name, _| super::column(name).is_ok_and(|column| set.labels.of(&column, known.known()).is_empty()));
    let labels = labels_in_force(&configuration)?;
    let (mut text, mut values) = (String::new(), Vec::new());
    for (column, reasons) in &columns {
        let label = reasons.keys().find_map(|kind| label_for(*kind, &labels)).unwrap_or(NO_LABEL);
        let why: Vec<&str> = reasons.values().map(String::as_str).collect();
        let column = quoted(column);
        text += &format!(
            "# {}\nsluice labels set --config {} --label {label} --by WHO --reason WHY {column}\n",
            printable(&why.join("; ")),
            asked.config.display()
        );
        values.push(
            json!({ "column": column, "label": Some(label).filter(|label| *label != NO_LABEL), "kinds": kinds(reasons), "because": why }),
        );
    }
    if columns.is_empty() {
        text += "nothing to suggest\n";
    }
    say(asked.json, &json!({ "suggested": values }), text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn kinds(reasons: &Reasons) -> Vec<&'static str> {
    reasons.keys().map(|kind| kind.word()).collect()
}

/// For a shell.
fn quoted(column: &str) -> String {
    let is_plain = column.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if is_plain { column.to_owned() } else { format!("'{}'", printable(column).replace('\'', "'\\''")) }
}

/// Findings on record, of columns; what was found in an output says where it comes from, and that is for a person to look at.
fn found(asked: &Suggest) -> Result<BTreeMap<String, Reasons>, Stop> {
    let folder = &asked.place.folder;
    let stop = |fault: StoreFault| Stop::of(folder, &fault);
    let secrets = secrets(&asked.keys.keys)?;
    let reader = Reader::open(disk(folder)?).map_err(stop)?;
    let mut records = Vec::new();
    let leaves = reader.each_leaf(0, |index, leaf| {
        records.extend((leaf.kind == Kind::Finding).then_some(index));
        Ok(())
    });
    leaves.map_err(stop)?;
    let mut columns: BTreeMap<String, Reasons> = BTreeMap::new();
    let master = secrets.master();
    for index in records {
        let (_, opened) = reader.open_record(index, master.as_ref()).map_err(stop)?;
        let texts = opened.iter().filter_map(|(section, opened)| match opened {
            OpenedSection::Verified(text) if *section == SectionId::Meta => serde_json::from_slice::<Value>(text).ok(),
            _ => None,
        });
        for finding in texts {
            let text = |name: &str| finding.get(name).and_then(Value::as_str);
            let number = |name: &str| finding.get(name).and_then(Value::as_u64).unwrap_or_default();
            let (Some(column), Some(kind)) = (text("column"), text("kind").and_then(FindingKind::parse)) else { continue };
            let why = format!("{kind}: {} of {} cells, record {index}", number("found"), number("cells"));
            columns.entry(column.to_owned()).or_default().insert(kind, why);
        }
    }
    Ok(columns)
}

/// Columns whose names say what they hold.
fn named(catalog: &sluice_sql::catalog::Snapshot, columns: &mut BTreeMap<String, Reasons>) {
    for table in catalog.tables.values() {
        let fields: Vec<Field> =
            table.columns.iter().map(|column| Field { name: column.name.clone(), kind: column.kind.clone() }).collect();
        let mut found = BTreeSet::new();
        inside(&fields, &table.name.to_string(), &table.name.table, &mut found);
        for (column, kind) in found {
            columns.entry(column).or_default().entry(kind).or_insert_with(|| format!("{kind}: by its name"));
        }
    }
}

fn inside(fields: &[Field], above: &str, around: &str, found: &mut BTreeSet<(String, FindingKind)>) {
    for field in fields {
        let path = format!("{above}.{}", field.name);
        let kind = match &field.kind {
            Type::Array(element) => element.as_ref(),
            kind => kind,
        };
        match kind {
            Type::Struct(fields) => inside(fields, &path, &field.name, found),
            _ => found.extend(kinds_by_name(&field.name, around).into_iter().map(|kind| (path.clone(), kind))),
        }
    }
}

/// The first label of the set whose name is usual for such a thing.
fn label_for(kind: FindingKind, labels: &[String]) -> Option<&str> {
    let usual: &[&str] = match kind {
        FindingKind::CardNumber | FindingKind::Iban => &["payment", "card", "bank", "financial"],
        FindingKind::Email => &["contact", "email"],
        FindingKind::Telephone => &["telephone", "phone", "contact"],
        FindingKind::IpAddress => &["network", "contact"],
        FindingKind::NhsNumber | FindingKind::UsNpi | FindingKind::UsSsn => &["national_id", "ssn"],
        FindingKind::DateOfBirth | FindingKind::PersonName => &["person", "identity", "pii", "personal"],
    };
    usual.iter().find_map(|usual| labels.iter().find(|label| label.as_str() == *usual)).map(String::as_str)
}
