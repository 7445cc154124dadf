//! The store on disk: a folder for each dataset, a JSON-lines file for each table.
//!
//! The first line of a table is its resource, each further line a row. A file is written beside the old one and renamed over it,
//! and so is the first content of a new folder: whoever is killed in the middle leaves the old state or the new one.
//! Names that begin with a dot are the store's own.

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
use std::sync::{Arc, Mutex, PoisonError};

/// Longer names do not fit the names of files.
const NAME_BYTES_MAX: usize = 200;
/// Held as long as the folder is in use.
const LOCK: &str = ".lock";
/// What is written here is not there yet, what is moved here is there no more.
const COMING: &str = ".coming";
const GOING: &str = ".going";

#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Nothing once it is closed.
    lock: Mutex<Option<fs::File>>,
}

impl Folder {
    /// Two warehouses in one folder would write over each other, so only one may have it.
    pub fn open(root: PathBuf) -> Result<Folder, Problem> {
        let lock_path = root.join(LOCK);
        let open = || {
            fs::create_dir_all(&root)?;
            fs::File::create(&lock_path)
        };
        let lock = open().map_err(|error| broken(&root, &error))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => broken(&root, &"another process keeps its tables here"),
            fs::TryLockError::Error(error) => broken(&lock_path, &error),
        })?;
        remove(&root.join(COMING))?;
        remove(&root.join(GOING))?;
        Ok(Folder { root, lock: Mutex::new(Some(lock)) })
    }

    /// Nothing is written any more, and another may have the folder.
    pub fn close(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Nothing where nothing was ever kept.
    pub fn load(&self) -> Result<Option<State>, Problem> {
        let mut state = State::default();
        for project in entries(&self.root)? {
            for folder in entries(&project)? {
                if let Some(dataset) = load_dataset(&folder)? {
                    state.datasets.insert(dataset.name.clone(), Arc::new(dataset));
                }
            }
        }
        Ok((!state.datasets.is_empty()).then_some(state))
    }

    /// Writes everything: how a new folder begins. A project is there as a whole or not at all.
    pub fn keep_all(&self, state: &State) -> Result<(), Problem> {
        let mut items = Vec::new();
        for dataset in state.datasets.values() {
            items.push(Item::Dataset(dataset.name.clone()));
            items.extend(dataset.tables.values().map(|table| Item::Table(table.name.clone())));
            items.extend(dataset.routines.values().map(|routine| Item::Routine(routine.name.clone())));
        }
        let coming = self.root.join(COMING);
        items.iter().filter(|item| !hidden(item)).try_for_each(|item| self.keep_item(&coming, state, item))?;
        for project in entries(&coming)? {
            let place = self.root.join(project.file_name().unwrap_or_default());
            fs::rename(&project, &place).map_err(|error| broken(&place, &error))?;
        }
        remove(&coming)
    }

    /// Writes what was touched, as it is in that state.
    pub fn keep<'a>(&self, state: &State, touched: impl Iterator<Item = &'a Item>) -> Result<(), Problem> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            return Err(broken(&self.root, &"it is closed"));
        }
        touched.filter(|item| !hidden(item)).try_for_each(|item| self.keep_item(&self.root, state, item))
    }

    fn keep_item(&self, root: &Path, state: &State, item: &Item) -> Result<(), Problem> {
        match item {
            Item::Dataset(name) => match state.datasets.get(name) {
                Some(dataset) => {
                    let path = dataset_path(root, name)?.join("dataset.json");
                    replace(&path, |file| writeln!(file, "{}", dataset.to_json()))
                }
                None => self.remove_dataset(&dataset_path(root, name)?),
            },
            Item::Routine(name) => {
                let path = dataset_path(root, &super::state::dataset_of(name))?.join(format!("{}.routine.json", checked(&name.table)?));
                match state.find_routine(name) {
                    Some(routine) => replace(&path, |file| writeln!(file, "{}", routine.to_json())),
                    None => remove(&path),
                }
            }
            Item::Table(name) => {
                let path = dataset_path(root, &super::state::dataset_of(name))?.join(format!("{}.jsonl", checked(&name.table)?));
                match state.find_table(name) {
                    Some(table) if table.kind == TableKind::Generated => Ok(()),
                    Some(table) => keep_table(&path, table),
                    None => remove(&path),
                }
            }
        }
    }

    /// Out of sight in one step, and then removed file by file.
    fn remove_dataset(&self, path: &Path) -> Result<(), Problem> {
        let going = self.root.join(GOING);
        remove(&going)?;
        match fs::rename(path, &going) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(broken(path, &error)),
            _ => remove(&going),
        }
    }
}

/// Nothing for a folder that was made and not yet filled.
fn load_dataset(folder: &Path) -> Result<Option<Dataset>, Problem> {
    let files = entries(folder)?;
    let file_name = |path: &Path| path.file_name().and_then(|file| file.to_str()).unwrap_or_default().to_owned();
    let is_kept = |path: &PathBuf| [".json", ".jsonl"].iter().any(|end| file_name(path).ends_with(end));
    if !files.iter().any(is_kept) {
        return Ok(None);
    }
    let resource = json(&folder.join("dataset.json"))?;
    let part = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = DatasetName::new(part("/datasetReference/projectId"), part("/datasetReference/datasetId"));
    let mut dataset = Dataset::from_json(name.clone(), &resource, "US", milliseconds(&resource, "creationTime"));
    dataset.modified_milliseconds = milliseconds(&resource, "lastModifiedTime");
    for path in files {
        let file = file_name(&path);
        if let Some(table) = file.strip_suffix(".jsonl") {
            let table = load_table(TableName::new(&name.project, &name.dataset, table), &path)?;
            dataset.tables.insert(table.name.table.clone(), Arc::new(table));
        } else if let Some(routine) = file.strip_suffix(".routine.json") {
            let resource = json(&path)?;
            let name = TableName::new(&name.project, &name.dataset, routine);
            let mut routine = Routine::from_json(name, &resource, milliseconds(&resource, "creationTime"))?;
            routine.modified_milliseconds = milliseconds(&resource, "lastModifiedTime");
            dataset.routines.insert(routine.name.table.clone(), Arc::new(routine));
        }
    }
    Ok(Some(dataset))
}

fn dataset_path(root: &Path, name: &DatasetName) -> Result<PathBuf, Problem> {
    Ok(root.join(checked(&name.project)?).join(checked(&name.dataset)?))
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
    let mut table = Table::from_kept(name, &resource, milliseconds(&resource, "creationTime"))?;
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
    let good = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.') && name.chars().all(plain);
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

/// Without what is the store's own.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = read().map_err(|error| broken(folder, &error))?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    Ok(paths)
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
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let folder = Folder::open(root.to_owned()).unwrap();
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
    }

    #[test]
    fn what_was_left_by_a_killed_process_is_no_half_state() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let mut working = Working::new(Arc::default());
        for dataset in ["a", "b"] {
            working.put_dataset(Dataset::new(DatasetName::new("p", dataset), "US", 1));
            working.put_table(Table::new(TableName::new("p", dataset, "t"), Vec::new(), Arc::new(Rows::held(Vec::new())), 1)).unwrap();
        }
        let names = |folder: &Folder| {
            let state = folder.load().unwrap().unwrap_or_default();
            state.datasets.keys().map(|name| name.dataset.clone()).collect::<Vec<_>>().join(" ")
        };
        fs::create_dir_all(root.join(COMING).join("p").join("a")).unwrap();
        fs::write(root.join(COMING).join("p").join("a").join("dataset.json"), "{").unwrap();
        let folder = Folder::open(root.to_owned()).unwrap();
        assert_eq!(names(&folder), "");
        folder.keep_all(&working.state).unwrap();
        assert_eq!(names(&folder), "a b");
        let second = Folder::open(root.to_owned()).map(|_| ()).unwrap_err();
        assert!(second.message.contains("another process"), "{second}");
        folder.close();
        assert!(folder.keep(&working.state, working.touched.iter()).is_err());
        fs::rename(root.join("p").join("b"), root.join(GOING)).unwrap();
        fs::create_dir(root.join("p").join("c")).unwrap();
        fs::write(root.join("p").join("c").join("dataset.new"), "{").unwrap();
        let folder = Folder::open(root.to_owned()).unwrap();
        assert_eq!(names(&folder), "a");
        assert!(!root.join(GOING).exists());
        fs::write(root.join("p").join("a").join("t.jsonl"), "{\"schema\": {}}\n{\"half").unwrap();
        assert!(folder.load().unwrap_err().message.contains("t.jsonl"));
    }

    #[test]
    fn names_do_not_lead_out_of_the_folder() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["..", "../x", "a/b", "", ".hidden", &long] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}
