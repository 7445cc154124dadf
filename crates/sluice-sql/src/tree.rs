//! What an engine answers, as plain data: an arena of nodes with named fields.
//!
//! Base classes are folded into the node (`parent`), wrappers (`Any...`) are left out, so that a node reads as the language defines it.
//! A field that the engine did not set is absent; the readers below then give `None` or an empty list.

/// A name out of the engine's own schema. It lives as long as the process: the schema is loaded once.
pub type Name = &'static str;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub nodes: Vec<Node>,
    pub root: Option<NodeId>,
}

#[derive(Clone, Debug)]
pub struct Node {
    /// The schema's message name without its `Proto` ending: `ResolvedTableScan`, `ASTQueryStatement`, `Type`.
    pub kind: Name,
    pub fields: Vec<(Name, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    /// Bytes, or text that is not valid UTF-8.
    Bytes(Vec<u8>),
    Enumerator(Name),
    Float(f64),
    Integer(i64),
    List(Vec<Value>),
    Node(NodeId),
    Text(String),
}

static ABSENT: Node = Node { kind: "", fields: Vec::new() };

impl Tree {
    /// The node; an unknown id reads as a node without a kind, which no walker accepts.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0 as usize).unwrap_or(&ABSENT)
    }

    pub fn kind(&self, id: NodeId) -> Name {
        self.node(id).kind
    }

    pub fn value(&self, id: NodeId, field: &str) -> Option<&Value> {
        self.node(id).fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    pub fn child(&self, id: NodeId, field: &str) -> Option<NodeId> {
        match self.value(id, field)? {
            Value::Node(child) => Some(*child),
            _ => None,
        }
    }

    /// Walks `first.second.third` through single children.
    pub fn path(&self, id: NodeId, fields: &[&str]) -> Option<NodeId> {
        fields.iter().try_fold(id, |node, field| self.child(node, field))
    }

    pub fn children(&self, id: NodeId, field: &str) -> Vec<NodeId> {
        match self.value(id, field) {
            Some(Value::Node(child)) => vec![*child],
            Some(Value::List(values)) => values.iter().filter_map(as_node).collect(),
            _ => Vec::new(),
        }
    }

    /// Every direct child, in field order.
    pub fn all_children(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        for (_, value) in &self.node(id).fields {
            match value {
                Value::Node(child) => found.push(*child),
                Value::List(values) => found.extend(values.iter().filter_map(as_node)),
                _ => {}
            }
        }
        found
    }

    pub fn integer(&self, id: NodeId, field: &str) -> Option<i64> {
        match self.value(id, field)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub fn integers(&self, id: NodeId, field: &str) -> Vec<i64> {
        match self.value(id, field) {
            Some(Value::List(values)) => values.iter().filter_map(as_integer).collect(),
            Some(value) => as_integer(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    pub fn text(&self, id: NodeId, field: &str) -> Option<&str> {
        match self.value(id, field)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn texts(&self, id: NodeId, field: &str) -> Vec<&str> {
        match self.value(id, field) {
            Some(Value::Text(text)) => vec![text],
            Some(Value::List(values)) => values.iter().filter_map(as_text).collect(),
            _ => Vec::new(),
        }
    }

    pub fn boolean(&self, id: NodeId, field: &str) -> bool {
        matches!(self.value(id, field), Some(Value::Boolean(true)))
    }

    /// The name of the enumerator, as the schema spells it.
    pub fn enumerator(&self, id: NodeId, field: &str) -> Option<Name> {
        match self.value(id, field)? {
            Value::Enumerator(name) => Some(name),
            _ => None,
        }
    }
}

fn as_node(value: &Value) -> Option<NodeId> {
    match value {
        Value::Node(child) => Some(*child),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
