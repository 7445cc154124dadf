//! What is asked for, whole: a permit owns it, so what is sent is what was decided.

use crate::judge::DryRun;
use sluice_model::{Analysis, Field, Output, RoutineName, TableName};
use std::collections::BTreeSet;

#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// As it is registered.
    pub connection: String,
    /// That is billed.
    pub project: String,
    pub work: Work,
    /// What else is asked by it, by action: the destination of a copy, an expiration that deletes.
    pub also: Vec<(String, Resource)>,
    /// What goes to BigQuery if it is permitted.
    pub sends: Sends,
}

impl Request {
    /// What was understood of the SQL in it.
    pub fn analysis(&self) -> Option<&Analysis> {
        match &self.work {
            Work::Method(method) => method.restriction.as_ref().map(|restriction| &restriction.analysis),
            Work::Statement(statement) => Some(&statement.analysis),
        }
    }

    /// It counts among its caller's jobs at once until it is done.
    pub fn begins_job(&self) -> bool {
        match &self.work {
            Work::Method(method) => matches!(method.name.as_str(), "jobs.copy" | "jobs.extract" | "jobs.load"),
            Work::Statement(statement) => statement.purpose == Purpose::Dispatch,
        }
    }
}

/// A call of BigQuery's REST API, built by a door out of what it understood. Policy does not read it; whoever holds the permit sends it as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sends {
    pub verb: Verb,
    /// Below the version of the API, encoded: `projects/p/jobs`.
    pub path: String,
    /// Not encoded.
    pub query: Vec<(String, String)>,
    /// JSON.
    pub body: Option<String>,
    /// The state that a change is meant for, as the client has it: BigQuery refuses it if the thing is not so any more.
    pub if_match: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verb {
    Delete,
    #[default]
    Get,
    Patch,
    Post,
    Put,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    Method(Method),
    Statement(Box<Statement>),
}

/// A query job, of fields that are understood and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    pub parameters: Vec<Parameter>,
    /// Project and dataset.
    pub default_dataset: Option<(String, String)>,
    pub location: Option<String>,
    pub destination: Option<Destination>,
    pub purpose: Purpose,
    /// Of this very text. It stays with the job: pages are decided by it.
    pub analysis: Analysis,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub kind: String,
    pub value: String,
}

/// Where the job itself puts the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub table: TableName,
    /// What was in the table before is gone.
    pub replaces: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Purpose {
    Dispatch,
    /// The client wants to know what it would cost, nothing more.
    DryRun,
    /// A page of a job that was dispatched, decided anew with what was found then.
    Page {
        job: String,
        dry_run: DryRun,
    },
}

/// A method without a statement, by the name that the schema gives it.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    pub name: String,
    pub resource: Resource,
    /// The columns that it reads, out of the catalog: `tabledata.list`, read sessions, copies and extracts.
    pub columns: Vec<Output>,
    /// Those of them in which NULL may not stand, by name. What is known of fields inside of them stops here.
    pub required: BTreeSet<String>,
    /// Of a read session: what decides which rows it reads.
    pub restriction: Option<Box<Restriction>>,
    /// Of a read session: the table, where it is read as it was at some time.
    pub historical: Vec<TableName>,
    /// Of a copy: the columns that its destination has already and keeps, in their order.
    pub kept: Vec<Field>,
}

/// A condition that goes with a method, as the statement that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    pub text: String,
    /// Of this very text.
    pub analysis: Analysis,
}

impl Method {
    /// One that reads no columns.
    pub fn plain(name: &str, resource: Resource) -> Method {
        Method {
            name: name.to_owned(),
            resource,
            columns: Vec::new(),
            required: BTreeSet::new(),
            restriction: None,
            historical: Vec::new(),
            kept: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    Connection,
    Dataset { project: String, dataset: String },
    Job { project: String, id: String, mine: bool },
    Model(RoutineName),
    Project(String),
    Routine(RoutineName),
    Table(TableName),
}
