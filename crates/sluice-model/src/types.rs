//! GoogleSQL types as BigQuery names them.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Int64,
    Float64,
    Bool,
    String,
    Bytes,
    Date,
    Datetime,
    Time,
    Timestamp,
    Numeric,
    BigNumeric,
    Json,
    Geography,
    Interval,
    Range(Box<Type>),
    Array(Box<Type>),
    Struct(Vec<Field>),
}

/// One field of a struct. An anonymous field has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub kind: Type,
}

/// A type's text that is not a BigQuery type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    pub text: String,
}

/// Types nested deeper than this are refused: BigQuery itself stops at 15 levels of records.
pub const TYPE_DEPTH_MAX: usize = 64;

impl Type {
    /// Reads `ARRAY<STRUCT<name STRING, phone STRING>>`, `NUMERIC(10, 2)`, `RANGE<DATE>`. Parameters in brackets are dropped.
    pub fn parse(text: &str) -> Result<Type, TypeError> {
        let mut reader = Reader { rest: text };
        let kind = reader.kind(0).filter(|_| reader.rest.trim().is_empty());
        kind.ok_or_else(|| TypeError { text: text.to_owned() })
    }

    /// Of a struct, or of the structs that an array holds.
    pub fn fields(&self) -> Option<&[Field]> {
        match self {
            Type::Struct(fields) => Some(fields),
            Type::Array(element) => match element.as_ref() {
                Type::Struct(fields) => Some(fields),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn array(element: Type) -> Type {
        Type::Array(Box::new(element))
    }

    pub fn structure<const N: usize>(fields: [(&str, Type); N]) -> Type {
        Type::Struct(fields.into_iter().map(|(name, kind)| Field { name: name.to_owned(), kind }).collect())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Type::Int64 => "INT64",
            Type::Float64 => "FLOAT64",
            Type::Bool => "BOOL",
            Type::String => "STRING",
            Type::Bytes => "BYTES",
            Type::Date => "DATE",
            Type::Datetime => "DATETIME",
            Type::Time => "TIME",
            Type::Timestamp => "TIMESTAMP",
            Type::Numeric => "NUMERIC",
            Type::BigNumeric => "BIGNUMERIC",
            Type::Json => "JSON",
            Type::Geography => "GEOGRAPHY",
            Type::Interval => "INTERVAL",
            Type::Range(element) => return write!(formatter, "RANGE<{element}>"),
            Type::Array(element) => return write!(formatter, "ARRAY<{element}>"),
            Type::Struct(fields) => {
                formatter.write_str("STRUCT<")?;
                for (position, field) in fields.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    let space = if field.name.is_empty() { "" } else { " " };
                    let quote = if plain(&field.name) { "" } else { "`" };
                    write!(formatter, "{comma}{quote}{}{quote}{space}{}", field.name, field.kind)?;
                }
                return formatter.write_str(">");
            }
        };
        formatter.write_str(word)
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not a BigQuery type", self.text)
    }
}

impl std::error::Error for TypeError {}

fn plain(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn kind(&mut self, depth: usize) -> Option<Type> {
        if depth > TYPE_DEPTH_MAX {
            return None;
        }
        let word = self.word()?.to_ascii_uppercase();
        let kind = match word.as_str() {
            "INT64" | "INTEGER" | "INT" | "SMALLINT" | "BIGINT" | "TINYINT" | "BYTEINT" => Type::Int64,
            "FLOAT64" | "FLOAT" | "DOUBLE" => Type::Float64,
            "BOOL" | "BOOLEAN" => Type::Bool,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            "DATE" => Type::Date,
            "DATETIME" => Type::Datetime,
            "TIME" => Type::Time,
            "TIMESTAMP" => Type::Timestamp,
            "NUMERIC" | "DECIMAL" => Type::Numeric,
            "BIGNUMERIC" | "BIGDECIMAL" => Type::BigNumeric,
            "JSON" => Type::Json,
            "GEOGRAPHY" => Type::Geography,
            "INTERVAL" => Type::Interval,
            "RANGE" => Type::Range(Box::new(self.element(depth)?)),
            "ARRAY" => Type::Array(Box::new(self.element(depth)?)),
            "STRUCT" | "RECORD" => self.structure(depth)?,
            _ => return None,
        };
        if self.eat('(') {
            let end = self.rest.find(')')?;
            self.rest = self.rest.get(end + 1..)?;
        }
        Some(kind)
    }

    fn element(&mut self, depth: usize) -> Option<Type> {
        if !self.eat('<') {
            return None;
        }
        let kind = self.kind(depth + 1)?;
        self.eat('>').then_some(kind)
    }

    fn structure(&mut self, depth: usize) -> Option<Type> {
        if !self.eat('<') {
            return None;
        }
        let mut fields = Vec::new();
        while !self.eat('>') {
            if !fields.is_empty() && !self.eat(',') {
                return None;
            }
            let before = self.rest;
            let name = self.name()?;
            let next = self.rest.trim_start();
            if next.starts_with([',', '>', '<', '(']) {
                self.rest = before;
                fields.push(Field { name: String::new(), kind: self.kind(depth + 1)? });
            } else {
                fields.push(Field { name, kind: self.kind(depth + 1)? });
            }
        }
        Some(Type::Struct(fields))
    }

    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let Some(quoted) = self.rest.strip_prefix('`') else {
            return self.word().map(str::to_owned);
        };
        let (name, rest) = quoted.split_once('`')?;
        self.rest = rest;
        Some(name.to_owned())
    }

    fn word(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(Type::parse(text).ok().map(|kind| kind.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn types_are_read_and_written() {
        check("integer", Some("INT64"));
        check("NUMERIC(10, 2)", Some("NUMERIC"));
        check(
            "ARRAY<STRUCT<name STRING(10), `odd name` STRUCT<INT64, b BOOL>>>",
            Some("ARRAY<STRUCT<name STRING, `odd name` STRUCT<INT64, b BOOL>>>"),
        );
        check("RANGE<DATE>", Some("RANGE<DATE>"));
        check("STRUCT<>", Some("STRUCT<>"));
        check("STRUCT<a>", None);
        check("ARRAY<INT64", None);
        check("INT64 x", None);
        check("", None);
        check(&"ARRAY<".repeat(100_000), None);
    }
}
