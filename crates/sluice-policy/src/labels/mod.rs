//! Labels: which columns are sensitive, and how they are masked. Looked up by canonical name alone, and in any letters:
//! a label too many hides, a label too few leaks.

mod file;
mod found;
mod pattern;
mod sizes;
mod table;
#[cfg(test)]
mod tests;

pub use file::LABELS_FORMAT;
pub use found::Found;
pub use pattern::Pattern;
pub(crate) use sizes::is_size_of_tables;

use crate::mask::Mask;
use crate::plan::Inherited;
use sluice_model::{ColumnPath, TableName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A policy tag that no label is mapped to still says that somebody found the column sensitive.
pub const UNMAPPED_TAG: &str = "unmapped_policy_tag";

/// Detectors found something in the column, and policy wants a person to look before it is shown. Any other label of the column takes its place.
pub const FOUND_LABEL: &str = "found_sensitive";

/// The labels file of a policy set, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    labels: BTreeMap<String, Label>,
    patterns: Vec<(Pattern, String)>,
    tags: BTreeMap<String, String>,
    released: Vec<Release>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub name: String,
    pub mask: Mask,
    pub reason: String,
}

/// A person took a label off a column. It stands in the signed set, so it is on record who and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub column: Pattern,
    pub label: String,
    pub by: String,
    pub reason: String,
}

/// What is known of columns besides the labels file. Kept by the application, given in with each question; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// BigQuery's policy tags, also those that a column had once: they are sticky.
    policy_tags: Arc<Names>,
    /// Labels that came with the data, when a labelled column was written somewhere.
    inherited: Arc<Names>,
    /// Those of them that came with something computed.
    computed: Arc<Names>,
}

/// A line of the labels file that speaks of columns.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    pub pattern: &'a Pattern,
    pub label: &'a str,
    pub reason: &'a str,
    /// It takes the label off: who says so.
    pub released_by: Option<&'a str>,
}

/// How much of a column is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Whether a struct is NULL, how long an array is. Whoever is shown the struct without a field of it sees that all the same, so a label on a field
    /// does not hide it; one on the struct itself, or around it, does.
    Shape,
    Whole,
}

/// By canonical column.
type Names = BTreeMap<String, BTreeSet<String>>;

impl Labels {
    /// Nothing is labelled. For a set that says so: a labels file that is missing is an error, not this.
    pub fn none() -> Labels {
        Labels { labels: BTreeMap::new(), patterns: Vec::new(), tags: BTreeMap::new(), released: Vec::new() }
    }

    /// The labels of a column, each once, in the order of their names.
    pub fn of<'a>(&'a self, column: &ColumnPath, known: &'a Known) -> Vec<&'a Label> {
        let table = canonical_table(&column.table);
        self.among(&table, &self.touching(&table), column, Extent::Whole, known)
    }

    /// Those that are on the column itself, or around it: who sees whether it is NULL, or how long it is, sees what they mean.
    pub fn of_shape<'a>(&'a self, column: &ColumnPath, known: &'a Known) -> Vec<&'a Label> {
        let table = canonical_table(&column.table);
        self.among(&table, &self.touching(&table), column, Extent::Shape, known)
    }

    /// The patterns that mean columns of a table, whose name is canonical.
    fn touching(&self, table: &TableName) -> Vec<(&Pattern, &str)> {
        let measured = sizes::measured(table);
        let touches = |pattern: &Pattern| measured.map_or_else(|| pattern.touches(table), |project| pattern.touches_project(project));
        let patterns = self.patterns.iter().filter(|(pattern, _)| touches(pattern));
        patterns.map(|(pattern, label)| (pattern, label.as_str())).collect()
    }

    /// The same, for a table whose patterns are known.
    fn among<'a>(
        &'a self,
        table: &TableName,
        patterns: &[(&'a Pattern, &'a str)],
        column: &ColumnPath,
        extent: Extent,
        known: &'a Known,
    ) -> Vec<&'a Label> {
        if patterns.is_empty() && known.is_empty() {
            return Vec::new();
        }
        let path: Vec<String> = column.path.iter().map(|part| part.to_lowercase()).collect();
        let column = ColumnPath { table: table.clone(), path };
        if column == whole(table) {
            return self.of_whole(table, patterns, known);
        }
        let mut names: BTreeSet<&'a str> = BTreeSet::new();
        let tagged = |tag: &'a String| self.label_of_tag(tag);
        match sizes::measured(table) {
            Some(_) if !sizes::is_size(&column.path) => return Vec::new(),
            Some(project) => {
                names.extend(patterns.iter().map(|(_, label)| *label));
                names.extend(within(&known.policy_tags, project).map(tagged));
                names.extend(within(&known.inherited, project).map(String::as_str));
            }
            None => {
                let means = |pattern: &Pattern| match extent {
                    Extent::Whole => pattern.covers_path(&column.path),
                    Extent::Shape => pattern.covers_whole_path(&column.path),
                };
                names.extend(patterns.iter().filter(|(pattern, _)| means(pattern)).map(|(_, label)| *label));
                names.extend(names_of(&known.policy_tags, &column, extent).into_iter().map(tagged));
                names.extend(names_of(&known.inherited, &column, extent).into_iter().map(String::as_str));
            }
        }
        names.retain(|name| !self.is_released(&column, name));
        if names.len() > 1 {
            names.remove(FOUND_LABEL);
        }
        names.into_iter().map(|name| self.called(name)).collect()
    }

    /// Whether what lies in a column was computed from what its labels mean. A label that was taken off says nothing of it.
    pub fn is_computed(&self, column: &ColumnPath, known: &Known) -> bool {
        if known.computed.is_empty() {
            return false;
        }
        let column = canonical(column);
        let mut labels = around(&known.computed, &column);
        labels.any(|label| !self.is_released(&column, label))
    }

    /// The labels that columns of a table have. A table that might be behind a wildcard counts.
    pub fn of_table<'a>(&'a self, table: &TableName, known: &'a Known) -> BTreeSet<&'a str> {
        let mut names = self.kept_of_table(table, known);
        names.extend(self.touching(&canonical_table(table)).into_iter().map(|(_, label)| label));
        names
    }

    /// Those of them that are known of a column by its name: what came with data, and BigQuery's tags. Of a wildcard: of all tables behind it, also of those
    /// that are gone.
    pub fn kept_of_table<'a>(&'a self, table: &TableName, known: &'a Known) -> BTreeSet<&'a str> {
        let name = canonical_table(table).to_string();
        let prefix = name.strip_suffix('*').map_or_else(|| format!("{name}."), str::to_owned);
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let tags = known.policy_tags.range(prefix.clone()..).take_while(|(column, _)| column.starts_with(&prefix));
        names.extend(tags.flat_map(|(_, tags)| tags).map(|tag| self.tags.get(tag).map_or(UNMAPPED_TAG, String::as_str)));
        let inherited = known.inherited.range(prefix.clone()..).take_while(|(column, _)| column.starts_with(&prefix));
        names.extend(inherited.flat_map(|(_, labels)| labels).map(String::as_str));
        names
    }

    pub fn names(&self) -> impl Iterator<Item = &Label> {
        self.labels.values()
    }

    /// The lines of the labels file that speak of columns, or of those of one table: patterns first, then what was taken off.
    pub fn written(&self, table: Option<&TableName>) -> Vec<Written<'_>> {
        let touching = match table.map(canonical_table) {
            Some(table) => self.touching(&table),
            None => self.patterns.iter().map(|(pattern, label)| (pattern, label.as_str())).collect(),
        };
        let given =
            touching.into_iter().map(|(pattern, label)| Written { pattern, label, reason: &self.called(label).reason, released_by: None });
        let is_meant = |release: &&Release| table.is_none_or(|table| release.column.touches(&canonical_table(table)));
        let released = self.released.iter().filter(is_meant).map(|release| Written {
            pattern: &release.column,
            label: &release.label,
            reason: &release.reason,
            released_by: Some(release.by.as_str()),
        });
        given.chain(released).collect()
    }

    /// A label and what it is for, in words.
    pub fn told(&self, name: &str) -> String {
        format!("{name}: {}", self.called(name).reason)
    }

    /// Each label with all that it means, as one text.
    pub fn described(&self) -> BTreeMap<String, String> {
        let of = |label: &Label| {
            let mut means: BTreeSet<String> = BTreeSet::new();
            means.extend(self.patterns.iter().filter(|(_, name)| *name == label.name).map(|(pattern, _)| pattern.to_string()));
            means.extend(self.tags.iter().filter(|(_, name)| **name == label.name).map(|(tag, _)| format!("policy tag {tag}")));
            let means = if means.is_empty() { "no column by itself".to_owned() } else { means.into_iter().collect::<Vec<_>>().join(", ") };
            (label.name.clone(), format!("mask {}; {}; {means}", label.mask, label.reason))
        };
        self.labels.values().map(of).collect()
    }

    pub fn releases_described(&self) -> BTreeMap<String, String> {
        let of = |release: &Release| (format!("{}: {}", release.column, release.label), format!("by {}; {}", release.by, release.reason));
        self.released.iter().map(of).collect()
    }

    fn called(&self, name: &str) -> &Label {
        let unknown = if name == FOUND_LABEL { &FOUND } else { &UNKNOWN_LABEL };
        self.labels.get(name).unwrap_or(unknown)
    }

    fn label_of_tag(&self, tag: &str) -> &str {
        self.tags.get(tag).map_or(UNMAPPED_TAG, String::as_str)
    }

    fn is_released(&self, column: &ColumnPath, label: &str) -> bool {
        self.released.iter().any(|release| release.label == label && release.column.covers_whole(column))
    }
}

/// An inherited label whose definition is gone hides everything: only a release takes it off.
static UNKNOWN_LABEL: std::sync::LazyLock<Label> = std::sync::LazyLock::new(|| Label {
    name: UNMAPPED_TAG.to_owned(),
    mask: Mask::AlwaysNull,
    reason: "somebody labelled it, and no label of this policy set says what that means".to_owned(),
});

static FOUND: std::sync::LazyLock<Label> = std::sync::LazyLock::new(|| Label {
    name: FOUND_LABEL.to_owned(),
    mask: Mask::Refuse,
    reason: "its values look sensitive, and nobody has labelled or released it".to_owned(),
});

impl Known {
    /// Whether it was not known before.
    pub fn tag(&mut self, column: &ColumnPath, tag: &str) -> bool {
        add(&mut self.policy_tags, column, tag)
    }

    /// What a permit said that a write carries along. Whether it was not known before.
    pub fn inherit(&mut self, column: &ColumnPath, label: &str) -> bool {
        add(&mut self.inherited, column, label)
    }

    /// The same for what was computed from a column with the label. It stays so: whoever writes a plain value beside it changes nothing of that.
    pub fn inherit_computed(&mut self, column: &ColumnPath, label: &str) -> bool {
        let is_new = self.inherit(column, label);
        add(&mut self.computed, column, label) || is_new
    }

    pub fn take(&mut self, kept: &Inherited) -> bool {
        match kept.computed {
            true => self.inherit_computed(&kept.column, &kept.label),
            false => self.inherit(&kept.column, &kept.label),
        }
    }

    fn is_empty(&self) -> bool {
        self.policy_tags.is_empty() && self.inherited.is_empty()
    }
}

fn add(known: &mut Arc<Names>, column: &ColumnPath, name: &str) -> bool {
    let column = canonical(column).to_string();
    let is_new = !known.get(&column).is_some_and(|names| names.contains(name));
    if is_new {
        Arc::make_mut(known).entry(column).or_default().insert(name.to_owned());
    }
    is_new
}

/// What is known of the column, of every struct around it and of everything in it.
fn around<'a>(known: &'a Names, column: &ColumnPath) -> impl Iterator<Item = &'a String> {
    let prefix = format!("{column}.");
    let inside = known.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(&prefix)).map(|(_, names)| names);
    above(column).into_iter().filter_map(|name| known.get(&name)).chain(inside).flatten()
}

/// The same, as far as it is asked about.
fn names_of<'a>(known: &'a Names, column: &ColumnPath, extent: Extent) -> Vec<&'a String> {
    match extent {
        Extent::Whole => around(known, column).collect(),
        Extent::Shape => above(column).into_iter().filter_map(|name| known.get(&name)).flatten().collect(),
    }
}

/// Of every column in a project.
fn within<'a>(known: &'a Names, project: &str) -> impl Iterator<Item = &'a String> + use<'a> {
    let prefix = format!("{project}.");
    known.range(prefix.clone()..).take_while(move |(column, _)| column.starts_with(&prefix)).flat_map(|(_, names)| names)
}

/// The column, every struct around it, and the whole table: what labels a struct labels its fields.
fn above(column: &ColumnPath) -> Vec<String> {
    let ends = 1..=column.path.len();
    let structs = ends.map(|end| ColumnPath { table: column.table.clone(), path: column.path.iter().take(end).cloned().collect() });
    structs.chain([whole(&column.table)]).map(|column| column.to_string()).collect()
}

/// Every column of a table, also those that nobody has seen. No column has such a name.
pub fn whole(table: &TableName) -> ColumnPath {
    ColumnPath { table: table.clone(), path: vec!["*".to_owned()] }
}

/// `t$20240101`, `t@-3600000` and `T` are `t`.
pub fn canonical_table(table: &TableName) -> TableName {
    TableName::new(&table.project.to_lowercase(), &table.dataset.to_lowercase(), &table.bare().table.to_lowercase())
}

pub fn canonical(column: &ColumnPath) -> ColumnPath {
    ColumnPath { table: canonical_table(&column.table), path: column.path.iter().map(|part| part.to_lowercase()).collect() }
}
