//! All datasets at one moment, and changes to them. A state is immutable once it is shared: copying it copies pointers.

use super::dataset::{Dataset, DatasetName};
use super::routine::Routine;
use super::table::Table;
use crate::problem::{Problem, Reason};
use sluice_model::{RoutineName, TableName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct State {
    pub datasets: BTreeMap<DatasetName, Arc<Dataset>>,
}

/// A copy that is being changed, and what was changed in it.
#[derive(Clone, Debug)]
pub struct Working {
    pub base: Arc<State>,
    pub state: State,
    pub touched: BTreeSet<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// Its own resource, not what is in it.
    Dataset(DatasetName),
    Routine(RoutineName),
    Table(TableName),
}

impl State {
    pub fn dataset(&self, name: &DatasetName) -> Result<&Arc<Dataset>, Problem> {
        let missing = || Problem::not_found(format!("Not found: Dataset {}:{}", name.project, name.dataset));
        self.datasets.get(name).ok_or_else(missing)
    }

    pub fn table(&self, name: &TableName) -> Result<&Arc<Table>, Problem> {
        self.find_table(name).ok_or_else(|| match self.dataset(&dataset_of(name)) {
            Err(problem) => problem,
            Ok(_) => Problem::not_found(format!("Not found: Table {}:{}.{}", name.project, name.dataset, name.table)),
        })
    }

    pub fn find_table(&self, name: &TableName) -> Option<&Arc<Table>> {
        self.datasets.get(&dataset_of(name))?.tables.get(&name.table)
    }

    pub fn find_routine(&self, name: &RoutineName) -> Option<&Arc<Routine>> {
        self.datasets.get(&dataset_of(name))?.routines.get(&name.table)
    }

    /// Whether the two states hold the very same thing under that name.
    fn same(&self, other: &State, item: &Item) -> bool {
        fn identical<T>(first: Option<&Arc<T>>, second: Option<&Arc<T>>) -> bool {
            match (first, second) {
                (None, None) => true,
                (Some(first), Some(second)) => Arc::ptr_eq(first, second),
                _ => false,
            }
        }
        match item {
            Item::Table(name) => identical(self.find_table(name), other.find_table(name)),
            Item::Routine(name) => identical(self.find_routine(name), other.find_routine(name)),
            Item::Dataset(name) => {
                let modified = |state: &State| state.datasets.get(name).map(|dataset| dataset.modified_milliseconds);
                modified(self) == modified(other)
            }
        }
    }
}

impl Working {
    pub fn new(base: Arc<State>) -> Working {
        Working { state: State::clone(&base), base, touched: BTreeSet::new() }
    }

    pub fn put_dataset(&mut self, dataset: Dataset) {
        self.touched.insert(Item::Dataset(dataset.name.clone()));
        self.state.datasets.insert(dataset.name.clone(), Arc::new(dataset));
    }

    /// Removes the dataset and all that is in it.
    pub fn drop_dataset(&mut self, name: &DatasetName, with_contents: bool) -> Result<(), Problem> {
        let dataset = self.state.dataset(name)?.clone();
        let is_empty = dataset.tables.is_empty() && dataset.routines.is_empty();
        if !is_empty && !with_contents {
            let message = format!("Dataset {}:{} is still in use", name.project, name.dataset);
            return Err(Problem::new(Reason::ResourceInUse, message));
        }
        self.touched.extend(dataset.tables.values().map(|table| Item::Table(table.name.clone())));
        self.touched.extend(dataset.routines.values().map(|routine| Item::Routine(routine.name.clone())));
        self.touched.insert(Item::Dataset(name.clone()));
        self.state.datasets.remove(name);
        Ok(())
    }

    pub fn put_table(&mut self, table: Table) -> Result<(), Problem> {
        let name = table.name.clone();
        self.inside(&dataset_of(&name), |dataset| drop(dataset.tables.insert(name.table.clone(), Arc::new(table))))?;
        self.touched.insert(Item::Table(name));
        Ok(())
    }

    pub fn drop_table(&mut self, name: &TableName) -> Result<(), Problem> {
        self.state.table(name)?;
        self.inside(&dataset_of(name), |dataset| drop(dataset.tables.remove(&name.table)))?;
        self.touched.insert(Item::Table(name.clone()));
        Ok(())
    }

    pub fn put_routine(&mut self, routine: Routine) -> Result<(), Problem> {
        let name = routine.name.clone();
        self.inside(&dataset_of(&name), |dataset| drop(dataset.routines.insert(name.table.clone(), Arc::new(routine))))?;
        self.touched.insert(Item::Routine(name));
        Ok(())
    }

    pub fn drop_routine(&mut self, name: &RoutineName) -> Result<(), Problem> {
        if self.state.find_routine(name).is_none() {
            let message = format!("Not found: Routine {}:{}.{}", name.project, name.dataset, name.table);
            return Err(Problem::not_found(message));
        }
        self.inside(&dataset_of(name), |dataset| drop(dataset.routines.remove(&name.table)))?;
        self.touched.insert(Item::Routine(name.clone()));
        Ok(())
    }

    /// Whether nothing that was changed here has changed over there since the copy was made.
    pub fn fits(&self, current: &State) -> bool {
        self.touched.iter().all(|item| self.base.same(current, item))
    }

    /// The changes, and nothing else, laid over a newer state.
    pub fn laid_over(&self, current: &State) -> State {
        let mut next = Working { base: self.base.clone(), state: current.clone(), touched: BTreeSet::new() };
        for item in &self.touched {
            next.lay(&self.state, item);
        }
        next.state
    }

    fn lay(&mut self, changed: &State, item: &Item) {
        let within = match item {
            Item::Dataset(name) => name.clone(),
            Item::Table(name) | Item::Routine(name) => dataset_of(name),
        };
        let Some(source) = changed.datasets.get(&within) else {
            self.state.datasets.remove(&within);
            return;
        };
        let target = self.state.datasets.entry(within).or_insert_with(|| source.clone());
        let target = Arc::make_mut(target);
        match item {
            Item::Dataset(_) => {
                target.extra = source.extra.clone();
                target.modified_milliseconds = source.modified_milliseconds;
            }
            Item::Routine(name) => match source.routines.get(&name.table) {
                Some(routine) => drop(target.routines.insert(name.table.clone(), routine.clone())),
                None => drop(target.routines.remove(&name.table)),
            },
            Item::Table(name) => match source.tables.get(&name.table) {
                Some(table) => drop(target.tables.insert(name.table.clone(), table.clone())),
                None => drop(target.tables.remove(&name.table)),
            },
        }
    }

    fn inside(&mut self, name: &DatasetName, change: impl FnOnce(&mut Dataset)) -> Result<(), Problem> {
        let missing = || Problem::not_found(format!("Not found: Dataset {}:{}", name.project, name.dataset));
        let dataset = self.state.datasets.get_mut(name).ok_or_else(missing)?;
        change(Arc::make_mut(dataset));
        Ok(())
    }
}

pub fn dataset_of(name: &TableName) -> DatasetName {
    DatasetName::new(&name.project, &name.dataset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::Rows;

    fn table(dataset: &str, name: &str) -> Table {
        Table::new(TableName::new("p", dataset, name), Vec::new(), Arc::new(Rows::held(Vec::new())), 1)
    }

    fn start() -> Arc<State> {
        let mut working = Working::new(Arc::default());
        working.put_dataset(Dataset::new(DatasetName::new("p", "d"), "US", 1));
        working.put_table(table("d", "a")).unwrap();
        Arc::new(working.laid_over(&State::default()))
    }

    #[test]
    fn changes_to_different_tables_fit_and_to_the_same_do_not() {
        let base = start();
        let (mut first, mut second) = (Working::new(base.clone()), Working::new(base.clone()));
        first.put_table(table("d", "b")).unwrap();
        second.put_table(table("d", "c")).unwrap();
        let after_first = first.laid_over(&base);
        assert!(second.fits(&after_first));
        let both = second.laid_over(&after_first);
        let names = ["a", "b", "c"].map(|name| both.find_table(&TableName::new("p", "d", name)).is_some());
        assert_eq!(names, [true, true, true]);
        let mut third = Working::new(base);
        third.put_table(table("d", "b")).unwrap();
        assert!(!third.fits(&both));
    }

    #[test]
    fn full_datasets_are_not_dropped_by_chance() {
        let mut working = Working::new(start());
        let name = DatasetName::new("p", "d");
        assert_eq!(working.drop_dataset(&name, false).unwrap_err().reason, Reason::ResourceInUse);
        working.drop_dataset(&name, true).unwrap();
        assert!(working.laid_over(&working.base.clone()).datasets.is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        let state = start();
        let check = |dataset, name, expect: &str| assert_eq!(state.table(&TableName::new("p", dataset, name)).unwrap_err().message, expect);
        check("d", "z", "Not found: Table p:d.z");
        check("e", "a", "Not found: Dataset p:e");
    }
}
