//! What everybody wants to know first.

use super::Content;
use crate::record::section::SectionId;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// The method: `bigquery.jobs.query`, `storage.ReadRows`, `mcp.query`.
    pub api: String,
    pub connection: Option<String>,
    /// `permitted`, `refused`, `completed`, `failed` ... in one word.
    pub outcome: String,
    /// Refused or failed: why, as a word of the program's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// Canonical names of what is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Counts with their unit: `bytes_billed`, `polls`, `duration_ms`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}

/// Where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// What the client says it is: nobody signed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobName {
    pub project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub id: String,
}

/// Of what people do to the gateway or to a record: configuration, keys, holds, erasure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: String,
    pub by: String,
    pub reason: String,
    /// The law or the contract that asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Digests and names, before and after.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Content for Meta {
    const SECTION: SectionId = SectionId::Meta;
}

impl Content for Change {
    const SECTION: SectionId = SectionId::Meta;
}
