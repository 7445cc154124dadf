//! Scans that compute over groups of rows: analytic functions, samples, PIVOT, UNPIVOT, MATCH_RECOGNIZE.

use super::function::literal;
use super::{UseSet, Walker, uses};
use crate::builtin::Written;
use crate::flow::{Flow, Taint};
use crate::tree::NodeId;
use sluice_model::UseKind;

impl Walker<'_> {
    pub(super) fn analytic_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        for group in self.tree.children(node, "function_group_list") {
            self.analytic_group(group, &mut rows);
        }
        rows
    }

    /// A group outside of a scan.
    pub fn analytic_functions(&mut self, group: NodeId) {
        self.analytic_group(group, &mut UseSet::new());
    }

    /// The keys of a window choose which rows are looked at: they reach each result, and they are a use.
    fn analytic_group(&mut self, group: NodeId, rows: &mut UseSet) {
        let mut keys = Taint::new();
        if let Some(partition) = self.tree.child(group, "partition_by") {
            for key in self.tree.children(partition, "partition_by_list") {
                keys.extend(self.expression(key).derived());
            }
        }
        if let Some(order) = self.tree.child(group, "order_by") {
            keys.extend(self.order_taint(order));
        }
        rows.extend(uses(&keys, UseKind::Window));
        for function in self.tree.children(group, "analytic_function_list") {
            let Some(call) = self.tree.child(function, "expr") else { continue };
            let before = self.failures;
            let flow = self.expression(call).with_whole(&keys);
            if let Some(id) = self.column_id(function, "column") {
                self.bind_computed(id, flow, before);
                self.column_measures.extend(self.measured(call).map(|measure| (id, measure)));
            }
        }
    }

    /// How many rows are drawn, and from where on, may come out of a parameter.
    pub(super) fn sample_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        for field in ["size", "repeatable_argument"] {
            rows.extend(self.deciding(node, field, UseKind::Limit));
        }
        for key in self.tree.children(node, "partition_by_list") {
            let taint = self.expression(key).derived();
            rows.extend(uses(&taint, UseKind::Limit));
        }
        rows
    }

    /// An expression that rows are decided by.
    pub(super) fn deciding(&mut self, node: NodeId, field: &str, kind: UseKind) -> UseSet {
        let taint = self.number(node, field);
        uses(&taint, kind).collect()
    }

    /// A good number that is written down cannot fail. Any other can, and then only where it is come to: whoever decides that is told.
    pub(super) fn number(&mut self, node: NodeId, field: &str) -> Taint {
        let Some(number) = self.tree.child(node, field) else { return Taint::new() };
        let taint = self.expression(number).derived();
        let good = match literal(self.tree, number) {
            Some(Written::Integer(number)) => number >= 0,
            Some(Written::Float(number)) => number >= 0.0,
            _ => false,
        };
        if !good {
            self.can_fail(&taint);
        }
        taint
    }

    pub(super) fn pivot_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        self.computed(node, "group_by_list");
        rows.extend(self.group_uses(node));
        let mut chosen = Taint::new();
        if let Some(expression) = self.tree.child(node, "for_expr") {
            chosen.extend(self.expression(expression).derived());
        }
        for value in self.tree.children(node, "pivot_value_list") {
            chosen.extend(self.expression(value).derived());
        }
        rows.extend(uses(&chosen, UseKind::Pivot));
        let before = self.failures;
        let results: Vec<Flow> = self.tree.children(node, "pivot_expr_list").into_iter().map(|call| self.expression(call)).collect();
        for column in self.tree.children(node, "pivot_column_list") {
            let index = self.tree.integer(column, "pivot_expr_index").and_then(|index| usize::try_from(index).ok());
            let Some(flow) = index.and_then(|index| results.get(index)) else { continue };
            if let Some(id) = self.column_id(column, "column") {
                // A count of the rows that have a value of the FOR column is not a plain count any more.
                let flow = if chosen.is_empty() { flow.clone() } else { flow.clone().with_whole(&chosen) };
                self.bind_computed(id, flow, before);
            }
        }
        rows
    }

    pub(super) fn unpivot_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        let values = self.column_ids(node, "value_column_list");
        let before = self.failures;
        let mut flows = vec![Flow::nothing(); values.len()];
        for argument in self.tree.children(node, "unpivot_arg_list") {
            for (sum, column) in flows.iter_mut().zip(self.tree.children(argument, "column_list")) {
                let flow = self.expression(column);
                if !self.tree.boolean(node, "include_nulls") {
                    rows.extend(uses(&flow.outline(), UseKind::Rows));
                }
                sum.join(&flow);
            }
        }
        for (id, flow) in values.into_iter().zip(flows) {
            self.bind_computed(id, flow, before);
        }
        if let Some(id) = self.column_id(node, "label_column") {
            self.bind(id, Flow::default());
        }
        self.computed(node, "projected_input_column_list");
        rows
    }

    /// How often a part of a pattern repeats may come out of a parameter.
    fn pattern(&mut self, pattern: NodeId, rows: &mut UseSet) {
        for bound in ["lower_bound", "upper_bound"] {
            rows.extend(self.deciding(pattern, bound, UseKind::Filter));
        }
        let parts = self.tree.all_children(pattern).into_iter();
        let parts: Vec<NodeId> = parts.filter(|part| self.tree.kind(*part).starts_with("ResolvedMatchRecognizePattern")).collect();
        for part in parts {
            if !self.descend() {
                return;
            }
            self.pattern(part, rows);
            self.ascend();
        }
    }

    /// Which rows match is decided by the window and the definitions; measures are aggregates over the rows that matched.
    pub(super) fn match_recognize_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        for field in ["match_number_column", "match_row_number_column", "classifier_column"] {
            if let Some(id) = self.column_id(node, field) {
                self.bind(id, Flow::default());
            }
        }
        for group in self.tree.children(node, "analytic_function_group_list") {
            self.analytic_group(group, &mut rows);
        }
        for definition in self.tree.children(node, "pattern_variable_definition_list") {
            if let Some(predicate) = self.tree.child(definition, "predicate") {
                let taint = self.expression(predicate).derived();
                rows.extend(uses(&taint, UseKind::Filter));
            }
        }
        for option in self.tree.children(node, "option_list") {
            if let Some(value) = self.tree.child(option, "value") {
                let taint = self.expression(value).derived();
                rows.extend(uses(&taint, UseKind::Filter));
            }
        }
        if let Some(pattern) = self.tree.child(node, "pattern") {
            self.pattern(pattern, &mut rows);
        }
        for group in self.tree.children(node, "measure_group_list") {
            self.computed(group, "aggregate_list");
        }
        rows
    }
}
