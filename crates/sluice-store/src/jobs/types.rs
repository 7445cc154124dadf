//! A type as a flat list: nesting costs the reader of JSON nothing, and names need no quotes. `ARRAY<STRUCT<a INT64>>` is `["ARRAY",["a"],"INT64"]`.

use serde::{Deserialize, Serialize};
use sluice_model::{Field, Type};

/// Far beyond what BigQuery has; a stack bears it.
pub const TYPE_LEVELS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word {
    Kind(String),
    /// A struct, by the names of its fields; their types follow.
    Names(Vec<String>),
}

const SCALARS: [(&str, Type); 14] = [
    ("BIGNUMERIC", Type::BigNumeric),
    ("BOOL", Type::Bool),
    ("BYTES", Type::Bytes),
    ("DATE", Type::Date),
    ("DATETIME", Type::Datetime),
    ("FLOAT64", Type::Float64),
    ("GEOGRAPHY", Type::Geography),
    ("INT64", Type::Int64),
    ("INTERVAL", Type::Interval),
    ("JSON", Type::Json),
    ("NUMERIC", Type::Numeric),
    ("STRING", Type::String),
    ("TIME", Type::Time),
    ("TIMESTAMP", Type::Timestamp),
];

/// None: nested too deep.
pub fn write(kind: &Type) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    push(kind, TYPE_LEVELS_MAX, &mut words)?;
    Some(words)
}

pub fn read(words: &[Word]) -> Option<Type> {
    let mut words = words.iter();
    let kind = take(&mut words, TYPE_LEVELS_MAX)?;
    words.next().is_none().then_some(kind)
}

fn push(kind: &Type, levels_left: usize, words: &mut Vec<Word>) -> Option<()> {
    let levels_left = levels_left.checked_sub(1)?;
    match kind {
        Type::Array(element) => {
            words.push(Word::Kind("ARRAY".to_owned()));
            push(element, levels_left, words)
        }
        Type::Range(element) => {
            words.push(Word::Kind("RANGE".to_owned()));
            push(element, levels_left, words)
        }
        Type::Struct(fields) => {
            words.push(Word::Names(fields.iter().map(|field| field.name.clone()).collect()));
            fields.iter().try_for_each(|field| push(&field.kind, levels_left, words))
        }
        scalar => {
            let (word, _) = SCALARS.iter().find(|(_, known)| known == scalar)?;
            words.push(Word::Kind((*word).to_owned()));
            Some(())
        }
    }
}

fn take<'a>(words: &mut impl Iterator<Item = &'a Word>, levels_left: usize) -> Option<Type> {
    let levels_left = levels_left.checked_sub(1)?;
    match words.next()? {
        Word::Names(names) => {
            let field = |name: &String| Some(Field { name: name.clone(), kind: take(words, levels_left)? });
            names.iter().map(field).collect::<Option<_>>().map(Type::Struct)
        }
        Word::Kind(word) => match word.as_str() {
            "ARRAY" => take(words, levels_left).map(|element| Type::Array(Box::new(element))),
            "RANGE" => take(words, levels_left).map(|element| Type::Range(Box::new(element))),
            scalar => SCALARS.iter().find(|(known, _)| *known == scalar).map(|(_, kind)| kind.clone()),
        },
    }
}
