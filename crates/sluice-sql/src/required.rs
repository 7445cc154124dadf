//! The first phase: which tables, routines and models a text names, so that the catalog is asked for these and for nothing else.

use crate::analyze::{Request, readable};
use crate::analyzer::{Analyzer, Refusal};
use crate::builtin;
use crate::catalog::{Language, RoutineKind, TableKind};
use crate::engine::{Engine, Fault};
use crate::naming::{Defaults, Own, changed_defaults, looped_queries, overlooked_queries, own_names, procedure_bodies};
use crate::routine::without_safe;
use crate::text::{self, Names, Prepared};
use crate::tree::NodeId;
use crate::wording::bounded;
use sluice_model::{Refused, TableName};
use std::collections::BTreeSet;

/// Grammar that looks like a call: places in an array, `WEEK(MONDAY)`.
const NO_FUNCTIONS: [&str; 6] = ["KEY", "OFFSET", "ORDINAL", "SAFE_OFFSET", "SAFE_ORDINAL", "WEEK"];

/// What a text names, as far as it is known yet. Ask again after the catalog has answered: what is opened names more.
///
/// What is not there goes into the snapshot's `absent`. A name with a star means every table that begins so: when all of them stand in the
/// snapshot, the star's own name goes into `absent` as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Required {
    pub tables: Vec<TableName>,
    pub routines: Vec<TableName>,
    pub models: Vec<TableName>,
}

impl Required {
    /// What of it the snapshot says nothing of.
    pub fn missing_in(&self, snapshot: &crate::catalog::Snapshot) -> Required {
        let names = |wanted: &[TableName], is_known: &dyn Fn(&TableName) -> bool| {
            wanted.iter().filter(|name| !is_known(name) && !snapshot.absent.contains(*name)).cloned().collect()
        };
        Required {
            tables: names(&self.tables, &|name| snapshot.tables.contains_key(name)),
            routines: names(&self.routines, &|name| snapshot.routines.contains_key(name)),
            models: names(&self.models, &|name| snapshot.models.contains_key(name)),
        }
    }
}

/// The names of a text, and of everything that the snapshot already shows behind them.
pub fn required(engine: &dyn Engine, request: &Request, snapshot: &crate::catalog::Snapshot) -> Result<Required, Refused> {
    let refused = |refusal: Refusal| Refused { reason: bounded(refusal.reason) };
    readable(request).map_err(refused)?;
    let mut finder = Finder { analyzer: Analyzer::new(engine, snapshot), found: Found::default(), waiting: Vec::new() };
    let prepared = finder.analyzer.prepare(&request.text).map_err(refused)?;
    let defaults = Defaults { project: request.project.clone(), dataset: request.default_dataset.clone() };
    finder.text(&prepared, &defaults).map_err(refused)?;
    let mut seen = BTreeSet::new();
    while let Some((text, defaults)) = finder.waiting.pop() {
        if !seen.insert((text.clone(), defaults.clone())) {
            continue;
        }
        // A definition that cannot be read: the analysis says so, and where.
        let Ok(prepared) = finder.analyzer.prepare(&text) else { continue };
        finder.text(&prepared, &defaults).map_err(refused)?;
    }
    let Found { tables, routines, models } = finder.found;
    Ok(Required { tables: tables.into_iter().collect(), routines: routines.into_iter().collect(), models: models.into_iter().collect() })
}

struct Finder<'a> {
    analyzer: Analyzer<'a>,
    found: Found,
    /// Texts still to be read, each with what its short names mean.
    waiting: Vec<(String, Defaults)>,
}

#[derive(Default)]
struct Found {
    tables: BTreeSet<TableName>,
    routines: BTreeSet<TableName>,
    models: BTreeSet<TableName>,
}

impl Finder<'_> {
    /// One text. Where it changes its defaults, statement by statement; where it may have changed them, with the old and the new.
    fn text(&mut self, prepared: &Prepared, defaults: &Defaults) -> Result<(), Refusal> {
        let tree = &prepared.tree;
        let Some(root) = tree.root else { return Ok(()) };
        let own = own_names(tree, root);
        let mut meanings = BTreeSet::from([defaults.clone()]);
        if self.changed(prepared, root, defaults).is_empty() {
            return self.part(prepared, root, &meanings, &own);
        }
        let list = tree.child(root, "statement_list_node");
        for statement in list.map(|list| tree.children(list, "statement_list")).unwrap_or_default() {
            let mut changed = BTreeSet::new();
            meanings.iter().for_each(|old| changed.extend(self.changed(prepared, statement, old)));
            if tree.kind(statement) == "ASTSystemVariableAssignment" {
                self.part(prepared, statement, &meanings, &own)?;
                meanings = if changed.is_empty() { meanings } else { changed };
            } else {
                meanings.extend(changed);
                self.part(prepared, statement, &meanings, &own)?;
            }
        }
        Ok(())
    }

    /// What the defaults may be behind a node, by its own statements and by the texts that it runs.
    fn changed(&mut self, prepared: &Prepared, node: NodeId, defaults: &Defaults) -> Vec<Defaults> {
        let mut found = changed_defaults(&prepared.tree, node, defaults);
        for literal in text::names(&prepared.tree, node).dynamic {
            let Ok(inner) = self.analyzer.prepare(&literal) else { continue };
            found.extend(inner.tree.root.map(|root| changed_defaults(&inner.tree, root, defaults)).unwrap_or_default());
        }
        found
    }

    fn part(&mut self, prepared: &Prepared, node: NodeId, meanings: &BTreeSet<Defaults>, own: &Own) -> Result<(), Refusal> {
        let names = text::names(&prepared.tree, node);
        let tables = self.tables(prepared, node, &names)?;
        for defaults in meanings {
            tables.iter().filter(|path| !own.hides_table(path)).for_each(|path| self.table(path, defaults));
            let functions = names.functions.iter().chain(&names.table_functions).filter(|path| !own.hides_function(path));
            functions.chain(&names.procedures).for_each(|path| self.routine(path, defaults));
            names.models.iter().for_each(|path| self.model(path, defaults));
            self.waiting.extend(names.dynamic.iter().map(|literal| (literal.clone(), defaults.clone())));
            // A procedure's body has no default dataset.
            let within = Defaults { project: defaults.project.clone(), dataset: None };
            self.waiting.extend(procedure_bodies(prepared, node).map(|body| (body, within.clone())));
        }
        Ok(())
    }

    /// The engine tells tables from common table expressions and from arrays of an alias. It skips the query of a FOR, the
    /// clauses QUALIFY and WINDOW, and what only changes.
    fn tables(&self, prepared: &Prepared, node: NodeId, names: &Names) -> Result<BTreeSet<Vec<String>>, Refusal> {
        let mut tables: BTreeSet<Vec<String>> = names.altered.iter().chain(&names.loaded).cloned().collect();
        let whole = prepared.slice(node).unwrap_or(&prepared.text);
        for piece in std::iter::once(whole).chain(looped_queries(prepared, node)).chain(overlooked_queries(prepared, node)) {
            match self.analyzer.engine.table_names(piece) {
                Ok(found) => tables.extend(found),
                // What can be parsed as a whole and not alone: all that looks like a table.
                Err(Fault::Invalid { .. }) => tables.extend(names.tables.iter().cloned()),
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(tables)
    }

    fn table(&mut self, path: &[String], defaults: &Defaults) {
        let Some(name) = self.analyzer.canonical(path, &defaults.scope()) else { return };
        let snapshot = self.analyzer.catalog.whole();
        match snapshot.tables.get(&name).map(|table| &table.kind) {
            Some(TableKind::View { query, legacy: false, .. }) => self.waiting.push((query.clone(), Defaults::of(&name))),
            None if !snapshot.absent.contains(&name) && !builtin::is_bigquery_view(&name.table) => {
                self.found.tables.insert(name);
            }
            _ => {}
        }
    }

    fn routine(&mut self, path: &[String], defaults: &Defaults) {
        let path = without_safe(path);
        let dotted = path.join(".");
        let builtin = !builtin::table().entries(&dotted).is_empty() || self.analyzer.engine.has_function(&dotted);
        if builtin || NO_FUNCTIONS.iter().any(|word| word.eq_ignore_ascii_case(&dotted)) {
            return;
        }
        let Some(name) = self.analyzer.canonical(path, &defaults.scope()) else { return };
        let snapshot = self.analyzer.catalog.whole();
        match snapshot.routines.get(&name) {
            Some(routine) if routine.language == Language::Sql => {
                let body = match routine.kind {
                    RoutineKind::Procedure | RoutineKind::TableFunction => routine.body.clone(),
                    RoutineKind::AggregateFunction | RoutineKind::ScalarFunction => format!("SELECT (\n{}\n)", routine.body),
                };
                self.waiting.push((body, Defaults::of(&name)));
            }
            None if !snapshot.absent.contains(&name) => drop(self.found.routines.insert(name)),
            _ => {}
        }
    }

    fn model(&mut self, path: &[String], defaults: &Defaults) {
        let Some(name) = self.analyzer.canonical(path, &defaults.scope()) else { return };
        let snapshot = self.analyzer.catalog.whole();
        if !snapshot.models.contains_key(&name) && !snapshot.absent.contains(&name) {
            self.found.models.insert(name);
        }
    }
}
