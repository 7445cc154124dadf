//! Why a request was not served. What its caller reads and what an operator reads are two texts.

use crate::ports::{CatalogFault, JobsFault, KeepFault, SealFault, UpstreamFault};
use sluice_ledger::record::Subject;
use sluice_ledger::{AppendFault, RecordingError};
use sluice_mask::MaskFault;
use sluice_model::TableName;
use sluice_policy::Decision;

/// One request that was not served, with the id to quote.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub subject: Subject,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// Nothing was done: too many statements wait to be analysed, too many bodies are held, or the caller has too many answers with rows under way.
    Busy,
    /// Names could not be looked up.
    Catalog(CatalogFault),
    /// Somebody acts by this routine, or takes this table out of the warehouse; or changes it, or labels it.
    Concurrent {
        name: TableName,
    },
    /// The job does not stand for what was decided on: its schema, tables or routines differ.
    Drift(String),
    /// The client's own mistake, in a text made of its own words: a field, a parameter, a method that is not there.
    Form {
        reason: FormReason,
        text: String,
    },
    /// A job's book is not there.
    Jobs(JobsFault),
    /// Labels that have to be kept could not be.
    Labels(KeepFault),
    Masking(MaskFault),
    /// Another caller's, or nobody's. The same answer for both.
    NotFound {
        what: String,
    },
    /// BigQuery failed, before or after it began. With its own text where that cannot hold what the caller may not see.
    Upstream {
        fault: Box<UpstreamFault>,
        told: Option<String>,
    },
    Policy(Box<Decision>),
    /// It could not be put on record, so it was not done.
    Recording(AppendFault),
    Sealing(SealFault),
    /// The gateway was started anew while a job ran, and nobody can say whether what it read is what it was understood by.
    Unwatched,
    /// The token.
    Unproven(Box<sluice_identity::Refusal>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormReason {
    /// More than one answer may have.
    AnswerTooLarge,
    /// A job id that is taken.
    Duplicate,
    Invalid,
    /// The statement is not understood, by its own words or by the tables that it names.
    InvalidQuery,
    /// No such method.
    NoMethod,
    TooLarge,
    /// BigQuery has it, the gateway does not.
    Unsupported,
}

impl Why {
    /// For the record: one word.
    pub fn word(&self) -> &'static str {
        match self {
            Why::Busy => "busy",
            Why::Catalog(_) => "catalog",
            Why::Concurrent { .. } => "concurrent",
            Why::Drift(_) => "drift",
            Why::Form { reason, .. } => match reason {
                FormReason::AnswerTooLarge => "answer_too_large",
                FormReason::Duplicate => "duplicate",
                FormReason::Invalid => "invalid",
                FormReason::InvalidQuery => "invalid_query",
                FormReason::NoMethod => "no_method",
                FormReason::TooLarge => "too_large",
                FormReason::Unsupported => "unsupported",
            },
            Why::Jobs(_) => "jobs",
            Why::Labels(_) => "labels",
            Why::Masking(_) => "masking",
            Why::NotFound { .. } => "not_found",
            Why::Policy(_) => "policy",
            Why::Recording(_) => "recording",
            Why::Sealing(_) => "sealing",
            Why::Unproven(_) => "unproven",
            Why::Unwatched => "unwatched",
            Why::Upstream { .. } => "upstream",
        }
    }
}

impl Why {
    /// Work of this request ended without a word.
    pub(crate) fn broke_off() -> Why {
        Why::Recording(AppendFault::Dead("the request broke off".to_owned()))
    }
}

impl From<RecordingError> for Why {
    fn from(error: RecordingError) -> Why {
        Why::Recording(error.fault)
    }
}

impl From<SealFault> for Why {
    fn from(fault: SealFault) -> Why {
        Why::Sealing(fault)
    }
}

impl From<CatalogFault> for Why {
    fn from(fault: CatalogFault) -> Why {
        Why::Catalog(fault)
    }
}

impl From<JobsFault> for Why {
    fn from(fault: JobsFault) -> Why {
        Why::Jobs(fault)
    }
}

/// What is not there, as BigQuery names it.
pub(crate) fn absent(table: &TableName, with_its_dataset: bool) -> String {
    let TableName { project, dataset, table } = table;
    if with_its_dataset { format!("Dataset {project}:{dataset}") } else { format!("Table {project}:{dataset}.{table}") }
}

impl From<MaskFault> for Why {
    fn from(fault: MaskFault) -> Why {
        Why::Masking(fault)
    }
}
