//! Whether an analysis tells every difference between the results of two variants. Pure.

use std::collections::BTreeMap;

use sluice_model::place::field_at;
use sluice_model::{Analysis, ColumnPath, Exposure, Field, Output, StatementAnalysis, Type, UseKind};

use super::value::Value;

/// What one variant gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The evaluator gave up: time, memory, a fault of its own. It says nothing of the statement.
    Abandoned {
        why: String,
    },
    Failed {
        message: String,
    },
    Rows {
        kinds: Vec<Type>,
        rows: Vec<Vec<Value>>,
    },
}

/// One statement, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The analysis refused it, or left something unresolved: nothing was promised.
    pub refused: bool,
    pub misses: Vec<Miss>,
    /// Labelled values may decide rows, by a use that the analysis tells: values were not compared.
    pub excused: bool,
    pub uses: usize,
    pub outputs: Vec<OutputVerdict>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputVerdict {
    /// The analysis exposes a labelled column in it.
    pub labelled: bool,
    /// Its values differed in some variant.
    pub differed: bool,
}

/// What a text has that lets a use decide more than its own statement's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// An order decides something only together with a limit or in a loop over rows.
    pub limited: bool,
    /// A handler: a failure decides what runs next.
    pub handled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    pub cause: Cause,
    pub variant: usize,
    pub output: Option<usize>,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// It failed in one variant only, or with another text, and no use tells why.
    Failure,
    /// An output differs and is not exposed.
    Output,
    /// The number of rows, or which values stand together in one.
    Rows,
    /// The outputs of the analysis are not those of the result.
    Shape,
}

/// `outcomes` begins with the base; `varied` says which labelled columns differ in each.
pub fn judge(analysis: &Analysis, outcomes: &[Outcome], varied: &[Vec<ColumnPath>], shape: Shape) -> Verdict {
    if analysis.refused.is_some() || analysis.statements.iter().any(|statement| !statement.unresolved.is_empty()) {
        return Verdict { refused: true, ..Verdict::default() };
    }
    let all: Vec<ColumnPath> = varied.iter().flatten().cloned().collect();
    let query = last_query(analysis);
    let outputs = query.map_or(&[][..], |statement| statement.outputs.as_slice());
    let mut verdict = Verdict { uses: used(analysis, &all).len(), ..Verdict::default() };
    verdict.outputs = outputs.iter().map(|output| OutputVerdict { labelled: labelled(output, &all), differed: false }).collect();
    verdict.excused = excused(analysis, &all, shape);
    let Some(base) = outcomes.first() else { return verdict };
    for (variant, outcome) in outcomes.iter().enumerate().skip(1) {
        let labels = varied.get(variant).map_or(&[][..], Vec::as_slice);
        compare(analysis, outputs, (base, outcome), (variant, labels, shape), &mut verdict);
    }
    verdict
}

/// Whether a use of one of these labels can have caused any difference in the rows.
pub fn excused(analysis: &Analysis, labels: &[ColumnPath], shape: Shape) -> bool {
    used(analysis, labels).iter().any(|kind| shape.decides_rows(*kind))
}

fn compare(
    analysis: &Analysis,
    outputs: &[Output],
    (base, outcome): (&Outcome, &Outcome),
    (variant, labels, shape): (usize, &[ColumnPath], Shape),
    verdict: &mut Verdict,
) {
    let uses = used(analysis, labels);
    let excused = excused(analysis, labels, shape);
    let (rows, kinds, other) = match (base, outcome) {
        (Outcome::Rows { rows, kinds }, Outcome::Rows { rows: other, .. }) => (rows, kinds, other),
        (Outcome::Abandoned { .. }, _) | (_, Outcome::Abandoned { .. }) => return,
        (base, outcome) => {
            let told = excused || uses.iter().any(|kind| matches!(kind, UseKind::Error | UseKind::Assert));
            if base != outcome && !told {
                let detail = format!("{} / {}", summary(base), summary(outcome));
                verdict.misses.push(Miss { cause: Cause::Failure, variant, output: None, detail });
            }
            return;
        }
    };
    if kinds.len() != outputs.len() {
        let detail = format!("{} outputs in the analysis, {} in the result", outputs.len(), kinds.len());
        verdict.misses.push(Miss { cause: Cause::Shape, variant, output: None, detail });
        return;
    }
    for (position, seen) in verdict.outputs.iter_mut().enumerate() {
        seen.differed |= column(rows, position) != column(other, position);
    }
    if !excused {
        compare_rows(outputs, kinds, (rows, other), (variant, labels), verdict);
    }
}

fn compare_rows(
    outputs: &[Output],
    kinds: &[Type],
    (rows, other): (&[Vec<Value>], &[Vec<Value>]),
    (variant, labels): (usize, &[ColumnPath]),
    verdict: &mut Verdict,
) {
    if rows.len() != other.len() {
        let detail = format!("{} rows / {} rows", rows.len(), other.len());
        verdict.misses.push(Miss { cause: Cause::Rows, variant, output: None, detail });
        return;
    }
    let paths: Vec<Vec<&Exposure>> = outputs.iter().map(|output| exposures(output, labels).collect()).collect();
    let (rows, other) = (masked(rows, kinds, &paths), masked(other, kinds, &paths));
    let mut found = false;
    for position in 0..outputs.len() {
        let (one, two) = (column(&rows, position), column(&other, position));
        if let Some(detail) = difference(&one, &two) {
            found = true;
            verdict.misses.push(Miss { cause: Cause::Output, variant, output: Some(position), detail });
        }
    }
    let whole = |rows: &[Vec<Value>]| count(rows.iter().map(|row| Value::Record(row.clone())));
    if let Some(detail) = difference(&whole(&rows), &whole(&other)).filter(|_| !found) {
        verdict.misses.push(Miss { cause: Cause::Rows, variant, output: None, detail });
    }
}

/// The last statement whose rows go to the client.
pub fn last_query(analysis: &Analysis) -> Option<&StatementAnalysis> {
    let shown = |statement: &&StatementAnalysis| !statement.outputs.is_empty() && statement.writes.is_empty();
    analysis.statements.iter().rev().find(shown)
}

/// Whether a labelled column reaches the output in any way.
pub fn labelled(output: &Output, labels: &[ColumnPath]) -> bool {
    exposures(output, labels).next().is_some()
}

fn exposures<'a>(output: &'a Output, labels: &'a [ColumnPath]) -> impl Iterator<Item = &'a Exposure> {
    output.exposures.iter().filter(move |exposure| is_labelled(&exposure.column, labels))
}

/// A label holds for everything inside the column.
pub fn is_labelled(column: &ColumnPath, labels: &[ColumnPath]) -> bool {
    labels.iter().any(|label| label.table == column.table && column.path.starts_with(&label.path))
}

/// The uses of labelled columns, in all statements: what an earlier one decided may stand in what a later one reads.
fn used(analysis: &Analysis, labels: &[ColumnPath]) -> Vec<UseKind> {
    let uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
    uses.filter(|found| is_labelled(&found.column, labels)).map(|found| found.how).collect()
}

impl Shape {
    pub fn of(text: &str) -> Shape {
        Shape { limited: text.contains("LIMIT") || text.contains("FOR "), handled: text.contains("EXCEPTION") }
    }

    /// What a window or a pivot is keyed by stands in its outputs as well: it excuses nothing.
    fn decides_rows(self, kind: UseKind) -> bool {
        match kind {
            UseKind::Branch | UseKind::Filter | UseKind::Group | UseKind::Join | UseKind::Limit | UseKind::Rows | UseKind::Set => true,
            UseKind::Order => self.limited,
            UseKind::Assert | UseKind::Error => self.handled,
            UseKind::Pivot | UseKind::Window => false,
        }
    }
}

fn masked(rows: &[Vec<Value>], kinds: &[Type], paths: &[Vec<&Exposure>]) -> Vec<Vec<Value>> {
    let mask = |row: &Vec<Value>| {
        let cells = row.iter().zip(kinds).zip(paths);
        cells.map(|((value, kind), paths)| paths.iter().fold(value.clone(), |value, path| blank(value, kind, &path.at))).collect()
    };
    rows.iter().map(mask).collect()
}

/// The value without what stands at the path. Arrays are passed through.
fn blank(value: Value, kind: &Type, path: &[String]) -> Value {
    let Some((first, rest)) = path.split_first() else { return Value::Null };
    match (kind, value) {
        (Type::Array(element), Value::List(values)) => Value::List(values.into_iter().map(|value| blank(value, element, path)).collect()),
        (Type::Struct(fields), Value::Record(values)) => {
            let blanked = field_at(fields, first);
            let parts = fields.iter().zip(values).enumerate();
            let part = |(position, (field, value)): (usize, (&Field, Value))| match blanked == Some(position) {
                true => blank(value, &field.kind, rest),
                false => value,
            };
            Value::Record(parts.map(part).collect())
        }
        (_, other) => other,
    }
}

type Counts = BTreeMap<Value, usize>;

fn column(rows: &[Vec<Value>], position: usize) -> Counts {
    count(rows.iter().filter_map(|row| row.get(position).cloned()))
}

fn count(values: impl Iterator<Item = Value>) -> Counts {
    let mut counts = Counts::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

/// A value that stands in one and not, or not as often, in the other.
fn difference(one: &Counts, other: &Counts) -> Option<String> {
    let missing = |one: &Counts, other: &Counts| {
        one.iter().find(|(value, times)| other.get(*value) != Some(*times)).map(|(value, _)| value.to_string())
    };
    let first = missing(one, other);
    let second = missing(other, one);
    if first.is_none() && second.is_none() {
        return None;
    }
    Some(format!("{} / {}", first.unwrap_or_default(), second.unwrap_or_default()))
}

fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Abandoned { why } => why.clone(),
        Outcome::Failed { message } => message.clone(),
        Outcome::Rows { rows, .. } => format!("{} rows", rows.len()),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
