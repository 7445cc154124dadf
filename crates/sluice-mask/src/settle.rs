//! Types that a format of rows cannot tell apart, as the permit knows them.

use crate::schema::{Column, Columns};
use sluice_model::{Field, Output, Type};

/// The same columns. A type that could be another one is the one that is expected there; every other type stays as it is, and whoever compares sees it.
pub(crate) fn settled(columns: &Columns, outputs: &[Output]) -> Columns {
    let one = |(position, column): (usize, &Column)| match outputs.get(position).and_then(|output| output.kind.as_ref()) {
        Some(kind) => settled_column(column, kind),
        None => column.clone(),
    };
    Columns(columns.0.iter().enumerate().map(one).collect())
}

fn settled_column(column: &Column, expected: &Type) -> Column {
    let expected = match expected {
        Type::Array(element) if column.repeated => element,
        other => other,
    };
    let fields = match (&column.fields, expected) {
        (Some(fields), Type::Struct(expected)) => Some(settled_fields(fields, expected)),
        (fields, _) => fields.clone(),
    };
    let kind = if can_be(&column.kind, expected) { expected } else { &column.kind };
    column.with(kind.clone(), fields)
}

fn settled_fields(fields: &Columns, expected: &[Field]) -> Columns {
    let one = |(position, field): (usize, &Column)| match expected.get(position) {
        Some(expected) => settled_column(field, &expected.kind),
        None => field.clone(),
    };
    Columns(fields.0.iter().enumerate().map(one).collect())
}

/// What lies in the row is the same: text, or a number of any length.
fn can_be(found: &Type, expected: &Type) -> bool {
    match found {
        Type::String => matches!(expected, Type::Geography | Type::Json),
        // By its digits a short BIGNUMERIC is a NUMERIC. Only Avro leaves it at that.
        Type::Numeric => *expected == Type::BigNumeric,
        _ => false,
    }
}
