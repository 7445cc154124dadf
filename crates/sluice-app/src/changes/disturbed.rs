//! What others did to what a request was understood by.

use super::{Change, Changes, Noted, key, touches};
use crate::shapes::{Rest, Role, Shape, is_star, shape};
use sluice_ledger::record::Subject;
use sluice_model::TableName;
use sluice_sql::catalog::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// A name that others changed since something was understood by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disturbed {
    pub name: TableName,
    /// All that was left there by those that are over. Nothing where that is not known.
    pub left: Option<Vec<Shape>>,
    /// Of a star: tables that it did not mean before. One that is gone again was read in between.
    pub new: Vec<Disturbed>,
}

impl Changes {
    /// Of what it rests on so, all that others changed since.
    pub fn disturbed(&self, rest: &Rest, roles: &[Role], but: Subject) -> Vec<Disturbed> {
        let noted = self.noted();
        let mut disturbed = Vec::new();
        for name in rest.names(roles) {
            let changes: Vec<&Change> = noted.since(name, rest.since_ms, but).filter(|change| touches(change, rest, name)).collect();
            if !changes.is_empty() {
                let new = if is_star(name) { noted.new_behind(rest, &changes, but) } else { Vec::new() };
                disturbed.push(Disturbed { name: name.clone(), left: left_by(&changes), new });
            }
        }
        disturbed
    }
}

impl Noted {
    fn new_behind(&self, rest: &Rest, changes: &[&Change], but: Subject) -> Vec<Disturbed> {
        let known: BTreeSet<String> = rest.names(&Role::ALL).map(key).collect();
        let new = changes.iter().filter(|change| !change.name.table.is_empty() && !known.contains(&key(&change.name)));
        let names: BTreeMap<String, &TableName> = new.map(|change| (key(&change.name), &change.name)).collect();
        let disturbed = |name: &TableName| {
            let changes: Vec<&Change> = self.since(name, rest.since_ms, but).collect();
            Disturbed { name: name.clone(), left: left_by(&changes), new: Vec::new() }
        };
        names.into_values().map(disturbed).collect()
    }
}

impl Disturbed {
    /// Whether nothing stood there since but what stands there now.
    pub fn is_as_left(&self, found: &Snapshot) -> bool {
        let now = |one: &Disturbed| shape(found, &one.name);
        if is_star(&self.name) {
            self.new.iter().all(|new| new.left_alone(now(new)))
        } else {
            now(self).is_some_and(|now| self.left_alone(Some(now)))
        }
    }

    fn left_alone(&self, shape: Option<Shape>) -> bool {
        self.left.as_ref().is_some_and(|left| left.iter().all(|left| Some(*left) == shape))
    }
}

fn left_by(changes: &[&Change]) -> Option<Vec<Shape>> {
    let over = changes.iter().filter(|change| change.ended_ms.is_some() || change.often);
    if are_told_apart(changes) { over.map(|change| change.left).collect() } else { None }
}

/// Where two went on at once, neither left what it made; and what went with a dataset and came back nobody looked at.
fn are_told_apart(changes: &[&Change]) -> bool {
    let began_within =
        |one: &Change, other: &Change| other.ended_ms.is_none_or(|ended| one.begun_ms < ended) && one.begun_ms >= other.begun_ms;
    // Whoever looked at the same thing twice has not changed it twice.
    let is_other = |one: &Change, other: &Change| other.by != one.by && !(one.unwatched && other.unwatched);
    // What is there two can add to: whatever they find is what each of them leaves.
    let is_beside = |one: &Change| changes.iter().any(|other| is_other(one, other) && !one.adds && !other.adds && began_within(one, other));
    !changes.iter().any(|change| change.name.table.is_empty() || is_beside(change))
}
