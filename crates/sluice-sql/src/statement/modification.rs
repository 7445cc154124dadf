//! INSERT, UPDATE, DELETE, MERGE, TRUNCATE: rows that change, and what reaches them.

use super::Reader;
use crate::flow::Flow;
use crate::kind;
use crate::tree::NodeId;
use crate::walk::{kept_by, uses};
use sluice_model::{Effect, TableName, UseKind};
use std::collections::BTreeSet;

impl Reader<'_, '_> {
    /// Clauses that the engine reads and BigQuery does not have.
    pub(super) fn foreign_clauses(&mut self, root: NodeId) {
        if self.tree.child(root, "returning").is_some() {
            self.walker.unresolved("THEN RETURN".to_owned());
        }
        if self.tree.child(root, "on_conflict_clause").is_some()
            || self.tree.enumerator(root, "insert_mode").is_some_and(|mode| mode != "OR_ERROR")
        {
            self.walker.unresolved("INSERT OR ...".to_owned());
        }
        if self.tree.child(root, "assert_rows_modified").is_some() {
            self.walker.unresolved("ASSERT_ROWS_MODIFIED".to_owned());
        }
    }

    pub(super) fn insert(&mut self, root: NodeId) {
        let target = self.target(root);
        let columns = self.column_names(root, "insert_column_list");
        if let Some(query) = self.tree.child(root, "query") {
            let rows = self.walker.scan(query);
            self.done.rows.extend(rows);
            let ids = self.walker.column_ids(root, "query_output_column_list");
            for ((name, kind), id) in columns.iter().cloned().zip(ids) {
                let flow = self.walker.column(id);
                self.output(name, kind, flow);
            }
        }
        for row in self.tree.children(root, "row_list") {
            self.inserted_row(row, &columns);
        }
        let names = columns.into_iter().map(|(name, _)| name).collect();
        self.wrote(target, names, Effect::Insert);
    }

    fn inserted_row(&mut self, row: NodeId, columns: &[(String, Option<sluice_model::Type>)]) {
        for ((name, kind), value) in columns.iter().cloned().zip(self.tree.children(row, "value_list")) {
            let flow = self.walker.expression_of(value, "value");
            self.output(name, kind, flow);
        }
    }

    pub(super) fn update(&mut self, root: NodeId) {
        let target = self.target(root);
        self.changed(root);
        self.scanned(root, "from_scan");
        self.condition(root, "where_expr", UseKind::Filter);
        let mut columns = Vec::new();
        for item in self.tree.children(root, "update_item_list") {
            self.update_item(item, &mut columns);
        }
        self.forget_written(root);
        self.wrote(target, columns, Effect::Update);
    }

    fn update_item(&mut self, item: NodeId, columns: &mut Vec<String>) {
        let target = self.tree.child(item, "target");
        let name = target.and_then(|target| self.target_path(target));
        let Some(name) = name else {
            self.walker.unresolved("the target of an assignment".to_owned());
            return;
        };
        if self.tree.child(item, "set_value").is_none() {
            // Changes to single elements of an array.
            self.walker.unresolved("an assignment to a part of an array".to_owned());
        }
        let kind = target.and_then(|target| kind::of(self.tree, target));
        let value = self.tree.child(item, "set_value");
        let flow = value.map(|value| self.walker.expression_of(value, "value")).unwrap_or_default();
        columns.push(name.clone());
        self.output(name, kind, flow);
    }

    /// `address.street` for an assignment to a field.
    fn target_path(&self, target: NodeId) -> Option<String> {
        match self.tree.kind(target) {
            "ResolvedColumnRef" => self.tree.text(self.tree.child(target, "column")?, "name").map(str::to_owned),
            "ResolvedGetStructField" => {
                let inner = self.tree.child(target, "expr")?;
                let index = usize::try_from(self.tree.integer(target, "field_idx")?).ok()?;
                let sluice_model::Type::Struct(fields) = kind::of(self.tree, inner)? else { return None };
                Some(format!("{}.{}", self.target_path(inner)?, fields.get(index)?.name))
            }
            _ => None,
        }
    }

    pub(super) fn delete(&mut self, root: NodeId) {
        let target = self.target(root);
        let effect = if self.tree.kind(root) == "ResolvedTruncateStmt" { Effect::Truncate } else { Effect::Delete };
        if effect == Effect::Delete || self.tree.child(root, "where_expr").is_some() {
            self.changed(root);
        }
        self.condition(root, "where_expr", UseKind::Filter);
        self.forget_written(root);
        self.wrote(target, Vec::new(), effect);
    }

    pub(super) fn merge(&mut self, root: NodeId) {
        let target = self.target(root);
        self.changed(root);
        self.scanned(root, "from_scan");
        self.condition(root, "merge_expr", UseKind::Join);
        let mut written = Vec::new();
        for clause in self.tree.children(root, "when_clause_list") {
            self.condition(clause, "match_expr", UseKind::Filter);
            match self.tree.enumerator(clause, "action_type") {
                Some("INSERT") => self.done.effects.insert(Effect::Insert),
                Some("UPDATE") => self.done.effects.insert(Effect::Update),
                Some("DELETE") => self.done.effects.insert(Effect::Delete),
                _ => {
                    self.walker.unresolved("an action of MERGE".to_owned());
                    false
                }
            };
            let columns = self.column_names(clause, "insert_column_list");
            if let Some(row) = self.tree.child(clause, "insert_row") {
                self.inserted_row(row, &columns);
            }
            written.extend(columns.into_iter().map(|(name, _)| name));
            for item in self.tree.children(clause, "update_item_list") {
                self.update_item(item, &mut written);
            }
        }
        self.forget_written(root);
        let mut seen = BTreeSet::new();
        written.retain(|column| seen.insert(column.to_lowercase()));
        self.wrote(target, written, Effect::Merge);
    }

    fn target(&mut self, root: NodeId) -> Option<TableName> {
        let table = self.tree.path(root, &["table_scan", "table"])?;
        let full_name = self.tree.text(table, "full_name")?;
        self.narrow = self.walker.narrow_columns(full_name);
        self.sorted = self.walker.sorted_columns(full_name);
        if let Some(name) = full_name.strip_prefix("temporary ") {
            return Some(crate::scope::temporary_table(name));
        }
        TableName::parse(full_name)
    }

    /// A table whose rows change: BigQuery counts each of its columns.
    fn changed(&mut self, root: NodeId) {
        self.scanned(root, "table_scan");
        if let Some(scan) = self.tree.child(root, "table_scan") {
            self.walker.bill_whole(scan);
        }
    }

    pub(super) fn scanned(&mut self, root: NodeId, field: &str) {
        if let Some(scan) = self.tree.child(root, field) {
            let rows = self.walker.scan(scan);
            self.done.rows.extend(rows);
        }
    }

    pub(super) fn condition(&mut self, node: NodeId, field: &str, kind: UseKind) {
        let taint = self.walker.expression_of(node, field).derived();
        self.done.rows.extend(uses(&taint, kind));
    }

    /// Two clauses of MERGE may assign to one column: one output, either value. A column that refuses some values tells which by failing.
    fn output(&mut self, name: String, kind: Option<sluice_model::Type>, flow: Flow) {
        let column = name.split('.').next().unwrap_or_default().to_lowercase();
        if self.narrow.as_ref().is_none_or(|narrow| narrow.contains(&column)) {
            self.walker.can_fail(&flow.derived());
        }
        for (_, kind, expires) in self.sorted.iter().filter(|(sorted, ..)| *sorted == column) {
            self.done.rows.extend(kept_by(*kind, *expires, &flow));
        }
        match self.done.outputs.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, known)) => known.join(&flow),
            None => self.done.outputs.push((name, kind, flow)),
        }
    }

    fn column_names(&self, node: NodeId, field: &str) -> Vec<(String, Option<sluice_model::Type>)> {
        let column = |column: NodeId| (self.tree.text(column, "name").unwrap_or_default().to_owned(), kind::of(self.tree, column));
        self.tree.children(node, field).into_iter().map(column).collect()
    }

    /// A target of which no column is looked at is not read.
    fn forget_written(&mut self, root: NodeId) {
        let table = self.tree.path(root, &["table_scan", "table"]).and_then(|table| self.tree.text(table, "full_name"));
        let Some(table) = table.and_then(TableName::parse) else { return };
        let reads = &mut self.walker.found.reads;
        let whole = reads.compound.iter().any(|(read, _)| *read == table);
        if !whole && reads.columns.get(&table).is_some_and(BTreeSet::is_empty) {
            reads.columns.remove(&table);
        }
    }
}
