//! Holds an expectation against an analysis and writes down what differs.

use super::name::{column_text, table_text};
use super::{Expect, ExpectedOutput, ExpectedStatement, letters};
use sluice_model::{Analysis, Exposure, How, Output, StatementAnalysis, TableName, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Empty where nothing differs.
pub fn difference(expect: &Expect, analysis: &Analysis) -> String {
    let refused = analysis.refused.as_ref().map(|refused| refused.reason.as_str());
    match (&expect.refused, refused) {
        (Some(part), Some(reason)) if contains(reason, part) => return String::new(),
        (Some(part), Some(reason)) => return pair("refused", part, reason),
        (Some(part), None) => return pair("refused", part, "not refused"),
        (None, Some(reason)) if expect.letters.is_none() => return pair("refused", "not refused", reason),
        _ => {}
    }
    let mut text = expect.letters.as_ref().and_then(|letters| letters::difference(letters, analysis)).unwrap_or_default();
    if !expect.statements.is_empty() {
        text.push_str(&statements(&expect.statements, &analysis.statements));
    }
    text
}

/// Statements that say nothing may be left out of the expectation; every other one must be met, in order.
fn statements(expected: &[ExpectedStatement], got: &[StatementAnalysis]) -> String {
    let mut text = String::new();
    let mut rest = got.iter();
    for expected in expected {
        let wanted = expected.kind.as_deref();
        let silent = expected.is_silent();
        let met = rest.find(|statement| noteworthy(statement) || (silent && wanted.is_none_or(|kind| kind == statement.kind)));
        let Some(statement) = met else {
            let _ = writeln!(text, "  - [{}]\n  + no such statement", wanted.unwrap_or("statement"));
            continue;
        };
        let differences = one_statement(expected, statement);
        if !differences.is_empty() {
            let _ = write!(text, "  [{}]\n{differences}", statement.kind);
        }
    }
    for statement in rest.filter(|statement| noteworthy(statement)) {
        let _ =
            write!(text, "  + [{}], which is not expected\n{}", statement.kind, one_statement(&ExpectedStatement::default(), statement));
    }
    text
}

impl ExpectedStatement {
    fn is_silent(&self) -> bool {
        self.outputs.is_empty() && self.uses.is_empty() && self.unresolved.is_none() && self.historical.is_empty()
    }
}

fn noteworthy(statement: &StatementAnalysis) -> bool {
    !statement.outputs.is_empty() || !statement.uses.is_empty() || !statement.unresolved.is_empty() || !statement.historical.is_empty()
}

fn one_statement(expected: &ExpectedStatement, got: &StatementAnalysis) -> String {
    let mut text = String::new();
    if let Some(kind) = expected.kind.as_deref().filter(|kind| *kind != got.kind) {
        text.push_str(&pair("kind", kind, &got.kind));
    }
    if let Some(effects) = &expected.effects {
        let found: BTreeSet<String> = got.effects.iter().map(|effect| effect.word().to_owned()).collect();
        text.push_str(&sets("effects", effects, &found, String::clone));
    }
    if let Some(reads) = &expected.reads {
        let found = got.reads.iter().map(|read| (&read.table, read.columns.as_slice()));
        text.push_str(&sets("reads", &table_texts(reads), &found_texts(found), String::clone));
    }
    if let Some(writes) = &expected.writes {
        let found = got.writes.iter().map(|write| (&write.table, write.columns.as_slice()));
        text.push_str(&sets("writes", &table_texts(writes), &found_texts(found), String::clone));
    }
    text.push_str(&sets("historical", &expected.historical, &got.historical.iter().cloned().collect(), table_text));
    let unresolved = got.unresolved.iter().map(|unresolved| unresolved.what.as_str());
    match &expected.unresolved {
        Some(part) if !unresolved.clone().any(|what| contains(what, part)) => {
            text.push_str(&pair("unresolved", part, &unresolved.collect::<Vec<_>>().join("; ")));
        }
        None if !got.unresolved.is_empty() => text.push_str(&pair("unresolved", "-", &unresolved.collect::<Vec<_>>().join("; "))),
        _ => {}
    }
    text.push_str(&outputs(&expected.outputs, &got.outputs));
    text.push_str(&sets("uses", &expected.uses, &got.uses.iter().cloned().collect(), use_text));
    text
}

fn outputs(expected: &[ExpectedOutput], got: &[Output]) -> String {
    let mut text = String::new();
    for position in 0..expected.len().max(got.len()) {
        match (expected.get(position), got.get(position)) {
            (Some(expected), Some(got)) => {
                if !same_name(&expected.name, &got.name) {
                    text.push_str(&pair("column", &expected.name, &got.name));
                }
                let found = got.exposures.iter().cloned().collect();
                text.push_str(&sets(&expected.name, &expected.exposures, &found, exposure_text));
            }
            (Some(expected), None) => text.push_str(&pair("column", &expected.name, "no such column")),
            (None, Some(got)) => {
                let exposures = got.exposures.iter().map(exposure_text).collect::<Vec<_>>().join(", ");
                let _ = writeln!(text, "  + {}: {exposures}", got.name);
            }
            (None, None) => {}
        }
    }
    text
}

/// An unnamed column is empty, `$col1` in GoogleSQL, `f0_` in BigQuery.
fn same_name(expected: &str, got: &str) -> bool {
    let numbered = || got.strip_prefix('f').and_then(|rest| rest.strip_suffix('_')).is_some_and(|middle| middle.parse::<u32>().is_ok());
    expected == got || (expected == "_" && (got.is_empty() || got.starts_with('$') || numbered()))
}

fn sets<T: Ord>(title: &str, expected: &BTreeSet<T>, got: &BTreeSet<T>, show: impl Fn(&T) -> String) -> String {
    let mut text = String::new();
    for missing in expected.difference(got) {
        let _ = writeln!(text, "  - {title}: {}", show(missing));
    }
    for extra in got.difference(expected) {
        let _ = writeln!(text, "  + {title}: {}", show(extra));
    }
    text
}

fn table_texts(tables: &BTreeMap<TableName, BTreeSet<String>>) -> BTreeSet<String> {
    let line = |(table, columns): (&TableName, &BTreeSet<String>)| {
        format!("{}({})", table_text(table), columns.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    tables.iter().map(line).collect()
}

fn found_texts<'a>(found: impl Iterator<Item = (&'a TableName, &'a [String])>) -> BTreeSet<String> {
    let mut tables: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
    for (table, columns) in found {
        tables.entry(table.clone()).or_default().extend(columns.iter().cloned());
    }
    table_texts(&tables)
}

fn exposure_text(exposure: &Exposure) -> String {
    let how = match exposure.how {
        How::Counted => "counted",
        How::Derived => "derived",
        How::Direct => "direct",
        How::Mixed => "mixed",
    };
    let at = if exposure.at.is_empty() { String::new() } else { format!(" @{}", exposure.at.join(".")) };
    format!("{} {how}{at}", column_text(&exposure.column))
}

fn use_text(one: &Use) -> String {
    format!("{} {}", column_text(&one.column), one.how.word())
}

fn pair(title: &str, expected: &str, got: &str) -> String {
    format!("  - {title}: {expected}\n  + {title}: {got}\n")
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
