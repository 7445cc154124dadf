//! Which field of a message goes to which column. What does not fit is told before any row is read.

use super::cells;
use super::descriptor::{Field, Kind};
use super::wire::{self, Value};
use crate::store::Row;
use crate::values::{Column, ColumnMode, Datum, Scalar, limit};
use std::collections::HashSet;

/// Of a stream, as its client described its rows.
pub struct Layout {
    pub columns: Vec<Column>,
    fields: Vec<Field>,
    places: Vec<Option<Place>>,
}

/// Where a column finds its value.
struct Place {
    field: usize,
    /// Of a record, where its own columns find theirs.
    inner: Vec<Option<Place>>,
}

/// What a client wants for columns that a row leaves out. Those that are not named are NULL.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    /// Columns that take their default.
    pub defaults: HashSet<String>,
    pub nulls: HashSet<String>,
    pub all_default: bool,
}

impl Layout {
    pub fn new(columns: &[Column], fields: Vec<Field>) -> Result<Layout, String> {
        let places = places(columns, &fields, "")?;
        Ok(Layout { columns: columns.to_vec(), fields, places })
    }

    /// A row of the table, or what is wrong with it.
    pub fn row(&self, bytes: &[u8], missing: &Missing) -> Result<Row, String> {
        let found = wire::read(&self.fields, bytes)?;
        let row = record(&self.columns, &self.fields, &self.places, &found, "")?;
        for (column, cell) in self.columns.iter().zip(&row) {
            if *cell == Datum::Null && missing.is_default(&column.name) && column.extra.contains_key("defaultValueExpression") {
                return Err(format!("the default of {} is not filled in by the sandbox warehouse", column.name));
            }
        }
        Ok(row)
    }
}

impl Missing {
    fn is_default(&self, column: &str) -> bool {
        let is_among = |names: &HashSet<String>| names.iter().any(|name| name.eq_ignore_ascii_case(column));
        is_among(&self.defaults) || (self.all_default && !is_among(&self.nulls))
    }
}

fn places(columns: &[Column], fields: &[Field], path: &str) -> Result<Vec<Option<Place>>, String> {
    let is_known = |field: &&Field| columns.iter().any(|column| column.name.eq_ignore_ascii_case(&field.name));
    if let Some(field) = fields.iter().find(|field| !is_known(field)) {
        return Err(format!("field {} is not found in the table", joined(path, &field.name)));
    }
    columns.iter().map(|column| place(column, fields, &joined(path, &column.name))).collect()
}

fn place(column: &Column, fields: &[Field], path: &str) -> Result<Option<Place>, String> {
    let found = fields.iter().enumerate().find(|(_, field)| field.name.eq_ignore_ascii_case(&column.name));
    let Some((number, field)) = found else {
        let is_required = column.mode == ColumnMode::Required;
        return if is_required { Err(format!("required field {path} is missing in the schema")) } else { Ok(None) };
    };
    if field.is_repeated != (column.mode == ColumnMode::Repeated) {
        return Err(format!("field {path} is a list on one side alone"));
    }
    let inner = match (&column.kind, &field.kind) {
        (Scalar::Record, Kind::Message(inner)) => places(&column.fields, inner, path)?,
        (Scalar::Of(kind), given) if cells::accepts(kind, given) => Vec::new(),
        _ => return Err(format!("field {path} has a type that a column of type {} does not take", column.full_type())),
    };
    Ok(Some(Place { field: number, inner }))
}

fn record(columns: &[Column], fields: &[Field], places: &[Option<Place>], found: &[Vec<Value>], path: &str) -> Result<Row, String> {
    columns.iter().zip(places).map(|(column, place)| cell(column, fields, place.as_ref(), found, &joined(path, &column.name))).collect()
}

fn cell(column: &Column, fields: &[Field], place: Option<&Place>, found: &[Vec<Value>], path: &str) -> Result<Datum, String> {
    let there = place.and_then(|place| Some((place, fields.get(place.field)?, found.get(place.field)?.as_slice())));
    match (column.mode, there) {
        (ColumnMode::Repeated, None) => Ok(Datum::Array(Vec::new())),
        (ColumnMode::Repeated, Some((place, field, values))) => {
            Ok(Datum::Array(values.iter().map(|value| single(column, field, place, value, path)).collect::<Result<_, _>>()?))
        }
        (_, Some((place, field, [value, ..]))) => single(column, field, place, value, path),
        (ColumnMode::Required, _) => Err(format!("Missing required field: {path}.")),
        (ColumnMode::Nullable, _) => Ok(Datum::Null),
    }
}

fn single(column: &Column, field: &Field, place: &Place, value: &Value, path: &str) -> Result<Datum, String> {
    let wrong = || format!("Cannot convert value to {}: {path}.", column.full_type());
    let mut cell = match (&column.kind, &field.kind, value) {
        (Scalar::Record, Kind::Message(fields), Value::Message(found)) => {
            Datum::Struct(record(&column.fields, fields, &place.inner, found, path)?)
        }
        (Scalar::Of(kind), _, value) => cells::scalar(kind, field, value).ok_or_else(wrong)?,
        (Scalar::Record, ..) => return Err(wrong()),
    };
    limit::fit(column, &mut cell)?;
    Ok(cell)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    fn field(number: u32, name: &str, kind: Kind, is_repeated: bool) -> Field {
        Field { number, name: name.to_owned(), kind, is_repeated }
    }

    fn check(columns: &str, fields: Vec<Field>, row: &[u8], expect: Result<Row, &str>) {
        let found = Layout::new(&columns_of(columns).unwrap(), fields).and_then(|layout| layout.row(row, &Missing::default()));
        match expect {
            Ok(expect) => assert_eq!(found, Ok(expect), "{columns}"),
            Err(part) => assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{columns}: {found:?}"),
        }
    }

    #[test]
    fn rows_are_laid_out_by_name() {
        let number = Datum::Int64;
        check("a INT64, b STRING", vec![field(2, "A", Kind::Int64, false)], &[16, 5], Ok(vec![number(5), Datum::Null]));
        check("a INT64", vec![field(1, "a", Kind::Int64, false)], &[], Ok(vec![Datum::Null]));
        check("a ARRAY<INT64>", vec![field(1, "a", Kind::Int64, true)], &[10, 2, 1, 2], Ok(vec![Datum::Array(vec![number(1), number(2)])]));
        check("a ARRAY<INT64>, b INT64", vec![field(1, "b", Kind::Int64, false)], &[8, 1], Ok(vec![Datum::Array(Vec::new()), number(1)]));
        let inner = Kind::Message(vec![field(1, "y", Kind::Int64, false)]);
        let record = Datum::Struct(vec![Datum::Null, number(7)]);
        check("s STRUCT<x STRING, y INT64>", vec![field(1, "s", inner, false)], &[10, 2, 8, 7], Ok(vec![record]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        check("a INT64", vec![field(1, "b", Kind::Int64, false)], &[], Err("field b is not found"));
        check("a INT64", vec![field(1, "a", Kind::Text, false)], &[], Err("type INT64"));
        check("a INT64", vec![field(1, "a", Kind::Int64, true)], &[], Err("list on one side"));
        check("s STRUCT<x INT64>", vec![field(1, "s", Kind::Message(vec![field(1, "z", Kind::Int64, false)]), false)], &[], Err("s.z"));
        check("d DATE", vec![field(1, "d", Kind::Text, false)], &[10, 1, b'x'], Err("Cannot convert value to DATE: d."));
        let mut columns = columns_of("a INT64, b INT64").unwrap();
        columns[0].mode = ColumnMode::Required;
        let all = || vec![field(1, "a", Kind::Int64, false), field(2, "b", Kind::Int64, false)];
        assert!(Layout::new(&columns, vec![field(2, "b", Kind::Int64, false)]).is_err_and(|text| text.contains("required field a")));
        let layout = Layout::new(&columns, all()).unwrap();
        assert_eq!(layout.row(&[16, 1], &Missing::default()), Err("Missing required field: a.".to_owned()));
        columns[1].extra.insert("defaultValueExpression".to_owned(), "7".into());
        let layout = Layout::new(&columns, all()).unwrap();
        let missing = Missing { all_default: true, ..Missing::default() };
        assert!(layout.row(&[8, 1], &missing).is_err_and(|text| text.contains("default of b")));
        let missing = Missing { nulls: HashSet::from(["B".to_owned()]), ..missing };
        assert_eq!(layout.row(&[8, 1], &missing), Ok(vec![Datum::Int64(1), Datum::Null]));
    }
}
