//! Copies of tables whose columns stand in different orders. Nobody has promised that BigQuery puts them together by name, so a label goes to both: the
//! column of the name, and the column at the place.

use crate::request::{Method, Request, Work};
use sluice_model::{Output, TableName, Type};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A column of one of the tables, and its place there.
struct Column<'a> {
    place: usize,
    name: &'a str,
    kind: Option<&'a Type>,
}

/// For each output the columns, beside the one of its name, that its values may come to. The column of its name is among them where another table
/// has it with other fields: then it is meant as a whole.
pub(crate) fn elsewhere(request: &Request, outputs: &[Output]) -> Vec<BTreeSet<String>> {
    let method = match &request.work {
        Work::Method(method) if method.name == "jobs.copy" => method,
        _ => return vec![BTreeSet::new(); outputs.len()],
    };
    let columns = columns(outputs);
    let all: Vec<&Column<'_>> = columns.iter().collect();
    let kept = kept(method);
    let mut by_place: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut by_name: BTreeMap<String, HashSet<Option<&Type>>> = BTreeMap::new();
    for column in all.into_iter().chain(&kept) {
        by_place.entry(column.place).or_default().insert(column.name);
        by_name.entry(column.name.to_lowercase()).or_default().insert(column.kind);
    }
    let of_column = |column: &Column<'_>| {
        let at_place = by_place.get(&column.place).into_iter().flatten().filter(|name| !name.eq_ignore_ascii_case(column.name));
        let has_others = by_name.get(&column.name.to_lowercase()).is_some_and(|kinds| kinds.len() > 1);
        let own = std::iter::once(&column.name).filter(|_| has_others);
        at_place.chain(own).map(|name| (*name).to_owned()).collect()
    };
    columns.iter().map(of_column).collect()
}

/// The outputs of a copy are the columns of its sources, one table behind the other.
fn columns(outputs: &[Output]) -> Vec<Column<'_>> {
    let mut table: Option<&TableName> = None;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut columns = Vec::with_capacity(outputs.len());
    for output in outputs {
        let of = output.exposures.first().map(|exposure| &exposure.column.table).or(table);
        // One table can be copied twice in a row.
        if of != table || !seen.insert(output.name.to_lowercase()) {
            seen = BTreeSet::from([output.name.to_lowercase()]);
            table = of;
        }
        columns.push(Column { place: seen.len().saturating_sub(1), name: &output.name, kind: output.kind.as_ref() });
    }
    columns
}

fn kept(method: &Method) -> Vec<Column<'_>> {
    method.kept.iter().enumerate().map(|(place, field)| Column { place, name: &field.name, kind: Some(&field.kind) }).collect()
}
