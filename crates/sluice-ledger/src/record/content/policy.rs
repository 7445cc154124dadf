//! What policy said, by which set, and why.

use super::Content;
use crate::record::section::SectionId;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Digest of the set in force.
    pub set: String,
    /// `permitted`, `held`, `refused`, `to_estimate`.
    pub outcome: String,
    /// One judge or two.
    pub judge: String,
    /// Each question that was permitted, and by which rules.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub permitted: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<MaskedOutput>,
    /// Labelled, and shown as it is: the caller has the right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<ClearOutput>,
    /// Columns that are written, and the labels that they have from then on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inherits: BTreeMap<String, Vec<String>>,
    /// Those of them that go with something computed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inherits_computed: BTreeMap<String, Vec<String>>,
    /// Labelled columns that decide rows: a mark on what a mask does not cover.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decided_by: Vec<DecidedBy>,
    /// By the dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Millionths of the currency that prices are set in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
    /// What the other sets, which decide nothing, would have said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shadows: BTreeMap<String, String>,
}

/// One thing that stood in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusing {
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    pub rules: Vec<String>,
    pub fact: String,
}

/// A predicate on a labelled column that a rule let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidedBy {
    pub column: String,
    /// `filter`, `join`, `group` ...
    pub how: String,
    /// Of several labels, which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub rules: Vec<String>,
}

/// Approval that was due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    pub group: String,
    pub quorum: u64,
    pub assurance: String,
    pub rules: Vec<String>,
    pub questions: Vec<String>,
}

/// A path of an output, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskedOutput {
    pub statement: usize,
    pub output: usize,
    pub at: String,
    pub mask: String,
    pub labels: Vec<String>,
    pub columns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// A path of an output that is labelled and not masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClearOutput {
    pub statement: usize,
    pub output: usize,
    /// As the result names it.
    pub path: String,
    pub labels: Vec<String>,
    pub columns: Vec<String>,
}

impl Content for Policy {
    const SECTION: SectionId = SectionId::Policy;
}
