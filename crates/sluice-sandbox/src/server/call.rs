//! One request, read: who, which method, what.

use super::methods::Method;
use crate::faults::Lie;
use crate::problem::Problem;
use crate::store::DatasetName;
use crate::values::Format;
use serde_json::Value;
use sluice_model::TableName;

pub struct Call {
    pub method: &'static Method,
    pub parts: Vec<(&'static str, String)>,
    pub query: Vec<(String, String)>,
    pub body: Value,
    pub user_email: String,
    pub if_match: Option<String>,
    /// What the fault plan adds.
    pub lie: Option<Lie>,
    pub hold_milliseconds: u64,
}

pub enum Reply {
    Empty,
    Json(Value),
    /// Where the pieces of a file go.
    UploadBegun {
        location: String,
        id: String,
    },
    UploadCancelled,
    UploadIncomplete {
        received_bytes: u64,
    },
}

/// Entries of a list page, where the client does not say.
const PAGE_ENTRIES_DEFAULT: usize = 50;
const PAGE_ENTRIES_MAX: usize = 1_000;

impl Call {
    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn project(&self) -> &str {
        self.part("projectId")
    }

    pub fn dataset(&self) -> DatasetName {
        DatasetName::new(self.project(), self.part("datasetId"))
    }

    pub fn table(&self) -> TableName {
        TableName::new(self.project(), self.part("datasetId"), self.part("tableId"))
    }

    pub fn routine(&self) -> TableName {
        TableName::new(self.project(), self.part("datasetId"), self.part("routineId"))
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = |value: &str| Problem::invalid(format!("Invalid value for {name}: {value}"));
        self.parameter(name).map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    pub fn format(&self) -> Format {
        Format { int64_timestamps: self.flag("formatOptions.useInt64Timestamp") }
    }

    /// A page of a list that is short enough to be walked: entries by name, the token being the last name.
    pub fn page<'a, T>(&self, entries: impl Iterator<Item = (String, &'a T)>) -> Result<(Vec<&'a T>, Option<String>), Problem> {
        let wanted = self.number("maxResults")?.map_or(PAGE_ENTRIES_DEFAULT, |count| usize::try_from(count).unwrap_or(PAGE_ENTRIES_MAX));
        let after = self.parameter("pageToken").unwrap_or_default();
        let mut rest = entries.filter(|(name, _)| name.as_str() > after);
        let page: Vec<(String, &T)> = rest.by_ref().take(wanted.clamp(1, PAGE_ENTRIES_MAX)).collect();
        let next = rest.next().and(page.last()).map(|(name, _)| name.clone());
        Ok((page.into_iter().map(|(_, entry)| entry).collect(), next))
    }

    /// A client that read an older state must not write over a newer one.
    pub fn check_etag(&self, current: &str) -> Result<(), Problem> {
        match self.if_match.as_deref().map(|etag| etag.trim_matches('"')) {
            None | Some("*") => Ok(()),
            Some(etag) if etag == current => Ok(()),
            Some(_) => Err(Problem::new(crate::problem::Reason::ConditionNotMet, "Precondition check failed.")),
        }
    }
}

/// `name` out of `{"datasetReference": {"datasetId": name}}` of the body.
pub fn referenced<'a>(body: &'a Value, reference: &str, field: &str) -> Result<&'a str, Problem> {
    let text = body.get(reference).and_then(|reference| reference.get(field)).and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| Problem::invalid(format!("Required parameter is missing: {reference}.{field}")))
}

/// Names of datasets, tables and routines: letters, digits and a few signs.
pub fn checked_name(name: &str) -> Result<&str, Problem> {
    let good = !name.is_empty() && name.len() <= 1_024 && name.chars().all(|letter| letter.is_alphanumeric() || "_- ".contains(letter));
    if good { Ok(name) } else { Err(Problem::invalid(format!("Invalid name \"{name}\""))) }
}
