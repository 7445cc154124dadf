//! One routine, and its REST resource. Only SQL is executed; other languages are kept, listed, and refused when they are called.

use crate::problem::Problem;
use serde_json::{Map, Value, json};
use sluice_model::{RoutineName, Type};

#[derive(Clone, Debug, PartialEq)]
pub struct Routine {
    pub name: RoutineName,
    pub kind: RoutineKind,
    pub arguments: Vec<RoutineArgument>,
    /// Nothing where the body decides.
    pub returns: Option<Type>,
    /// Empty where there is none, as for remote functions.
    pub body: String,
    /// `SQL`, `JAVASCRIPT`, `PYTHON`; empty for remote functions.
    pub language: String,
    pub created_milliseconds: i64,
    pub modified_milliseconds: i64,
    /// The resource as it was given, for fields we do not read.
    pub resource: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineKind {
    AggregateFunction,
    Procedure,
    ScalarFunction,
    TableFunction,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RoutineArgument {
    pub name: String,
    /// Nothing for ANY TYPE, and for a relation.
    pub kind: Option<Type>,
    pub mode: ArgumentMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentMode {
    In,
    InOut,
    Out,
}

impl RoutineKind {
    pub fn word(self) -> &'static str {
        match self {
            RoutineKind::AggregateFunction => "AGGREGATE_FUNCTION",
            RoutineKind::Procedure => "PROCEDURE",
            RoutineKind::ScalarFunction => "SCALAR_FUNCTION",
            RoutineKind::TableFunction => "TABLE_VALUED_FUNCTION",
        }
    }
}

impl Routine {
    pub fn is_sql(&self) -> bool {
        self.language.eq_ignore_ascii_case("SQL")
    }

    pub fn from_json(name: RoutineName, resource: &Value, now: i64) -> Result<Routine, Problem> {
        let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = match text("routineType") {
            "AGGREGATE_FUNCTION" => RoutineKind::AggregateFunction,
            "PROCEDURE" => RoutineKind::Procedure,
            "SCALAR_FUNCTION" => RoutineKind::ScalarFunction,
            "TABLE_VALUED_FUNCTION" => RoutineKind::TableFunction,
            other => return Err(Problem::invalid(format!("Invalid value for routineType: {other}"))),
        };
        let arguments = resource.get("arguments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let remote = resource.get("remoteFunctionOptions").is_some();
        let language = if text("language").is_empty() && !remote { "SQL" } else { text("language") };
        Ok(Routine {
            name,
            kind,
            arguments: arguments.iter().map(argument).collect::<Result<_, _>>()?,
            returns: resource.get("returnType").map(data_type).transpose()?,
            body: text("definitionBody").to_owned(),
            language: language.to_owned(),
            created_milliseconds: now,
            modified_milliseconds: now,
            resource: resource.as_object().cloned().unwrap_or_default(),
        })
    }

    pub fn to_json(&self) -> Value {
        let mut fields = self.resource.clone();
        let reference = json!({ "projectId": self.name.project, "datasetId": self.name.dataset, "routineId": self.name.table });
        fields.insert("routineReference".to_owned(), reference);
        fields.insert("etag".to_owned(), json!(format!("{:016x}", self.modified_milliseconds)));
        fields.insert("creationTime".to_owned(), json!(self.created_milliseconds.to_string()));
        fields.insert("lastModifiedTime".to_owned(), json!(self.modified_milliseconds.to_string()));
        Value::Object(fields)
    }
}

/// BigQuery's `StandardSqlDataType` for a type.
pub fn data_type_json(kind: &Type) -> Value {
    match kind {
        Type::Array(element) => json!({ "typeKind": "ARRAY", "arrayElementType": data_type_json(element) }),
        Type::Range(element) => json!({ "typeKind": "RANGE", "rangeElementType": data_type_json(element) }),
        Type::Struct(fields) => {
            let field = |field: &sluice_model::Field| json!({ "name": field.name, "type": data_type_json(&field.kind) });
            json!({ "typeKind": "STRUCT", "structType": { "fields": fields.iter().map(field).collect::<Vec<_>>() } })
        }
        scalar => json!({ "typeKind": scalar.to_string() }),
    }
}

fn argument(resource: &Value) -> Result<RoutineArgument, Problem> {
    let mode = match resource.get("mode").and_then(Value::as_str) {
        Some("OUT") => ArgumentMode::Out,
        Some("INOUT") => ArgumentMode::InOut,
        _ => ArgumentMode::In,
    };
    Ok(RoutineArgument {
        name: resource.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        kind: resource.get("dataType").map(data_type).transpose()?,
        mode,
    })
}

/// Nested no deeper than the JSON reader lets through.
fn data_type(resource: &Value) -> Result<Type, Problem> {
    let word = resource.get("typeKind").and_then(Value::as_str).unwrap_or_default();
    let inner = |field: &str| data_type(resource.get(field).unwrap_or(&Value::Null)).map(Box::new);
    Ok(match word {
        "ARRAY" => Type::Array(inner("arrayElementType")?),
        "RANGE" => Type::Range(inner("rangeElementType")?),
        "STRUCT" => {
            let fields = resource.pointer("/structType/fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let field = |field: &Value| {
                let name = field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok(sluice_model::Field { name, kind: data_type(field.get("type").unwrap_or(&Value::Null))? })
            };
            Type::Struct(fields.iter().map(field).collect::<Result<_, Problem>>()?)
        }
        other => Type::parse(other).map_err(|_| Problem::invalid(format!("Invalid value for typeKind: {other}")))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_they_are_read() {
        for text in ["INT64", "ARRAY<STRUCT<a INT64, b RANGE<DATE>>>"] {
            let kind = Type::parse(text).unwrap();
            assert_eq!(data_type(&data_type_json(&kind)), Ok(kind));
        }
        assert!(data_type(&json!({ "typeKind": "WORD" })).is_err());
    }
}
