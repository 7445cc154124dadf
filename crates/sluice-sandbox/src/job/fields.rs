//! Fields of a job's configuration, each of its kind or refused: one of another kind would be taken for one that was not given.

use super::request::wrong;
use crate::problem::Problem;
use serde_json::Value;

/// Node's client writes it beside the fields of the job as well.
const LOCATION: &str = "location";

pub fn flag(body: &Value, field: &str) -> Result<bool, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(wrong(field)),
    }
}

pub fn text<'a>(body: &'a Value, field: &str) -> Result<Option<&'a str>, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(field)),
    }
}

pub fn list<'a>(body: &'a Value, field: &str) -> Result<&'a [Value], Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(wrong(field)),
    }
}

/// A field that nobody reads is refused where it asks for something. `harmless` words ask for what is done anyway.
pub fn refuse_others(body: &Value, job: &str, read: &[&str], harmless: &[(&str, &str)]) -> Result<(), Problem> {
    for (field, value) in body.as_object().into_iter().flatten() {
        let known = field == LOCATION
            || read.contains(&field.as_str())
            || harmless.iter().any(|(name, word)| name == field && value.as_str() == Some(word));
        if !known && !asks_for_nothing(value) {
            return Err(Problem::not_implemented(&format!("`{field}` of a {job} job")));
        }
    }
    Ok(())
}

fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.values().all(asks_for_nothing),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
