//! One table of a configuration file. Reading goes on after a problem, and a key that nobody asked for is one.

use super::Problem;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use toml::{Table, Value};

#[derive(Default)]
pub struct Problems(RefCell<Vec<Problem>>);

pub struct Section<'a> {
    place: String,
    table: &'a Table,
    known: BTreeSet<&'static str>,
    problems: &'a Problems,
}

impl Problems {
    pub fn add(&self, place: &str, text: &str) {
        self.0.borrow_mut().push(Problem { place: place.to_owned(), text: text.to_owned() });
    }

    pub fn sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

impl<'a> Section<'a> {
    pub fn root(table: &'a Table, problems: &'a Problems) -> Section<'a> {
        Section { place: String::new(), table, known: BTreeSet::new(), problems }
    }

    pub fn problem(&self, key: &str, text: &str) {
        self.problems.add(&self.at(key), text);
    }

    pub fn required_text(&mut self, key: &'static str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.known.insert(key);
            self.problem(key, "missing");
            return None;
        }
        self.text(key)
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let text = self.typed(key, "a text that is not empty", |value| value.as_str().filter(|text| !text.is_empty()))?;
        Some(text.to_owned())
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub fn seconds(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let seconds = self.typed(key, "a number of seconds", |value| value.as_integer().and_then(|seconds| u64::try_from(seconds).ok()))?;
        if !range.contains(&seconds) {
            self.problem(key, &format!("{seconds} seconds: from {} to {}", range.start(), range.end()));
        }
        Some(seconds)
    }

    pub fn texts(&mut self, key: &'static str) -> Option<BTreeSet<String>> {
        self.typed(key, "a list of texts that is not empty", text_list)
    }

    /// `{ name = ["value"] }`, where one value may also stand without brackets.
    pub fn conditions(&mut self, key: &'static str) -> Option<BTreeMap<String, BTreeSet<String>>> {
        let table = self.typed(key, "a table", Value::as_table)?;
        let mut conditions = BTreeMap::new();
        for (name, value) in table {
            let values = value.as_str().map(|text| BTreeSet::from([text.to_owned()])).or_else(|| text_list(value));
            match values {
                Some(values) => drop(conditions.insert(name.clone(), values)),
                None => self.problem(key, &format!("`{name}`: a text or a list of texts")),
            }
        }
        if table.is_empty() {
            self.problem(key, "empty: it would fit everyone");
        }
        Some(conditions)
    }

    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let table = self.typed(key, "a table", Value::as_table)?;
        Some(Section { place: self.at(key), table, known: BTreeSet::new(), problems: self.problems })
    }

    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let tables = |value: &'a Value| value.as_array()?.iter().map(Value::as_table).collect::<Option<Vec<&'a Table>>>();
        let tables = self.typed(key, "a list of tables", tables).unwrap_or_default();
        let place = self.at(key);
        let named = tables.into_iter().enumerate();
        named
            .map(|(index, table)| Section { place: format!("{place}[{index}]"), table, known: BTreeSet::new(), problems: self.problems })
            .collect()
    }

    pub fn holds(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.table.iter()
    }

    /// Reports what nobody asked for: a misspelt restriction restricts nothing.
    pub fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(key.as_str())) {
            let known: Vec<&str> = self.known.iter().copied().collect();
            self.problem(key, &format!("no such key: there are {}", known.join(", ")));
        }
    }

    fn typed<T>(&mut self, key: &'static str, expected: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        self.known.insert(key);
        let found = read(self.table.get(key)?);
        if found.is_none() {
            self.problem(key, &format!("not {expected}"));
        }
        found
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

fn text_list(value: &Value) -> Option<BTreeSet<String>> {
    let texts = value.as_array()?.iter().map(|value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned));
    texts.collect::<Option<BTreeSet<String>>>().filter(|texts| !texts.is_empty())
}
