//! The store on disk: a folder for each dataset, a JSON-lines file for each table.
//!
//! The first line of a table is its resource, each further line a row. A file is written beside the old one and renamed over it.

use super::dataset::{Dataset, DatasetName};
use super::routine::Routine;
use super::rows::Rows;
use super::state::{Item, State};
use super::table::{Table, TableKind};
use crate::problem::Problem;
use crate::values::{read, write};
use serde_json::Value;
use sluice_model::TableName;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: PathBuf) -> Folder {
        Folder { root }
    }

    /// Nothing where nothing was ever kept.
    pub fn load(&self) -> Result<Option<State>, Problem> {
        if !self.root.exists() {
            return Ok(None);
        }
        let mut state = State::default();
        for project in entries(&self.root)? {
            for folder in entries(&project)? {
                let dataset = self.load_dataset(&folder)?;
                state.datasets.insert(dataset.name.clone(), Arc::new(dataset));
            }
        }
        Ok((!state.datasets.is_empty()).then_some(state))
    }

    /// Writes everything: how a new folder begins.
    pub fn keep_all(&self, state: &State) -> Result<(), Problem> {
        let mut items = Vec::new();
        for dataset in state.datasets.values() {
            items.push(Item::Dataset(dataset.name.clone()));
            items.extend(dataset.tables.values().map(|table| Item::Table(table.name.clone())));
            items.extend(dataset.routines.values().map(|routine| Item::Routine(routine.name.clone())));
        }
        self.keep(state, items.iter())
    }

    /// Writes what was touched, as it is in that state.
    pub fn keep<'a>(&self, state: &State, touched: impl Iterator<Item = &'a Item>) -> Result<(), Problem> {
        touched.filter(|item| !hidden(item)).try_for_each(|item| self.keep_item(state, item))
    }

    fn keep_item(&self, state: &State, item: &Item) -> Result<(), Problem> {
        match item {
            Item::Dataset(name) => match state.datasets.get(name) {
                Some(dataset) => self.keep_dataset(dataset),
                None => remove(&self.dataset_path(name)?),
            },
            Item::Routine(name) => {
                let path = self.dataset_path(&super::state::dataset_of(name))?.join(format!("{}.routine.json", checked(&name.table)?));
                match state.find_routine(name) {
                    Some(routine) => replace(&path, |file| writeln!(file, "{}", routine.to_json())),
                    None => remove(&path),
                }
            }
            Item::Table(name) => {
                let path = self.dataset_path(&super::state::dataset_of(name))?.join(format!("{}.jsonl", checked(&name.table)?));
                match state.find_table(name) {
                    Some(table) if table.kind == TableKind::Generated => Ok(()),
                    Some(table) => keep_table(&path, table),
                    None => remove(&path),
                }
            }
        }
    }

    fn keep_dataset(&self, dataset: &Dataset) -> Result<(), Problem> {
        let path = self.dataset_path(&dataset.name)?;
        replace(&path.join("dataset.json"), |file| writeln!(file, "{}", dataset.to_json()))
    }

    fn load_dataset(&self, folder: &Path) -> Result<Dataset, Problem> {
        let resource = json(&folder.join("dataset.json"))?;
        let part = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = DatasetName::new(part("/datasetReference/projectId"), part("/datasetReference/datasetId"));
        let mut dataset = Dataset::from_json(name.clone(), &resource, "US", milliseconds(&resource, "creationTime"));
        for path in entries(folder)? {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            if let Some(table) = file.strip_suffix(".jsonl") {
                let table = load_table(TableName::new(&name.project, &name.dataset, table), &path)?;
                dataset.tables.insert(table.name.table.clone(), Arc::new(table));
            } else if let Some(routine) = file.strip_suffix(".routine.json") {
                let resource = json(&path)?;
                let name = TableName::new(&name.project, &name.dataset, routine);
                let routine = Routine::from_json(name, &resource, milliseconds(&resource, "creationTime"))?;
                dataset.routines.insert(routine.name.table.clone(), Arc::new(routine));
            }
        }
        Ok(dataset)
    }

    fn dataset_path(&self, name: &DatasetName) -> Result<PathBuf, Problem> {
        Ok(self.root.join(checked(&name.project)?).join(checked(&name.dataset)?))
    }
}

fn hidden(item: &Item) -> bool {
    match item {
        Item::Dataset(name) => name.is_hidden(),
        Item::Table(name) | Item::Routine(name) => super::state::dataset_of(name).is_hidden(),
    }
}

fn keep_table(path: &Path, table: &Table) -> Result<(), Problem> {
    replace(path, |file| {
        writeln!(file, "{}", table.to_json("US"))?;
        for row in table.rows.as_held().unwrap_or_default() {
            writeln!(file, "{}", write::object(&table.columns, row))?;
        }
        Ok(())
    })
}

fn load_table(name: TableName, path: &Path) -> Result<Table, Problem> {
    let text = fs::read_to_string(path).map_err(|error| broken(path, &error))?;
    let mut lines = text.lines();
    let parse = |line: &str| serde_json::from_str::<Value>(line).map_err(|error| broken(path, &error));
    let resource = parse(lines.next().unwrap_or_default())?;
    let mut table = Table::from_json(name, &resource, milliseconds(&resource, "creationTime"))?;
    table.modified_milliseconds = milliseconds(&resource, "lastModifiedTime");
    let mut rows = Vec::new();
    for line in lines {
        let object = parse(line)?;
        let object = object.as_object().ok_or_else(|| broken(path, &"a row is not an object"))?;
        rows.push(read::row(&table.columns, object, false).map_err(|error| broken(path, &error.message))?);
    }
    table.rows = Arc::new(Rows::held(rows));
    Ok(table)
}

/// Names of projects may hold dots and colons; none may lead out of the folder.
fn checked(name: &str) -> Result<&str, Problem> {
    let plain = |letter: char| letter.is_alphanumeric() || "_-.:$ ".contains(letter);
    let good = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    if good { Ok(name) } else { Err(Problem::invalid(format!("Invalid name `{name}`"))) }
}

fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<fs::File>) -> io::Result<()>) -> Result<(), Problem> {
    let beside = path.with_extension("new");
    let attempt = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = BufWriter::new(fs::File::create(&beside)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, path)
    };
    attempt().map_err(|error| broken(path, &error))
}

fn remove(path: &Path) -> Result<(), Problem> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(broken(path, &error)),
        _ => Ok(()),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(|error| broken(folder, &error))
}

fn json(path: &Path) -> Result<Value, Problem> {
    let text = fs::read_to_string(path).map_err(|error| broken(path, &error))?;
    serde_json::from_str(&text).map_err(|error| broken(path, &error))
}

fn milliseconds(resource: &Value, field: &str) -> i64 {
    resource.get(field).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Problem {
    Problem::internal(format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::Working;
    use crate::values::schema::columns_of;
    use serde_json::json;

    #[test]
    fn what_is_kept_is_loaded_again() {
        let root = std::env::temp_dir().join(format!("sluice-sandbox-folder-{}", std::process::id()));
        let folder = Folder::new(root.clone());
        assert!(folder.load().unwrap().is_none());
        let columns =
            columns_of("id INT64, at TIMESTAMP, tags ARRAY<STRING>, s STRUCT<x NUMERIC, r RANGE<DATE>>, j JSON, b BYTES").unwrap();
        let object = json!({ "id": 1, "at": "2026-01-01T00:00:00.5Z", "tags": ["a"], "s": { "x": "1.5", "r": "[2020-01-01, UNBOUNDED)" }, "j": [1], "b": "YQ==" });
        let rows = vec![read::row(&columns, object.as_object().unwrap(), false).unwrap()];
        let name = TableName::new("acme-prod", "d", "t");
        let mut working = Working::new(Arc::default());
        working.put_dataset(Dataset::new(DatasetName::new("acme-prod", "d"), "US", 1));
        working.put_table(Table::new(name.clone(), columns, Arc::new(Rows::held(rows.clone())), 5)).unwrap();
        folder.keep(&working.state, working.touched.iter()).unwrap();
        let loaded = folder.load().unwrap().unwrap();
        assert_eq!(loaded.table(&name).unwrap().rows.as_held(), Some(rows.as_slice()));
        working.drop_table(&name).unwrap();
        folder.keep(&working.state, working.touched.iter()).unwrap();
        assert!(folder.load().unwrap().unwrap().find_table(&name).is_none());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn names_do_not_lead_out_of_the_folder() {
        for name in ["..", "../x", "a/b", "", ".hidden"] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}
