//! The engine's messages, enumerations and fields, out of the descriptors that come with it.
//!
//! Names are leaked: a schema is read once per process and its names go into every tree that the engine answers.

mod draft;

use crate::wire::{Raw, Reader, WireFault};
use draft::Draft;
use std::collections::HashMap;
use std::fmt;

#[derive(Debug)]
pub struct Schema {
    messages: Vec<Message>,
    enumerations: Vec<Enumeration>,
    by_name: HashMap<&'static str, usize>,
}

#[derive(Debug)]
pub struct Message {
    /// With its package: `zetasql.ResolvedColumnProto`.
    pub name: &'static str,
    /// What a tree's node says: `ResolvedColumn`.
    pub kind: &'static str,
    pub shape: Shape,
    /// In the order of their numbers.
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// A base class's wrapper (`Any...`): one of its fields is set, and that one is the node.
    Wrapper,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub number: u32,
    pub repeated: bool,
    pub kind: Kind,
    /// The base class's part of a node: its fields belong to the node itself.
    pub parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Bytes,
    Double,
    Enumeration(usize),
    Fixed32,
    Fixed64,
    Float,
    Int32,
    Int64,
    Message(usize),
    SignedFixed32,
    SignedFixed64,
    Text,
    Uint32,
    Uint64,
    ZigZag,
    /// Groups, and messages that no descriptor of ours defines: nothing that we ask for holds one.
    Unsupported,
}

#[derive(Debug, Default)]
pub struct Enumeration {
    by_number: HashMap<i32, &'static str>,
    by_name: HashMap<&'static str, i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaFault {
    /// Not a FileDescriptorSet.
    Damaged,
    /// Message types nested too deeply.
    Nesting,
    Wire(WireFault),
}

impl Schema {
    /// Reads a FileDescriptorSet.
    pub fn read(bytes: &[u8]) -> Result<Schema, SchemaFault> {
        let mut draft = Draft::default();
        let mut files = Reader::new(bytes);
        while !files.at_end() {
            match files.field()? {
                (1, Raw::Bytes(file)) => draft.file(file)?,
                _ => return Err(SchemaFault::Damaged),
            }
        }
        draft.timestamp();
        Ok(draft.finish())
    }

    /// By its name with the package.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub fn message(&self, id: usize) -> Option<&Message> {
        self.messages.get(id)
    }

    pub fn enumeration(&self, id: usize) -> Option<&Enumeration> {
        self.enumerations.get(id)
    }

    /// Every name of an enumeration's values, by the enumeration's full name.
    pub fn enumerators(&self, name: &str) -> Option<&Enumeration> {
        self.by_name.get(name).and_then(|id| self.enumerations.get(id.checked_sub(self.messages.len())?))
    }
}

impl Message {
    pub fn by_number(&self, number: u32) -> Option<&Field> {
        self.fields.binary_search_by_key(&number, |field| field.number).ok().and_then(|position| self.fields.get(position))
    }

    pub fn by_name(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Enumeration {
    pub fn name(&self, number: i32) -> Option<&'static str> {
        self.by_number.get(&number).copied()
    }

    pub fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }
}

impl From<WireFault> for SchemaFault {
    fn from(fault: WireFault) -> SchemaFault {
        SchemaFault::Wire(fault)
    }
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => formatter.write_str("the engine's schema is no list of descriptors"),
            Self::Nesting => formatter.write_str("the engine's schema nests its messages too deeply"),
            Self::Wire(fault) => write!(formatter, "the engine's schema cannot be read: {fault}"),
        }
    }
}

impl std::error::Error for SchemaFault {}
