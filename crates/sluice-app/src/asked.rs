//! What a door has understood of a request, before anybody has decided on it.

use crate::job::JobName;
use crate::trail::Trail;
use core::net::IpAddr;
use sluice_model::TableName;
use sluice_policy::{Parameter, Resource, Sends};

/// Where a request came from. None of it proves who it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// `bigquery.jobs.query`: of the table of methods, not of the client.
    pub api: String,
    /// `rest`, `grpc`, `mcp`.
    pub door: &'static str,
    /// Of the peer, or of a configured proxy's header.
    pub address: Option<IpAddr>,
    pub tls: Option<String>,
    pub user_agent: Option<String>,
    /// What a client merely says of itself, for the record.
    pub said: Vec<(String, String)>,
    /// Where its time went, from here on.
    pub trail: Trail,
}

/// Stands before the name of a method that is in no table.
pub const UNKNOWN_METHOD: &str = "grpc:";

impl Visit {
    /// For numbers, lines and traces: of the table of methods. Names that somebody made up are one.
    pub fn method(&self) -> &str {
        if self.api.starts_with(UNKNOWN_METHOD) { "grpc.unknown" } else { &self.api }
    }
}

/// A query job.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryAsk {
    pub connection: String,
    /// As the client wants it, or minted by `Gateway::job_id`.
    pub job: JobName,
    /// For the analysis: text, defaults, parameter types, destination, settings that are not understood.
    pub query: sluice_sql::Request,
    pub parameters: Vec<Parameter>,
    pub location: Option<String>,
    /// The client wants a dry run and nothing else.
    pub dry_run: bool,
    pub request_id: Option<String>,
    /// `jobs.insert`, with our labels still to be added.
    pub sends: Sends,
    pub also: Vec<(String, Resource)>,
    /// Where the rows go, if that is a partition that is emptied or has to be empty.
    pub partitions: Vec<TableName>,
    /// A destination that exists gets rows and stays as it is otherwise.
    pub adds: bool,
}

/// Anything that is not a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodAsk {
    pub connection: String,
    pub project: String,
    /// As the schema of policy names it.
    pub name: String,
    pub resource: Resource,
    pub reads: Reads,
    /// Tables of which it names a partition: a value of the column that they are partitioned by decides what it is about.
    pub partitions: Vec<TableName>,
    pub also: Vec<(String, Resource)>,
    pub sends: Sends,
    /// The table, routine or model whose description in the catalog is no longer true afterwards.
    pub changes: Vec<TableName>,
    /// If it exists it gets rows and stays as it is otherwise.
    pub adds: bool,
    /// A table whose schema is written anew: policy tags can fall off, and what a column is labelled by with them.
    pub untags: Option<TableName>,
    /// SQL that stands in what is sent: defaults of columns.
    pub expressions: Vec<Expression>,
    /// It begins a job, under this name: load, copy, extract.
    pub begins: Option<JobName>,
    pub request_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// `schema.fields[0].defaultValueExpression`.
    pub field: String,
    pub text: String,
}

/// Which columns leave by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Of each of these tables, all that a caller could see.
    All(Vec<TableName>),
    #[default]
    Nothing,
    /// Paths of one table: `selectedFields`.
    Some(TableName, Vec<Vec<String>>),
}
