//! How a client writes its rows: a message described by a descriptor, with all that it needs nested inside.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use std::collections::HashMap;

/// Of a message and all messages in it. One that is used twice counts twice.
const FIELDS_MAX: usize = 10_000;
/// As deep as BigQuery's records, with a range inside.
const DEPTH_MAX: usize = 17;
const WELL_KNOWN: &str = "google.protobuf.";

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub number: u32,
    pub name: String,
    pub kind: Kind,
    pub is_repeated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Bool,
    Bytes,
    Double,
    /// Names of its numbers.
    Enum(HashMap<i32, String>),
    Fixed32,
    Fixed64,
    Float,
    Int32,
    Int64,
    Message(Vec<Field>),
    /// `google.protobuf.Timestamp`.
    Moment,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    Text,
    Uint32,
    Uint64,
    /// `google.protobuf.Int64Value` and the like: a value in a message of its own.
    Wrapped(Box<Field>),
}

/// The fields of the message, or why it describes none.
pub fn fields(message: &DescriptorProto) -> Result<Vec<Field>, String> {
    of_message(&[message], &mut 0)
}

impl Field {
    fn single(number: u32, name: &str, kind: Kind) -> Field {
        Field { number, name: name.to_owned(), kind, is_repeated: false }
    }
}

/// The last of `scope` is the message, the others are those that it is nested in.
fn of_message(scope: &[&DescriptorProto], count: &mut usize) -> Result<Vec<Field>, String> {
    let Some(message) = scope.last() else { return Ok(Vec::new()) };
    if scope.len() > DEPTH_MAX {
        return Err(format!("messages are nested deeper than {DEPTH_MAX} levels"));
    }
    *count += message.field.len();
    if *count > FIELDS_MAX {
        return Err(format!("the schema has more than {FIELDS_MAX} fields"));
    }
    let fields: Vec<Field> = message.field.iter().map(|field| of_field(field, scope, count)).collect::<Result<_, _>>()?;
    let is_twice = |(place, field): (usize, &Field)| {
        let mut others = fields.iter().take(place);
        others.any(|other| other.number == field.number || other.name.eq_ignore_ascii_case(&field.name))
    };
    match fields.iter().enumerate().find(|found| is_twice(*found)) {
        Some((_, field)) => Err(format!("field `{}` stands twice, by its name or its number", field.name)),
        None => Ok(fields),
    }
}

fn of_field(field: &FieldDescriptorProto, scope: &[&DescriptorProto], count: &mut usize) -> Result<Field, String> {
    let name = field.name().to_owned();
    let number = u32::try_from(field.number()).ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| format!("field `{name}` has no number"))?;
    let kind = match field.r#type() {
        Type::Bool => Kind::Bool,
        Type::Bytes => Kind::Bytes,
        Type::Double => Kind::Double,
        Type::Enum => of_enum(field.type_name(), scope).ok_or_else(|| format!("the type of field `{name}` is not described"))?,
        Type::Fixed32 => Kind::Fixed32,
        Type::Fixed64 => Kind::Fixed64,
        Type::Float => Kind::Float,
        Type::Group => return Err(format!("field `{name}` is a group")),
        Type::Int32 => Kind::Int32,
        Type::Int64 => Kind::Int64,
        Type::Message => of_nested(field, scope, count)?,
        Type::Sfixed32 => Kind::Sfixed32,
        Type::Sfixed64 => Kind::Sfixed64,
        Type::Sint32 => Kind::Sint32,
        Type::Sint64 => Kind::Sint64,
        Type::String => Kind::Text,
        Type::Uint32 => Kind::Uint32,
        Type::Uint64 => Kind::Uint64,
    };
    Ok(Field { number, name, kind, is_repeated: field.label() == Label::Repeated })
}

fn of_nested(field: &FieldDescriptorProto, scope: &[&DescriptorProto], count: &mut usize) -> Result<Kind, String> {
    let full = field.type_name();
    if let Some(known) = full.trim_start_matches('.').strip_prefix(WELL_KNOWN) {
        return well_known(known).ok_or_else(|| format!("`{full}` is no type that rows are written with"));
    }
    let last = last(full);
    for depth in (1..=scope.len()).rev() {
        let around = scope.get(..depth).unwrap_or_default();
        let nested = around.last().and_then(|message| message.nested_type.iter().find(|nested| nested.name() == last));
        if let Some(nested) = nested {
            let mut inner = around.to_vec();
            inner.push(nested);
            // A message within itself gets ever deeper, by whatever way.
            if scope.iter().any(|outer| std::ptr::eq(*outer, nested)) {
                return Err(format!("message `{last}` is nested in itself"));
            }
            return of_message(&inner, count).map(Kind::Message);
        }
    }
    Err(format!("the type of field `{}` is not described", field.name()))
}

fn of_enum(full: &str, scope: &[&DescriptorProto]) -> Option<Kind> {
    let last = last(full);
    let found = scope.iter().rev().find_map(|message| message.enum_type.iter().find(|nested| nested.name() == last))?;
    Some(Kind::Enum(found.value.iter().map(|value| (value.number(), value.name().to_owned())).collect()))
}

fn well_known(name: &str) -> Option<Kind> {
    let value = match name {
        "Timestamp" => return Some(Kind::Moment),
        "BoolValue" => Kind::Bool,
        "BytesValue" => Kind::Bytes,
        "DoubleValue" => Kind::Double,
        "FloatValue" => Kind::Float,
        "Int32Value" => Kind::Int32,
        "Int64Value" => Kind::Int64,
        "StringValue" => Kind::Text,
        "UInt32Value" => Kind::Uint32,
        "UInt64Value" => Kind::Uint64,
        _ => return None,
    };
    Some(Kind::Wrapped(Box::new(Field::single(1, "value", value))))
}

fn last(full: &str) -> &str {
    full.rsplit('.').next().unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn field(number: i32, name: &str, kind: Type, type_name: &str, label: Label) -> FieldDescriptorProto {
        FieldDescriptorProto {
            number: Some(number),
            name: Some(name.to_owned()),
            r#type: Some(kind.into()),
            type_name: (!type_name.is_empty()).then(|| type_name.to_owned()),
            label: Some(label.into()),
            ..FieldDescriptorProto::default()
        }
    }

    fn message(name: &str, field: Vec<FieldDescriptorProto>, nested_type: Vec<DescriptorProto>) -> DescriptorProto {
        DescriptorProto { name: Some(name.to_owned()), field, nested_type, ..DescriptorProto::default() }
    }

    #[test]
    fn messages_are_understood_or_refused() {
        let check = |described: &DescriptorProto, expect: Result<&str, &str>| {
            let found =
                fields(described).map(|fields| fields.iter().map(|field| format!("{:?}", field.kind)).collect::<Vec<_>>().join(" "));
            match expect {
                Ok(expect) => assert_eq!(found.as_deref(), Ok(expect)),
                Err(part) => assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{found:?}"),
            }
        };
        let optional = |number: i32, name: &str, kind: Type| field(number, name, kind, "", Label::Optional);
        let inner = message("Inner", vec![optional(1, "x", Type::Int64)], Vec::new());
        let of = |type_name: &str| field(1, "a", Type::Message, type_name, Label::Optional);
        check(&message("Row", vec![optional(1, "a", Type::Bool), optional(2, "b", Type::String)], Vec::new()), Ok("Bool Text"));
        for name in [".some.Row.Inner", "Row.Inner", "Inner"] {
            let expect = "Message([Field { number: 1, name: \"x\", kind: Int64, is_repeated: false }])";
            check(&message("Row", vec![of(name)], vec![inner.clone()]), Ok(expect));
        }
        check(&message("Row", vec![of(".google.protobuf.Timestamp")], Vec::new()), Ok("Moment"));
        check(&message("Row", vec![of(".google.protobuf.Struct")], Vec::new()), Err("no type that rows are written with"));
        check(&message("Row", vec![of("Other")], vec![inner]), Err("not described"));
        check(&message("Row", vec![optional(1, "a", Type::Bool), optional(1, "b", Type::Bool)], Vec::new()), Err("stands twice"));
        check(&message("Row", vec![optional(1, "a", Type::Bool), optional(2, "A", Type::Bool)], Vec::new()), Err("stands twice"));
        check(&message("Row", vec![optional(0, "a", Type::Bool)], Vec::new()), Err("no number"));
        check(&message("Row", vec![optional(1, "a", Type::Group)], Vec::new()), Err("group"));
        let itself = message("Inner", vec![of("Inner")], Vec::new());
        check(&message("Row", vec![of("Inner")], vec![itself]), Err("nested in itself"));
    }
}
