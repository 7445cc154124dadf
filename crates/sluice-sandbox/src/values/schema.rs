//! BigQuery's `TableSchema` and our columns, both ways.

use crate::problem::Problem;
use serde_json::{Map, Value, json};
use sluice_model::{Field, Type};

/// Columns of one table, fields of one record.
pub const COLUMNS_MAX: usize = 10_000;
pub const RECORD_DEPTH_MAX: usize = 15;

/// One column or nested field.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// Of one element where the mode is REPEATED; a record's fields are in `fields` alone.
    pub kind: Scalar,
    pub mode: ColumnMode,
    pub fields: Vec<Column>,
    /// What we keep and do not read: description, policy tags, lengths, default expressions.
    pub extra: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    Of(Type),
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnMode {
    Nullable,
    Repeated,
    Required,
}

const KEPT: [&str; 9] =
    ["description", "policyTags", "dataPolicies", "maxLength", "precision", "scale", "collation", "defaultValueExpression", "roundingMode"];

impl Column {
    /// A column of that type, as a query's result has it.
    pub fn of(name: &str, kind: &Type) -> Column {
        let (mode, element) = match kind {
            Type::Array(element) => (ColumnMode::Repeated, element.as_ref()),
            other => (ColumnMode::Nullable, other),
        };
        let (scalar, fields) = match element {
            Type::Struct(fields) => (Scalar::Record, record_fields(fields)),
            other => (Scalar::Of(other.clone()), Vec::new()),
        };
        Column { name: name.to_owned(), kind: scalar, mode, fields, extra: Map::new() }
    }

    /// The whole type, the mode's array included.
    pub fn full_type(&self) -> Type {
        let element = match &self.kind {
            Scalar::Of(kind) => kind.clone(),
            Scalar::Record => {
                Type::Struct(self.fields.iter().map(|field| Field { name: field.name.clone(), kind: field.full_type() }).collect())
            }
        };
        match self.mode {
            ColumnMode::Repeated => Type::array(element),
            ColumnMode::Nullable | ColumnMode::Required => element,
        }
    }

    fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), json!(self.name));
        fields.insert("type".to_owned(), json!(self.legacy_word()));
        fields.insert("mode".to_owned(), json!(self.mode.word()));
        if let Scalar::Of(Type::Range(element)) = &self.kind {
            fields.insert("rangeElementType".to_owned(), json!({ "type": element.to_string() }));
        }
        if self.kind == Scalar::Record {
            fields.insert("fields".to_owned(), columns_to_json(&self.fields));
        }
        fields.extend(self.extra.clone());
        Value::Object(fields)
    }

    /// BigQuery's REST answers keep the old words for four types.
    fn legacy_word(&self) -> String {
        match &self.kind {
            Scalar::Record => "RECORD".to_owned(),
            Scalar::Of(Type::Int64) => "INTEGER".to_owned(),
            Scalar::Of(Type::Float64) => "FLOAT".to_owned(),
            Scalar::Of(Type::Bool) => "BOOLEAN".to_owned(),
            Scalar::Of(Type::Range(_)) => "RANGE".to_owned(),
            Scalar::Of(other) => other.to_string(),
        }
    }
}

impl ColumnMode {
    pub fn word(self) -> &'static str {
        match self {
            ColumnMode::Nullable => "NULLABLE",
            ColumnMode::Repeated => "REPEATED",
            ColumnMode::Required => "REQUIRED",
        }
    }
}

/// `{"fields": [...]}`.
pub fn schema_to_json(columns: &[Column]) -> Value {
    json!({ "fields": columns_to_json(columns) })
}

/// Reads `{"fields": [...]}`; no fields at all is a schema without columns.
pub fn schema_from_json(schema: &Value) -> Result<Vec<Column>, Problem> {
    columns_from_json(schema.get("fields").unwrap_or(&Value::Null), 0)
}

/// Columns out of `name TYPE, name TYPE`: how the bundled data writes its schemas.
pub fn columns_of(text: &str) -> Result<Vec<Column>, Problem> {
    match Type::parse(&format!("STRUCT<{text}>")) {
        Ok(Type::Struct(fields)) => Ok(record_fields(&fields)),
        _ => Err(Problem::internal(format!("`{text}` is not a list of columns"))),
    }
}

fn record_fields(fields: &[Field]) -> Vec<Column> {
    let name = |position: usize, field: &Field| match field.name.as_str() {
        "" => format!("_field_{}", position + 1),
        given => given.to_owned(),
    };
    fields.iter().enumerate().map(|(position, field)| Column::of(&name(position, field), &field.kind)).collect()
}

fn columns_to_json(columns: &[Column]) -> Value {
    Value::Array(columns.iter().map(Column::to_json).collect())
}

fn columns_from_json(list: &Value, depth: usize) -> Result<Vec<Column>, Problem> {
    let entries = match list {
        Value::Null => return Ok(Vec::new()),
        Value::Array(entries) => entries,
        _ => return Err(Problem::invalid("Invalid schema: `fields` is not a list")),
    };
    if depth > RECORD_DEPTH_MAX {
        return Err(Problem::invalid(format!("Invalid schema: records are nested deeper than {RECORD_DEPTH_MAX} levels")));
    }
    if entries.len() > COLUMNS_MAX {
        return Err(Problem::invalid(format!("Too many columns: {}, at most {COLUMNS_MAX}", entries.len())));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(entries.len());
    for entry in entries {
        let column = column_from_json(entry, depth)?;
        if columns.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
            return Err(Problem::invalid(format!("Field {} already exists in schema", column.name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn column_from_json(entry: &Value, depth: usize) -> Result<Column, Problem> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let name = text("name").filter(|name| !name.is_empty()).ok_or_else(|| Problem::invalid("Invalid schema: a field has no name"))?;
    let word = text("type").ok_or_else(|| Problem::invalid(format!("Invalid schema: field {name} has no type")))?;
    let mode = match text("mode").map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "NULLABLE") => ColumnMode::Nullable,
        Some("REPEATED") => ColumnMode::Repeated,
        Some("REQUIRED") => ColumnMode::Required,
        Some(other) => return Err(Problem::invalid(format!("Invalid value for mode: {other} is not a valid value"))),
    };
    let fields = columns_from_json(entry.get("fields").unwrap_or(&Value::Null), depth + 1)?;
    let kind = match word.to_ascii_uppercase().as_str() {
        "RECORD" | "STRUCT" if fields.is_empty() => {
            return Err(Problem::invalid(format!("Field {name} is type RECORD but has no schema")));
        }
        "RECORD" | "STRUCT" => Scalar::Record,
        "RANGE" => {
            let element = entry.pointer("/rangeElementType/type").and_then(Value::as_str).unwrap_or_default();
            Scalar::Of(Type::parse(&format!("RANGE<{element}>")).map_err(|_| bad_type(name, word))?)
        }
        _ => match Type::parse(word) {
            Ok(Type::Array(_) | Type::Struct(_)) | Err(_) => return Err(bad_type(name, word)),
            Ok(kind) => Scalar::Of(kind),
        },
    };
    let kept = |key: &&str| entry.get(*key).map(|value| ((*key).to_owned(), value.clone()));
    Ok(Column { name: name.to_owned(), kind, mode, fields, extra: KEPT.iter().filter_map(kept).collect() })
}

fn bad_type(name: &str, word: &str) -> Problem {
    Problem::invalid(format!("Invalid value for type: {word} is not a valid value (field {name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Value, expect: Result<&str, &str>) {
        let found = schema_from_json(&schema)
            .map(|columns| columns.iter().map(|c| format!("{} {}", c.name, c.full_type())).collect::<Vec<_>>().join(", "));
        match expect {
            Ok(text) => assert_eq!(found.as_deref(), Ok(text), "{schema}"),
            Err(part) => assert!(found.as_ref().is_err_and(|problem| problem.message.contains(part)), "{schema}: {found:?}"),
        }
    }

    #[test]
    fn schemas_are_read_or_refused() {
        check(
            json!({ "fields": [
                { "name": "id", "type": "INTEGER", "mode": "REQUIRED" },
                { "name": "address", "type": "RECORD", "fields": [{ "name": "city", "type": "STRING" }] },
                { "name": "tags", "type": "STRING", "mode": "REPEATED" },
                { "name": "active", "type": "RANGE", "rangeElementType": { "type": "DATE" } },
            ] }),
            Ok("id INT64, address STRUCT<city STRING>, tags ARRAY<STRING>, active RANGE<DATE>"),
        );
        check(json!({}), Ok(""));
        check(json!({ "fields": [{ "name": "a", "type": "WORD" }] }), Err("WORD"));
        check(json!({ "fields": [{ "name": "a", "type": "RECORD" }] }), Err("no schema"));
        check(json!({ "fields": [{ "name": "a", "type": "INT64" }, { "name": "A", "type": "INT64" }] }), Err("already exists"));
        check(json!({ "fields": [{ "type": "INT64" }] }), Err("no name"));
        check(json!({ "fields": "id" }), Err("not a list"));
        let mut deep = json!([{ "name": "a", "type": "INT64" }]);
        for _ in 0..40 {
            deep = json!([{ "name": "a", "type": "RECORD", "fields": deep }]);
        }
        check(json!({ "fields": deep }), Err("nested deeper"));
    }

    #[test]
    fn schemas_are_written_as_they_were_read() {
        let schema = json!({ "fields": [
            { "name": "id", "type": "INTEGER", "mode": "REQUIRED", "description": "key" },
            { "name": "contacts", "type": "RECORD", "mode": "REPEATED", "fields": [
                { "name": "phone", "type": "STRING", "mode": "NULLABLE", "policyTags": { "names": ["projects/p/t/1"] } },
            ] },
        ] });
        let columns = schema_from_json(&schema).unwrap();
        assert_eq!(schema_to_json(&columns), schema);
    }
}
