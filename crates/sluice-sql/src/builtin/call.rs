//! A call as its text shows it, and the entry that fits it.

use super::entry::{Condition, Entry, Kind, Parameter};
use super::table::Table;
use crate::engine::{ArgumentKind, Cardinality, Column};
use std::fmt;

/// One call of a function, out of the syntax tree.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    pub arguments: Vec<Given<'a>>,
    pub facts: Facts,
}

#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// What stands before `=>`.
    pub name: Option<&'a str>,
    pub shape: Shape,
    /// A table's or model's path without its keyword; a subquery with its brackets; an expression as it stands.
    pub text: &'a str,
    pub literal: Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Model,
    Query,
    Table,
    Value,
}

/// What the text of an argument says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `STRUCT(TRUE AS flatten_json_output)`.
    Fields(Vec<(String, Literal)>),
    /// A text's content, or a number or boolean as it stands.
    Text(String),
    /// An array of texts; of pairs, the first of each.
    Texts(Vec<String>),
    /// Nothing: it is computed, or a parameter.
    Unknown,
}

/// What the call's text does not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Columns for `{given ...}`, by the name that stands there.
    pub columns: Vec<(String, Vec<Column>)>,
    /// `model_type`, `classes` and `metric` of the model.
    pub settings: Vec<(String, String)>,
}

/// Why a call cannot be opened. Such a call must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// An argument that decides the columns is not a literal.
    Computed { setting: String },
    /// A name that cannot stand in backticks.
    Name { name: String },
    /// No signature takes these arguments.
    Signature { path: String },
    /// A schema's text that cannot be read.
    Schema { text: String },
    /// A fact that nobody gave.
    Unstated { fact: String },
}

/// The facts that only the model tells.
const MODEL_FACTS: [&str; 3] = ["classes", "metric", "model_type"];
/// The argument whose fields are options.
const SETTINGS: &str = "settings";

impl Table {
    /// The first entry of the path that takes the call. Names are compared without case.
    pub fn choose(&self, path: &str, call: &Call<'_>) -> Result<&Entry, Unfit> {
        for entry in self.entries(path) {
            let Some(bound) = bind(entry, call) else { continue };
            let mut holds = true;
            for condition in &entry.conditions {
                holds = holds && condition.holds(&bound, call)?;
            }
            if holds {
                return Ok(entry);
            }
        }
        Err(Unfit::Signature { path: path.to_owned() })
    }
}

/// Every parameter with what was given for it.
pub(super) type Bound<'t, 'a> = Vec<(&'t Parameter, Option<&'t Given<'a>>)>;

pub(super) fn bind<'t, 'a>(entry: &'t Entry, call: &'t Call<'a>) -> Option<Bound<'t, 'a>> {
    let mut positional = call.arguments.iter().filter(|given| given.name.is_none());
    let named = |parameter: &Parameter| {
        call.arguments.iter().find(|given| given.name.is_some_and(|name| name.eq_ignore_ascii_case(&parameter.name)))
    };
    let mut bound = Bound::new();
    for parameter in &entry.parameters {
        let by_position = if parameter.named_only { None } else { positional.next() };
        let given = match (by_position, named(parameter)) {
            (Some(_), Some(_)) => return None,
            (given, None) | (None, given) => given,
        };
        let absent = given.is_none() && parameter.cardinality == Cardinality::Required;
        if absent || given.is_some_and(|given| !takes(entry, parameter, given)) {
            return None;
        }
        bound.push((parameter, given));
    }
    let taken = bound.iter().filter(|(_, given)| given.is_some()).count();
    (taken == call.arguments.len()).then_some(bound)
}

fn takes(entry: &Entry, parameter: &Parameter, given: &Given<'_>) -> bool {
    match (&parameter.kind, given.shape) {
        (ArgumentKind::Relation, shape) => matches!(shape, Shape::Query | Shape::Table),
        (ArgumentKind::Model, shape) => shape == Shape::Model,
        (_, Shape::Query) => entry.kind != Kind::Table,
        (_, shape) => shape == Shape::Value,
    }
}

/// What a call says about a setting: an argument of that name, or a field of its settings.
pub(super) fn setting<'t>(bound: &Bound<'t, '_>, name: &str) -> Result<Option<&'t Literal>, Unfit> {
    for (parameter, given) in bound {
        let Some(given) = given else { continue };
        let found = match &given.literal {
            literal if parameter.name == name => Some(literal),
            Literal::Fields(fields) => fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, literal)| literal),
            Literal::Unknown if parameter.name == SETTINGS => Some(&given.literal),
            _ => None,
        };
        match found {
            Some(Literal::Unknown) => return Err(Unfit::Computed { setting: name.to_owned() }),
            Some(literal) => return Ok(Some(literal)),
            None => {}
        }
    }
    Ok(None)
}

impl Condition {
    fn holds(&self, bound: &Bound<'_, '_>, call: &Call<'_>) -> Result<bool, Unfit> {
        let among = |text: &str| self.values.as_ref().is_none_or(|values| values.iter().any(|value| value.eq_ignore_ascii_case(text)));
        if MODEL_FACTS.contains(&self.name.as_str()) {
            let fact = call.facts.settings.iter().find(|(name, _)| *name == self.name);
            return fact.map(|(_, text)| among(text)).ok_or_else(|| Unfit::Unstated { fact: self.name.clone() });
        }
        match setting(bound, &self.name)? {
            None => Ok(false),
            Some(Literal::Text(text)) => Ok(among(text)),
            Some(_) => Err(Unfit::Computed { setting: self.name.clone() }),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Computed { setting } => write!(formatter, "`{setting}` decides the columns and must be a literal"),
            Unfit::Name { name } => write!(formatter, "`{name}` is not a column name"),
            Unfit::Signature { path } => write!(formatter, "no signature of `{path}` takes these arguments"),
            Unfit::Schema { text } => write!(formatter, "`{text}` is not a list of columns"),
            Unfit::Unstated { fact } => write!(
                formatter,
                "`{fact}` decides the columns and is not known here; accepted: calls whose columns follow from their text and the model's description"
            ),
        }
    }
}

impl std::error::Error for Unfit {}
