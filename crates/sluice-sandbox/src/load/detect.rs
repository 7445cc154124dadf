//! Types that nobody gave: found out by the first rows, as simply as can be.

use super::csv::{Record, Records};
use super::json_lines::lines;
use super::{CsvOptions, DETECTED_ROWS_MAX, cells};
use crate::problem::Problem;
use crate::values::calendar::{date_days, time_microseconds};
use crate::values::schema::{COLUMNS_MAX, RECORD_DEPTH_MAX};
use crate::values::{Column, ColumnMode, Scalar};
use serde_json::{Map, Value};
use sluice_model::Type;

#[derive(Debug, PartialEq)]
pub struct Detected {
    pub columns: Vec<Column>,
    /// Rows before the first one with data.
    pub skipped_rows: u64,
}

/// What is known of a column so far.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shape {
    content: Content,
    repeated: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Content {
    #[default]
    Nothing,
    Of(Type),
    Record(Vec<(String, Shape)>),
}

/// Every field that occurs, in the order of its first occurrence.
pub fn json_lines(bytes: &[u8]) -> Result<Vec<Column>, Problem> {
    let mut fields = Vec::new();
    for (_, line) in lines(bytes).take(DETECTED_ROWS_MAX) {
        // What is no object is a bad record, and found to be one when it is read.
        if let Ok(Value::Object(object)) = serde_json::from_slice(line) {
            merge_fields(&mut fields, of_object(&object, 0)?);
        }
    }
    columns(fields)
}

/// Names come from a first row that holds nothing but texts above a column of something else.
pub fn csv(bytes: &[u8], options: &CsvOptions) -> Detected {
    let skipped = usize::try_from(options.skipped_rows.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut records = Records::new(bytes, options);
    let before = records.by_ref().take(skipped.saturating_sub(1)).count();
    let mut sample: Vec<Record> = records.take(DETECTED_ROWS_MAX + 1).collect();
    let blank = sample.iter().take_while(|record| record.is_blank()).count();
    sample.retain(|record| !record.is_blank());
    let (first, rest) = sample.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let shapes = of_records(rest);
    let is_header = options.skipped_rows != Some(0)
        && first.is_some_and(|first| first.fields.iter().all(|field| guess(&field.text) == Content::Of(Type::String)))
        && shapes.iter().any(|shape| !matches!(shape.content, Content::Nothing | Content::Of(Type::String)));
    let skips = |behind_names: usize| (before + blank + behind_names) as u64;
    match (is_header, options.skipped_rows) {
        (true, _) => {
            let names = first.map_or(&[][..], |first| &first.fields).iter().map(|field| field.text.as_str());
            Detected { columns: named(shapes, names), skipped_rows: skips(1) }
        }
        (false, Some(1..)) => Detected { columns: named(shapes, std::iter::empty()), skipped_rows: skipped as u64 },
        (false, _) => Detected { columns: named(of_records(&sample), std::iter::empty()), skipped_rows: 0 },
    }
}

fn of_records(records: &[Record]) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for record in records {
        shapes.resize(shapes.len().max(record.fields.len()).min(COLUMNS_MAX), Shape::default());
        for (shape, field) in shapes.iter_mut().zip(&record.fields) {
            merge(shape, Shape { content: guess(&field.text), repeated: false });
        }
    }
    shapes
}

fn of_object(object: &Map<String, Value>, depth: usize) -> Result<Vec<(String, Shape)>, Problem> {
    if depth > RECORD_DEPTH_MAX {
        return Err(Problem::invalid(format!("Invalid schema: records are nested deeper than {RECORD_DEPTH_MAX} levels")));
    }
    object.iter().map(|(name, value)| Ok((name.clone(), of_value(value, depth)?))).collect()
}

fn of_value(value: &Value, depth: usize) -> Result<Shape, Problem> {
    let content = match value {
        Value::Null => Content::Nothing,
        Value::Bool(_) => Content::Of(Type::Bool),
        Value::Number(number) if number.is_i64() => Content::Of(Type::Int64),
        Value::Number(_) => Content::Of(Type::Float64),
        Value::String(text) => guess(text),
        Value::Object(object) => Content::Record(of_object(object, depth + 1)?),
        Value::Array(elements) => {
            let mut shape = Shape::default();
            for element in elements {
                merge(&mut shape, of_value(element, depth)?);
            }
            return Ok(Shape { repeated: true, ..shape });
        }
    };
    Ok(Shape { content, repeated: false })
}

fn guess(text: &str) -> Content {
    let looks_like_number =
        || text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().all(|byte| b"+-.eE0123456789".contains(&byte));
    Content::Of(match text {
        "" => return Content::Nothing,
        _ if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => Type::Bool,
        _ if text.parse::<i64>().is_ok() => Type::Int64,
        _ if looks_like_number() && text.parse::<f64>().is_ok_and(f64::is_finite) => Type::Float64,
        _ if date_days(text).is_some() => Type::Date,
        _ if text.matches(':').count() == 2 && time_microseconds(text).is_some() => Type::Time,
        _ if cells::timestamp(text).is_some() => Type::Timestamp,
        _ => Type::String,
    })
}

fn merge(shape: &mut Shape, other: Shape) {
    shape.repeated |= other.repeated;
    match (&mut shape.content, other.content) {
        (_, Content::Nothing) => {}
        (Content::Record(fields), Content::Record(others)) => merge_fields(fields, others),
        // What does not fit a record is a bad record.
        (Content::Record(_), Content::Of(_)) => {}
        (content @ Content::Nothing, found) | (content, found @ Content::Record(_)) => *content = found,
        (Content::Of(known), Content::Of(found)) => {
            let both = |one: &Type, two: &Type| [&*known, &found].iter().all(|kind| *kind == one || *kind == two);
            let merged = if *known == found {
                found
            } else if both(&Type::Int64, &Type::Float64) {
                Type::Float64
            } else if both(&Type::Date, &Type::Timestamp) {
                Type::Timestamp
            } else {
                Type::String
            };
            *known = merged;
        }
    }
}

fn merge_fields(fields: &mut Vec<(String, Shape)>, others: Vec<(String, Shape)>) {
    for (name, shape) in others {
        match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, known)) => merge(known, shape),
            None => fields.push((name, shape)),
        }
    }
}

fn columns(fields: Vec<(String, Shape)>) -> Result<Vec<Column>, Problem> {
    if fields.len() > COLUMNS_MAX {
        return Err(Problem::invalid(format!("Too many columns: {}, at most {COLUMNS_MAX}", fields.len())));
    }
    fields.into_iter().map(|(name, shape)| column(name, shape)).collect()
}

fn column(name: String, shape: Shape) -> Result<Column, Problem> {
    let good = |letter: char| letter.is_alphanumeric() || letter == '_';
    if !name.chars().all(good) || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Problem::invalid(format!(
            "Invalid field name \"{name}\". Fields must contain only letters, numbers, and underscores, and start with a letter or underscore."
        )));
    }
    let (kind, fields) = match shape.content {
        Content::Nothing => (Scalar::Of(Type::String), Vec::new()),
        Content::Of(kind) => (Scalar::Of(kind), Vec::new()),
        Content::Record(fields) => (Scalar::Record, columns(fields)?),
    };
    let mode = if shape.repeated { ColumnMode::Repeated } else { ColumnMode::Nullable };
    Ok(Column { name, kind, mode, fields, extra: Map::new() })
}

/// Columns with those names, and with names made up where there is none.
fn named<'a>(shapes: Vec<Shape>, names: impl Iterator<Item = &'a str>) -> Vec<Column> {
    let mut names = names.map(clean);
    let mut columns: Vec<Column> = Vec::with_capacity(shapes.len());
    for (place, shape) in shapes.into_iter().enumerate() {
        let kind = match shape.content {
            Content::Of(kind) => kind,
            Content::Nothing | Content::Record(_) => Type::String,
        };
        let made_up = format!("{}_field_{place}", kind.to_string().to_ascii_lowercase());
        let mut name = names.next().filter(|name| !name.is_empty()).unwrap_or(made_up);
        if columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name)) {
            name = format!("{name}_{place}");
        }
        columns.push(Column::of(&name, &kind));
    }
    columns
}

fn clean(name: &str) -> String {
    let cleaned: String = name.trim().chars().map(|letter| if letter.is_alphanumeric() || letter == '_' { letter } else { '_' }).collect();
    if cleaned.starts_with(|first: char| first.is_ascii_digit()) { format!("_{cleaned}") } else { cleaned }
}
