//! One resolved statement -> what it does.

mod alteration;
mod definition;
mod kinds;
mod modification;
mod remember;

use crate::analyzer::{Analyzer, Refusal, output_columns};
use crate::binding::Binding;
use crate::flow::Flow;
use crate::scope::Scope;
use crate::tree::{NodeId, Tree};
use crate::walk::{Found, UseSet, Walker, uses};
use crate::wording::spoken;
use sluice_model::{Effect, FOREIGN_STATEMENTS, TableName, Type, UseKind};
use std::collections::BTreeSet;

pub(crate) use kinds::statement_type;

/// A statement, understood; its flows not yet written out.
#[derive(Default)]
pub(crate) struct Understood {
    pub kind: String,
    pub effects: BTreeSet<Effect>,
    pub outputs: Vec<(String, Option<Type>, Flow)>,
    pub rows: UseSet,
    pub found: Found,
    pub writes: Vec<Written>,
    /// URIs that it reads from or writes to.
    pub locations: BTreeSet<String>,
    /// What the table keeps its rows sorted or apart by that is the pattern for a new one, and whether old ones go.
    pub pattern: Vec<(String, UseKind, bool)>,
}

pub(crate) struct Written {
    pub table: TableName,
    pub columns: Vec<String>,
    pub effect: Effect,
}

/// What the parts of one statement are read with.
pub(crate) struct Reader<'a, 'b> {
    pub analyzer_names: &'a Names<'b>,
    pub walker: Walker<'a>,
    pub tree: &'a Tree,
    pub done: Understood,
    /// Columns of the table that rows are written to, in lower case, that refuse some values of their type. Nothing: each may.
    pub narrow: Option<BTreeSet<String>>,
    /// Columns of that table, in lower case, that it keeps its rows sorted or apart by, and whether old ones go.
    pub sorted: Vec<(String, UseKind, bool)>,
}

/// Canonical names of what a statement defines.
pub(crate) struct Names<'b> {
    pub scope: &'b Scope,
    pub canonical: &'b dyn Fn(&[String]) -> Option<TableName>,
}

impl Analyzer<'_> {
    pub(crate) fn understand(&mut self, tree: &Tree, binding: &Binding, scope: &mut Scope) -> Result<Understood, Refusal> {
        let root = tree.root.ok_or_else(|| Refusal::new("the engine gave no statement"))?;
        let mut sources = std::mem::take(&mut self.sources);
        let mut done = {
            let this = &*self;
            let seen = &*scope;
            let canonical = |path: &[String]| this.canonical(path, seen);
            let names = Names { scope: seen, canonical: &canonical };
            let walker = Walker::new(tree, &binding.world, &mut sources, this.engine);
            let mut reader = Reader { analyzer_names: &names, walker, tree, done: Understood::default(), narrow: None, sorted: Vec::new() };
            reader.statement(root);
            reader.walker.look_everywhere();
            let Reader { walker, mut done, .. } = reader;
            done.found = walker.found;
            // A view or a table function is only defined: nothing is written yet.
            if !matches!(done.kind.as_str(), "CREATE_VIEW" | "CREATE_MATERIALIZED_VIEW" | "CREATE_TABLE_FUNCTION") {
                done.found.can_hold_null(done.outputs.iter().map(|(_, _, flow)| flow));
            }
            done
        };
        self.sources = sources;
        alteration::move_columns(tree, root, &mut done, self, scope)?;
        alteration::expire(tree, root, &mut done, self, scope)?;
        self.engine.still_time()?;
        done.found.include_opened(&binding.world);
        if !done.found.reads.columns.is_empty() || !done.found.reads.compound.is_empty() {
            done.effects.insert(Effect::Read);
        }
        done.effects.extend(done.found.effects.iter().copied());
        remember::remember(tree, root, &done, self, scope);
        Ok(done)
    }
}

impl Reader<'_, '_> {
    fn statement(&mut self, root: NodeId) {
        let kind = self.tree.kind(root);
        let Some((name, effects)) = statement_type(self.tree, root) else {
            match FOREIGN_STATEMENTS.iter().find(|(known, _)| *known == kind) {
                Some((_, text)) => self.walker.unresolved((*text).to_owned()),
                None => self.walker.unresolved_at(root, format!("`{}` is no statement that is known here", spoken(kind))),
            }
            self.done.kind = kind.to_owned();
            return;
        };
        self.done.kind = name;
        self.done.effects.extend(effects);
        self.foreign_clauses(root);
        match kind {
            "ResolvedQueryStmt" => self.produced(root),
            "ResolvedInsertStmt" => self.insert(root),
            "ResolvedUpdateStmt" => self.update(root),
            "ResolvedDeleteStmt" | "ResolvedTruncateStmt" => self.delete(root),
            "ResolvedMergeStmt" => self.merge(root),
            "ResolvedAssertStmt" => {
                let taint = self.walker.expression_of(root, "expression").derived();
                self.done.rows.extend(uses(&taint, UseKind::Assert));
            }
            _ => self.define(root),
        }
    }

    /// A query and the columns that it produces.
    pub(crate) fn produced(&mut self, node: NodeId) {
        if let Some(query) = self.tree.child(node, "query") {
            let rows = self.walker.scan(query);
            self.done.rows.extend(rows);
        }
        let columns = output_columns(&mut self.walker, node);
        self.done.outputs.extend(columns);
    }

    pub(crate) fn wrote(&mut self, table: Option<TableName>, columns: Vec<String>, effect: Effect) {
        match table {
            Some(table) => self.done.writes.push(Written { table, columns, effect }),
            None => self.walker.unresolved("the name of what is written".to_owned()),
        }
    }

    /// The canonical name of a `name_path`.
    pub(crate) fn named(&self, node: NodeId, field: &str) -> Option<TableName> {
        let path: Vec<String> = self.tree.texts(node, field).into_iter().map(str::to_owned).collect();
        if let [name] = path.as_slice()
            && self.analyzer_names.scope.temporary.contains_key(&name.to_lowercase())
        {
            return Some(crate::scope::temporary_table(name));
        }
        (self.analyzer_names.canonical)(&path)
    }
}
