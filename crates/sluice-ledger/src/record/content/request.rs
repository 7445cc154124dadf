//! What was asked, to the letter, and what the analysis understood of it.

use super::Content;
use crate::record::section::SectionId;
use serde::Serialize;
use serde_json::{Value, json};
use sluice_model::analysis::{Analysis, Output, StatementAnalysis};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The text as it came; nothing for a method without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    pub project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_dataset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Of what is sent, which is not what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_digest: Option<String>,
    /// What the analysis looked at, by the etag it found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    pub name: String,
    pub etag: String,
}

impl Request {
    pub fn of_statement(statement: &str, project: &str, analysis: &Analysis) -> Request {
        let mut request = Request::of_method(project);
        request.statement = Some(statement.to_owned());
        request.analysis = Some(written(analysis));
        request
    }

    pub fn of_method(project: &str) -> Request {
        Request {
            statement: None,
            parameters: Vec::new(),
            project: project.to_owned(),
            default_dataset: None,
            location: None,
            destination: None,
            sent_digest: None,
            tables: Vec::new(),
            analysis: None,
        }
    }
}

fn written(analysis: &Analysis) -> Value {
    let refused = analysis.refused.as_ref().map(|refused| &refused.reason);
    json!({ "statements": analysis.statements.iter().map(statement).collect::<Vec<Value>>(), "refused": refused })
}

fn statement(statement: &StatementAnalysis) -> Value {
    // What is billed decides how exactly sizes are told, and nothing else.
    let StatementAnalysis {
        kind,
        effects,
        reads,
        historical,
        billed: _,
        writes,
        outputs,
        uses,
        shapes: _,
        reads_files: _,
        routines,
        unresolved,
        locations,
        child_job,
        span,
    } = statement;
    json!({
        "kind": kind,
        "effects": effects.iter().map(|effect| effect.word()).collect::<Vec<_>>(),
        "reads": reads.iter().map(|read| json!({ "table": read.table.to_string(), "columns": read.columns })).collect::<Vec<_>>(),
        "historical": historical.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "writes": writes.iter().map(|write| {
            json!({ "table": write.table.to_string(), "columns": write.columns, "effect": write.effect.word() })
        }).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(output).collect::<Vec<_>>(),
        "uses": uses.iter().map(|used| json!({ "column": used.column.to_string(), "how": used.how.word() })).collect::<Vec<_>>(),
        "routines": routines,
        "unresolved": unresolved.iter().map(|unresolved| &unresolved.what).collect::<Vec<_>>(),
        "locations": locations,
        "child_job": child_job,
        "span": span.map(|(start, end)| [start, end]),
    })
}

fn output(output: &Output) -> Value {
    let Output { name, kind, exposures } = output;
    let exposures: Vec<Value> = exposures
        .iter()
        .map(|exposure| json!({ "at": exposure.at.join("."), "column": exposure.column.to_string(), "how": exposure.how.word() }))
        .collect();
    json!({ "name": name, "type": kind.as_ref().map(ToString::to_string), "exposure": exposures })
}

impl Content for Request {
    const SECTION: SectionId = SectionId::Request;
}
