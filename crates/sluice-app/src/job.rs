//! Jobs as the gateway knows them: who owns one, and what was understood when it was dispatched.

use sluice_identity::Caller;
use sluice_ledger::record::Subject;
use sluice_model::{Analysis, Field, Output, TableName};
use sluice_policy::{Destination, DryRun, Parameter};
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobName {
    pub project: String,
    /// BigQuery's name for where it runs, in lower case; nothing until it is known.
    pub location: Option<String>,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct KnownJob {
    pub connection: String,
    pub name: JobName,
    /// As `owner_of` says it.
    pub owner: String,
    /// The request that began it.
    pub subject: Subject,
    /// By what the same request is found again, if its client gave it an id.
    pub request_id: Option<String>,
    pub created_ms: u64,
    pub work: JobWork,
    /// Where its result is, once that is known.
    pub result_table: Option<TableName>,
    /// BigQuery took it from the gateway under this name. Until then the name is only claimed: the job that has it may be anybody's.
    pub arrived: bool,
    pub course: Course,
}

/// What another process of the gateway needs to go on with a job: the one that began it may end first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Who asks BigQuery about it, as decisions name callers.
    pub caller: String,
    /// What it was understood by. Nothing where that is more names than are kept, or was not kept yet.
    pub rest: Option<Vec<Rested>>,
    /// What it makes another thing that its text does not say.
    pub changes: Vec<TableName>,
    pub copied: Option<Copied>,
    /// The id of the script that it is a part of.
    pub script: Option<String>,
    /// Nothing as long as nobody has judged it.
    pub verdict: Option<Verdict>,
}

/// Whether a job that is over read what it was understood by. What was overtaken once is withheld for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ran still, and will have been overtaken when it is over.
    Disturbed,
    Overtaken,
    Undisturbed,
}

/// A name that a job was understood by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rested {
    pub name: TableName,
    pub kind: RestedKind,
    pub role: RestedRole,
    /// A digest of its columns, types and texts; nothing of what was not there.
    pub shape: Option<[u8; 32]>,
    /// Of what is written by place.
    pub places: Option<Places>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestedKind {
    /// Not there, or a name with a star.
    Absent,
    Model,
    Routine,
    Table,
}

/// Why a request rests on a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestedRole {
    /// It made it itself, and opens it afterwards: whatever another makes of it is another thing.
    Made,
    /// It goes elsewhere as it is.
    Moved,
    Read,
    /// Columns are written that are there already, by their places.
    Written,
}

/// The names of a table's first columns, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    pub count: usize,
    pub digest: [u8; 32],
}

/// What a job that copies tables brings where: labels go with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    pub to: TableName,
    pub columns: Vec<Output>,
    /// Those that its destination has already and keeps.
    pub kept: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobWork {
    /// Load, copy, extract: it has no rows.
    Other,
    Query(Box<QueryWork>),
}

/// What pages are decided by: never analysed afresh.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryWork {
    pub text: String,
    pub parameters: Vec<Parameter>,
    pub default_dataset: Option<(String, String)>,
    pub destination: Option<Destination>,
    pub analysis: Arc<Analysis>,
    pub dry_run: Option<DryRun>,
    pub part: Part,
}

/// Of a job that is asked for rows and has none.
pub(crate) const NO_QUERY: &str = "the job is no query, it has no rows";
pub(crate) const UNSHOWN: &str =
    "what this part of a script gives is a value of a variable, which is shown to nobody; accepted: the result of the script itself";

/// What a job is of the text that its analysis is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Whole,
    /// One statement of the script that gives no rows: INSERT, CREATE.
    Silent,
    /// One statement of the script, whose rows are an output of it.
    Shown,
    /// Anything else in a script, the value of a variable for one: nobody decided that its rows may be seen.
    Unshown,
}

/// Whose a job is. An agent's jobs for one person are not its jobs for another: what it asked for the one, the other may not see.
pub fn owner_of(caller: &Caller) -> String {
    let principal = caller.principal();
    match &principal.delegation {
        None => principal.to_string(),
        Some(delegation) => format!("{principal} for {}#{}", delegation.on_behalf_of.issuer, delegation.on_behalf_of.subject),
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(formatter, "{}:{location}.{}", self.project, self.id),
            None => write!(formatter, "{}:{}", self.project, self.id),
        }
    }
}
