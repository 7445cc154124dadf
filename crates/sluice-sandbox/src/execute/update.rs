//! UPDATE and DELETE: a query says which numbered rows are met and what their new values are.

use super::bind::ROW_COLUMN;
use super::coerce::as_type;
use super::modify::{Change, TARGET_NAME};
use super::outcome::Changed;
use super::text::{Edited, Span, quoted};
use crate::problem::Problem;
use crate::store::Row;
use crate::values::{Column, ColumnMode, Datum, Scalar};
use sluice_sql::tree::NodeId;
use std::collections::BTreeMap;

/// One `SET path = value`.
pub struct Assignment {
    /// Positions of the column and of the fields below it.
    pub place: Vec<usize>,
    pub value: Edited,
}

pub fn update(change: Change<'_>) -> Result<(Vec<Row>, Changed), Problem> {
    let tree = &change.script.tree;
    let list = tree.child(change.node, "update_item_list").ok_or_else(|| Problem::internal("UPDATE without items"))?;
    let assignments = assignments(&change, list)?;
    let mut text = Edited::default();
    text.push("SELECT ");
    text.push(&row_number(&change));
    for assignment in &assignments {
        text.push(", ");
        text.append(&assignment.value);
    }
    text.push(&format!(" FROM {TARGET_NAME} AS {}", quoted(&change.alias())));
    if let Some(from) = tree.child(change.node, "from_clause").and_then(|from| change.script.span(from)) {
        text.push(", ");
        text.append(&change.part_of(Span { start: from.start + "FROM".len(), end: from.end }));
    }
    text.push(" WHERE ");
    text.append(&condition(&change, "UPDATE")?);
    let found = change.query(&text)?.rows;
    let mut rows = change.table.rows.as_held().unwrap_or_default().to_vec();
    let met = by_row(found)?;
    for (number, values) in &met {
        if let Some(row) = rows.get_mut(*number) {
            apply(&change.table.columns, row, &assignments, values);
        }
    }
    Ok((rows, Changed { updated: met.len() as u64, ..Changed::default() }))
}

pub fn delete(change: Change<'_>) -> Result<(Vec<Row>, Changed), Problem> {
    let mut text = Edited::default();
    text.push(&format!("SELECT {} FROM {TARGET_NAME} AS {} WHERE ", row_number(&change), quoted(&change.alias())));
    text.append(&condition(&change, "DELETE")?);
    let found = change.query(&text)?.rows;
    let met = by_row(found)?;
    let rows = change.table.rows.as_held().unwrap_or_default().iter().enumerate();
    let kept = rows.filter(|(number, _)| !met.contains_key(number)).map(|(_, row)| row.clone()).collect();
    Ok((kept, Changed { deleted: met.len() as u64, ..Changed::default() }))
}

/// `alias._sandbox_row`.
pub fn row_number(change: &Change<'_>) -> String {
    format!("{}.{ROW_COLUMN}", quoted(&change.alias()))
}

pub fn assignments(change: &Change<'_>, list: NodeId) -> Result<Vec<Assignment>, Problem> {
    let tree = &change.script.tree;
    let one = |item: NodeId| {
        let set = tree.child(item, "set_value").ok_or_else(|| Problem::not_implemented("nested DML inside UPDATE"))?;
        let path = tree.child(set, "path").map(|path| change.script.written_path(path)).filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| Problem::not_implemented("SET of an element of an array"))?;
        let value = tree.child(set, "value").ok_or_else(|| Problem::internal("SET without a value"))?;
        let (place, column) = find(change, &path)?;
        let value = match tree.kind(value) {
            "ASTDefaultLiteral" => Edited::whole(&Change::default_text(column)),
            _ => change.part(value),
        };
        Ok(Assignment { place, value: as_type(&column.full_type(), &value) })
    };
    tree.children(list, "update_items").into_iter().map(one).collect()
}

/// What was found for each numbered row, which stands in the first cell. One row may be met once.
pub fn by_row(found: Vec<Row>) -> Result<BTreeMap<usize, Row>, Problem> {
    let mut met = BTreeMap::new();
    for mut row in found {
        if row.is_empty() {
            continue;
        }
        let Datum::Int64(number) = row.remove(0) else { continue };
        if met.insert(usize::try_from(number).unwrap_or(usize::MAX), row).is_some() {
            return Err(Problem::invalid_query("UPDATE/MERGE must match at most one source row for each target row"));
        }
    }
    Ok(met)
}

pub fn apply(columns: &[Column], row: &mut Row, assignments: &[Assignment], values: &Row) {
    for (assignment, value) in assignments.iter().zip(values) {
        if let Some((first, rest)) = assignment.place.split_first()
            && let (Some(column), Some(cell)) = (columns.get(*first), row.get_mut(*first))
        {
            put(column, cell, rest, value);
        }
    }
}

/// A null record becomes a record of nulls when a field of it is set.
fn put(column: &Column, cell: &mut Datum, place: &[usize], value: &Datum) {
    let Some((first, rest)) = place.split_first() else {
        *cell = value.clone();
        return;
    };
    if *cell == Datum::Null {
        *cell = Datum::Struct(vec![Datum::Null; column.fields.len()]);
    }
    if let Datum::Struct(cells) = cell
        && let (Some(field), Some(inner)) = (column.fields.get(*first), cells.get_mut(*first))
    {
        put(field, inner, rest, value);
    }
}

fn condition(change: &Change<'_>, word: &str) -> Result<Edited, Problem> {
    let condition = change.script.tree.child(change.node, "where");
    let condition = condition.ok_or_else(|| Problem::invalid_query(format!("{word} must have a WHERE clause")))?;
    let mut text = Edited::default();
    text.push("(");
    text.append(&change.part(condition));
    text.push(")");
    Ok(text)
}

fn find<'a>(change: &Change<'a>, path: &[String]) -> Result<(Vec<usize>, &'a Column), Problem> {
    let named = |name: &str| change.table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let path = match path.split_first() {
        Some((first, rest)) if !rest.is_empty() && first.eq_ignore_ascii_case(&change.alias()) && !named(first) => rest,
        _ => path,
    };
    let (first, rest) = path.split_first().ok_or_else(|| Problem::internal("SET of nothing"))?;
    let (position, mut column) = change.column(first)?;
    let mut place = vec![position];
    for name in rest {
        let record = column.kind == Scalar::Record && column.mode != ColumnMode::Repeated;
        let field = column.fields.iter().enumerate().find(|(_, field)| record && field.name.eq_ignore_ascii_case(name));
        let (position, field) = field.ok_or_else(|| Problem::invalid_query(format!("Field {name} does not exist in {}", column.name)))?;
        place.push(position);
        column = field;
    }
    Ok((place, column))
}
