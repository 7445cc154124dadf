//! The evaluator has no geography and computes with texts in its place: the type of a result that is one comes from the analysis.

use crate::store::Row;
use crate::values::{Column, Datum};
use sluice_model::{Field, Type};
use sluice_sql::engine::Catalog;

/// Whether a table that is named has such a column.
pub fn is_named(catalog: &Catalog) -> bool {
    catalog.tables.iter().flat_map(|table| &table.columns).any(|column| has(&column.kind))
}

/// Where the analysis says GEOGRAPHY and the evaluator STRING, both are the same value. Nothing changes where they differ in more.
pub fn restore(columns: &mut [Column], rows: &mut [Row], described: &[Column]) {
    if columns.len() != described.len() {
        return;
    }
    for (position, (column, described)) in columns.iter_mut().zip(described).enumerate() {
        let kind = described.full_type();
        if !has(&kind) || as_text(&kind) != column.full_type() {
            continue;
        }
        *column = Column::of(&column.name, &kind);
        rows.iter_mut().filter_map(|row| row.get_mut(position)).for_each(|cell| convert(&kind, cell));
    }
}

fn has(kind: &Type) -> bool {
    match kind {
        Type::Geography => true,
        Type::Array(element) => has(element),
        Type::Struct(fields) => fields.iter().any(|field| has(&field.kind)),
        _ => false,
    }
}

/// The type as the evaluator has it.
fn as_text(kind: &Type) -> Type {
    match kind {
        Type::Geography => Type::String,
        Type::Array(element) => Type::array(as_text(element)),
        Type::Struct(fields) => {
            Type::Struct(fields.iter().map(|field| Field { name: field.name.clone(), kind: as_text(&field.kind) }).collect())
        }
        other => other.clone(),
    }
}

fn convert(kind: &Type, cell: &mut Datum) {
    if let (Type::Geography, Datum::String(text)) = (kind, &mut *cell) {
        *cell = Datum::Geography(std::mem::take(text));
        return;
    }
    match (kind, cell) {
        (Type::Array(element), Datum::Array(cells)) => cells.iter_mut().for_each(|cell| convert(element, cell)),
        (Type::Struct(fields), Datum::Struct(cells)) => {
            fields.iter().zip(cells).for_each(|(field, cell)| convert(&field.kind, cell));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_the_analysis_says() {
        let check = |evaluated: &str, described: &str, expect: &str| {
            let kind = |text: &str| Type::parse(text).unwrap();
            let mut columns = vec![Column::of("g", &kind(evaluated))];
            let mut rows = vec![vec![cell(&kind(evaluated), Datum::String)]];
            restore(&mut columns, &mut rows, &[Column::of("g", &kind(described))]);
            assert_eq!(columns[0].full_type(), kind(expect), "{evaluated} {described}");
            let made = if has(&kind(expect)) { Datum::Geography } else { Datum::String };
            assert_eq!(rows, [[cell(&kind(evaluated), made)]], "{evaluated} {described}");
        };
        check("STRING", "GEOGRAPHY", "GEOGRAPHY");
        check("ARRAY<STRING>", "ARRAY<GEOGRAPHY>", "ARRAY<GEOGRAPHY>");
        check("STRUCT<a STRING>", "STRUCT<a GEOGRAPHY>", "STRUCT<a GEOGRAPHY>");
        check("STRING", "STRING", "STRING");
        check("STRING", "STRUCT<a GEOGRAPHY>", "STRING");
    }

    fn cell(kind: &Type, text: fn(String) -> Datum) -> Datum {
        match kind {
            Type::Array(element) => Datum::Array(vec![cell(element, text)]),
            Type::Struct(fields) => Datum::Struct(fields.iter().map(|field| cell(&field.kind, text)).collect()),
            _ => text("POINT(4 7)".to_owned()),
        }
    }
}
