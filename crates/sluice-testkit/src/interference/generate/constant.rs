//! Literals and types to choose from. Many literals are values that stand in some variant of the clinic, so that comparisons split its rows.

use sluice_model::{Field, Type};

use super::Generator;
use super::recipe::Literal;
use super::scope::{Expression, Stain};

const WORDS: &[&str] = &["A", "B", "1", "100", "Ann", "flu", "205", "x", "ann@a.org", "4111", "", "Elm", "7", "Dr. Wu", "J10"];
const PATTERNS: &[&str] = &["1%", "%0%", "A%", "_0%", "%n%", "%@%", "4%"];
const EXPRESSIONS: &[&str] = &["[0-9]+", "[a-z]", "^(.)", "1", "[A-Z].", "@(.*)$"];
const PATHS: &[&str] = &["$.k", "$.n", "$.list[0]", "$.in.v", "$"];
const DATES: &[&str] = &["1980-05-01", "1999-12-31", "2024-03-02", "1975-01-15"];
const FIELDS: &[&str] = &["a", "b", "ssn", "name", "street"];

impl Generator {
    pub fn literal(&mut self, literal: Literal) -> String {
        match literal {
            Literal::Path => quoted(self.random.word(PATHS)),
            Literal::Pattern => quoted(self.random.word(PATTERNS)),
            Literal::Regex => format!("r{}", quoted(self.random.word(EXPRESSIONS))),
            Literal::Small => self.random.below(6).to_string(),
            Literal::Word => quoted(self.random.word(WORDS)),
        }
    }

    pub fn constant(&mut self, kind: &Type) -> Expression {
        let text = match kind {
            Type::String => self.literal(Literal::Word),
            Type::Int64 => self.random.word(&["1", "2", "0", "3", "5", "100"]).to_owned(),
            Type::Bool => self.random.word(&["TRUE", "FALSE"]).to_owned(),
            Type::Date => format!("DATE {}", quoted(self.random.word(DATES))),
            Type::Timestamp => format!("TIMESTAMP '{} 10:00:00+00'", self.random.word(DATES)),
            Type::Numeric => format!("NUMERIC {}", quoted(self.random.word(&["10", "0.5", "120.25", "3"]))),
            Type::Bytes => "b'ab'".to_owned(),
            Type::Json => "JSON '{\"k\": \"A\", \"n\": 2, \"list\": [\"1\"]}'".to_owned(),
            Type::Array(element) if **element == Type::String => "['1', 'A']".to_owned(),
            Type::Array(element) if **element == Type::Int64 => "[1, 2]".to_owned(),
            Type::Array(_) => format!("{kind}[]"),
            Type::Struct(fields) => self.constant_struct(fields),
            other => format!("CAST(NULL AS {other})"),
        };
        Expression { text, stain: Stain::Clean }
    }

    /// A type for a column, scalars more often than others.
    pub fn any_kind(&mut self) -> Type {
        match self.random.below(100) {
            0..72 => self.scalar_kind(),
            72..81 => Type::array(Type::String),
            81..84 => Type::array(Type::Int64),
            84..90 => self.struct_kind(),
            90..92 => Type::array(self.struct_kind()),
            92..95 => Type::structure([("street", Type::String), ("city", Type::String), ("zip", Type::String)]),
            95..97 => Type::array(Type::structure([("name", Type::String), ("phone", Type::String)])),
            _ => Type::Json,
        }
    }

    /// A type that can be grouped by, compared and put into an order.
    pub fn scalar_kind(&mut self) -> Type {
        match self.random.below(100) {
            0..48 => Type::String,
            48..72 => Type::Int64,
            72..82 => Type::Bool,
            82..88 => Type::Numeric,
            88..93 => Type::Date,
            93..96 => Type::Timestamp,
            _ => Type::Bytes,
        }
    }

    fn struct_kind(&mut self) -> Type {
        let first = self.random.below(FIELDS.len());
        let count = 2 + self.random.below(2);
        let names = FIELDS.iter().cycle().skip(first).take(count);
        let fields = names.map(|name| Field { name: (*name).to_owned(), kind: self.scalar_kind() }).collect();
        Type::Struct(fields)
    }

    fn constant_struct(&mut self, fields: &[Field]) -> String {
        let mut texts = Vec::new();
        for field in fields {
            let value = self.constant(&field.kind).text;
            texts.push(if field.name.is_empty() { value } else { format!("{value} AS {}", field.name) });
        }
        format!("STRUCT({})", texts.join(", "))
    }
}

pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Whether GROUP BY, DISTINCT and MAX take values of the type.
pub fn scalar(kind: &Type) -> bool {
    !matches!(kind, Type::Array(_) | Type::Struct(_) | Type::Json)
}
