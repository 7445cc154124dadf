//! What detectors found in a column that nobody labelled: numbers, never a value.

use super::Content;
use crate::record::section::SectionId;
use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `card_number`, `email` ...
    pub kind: String,
    /// Whose own values they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Where they are computed, or may come from several columns: the output of the statement,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// and what it was computed from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// That were looked at on this day.
    pub cells: u64,
    /// Of these: they have the form of it.
    pub formed: u64,
    /// And are it.
    pub found: u64,
    /// By policy: `warn`, `label`, `refuse`.
    pub act: String,
    /// That the column gets at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whose rows showed it in the end.
    pub request: String,
    /// Digest of the set in force.
    pub policy: String,
}

impl Content for Finding {
    const SECTION: SectionId = SectionId::Meta;
}
