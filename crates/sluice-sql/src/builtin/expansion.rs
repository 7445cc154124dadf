//! What a call becomes for the engine: a table function's call a subquery that says where each column comes from, a function whose type
//! depends on its call a signature of its own.
//!
//! The engine can open table functions by itself, but not over a subquery that computes anything; so the text is put in place.
//! Names that a caller chose go into backticks and are refused where they could leave them.

use super::call::{Bound, Call, Given, Literal, Unfit, bind, setting};
use super::entry::{Entry, Flow, Item, Kind, Mark, Outcome};
use super::lines::{Aliases, replace_words, split};
use crate::engine::{self, ArgumentKind, Column, Mode, Signature};
use sluice_model::Type;

impl Entry {
    /// The subquery, in brackets, that stands for this call of a table function.
    pub fn expand(&self, call: &Call<'_>) -> Result<String, Unfit> {
        let Outcome::Columns(items) = &self.result else { return Err(self.unfit()) };
        let bound = bind(self, call).ok_or_else(|| self.unfit())?;
        let expansion = Expansion { entry: self, call, bound };
        let mut columns = Vec::new();
        for item in items {
            columns.extend(expansion.item(item)?);
        }
        let relations = expansion.relations();
        let tables: Vec<String> = relations.iter().map(|(name, given)| format!("{} AS {}", relation(name), body(given))).collect();
        let from: Vec<String> = relations.iter().map(|(name, _)| relation(name)).collect();
        let columns = columns.join(", ");
        let condition = expansion.condition()?;
        Ok(match (relations.is_empty(), condition.is_empty()) {
            (true, true) => format!("(SELECT {columns})"),
            (true, false) => format!("(SELECT {columns} FROM (SELECT 1){condition})"),
            (false, _) => format!("(WITH {} SELECT {columns} FROM {}{condition})", tables.join(", "), from.join(" CROSS JOIN ")),
        })
    }

    /// The function of this call alone, under a path of the caller's choice.
    pub fn function(&self, call: &Call<'_>, path: &[String]) -> Result<engine::Function, Unfit> {
        let bound = bind(self, call).ok_or_else(|| self.unfit())?;
        let result = match &self.result {
            Outcome::Kind(kind) => kind.clone(),
            Outcome::Template(text) => ArgumentKind::Fixed(template(text, call, &bound)?),
            Outcome::Columns(_) => return Err(self.unfit()),
        };
        let mode = self.mode().ok_or_else(|| self.unfit())?;
        Ok(engine::Function { path: path.to_vec(), mode, signatures: vec![self.signature(result)], body: None })
    }

    pub(super) fn fixed_signature(&self) -> Option<Signature> {
        match &self.result {
            Outcome::Kind(kind) => Some(self.signature(kind.clone())),
            _ => None,
        }
    }

    pub(super) fn mode(&self) -> Option<Mode> {
        match self.kind {
            Kind::Aggregate => Some(Mode::Aggregate),
            Kind::Analytic => Some(Mode::Analytic),
            Kind::Scalar => Some(Mode::Scalar),
            Kind::Procedure | Kind::Table => None,
        }
    }

    fn signature(&self, result: ArgumentKind) -> Signature {
        Signature { arguments: self.parameters.iter().map(super::Parameter::argument).collect(), result }
    }

    fn unfit(&self) -> Unfit {
        Unfit::Signature { path: self.path.clone() }
    }
}

struct Expansion<'t, 'a> {
    entry: &'t Entry,
    call: &'t Call<'a>,
    bound: Bound<'t, 'a>,
}

impl<'t, 'a> Expansion<'t, 'a> {
    fn item(&self, item: &Item) -> Result<Vec<String>, Unfit> {
        match item {
            Item::Column(column) => Ok(vec![self.computed(column)?]),
            Item::Columns(setting) => self.source_columns(setting),
            Item::Computed { setting, name } => {
                let alias = name.as_deref().map(quoted).transpose()?;
                let read = if matches!(self.entry.flow, Flow::Reads { .. }) { Some(self.inputs()?.join(", ")) } else { None };
                let columns = self.named_columns(setting)?.into_iter().zip(self.source_columns(setting)?);
                let computed = columns.map(|(name, source)| {
                    let inputs = read.clone().unwrap_or_else(|| source.clone());
                    format!("`{}`({source}, {inputs}) AS {}", self.flow(), alias.clone().unwrap_or(name))
                });
                Ok(computed.collect())
            }
            Item::Given(name) => self.given_columns(name)?.iter().map(|column| self.computed(column)).collect(),
            Item::Row { name, relation: source } => Ok(vec![format!("{} AS {}", relation(source), quoted(name)?)]),
            Item::Schema(name) => schema_columns(&schema(&self.bound, name)?)?.iter().map(|column| self.computed(column)).collect(),
            Item::Star { relation: source, rest } => {
                let known = |word: &str| self.relations().iter().any(|(name, _)| *name == word);
                let rest = replace_words(rest, |word| known(word).then(|| relation(word)));
                Ok(vec![format!("{}.* {rest}", relation(source)).trim_end().to_owned()])
            }
        }
    }

    /// What the function reads decides which rows it gives, and whether it fails on them.
    fn condition(&self) -> Result<String, Unfit> {
        if self.entry.is(Mark::RowForRow) {
            return Ok(String::new());
        }
        let inputs = match self.entry.flow {
            Flow::None => self.values(),
            _ => self.inputs()?,
        };
        let function = if self.entry.is(Mark::Total) { "$sure_rows" } else { "$rows" };
        Ok(if inputs.is_empty() { String::new() } else { format!(" WHERE `{function}`({})", inputs.join(", ")) })
    }

    /// Arguments that are neither tables nor models, as they stand.
    fn values(&self) -> Vec<String> {
        let values = self.bound.iter().filter(|(parameter, _)| !matches!(parameter.kind, ArgumentKind::Model | ArgumentKind::Relation));
        values.filter_map(|(_, given)| given.map(|given| format!("{}\n", given.text))).collect()
    }

    /// Row for row, what a function computes with is what it can fail on.
    fn flow(&self) -> &'static str {
        if self.entry.is(Mark::RowForRow) && !self.entry.is(Mark::Total) { "$risk" } else { "$flow" }
    }

    /// A column of its own type that all inputs reach.
    fn computed(&self, column: &Column) -> Result<String, Unfit> {
        let name = quoted(&column.name)?;
        plain(&column.kind)?;
        let inputs = self.inputs()?;
        // When a row was written is the time at which a script has written it.
        if inputs.is_empty() && self.entry.is(Mark::History) && column.kind == Type::Timestamp {
            return Ok(format!("CURRENT_TIMESTAMP() AS {name}"));
        }
        if inputs.is_empty() {
            return Ok(format!("CAST(NULL AS {}) AS {name}", column.kind));
        }
        Ok(format!("`{}`(CAST(NULL AS {}), {}) AS {name}", self.flow(), column.kind, inputs.join(", ")))
    }

    /// What reaches a computed column: relations as rows or by the columns that are read, other arguments as they stand. A model's name is no
    /// input.
    fn inputs(&self) -> Result<Vec<String>, Unfit> {
        let (settings, each) = match &self.entry.flow {
            Flow::All => (None, false),
            Flow::Reads { settings, each } => (self.read_columns(settings)?, *each),
            Flow::Keeps(_) | Flow::None => return Ok(Vec::new()),
        };
        let first = self.relations().first().map(|(name, _)| *name);
        let mut inputs = Vec::new();
        for (parameter, given) in &self.bound {
            let Some(given) = given else { continue };
            match (&parameter.kind, &settings) {
                (ArgumentKind::Model, _) => {}
                (ArgumentKind::Relation, Some(columns)) if each || first == Some(&parameter.name) => {
                    inputs.extend(columns.iter().map(|column| format!("{}.{column}", relation(&parameter.name))));
                }
                (ArgumentKind::Relation, _) => inputs.push(relation(&parameter.name)),
                _ => inputs.push(format!("{}\n", given.text)),
            }
        }
        Ok(inputs)
    }

    /// Quoted. Nothing where an argument is no literal: then any column may be read.
    fn read_columns(&self, settings: &[String]) -> Result<Option<Vec<String>>, Unfit> {
        let mut columns = Vec::new();
        for setting in settings {
            match self.named_columns(setting) {
                Ok(names) => columns.extend(names),
                Err(Unfit::Computed { .. }) => return Ok(None),
                Err(unfit) => return Err(unfit),
            }
        }
        Ok(Some(columns))
    }

    fn relations(&self) -> Vec<(&'t str, &'t Given<'a>)> {
        let relations = self.bound.iter().filter(|(parameter, _)| parameter.kind == ArgumentKind::Relation);
        relations.filter_map(|(parameter, given)| given.map(|given| (parameter.name.as_str(), given))).collect()
    }

    fn source_columns(&self, setting: &str) -> Result<Vec<String>, Unfit> {
        let relations = self.relations();
        let (source, _) = relations.first().ok_or_else(|| self.entry.unfit())?;
        Ok(self.named_columns(setting)?.into_iter().map(|name| format!("{}.{name}", relation(source))).collect())
    }

    /// The names that a literal argument holds, quoted. None where it was left out.
    fn named_columns(&self, name: &str) -> Result<Vec<String>, Unfit> {
        match setting(&self.bound, name)? {
            None => Ok(Vec::new()),
            Some(Literal::Text(text)) => Ok(vec![quoted(text)?]),
            Some(Literal::Texts(texts)) => texts.iter().map(|text| quoted(text)).collect(),
            Some(_) => Err(Unfit::Computed { setting: name.to_owned() }),
        }
    }

    fn given_columns(&self, name: &str) -> Result<&'t [Column], Unfit> {
        given_columns(self.call, name)
    }
}

fn given_columns<'t>(call: &'t Call<'_>, name: &str) -> Result<&'t [Column], Unfit> {
    let found = call.facts.columns.iter().find(|(given, _)| given == name);
    found.map(|(_, columns)| columns.as_slice()).ok_or_else(|| Unfit::Unstated { fact: name.to_owned() })
}

/// The schema that a call spells as a text.
fn schema(bound: &Bound<'_, '_>, name: &str) -> Result<String, Unfit> {
    match setting(bound, name)? {
        Some(Literal::Text(text)) => Ok(text.clone()),
        Some(_) => Err(Unfit::Computed { setting: name.to_owned() }),
        None => Err(Unfit::Unstated { fact: name.to_owned() }),
    }
}

/// `name STRING, age INT64 OPTIONS (description = 'in years')`.
fn schema_columns(text: &str) -> Result<Vec<Column>, Unfit> {
    let unreadable = || Unfit::Schema { text: text.to_owned() };
    let columns = split(text, ',').into_iter().filter(|column| !column.is_empty()).map(|column| {
        let end = column.to_ascii_uppercase().find(" OPTIONS").unwrap_or(column.len());
        let column = column.get(..end).unwrap_or_default().trim();
        super::entry::column(column, &Aliases::default()).map_err(|_| unreadable())
    });
    columns.collect()
}

/// The type that a template and a call make together. `{given name}` stands for the one column of that name.
fn template(text: &str, call: &Call<'_>, bound: &Bound<'_, '_>) -> Result<Type, Unfit> {
    let unreadable = || Unfit::Schema { text: text.to_owned() };
    let (before, rest) = text.split_once('{').ok_or_else(unreadable)?;
    let (placeholder, after) = rest.split_once('}').ok_or_else(unreadable)?;
    let inside = match placeholder.split_once(' ') {
        Some(("schema", name)) => {
            let columns = schema_columns(&schema(bound, name)?)?;
            let fields: Vec<String> =
                columns.iter().map(|column| Ok(format!("{} {}", quoted(&column.name)?, column.kind))).collect::<Result<_, Unfit>>()?;
            fields.join(", ")
        }
        Some(("given", name)) => given_columns(call, name)?.first().ok_or_else(unreadable)?.kind.to_string(),
        _ => return Err(unreadable()),
    };
    let kind = Type::parse(&format!("{before}{inside}{after}")).map_err(|_| unreadable())?;
    plain(&kind)?;
    Ok(kind)
}

fn body(given: &Given<'_>) -> String {
    match given.shape {
        super::Shape::Query => format!("{}\n", given.text),
        _ => format!("(SELECT * FROM {}\n)", given.text),
    }
}

/// A name that no caller's text holds: BigQuery allows no colon in a name of this kind.
fn relation(name: &str) -> String {
    format!("`:{name}`")
}

fn quoted(name: &str) -> Result<String, Unfit> {
    let odd = name.is_empty() || name.contains(|letter: char| letter == '`' || letter == '\\' || letter.is_control());
    if odd { Err(Unfit::Name { name: name.to_owned() }) } else { Ok(format!("`{name}`")) }
}

/// Refuses a type whose field names could leave their backticks.
fn plain(kind: &Type) -> Result<(), Unfit> {
    match kind {
        Type::Array(element) | Type::Range(element) => plain(element),
        Type::Struct(fields) => fields.iter().try_for_each(|field| {
            if !field.name.is_empty() {
                quoted(&field.name)?;
            }
            plain(&field.kind)
        }),
        _ => Ok(()),
    }
}
