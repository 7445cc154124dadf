//! Values put into other types, where GoogleSQL does it without being asked; and values exchanged inside rows.

use super::text::Edited;
use crate::problem::Problem;
use crate::store::Row;
use crate::values::{Column, ColumnMode, Datum, decimal};
use sluice_model::Type;

/// An expression that has the type, or does not resolve, just as an assignment to that type would not.
pub fn as_type(kind: &Type, expression: &Edited) -> Edited {
    let mut text = Edited::default();
    text.push(&format!("STRUCT<v {kind}>(("));
    text.append(expression);
    text.push(")).v");
    text
}

/// The engine speaks of the struct that an assignment was written as.
pub fn assignment_problem(mut problem: Problem) -> Problem {
    let parts = problem.message.strip_prefix("Struct field ").and_then(|rest| rest.split_once(" has type "));
    if let Some((from, to)) = parts.and_then(|(_, rest)| rest.split_once(" which does not coerce to ")) {
        problem.message = format!("Value of type {from} cannot be assigned to {to}");
    }
    problem
}

/// The value of one type in another one. `None` where GoogleSQL does not coerce.
pub fn coerce(value: Datum, from: &Type, to: &Type) -> Option<Datum> {
    if from == to || value == Datum::Null {
        return Some(value);
    }
    match (value, from, to) {
        (Datum::Int64(number), _, Type::Numeric) => Some(Datum::Numeric(number.to_string())),
        (Datum::Int64(number), _, Type::BigNumeric) => Some(Datum::BigNumeric(number.to_string())),
        #[expect(clippy::cast_precision_loss, reason = "GoogleSQL's own coercion of INT64 to FLOAT64 rounds too")]
        (Datum::Int64(number), _, Type::Float64) => Some(Datum::Float64(number as f64)),
        (Datum::Numeric(text), _, Type::BigNumeric) => Some(Datum::BigNumeric(text)),
        (Datum::Numeric(text) | Datum::BigNumeric(text), _, Type::Float64) => text.parse().ok().map(Datum::Float64),
        (Datum::BigNumeric(text), _, Type::Numeric) => decimal::canonical(&text, decimal::NUMERIC).map(Datum::Numeric),
        (Datum::Date(days), _, Type::Datetime) => Some(Datum::Datetime(days * 86_400_000_000)),
        (Datum::Date(days), _, Type::Timestamp) => Some(Datum::Timestamp(days * 86_400_000_000)),
        (Datum::Array(elements), Type::Array(from), Type::Array(to)) => {
            elements.into_iter().map(|element| coerce(element, from, to)).collect::<Option<_>>().map(Datum::Array)
        }
        (Datum::Struct(cells), Type::Struct(from), Type::Struct(to)) if from.len() == to.len() => {
            let cells = cells.into_iter().zip(from.iter().zip(to)).map(|(cell, (from, to))| coerce(cell, &from.kind, &to.kind));
            cells.collect::<Option<_>>().map(Datum::Struct)
        }
        _ => None,
    }
}

/// Rows with other values at one path, which leads into records and through arrays.
pub fn replaced(columns: &[Column], rows: &[Row], path: &[&str], value: &dyn Fn(u64, &Datum) -> Datum) -> Result<Vec<Row>, Problem> {
    let missing = || Problem::not_found(format!("Not found: column {}", path.join(".")));
    let (first, rest) = path.split_first().ok_or_else(missing)?;
    let position = columns.iter().position(|column| column.name.eq_ignore_ascii_case(first)).ok_or_else(missing)?;
    let column = columns.get(position).ok_or_else(missing)?;
    let mut rows = rows.to_vec();
    for (number, row) in (0..).zip(&mut rows) {
        if let Some(cell) = row.get_mut(position) {
            exchange(column, cell, rest, &mut |old| value(number, old)).ok_or_else(missing)?;
        }
    }
    Ok(rows)
}

fn exchange(column: &Column, cell: &mut Datum, path: &[&str], value: &mut dyn FnMut(&Datum) -> Datum) -> Option<()> {
    match (path.split_first(), cell) {
        (None, cell) => *cell = value(cell),
        (Some(_), Datum::Null) => {}
        (Some(_), Datum::Array(elements)) if column.mode == ColumnMode::Repeated => {
            for element in elements {
                exchange(column, element, path, value)?;
            }
        }
        (Some((name, rest)), Datum::Struct(cells)) => {
            let position = column.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))?;
            exchange(column.fields.get(position)?, cells.get_mut(position)?, rest, value)?;
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    #[test]
    fn coercions_are_googlesqls() {
        let check = |value: Datum, from: &str, to: &str, expect: Option<Datum>| {
            assert_eq!(coerce(value, &Type::parse(from).unwrap(), &Type::parse(to).unwrap()), expect, "{from} to {to}");
        };
        check(Datum::Int64(1), "INT64", "NUMERIC", Some(Datum::Numeric("1".to_owned())));
        check(Datum::Int64(1), "INT64", "STRING", None);
        check(Datum::Null, "INT64", "STRING", Some(Datum::Null));
        check(Datum::Array(vec![Datum::Int64(1)]), "ARRAY<INT64>", "ARRAY<FLOAT64>", Some(Datum::Array(vec![Datum::Float64(1.0)])));
        check(Datum::Float64(1.0), "FLOAT64", "INT64", None);
    }

    #[test]
    fn values_are_exchanged_inside_records_and_arrays() {
        let columns = columns_of("a INT64, c ARRAY<STRUCT<n INT64, p STRING>>").unwrap();
        let contact = |phone: &str| Datum::Struct(vec![Datum::Int64(1), Datum::String(phone.to_owned())]);
        let rows = vec![vec![Datum::Int64(1), Datum::Array(vec![contact("x"), contact("y")])]];
        let star = |_: u64, _: &Datum| Datum::String("*".to_owned());
        let changed = replaced(&columns, &rows, &["c", "p"], &star).unwrap();
        assert_eq!(changed, [vec![Datum::Int64(1), Datum::Array(vec![contact("*"), contact("*")])]]);
        assert!(replaced(&columns, &rows, &["c", "q"], &star).is_err());
        assert!(replaced(&columns, &rows, &[], &star).is_err());
    }
}
