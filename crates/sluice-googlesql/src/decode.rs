//! An answer's bytes become a tree. Nothing is trusted and nothing is skipped: what the schema does not know is an error.
//!
//! The reader keeps its own stack, so that the depth of an answer costs memory we count and not the thread's stack.

use crate::schema::{Enumeration, Field, Kind, Message, Schema, Shape};
use crate::wire::{Raw, Reader, WireFault};
use sluice_sql::tree::{Node, NodeId, Tree, Value};
use std::fmt;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub answer_bytes_max: usize,
    pub nodes_max: usize,
    pub depth_max: usize,
}

/// The reader looks whether there is still time each time it has read so many values: a fraction of a millisecond.
const VALUES_BETWEEN_LOOKS: u64 = 1 << 10;

/// Far above honest answers: the largest of our TPC-DS statements has some ten thousand nodes.
impl Default for Limits {
    fn default() -> Limits {
        Limits { answer_bytes_max: 64 << 20, nodes_max: 1_000_000, depth_max: 100_000 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeFault {
    Bytes {
        bytes: usize,
        bytes_max: usize,
    },
    Depth {
        depth_max: usize,
    },
    /// An enumeration has no such value.
    Enumerator {
        field: &'static str,
        number: i64,
    },
    /// A message has no field of that number.
    Field {
        message: &'static str,
        number: u32,
    },
    /// The caller has no time any more.
    Late,
    Nodes {
        nodes_max: usize,
    },
    /// A number does not fit its field's type.
    Range {
        field: &'static str,
    },
    /// A field that may stand once stands twice.
    Twice {
        field: &'static str,
    },
    /// The schema has no such message.
    Unknown {
        message: String,
    },
    Wire(WireFault),
    /// A field's wire type is not the one of its type.
    WireType {
        field: &'static str,
    },
}

/// Reads `bytes` as the message of that name. The tree's root is the message itself, or the node inside when it is a wrapper.
pub fn decode(schema: &Schema, message: &str, bytes: &[u8], limits: &Limits) -> Result<Tree, DecodeFault> {
    decode_while(schema, message, bytes, limits, &|| true)
}

/// The same, as long as there is time.
pub fn decode_while(
    schema: &Schema,
    message: &str,
    bytes: &[u8],
    limits: &Limits,
    still_time: &dyn Fn() -> bool,
) -> Result<Tree, DecodeFault> {
    if bytes.len() > limits.answer_bytes_max {
        return Err(DecodeFault::Bytes { bytes: bytes.len(), bytes_max: limits.answer_bytes_max });
    }
    let unknown = || DecodeFault::Unknown { message: message.to_owned() };
    let id = schema.find(message).ok_or_else(unknown)?;
    let kind = schema.message(id).ok_or_else(unknown)?;
    let mut decoder = Decoder { schema, limits, still_time, values: 0, tree: Tree::default(), stack: Vec::new() };
    let root = decoder.node(kind)?;
    decoder.tree.root = Some(root);
    decoder.push(kind, root, Reader::new(bytes))?;
    decoder.run()?;
    Ok(decoder.tree)
}

struct Decoder<'a> {
    schema: &'a Schema,
    limits: &'a Limits,
    still_time: &'a dyn Fn() -> bool,
    /// Read so far.
    values: u64,
    tree: Tree,
    stack: Vec<Frame<'a>>,
}

/// A message that is being read, and the node that its fields go into.
struct Frame<'a> {
    message: &'a Message,
    node: NodeId,
    reader: Reader<'a>,
    /// A wrapper's one field was read.
    unwrapped: bool,
}

impl<'a> Decoder<'a> {
    fn run(&mut self) -> Result<(), DecodeFault> {
        while let Some(frame) = self.stack.last_mut() {
            if frame.reader.at_end() {
                self.stack.pop();
                continue;
            }
            let (number, raw) = frame.reader.field()?;
            let (message, node) = (frame.message, frame.node);
            let field = message.by_number(number).ok_or(DecodeFault::Field { message: message.name, number })?;
            if message.shape == Shape::Wrapper && std::mem::replace(&mut frame.unwrapped, true) {
                return Err(DecodeFault::Twice { field: field.name });
            }
            self.field(message, node, field, raw)?;
        }
        Ok(())
    }

    fn field(&mut self, message: &Message, node: NodeId, field: &'a Field, raw: Raw<'a>) -> Result<(), DecodeFault> {
        let Kind::Message(id) = field.kind else { return self.scalar(node, field, raw) };
        let Raw::Bytes(bytes) = raw else { return Err(DecodeFault::WireType { field: field.name }) };
        let inner = self.schema.message(id).ok_or(DecodeFault::Unknown { message: field.name.to_owned() })?;
        let into = if field.parent {
            node
        } else if message.shape == Shape::Wrapper {
            // The node was made for the wrapper; now its real kind is known.
            if let Some(node) = self.tree.nodes.get_mut(node.0 as usize) {
                node.kind = inner.kind;
            }
            node
        } else {
            let child = self.node(inner)?;
            self.attach(node, field, Value::Node(child))?;
            child
        };
        self.push(inner, into, Reader::new(bytes))
    }

    fn scalar(&mut self, node: NodeId, field: &Field, raw: Raw<'a>) -> Result<(), DecodeFault> {
        let enumeration = match field.kind {
            Kind::Enumeration(id) => self.schema.enumeration(id),
            _ => None,
        };
        match raw {
            Raw::Bytes(packed) if field.repeated && !matches!(field.kind, Kind::Bytes | Kind::Text) => {
                let mut reader = Reader::new(packed);
                while !reader.at_end() {
                    let raw = element(&mut reader, field)?;
                    self.attach(node, field, value(field, raw, enumeration)?)?;
                }
                Ok(())
            }
            raw => self.attach(node, field, value(field, raw, enumeration)?),
        }
    }

    fn attach(&mut self, node: NodeId, field: &Field, value: Value) -> Result<(), DecodeFault> {
        self.values += 1;
        if self.values.is_multiple_of(VALUES_BETWEEN_LOOKS) && !(self.still_time)() {
            return Err(DecodeFault::Late);
        }
        let Some(node) = self.tree.nodes.get_mut(node.0 as usize) else { return Ok(()) };
        // Fields come in the order of their numbers, so the one to extend is the last one; searching backwards finds it at once.
        let present = node.fields.iter_mut().rev().find(|(name, _)| *name == field.name);
        match (present, field.repeated) {
            (Some((_, Value::List(values))), true) => values.push(value),
            (None, true) => node.fields.push((field.name, Value::List(vec![value]))),
            (None, false) => node.fields.push((field.name, value)),
            (Some(_), _) => return Err(DecodeFault::Twice { field: field.name }),
        }
        Ok(())
    }

    fn node(&mut self, message: &Message) -> Result<NodeId, DecodeFault> {
        if self.tree.nodes.len() >= self.limits.nodes_max {
            return Err(DecodeFault::Nodes { nodes_max: self.limits.nodes_max });
        }
        let id = u32::try_from(self.tree.nodes.len()).map_err(|_| DecodeFault::Nodes { nodes_max: self.limits.nodes_max })?;
        self.tree.nodes.push(Node { kind: message.kind, fields: Vec::new() });
        Ok(NodeId(id))
    }

    fn push(&mut self, message: &'a Message, node: NodeId, reader: Reader<'a>) -> Result<(), DecodeFault> {
        if self.stack.len() >= self.limits.depth_max {
            return Err(DecodeFault::Depth { depth_max: self.limits.depth_max });
        }
        self.stack.push(Frame { message, node, reader, unwrapped: false });
        Ok(())
    }
}

fn element<'a>(reader: &mut Reader<'a>, field: &Field) -> Result<Raw<'a>, DecodeFault> {
    Ok(match field.kind {
        Kind::Double | Kind::Fixed64 | Kind::SignedFixed64 => Raw::Fixed64(u64::from_le_bytes(reader.array()?)),
        Kind::Float | Kind::Fixed32 | Kind::SignedFixed32 => Raw::Fixed32(u32::from_le_bytes(reader.array()?)),
        _ => Raw::Varint(reader.varint()?),
    })
}

fn value(field: &Field, raw: Raw<'_>, enumeration: Option<&Enumeration>) -> Result<Value, DecodeFault> {
    let range = || DecodeFault::Range { field: field.name };
    Ok(match (field.kind, raw) {
        (Kind::Bool, Raw::Varint(bits)) => Value::Boolean(bits != 0),
        (Kind::Int32, Raw::Varint(bits)) => Value::Integer(i32::try_from(bits.cast_signed()).map_err(|_| range())?.into()),
        (Kind::Int64, Raw::Varint(bits)) => Value::Integer(bits.cast_signed()),
        (Kind::Uint32, Raw::Varint(bits)) => Value::Integer(u32::try_from(bits).map_err(|_| range())?.into()),
        (Kind::Uint64, Raw::Varint(bits)) | (Kind::Fixed64, Raw::Fixed64(bits)) => {
            Value::Integer(i64::try_from(bits).map_err(|_| range())?)
        }
        (Kind::ZigZag, Raw::Varint(bits)) => Value::Integer((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()),
        (Kind::SignedFixed64, Raw::Fixed64(bits)) => Value::Integer(bits.cast_signed()),
        (Kind::Fixed32, Raw::Fixed32(bits)) => Value::Integer(bits.into()),
        (Kind::SignedFixed32, Raw::Fixed32(bits)) => Value::Integer(bits.cast_signed().into()),
        (Kind::Double, Raw::Fixed64(bits)) => Value::Float(f64::from_bits(bits)),
        (Kind::Float, Raw::Fixed32(bits)) => Value::Float(f32::from_bits(bits).into()),
        (Kind::Bytes, Raw::Bytes(bytes)) => Value::Bytes(bytes.to_vec()),
        (Kind::Text, Raw::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        (Kind::Enumeration(_), Raw::Varint(bits)) => {
            let number = i32::try_from(bits.cast_signed()).map_err(|_| range())?;
            let name = enumeration.and_then(|known| known.name(number));
            Value::Enumerator(name.ok_or(DecodeFault::Enumerator { field: field.name, number: number.into() })?)
        }
        _ => return Err(DecodeFault::WireType { field: field.name }),
    })
}

impl From<WireFault> for DecodeFault {
    fn from(fault: WireFault) -> DecodeFault {
        DecodeFault::Wire(fault)
    }
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { bytes, bytes_max } => write!(formatter, "the engine's answer has {bytes} bytes, more than {bytes_max}"),
            Self::Depth { depth_max } => write!(formatter, "the engine's answer is nested deeper than {depth_max} levels"),
            Self::Enumerator { field, number } => write!(formatter, "the engine's answer holds an unknown value {number} in `{field}`"),
            Self::Field { message, number } => write!(formatter, "the engine's answer holds an unknown field {number} in `{message}`"),
            Self::Late => write!(formatter, "the time was over while the engine's answer was read"),
            Self::Nodes { nodes_max } => write!(formatter, "the engine's answer has more than {nodes_max} nodes"),
            Self::Range { field } => write!(formatter, "the engine's answer holds a number out of range in `{field}`"),
            Self::Twice { field } => write!(formatter, "the engine's answer holds `{field}` twice"),
            Self::Unknown { message } => write!(formatter, "the engine's schema has no message `{message}`"),
            Self::Wire(fault) => write!(formatter, "the engine's answer cannot be read: {fault}"),
            Self::WireType { field } => write!(formatter, "the engine's answer holds something else than its type in `{field}`"),
        }
    }
}

impl std::error::Error for DecodeFault {}
