//! Requests are plain values, written by the schema: a field that the schema does not have is an error, never a silent loss.

use crate::schema::{Field, Kind, Message, Schema};
use crate::wire::{FIXED32, FIXED64, LENGTH, VARINT, append_tag, append_varint};
use std::borrow::Cow;
use std::fmt;

/// Messages inside messages; the deepest request is a value of a type 64 levels deep.
const DEPTH_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Bool(bool),
    Bytes(Vec<u8>),
    Double(f64),
    /// A message of that name, written into a field for text or bytes.
    Encoded(&'static str, Record),
    Enumerator(Cow<'static, str>),
    Integer(i64),
    List(Vec<Item>),
    Message(Record),
    /// A message or a string that is encoded already.
    Raw(std::sync::Arc<[u8]>),
    Text(String),
}

/// A message: field names with their values, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    fields: Vec<(&'static str, Item)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeFault {
    Depth,
    Enumerator {
        name: String,
    },
    Field {
        message: String,
        field: String,
    },
    /// The item is not of the field's type.
    Mismatch {
        message: String,
        field: String,
    },
    Unknown {
        message: String,
    },
}

impl Record {
    pub fn new() -> Record {
        Record::default()
    }

    #[must_use]
    pub fn with(mut self, field: &'static str, item: impl Into<Item>) -> Record {
        self.fields.push((field, item.into()));
        self
    }

    pub fn set(&mut self, field: &'static str, item: impl Into<Item>) {
        self.fields.push((field, item.into()));
    }
}

pub fn encode(schema: &Schema, message: &str, record: &Record) -> Result<Vec<u8>, EncodeFault> {
    let unknown = || EncodeFault::Unknown { message: message.to_owned() };
    let id = schema.find(message).ok_or_else(unknown)?;
    let mut bytes = Vec::new();
    write_record(schema, schema.message(id).ok_or_else(unknown)?, record, &mut bytes, 0)?;
    Ok(bytes)
}

fn write_record(schema: &Schema, message: &Message, record: &Record, bytes: &mut Vec<u8>, depth: usize) -> Result<(), EncodeFault> {
    if depth > DEPTH_MAX {
        return Err(EncodeFault::Depth);
    }
    for (name, item) in &record.fields {
        let field = message.by_name(name);
        let field = field.ok_or_else(|| EncodeFault::Field { message: message.name.to_owned(), field: (*name).to_owned() })?;
        let context = Context { schema, message, field, depth };
        match item {
            Item::List(items) if field.repeated => items.iter().try_for_each(|item| context.write(item, bytes))?,
            Item::List(_) => return Err(context.mismatch()),
            item => context.write(item, bytes)?,
        }
    }
    Ok(())
}

struct Context<'a> {
    schema: &'a Schema,
    message: &'a Message,
    field: &'a Field,
    depth: usize,
}

impl Context<'_> {
    fn write(&self, item: &Item, bytes: &mut Vec<u8>) -> Result<(), EncodeFault> {
        let number = self.field.number;
        match (self.field.kind, item) {
            (Kind::Bool, Item::Bool(flag)) => varint(bytes, number, u64::from(*flag)),
            (Kind::Int32 | Kind::Int64 | Kind::Enumeration(_), Item::Integer(integer)) => varint(bytes, number, integer.cast_unsigned()),
            (Kind::Uint32 | Kind::Uint64, Item::Integer(integer)) if *integer >= 0 => varint(bytes, number, integer.cast_unsigned()),
            (Kind::ZigZag, Item::Integer(integer)) => varint(bytes, number, (integer << 1 ^ integer >> 63).cast_unsigned()),
            (Kind::Double, Item::Double(float)) => {
                append_tag(bytes, number, FIXED64);
                bytes.extend(float.to_le_bytes());
            }
            (Kind::Float, Item::Double(float)) => {
                append_tag(bytes, number, FIXED32);
                bytes.extend((*float as f32).to_le_bytes());
            }
            (Kind::Enumeration(id), Item::Enumerator(name)) => {
                let known = self.schema.enumeration(id).and_then(|known| known.number(name));
                let value = known.ok_or_else(|| EncodeFault::Enumerator { name: name.to_string() })?;
                varint(bytes, number, i64::from(value).cast_unsigned());
            }
            (Kind::Text, Item::Text(text)) => delimited(bytes, number, text.as_bytes()),
            (Kind::Bytes, Item::Bytes(content)) => delimited(bytes, number, content),
            (Kind::Bytes | Kind::Text, Item::Encoded(message, record)) => delimited(bytes, number, &encode(self.schema, message, record)?),
            (Kind::Bytes | Kind::Text | Kind::Message(_), Item::Raw(content)) => delimited(bytes, number, content),
            (Kind::Message(id), Item::Message(record)) => {
                let inner = self.schema.message(id).ok_or_else(|| self.mismatch())?;
                let mut content = Vec::new();
                write_record(self.schema, inner, record, &mut content, self.depth + 1)?;
                delimited(bytes, number, &content);
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    fn mismatch(&self) -> EncodeFault {
        EncodeFault::Mismatch { message: self.message.name.to_owned(), field: self.field.name.to_owned() }
    }
}

fn varint(bytes: &mut Vec<u8>, number: u32, value: u64) {
    append_tag(bytes, number, VARINT);
    append_varint(bytes, value);
}

fn delimited(bytes: &mut Vec<u8>, number: u32, content: &[u8]) {
    append_tag(bytes, number, LENGTH);
    append_varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

impl From<bool> for Item {
    fn from(flag: bool) -> Item {
        Item::Bool(flag)
    }
}

impl From<i64> for Item {
    fn from(integer: i64) -> Item {
        Item::Integer(integer)
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::Text(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Item {
        Item::Text(text)
    }
}

impl From<Record> for Item {
    fn from(record: Record) -> Item {
        Item::Message(record)
    }
}

impl<T: Into<Item>> From<Vec<T>> for Item {
    fn from(items: Vec<T>) -> Item {
        Item::List(items.into_iter().map(Into::into).collect())
    }
}

/// The value of an enumeration with that name.
pub fn word(name: impl Into<Cow<'static, str>>) -> Item {
    Item::Enumerator(name.into())
}

/// A list of texts.
pub fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Item {
    Item::List(texts.into_iter().map(|text| Item::Text(text.clone())).collect())
}

impl fmt::Display for EncodeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth => write!(formatter, "a request to the engine is nested deeper than {DEPTH_MAX} levels"),
            Self::Enumerator { name } => write!(formatter, "the engine's schema has no value `{name}`"),
            Self::Field { message, field } => write!(formatter, "the engine's schema has no field `{field}` in `{message}`"),
            Self::Mismatch { message, field } => write!(formatter, "the field `{field}` of `{message}` is of another type"),
            Self::Unknown { message } => write!(formatter, "the engine's schema has no message `{message}`"),
        }
    }
}

impl std::error::Error for EncodeFault {}
