//! What a door has understood of a call of the Storage Write API.

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_model::TableName;
use sluice_policy::{Sends, Verb};
use std::fmt;

const SERVICE: &str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
/// Of every table: it is never created.
const DEFAULT: &str = "_default";

/// One question about a stream, with one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamAsk {
    pub connection: String,
    /// That the stream writes to.
    pub table: TableName,
    pub act: StreamAct,
}

/// Names are those that the client uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAct {
    Commit { streams: Vec<String> },
    Create { kind: StreamKind },
    Finalize { stream: String },
    Flush { stream: String, offset: u64 },
    Get { stream: String, with_schema: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    Buffered,
    Committed,
    Pending,
}

/// One message of `AppendRows`.
pub struct AppendAsk {
    /// Empty where it goes without saying.
    pub stream: String,
    /// The message, every field of it understood, without the name of its stream.
    pub message: Bytes,
    pub rows: u64,
    /// What it takes of the room for bodies, until it has gone on.
    pub room: Box<dyn Send + Sync>,
}

/// What comes from a client that appends.
pub enum Coming {
    Append(AppendAsk),
    /// It sends no more, and waits for what is left to answer.
    End,
    /// It has gone.
    Gone,
    /// What it sent is no message.
    Odd(crate::refusal::Why),
}

impl StreamAct {
    /// As the schema of policy names it.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            StreamAct::Commit { .. } => "storage.batchCommitWriteStreams",
            StreamAct::Create { .. } => "storage.createWriteStream",
            StreamAct::Finalize { .. } => "storage.finalizeWriteStream",
            StreamAct::Flush { .. } => "storage.flushRows",
            StreamAct::Get { .. } => "storage.getWriteStream",
        }
    }

    /// The names that it says, as the client knows them.
    pub(crate) fn streams(&self) -> &[String] {
        match self {
            StreamAct::Commit { streams } => streams,
            StreamAct::Create { .. } => &[],
            StreamAct::Finalize { stream } | StreamAct::Flush { stream, .. } | StreamAct::Get { stream, .. } => {
                std::slice::from_ref(stream)
            }
        }
    }

    /// The call that a permit owns. `theirs` are the same names, as BigQuery knows them.
    pub(crate) fn sends(&self, table: &TableName, theirs: &[String]) -> Sends {
        let only = theirs.first().map(String::as_str).unwrap_or_default();
        match self {
            StreamAct::Commit { .. } => call("BatchCommitWriteStreams", &json!({ "parent": path(table), "writeStreams": theirs })),
            StreamAct::Create { kind } => call("CreateWriteStream", &json!({ "parent": path(table), "type": kind.word() })),
            StreamAct::Finalize { .. } => call("FinalizeWriteStream", &json!({ "name": only })),
            StreamAct::Flush { offset, .. } => call("FlushRows", &json!({ "writeStream": only, "offset": offset })),
            StreamAct::Get { with_schema, .. } => {
                let view = if *with_schema { "FULL" } else { "BASIC" };
                call("GetWriteStream", &json!({ "name": only, "view": view }))
            }
        }
    }
}

impl StreamKind {
    pub fn word(self) -> &'static str {
        match self {
            StreamKind::Buffered => "BUFFERED",
            StreamKind::Committed => "COMMITTED",
            StreamKind::Pending => "PENDING",
        }
    }
}

pub(crate) fn append_rows(stream: &str) -> Sends {
    call("AppendRows", &json!({ "writeStream": stream }))
}

/// `projects/p/datasets/d/tables/t`.
pub(crate) fn path(table: &TableName) -> String {
    let TableName { project, dataset, table } = table;
    format!("projects/{project}/datasets/{dataset}/tables/{table}")
}

/// The stream that every table has, by one of its two names.
pub(crate) fn is_default(table: &TableName, stream: &str) -> bool {
    let rest = stream.strip_prefix(&path(table)).and_then(|rest| rest.strip_suffix(DEFAULT));
    matches!(rest, Some("/" | "/streams/"))
}

fn call(method: &str, body: &Value) -> Sends {
    Sends { verb: Verb::Post, path: format!("{SERVICE}/{method}"), body: Some(body.to_string()), ..Sends::default() }
}

/// Rows do not reach a log.
impl fmt::Debug for AppendAsk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rows for `{}`", self.rows, self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_one_stream_of_its_own() {
        let table = TableName::new("p", "d", "t");
        let check = |stream: &str, expect: bool| assert_eq!(is_default(&table, stream), expect, "{stream}");
        check("projects/p/datasets/d/tables/t/_default", true);
        check("projects/p/datasets/d/tables/t/streams/_default", true);
        check("projects/p/datasets/d/tables/t/streams/a_default", false);
        check("projects/p/datasets/d/tables/t_default", false);
        check("projects/p/datasets/d/tables/u/streams/_default", false);
        check("projects/p/datasets/d/tables/t/streams/x", false);
    }

    #[test]
    fn what_is_sent_has_the_names_that_bigquery_knows() {
        let table = TableName::new("p", "d", "t");
        let check = |act: StreamAct, method: &str, body: &str| {
            let sends = act.sends(&table, &["theirs".to_owned()]);
            assert_eq!((sends.path, sends.body.as_deref()), (format!("{SERVICE}/{method}"), Some(body)));
        };
        let ours = || "ours".to_owned();
        let parent = "\"parent\":\"projects/p/datasets/d/tables/t\"";
        check(StreamAct::Create { kind: StreamKind::Pending }, "CreateWriteStream", &format!("{{{parent},\"type\":\"PENDING\"}}"));
        check(StreamAct::Finalize { stream: ours() }, "FinalizeWriteStream", "{\"name\":\"theirs\"}");
        check(StreamAct::Flush { stream: ours(), offset: 7 }, "FlushRows", "{\"writeStream\":\"theirs\",\"offset\":7}");
        check(StreamAct::Get { stream: ours(), with_schema: true }, "GetWriteStream", "{\"name\":\"theirs\",\"view\":\"FULL\"}");
        let commit = format!("{{{parent},\"writeStreams\":[\"theirs\"]}}");
        check(StreamAct::Commit { streams: vec![ours()] }, "BatchCommitWriteStreams", &commit);
    }
}
