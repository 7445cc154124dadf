//! Values of results and of the clinic's content, one shape for all evaluators.

use std::fmt;

/// A value. Dates, times, numerics, bytes and JSON are text, as the evaluator writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Value>),
    /// Field by field, in order.
    Record(Vec<Value>),
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => formatter.write_str("NULL"),
            Value::Bool(truth) => write!(formatter, "{truth}"),
            Value::Integer(number) => write!(formatter, "{number}"),
            Value::Text(text) => write!(formatter, "{text:?}"),
            Value::List(values) => joined(formatter, '[', values, ']'),
            Value::Record(values) => joined(formatter, '{', values, '}'),
        }
    }
}

fn joined(formatter: &mut fmt::Formatter<'_>, open: char, values: &[Value], close: char) -> fmt::Result {
    write!(formatter, "{open}")?;
    for (position, value) in values.iter().enumerate() {
        write!(formatter, "{}{value}", if position == 0 { "" } else { ", " })?;
    }
    write!(formatter, "{close}")
}
