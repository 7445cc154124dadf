//! INSERT: values become one typed array of structs, so that they are coerced as an assignment is; queries are run and coerced after.

use super::coerce::coerce;
use super::evaluator::Answer;
use super::modify::Change;
use super::outcome::Changed;
use super::text::{Edited, quoted};
use crate::problem::Problem;
use crate::store::Row;
use crate::values::{Column, Datum};
use sluice_model::Type;
use sluice_sql::tree::NodeId;

pub fn run(change: Change<'_>) -> Result<(Vec<Row>, Changed), Problem> {
    let tree = &change.script.tree;
    let columns = change.listed_columns(tree.child(change.node, "column_list"))?;
    let given = match (tree.child(change.node, "rows"), tree.child(change.node, "query")) {
        (Some(rows), _) => {
            let rows = tree.children(rows, "rows");
            let rows: Vec<Vec<NodeId>> = rows.into_iter().map(|row| tree.children(row, "values")).collect();
            values(&change, &columns, &rows)?
        }
        (None, Some(query)) => queried(&change, &columns, &change.part(query))?,
        (None, None) => return Err(Problem::not_implemented("this form of INSERT")),
    };
    let mut rows = change.table.rows.as_held().unwrap_or_default().to_vec();
    let inserted = given.len() as u64;
    let places: Vec<usize> = columns.iter().map(|(place, _)| *place).collect();
    let defaults = defaults(&change)?;
    rows.extend(given.into_iter().map(|cells| filled(&defaults, &places, cells)));
    Ok((rows, Changed { inserted, ..Changed::default() }))
}

/// Rows of values, each coerced to its column.
fn values(change: &Change<'_>, columns: &[(usize, &Column)], rows: &[Vec<NodeId>]) -> Result<Vec<Row>, Problem> {
    let mut text = Edited::default();
    text.push("SELECT * FROM UNNEST([");
    for (number, row) in rows.iter().enumerate() {
        if row.len() != columns.len() {
            let message = format!("Inserted row has wrong column count; Has {}, expected {}", row.len(), columns.len());
            return Err(Problem::invalid_query(message));
        }
        text.push(if number == 0 { "" } else { ", " });
        text.append(&structure(change, columns, row));
    }
    text.push("]) WITH OFFSET AS _sandbox_offset ORDER BY _sandbox_offset");
    let mut rows = change.query(&text)?.rows;
    rows.iter_mut().for_each(|row| row.truncate(columns.len()));
    Ok(rows)
}

/// `STRUCT<c0 T0, c1 T1>(a, b)`.
pub fn structure(change: &Change<'_>, columns: &[(usize, &Column)], values: &[NodeId]) -> Edited {
    let mut text = Edited::default();
    let fields: Vec<String> = columns.iter().enumerate().map(|(number, (_, column))| format!("c{number} {}", column.full_type())).collect();
    text.push(&format!("STRUCT<{}>(", fields.join(", ")));
    for (number, (value, (_, column))) in values.iter().zip(columns).enumerate() {
        text.push(if number == 0 { "(" } else { ", (" });
        match change.script.tree.kind(*value) {
            "ASTDefaultLiteral" => text.push(&Change::default_text(column)),
            _ => text.append(&change.part(*value)),
        }
        text.push(")");
    }
    text.push(")");
    text
}

/// Rows of a query, coerced to the columns.
pub fn queried(change: &Change<'_>, columns: &[(usize, &Column)], query: &Edited) -> Result<Vec<Row>, Problem> {
    let Answer { columns: found, rows } = change.query(query)?;
    if found.len() != columns.len() {
        let message = format!("Inserted row has wrong column count; Has {}, expected {}", found.len(), columns.len());
        return Err(Problem::invalid_query(message));
    }
    let wanted: Vec<(Type, Type)> = found.into_iter().zip(columns).map(|((_, from), (_, column))| (from, column.full_type())).collect();
    rows.into_iter()
        .map(|row| {
            let cells = row.into_iter().zip(&wanted).zip(1..);
            cells
                .map(|((cell, (from, to)), number)| {
                    let message = || format!("Query column {number} has type {from} which cannot be inserted into a column of type {to}");
                    coerce(cell, from, to).ok_or_else(|| Problem::invalid_query(message()))
                })
                .collect()
        })
        .collect()
}

/// A whole row: given cells at their places, defaults elsewhere.
pub fn filled(defaults: &[Datum], places: &[usize], cells: Row) -> Row {
    let mut row = defaults.to_vec();
    for (place, cell) in places.iter().zip(cells) {
        if let Some(target) = row.get_mut(*place) {
            *target = cell;
        }
    }
    row
}

/// A row of defaults; columns with a default expression have it evaluated once.
pub fn defaults(change: &Change<'_>) -> Result<Row, Problem> {
    let one = |column: &Column| {
        let text = Change::default_text(column);
        if text == "NULL" {
            return Ok(Datum::Null);
        }
        let kind = column.full_type();
        let Answer { rows, .. } = change.query(&Edited::whole(&format!("SELECT CAST(({text}) AS {kind}) AS {}", quoted(&column.name))))?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or(Datum::Null))
    };
    change.table.columns.iter().map(one).collect()
}
