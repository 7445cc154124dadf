//! Labels of columns that no policy set names: those that came with data, policy tags that were seen, and what a person said. One file that only grows:
//! nothing in it is taken back but by a release in a policy set, which somebody signed.

use crate::checked_file::{CheckedFile, Lines, Place};
use crate::disk::Disk;
use crate::facts::{bytes_of, hexadecimal};
use crate::fault::StoreFault;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, DraftError, Kind, Subject};
use sluice_model::plain::check_line;
use sluice_model::{ColumnPath, TableName};
use sluice_policy::Known;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub const LABEL_BY_BYTES_MAX: usize = 256;
pub const LABEL_REASON_BYTES_MAX: usize = 1024;
/// Of the name of a label or of a policy tag.
pub const LABEL_BYTES_MAX: usize = 1024;
const SUBJECT_BYTES: usize = 16;
/// Of a label that came with data that was computed. Lines from before anybody asked say the same word: what nobody knows of is taken for computed.
const CARRIED: &str = "carried";
/// Of one that came with the value itself.
const COPIED: &str = "copied";

/// Why a column has a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It came with the data of this request.
    Carried(Subject),
    /// A person said so.
    Set { by: String, reason: String },
    /// Detectors found something in it: the record that says what.
    Found(u64),
    /// A person gave a list of columns.
    Imported { by: String, reason: String },
    /// BigQuery had this policy tag on it.
    Tagged,
    /// The same, as a person gave a list of them.
    TagsImported { by: String, reason: String },
}

/// Columns that got labels at once, each with its label or its policy tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelling {
    pub origin: Origin,
    /// What lies in the columns was computed from what their labels mean. Of policy tags nobody says so.
    pub computed: bool,
    /// Seconds since 1970.
    pub at: u64,
    pub columns: Vec<(ColumnPath, String)>,
}

/// All that was ever said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLabels {
    labellings: Vec<Labelling>,
    known: Known,
    recorded: BTreeSet<u64>,
}

pub struct KeptLabelsFile {
    file: CheckedFile<KeptLabels>,
}

impl KeptLabelsFile {
    /// Makes the file that `open` expects: one that is missing must not pass for one that knows of no label.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        CheckedFile::<KeptLabels>::create(&Place::of(path)?)
    }

    pub fn create_on(disk: Arc<dyn Disk>, name: &str) -> Result<(), StoreFault> {
        CheckedFile::<KeptLabels>::create(&Place::on(disk, name))
    }

    pub fn open(path: &Path) -> Result<KeptLabelsFile, StoreFault> {
        Ok(KeptLabelsFile { file: CheckedFile::open(Place::of(path)?)? })
    }

    pub fn open_on(disk: Arc<dyn Disk>, name: &str) -> Result<KeptLabelsFile, StoreFault> {
        Ok(KeptLabelsFile { file: CheckedFile::open(Place::on(disk, name))? })
    }

    pub fn current(&self) -> Result<Arc<KeptLabels>, StoreFault> {
        self.file.current()
    }

    /// Durable when it returns. Answers its number.
    pub fn add(&self, labelling: &Labelling) -> Result<u64, StoreFault> {
        labelling.check().map_err(StoreFault::Refused)?;
        self.file.append(|kept| Ok((labelling.line(), kept.labellings.len() as u64)))
    }

    /// That what a person did is on record. Between the record and this a crash may leave it to be recorded twice, never not at all.
    pub fn mark_recorded(&self, number: u64, record: u64) -> Result<(), StoreFault> {
        self.file.append(|_| Ok((format!("recorded {number} {record}"), ())))
    }
}

impl KeptLabels {
    pub fn labellings(&self) -> &[Labelling] {
        &self.labellings
    }

    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What persons did and is not on record yet, with its numbers. What came with a request is in the record of that.
    pub fn unrecorded(&self) -> impl Iterator<Item = (u64, &Labelling)> {
        let acts = (0..).zip(&self.labellings).filter(|(_, labelling)| labelling.origin.is_act());
        acts.filter(|(number, _)| !self.recorded.contains(number))
    }
}

impl Origin {
    /// By whom, and why.
    fn said(&self) -> Option<(&str, &str)> {
        match self {
            Origin::Imported { by, reason } | Origin::Set { by, reason } | Origin::TagsImported { by, reason } => Some((by, reason)),
            Origin::Carried(_) | Origin::Found(_) | Origin::Tagged => None,
        }
    }

    fn can_be_computed(&self) -> bool {
        matches!(self, Origin::Carried(_) | Origin::Imported { .. } | Origin::Set { .. })
    }

    /// Of a person: it has a record of its own.
    fn is_act(&self) -> bool {
        self.said().is_some()
    }
}

impl Labelling {
    /// What the ledger says of a person's act: the same words, whoever writes it.
    pub fn draft(&self, number: u64) -> Result<Draft, DraftError> {
        let (by, reason) = self.origin.said().unwrap_or_default();
        let columns: Vec<String> = self.columns.iter().map(|(column, label)| format!("{column}: {label}")).collect();
        let computed = self.computed.then(|| ("computed", "yes".to_owned()));
        let details =
            [("columns", columns.join(", ")), ("at", self.at.to_string()), ("number", number.to_string())].into_iter().chain(computed);
        let change = Change {
            what: match self.origin {
                Origin::Imported { .. } => "import labels",
                Origin::TagsImported { .. } => "import policy tags",
                _ => "label columns",
            }
            .to_owned(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            details: details.map(|(name, value)| (name.to_owned(), value)).collect(),
            ..Change::default()
        };
        Draft::of_change(Kind::AdminAction, None, &change)
    }

    fn check(&self) -> Result<(), String> {
        if self.columns.is_empty() {
            return Err("no column".to_owned());
        }
        if self.computed && !self.origin.can_be_computed() {
            return Err("nobody says of this that it was computed".to_owned());
        }
        if let Some((by, reason)) = self.origin.said() {
            check_line("who does it", by, LABEL_BY_BYTES_MAX)?;
            check_line("the reason", reason, LABEL_REASON_BYTES_MAX)?;
        }
        for (column, label) in &self.columns {
            check_line("the label", label, LABEL_BYTES_MAX)?;
            if column.path.is_empty() || column.path.iter().any(|part| part.is_empty() || part.contains('.')) {
                return Err(format!("`{column}` is no column"));
            }
        }
        Ok(())
    }

    fn line(&self) -> String {
        let written =
            |word: &str, by: &str, reason: &str| format!("{word} {}:{}", hexadecimal(by.as_bytes()), hexadecimal(reason.as_bytes()));
        let origin = match &self.origin {
            Origin::Carried(subject) => format!("{} {}", if self.computed { CARRIED } else { COPIED }, hexadecimal(&subject.0)),
            Origin::Set { by, reason } => written(if self.computed { "set_computed" } else { "set" }, by, reason),
            Origin::Found(record) => format!("found {record}"),
            Origin::Imported { by, reason } => written(if self.computed { "imported_computed" } else { "imported" }, by, reason),
            Origin::Tagged => "tagged -".to_owned(),
            Origin::TagsImported { by, reason } => written("tags_imported", by, reason),
        };
        let entry = |(column, label): &(ColumnPath, String)| {
            let TableName { project, dataset, table } = &column.table;
            let parts = [project, dataset, table, &column.path.join("."), label].map(|part| hexadecimal(part.as_bytes()));
            parts.join(":")
        };
        let columns: Vec<String> = self.columns.iter().map(entry).collect();
        format!("{origin} {} {}", self.at, columns.join(" "))
    }

    fn read(words: &[&str]) -> Option<Labelling> {
        let [kind, from, at, columns @ ..] = words else { return None };
        let computed = matches!(*kind, CARRIED | "imported_computed" | "set_computed");
        let origin = match (*kind, *from) {
            (CARRIED | COPIED, subject) => {
                let bytes = <[u8; SUBJECT_BYTES]>::try_from(bytes_of(subject)?).ok()?;
                Origin::Carried(Subject(bytes))
            }
            ("found", record) => Origin::Found(record.parse().ok()?),
            (act @ ("imported" | "imported_computed" | "set" | "set_computed" | "tags_imported"), said) => {
                let (by, reason) = said.split_once(':')?;
                let (by, reason) = (text(by)?, text(reason)?);
                match act {
                    "imported" | "imported_computed" => Origin::Imported { by, reason },
                    "set" | "set_computed" => Origin::Set { by, reason },
                    _ => Origin::TagsImported { by, reason },
                }
            }
            ("tagged", "-") => Origin::Tagged,
            _ => return None,
        };
        let columns = columns.iter().map(|entry| read_column(entry)).collect::<Option<Vec<_>>>()?;
        (!columns.is_empty()).then_some(Labelling { origin, computed, at: at.parse().ok()?, columns })
    }
}

fn read_column(entry: &str) -> Option<(ColumnPath, String)> {
    let parts = entry.split(':').map(text).collect::<Option<Vec<_>>>()?;
    let [project, dataset, table, path, label] = parts.as_slice() else { return None };
    let path = path.split('.').map(str::to_owned).collect();
    Some((ColumnPath { table: TableName::new(project, dataset, table), path }, label.clone()))
}

fn text(digits: &str) -> Option<String> {
    String::from_utf8(bytes_of(digits)?).ok()
}

impl Lines for KeptLabels {
    const HEAD: &'static str = "sluice kept labels 1\n";

    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["recorded", number, record] = words.as_slice() {
            let number: u64 = number.parse().ok()?;
            record.parse::<u64>().ok()?;
            let labelling = self.labellings.get(usize::try_from(number).ok()?)?;
            if !labelling.origin.is_act() {
                return None;
            }
            self.recorded.insert(number);
            return Some(());
        }
        let labelling = Labelling::read(&words)?;
        for (column, label) in &labelling.columns {
            match labelling.origin {
                Origin::Tagged | Origin::TagsImported { .. } => self.known.tag(column, label),
                _ if labelling.computed => self.known.inherit_computed(column, label),
                Origin::Carried(_) | Origin::Found(_) | Origin::Imported { .. } | Origin::Set { .. } => self.known.inherit(column, label),
            };
        }
        self.labellings.push(labelling);
        Some(())
    }
}

#[cfg(test)]
mod tests;
