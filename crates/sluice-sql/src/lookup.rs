//! Every look into the snapshot is noted, also those that found nothing: a kept analysis holds only while all of them would end the same.

use crate::catalog::{Model, Routine, Snapshot, Table};
use sluice_model::TableName;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The snapshot as one analysis sees it.
pub(crate) struct Lookup<'a> {
    snapshot: &'a Snapshot,
    looked: RefCell<Looked>,
}

/// What was looked up, and the etag that was found; nothing where nothing was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    found: BTreeMap<(Kind, TableName), Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Model,
    Routine,
    Table,
    Wildcard,
}

impl<'a> Lookup<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Lookup<'a> {
        Lookup { snapshot, looked: RefCell::default() }
    }

    pub fn table(&self, name: &TableName) -> Option<&'a Table> {
        self.note(Kind::Table, name);
        self.snapshot.tables.get(name)
    }

    pub fn routine(&self, name: &TableName) -> Option<&'a Routine> {
        self.note(Kind::Routine, name);
        self.snapshot.routines.get(name)
    }

    pub fn model(&self, name: &TableName) -> Option<&'a Model> {
        self.note(Kind::Model, name);
        self.snapshot.models.get(name)
    }

    /// The one whose columns the wildcard has.
    pub fn newest(&self, wildcard: &TableName) -> Result<Option<&'a Table>, [&'a TableName; 2]> {
        self.note(Kind::Wildcard, wildcard);
        self.snapshot.newest(wildcard)
    }

    pub fn matching(&self, wildcard: &TableName) -> Vec<&'a Table> {
        self.note(Kind::Wildcard, wildcard);
        self.snapshot.matching(wildcard)
    }

    /// Without noting anything: for what is no analysis.
    pub fn whole(&self) -> &'a Snapshot {
        self.snapshot
    }

    pub fn looked(self) -> Looked {
        self.looked.into_inner()
    }

    fn note(&self, kind: Kind, name: &TableName) {
        let etag = etag(self.snapshot, kind, name);
        self.looked.borrow_mut().found.insert((kind, name.clone()), etag);
    }
}

impl Looked {
    pub fn still_holds(&self, snapshot: &Snapshot) -> bool {
        self.found.iter().all(|((kind, name), before)| etag(snapshot, *kind, name) == *before)
    }

    /// Without an etag nobody can tell whether a thing has changed.
    pub fn is_certain(&self) -> bool {
        self.found.values().flatten().all(|etag| etag.lines().all(|line| !line.ends_with('\t')) && !etag.is_empty())
    }
}

fn etag(snapshot: &Snapshot, kind: Kind, name: &TableName) -> Option<String> {
    match kind {
        Kind::Model => snapshot.models.get(name).map(|model| model.etag.clone()),
        Kind::Routine => snapshot.routines.get(name).map(|routine| routine.etag.clone()),
        Kind::Table => snapshot.tables.get(name).map(|table| table.etag.clone()),
        Kind::Wildcard => {
            let each = snapshot.matching(name).into_iter().map(|table| format!("{}\t{}", table.name, table.etag));
            Some(each.collect::<Vec<_>>().join("\n")).filter(|etags| !etags.is_empty())
        }
    }
}
