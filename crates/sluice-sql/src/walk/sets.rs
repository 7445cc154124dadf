//! Scans that stand for other scans: set operations, recursion, common table expressions.

use super::{Measure, Origins, Unread, UseSet, Walker, WithEntry, rows_taint, uses};
use crate::flow::Flow;
use crate::tree::NodeId;
use sluice_model::UseKind;

impl Walker<'_> {
    pub(super) fn set_scan(&mut self, node: NodeId) -> UseSet {
        let operation = self.tree.enumerator(node, "op_type").unwrap_or_default();
        let outputs = self.column_ids(node, "column_list");
        let mut sums = vec![
            Unread { flow: Flow::nothing(), origins: Origins::new(), fallible: false, measure: Some(Measure::NOTHING) };
            outputs.len()
        ];
        let mut rows = UseSet::new();
        for (position, item) in self.tree.children(node, "input_item_list").into_iter().enumerate() {
            let columns = self.set_item(item, &mut rows);
            if operation != "UNION_ALL" {
                self.compared_rows(&columns, &mut rows);
            }
            // The right side of EXCEPT takes rows away; its values go nowhere.
            if position > 0 && operation.starts_with("EXCEPT") {
                continue;
            }
            sums.iter_mut().zip(&columns).for_each(|(sum, column)| sum.join(column));
        }
        for (id, sum) in outputs.into_iter().zip(sums) {
            self.bind_again(id, sum);
        }
        rows
    }

    /// Rows that are the same as others are left out.
    fn compared_rows(&mut self, columns: &[Unread], rows: &mut UseSet) {
        for column in columns {
            rows.extend(uses(&column.flow.derived(), UseKind::Set));
            column.origins.iter().for_each(|origin| self.touch(origin));
        }
    }

    fn set_item(&mut self, item: NodeId, rows: &mut UseSet) -> Vec<Unread> {
        if let Some(scan) = self.tree.child(item, "scan") {
            rows.extend(self.scan(scan));
        }
        self.column_ids(item, "output_column_list").into_iter().map(|id| self.unread_column(id)).collect()
    }

    /// Walks the recursive term again until nothing new reaches it. Flows only grow and sources are finite, so it ends.
    pub(super) fn recursive_scan(&mut self, node: NodeId) -> UseSet {
        let outputs = self.column_ids(node, "column_list");
        let distinct = self.tree.enumerator(node, "op_type") != Some("UNION_ALL");
        let mut rows = UseSet::new();
        let mut columns = match self.tree.child(node, "non_recursive_term") {
            Some(term) => self.set_item(term, &mut rows),
            None => Vec::new(),
        };
        // Round by round a number can grow beyond whatever it was at first.
        columns.iter_mut().for_each(|column| column.measure = None);
        if let Some(modifier) = self.tree.child(node, "recursion_depth_modifier") {
            let depth = self.tree.child(modifier, "recursion_depth_column").and_then(|holder| self.column_id(holder, "column"));
            if let Some(id) = depth {
                self.bind(id, Flow::default());
            }
            for bound in ["lower_bound", "upper_bound"] {
                rows.extend(self.deciding(modifier, bound, UseKind::Limit));
            }
        }
        loop {
            let before = (columns.clone(), rows.clone());
            self.recursive.push(WithEntry { columns: columns.clone(), rows: rows.clone(), ..WithEntry::default() });
            if let Some(term) = self.tree.child(node, "recursive_term") {
                let again = self.set_item(term, &mut rows);
                columns.iter_mut().zip(&again).for_each(|(sum, column)| sum.join(column));
            }
            self.recursive.pop();
            if before == (columns.clone(), rows.clone()) {
                break;
            }
        }
        if distinct {
            self.compared_rows(&columns, &mut rows);
        }
        // Rounds without an end are ended by BigQuery. What decides the rows decides whether they end before.
        self.can_fail(&rows_taint(&rows));
        for (id, column) in outputs.into_iter().zip(columns) {
            self.bind_again(id, column);
        }
        rows
    }

    pub(super) fn recursive_reference(&mut self, node: NodeId) -> UseSet {
        let Some(entry) = self.recursive.last().cloned() else {
            self.unresolved("recursive reference outside of its query".to_owned());
            return UseSet::new();
        };
        self.bind_entry(node, entry)
    }

    /// Names are local: a function that was put in place may use one that the statement uses too.
    pub(super) fn with_scan(&mut self, node: NodeId) -> UseSet {
        let outer = self.with.clone();
        let rows = self.with_query(node);
        self.with = outer;
        rows
    }

    fn with_query(&mut self, node: NodeId) -> UseSet {
        for entry in self.tree.children(node, "with_entry_list") {
            let Some(query) = self.tree.child(entry, "with_subquery") else { continue };
            let name = self.tree.text(entry, "with_query_name").unwrap_or_default().to_owned();
            let before = self.failures;
            let rows = self.scan(query);
            let columns = self.column_ids(query, "column_list").into_iter().map(|id| self.unread_column(id)).collect();
            let single = self.single_row(query);
            self.with.insert(name, WithEntry { columns, rows, fails: self.failures != before, single });
        }
        match self.tree.child(node, "query") {
            Some(query) => self.scan(query),
            None => UseSet::new(),
        }
    }

    pub(super) fn with_reference(&mut self, node: NodeId) -> UseSet {
        let name = self.tree.text(node, "with_query_name").unwrap_or_default();
        let Some(entry) = self.with.get(name).cloned() else {
            self.unresolved(format!("common table expression `{name}`"));
            return UseSet::new();
        };
        if entry.single {
            self.single.insert(node);
        }
        self.bind_entry(node, entry)
    }

    fn bind_entry(&mut self, node: NodeId, entry: WithEntry) -> UseSet {
        for (id, column) in self.column_ids(node, "column_list").into_iter().zip(entry.columns) {
            self.bind_again(id, column);
        }
        if entry.fails {
            self.failures += 1;
        }
        entry.rows
    }
}
