//! The views of `INFORMATION_SCHEMA`.

use super::entry::column;
use super::lines::{Aliases, entries, split};
use crate::engine::Column;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub columns: Vec<Column>,
    pub qualifiers: Vec<Qualifier>,
    pub flags: Vec<Flag>,
    /// The columns that show SQL. None: where the view does, each of them may.
    pub sql: Vec<String>,
}

/// What may stand before `INFORMATION_SCHEMA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    Dataset,
    /// Nothing or a project alone.
    Project,
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// Other rows for each caller: those of the shared credential would show.
    ByCaller,
    /// What other people did.
    ShowsOthers,
    /// Texts of statements and definitions, with the values that stand in them.
    ShowsSql,
    /// Values of columns, as the names of partitions.
    ShowsValues,
}

/// Before the columns that show SQL.
const SOME_SHOW_SQL: &str = "shows_sql(";

/// The views by name in capitals, and what could not be read.
pub(super) fn views(text: &str) -> (BTreeMap<String, View>, Vec<String>) {
    let mut reader = Reader::default();
    let mut errors = Vec::new();
    for entry in entries(text) {
        if let Err(error) = reader.entry(&entry.head, &entry.rest) {
            errors.push(format!("information_schema.txt line {}: {error}", entry.line));
        }
    }
    (reader.views, errors)
}

#[derive(Default)]
struct Reader {
    aliases: Aliases,
    groups: BTreeMap<String, Vec<Column>>,
    views: BTreeMap<String, View>,
}

impl Reader {
    fn entry(&mut self, head: &str, rest: &str) -> Result<(), String> {
        let (word, text) = head.split_once(' ').ok_or("a word alone")?;
        if word == "view" {
            return self.view(text, rest);
        }
        let text = format!("{text}{rest}");
        let (name, definition) = text.split_once(" = ").ok_or("no `=`")?;
        match word {
            "type" => {
                self.aliases.kind(definition)?;
                self.aliases.define(name, definition);
            }
            "columns" => {
                let columns = self.columns(definition)?;
                self.groups.insert(name.to_owned(), columns);
            }
            _ => return Err(format!("`{word}` begins no entry")),
        }
        Ok(())
    }

    fn view(&mut self, text: &str, rest: &str) -> Result<(), String> {
        let parts = split(text, '|');
        let [names, qualifiers, flags] = parts.as_slice() else { return Err("not three parts".to_owned()) };
        let columns = self.columns(rest.trim())?;
        let (mut read, mut sql) = (Vec::new(), Vec::new());
        for flag in split(flags, ',') {
            let some = flag.strip_prefix(SOME_SHOW_SQL).and_then(|names| names.strip_suffix(')'));
            read.push(if some.is_some() { Flag::ShowsSql } else { Flag::read(flag)? });
            sql.extend(some.into_iter().flat_map(str::split_whitespace).map(str::to_owned));
        }
        if let Some(name) = sql.iter().find(|name| !columns.iter().any(|column| column.name == **name)) {
            return Err(format!("no column `{name}`"));
        }
        let qualifiers = split(qualifiers, ',').into_iter().map(Qualifier::read).collect::<Result<_, _>>()?;
        let view = View { columns, qualifiers, flags: read, sql };
        for name in split(names, ',') {
            if self.views.insert(name.to_owned(), view.clone()).is_some() {
                return Err(format!("`{name}` stands twice"));
            }
        }
        Ok(())
    }

    fn columns(&self, text: &str) -> Result<Vec<Column>, String> {
        let mut columns: Vec<Column> = Vec::new();
        for item in split(text, ',') {
            match item.strip_prefix('{').and_then(|item| item.strip_suffix('}')) {
                Some(group) => columns.extend(self.groups.get(group).ok_or_else(|| format!("no group `{group}`"))?.iter().cloned()),
                None => columns.push(column(item, &self.aliases)?),
            }
        }
        let twice = columns
            .iter()
            .enumerate()
            .find(|(position, column)| columns.iter().take(*position).any(|before| before.name.eq_ignore_ascii_case(&column.name)));
        match twice {
            Some((_, column)) => Err(format!("column `{}` stands twice", column.name)),
            None if columns.is_empty() => Err("no columns".to_owned()),
            None => Ok(columns),
        }
    }
}

impl View {
    /// Whether each dataset has one.
    pub fn is_of_dataset(&self) -> bool {
        self.qualifiers.contains(&Qualifier::Dataset)
    }

    /// Whether each project has one, which is asked for without a region.
    pub fn is_of_project(&self) -> bool {
        self.qualifiers.contains(&Qualifier::Project)
    }
}

impl Qualifier {
    fn read(text: &str) -> Result<Qualifier, String> {
        match text {
            "dataset" => Ok(Qualifier::Dataset),
            "project" => Ok(Qualifier::Project),
            "region" => Ok(Qualifier::Region),
            _ => Err(format!("`{text}` is not a qualifier")),
        }
    }
}

impl Flag {
    fn read(text: &str) -> Result<Flag, String> {
        match text {
            "by_caller" => Ok(Flag::ByCaller),
            "shows_others" => Ok(Flag::ShowsOthers),
            "shows_sql" => Ok(Flag::ShowsSql),
            "shows_values" => Ok(Flag::ShowsValues),
            _ => Err(format!("`{text}` is not a flag")),
        }
    }
}
