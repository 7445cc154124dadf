//! Wrong analyses made from a right one, to measure how often the judge notices.

use sluice_model::{Analysis, ColumnPath};

use super::judge::{is_labelled, labelled, last_query};

/// What is missing in a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Drop {
    /// One labelled column of one output.
    Exposure,
    /// All labelled columns of one output.
    Output,
    /// Every use of one labelled column.
    Use,
}

pub struct Mutant {
    pub dropped: Drop,
    pub output: Option<usize>,
    pub analysis: Analysis,
}

/// Every exposure of the last query and every use, left out in turn.
pub fn mutants(analysis: &Analysis, labels: &[ColumnPath]) -> Vec<Mutant> {
    let mut found = Vec::new();
    let outputs = last_query(analysis).map_or(&[][..], |statement| statement.outputs.as_slice());
    for (position, output) in outputs.iter().enumerate().filter(|(_, output)| labelled(output, labels)) {
        let whole = without(analysis, position, |column| is_labelled(column, labels));
        found.push(Mutant { dropped: Drop::Output, output: Some(position), analysis: whole });
        let mut columns: Vec<&ColumnPath> = output.exposures.iter().map(|exposure| &exposure.column).collect();
        columns.sort();
        columns.dedup();
        for dropped in columns.into_iter().filter(|column| is_labelled(column, labels)) {
            let part = without(analysis, position, |column| column == dropped);
            found.push(Mutant { dropped: Drop::Exposure, output: Some(position), analysis: part });
        }
    }
    let uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
    let mut columns: Vec<&ColumnPath> = uses.map(|found| &found.column).filter(|column| is_labelled(column, labels)).collect();
    columns.sort();
    columns.dedup();
    for dropped in columns {
        let mut analysis = analysis.clone();
        analysis.statements.iter_mut().for_each(|statement| statement.uses.retain(|found| found.column != *dropped));
        found.push(Mutant { dropped: Drop::Use, output: None, analysis });
    }
    found
}

fn without(analysis: &Analysis, output: usize, dropped: impl Fn(&ColumnPath) -> bool) -> Analysis {
    let mut analysis = analysis.clone();
    let shown = analysis.statements.iter_mut().rev().find(|statement| !statement.outputs.is_empty() && statement.writes.is_empty());
    if let Some(output) = shown.and_then(|statement| statement.outputs.get_mut(output)) {
        output.exposures.retain(|exposure| !dropped(&exposure.column));
    }
    analysis
}
