//! Parameters of a query: names, types and values. What is analysed, what is recorded and what is sent come out of one reading.

use super::fault::{FormFault, Path, quoted};
use super::scalar;
use super::shape::{list_of, message_of, text_of, wrong};
use serde_json::{Map, Value, json};
use sluice_model::{Field, Type};
use sluice_policy::Parameter;
use sluice_sql::engine::Parameters;
use std::collections::BTreeSet;

const NAME_BYTES_MAX: usize = 128;
/// BigQuery stops at 15 levels of structs and arrays.
const DEPTH_MAX: usize = 15;

pub(super) struct Understood {
    pub types: Parameters,
    /// Values as JSON: `"7"`, `null`, `["a", "b"]`, `{"f": "x"}`. The type says the rest.
    pub recorded: Vec<Parameter>,
}

/// Reads them all, and writes them anew.
pub(super) fn read(work: &mut Map<String, Value>, at: &Path<'_>) -> Result<Understood, FormFault> {
    let at_list = at.name("queryParameters");
    let given: Vec<&Map<String, Value>> = list_of(work, "queryParameters").iter().filter_map(Value::as_object).collect();
    if given.is_empty() {
        work.remove("queryParameters");
        work.remove("parameterMode");
        return Ok(Understood { types: Parameters::None, recorded: Vec::new() });
    }
    let named = is_named(work, &given, at)?;
    let (mut names, mut recorded, mut types, mut sent) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new());
    for (place, given) in given.iter().enumerate() {
        let at = at_list.place(place);
        let name = text_of(given, "name").filter(|name| !name.is_empty());
        let name = if named { Some(check_name(name, &mut names, &at.name("name"))?) } else { unnamed(name, &at.name("name"))? };
        let kind = message_of(given, "parameterType").ok_or_else(|| FormFault::invalid(&at.name("parameterType"), "is missing"))?;
        let kind = read_type(kind, &at.name("parameterType"), 0)?;
        let nothing = Map::new();
        let value = read_value(&kind, message_of(given, "parameterValue").unwrap_or(&nothing), &at.name("parameterValue"))?;
        let shown = name.map_or_else(|| format!("?{}", place + 1), str::to_owned);
        recorded.push(Parameter { name: shown.clone(), kind: kind.to_string(), value: value.recorded.to_string() });
        let mut parameter = Map::new();
        parameter.extend(name.map(|name| ("name".to_owned(), Value::from(name))));
        parameter.insert("parameterType".to_owned(), written(&kind));
        parameter.insert("parameterValue".to_owned(), value.sent);
        sent.push(Value::Object(parameter));
        types.push((shown, kind));
    }
    work.insert("parameterMode".to_owned(), Value::from(if named { "NAMED" } else { "POSITIONAL" }));
    work.insert("queryParameters".to_owned(), Value::Array(sent));
    let types = if named { Parameters::Named(types) } else { Parameters::Positional(types.into_iter().map(|(_, kind)| kind).collect()) };
    Ok(Understood { types, recorded })
}

/// Where the mode is not said, names say it; half of them would mean two things.
fn is_named(work: &Map<String, Value>, given: &[&Map<String, Value>], at: &Path<'_>) -> Result<bool, FormFault> {
    let has_name = |given: &&&Map<String, Value>| text_of(given, "name").is_some_and(|name| !name.is_empty());
    let names = given.iter().filter(has_name).count();
    match text_of(work, "parameterMode") {
        Some("NAMED") => Ok(true),
        Some(_) => Ok(false),
        None if names == given.len() => Ok(true),
        None if names == 0 => Ok(false),
        None => Err(FormFault::invalid(
            &at.name("queryParameters"),
            format!("names {names} of {}: accepted are names for all or for none", given.len()),
        )),
    }
}

fn check_name<'a>(name: Option<&'a str>, names: &mut BTreeSet<String>, at: &Path<'_>) -> Result<&'a str, FormFault> {
    let name = name.ok_or_else(|| FormFault::invalid(at, "is missing: `parameterMode` is `NAMED`"))?;
    // In backticks a statement can name more than identifiers, and some clients quote every name.
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    if name.len() > NAME_BYTES_MAX || !name.chars().all(is_letter) {
        let text = format!("is {}: accepted are at most {NAME_BYTES_MAX} bytes of letters, digits, `_`, `-` and spaces", quoted(name));
        return Err(FormFault::invalid(at, text));
    }
    // GoogleSQL reads `@A` and `@a` as one.
    if !names.insert(name.to_lowercase()) {
        return Err(FormFault::invalid(at, format!("is {} for the second time, in whatever letters", quoted(name))));
    }
    Ok(name)
}

fn unnamed<'a>(name: Option<&str>, at: &Path<'_>) -> Result<Option<&'a str>, FormFault> {
    match name {
        Some(name) => Err(FormFault::invalid(at, format!("is {}, and `parameterMode` is `POSITIONAL`: take the name away", quoted(name)))),
        None => Ok(None),
    }
}

fn read_type(given: &Map<String, Value>, at: &Path<'_>, depth: usize) -> Result<Type, FormFault> {
    if depth >= DEPTH_MAX {
        return Err(FormFault::invalid(at, format!("is nested deeper than {DEPTH_MAX} levels")));
    }
    let at_word = at.name("type");
    let word = text_of(given, "type").ok_or_else(|| FormFault::invalid(&at_word, "is missing"))?;
    let inner =
        |name: &str| message_of(given, name).ok_or_else(|| FormFault::invalid(&at.name(name), format!("is missing: `type` is `{word}`")));
    let upper = word.to_ascii_uppercase();
    let part = match upper.as_str() {
        "ARRAY" => Some("arrayType"),
        "RANGE" => Some("rangeElementType"),
        "STRUCT" | "RECORD" => Some("structTypes"),
        _ => None,
    };
    if let Some(other) =
        ["arrayType", "rangeElementType", "structTypes"].into_iter().find(|name| Some(*name) != part && is_given(given, name))
    {
        return Err(FormFault::invalid(&at.name(other), format!("does not go with the type {}", quoted(word))));
    }
    precision(given, &upper, at)?;
    match upper.as_str() {
        "ARRAY" => match read_type(inner("arrayType")?, &at.name("arrayType"), depth + 1)? {
            Type::Array(_) => Err(FormFault::invalid(&at.name("arrayType"), "is an array: GoogleSQL has no arrays of arrays")),
            element => Ok(Type::array(element)),
        },
        "RANGE" => match read_type(inner("rangeElementType")?, &at.name("rangeElementType"), depth + 1)? {
            element @ (Type::Date | Type::Datetime | Type::Timestamp) => Ok(Type::Range(Box::new(element))),
            _ => Err(FormFault::invalid(
                &at.name("rangeElementType"),
                "is no type of a range: accepted is `DATE`, `DATETIME` or `TIMESTAMP`",
            )),
        },
        "STRUCT" | "RECORD" => fields(given, &at.name("structTypes"), depth).map(Type::Struct),
        _ => {
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let kind = Type::parse(word).ok().filter(|_| plain);
            kind.ok_or_else(|| FormFault::invalid(&at_word, format!("is {}, which is no type of BigQuery's", quoted(word))))
        }
    }
}

fn is_given(given: &Map<String, Value>, name: &str) -> bool {
    match given.get(name) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        _ => false,
    }
}

/// Timestamps have six digits here, as everywhere else in the gateway.
fn precision(given: &Map<String, Value>, word: &str, at: &Path<'_>) -> Result<(), FormFault> {
    match text_of(given, "timestampPrecision") {
        None => Ok(()),
        Some("6") if word == "TIMESTAMP" => Ok(()),
        Some(digits) => {
            Err(FormFault::unsupported(&at.name("timestampPrecision"), format!("is {}, accepted is `6` of a `TIMESTAMP`", quoted(digits))))
        }
    }
}

fn fields(given: &Map<String, Value>, at: &Path<'_>, depth: usize) -> Result<Vec<Field>, FormFault> {
    let given = list_of(given, "structTypes");
    if given.is_empty() {
        return Err(FormFault::invalid(at, "is missing: a struct has fields"));
    }
    let mut names = BTreeSet::new();
    let mut fields = Vec::new();
    for (place, field) in given.iter().filter_map(Value::as_object).enumerate() {
        let at = at.place(place);
        let name = text_of(field, "name").filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| FormFault::unsupported(&at.name("name"), "is missing: values are found by the names of their fields"))?;
        if name.len() > NAME_BYTES_MAX || name.chars().any(|letter| letter.is_control() || letter == '`') {
            return Err(FormFault::invalid(&at.name("name"), format!("is {}, which names no field", quoted(name))));
        }
        if !names.insert(name.to_lowercase()) {
            return Err(FormFault::invalid(&at.name("name"), format!("is {} for the second time, in whatever letters", quoted(name))));
        }
        let kind = message_of(field, "type").ok_or_else(|| FormFault::invalid(&at.name("type"), "is missing"))?;
        fields.push(Field { name: name.to_owned(), kind: read_type(kind, &at.name("type"), depth + 1)? });
    }
    Ok(fields)
}

/// A type as BigQuery's parameters spell it.
fn written(kind: &Type) -> Value {
    match kind {
        Type::Array(element) => json!({ "type": "ARRAY", "arrayType": written(element) }),
        Type::Range(element) => json!({ "type": "RANGE", "rangeElementType": written(element) }),
        Type::Struct(fields) => {
            let fields: Vec<Value> = fields.iter().map(|field| json!({ "name": field.name, "type": written(&field.kind) })).collect();
            json!({ "type": "STRUCT", "structTypes": fields })
        }
        scalar => json!({ "type": scalar.to_string() }),
    }
}

struct Found {
    sent: Value,
    recorded: Value,
}

fn read_value(kind: &Type, given: &Map<String, Value>, at: &Path<'_>) -> Result<Found, FormFault> {
    let part = match kind {
        Type::Array(_) => "arrayValues",
        Type::Range(_) => "rangeValue",
        Type::Struct(_) => "structValues",
        _ => "value",
    };
    if let Some(other) = given.keys().find(|name| name.as_str() != part) {
        return Err(FormFault::invalid(
            &at.name(other),
            format!("is no value of the type {}: accepted is `{part}`", quoted(&kind.to_string())),
        ));
    }
    let Some(value) = given.get(part) else { return Ok(Found { sent: json!({ part: null }), recorded: Value::Null }) };
    let at = at.name(part);
    let found = match (kind, value) {
        (Type::Array(element), Value::Array(values)) => {
            let values = values.iter().filter_map(Value::as_object).enumerate();
            let found: Vec<Found> = values.map(|(place, value)| read_value(element, value, &at.place(place))).collect::<Result<_, _>>()?;
            let (sent, recorded): (Vec<Value>, Vec<Value>) = found.into_iter().map(|found| (found.sent, found.recorded)).unzip();
            Found { sent: sent.into(), recorded: recorded.into() }
        }
        (Type::Range(element), Value::Object(ends)) => {
            let ends_of = |name: &str| ["start", "end"].iter().position(|end| *end == name).map(|place| (place, element.as_ref()));
            named(ends, ends_of, &at)?
        }
        (Type::Struct(fields), Value::Object(values)) => {
            let field_of =
                |name: &str| fields.iter().enumerate().find(|(_, field)| field.name == name).map(|(place, field)| (place, &field.kind));
            named(values, field_of, &at)?
        }
        (scalar, value) => {
            let text = text(scalar, value).filter(|text| scalar::fits(scalar, text));
            let text = text.ok_or_else(|| wrong(value, &format!("a value of the type `{scalar}`, as a text"), &at))?;
            Found { sent: Value::from(text.as_str()), recorded: Value::from(text) }
        }
    };
    Ok(Found { sent: json!({ part: found.sent }), ..found })
}

/// Fields in the order of the type. One that is left out is null, and stays left out: a large type times many values would be a very large text.
fn named<'a>(values: &Map<String, Value>, part: impl Fn(&str) -> Option<(usize, &'a Type)>, at: &Path<'_>) -> Result<Found, FormFault> {
    let mut found = Vec::new();
    for (name, value) in values.iter().filter_map(|(name, value)| Some((name, value.as_object()?))) {
        let at = at.name(name);
        let (place, kind) = part(name).ok_or_else(|| FormFault::invalid(&at, "is no field of the struct's type"))?;
        found.push((place, name, read_value(kind, value, &at)?));
    }
    found.sort_by_key(|(place, ..)| *place);
    let (mut sent, mut recorded) = (Map::new(), Map::new());
    for (_, name, found) in found {
        sent.insert(name.clone(), found.sent);
        recorded.insert(name.clone(), found.recorded);
    }
    Ok(Found { sent: Value::Object(sent), recorded: Value::Object(recorded) })
}

/// Node's client sends numbers and booleans as such.
fn text(kind: &Type, value: &Value) -> Option<String> {
    match (kind, value) {
        (_, Value::String(text)) => Some(text.clone()),
        (Type::Bool, Value::Bool(flag)) => Some(flag.to_string()),
        (Type::Int64, Value::Number(number)) => number.as_i64().map(|number| number.to_string()),
        (Type::BigNumeric | Type::Float64 | Type::Numeric, Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}
