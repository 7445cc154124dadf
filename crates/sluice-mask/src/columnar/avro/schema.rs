//! BigQuery's columns out of an Avro schema. What BigQuery does not write is not understood.

use super::super::Room;
use crate::masker::MaskFault;
use crate::schema::{COLUMN_LEVELS_MAX, COLUMN_NAME_BYTES_MAX, Column, Columns, Mode};
use serde_json::{Map, Value};
use sluice_model::Type;
use std::collections::BTreeMap;

/// Ten thousand columns stay below.
pub const AVRO_SCHEMA_BYTES_MAX: usize = 4 << 20;

/// Digits of a NUMERIC, all and behind the point.
const NUMERIC_DIGITS: (u64, u64) = (38, 9);
/// In which BigQuery puts records of its own.
const NAMESPACE: &str = "google.sqlType";

pub(in super::super) fn columns(text: &str) -> Result<Columns, MaskFault> {
    if text.len() > AVRO_SCHEMA_BYTES_MAX {
        return Err(MaskFault::Shape);
    }
    let schema: Value = serde_json::from_str(text).map_err(|_| MaskFault::Shape)?;
    let root = schema.as_object().filter(|root| word(root, "type") == Some("record")).ok_or(MaskFault::Shape)?;
    let mut reading = Reading { room: Room::new(), records: BTreeMap::new() };
    match reading.fields(root, COLUMN_LEVELS_MAX) {
        // Rows without columns have no end.
        Some(columns) if !columns.0.is_empty() => Ok(columns),
        _ => Err(MaskFault::Unfit),
    }
}

struct Reading {
    room: Room,
    /// By their full names, once they were described whole: no record is inside of itself.
    records: BTreeMap<String, (Type, Option<Columns>)>,
}

impl Reading {
    fn fields(&mut self, record: &Map<String, Value>, levels_left: usize) -> Option<Columns> {
        let levels_left = levels_left.checked_sub(1)?;
        let fields = record.get("fields")?.as_array()?;
        fields.iter().map(|field| self.field(field, levels_left)).collect::<Option<Vec<_>>>().map(Columns)
    }

    fn field(&mut self, field: &Value, levels_left: usize) -> Option<Column> {
        self.room.take(1)?;
        let name = field.get("name")?.as_str().filter(|name| name.len() <= COLUMN_NAME_BYTES_MAX)?;
        let (mode, described) = match field.get("type")? {
            Value::Array(either) => match either.as_slice() {
                [null, described] if null == "null" => (Mode::Nullable, described),
                _ => return None,
            },
            Value::Object(array) if word(array, "type") == Some("array") => (Mode::Repeated, array.get("items")?),
            described => (Mode::Required, described),
        };
        let (kind, fields) = self.element(described, levels_left)?;
        Some(Column::new(name, kind, mode, fields))
    }

    /// The type of one value, and its fields if it is a record.
    fn element(&mut self, described: &Value, levels_left: usize) -> Option<(Type, Option<Columns>)> {
        match described {
            Value::String(name) => plain(name).map(|kind| (kind, None)).or_else(|| self.again(name, levels_left)),
            Value::Object(described) => match word(described, "type")? {
                "record" => self.record(described, levels_left),
                base => annotated(base, described).map(|kind| (kind, None)),
            },
            _ => None,
        }
    }

    fn record(&mut self, described: &Map<String, Value>, levels_left: usize) -> Option<(Type, Option<Columns>)> {
        let (name, space) = (word(described, "name")?, word(described, "namespace"));
        let fields = self.fields(described, levels_left)?;
        if fields.0.is_empty() {
            return None;
        }
        let found = match own(name, space, described, &fields) {
            Some(kind) => (kind, None),
            None if space == Some(NAMESPACE) => return None,
            None => (Type::Struct(Vec::new()), Some(fields)),
        };
        let full = space.map_or_else(|| name.to_owned(), |space| format!("{space}.{name}"));
        // Of two by one name nobody knows which is meant.
        self.records.insert(full, found.clone()).is_none().then_some(found)
    }

    fn again(&mut self, name: &str, levels_left: usize) -> Option<(Type, Option<Columns>)> {
        let (kind, fields) = self.records.get(name)?;
        let (columns, levels) = fields.as_ref().map_or((0, 0), extent);
        self.room.take(columns)?;
        (levels <= levels_left).then(|| (kind.clone(), fields.clone()))
    }
}

/// How many columns, and how many levels of them.
fn extent(columns: &Columns) -> (usize, usize) {
    let inside = columns.0.iter().map(|column| column.fields.as_ref().map_or((0, 0), extent));
    let (count, levels) = inside.fold((0, 0), |(count, levels), (inside, deeper)| (count + 1 + inside, levels.max(deeper)));
    (count, levels + 1)
}

fn word<'a>(described: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    described.get(name)?.as_str()
}

fn plain(name: &str) -> Option<Type> {
    match name {
        "boolean" => Some(Type::Bool),
        "bytes" => Some(Type::Bytes),
        "double" => Some(Type::Float64),
        // A plain `int` is a part of an interval; where a column is one, it is a number as well.
        "int" | "long" => Some(Type::Int64),
        "string" => Some(Type::String),
        _ => None,
    }
}

/// A word that is not known may say how the bytes are to be read: then nobody here can read them.
fn annotated(base: &str, described: &Map<String, Value>) -> Option<Type> {
    let said = (word(described, "logicalType"), word(described, "sqlType"));
    match (base, said) {
        ("bytes", (Some("decimal"), _)) => Some(decimal(described)),
        ("int", (Some("date"), _)) => Some(Type::Date),
        ("long", (Some("time-micros"), _)) => Some(Type::Time),
        ("long", (Some("timestamp-micros"), _)) => Some(Type::Timestamp),
        ("string", (Some("datetime"), _) | (None, Some("DATETIME"))) => Some(Type::Datetime),
        ("string", (None, Some("GEOGRAPHY"))) => Some(Type::Geography),
        ("string", (None, Some("JSON"))) => Some(Type::Json),
        (base, (None, None)) => plain(base),
        _ => None,
    }
}

fn decimal(described: &Map<String, Value>) -> Type {
    let digits = |name: &str| described.get(name).and_then(Value::as_u64);
    match (digits("precision"), digits("scale").unwrap_or(0)) {
        (Some(precision), scale) if precision <= NUMERIC_DIGITS.0 && scale <= NUMERIC_DIGITS.1 => Type::Numeric,
        _ => Type::BigNumeric,
    }
}

/// A record that stands for one value.
fn own(name: &str, space: Option<&str>, described: &Map<String, Value>, fields: &Columns) -> Option<Type> {
    if space != Some(NAMESPACE) {
        return None;
    }
    let end = |column: &Column, name: &str| (column.name == name && column.may_be_null && column.is_plain()).then(|| column.kind.clone());
    match fields.0.as_slice() {
        [months, days, microseconds] if name == "INTERVAL" => {
            let is = |column: &Column, name: &str| column.name == name && column.is_required() && column.kind == Type::Int64;
            (is(months, "months") && is(days, "days") && is(microseconds, "microseconds")).then_some(Type::Interval)
        }
        [start, stop] if word(described, "sqlType") == Some("RANGE") => {
            let (start, stop) = (end(start, "start")?, end(stop, "end")?);
            (start == stop && matches!(start, Type::Date | Type::Datetime | Type::Timestamp)).then(|| Type::Range(Box::new(start)))
        }
        _ => None,
    }
}
