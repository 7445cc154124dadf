//! All tables together, by name.

use super::entry::{Definitions, Entry, Kind, Mark, column, marks_of, members};
use super::lines::{entries, split};
use super::names::{Pseudo, Variable};
use super::outcome::{Failing, Kept};
use super::schema::{View, views};
use crate::engine::{Column, Function, Procedure};
use std::collections::BTreeMap;

/// The texts that a table is read from.
pub(super) struct Texts<'a> {
    pub functions: &'a str,
    pub information_schema: &'a str,
    pub names: &'a str,
    pub preserve: &'a str,
    pub total: &'a str,
}

#[derive(Default)]
pub struct Table {
    /// What could not be read, and so is not there.
    pub errors: Vec<String>,
    /// By path in capitals, in the order of the text.
    functions: BTreeMap<String, Vec<Entry>>,
    marks: BTreeMap<String, Vec<Mark>>,
    predicted: BTreeMap<String, String>,
    preserve: BTreeMap<String, Kept>,
    pseudo: Vec<Pseudo>,
    total: BTreeMap<String, Failing>,
    variables: Vec<Variable>,
    views: BTreeMap<String, View>,
}

impl Table {
    /// Every signature of a path, whatever its case.
    pub fn entries(&self, path: &str) -> &[Entry] {
        self.functions.get(&path.to_ascii_uppercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The function as the engine takes it, with every signature that is the same for all calls.
    pub fn function(&self, path: &str) -> Option<Function> {
        let entries = self.entries(path);
        let mode = entries.iter().find_map(Entry::mode)?;
        let signatures: Vec<_> = entries.iter().filter(|entry| entry.is_fixed()).filter_map(Entry::fixed_signature).collect();
        let path = path.split('.').map(str::to_owned).collect();
        (!signatures.is_empty()).then_some(Function { path, mode, signatures, body: None })
    }

    pub fn procedure(&self, path: &str) -> Option<(Procedure, &Entry)> {
        let entry = self.entries(path).iter().find(|entry| entry.kind == Kind::Procedure)?;
        let arguments = entry.parameters.iter().map(super::Parameter::argument).collect();
        Some((Procedure { path: path.split('.').map(str::to_owned).collect(), arguments }, entry))
    }

    /// Paths in capitals.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The marks of one of the engine's own functions.
    pub fn engine_marks(&self, name: &str) -> &[Mark] {
        self.marks.get(&name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// What `ML.PREDICT` adds, for models whose description is enough to tell.
    pub fn predicted(&self, model_type: &str, labels: &[Column]) -> Option<Vec<Column>> {
        let text = self.predicted.get(&model_type.to_ascii_uppercase())?;
        if !text.contains("{label}") {
            return columns(text).ok();
        }
        let mut predicted = Vec::new();
        for label in labels {
            let mut own = columns(&text.replace("{label}", "label").replace("{type}", &label.kind.to_string())).ok()?;
            own.iter_mut().for_each(|column| column.name = column.name.replace("label", &label.name));
            predicted.extend(own);
        }
        Some(predicted)
    }

    /// A view that BigQuery itself has in each dataset: `INFORMATION_SCHEMA.X`, or one of the older `__X__`. Case does not matter.
    pub fn view(&self, table: &str) -> Option<&View> {
        let table = table.to_ascii_uppercase();
        let name = match table.strip_prefix("INFORMATION_SCHEMA.") {
            Some(name) => Some(name).filter(|name| !name.starts_with("__")),
            None => Some(table.as_str()).filter(|name| name.starts_with("__")),
        };
        self.views.get(name?)
    }

    pub fn views(&self) -> impl Iterator<Item = (&str, &View)> {
        self.views.iter().map(|(name, view)| (name.as_str(), view))
    }

    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    pub fn pseudo_columns(&self) -> &[Pseudo] {
        &self.pseudo
    }

    /// When one of the engine's own functions cannot fail. Nothing: any argument can make it fail.
    pub fn failing(&self, name: &str) -> Option<&Failing> {
        self.total.get(&name.to_ascii_lowercase())
    }

    /// Which arguments of one of the engine's own functions come through. Nothing: none.
    pub fn kept(&self, name: &str) -> Option<&Kept> {
        self.preserve.get(&name.to_ascii_lowercase())
    }

    pub(super) fn read(texts: &Texts<'_>) -> Table {
        let mut table = Table::default();
        table.read_functions(texts.functions);
        let (views, errors) = views(texts.information_schema);
        table.views = views;
        table.errors.extend(errors);
        table.read_names(texts.names);
        table.total = table.read_outcomes("total.txt", texts.total, Failing::read);
        table.preserve = table.read_outcomes("preserve.txt", texts.preserve, Kept::read);
        table
    }

    fn read_functions(&mut self, text: &str) {
        let mut definitions = Definitions::default();
        for entry in entries(text) {
            let text = format!("{}{}", entry.head, entry.rest);
            if let Err(error) = self.read_function(&text, &mut definitions) {
                self.errors.push(format!("functions.txt line {}: {error}", entry.line));
            }
        }
    }

    fn read_function(&mut self, text: &str, definitions: &mut Definitions) -> Result<(), String> {
        let (word, rest) = text.split_once(' ').ok_or("a word alone")?;
        let kind = match word {
            "aggregate" => Kind::Aggregate,
            "analytic" => Kind::Analytic,
            "procedure" => Kind::Procedure,
            "scalar" => Kind::Scalar,
            "table" => Kind::Table,
            _ => return self.read_definition(word, rest, definitions),
        };
        let entry = Entry::read(kind, rest, definitions)?;
        let known = self.functions.entry(entry.path.to_ascii_uppercase()).or_default();
        if known.iter().any(|before| before.kind != kind) {
            return Err(format!("`{}` is of two kinds", entry.path));
        }
        if known.iter().any(|before| before.parameters == entry.parameters && before.conditions == entry.conditions) {
            return Err(format!("`{}` stands twice", entry.path));
        }
        known.push(entry);
        Ok(())
    }

    fn read_definition(&mut self, word: &str, text: &str, definitions: &mut Definitions) -> Result<(), String> {
        let separator = if word == "predicted" { " -> " } else { " = " };
        if word == "engine" {
            let (name, marks) = text.split_once('|').ok_or("no marks")?;
            self.marks.insert(name.trim().to_owned(), marks_of(marks.trim())?);
            return Ok(());
        }
        let (name, definition) = text.split_once(separator).ok_or_else(|| format!("no `{}`", separator.trim()))?;
        match word {
            "type" => {
                definitions.aliases.kind(definition)?;
                definitions.aliases.define(name, definition);
            }
            "group" => definitions.groups.push((name.to_owned(), split(definition, ',').into_iter().map(str::to_owned).collect())),
            "predicted" => {
                columns(&definition.replace("{label}", "label").replace("{type}", "STRING"))?;
                for model_type in members(name, &definitions.groups) {
                    self.predicted.insert(model_type, definition.to_owned());
                }
            }
            _ => return Err(format!("`{word}` begins no entry")),
        }
        Ok(())
    }

    fn read_names(&mut self, text: &str) {
        for entry in entries(text) {
            let text = format!("{}{}", entry.head, entry.rest);
            let read = match text.split_once(' ') {
                Some(("variable", rest)) => Variable::read(rest).map(|variable| self.variables.push(variable)),
                Some(("pseudo", rest)) => Pseudo::read(rest).map(|pseudo| self.pseudo.push(pseudo)),
                _ => Err("neither `variable` nor `pseudo`".to_owned()),
            };
            if let Err(error) = read {
                self.errors.push(format!("names.txt line {}: {error}", entry.line));
            }
        }
    }

    fn read_outcomes<T>(&mut self, file: &str, text: &str, read: fn(&str) -> Result<T, String>) -> BTreeMap<String, T> {
        let mut outcomes = BTreeMap::new();
        for entry in entries(text) {
            let (name, positions) = entry.head.split_once(' ').unwrap_or((&entry.head, ""));
            match read(positions) {
                Ok(outcome) if !outcomes.contains_key(name) => {
                    outcomes.insert(name.to_owned(), outcome);
                }
                Ok(_) => self.errors.push(format!("{file} line {}: `{name}` stands twice", entry.line)),
                Err(error) => self.errors.push(format!("{file} line {}: {error}", entry.line)),
            }
        }
        outcomes
    }
}

fn columns(text: &str) -> Result<Vec<Column>, String> {
    let aliases = super::lines::Aliases::default();
    split(text, ',').into_iter().map(|item| column(item, &aliases)).collect()
}
