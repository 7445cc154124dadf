//! Rows turned into Arrow's columns.

use super::message::failed;
use super::schema;
use crate::problem::Problem;
use crate::values::{Column, ColumnMode, Datum, Scalar, decimal, interval};
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, SchemaRef};
use sluice_model::Type;
use std::borrow::Cow;
use std::sync::Arc;

static NULL: Datum = Datum::Null;

pub fn batch(schema: &SchemaRef, columns: &[Column], rows: &[Cow<'_, [Datum]>]) -> Result<RecordBatch, Problem> {
    let whole = |(position, column): (usize, &Column)| {
        let cells: Vec<&Datum> = rows.iter().map(|row| row.get(position).unwrap_or(&NULL)).collect();
        array(column, &cells)
    };
    let arrays: Vec<ArrayRef> = columns.iter().enumerate().map(whole).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(failed)
}

fn array(column: &Column, cells: &[&Datum]) -> Result<ArrayRef, Problem> {
    if column.mode != ColumnMode::Repeated {
        return elements(column, cells);
    }
    let lists: Vec<&[Datum]> = cells.iter().map(|cell| list(column, cell)).collect::<Result<_, _>>()?;
    let inside: Vec<&Datum> = lists.iter().copied().flatten().collect();
    let values = elements(column, &inside)?;
    let offsets = OffsetBuffer::try_from_lengths(lists.iter().map(|list| list.len()));
    let offsets = offsets.map_err(|_| Problem::internal(format!("the lists of column {} are too long for one batch", column.name)))?;
    Ok(Arc::new(ListArray::try_new(Arc::new(schema::item(column)), offsets, values, None).map_err(failed)?))
}

/// A record that is not there has no elements in its lists.
fn list<'a>(column: &Column, cell: &'a Datum) -> Result<&'a [Datum], Problem> {
    match cell {
        Datum::Array(elements) => Ok(elements),
        Datum::Null => Ok(&[]),
        other => Err(misfit(column, other)),
    }
}

fn elements(column: &Column, cells: &[&Datum]) -> Result<ArrayRef, Problem> {
    let kind = match &column.kind {
        Scalar::Record => return record(column, cells),
        Scalar::Of(kind) => kind,
    };
    match kind {
        Type::Bool => Ok(Arc::new(BooleanArray::from(taken(column, cells, |cell| match cell {
            Datum::Bool(value) => Some(*value),
            _ => None,
        })?))),
        Type::Bytes => Ok(Arc::new(BinaryArray::from(taken(column, cells, |cell| match cell {
            Datum::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        })?))),
        Type::Date => primitive::<Date32Type>(column, cells, |cell| match cell {
            Datum::Date(days) => i32::try_from(*days).ok(),
            _ => None,
        }),
        Type::Datetime => primitive::<TimestampMicrosecondType>(column, cells, |cell| match cell {
            Datum::Datetime(microseconds) => Some(*microseconds),
            _ => None,
        }),
        Type::Float64 => primitive::<Float64Type>(column, cells, |cell| match cell {
            Datum::Float64(value) => Some(*value),
            _ => None,
        }),
        Type::Int64 => primitive::<Int64Type>(column, cells, |cell| match cell {
            Datum::Int64(value) => Some(*value),
            _ => None,
        }),
        Type::Interval => primitive::<IntervalMonthDayNanoType>(column, cells, span),
        Type::Numeric => primitive::<Decimal128Type>(column, cells, |cell| match (cell, schema::element(column)) {
            (Datum::Numeric(text), DataType::Decimal128(_, scale)) => decimal::unscaled(text, scale)?.to_i128(),
            _ => None,
        }),
        Type::BigNumeric => primitive::<Decimal256Type>(column, cells, |cell| match (cell, schema::element(column)) {
            (Datum::BigNumeric(text), DataType::Decimal256(_, scale)) => decimal::unscaled(text, scale),
            _ => None,
        }),
        Type::Range(inner) => range(column, inner, cells),
        Type::Time => primitive::<Time64MicrosecondType>(column, cells, |cell| match cell {
            Datum::Time(microseconds) => Some(*microseconds),
            _ => None,
        }),
        Type::Timestamp => primitive::<TimestampMicrosecondType>(column, cells, |cell| match cell {
            Datum::Timestamp(microseconds) => Some(*microseconds),
            _ => None,
        }),
        Type::Geography | Type::Json | Type::String | Type::Array(_) | Type::Struct(_) => {
            Ok(Arc::new(StringArray::from(taken(column, cells, text)?)))
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    column: &Column,
    cells: &[&Datum],
    value: impl Fn(&Datum) -> Option<T::Native>,
) -> Result<ArrayRef, Problem> {
    let values: PrimitiveArray<T> = taken(column, cells, value)?.into_iter().collect();
    // The time zone, or the digits, of the column.
    Ok(Arc::new(values.with_data_type(schema::element(column))))
}

/// What is not null has to be of the column's type.
fn taken<'a, T>(column: &Column, cells: &[&'a Datum], value: impl Fn(&'a Datum) -> Option<T>) -> Result<Vec<Option<T>>, Problem> {
    let one = |cell: &&'a Datum| match *cell {
        Datum::Null => Ok(None),
        cell => value(cell).map(Some).ok_or_else(|| misfit(column, cell)),
    };
    cells.iter().map(one).collect()
}

/// GEOGRAPHY comes out of queries as STRING.
fn text(cell: &Datum) -> Option<&str> {
    match cell {
        Datum::Geography(text) | Datum::Json(text) | Datum::String(text) => Some(text),
        _ => None,
    }
}

fn span(cell: &Datum) -> Option<IntervalMonthDayNano> {
    let Datum::Interval(text) = cell else { return None };
    let interval::Parts { months, days, nanoseconds } = interval::parts(text)?;
    // What is beyond three centuries of hours does not fit Arrow.
    Some(IntervalMonthDayNano::new(months, days, i64::try_from(nanoseconds).ok()?))
}

fn record(column: &Column, cells: &[&Datum]) -> Result<ArrayRef, Problem> {
    let rows = taken(column, cells, |cell| match cell {
        Datum::Struct(fields) => Some(fields.as_slice()),
        _ => None,
    })?;
    joined(column, &column.fields, &rows)
}

fn range(column: &Column, inner: &Type, cells: &[&Datum]) -> Result<ArrayRef, Problem> {
    let rows = taken(column, cells, |cell| match cell {
        Datum::Range(ends) => Some(ends.as_slice()),
        _ => None,
    })?;
    joined(column, &schema::ends(inner), &rows)
}

fn joined(column: &Column, fields: &[Column], rows: &[Option<&[Datum]>]) -> Result<ArrayRef, Problem> {
    let one = |(position, field): (usize, &Column)| {
        let cells: Vec<&Datum> = rows.iter().map(|row| row.and_then(|row| row.get(position)).unwrap_or(&NULL)).collect();
        array(field, &cells)
    };
    let arrays: Vec<ArrayRef> = fields.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
    let DataType::Struct(fields) = schema::element(column) else {
        return Err(Problem::internal(format!("column {} is no record", column.name)));
    };
    let array = StructArray::try_new_with_length(fields, arrays, Some(nulls), rows.len()).map_err(failed)?;
    Ok(Arc::new(array))
}

fn misfit(column: &Column, cell: &Datum) -> Problem {
    let kind = format!("{cell:?}").split('(').next().unwrap_or_default().to_owned();
    Problem::internal(format!("column {} of type {} holds a value of another kind ({kind})", column.name, column.full_type()))
}
