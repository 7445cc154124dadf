//! What a script has made so far: variables, temporary things, and what it has written where.

use crate::catalog::Routine;
use crate::flow::{Flow, Taint};
use crate::world::{Bound, BoundColumn};
use sluice_model::{TableName, Type};
use std::collections::{BTreeMap, BTreeSet};

/// The state between two statements. Cloned at a branch and joined behind it.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    pub default_project: String,
    pub default_dataset: Option<(String, String)>,
    /// By lower-case name; an inner block's variable hides the outer one.
    pub variables: BTreeMap<String, Variable>,
    /// Temporary tables by lower-case name.
    pub temporary: BTreeMap<String, Bound>,
    /// Tables that the script itself created, with their columns.
    pub created: BTreeMap<TableName, Bound>,
    /// What the script wrote into tables that were there before: column by column, in lower case.
    pub written: BTreeMap<TableName, BTreeMap<String, Flow>>,
    /// Columns that the script has put at the end of tables of the catalog.
    pub added: BTreeMap<TableName, Vec<BoundColumn>>,
    /// Views that the script made, opened anew at each use: what they read may have changed in between.
    pub views: BTreeMap<TableName, MadeView>,
    pub functions: BTreeMap<String, Routine>,
    pub parameters: Parameters,
    /// What an error message may carry.
    pub error: Taint,
    /// What the number of rows that a statement changed gives away.
    pub counted: Taint,
    /// Tables whose name or columns do not mean any more what the catalog says.
    pub renamed: BTreeSet<TableName>,
    /// Functions that may be one of several.
    pub ambiguous: BTreeSet<String>,
    /// Tables, views and routines that the script made on some ways only: where the catalog has one of that name too, it may be either.
    pub uncertain: BTreeSet<TableName>,
    /// What the script has dropped, perhaps only on some ways.
    pub dropped: BTreeSet<TableName>,
    /// What happens next may not happen, or happen again: what was there before stays possible.
    pub weak: bool,
    /// A handler goes on behind a failure: one script can then ask by failing again and again.
    pub guarded: bool,
    /// This is how a definition sees the script, and not the script itself.
    pub definition: bool,
}

/// A view by its text, and what short names mean there.
#[derive(Clone, PartialEq)]
pub(crate) struct MadeView {
    pub query: String,
    pub columns: Vec<String>,
    pub default_project: String,
    pub default_dataset: Option<(String, String)>,
    /// Whether it is the same view on every way.
    pub certain: bool,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Variable {
    pub name: String,
    pub kind: Type,
    pub flow: Flow,
    /// Its type has a length or a precision: not every value fits.
    pub narrow: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Parameters {
    pub named: BTreeMap<String, (Option<Type>, Flow)>,
    pub positional: Vec<(Option<Type>, Flow)>,
}

impl Scope {
    /// Either of two states: everything that either could hold.
    pub fn join(&mut self, other: &Scope) {
        for (name, variable) in &other.variables {
            match self.variables.get_mut(name) {
                Some(mine) => mine.flow.join(&variable.flow),
                None => {
                    self.variables.insert(name.clone(), variable.clone());
                }
            }
        }
        self.note_differences(other);
        join_maps(&mut self.temporary, &other.temporary, join_tables);
        join_maps(&mut self.created, &other.created, join_tables);
        join_maps(&mut self.added, &other.added, |mine, added| {
            let new = |column: &&BoundColumn| !mine.contains(column);
            let new: Vec<BoundColumn> = added.iter().filter(new).cloned().collect();
            mine.extend(new);
        });
        join_maps(&mut self.views, &other.views, |mine, view| mine.certain &= mine == view);
        for (name, columns) in &other.written {
            let mine = self.written.entry(name.clone()).or_default();
            columns.iter().for_each(|(column, flow)| mine.entry(column.clone()).or_insert_with(Flow::absent).join(flow));
        }
        for (name, routine) in &other.functions {
            let mine = self.functions.entry(name.clone()).or_insert_with(|| routine.clone());
            if mine != routine {
                self.ambiguous.insert(name.clone());
            }
        }
        self.renamed.extend(other.renamed.iter().cloned());
        self.ambiguous.extend(other.ambiguous.iter().cloned());
        self.uncertain.extend(other.uncertain.iter().cloned());
        self.dropped.extend(other.dropped.iter().cloned());
        self.error.extend(other.error.iter().copied());
        self.counted.extend(other.counted.iter().copied());
    }

    /// What only one of two ways has made or dropped.
    fn note_differences(&mut self, other: &Scope) {
        let temporary = |scope: &Scope| -> BTreeSet<TableName> { scope.temporary.keys().map(|name| temporary_table(name)).collect() };
        let created = |scope: &Scope| -> BTreeSet<TableName> { scope.created.keys().chain(scope.views.keys()).cloned().collect() };
        let routines = |scope: &Scope| -> BTreeSet<TableName> { scope.functions.values().map(|routine| routine.name.clone()).collect() };
        let dropped = |scope: &Scope| -> BTreeSet<TableName> { scope.dropped.clone() };
        for names in [temporary, created, routines, dropped] {
            self.uncertain.extend(names(self).symmetric_difference(&names(other)).cloned().collect::<Vec<_>>());
        }
    }

    /// Whether both hold the same flows: the end of a loop's analysis.
    pub fn same_flows(&self, other: &Scope) -> bool {
        let columns = |tables: &BTreeMap<String, Bound>| -> Vec<Vec<Flow>> { tables.values().map(column_flows).collect() };
        let created = |tables: &BTreeMap<TableName, Bound>| -> Vec<Vec<Flow>> { tables.values().map(column_flows).collect() };
        self.variables == other.variables
            && self.written == other.written
            && self.error == other.error
            && self.counted == other.counted
            && self.ambiguous == other.ambiguous
            && self.renamed == other.renamed
            && self.uncertain == other.uncertain
            && self.dropped == other.dropped
            && self.added == other.added
            && self.views == other.views
            && columns(&self.temporary) == columns(&other.temporary)
            && created(&self.created) == created(&other.created)
    }

    /// What a definition of the catalog sees of the script: what it has written and made for good, not its names.
    pub fn written_only(&self) -> Scope {
        let lasting = self.functions.iter().filter(|(_, routine)| !routine.name.project.is_empty());
        Scope {
            created: self.created.clone(),
            written: self.written.clone(),
            added: self.added.clone(),
            views: self.views.clone(),
            functions: lasting.map(|(name, routine)| (name.clone(), routine.clone())).collect(),
            renamed: self.renamed.clone(),
            ambiguous: self.ambiguous.clone(),
            uncertain: self.uncertain.clone(),
            dropped: self.dropped.clone(),
            guarded: self.guarded,
            definition: true,
            ..Scope::default()
        }
    }

    /// Whether a definition of the catalog means what it meant before the script.
    pub fn is_untouched(&self) -> bool {
        self.written.is_empty()
            && self.created.is_empty()
            && self.added.is_empty()
            && self.views.is_empty()
            && self.renamed.is_empty()
            && self.functions.values().all(|routine| routine.name.project.is_empty())
    }

    /// Gives a variable a value. Where the assignment may not happen, the old value stays possible. The answer is what decides whether the
    /// value fits; nothing for a variable that is not there.
    pub fn assign(&mut self, name: &str, flow: Flow, may_not_happen: bool) -> Option<Taint> {
        let variable = self.variables.get_mut(&name.to_lowercase())?;
        let fits = if variable.narrow { flow.derived() } else { Taint::new() };
        match may_not_happen {
            true => variable.flow.join(&flow),
            false => variable.flow = flow,
        }
        Some(fits)
    }

    pub fn declare(&mut self, name: &str, kind: Type, flow: Flow) {
        self.variables.insert(name.to_lowercase(), Variable { name: name.to_owned(), kind, flow, narrow: false });
    }

    /// The variable takes only some values of its type from now on.
    pub fn narrow(&mut self, name: &str) {
        if let Some(variable) = self.variables.get_mut(&name.to_lowercase()) {
            variable.narrow = true;
        }
    }

    /// The table's columns as this script sees them, with what it has written there.
    pub fn overlay(&self, bound: &mut Bound) {
        for column in bound.names.iter().filter_map(|name| self.added.get(name)).flatten() {
            if !bound.columns.iter().any(|known| known.name.eq_ignore_ascii_case(&column.name)) {
                bound.columns.push(column.clone());
            }
        }
        let written: Vec<_> = bound.names.iter().filter_map(|name| self.written.get(name)).collect();
        for columns in written {
            for column in &mut bound.columns {
                if let Some(flow) = columns.get(&column.name.to_lowercase()) {
                    column.flow.join(flow);
                }
            }
        }
    }
}

/// The name under which a temporary table stands in reports.
pub(crate) fn temporary_table(name: &str) -> TableName {
    TableName::new("", "_SESSION", name)
}

fn join_maps<Key: Ord + Clone, Value: Clone>(
    mine: &mut BTreeMap<Key, Value>,
    other: &BTreeMap<Key, Value>,
    join: impl Fn(&mut Value, &Value),
) {
    for (name, theirs) in other {
        match mine.get_mut(name) {
            Some(mine) => join(mine, theirs),
            None => drop(mine.insert(name.clone(), theirs.clone())),
        }
    }
}

fn column_flows(table: &Bound) -> Vec<Flow> {
    table.columns.iter().map(|column| column.flow.clone()).collect()
}

pub(crate) fn join_tables(mine: &mut Bound, other: &Bound) {
    let same = mine.columns.len() == other.columns.len()
        && mine.columns.iter().zip(&other.columns).all(|(mine, other)| mine.name == other.name && mine.kind == other.kind);
    if same {
        for (mine, other) in mine.columns.iter_mut().zip(&other.columns) {
            mine.flow.join(&other.flow);
            mine.narrow |= other.narrow;
        }
    } else {
        mine.unresolved.insert("a table that two branches make differently".to_owned());
    }
    mine.rows.extend(other.rows.iter().copied());
    mine.sorted.extend(other.sorted.iter().copied());
    mine.expires |= other.expires;
    mine.unresolved.extend(other.unresolved.iter().cloned());
}

pub(crate) fn bound_columns(columns: &[(String, Type, Flow)]) -> Vec<BoundColumn> {
    let column = |(name, kind, flow): &(String, Type, Flow)| BoundColumn {
        name: name.clone(),
        kind: kind.clone(),
        flow: flow.clone(),
        pseudo: false,
        narrow: false,
    };
    columns.iter().map(column).collect()
}
