//! Tables that are read as they were at some time. BigQuery answers with the columns that they had then, which nobody here knows: one that has gone since
//! comes along with its values, under no name that a label could be found by. So all labels that columns of such a table can have are asked about at once.

use crate::ask::{Asked, Asker};
use crate::labels::{Found, whole};
use crate::plan::{Inherited, mask_of, written_names};
use crate::question::{self, Flow, Question};
use crate::reason::{Missing, Reason, ReasonKind, RuleNote};
use crate::request::{Request, Work};
use sluice_model::{ColumnPath, Effect, StatementAnalysis, TableName};
use std::collections::BTreeSet;

const WITHOUT_CLAUSE: &str = "the same without `FOR SYSTEM_TIME AS OF`, which reads the table as it is now";
const WITHOUT_FIELD: &str = "the same without `snapshot_time`, which reads the table as it is now";

/// Each stands for every column that one of these tables may have had.
pub(crate) fn columns(request: &Request) -> Vec<ColumnPath> {
    let by_method = match &request.work {
        Work::Method(method) => method.historical.as_slice(),
        Work::Statement(_) => &[],
    };
    let by_statements = statements(request).iter().flat_map(|statement| &statement.historical);
    let tables: BTreeSet<&TableName> = by_method.iter().chain(by_statements).collect();
    tables.into_iter().map(whole).collect()
}

/// Whether the caller sees all that is labelled there as it is.
pub(crate) fn questions(request: &Request, found: &Found<'_>) -> Vec<Question> {
    question::to_see(&columns(request), found)
}

/// Table by table, what the caller does not. In columns that nobody knows nothing can be masked.
pub(crate) fn refusals(request: &Request, found: &Found<'_>, asker: &Asker<'_>) -> Vec<Reason> {
    columns(request).iter().filter_map(|column| refusal(request, column, found, asker)).collect()
}

fn refusal(request: &Request, column: &ColumnPath, found: &Found<'_>, asker: &Asker<'_>) -> Option<Reason> {
    let questions = question::to_see(std::slice::from_ref(column), found);
    let (mut hidden, mut rules, mut near) = (Vec::new(), Vec::new(), Vec::new());
    for (question, label) in questions.iter().zip(found.of(column)) {
        let asked: Option<&Asked<'_>> = asker.asked().iter().find(|asked| asked.question == *question);
        let answer = asked.map(|asked| &asked.answer);
        // What waits for a dry run is asked again after it.
        if answer.is_some_and(|answer| answer.may_permit_later || mask_of(answer, label).is_none()) {
            continue;
        }
        hidden.push(label);
        let said = answer.into_iter().flat_map(|answer| answer.forbids.iter().chain(&answer.permits));
        rules.extend(said.map(|rule| asker.note(question, rule)));
        near.extend(asked.into_iter().flat_map(|asked| asker.near_misses(asked)));
    }
    if hidden.is_empty() {
        return None;
    }
    let (clause, without) = match &request.work {
        Work::Method(method) if !method.historical.is_empty() => ("snapshot_time", WITHOUT_FIELD),
        _ => ("FOR SYSTEM_TIME AS OF", WITHOUT_CLAUSE),
    };
    let table = &column.table;
    let names: Vec<&str> = hidden.iter().map(|label| label.name.as_str()).collect();
    let known = asker.knows(table);
    let told = match known {
        true => format!(
            "reading table {table} as it was (`{clause}`), with every column that it may have had, and so with what is labelled {}",
            names.join(", ")
        ),
        false => format!("reading a table that it reaches as it was (`{clause}`), with every column that it may have had"),
    };
    let labels: Vec<String> = hidden.iter().map(|label| format!("{}: {}", label.name, label.reason)).collect();
    let near = near.into_iter().map(|note: RuleNote| RuleNote { facts: Vec::new(), ..note }).collect();
    Some(Reason {
        kind: ReasonKind::NotPermitted,
        question: Some(format!("seeing every column that {table} may have had clear")),
        told: Some(told),
        rules,
        fact: format!("no rule shows all of them as they are; columns of it are labelled {}", labels.join("; ")),
        accepted: vec![without.to_owned()],
        without: Some(without),
        missing: known.then(|| Missing { action: "see".to_owned(), near }),
    })
}

/// The labels that go on with what is written. A clone has its columns under their own names; what else is made by a query can have any of them, under any
/// name. What a table had goes to its new name, so that nobody reads its past without them.
pub(crate) fn carried(request: &Request, found: &Found<'_>, mut take: impl FnMut(&ColumnPath, Inherited)) {
    let sources = columns(request);
    let Work::Statement(statement) = &request.work else { return };
    let all = &statement.analysis.statements;
    for (position, analysis) in all.iter().enumerate() {
        renamed(analysis, found, &mut take);
        // What only takes away, or changes no row, puts nothing anywhere.
        if analysis.outputs.is_empty() {
            continue;
        }
        for source in &sources {
            for flow in question::ways(statement, position, analysis) {
                let Flow::ToTable(table) = flow else { continue };
                let is_clone = all.len() == 1 && analysis.effects.iter().any(|effect| matches!(effect, Effect::Clone | Effect::Copy));
                let kept = if is_clone { found.of_table(&source.table) } else { places(source, analysis, found) };
                for (path, label) in kept {
                    let was_computed = found.is_computed(&ColumnPath { table: source.table.clone(), path: path.clone() });
                    let path = if path.iter().any(|part| part.contains('*')) { whole(&table).path } else { path };
                    let column = ColumnPath { table: table.clone(), path };
                    take(source, Inherited { column, label, computed: !is_clone || was_computed });
                }
            }
        }
    }
}

/// Where they go by a query. A statement that changes rows names its columns; one that makes a table may make more than anybody knows.
fn places(source: &ColumnPath, analysis: &StatementAnalysis, found: &Found<'_>) -> Vec<(Vec<String>, String)> {
    let names: Vec<Vec<String>> = match analysis.kind.as_str() {
        "INSERT" | "MERGE" | "UPDATE" => {
            written_names(&analysis.outputs).flatten().map(|name| name.split('.').map(str::to_owned).collect()).collect()
        }
        _ => vec![whole(&source.table).path],
    };
    let labels = found.of(source);
    names.into_iter().flat_map(|name| labels.iter().map(move |label| (name.clone(), label.name.clone()))).collect()
}

fn renamed(analysis: &StatementAnalysis, found: &Found<'_>, take: &mut impl FnMut(&ColumnPath, Inherited)) {
    if !analysis.effects.contains(&Effect::Alter) || analysis.outputs.is_empty() {
        return;
    }
    let tables: BTreeSet<&TableName> =
        analysis.writes.iter().map(|write| &write.table).filter(|table| !question::is_temporary(table)).collect();
    for (old, new) in tables.iter().flat_map(|old| tables.iter().map(move |new| (*old, *new))).filter(|(old, new)| old != new) {
        for (path, label) in found.of_table(old) {
            let computed = found.is_computed(&ColumnPath { table: old.clone(), path: path.clone() });
            let column = ColumnPath { table: new.clone(), path };
            take(&whole(old), Inherited { column, label, computed });
        }
    }
}

fn statements(request: &Request) -> &[StatementAnalysis] {
    request.analysis().map(|analysis| analysis.statements.as_slice()).unwrap_or_default()
}
