//! What left the gateway, by digest and by count; and what BigQuery said of its side.

use super::{Content, sha256_text};
use crate::record::section::SectionId;
use serde::Serialize;
use std::collections::BTreeMap;

/// Rows that are about to leave, masked: on record before the first byte does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    pub number: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Of the bytes as they leave.
    pub digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<MaskedCells>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskedCells {
    pub path: String,
    pub mask: String,
    pub cells: u64,
    /// That were null as they came. Masks that hide all hide that as well.
    pub nulls: u64,
    /// Why it is masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Where it comes from, labelled columns alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// What left as it is, though it is labelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClearPath {
    pub path: String,
    pub labels: Vec<String>,
    pub columns: Vec<String>,
}

/// All that left for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub pages: u64,
    pub rows: u64,
    pub bytes: u64,
    /// The client went away, or it was cut off.
    pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_digest: Option<String>,
    /// Of all pages, each path once for each mask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<MaskedCells>,
    /// Of rows that left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<ClearPath>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Upstream {
    pub job: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub attempts: u64,
    /// Of the job's statistics, those that have a known name and are numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statistics: BTreeMap<String, u64>,
    /// A word of BigQuery's: `notFound`, `quotaExceeded`. Its text can hold values, so it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Page {
    pub fn new(number: u64, rows: u64, bytes: u64, digest: &[u8; 32], masked: Vec<MaskedCells>) -> Page {
        Page { number, rows, bytes, digest: sha256_text(digest), masked }
    }
}

impl Content for Page {
    const SECTION: SectionId = SectionId::Result;
}

impl Content for Totals {
    const SECTION: SectionId = SectionId::Result;
}

impl Content for Upstream {
    const SECTION: SectionId = SectionId::Upstream;
}
