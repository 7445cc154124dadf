//! Query parameters: names, types and values out of `queryParameters`.

use crate::execute::{Parameter, positional_name};
use crate::problem::Problem;
use crate::values::{Datum, read};
use serde_json::Value;
use sluice_model::{Field, Type};

const PARAMETERS_MAX: usize = 10_000;

pub fn read(query: &Value) -> Result<Vec<Parameter>, Problem> {
    let given = query.get("queryParameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if given.len() > PARAMETERS_MAX {
        return Err(Problem::invalid(format!("Too many query parameters: {}, at most {PARAMETERS_MAX}", given.len())));
    }
    let mode = query.get("parameterMode").and_then(Value::as_str).map(str::to_ascii_uppercase);
    let positional = match mode.as_deref() {
        Some("POSITIONAL") => true,
        Some("NAMED") => false,
        None | Some("") => given.iter().any(|parameter| name(parameter).is_empty()),
        Some(other) => return Err(Problem::invalid(format!("Invalid value for parameterMode: {other}"))),
    };
    let parameter = |(place, parameter): (usize, &Value)| {
        let name = if positional { positional_name(place) } else { name(parameter).to_owned() };
        if name.is_empty() {
            return Err(Problem::invalid("A named query parameter has no name"));
        }
        let kind = kind(parameter.get("parameterType").unwrap_or(&Value::Null))?;
        let value = value(&kind, parameter.get("parameterValue").unwrap_or(&Value::Null), &name)?;
        Ok(Parameter { name, kind, value })
    };
    (1..).zip(given).map(parameter).collect()
}

fn name(parameter: &Value) -> &str {
    parameter.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Nested no deeper than the JSON reader lets through.
fn kind(given: &Value) -> Result<Type, Problem> {
    let word = given.get("type").and_then(Value::as_str).unwrap_or_default();
    let inner = |field: &str| kind(given.get(field).unwrap_or(&Value::Null));
    match word.to_ascii_uppercase().as_str() {
        "ARRAY" => Ok(Type::array(inner("arrayType")?)),
        "RANGE" => Ok(Type::Range(Box::new(inner("rangeElementType")?))),
        "STRUCT" | "RECORD" => {
            let fields = given.get("structTypes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let field = |field: &Value| Ok(Field { name: name(field).to_owned(), kind: kind(field.get("type").unwrap_or(&Value::Null))? });
            Ok(Type::Struct(fields.iter().map(field).collect::<Result<_, Problem>>()?))
        }
        "GEOGRAPHY" => Err(Problem::not_implemented("query parameters of type GEOGRAPHY")),
        _ => Type::parse(word).map_err(|_| Problem::invalid(format!("Invalid query parameter type: {word}"))),
    }
}

fn value(kind: &Type, given: &Value, name: &str) -> Result<Datum, Problem> {
    let wrong = || Problem::invalid(format!("Invalid value for query parameter `{name}` of type {kind}"));
    match kind {
        Type::Array(element) => match given.get("arrayValues") {
            None | Some(Value::Null) => Ok(Datum::Null),
            Some(Value::Array(elements)) => {
                elements.iter().map(|given| value(element, given, name)).collect::<Result<_, _>>().map(Datum::Array)
            }
            Some(_) => Err(wrong()),
        },
        Type::Struct(fields) => match given.get("structValues") {
            None | Some(Value::Null) => Ok(Datum::Null),
            Some(values) => {
                let cell = |field: &Field| value(&field.kind, values.get(&field.name).unwrap_or(&Value::Null), name);
                fields.iter().map(cell).collect::<Result<_, _>>().map(Datum::Struct)
            }
        },
        Type::Range(element) => match given.get("rangeValue") {
            None | Some(Value::Null) => Ok(Datum::Null),
            Some(ends) => {
                let end = |field: &str| value(element, ends.get(field).unwrap_or(&Value::Null), name);
                Ok(Datum::Range(Box::new([end("start")?, end("end")?])))
            }
        },
        scalar => match given.get("value") {
            None | Some(Value::Null) => Ok(Datum::Null),
            Some(Value::String(text)) => read::scalar(scalar, text).ok_or_else(wrong),
            Some(other @ (Value::Bool(_) | Value::Number(_))) => read::scalar(scalar, &other.to_string()).ok_or_else(wrong),
            Some(_) => Err(wrong()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(parameter: Value, expect: Result<Datum, &str>) {
        let found = read(&json!({ "queryParameters": [parameter] }));
        match expect {
            Ok(value) => assert_eq!(found.unwrap()[0].value, value),
            Err(part) => assert!(found.as_ref().is_err_and(|problem| problem.message.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn values_are_read_by_their_types() {
        let named = |kind: Value, value: Value| json!({ "name": "a", "parameterType": kind, "parameterValue": value });
        check(named(json!({ "type": "INT64" }), json!({ "value": "7" })), Ok(Datum::Int64(7)));
        check(named(json!({ "type": "INT64" }), json!({ "value": null })), Ok(Datum::Null));
        check(named(json!({ "type": "INT64" }), json!({ "value": "x" })), Err("`a` of type INT64"));
        check(named(json!({ "type": "TIMESTAMP" }), json!({ "value": "1970-01-01 00:00:01+00:00" })), Ok(Datum::Timestamp(1_000_000)));
        let strings = json!({ "type": "ARRAY", "arrayType": { "type": "STRING" } });
        check(named(strings, json!({ "arrayValues": [{ "value": "p" }] })), Ok(Datum::Array(vec![Datum::String("p".to_owned())])));
        let structure = json!({ "type": "STRUCT", "structTypes": [{ "name": "f", "type": { "type": "DATE" } }] });
        check(named(structure, json!({ "structValues": { "f": { "value": "1970-01-02" } } })), Ok(Datum::Struct(vec![Datum::Date(1)])));
        check(named(json!({ "type": "WORD" }), json!({ "value": "7" })), Err("WORD"));
    }

    #[test]
    fn positions_become_names() {
        let parameter = json!({ "parameterType": { "type": "INT64" }, "parameterValue": { "value": "7" } });
        let found = read(&json!({ "parameterMode": "POSITIONAL", "queryParameters": [parameter, parameter] })).unwrap();
        assert_eq!(found.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>(), [positional_name(1), positional_name(2)]);
        assert!(read(&json!({ "parameterMode": "NAMED", "queryParameters": [parameter] })).is_err());
    }
}
