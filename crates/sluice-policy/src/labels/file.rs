//! The labels file. Read whole: every problem is reported, not the first.

use super::{FOUND_LABEL, Label, Labels, Pattern, Release, UNMAPPED_TAG};
use crate::mask::Mask;
use serde::Deserialize;
use std::collections::BTreeMap;

pub const LABELS_FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsFile {
    format: u32,
    #[serde(default)]
    labels: BTreeMap<String, LabelEntry>,
    #[serde(default)]
    released: Vec<ReleaseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelEntry {
    mask: String,
    reason: String,
    /// Empty is another thing than missing: it says that findings and people alone give the label.
    columns: Option<Vec<String>>,
    #[serde(default)]
    policy_tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseEntry {
    column: String,
    label: String,
    by: String,
    reason: String,
}

impl Labels {
    pub fn read(text: &str) -> Result<Labels, Vec<String>> {
        let file: LabelsFile = toml::from_str(text).map_err(|error| vec![error.message().to_owned()])?;
        let mut problems = Vec::new();
        if file.format != LABELS_FORMAT {
            problems.push(format!("format {} is not {LABELS_FORMAT}", file.format));
        }
        let mut read = Labels::none();
        for (name, entry) in file.labels {
            read.add(name, entry, &mut problems);
        }
        for entry in file.released {
            read.release(entry, &mut problems);
        }
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    fn add(&mut self, name: String, entry: LabelEntry, problems: &mut Vec<String>) {
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_') {
            problems.push(format!("label `{name}` is not made of small letters, digits and underscores"));
        }
        if name == FOUND_LABEL {
            problems.push(format!("label `{name}` is the program's own: detectors give it"));
        }
        if entry.reason.trim().is_empty() {
            problems.push(format!("label `{name}` has no reason"));
        }
        if entry.columns.is_none() && entry.policy_tags.is_empty() && name != UNMAPPED_TAG {
            let advice = "`columns = []` says that findings, or people, give it";
            problems.push(format!("label `{name}` names no column and no policy tag; {advice}"));
        }
        let mask = Mask::parse(&entry.mask);
        if mask.is_none() {
            problems.push(format!("mask `{}` of label `{name}` is none of {}", entry.mask, Mask::words().join(", ")));
        }
        for column in entry.columns.iter().flatten() {
            match Pattern::parse(column) {
                Ok(pattern) => self.patterns.push((pattern, name.clone())),
                Err(problem) => problems.push(format!("label `{name}`: {problem}")),
            }
        }
        for tag in entry.policy_tags {
            if let Some(other) = self.tags.insert(tag.clone(), name.clone()) {
                problems.push(format!("policy tag `{tag}` is mapped to `{other}` and to `{name}`"));
            }
        }
        self.labels.insert(name.clone(), Label { name, mask: mask.unwrap_or(Mask::Refuse), reason: entry.reason });
    }

    fn release(&mut self, entry: ReleaseEntry, problems: &mut Vec<String>) {
        if entry.by.trim().is_empty() || entry.reason.trim().is_empty() {
            problems.push(format!("the release of `{}` does not say by whom and why", entry.column));
        }
        if !self.labels.contains_key(&entry.label) && entry.label != UNMAPPED_TAG && entry.label != FOUND_LABEL {
            problems.push(format!("the release of `{}` names label `{}`, which is not there", entry.column, entry.label));
        }
        match Pattern::parse(&entry.column) {
            Ok(column) => self.released.push(Release { column, label: entry.label, by: entry.by, reason: entry.reason }),
            Err(problem) => problems.push(format!("release: {problem}")),
        }
    }
}
