//! Messages as tables of fields: what each holds, what becomes of it. What is read by them is known to the last field, each of its kind, nothing else.

use super::fault::{FormFault, Path, quoted};
use serde_json::{Map, Value};

/// A message of BigQuery's, by the name that its discovery document gives it, with all of its fields.
pub(in crate::rest) struct Message {
    pub name: &'static str,
    pub fields: &'static [Field],
}

pub(in crate::rest) struct Field {
    pub name: &'static str,
    pub fate: Fate,
}

pub(in crate::rest) enum Fate {
    Kept(Shape),
    /// BigQuery says it and takes no notice of it in a request.
    Dropped,
    /// Refused where it asks for anything: why, and what to do.
    Refused(&'static str),
}

pub(in crate::rest) enum Shape {
    /// `true`, or `"true"` as some clients write it.
    Flag,
    List(&'static Shape, usize),
    /// 64 bits, in JSON a text.
    Long {
        least: i64,
    },
    Map(&'static Message, usize),
    /// 32 bits, in JSON a number.
    Number {
        least: i64,
        most: i64,
    },
    Object(&'static Message),
    Objects(&'static Message, usize),
    /// A text, or what Node's client sends in its place.
    Scalar,
    Text {
        bytes_max: usize,
    },
    /// Texts by names.
    Texts(usize),
    /// One of these, in any letters.
    Words(&'static [&'static str]),
}

/// A name, a format, a marker.
pub(in crate::rest) const TEXT: Shape = Shape::Text { bytes_max: TEXT_BYTES_MAX };
pub(in crate::rest) const COUNT: Shape = Shape::Number { least: 0, most: i32::MAX as i64 };

const TEXT_BYTES_MAX: usize = 16 << 10;

pub(in crate::rest) const fn kept(name: &'static str, shape: Shape) -> Field {
    Field { name, fate: Fate::Kept(shape) }
}

pub(in crate::rest) const fn dropped(name: &'static str) -> Field {
    Field { name, fate: Fate::Dropped }
}

pub(in crate::rest) const fn refused(name: &'static str, why: &'static str) -> Field {
    Field { name, fate: Fate::Refused(why) }
}

/// A message with the fields that are kept, in the order of its table. `null` is what BigQuery takes it for: not there.
pub(in crate::rest) fn object(message: &Message, value: &Value, path: &Path<'_>) -> Result<Map<String, Value>, FormFault> {
    let given = value.as_object().ok_or_else(|| wrong(value, "an object", path))?;
    if let Some(unknown) = given.keys().find(|name| !message.fields.iter().any(|field| field.name == name.as_str())) {
        return Err(unknown_name(message, unknown, path));
    }
    let mut clean = Map::new();
    for field in message.fields {
        let Some(value) = given.get(field.name).filter(|value| !value.is_null()) else { continue };
        let path = path.name(field.name);
        match &field.fate {
            Fate::Kept(shape) => {
                clean.insert(field.name.to_owned(), read(shape, value, &path)?);
            }
            Fate::Dropped => {}
            Fate::Refused(why) if asks_for_something(value) => return Err(FormFault::unsupported(&path, *why)),
            Fate::Refused(_) => {}
        }
    }
    Ok(clean)
}

fn read(shape: &Shape, value: &Value, path: &Path<'_>) -> Result<Value, FormFault> {
    match shape {
        Shape::Flag => flag(value).map(Value::Bool).ok_or_else(|| wrong(value, "`true` or `false`", path)),
        Shape::List(element, most) => list(value, *most, path, |value, path| read(element, value, path)),
        Shape::Long { least } => {
            let number = whole(value).filter(|number| number >= least);
            let number = number.ok_or_else(|| wrong(value, &format!("a whole number from {least} on"), path))?;
            Ok(Value::String(number.to_string()))
        }
        Shape::Map(message, most) => entries(value, *most, path, |value, path| object(message, value, path).map(Value::Object)),
        Shape::Number { least, most } => {
            let number = whole(value).filter(|number| (*least..=*most).contains(number));
            number.map(Value::from).ok_or_else(|| wrong(value, &format!("a whole number from {least} to {most}"), path))
        }
        Shape::Object(message) => object(message, value, path).map(Value::Object),
        Shape::Objects(message, most) => list(value, *most, path, |value, path| object(message, value, path).map(Value::Object)),
        Shape::Scalar => match value {
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
            _ => Err(wrong(value, "a text", path)),
        },
        Shape::Text { bytes_max } => text(value, *bytes_max, path),
        Shape::Texts(most) => entries(value, *most, path, |value, path| text(value, TEXT_BYTES_MAX, path)),
        Shape::Words(words) => {
            let given = value.as_str().ok_or_else(|| wrong(value, &one_of(words), path))?;
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(given));
            word.map(|word| Value::String((*word).to_owned())).ok_or_else(|| wrong(value, &one_of(words), path))
        }
    }
}

fn list(
    value: &Value,
    most: usize,
    path: &Path<'_>,
    read: impl Fn(&Value, &Path<'_>) -> Result<Value, FormFault>,
) -> Result<Value, FormFault> {
    let given = value.as_array().ok_or_else(|| wrong(value, "a list", path))?;
    if given.len() > most {
        return Err(FormFault::too_large(path, format!("has {} elements, accepted are at most {most}", given.len())));
    }
    given.iter().enumerate().map(|(place, value)| read(value, &path.place(place))).collect::<Result<_, _>>().map(Value::Array)
}

fn entries(
    value: &Value,
    most: usize,
    path: &Path<'_>,
    read: impl Fn(&Value, &Path<'_>) -> Result<Value, FormFault>,
) -> Result<Value, FormFault> {
    let given = value.as_object().ok_or_else(|| wrong(value, "an object", path))?;
    if given.len() > most {
        return Err(FormFault::too_large(path, format!("has {} entries, accepted are at most {most}", given.len())));
    }
    let entry = |(name, value): (&String, &Value)| Ok((name.clone(), read(value, &path.name(name))?));
    given.iter().map(entry).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn text(value: &Value, bytes_max: usize, path: &Path<'_>) -> Result<Value, FormFault> {
    let text = value.as_str().ok_or_else(|| wrong(value, "a text", path))?;
    if text.len() > bytes_max {
        return Err(FormFault::too_large(path, format!("has {} bytes, accepted are at most {bytes_max}", text.len())));
    }
    Ok(value.clone())
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// 64-bit numbers come as text, and smaller ones do from some clients.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => text.parse().ok(),
        _ => None,
    }
}

/// A field that is given its own default asks for nothing.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// What a value is and what is wanted in its place.
pub(in crate::rest) fn wrong(value: &Value, wanted: &str, path: &Path<'_>) -> FormFault {
    let found = match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Null => "`null`".to_owned(),
        Value::Number(number) => format!("the number {}", quoted(&number.to_string())),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("the text {}", quoted(text)),
    };
    let subject = if path.is_root() { "the body " } else { "" };
    FormFault::invalid(path, format!("{subject}is {found}, accepted is {wanted}"))
}

/// What says nothing is taken, and not recommended.
fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().filter(|word| !word.ends_with("UNSPECIFIED")).map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Google's own parsers also take `default_dataset` for `defaultDataset`. One name for one field is safer than two.
fn unknown_name(message: &Message, unknown: &str, path: &Path<'_>) -> FormFault {
    let folded =
        |name: &str| -> String { name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect() };
    let meant = message.fields.iter().find(|field| folded(field.name) == folded(unknown));
    let text = match meant {
        Some(field) => format!("is written `{}`", field.name),
        None => format!("is no field of {} that the gateway knows: take it away", message.name),
    };
    FormFault::invalid(&path.name(unknown), text)
}

/// Parts of what `object` has read: of their kind if they are there.
pub(in crate::rest) fn text_of<'a>(clean: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    clean.get(name).and_then(Value::as_str)
}

pub(in crate::rest) fn flag_of(clean: &Map<String, Value>, name: &str) -> bool {
    clean.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(in crate::rest) fn number_of(clean: &Map<String, Value>, name: &str) -> Option<u64> {
    clean.get(name).and_then(Value::as_u64)
}

pub(in crate::rest) fn message_of<'a>(clean: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    clean.get(name).and_then(Value::as_object)
}

pub(in crate::rest) fn list_of<'a>(clean: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    clean.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// In the order of the message's table, whatever was put in when.
pub(in crate::rest) fn ordered(message: &Message, mut clean: Map<String, Value>) -> Map<String, Value> {
    message.fields.iter().filter_map(|field| clean.remove_entry(field.name)).collect()
}
