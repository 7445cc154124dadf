//! Reads descriptors: first as they stand, with types by name, then linked.

use super::{Enumeration, Field, Kind, Message, Schema, SchemaFault, Shape};
use crate::wire::{Raw, Reader};
use std::collections::HashMap;

/// Message types nested in one another; real ones reach 3.
const NESTING_MAX: usize = 16;

/// Types are known by name only until all files are read.
#[derive(Default)]
pub struct Draft {
    messages: Vec<DraftMessage>,
    enumerations: Vec<(String, Enumeration)>,
}

struct DraftMessage {
    name: String,
    fields: Vec<DraftField>,
}

#[derive(Default)]
struct DraftField {
    name: String,
    number: u32,
    repeated: bool,
    kind: u64,
    type_name: String,
    in_oneof: bool,
}

const REPEATED: u64 = 3;
const TYPE_MESSAGE: u64 = 11;
const TYPE_ENUMERATION: u64 = 14;

impl Draft {
    pub fn file(&mut self, bytes: &[u8]) -> Result<(), SchemaFault> {
        let (mut package, mut messages, mut enumerations) = (String::new(), Vec::new(), Vec::new());
        each(bytes, |number, raw| match (number, raw) {
            (2, Raw::Bytes(text)) => package = name(text),
            (4, Raw::Bytes(message)) => messages.push(message),
            (5, Raw::Bytes(enumeration)) => enumerations.push(enumeration),
            _ => {}
        })?;
        messages.into_iter().try_for_each(|message| self.message(&package, message, 0))?;
        enumerations.into_iter().try_for_each(|enumeration| self.enumeration(&package, enumeration))
    }

    fn message(&mut self, scope: &str, bytes: &[u8], depth: usize) -> Result<(), SchemaFault> {
        if depth > NESTING_MAX {
            return Err(SchemaFault::Nesting);
        }
        let (mut short, mut fields, mut messages, mut enumerations) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        each(bytes, |number, raw| match (number, raw) {
            (1, Raw::Bytes(text)) => short = name(text),
            (2, Raw::Bytes(field)) => fields.push(field),
            (3, Raw::Bytes(message)) => messages.push(message),
            (4, Raw::Bytes(enumeration)) => enumerations.push(enumeration),
            _ => {}
        })?;
        let full = format!("{scope}.{short}");
        let mut fields = fields.into_iter().map(draft_field).collect::<Result<Vec<_>, _>>()?;
        fields.sort_by_key(|field| field.number);
        messages.into_iter().try_for_each(|message| self.message(&full, message, depth + 1))?;
        enumerations.into_iter().try_for_each(|enumeration| self.enumeration(&full, enumeration))?;
        self.messages.push(DraftMessage { name: full, fields });
        Ok(())
    }

    fn enumeration(&mut self, scope: &str, bytes: &[u8]) -> Result<(), SchemaFault> {
        let (mut short, mut values, mut found) = (String::new(), Vec::new(), Enumeration::default());
        each(bytes, |number, raw| match (number, raw) {
            (1, Raw::Bytes(text)) => short = name(text),
            (2, Raw::Bytes(value)) => values.push(value),
            _ => {}
        })?;
        for value in values {
            let (mut word, mut number) = ("", 0);
            each(value, |field, raw| match (field, raw) {
                (1, Raw::Bytes(text)) => word = leak(&name(text)),
                (2, Raw::Varint(bits)) => number = bits as i32,
                _ => {}
            })?;
            // Several names may share a number; the first one is the one that is answered.
            found.by_number.entry(number).or_insert(word);
            found.by_name.insert(word, number);
        }
        self.enumerations.push((format!("{scope}.{short}"), found));
        Ok(())
    }

    /// `google.protobuf.Timestamp` is not among the engine's own files.
    pub fn timestamp(&mut self) {
        let field = |name: &str, number, kind| DraftField { name: name.to_owned(), number, kind, ..DraftField::default() };
        let fields = vec![field("seconds", 1, 3), field("nanos", 2, 5)];
        self.messages.push(DraftMessage { name: "google.protobuf.Timestamp".to_owned(), fields });
    }

    pub fn finish(self) -> Schema {
        let mut by_name = HashMap::new();
        for (position, message) in self.messages.iter().enumerate() {
            by_name.insert(leak(&message.name), position);
        }
        for (position, (name, _)) in self.enumerations.iter().enumerate() {
            by_name.insert(leak(name), self.messages.len() + position);
        }
        let kind = |field: &DraftField| {
            let named = by_name.get(field.type_name.trim_start_matches('.')).copied();
            match (field.kind, named) {
                (TYPE_MESSAGE, Some(id)) => Kind::Message(id),
                (TYPE_ENUMERATION, Some(id)) => Kind::Enumeration(id.saturating_sub(self.messages.len())),
                (scalar, _) => scalar_kind(scalar),
            }
        };
        let message = |draft: &DraftMessage| {
            let short = draft.name.rsplit('.').next().unwrap_or_default();
            let wrapper = short.starts_with("Any") && !draft.fields.is_empty() && draft.fields.iter().all(|field| field.in_oneof);
            let field = |field: &DraftField| Field {
                name: leak(&field.name),
                number: field.number,
                repeated: field.repeated,
                kind: kind(field),
                parent: field.name == "parent" && field.kind == TYPE_MESSAGE && !field.repeated,
            };
            Message {
                name: by_name.get_key_value(draft.name.as_str()).map_or("", |(name, _)| name),
                kind: leak(short.strip_suffix("Proto").unwrap_or(short)),
                shape: if wrapper { Shape::Wrapper } else { Shape::Plain },
                fields: draft.fields.iter().map(field).collect(),
            }
        };
        let messages = self.messages.iter().map(message).collect();
        Schema { messages, enumerations: self.enumerations.into_iter().map(|(_, found)| found).collect(), by_name }
    }
}

fn draft_field(bytes: &[u8]) -> Result<DraftField, SchemaFault> {
    let mut field = DraftField::default();
    each(bytes, |number, raw| match (number, raw) {
        (1, Raw::Bytes(text)) => field.name = name(text),
        (3, Raw::Varint(bits)) => field.number = u32::try_from(bits).unwrap_or(0),
        (4, Raw::Varint(label)) => field.repeated = label == REPEATED,
        (5, Raw::Varint(kind)) => field.kind = kind,
        (6, Raw::Bytes(text)) => field.type_name = name(text),
        (9, Raw::Varint(_)) => field.in_oneof = true,
        _ => {}
    })?;
    Ok(field)
}

/// FieldDescriptorProto.Type.
fn scalar_kind(number: u64) -> Kind {
    match number {
        1 => Kind::Double,
        2 => Kind::Float,
        3 => Kind::Int64,
        4 => Kind::Uint64,
        5 => Kind::Int32,
        6 => Kind::Fixed64,
        7 => Kind::Fixed32,
        8 => Kind::Bool,
        9 => Kind::Text,
        12 => Kind::Bytes,
        13 => Kind::Uint32,
        15 => Kind::SignedFixed32,
        16 => Kind::SignedFixed64,
        17 | 18 => Kind::ZigZag,
        _ => Kind::Unsupported,
    }
}

fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(u32, Raw<'a>)) -> Result<(), SchemaFault> {
    let mut reader = Reader::new(bytes);
    while !reader.at_end() {
        let (number, raw) = reader.field()?;
        take(number, raw);
    }
    Ok(())
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
