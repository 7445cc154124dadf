//! One signature of a function, table function or procedure, as a line of `functions.txt` says it.

use super::lines::{Aliases, brackets, split};
use crate::engine::{self, ArgumentKind, Cardinality};
use sluice_model::Type;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// As BigQuery's reference spells it, dotted.
    pub path: String,
    pub parameters: Vec<Parameter>,
    pub flow: Flow,
    pub marks: Vec<Mark>,
    pub(super) conditions: Vec<Condition>,
    pub(super) result: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Aggregate,
    Analytic,
    Procedure,
    Scalar,
    Table,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub kind: ArgumentKind,
    pub cardinality: Cardinality,
    pub named_only: bool,
}

/// How the arguments reach the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// All of them, computed.
    All,
    /// The value of this parameter passes through, the others control.
    Keeps(String),
    /// None: what is not an input's own column depends on no input.
    None,
    /// Of the first relation (or of each) only the columns that these arguments name, of everything else all.
    Reads { settings: Vec<String>, each: bool },
}

/// What a function does beside computing from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Changes or cancels something that is not data.
    Administration,
    /// Asks a generative or pretrained model.
    Ai,
    /// Writes into the variable given as its last argument.
    Assigns,
    /// Depends on who asks.
    Caller,
    /// Tells the time.
    Clock,
    /// Tells how many rows were changed.
    Counted,
    /// Can stand for a deletion.
    Deletes,
    /// Carries an error's text, and with it values.
    Error,
    /// Reads data beyond its arguments.
    External,
    /// Reads former states of its table.
    History,
    /// Handles key material.
    Keys,
    /// Reads a model, and with it what the model kept of its training data.
    Model,
    /// Decides or tells which table a name means.
    Names,
    /// Another result each time.
    Random,
    /// Gives one row for each row of its table, whatever stands there.
    RowForRow,
    /// Sends its arguments out of BigQuery.
    Remote,
    /// Changes the session for the statements that follow.
    Session,
    /// Gives out a link by which anyone may read or write an object.
    SignedUrl,
    /// Fails on no value of its arguments.
    Total,
    /// Nobody but BigQuery knows its columns.
    UnknownSchema,
    /// Tells how much work the statements of a script were.
    Weighed,
}

/// `name = VALUE, VALUE` or `name given`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub name: String,
    /// Nothing: any value will do.
    pub values: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Columns(Vec<Item>),
    Kind(ArgumentKind),
    /// The text of a type with `{schema ...}` or `{given ...}` in it.
    Template(String),
}

/// One item of a table function's column list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Column(engine::Column),
    /// The columns that the call names in a literal argument, passed through.
    Columns(String),
    /// The same, computed, perhaps under another name.
    Computed {
        setting: String,
        name: Option<String>,
    },
    /// What only the model or the other end knows.
    Given(String),
    /// A whole row of a relation, as a struct.
    Row {
        name: String,
        relation: String,
    },
    /// The columns that the call spells as the text of a schema.
    Schema(String),
    /// `relation.*`, and what may stand behind it.
    Star {
        relation: String,
        rest: String,
    },
}

/// What the lines before an entry have defined.
#[derive(Default)]
pub(super) struct Definitions {
    pub aliases: Aliases,
    pub groups: Vec<(String, Vec<String>)>,
}

impl Entry {
    /// Whether its result is the same for every call.
    pub fn is_fixed(&self) -> bool {
        self.conditions.is_empty() && matches!(self.result, Outcome::Kind(_))
    }

    pub fn is(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    pub(super) fn read(kind: Kind, text: &str, definitions: &Definitions) -> Result<Entry, String> {
        let (path, inside, tail) = brackets(text).ok_or("no argument list")?;
        let parameters = split(inside, ',')
            .into_iter()
            .map(|parameter| Parameter::read(parameter, &definitions.aliases))
            .collect::<Result<Vec<_>, _>>()?;
        ordered(&parameters)?;
        let parts = split(tail, '|');
        let (conditions, result, flow, marks) = match (kind, parts.as_slice()) {
            (Kind::Procedure, ["", marks]) => (Vec::new(), Outcome::Kind(ArgumentKind::Fixed(Type::Int64)), Flow::None, marks),
            (_, [head, flow, marks]) => {
                let (conditions, result) = head.split_once("->").ok_or("no result")?;
                let conditions = conditions_of(conditions.trim(), &definitions.groups)?;
                (conditions, Outcome::read(kind, result.trim(), &definitions.aliases)?, Flow::read(flow, &parameters)?, marks)
            }
            _ => return Err(format!("`{tail}` is not `-> result | flow | marks`")),
        };
        let marks = marks_of(marks)?;
        Ok(Entry { kind, path: path.to_owned(), parameters, flow, marks, conditions, result })
    }
}

impl Parameter {
    fn read(text: &str, aliases: &Aliases) -> Result<Parameter, String> {
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let text = inside.unwrap_or(text);
        let (kind, name, named_only) = match text.split_once("=>") {
            Some((name, kind)) => (kind.trim(), name.trim(), true),
            None => text.rsplit_once(' ').map(|(kind, name)| (kind, name, false)).ok_or_else(|| format!("`{text}` has no name"))?,
        };
        let (kind, repeated) = kind.strip_suffix("...").map_or((kind, false), |kind| (kind, true));
        let cardinality = match (inside.is_some(), repeated) {
            (true, false) => Cardinality::Optional,
            (false, true) => Cardinality::Repeated,
            (false, false) => Cardinality::Required,
            (true, true) => return Err(format!("`{text}` is optional and repeated")),
        };
        Ok(Parameter { name: name.to_owned(), kind: argument_kind(kind, aliases)?, cardinality, named_only })
    }

    /// The argument as the engine takes it. A model comes as the text of its name: the engine accepts no other.
    pub fn argument(&self) -> engine::Argument {
        let kind = match &self.kind {
            ArgumentKind::Model => ArgumentKind::Fixed(Type::String),
            kind => kind.clone(),
        };
        let nameless = self.cardinality == Cardinality::Repeated || kind == ArgumentKind::Relation;
        let name = Some(self.name.clone()).filter(|_| !nameless);
        engine::Argument { kind, cardinality: self.cardinality, name, named_only: self.named_only, not_aggregate: false }
    }
}

impl Flow {
    fn read(text: &str, parameters: &[Parameter]) -> Result<Flow, String> {
        let names: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let known = |names: &[&str]| names.iter().all(|name| parameters.iter().any(|parameter| parameter.name == *name));
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["all"] => Ok(Flow::All),
            ["none"] => Ok(Flow::None),
            ["keeps", name] if known(&[*name]) => Ok(Flow::Keeps((*name).to_owned())),
            ["reads", rest @ ..] if known(rest) => Ok(Flow::Reads { settings: names.into_iter().skip(1).collect(), each: false }),
            ["each", "reads", rest @ ..] if known(rest) => Ok(Flow::Reads { settings: names.into_iter().skip(2).collect(), each: true }),
            _ => Err(format!("`{text}` is not a flow")),
        }
    }
}

impl Mark {
    pub(super) fn read(text: &str) -> Result<Mark, String> {
        Ok(match text {
            "administration" => Mark::Administration,
            "ai" => Mark::Ai,
            "assigns" => Mark::Assigns,
            "caller" => Mark::Caller,
            "clock" => Mark::Clock,
            "counted" => Mark::Counted,
            "deletes" => Mark::Deletes,
            "error" => Mark::Error,
            "external" => Mark::External,
            "history" => Mark::History,
            "keys" => Mark::Keys,
            "model" => Mark::Model,
            "names" => Mark::Names,
            "random" => Mark::Random,
            "remote" => Mark::Remote,
            "row-for-row" => Mark::RowForRow,
            "session" => Mark::Session,
            "signed-url" => Mark::SignedUrl,
            "total" => Mark::Total,
            "unknown-schema" => Mark::UnknownSchema,
            "weighed" => Mark::Weighed,
            _ => return Err(format!("`{text}` is not a mark")),
        })
    }
}

pub(super) fn marks_of(text: &str) -> Result<Vec<Mark>, String> {
    split(text, ',').into_iter().map(Mark::read).collect()
}

/// `name TYPE`, the name perhaps in backticks.
pub(super) fn column(text: &str, aliases: &Aliases) -> Result<engine::Column, String> {
    let (name, kind) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not a column"))?;
    Ok(engine::Column { name: name.trim_matches('`').to_owned(), kind: aliases.kind(kind)?, pseudo: false })
}

impl Outcome {
    fn read(kind: Kind, text: &str, aliases: &Aliases) -> Result<Outcome, String> {
        if kind == Kind::Table {
            return split(text, ',').into_iter().map(|item| Item::read(item, aliases)).collect::<Result<_, _>>().map(Outcome::Columns);
        }
        if text.contains('{') {
            return Ok(Outcome::Template(aliases.resolve(text)));
        }
        argument_kind(text, aliases).map(Outcome::Kind)
    }
}

impl Item {
    fn read(text: &str, aliases: &Aliases) -> Result<Item, String> {
        if let Some(placeholder) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let words: Vec<&str> = placeholder.split(' ').collect();
            return match words.as_slice() {
                ["columns", setting] => Ok(Item::Columns((*setting).to_owned())),
                ["computed", setting] => Ok(Item::Computed { setting: (*setting).to_owned(), name: None }),
                ["computed", setting, "as", name] => Ok(Item::Computed { setting: (*setting).to_owned(), name: Some((*name).to_owned()) }),
                ["given", name] => Ok(Item::Given((*name).to_owned())),
                ["schema", setting] => Ok(Item::Schema((*setting).to_owned())),
                _ => Err(format!("`{text}` is not a placeholder")),
            };
        }
        if let Some((name, relation)) = text.split_once(":=") {
            return Ok(Item::Row { name: name.trim().to_owned(), relation: relation.trim().to_owned() });
        }
        if let Some((relation, rest)) = text.split_once(".*") {
            return Ok(Item::Star { relation: relation.to_owned(), rest: rest.trim().to_owned() });
        }
        column(text, aliases).map(Item::Column)
    }
}

fn argument_kind(text: &str, aliases: &Aliases) -> Result<ArgumentKind, String> {
    Ok(match text {
        "ANY" => ArgumentKind::Arbitrary,
        "ANY1" => ArgumentKind::Any1,
        "ARRAY<ANY1>" => ArgumentKind::ArrayOfAny1,
        "CONNECTION" => ArgumentKind::Connection,
        "MODEL" => ArgumentKind::Model,
        "TABLE" => ArgumentKind::Relation,
        _ => ArgumentKind::Fixed(aliases.kind(text)?),
    })
}

fn conditions_of(text: &str, groups: &[(String, Vec<String>)]) -> Result<Vec<Condition>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_prefix("when ").ok_or_else(|| format!("`{text}` is not `when ...`"))?;
    text.split(" and ").map(|condition| Condition::read(condition, groups)).collect()
}

impl Condition {
    fn read(text: &str, groups: &[(String, Vec<String>)]) -> Result<Condition, String> {
        if let Some(name) = text.strip_suffix(" given") {
            return Ok(Condition { name: name.to_owned(), values: None });
        }
        let (name, values) = text.split_once(" = ").ok_or_else(|| format!("`{text}` is not a condition"))?;
        let values = split(values, ',').into_iter().flat_map(|value| members(value, groups)).collect();
        Ok(Condition { name: name.to_owned(), values: Some(values) })
    }
}

/// The members of a group, or the value itself.
pub(super) fn members(value: &str, groups: &[(String, Vec<String>)]) -> Vec<String> {
    let group = groups.iter().find(|(name, _)| name == value);
    group.map_or_else(|| vec![value.to_owned()], |(_, members)| members.clone())
}

/// The engine stops dead at an argument that must be given behind one that need not be.
fn ordered(parameters: &[Parameter]) -> Result<(), String> {
    let optional = |parameter: &&Parameter| parameter.cardinality == Cardinality::Optional;
    let late = parameters.iter().skip_while(|parameter| !optional(parameter)).find(|parameter| !optional(parameter));
    late.map_or(Ok(()), |late| Err(format!("`{}` must stand before the optional arguments", late.name)))
}
