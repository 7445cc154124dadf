//! The JSON that other programs read. Its fields are a contract: docs/analysis.md lists them.

use serde_json::{Value, json};
use sluice_model::{Analysis, Output, StatementAnalysis};

pub fn analysis(id: &Value, analysis: &Analysis) -> Value {
    let refused = analysis.refused.as_ref().map(|refused| json!({ "reason": refused.reason }));
    let statements: Vec<Value> = analysis.statements.iter().map(statement).collect();
    json!({ "id": id, "statements": statements, "refused": refused })
}

pub fn refused(id: &Value, reason: &str) -> Value {
    json!({ "id": id, "statements": [], "refused": { "reason": reason } })
}

fn statement(statement: &StatementAnalysis) -> Value {
    let list = |values: Vec<Value>| Value::Array(values);
    json!({
        "kind": statement.kind,
        "effects": statement.effects.iter().map(|value| value.word()).collect::<Vec<_>>(),
        "reads": list(statement.reads.iter().map(|read| json!({ "table": read.table.to_string(), "columns": read.columns })).collect()),
        "historical": statement.historical.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "writes": list(statement.writes.iter().map(|write| {
            json!({ "table": write.table.to_string(), "columns": write.columns, "effect": write.effect.word() })
        }).collect()),
        "outputs": list(statement.outputs.iter().map(output).collect()),
        "uses": list(statement.uses.iter().map(|used| json!({ "column": used.column.to_string(), "how": used.how.word() })).collect()),
        "routines": statement.routines,
        "locations": statement.locations,
        "unresolved": statement.unresolved.iter().map(|unresolved| &unresolved.what).collect::<Vec<_>>(),
        "child_job": statement.child_job,
        "span": statement.span.map(|(start, end)| json!([start, end])),
    })
}

fn output(output: &Output) -> Value {
    let exposures: Vec<Value> = output
        .exposures
        .iter()
        .map(|exposure| json!({ "at": exposure.at.join("."), "column": exposure.column.to_string(), "how": exposure.how.word() }))
        .collect();
    json!({ "name": output.name, "type": output.kind.as_ref().map(ToString::to_string), "exposure": exposures })
}
