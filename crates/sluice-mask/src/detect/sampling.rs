//! Which parts of some rows are looked at: what leaves as it is, and has no label.

use super::cell::Looking;
use super::sample::{Form, Sample};
use super::tally::Source;
use super::words::Hints;
use crate::columnar::MaskedBatch;
use crate::masker::MaskedRows;
use crate::schema::{Column, Columns};
use sluice_model::place::positions;
use sluice_model::{ColumnPath, How, Output, Type};
use sluice_policy::{Permit, fits, shown_statements};
use std::sync::Arc;

/// Of one result.
const SOURCES_MAX: usize = 1_000;
/// Columns that an output was computed from, as they are told.
const FROM_MAX: usize = 8;

/// Takes samples of the rows of one request.
#[derive(Clone, Debug)]
pub struct Sampling(Arc<Watched>);

/// What is looked at in each row.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) form: Form,
    pub(crate) columns: Columns,
    /// One for each column.
    pub(crate) looks: Vec<Look>,
    /// What a place stands for.
    pub(crate) places: Vec<Watching>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Skip,
    /// Of a record, one for each field.
    Inside(Vec<Look>),
    At(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Watching {
    pub(crate) source: Source,
    /// As the result calls it, and the record that it is a field of.
    name: String,
    around: Option<String>,
    pub(crate) kind: Type,
}

impl Watching {
    pub(crate) fn hints(&self) -> Hints {
        match &self.source {
            Source::Column(column) => {
                let (name, around) = column.path.split_last().map(|(name, around)| (name.as_str(), around.last())).unwrap_or_default();
                Hints::of(name, Some(around.unwrap_or(&column.table.table)))
            }
            Source::Output { .. } => Hints::of(&self.name, self.around.as_deref()),
        }
    }
}

/// One statement, as its rows show it.
struct Shown<'a> {
    outputs: &'a [Output],
    /// Output and the places inside of it that lead to what is masked, or labelled and clear by right.
    labelled: Vec<(usize, Vec<usize>)>,
}

/// From an output to something in it.
#[derive(Default)]
struct Leading {
    places: Vec<usize>,
    /// As the rows call them.
    names: Vec<String>,
}

/// On the way through the columns.
struct Plan<'a> {
    /// Those that the rows can be of.
    shown: Vec<Shown<'a>>,
    places: Vec<Watching>,
}

impl Sampling {
    /// Nothing if there is nothing to look at.
    pub(crate) fn of(permit: &Permit, columns: &Columns, form: Form) -> Option<Sampling> {
        let evaluation = &permit.decision().evaluation;
        let fields = columns.fields();
        let fitting = shown_statements(permit.request()).into_iter().filter(|(_, outputs)| fits(outputs, &fields));
        let shown = fitting.map(|(statement, outputs)| {
            let masked = evaluation.masks.iter().filter(|path| path.statement == statement).map(|path| (path.output, path.at.as_slice()));
            let clear = evaluation.clear.iter().filter(|path| path.statement == statement).map(|path| (path.output, path.at.as_slice()));
            let placed = |(output, at): (usize, &[String])| (output, places(outputs.get(output), columns.0.get(output), at));
            Shown { outputs, labelled: masked.chain(clear).map(placed).collect() }
        });
        let mut plan = Plan { shown: shown.collect(), places: Vec::new() };
        if plan.shown.is_empty() {
            return None;
        }
        let outputs = columns.0.iter().enumerate();
        let looks = outputs.map(|(output, column)| plan.look(output, (column, column), &mut Leading::default())).collect();
        (!plan.places.is_empty()).then(|| Sampling(Arc::new(Watched { form, columns: columns.clone(), looks, places: plan.places })))
    }

    /// Of one piece of rows.
    pub fn of_rows(&self, rows: &MaskedRows) -> Option<Sample> {
        Sample::of_text(&self.0, rows.text())
    }

    /// Of one message of a stream.
    pub fn of_batch(&self, batch: &MaskedBatch) -> Option<Sample> {
        Sample::of_batch(&self.0, batch)
    }
}

impl Plan<'_> {
    /// `at` leads from the output, which is the first of the two columns, to the other, which is looked at.
    fn look(&mut self, output: usize, (whole, column): (&Column, &Column), at: &mut Leading) -> Look {
        if self.is_labelled(output, &at.places) {
            return Look::Skip;
        }
        let Some(fields) = &column.fields else { return self.scalar(output, (whole, column), at) };
        let mut inside = Vec::with_capacity(fields.0.len());
        for (place, field) in fields.0.iter().enumerate() {
            at.places.push(place);
            at.names.push(field.name.clone());
            inside.push(self.look(output, (whole, field), at));
            at.names.pop();
            at.places.pop();
        }
        if inside.iter().all(|look| *look == Look::Skip) { Look::Skip } else { Look::Inside(inside) }
    }

    /// Itself, or what it stands in; and a value that is no record is labelled with any part of it.
    fn is_labelled(&self, output: usize, at: &[usize]) -> bool {
        self.shown.iter().any(|shown| shown.labelled.iter().any(|(labelled, places)| *labelled == output && at.starts_with(places)))
    }

    fn scalar(&mut self, output: usize, (whole, column): (&Column, &Column), at: &Leading) -> Look {
        if !Looking::is_of_interest(&column.kind) || self.places.len() == SOURCES_MAX {
            return Look::Skip;
        }
        let Some(source) = self.source(output, whole, at) else { return Look::Skip };
        let around = at.names.len().checked_sub(2).and_then(|place| at.names.get(place)).cloned();
        self.places.push(Watching { source, name: column.name.clone(), around, kind: column.kind.clone() });
        Look::At(self.places.len() - 1)
    }

    /// The column that it comes from, if it is that one's value. Where several statements have such columns, nobody knows.
    fn source(&self, output: usize, whole: &Column, at: &Leading) -> Option<Source> {
        let shown = self.shown.first()?;
        let named = shown.outputs.get(output)?;
        let reaches = |path: &[String]| at.places.starts_with(&places(Some(named), Some(whole), path));
        let exposures: Vec<_> = named.exposures.iter().filter(|exposure| reaches(&exposure.at)).collect();
        if let ([only], [_]) = (exposures.as_slice(), self.shown.as_slice())
            && only.how == How::Direct
            && !only.column.table.table.contains('*')
        {
            let path = only.column.path.iter().chain(at.names.iter().skip(only.at.len())).cloned().collect();
            return Some(Source::Column(ColumnPath { table: only.column.table.clone(), path }));
        }
        let mut from: Vec<String> = exposures.iter().map(|exposure| exposure.column.to_string()).collect();
        from.sort();
        from.dedup();
        from.truncate(FROM_MAX);
        // What comes out of the statement's own text is no column of anybody's.
        (!from.is_empty()).then(|| Source::Output { path: [std::slice::from_ref(&named.name), at.names.as_slice()].concat(), from })
    }
}

/// The places that a path leads through; none if it does not fit, for then it may mean any part.
fn places(output: Option<&Output>, column: Option<&Column>, at: &[String]) -> Vec<usize> {
    let known = output.and_then(|output| output.kind.as_ref());
    let found = match known {
        Some(kind) => positions(kind, at),
        None => column.and_then(|column| positions(&column.whole_kind(), at)),
    };
    found.unwrap_or_default()
}
