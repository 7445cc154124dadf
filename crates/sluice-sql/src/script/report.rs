//! Flows -> the plain vocabulary that policy reads.

use crate::analyzer::error_uses;
use crate::flow::{Sources, Way};
use crate::statement::Understood;
use crate::wording::bounded;
use sluice_model::{ColumnPath, Effect, Exposure, Output, Read, StatementAnalysis, TableName, Unresolved, Use, Write};
use std::collections::{BTreeMap, BTreeSet};

/// `own`: the statement stands in the caller's own text.
pub(super) fn report(mut done: Understood, own: bool, span: Option<(usize, usize)>, sources: &Sources) -> StatementAnalysis {
    let outputs: Vec<Output> = done.outputs.iter().map(|output| exposures(output, sources)).collect();
    let mut uses: BTreeSet<Use> = BTreeSet::new();
    for (source, how) in done.rows.iter().chain(&error_uses(&done.found.errors)) {
        match sources.path(*source) {
            Some(column) => drop(uses.insert(Use { column: column.clone(), how: *how })),
            None => drop(done.found.unresolved.insert("a source that is not known".to_owned())),
        }
    }
    let reads = reads(&done, &outputs, &uses);
    let exposed = outputs.iter().flat_map(|output| output.exposures.iter().map(|exposure| &exposure.column));
    let shapes: BTreeSet<&ColumnPath> = exposed.chain(uses.iter().map(|used| &used.column)).filter(|path| sources.is_shape(path)).collect();
    let shapes = shapes.into_iter().cloned().collect();
    // Views, functions and models that lie in a dataset are others' text.
    let own = own && done.found.routines.iter().all(|name| TableName::parse(name).is_none());
    let billed = done.found.billed.iter().map(|(table, columns)| Read { table: table.clone(), columns: columns.iter().cloned().collect() });
    let billed = Some(billed.collect());
    if !reads.is_empty() {
        done.effects.insert(Effect::Read);
    }
    done.effects.extend(done.found.effects.iter().copied());
    let child_job =
        !reads.is_empty() || !matches!(done.kind.as_str(), "DECLARE" | "SET" | "IF" | "CASE" | "WHILE" | "LOOP" | "REPEAT" | "FOR");
    StatementAnalysis {
        kind: done.kind,
        effects: done.effects.into_iter().collect(),
        reads,
        historical: done.found.historical.into_iter().collect(),
        billed,
        writes: done.writes.into_iter().map(|write| Write { table: write.table, columns: write.columns, effect: write.effect }).collect(),
        outputs,
        uses: uses.into_iter().collect(),
        shapes,
        routines: done.found.routines.into_iter().collect(),
        unresolved: done.found.unresolved.into_iter().map(|what| Unresolved { what: bounded(what), own }).collect(),
        locations: done.locations.into_iter().collect(),
        reads_files: done.found.reads_files,
        child_job,
        span,
    }
}

fn exposures((name, kind, flow): &(String, Option<sluice_model::Type>, crate::flow::Flow), sources: &Sources) -> Output {
    let mut leaves = BTreeSet::new();
    flow.leaves(kind.as_ref(), &mut Vec::new(), &mut leaves);
    let exposure = |(at, source, way): (Vec<String>, _, Way)| {
        sources.path(source).map(|column| Exposure { at, column: column.clone(), how: way.how() })
    };
    // Two ways may read the same from outside.
    let exposures: BTreeSet<Exposure> = leaves.into_iter().filter_map(exposure).collect();
    Output { name: name.clone(), kind: kind.clone(), exposures: exposures.into_iter().collect() }
}

/// Plain columns as the scans list them. Of structs, the leaves that reached something; the column itself where none did.
fn reads(done: &Understood, outputs: &[Output], uses: &BTreeSet<Use>) -> Vec<Read> {
    let mut tables: BTreeMap<TableName, BTreeSet<String>> = done.found.reads.columns.clone();
    let exposed = outputs.iter().flat_map(|output| output.exposures.iter().map(|exposure| &exposure.column));
    let reached: BTreeSet<_> = exposed.chain(uses.iter().map(|used| &used.column)).collect();
    for (table, column) in &done.found.reads.compound {
        let leaves: Vec<String> = reached
            .iter()
            .filter(|path| path.table == *table && path.path.first() == Some(column))
            .map(|path| path.path.join("."))
            .collect();
        let columns = tables.entry(table.clone()).or_default();
        match leaves.is_empty() {
            true => drop(columns.insert(column.clone())),
            false => columns.extend(leaves),
        }
    }
    tables.into_iter().map(|(table, columns)| Read { table, columns: columns.into_iter().collect() }).collect()
}
