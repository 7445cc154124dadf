//! BigQuery's columns out of an Arrow schema. What BigQuery does not write is not understood: dictionaries, unions, views, runs.

use super::super::Room;
use super::message::parts;
use crate::masker::MaskFault;
use crate::schema::{COLUMN_LEVELS_MAX, COLUMN_NAME_BYTES_MAX, Column, Columns, Mode};
use arrow_ipc::{DateUnit, Endianness, Field, IntervalUnit, Precision, TimeUnit, Type as Kind};
use sluice_model::Type;

/// Metadata that tell apart what is one type to Arrow.
const EXTENSION_NAME: &str = "ARROW:extension:name";
const GEOGRAPHY: &str = "google:sqlType:geography";
const JSON: &str = "google:sqlType:json";
/// A range has no extension's name.
const SQL_TYPE: &str = "google:sqlType";
const RANGE: &str = "range";

pub(in super::super) fn columns(message: &[u8]) -> Result<Columns, MaskFault> {
    let (_, head, body) = parts(message)?;
    let schema = head.header_as_schema().filter(|_| body.is_empty()).ok_or(MaskFault::Shape)?;
    if schema.endianness() != Endianness::Little {
        return Err(MaskFault::Unfit);
    }
    let mut room = Room::new();
    fields(schema.fields().iter().flatten(), &mut room, COLUMN_LEVELS_MAX).ok_or(MaskFault::Unfit)
}

fn fields<'a>(fields: impl Iterator<Item = Field<'a>>, room: &mut Room, levels_left: usize) -> Option<Columns> {
    let levels_left = levels_left.checked_sub(1)?;
    fields.map(|described| field(described, room, levels_left)).collect::<Option<Vec<_>>>().map(Columns)
}

fn field(field: Field<'_>, room: &mut Room, levels_left: usize) -> Option<Column> {
    room.take(1)?;
    let name = field.name().filter(|name| name.len() <= COLUMN_NAME_BYTES_MAX)?;
    if field.dictionary().is_some() {
        return None;
    }
    if field.type_type() != Kind::List {
        let (kind, fields) = element(field, field, room, levels_left)?;
        let mode = if field.nullable() { Mode::Nullable } else { Mode::Required };
        return Some(Column::new(name, kind, mode, fields));
    }
    let items = field.children()?;
    let item = items.iter().next().filter(|item| items.len() == 1 && item.dictionary().is_none())?;
    let (kind, fields) = element(item, field, room, levels_left)?;
    Some(Column::new(name, kind, Mode::Repeated, fields))
}

/// The type of one value. What is said of an element beside its type, is said of its list or of itself.
fn element(field: Field<'_>, outer: Field<'_>, room: &mut Room, levels_left: usize) -> Option<(Type, Option<Columns>)> {
    let says = |name: &str, value: &str| is_said(field, name, value) || is_said(outer, name, value);
    if field.type_type() == Kind::Struct_ {
        let fields = fields(field.children().iter().flatten(), room, levels_left)?;
        return match says(SQL_TYPE, RANGE) {
            true => range(&fields).map(|kind| (kind, None)),
            false => Some((Type::Struct(Vec::new()), Some(fields))),
        };
    }
    let kind = match scalar(field)? {
        Type::String if says(EXTENSION_NAME, GEOGRAPHY) => Type::Geography,
        Type::String if says(EXTENSION_NAME, JSON) => Type::Json,
        kind => kind,
    };
    Some((kind, None))
}

fn is_said(field: Field<'_>, name: &str, value: &str) -> bool {
    field.custom_metadata().iter().flatten().any(|said| said.key() == Some(name) && said.value() == Some(value))
}

fn range(fields: &Columns) -> Option<Type> {
    let [start, end] = fields.0.as_slice() else { return None };
    let is_end = |column: &Column, name: &str| column.name == name && column.may_be_null && column.is_plain();
    let is_range = is_end(start, "start") && is_end(end, "end") && start.kind == end.kind;
    (is_range && matches!(start.kind, Type::Date | Type::Datetime | Type::Timestamp)).then(|| Type::Range(Box::new(start.kind.clone())))
}

fn scalar(field: Field<'_>) -> Option<Type> {
    match field.type_type() {
        Kind::Binary => Some(Type::Bytes),
        Kind::Bool => Some(Type::Bool),
        Kind::Date => (field.type_as_date()?.unit() == DateUnit::DAY).then_some(Type::Date),
        Kind::Decimal => match field.type_as_decimal()?.bitWidth() {
            128 => Some(Type::Numeric),
            256 => Some(Type::BigNumeric),
            _ => None,
        },
        Kind::FloatingPoint => (field.type_as_floating_point()?.precision() == Precision::DOUBLE).then_some(Type::Float64),
        Kind::Int => {
            let number = field.type_as_int()?;
            (number.bitWidth() == 64 && number.is_signed()).then_some(Type::Int64)
        }
        Kind::Interval => (field.type_as_interval()?.unit() == IntervalUnit::MONTH_DAY_NANO).then_some(Type::Interval),
        Kind::Time => {
            let time = field.type_as_time()?;
            (time.unit() == TimeUnit::MICROSECOND && time.bitWidth() == 64).then_some(Type::Time)
        }
        Kind::Timestamp => {
            let moment = field.type_as_timestamp()?;
            let kind = if moment.timezone().is_some_and(|zone| !zone.is_empty()) { Type::Timestamp } else { Type::Datetime };
            (moment.unit() == TimeUnit::MICROSECOND).then_some(kind)
        }
        Kind::Utf8 => Some(Type::String),
        _ => None,
    }
}
