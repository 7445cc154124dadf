//! `routines.get`.

use crate::{ResourceError, data_type, etag, list, reference, text};
use serde_json::Value;
use sluice_sql::catalog::{Argument, ArgumentMode, Column, Language, Routine, RoutineKind};

pub fn routine(resource: &Value) -> Result<Routine, ResourceError> {
    let kind = match text(resource, "routineType")?.as_str() {
        "AGGREGATE_FUNCTION" => RoutineKind::AggregateFunction,
        "PROCEDURE" => RoutineKind::Procedure,
        "TABLE_VALUED_FUNCTION" => RoutineKind::TableFunction,
        _ => RoutineKind::ScalarFunction,
    };
    let language = text(resource, "language").unwrap_or_else(|_| "SQL".to_owned());
    let remote = resource.get("remoteFunctionOptions");
    let language = match (remote, language.as_str()) {
        (Some(options), _) => Language::Remote { connection: text(options, "connection").unwrap_or_default() },
        (None, "SQL" | "LANGUAGE_UNSPECIFIED") => Language::Sql,
        (None, _) => Language::Opaque(language),
    };
    let arguments: Result<Vec<Argument>, ResourceError> = list(resource, "arguments").iter().map(argument).collect();
    let returned = resource.get("returnTableType").map(|table| list(table, "columns")).unwrap_or_default();
    let returns_table: Result<Vec<Column>, ResourceError> = returned.iter().map(returned_column).collect();
    Ok(Routine {
        name: reference(resource, "routineReference", "routineId")?,
        kind,
        language,
        arguments: arguments?,
        returns: resource.get("returnType").map(data_type).transpose()?,
        returns_table: returns_table?,
        body: text(resource, "definitionBody").unwrap_or_default(),
        etag: etag(resource),
    })
}

fn argument(value: &Value) -> Result<Argument, ResourceError> {
    let mode = match value.get("mode").and_then(Value::as_str) {
        Some("OUT") => ArgumentMode::Out,
        Some("INOUT") => ArgumentMode::InOut,
        _ => ArgumentMode::In,
    };
    let kind = value.get("argumentKind").and_then(Value::as_str);
    let table = matches!(kind, Some("FIXED_TABLE" | "ANY_TABLE")) || value.get("tableType").is_some();
    let kind = value.get("dataType").map(data_type).transpose()?;
    let not_aggregate = value.get("isAggregate").and_then(Value::as_bool) == Some(false);
    Ok(Argument { name: text(value, "name")?, kind, mode, table, not_aggregate })
}

fn returned_column(value: &Value) -> Result<Column, ResourceError> {
    let kind = value.get("type").ok_or_else(|| ResourceError::Missing { field: "type".to_owned() })?;
    Ok(Column { name: text(value, "name")?, kind: data_type(kind)?, required: false, narrow: false })
}
