//! Scans: where rows come from and what decides them.

use super::function::literal;
use super::{Origin, Origins, Unread, UseSet, Walker, rows_taint, uses};
use crate::builtin::Demand;
use crate::flow::{Flow, Taint, Way};
use crate::tree::NodeId;
use crate::wording::spoken;
use crate::world::Bound;
use sluice_model::UseKind;

impl Walker<'_> {
    /// Binds the scan's columns and gives back what decides its rows.
    pub fn scan(&mut self, node: NodeId) -> UseSet {
        if !self.descend() {
            return UseSet::new();
        }
        let rows = self.scan_by_kind(node);
        for id in self.column_ids(node, "column_list") {
            if !self.columns.contains_key(&id) {
                let kind = self.tree.kind(node);
                self.unresolved(format!("column {id} of {kind} has no known source"));
                self.bind(id, Flow::default());
            }
        }
        self.ascend();
        rows
    }

    fn scan_by_kind(&mut self, node: NodeId) -> UseSet {
        match self.tree.kind(node) {
            "ResolvedSingleRowScan" => UseSet::new(),
            "ResolvedTableScan" => self.table_scan(node),
            "ResolvedProjectScan" => self.project_scan(node),
            "ResolvedFilterScan" => self.conditioned_scan(node, "filter_expr", UseKind::Filter),
            "ResolvedJoinScan" => self.join_scan(node),
            "ResolvedArrayScan" => self.array_scan(node),
            "ResolvedAggregateScan" | "ResolvedAggregationThresholdAggregateScan" => self.aggregate_scan(node),
            "ResolvedAnonymizedAggregateScan" | "ResolvedDifferentialPrivacyAggregateScan" => self.aggregate_scan(node),
            "ResolvedAnalyticScan" => self.analytic_scan(node),
            "ResolvedOrderByScan" => self.order_scan(node),
            "ResolvedLimitOffsetScan" => self.limit_scan(node),
            "ResolvedSetOperationScan" => self.set_scan(node),
            "ResolvedRecursiveScan" => self.recursive_scan(node),
            "ResolvedRecursiveRefScan" => self.recursive_reference(node),
            "ResolvedWithScan" => self.with_scan(node),
            "ResolvedWithRefScan" => self.with_reference(node),
            "ResolvedPivotScan" => self.pivot_scan(node),
            "ResolvedUnpivotScan" => self.unpivot_scan(node),
            "ResolvedSampleScan" => self.sample_scan(node),
            "ResolvedBarrierScan" => self.input(node),
            "ResolvedAssertScan" => self.assert_scan(node),
            "ResolvedMatchRecognizeScan" => self.match_recognize_scan(node),
            "ResolvedTVFScan" => self.table_function_scan(node),
            "ResolvedRelationArgumentScan" => self.argument_scan(node),
            kind => self.unknown_scan(node, kind),
        }
    }

    pub(super) fn input(&mut self, node: NodeId) -> UseSet {
        match self.tree.child(node, "input_scan") {
            Some(input) => self.scan(input),
            None => UseSet::new(),
        }
    }

    fn table_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = UseSet::new();
        let name = self.tree.child(node, "table").and_then(|table| self.tree.text(table, "full_name")).unwrap_or_default();
        let Some(bound) = self.world.tables.get(name) else {
            self.unresolved(format!("table `{name}`"));
            return rows;
        };
        let clock = self.clock_of(bound, node);
        rows.extend(uses(&clock, UseKind::Filter));
        let indexes = self.tree.integers(node, "column_index_list");
        for (id, index) in self.column_ids(node, "column_list").into_iter().zip(indexes) {
            // Names in an answer lie after functions were put in place; positions do not.
            let Some(column) = usize::try_from(index).ok().and_then(|index| bound.columns.get(index)) else { continue };
            let place = usize::try_from(index).ok();
            let origins = place.map(|index| Origin { table: name.to_owned(), index }).into_iter().collect();
            let fallible = place.is_some_and(|index| bound.fallible.contains(&index));
            // A row of a table may have been written without it.
            self.bind_again(id, Unread { flow: column.flow.clone().or_null().with_whole(&clock), origins, fallible, measure: None });
            self.bill(bound, column);
        }
        rows.extend(sorted_by(bound));
        self.found.weighed.extend(bound.weighed.iter().copied());
        self.found.bill_all(&bound.billed);
        self.read_through(bound, &rows_taint(&bound.rows));
        for table in bound.names.iter().chain(&bound.base) {
            self.found.reads.columns.entry(table.clone()).or_default();
        }
        self.found.errors.extend(bound.errors.iter().copied());
        self.found.reads_files |= bound.external;
        self.found.historical.extend(bound.historical.iter().cloned());
        if bound.fails {
            self.failures += 1;
            self.found.fails = true;
        }
        self.found.effects.extend(bound.effects.iter().copied());
        self.found.routines.extend(bound.routines.iter().cloned());
        self.found.unresolved.extend(bound.unresolved.iter().cloned());
        rows.extend(bound.rows.iter().copied());
        if let Some(time) = self.tree.child(node, "for_system_time_expr") {
            let taint = self.expression(time).derived();
            rows.extend(uses(&taint, UseKind::Filter));
            self.read_as_it_was(node, bound);
        }
        rows
    }

    /// What a table tells of the time: by its own columns, or by which of its rows were there at a moment.
    fn clock_of(&mut self, bound: &Bound, scan: NodeId) -> Taint {
        if !bound.tells_time && self.tree.child(scan, "for_system_time_expr").is_none() {
            return Taint::new();
        }
        self.found.reads_clock = true;
        self.world.clock.clone()
    }

    fn project_scan(&mut self, node: NodeId) -> UseSet {
        let rows = self.input(node);
        self.computed(node, "expr_list");
        rows
    }

    /// Binds a list of `ResolvedComputedColumn`s, in their order.
    pub(super) fn computed(&mut self, node: NodeId, field: &str) {
        for computed in self.tree.children(node, field) {
            let Some(expression) = self.tree.child(computed, "expr") else { continue };
            self.collecting.push(Origins::new());
            let before = self.failures;
            let flow = self.expression(expression);
            let origins = self.collecting.pop().unwrap_or_default();
            if self.failures != before {
                self.fallible.extend(self.column_id(computed, "column"));
            }
            if let Some(side) = self.column_id(computed, "side_effect_column") {
                self.bind_unread(side, Flow::of(flow.derived()), origins.clone());
            }
            if let Some(id) = self.column_id(computed, "column") {
                self.bind_unread(id, flow, origins);
                self.column_measures.extend(self.measured(expression).map(|measure| (id, measure)));
            }
        }
    }

    fn conditioned_scan(&mut self, node: NodeId, field: &str, kind: UseKind) -> UseSet {
        let mut rows = self.input(node);
        if let Some(condition) = self.tree.child(node, field) {
            let taint = self.expression(condition).derived();
            rows.extend(uses(&taint, kind));
        }
        rows
    }

    fn join_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = UseSet::new();
        for side in ["left_scan", "right_scan"] {
            if let Some(scan) = self.tree.child(node, side) {
                rows.extend(self.scan(scan));
            }
        }
        if let Some(condition) = self.tree.child(node, "join_expr") {
            let taint = self.expression(condition).derived();
            rows.extend(uses(&taint, UseKind::Join));
        }
        // Where one side has no row that fits, its columns are NULL.
        let padded: &[&str] = match self.tree.enumerator(node, "join_type") {
            None | Some("INNER") => &[],
            Some("LEFT") => &["right_scan"],
            Some("RIGHT") => &["left_scan"],
            Some(_) => &["left_scan", "right_scan"],
        };
        for side in padded {
            let ids = self.tree.child(node, side).map(|scan| self.column_ids(scan, "column_list")).unwrap_or_default();
            self.blank(&ids);
        }
        rows
    }

    /// The length of each array decides rows, also where only its offset is looked at.
    fn array_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        let elements = self.column_ids(node, "element_column_list");
        let mut lengths = Taint::new();
        let arrays = self.tree.children(node, "array_expr_list");
        let padded = self.tree.boolean(node, "is_outer") || arrays.len() > 1;
        for (position, array) in arrays.into_iter().enumerate() {
            let before = self.failures;
            let flow = self.expression(array);
            rows.extend(uses(&flow.outline(), UseKind::Rows));
            lengths.extend(flow.outline());
            if let Some(id) = elements.get(position) {
                let element = if padded { flow.element().or_null() } else { flow.element() };
                self.bind_computed(*id, element, before);
            }
        }
        if let Some(offset) = self.tree.child(node, "array_offset_column").and_then(|holder| self.column_id(holder, "column")) {
            // The positions are the same whatever stands there; how many there are is a use.
            self.bind(offset, Flow::default());
        }
        for (field, kind) in [("join_expr", UseKind::Join), ("array_zip_mode", UseKind::Rows)] {
            if let Some(expression) = self.tree.child(node, field) {
                let taint = self.expression(expression).derived();
                rows.extend(uses(&taint, kind));
                if field == "array_zip_mode" {
                    // STRICT fails where one array is longer than another.
                    lengths.extend(taint);
                    self.can_fail(&lengths);
                }
            }
        }
        rows
    }

    fn aggregate_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        self.computed(node, "group_by_list");
        rows.extend(self.group_uses(node));
        if !self.tree.children(node, "grouping_set_list").is_empty() {
            // A key that is not of the set is NULL.
            let keys: Vec<i64> =
                self.tree.children(node, "group_by_list").into_iter().filter_map(|key| self.column_id(key, "column")).collect();
            self.blank(&keys);
        }
        self.computed(node, "aggregate_list");
        let unit = self.privacy_unit(node);
        rows.extend(uses(&unit, UseKind::Group));
        if self.tree.kind(node) == "ResolvedDifferentialPrivacyAggregateScan" {
            // How much of each unit comes in depends on which rows belong to it.
            for computed in self.tree.children(node, "aggregate_list") {
                if let Some(id) = self.column_id(computed, "column") {
                    let flow = self.column(id).with_whole(&unit);
                    self.bind(id, flow);
                }
            }
        }
        for call in self.tree.children(node, "grouping_call_list") {
            if let Some(id) = self.column_id(call, "output_column") {
                self.bind(id, Flow::default());
            }
        }
        for field in ["k_threshold_expr", "group_selection_threshold_expr"] {
            if let Some(threshold) = self.tree.child(node, field) {
                let taint = self.expression(threshold).derived();
                rows.extend(uses(&taint, UseKind::Filter));
            }
        }
        rows
    }

    fn privacy_unit(&mut self, node: NodeId) -> Taint {
        let mut unit = Taint::new();
        for field in ["option_list", "anonymization_option_list"] {
            for option in self.tree.children(node, field) {
                unit.extend(self.child_expression(option, "value").derived());
            }
        }
        unit
    }

    pub(super) fn group_uses(&mut self, node: NodeId) -> UseSet {
        let keys = self.tree.children(node, "group_by_list");
        let mut rows = UseSet::new();
        for key in keys {
            if let Some(id) = self.column_id(key, "column") {
                let taint = self.column(id).derived();
                rows.extend(uses(&taint, UseKind::Group));
            }
        }
        rows
    }

    fn order_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        let taint = self.order_taint(node);
        rows.extend(uses(&taint, UseKind::Order));
        rows
    }

    /// Everything that an `order_by_item_list` looks at.
    pub(super) fn order_taint(&mut self, node: NodeId) -> Taint {
        let mut taint = Taint::new();
        for item in self.tree.children(node, "order_by_item_list") {
            if let Some(key) = self.tree.child(item, "column_ref") {
                taint.extend(self.expression(key).derived());
            }
            if let Some(collation) = self.tree.child(item, "collation_name") {
                taint.extend(self.expression(collation).derived());
                let known = literal(self.tree, collation).is_some_and(|name| Demand::Collation.is_met_by(&name));
                if !known {
                    self.can_fail(&taint);
                }
            }
        }
        taint
    }

    fn limit_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        for field in ["limit", "offset"] {
            rows.extend(self.deciding(node, field, UseKind::Limit));
        }
        rows
    }

    fn assert_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = self.input(node);
        for field in ["condition", "message"] {
            if let Some(expression) = self.tree.child(node, field) {
                let taint = self.expression(expression).derived();
                self.can_fail(&taint);
                rows.extend(uses(&taint, UseKind::Assert));
            }
        }
        rows
    }

    /// A table argument inside the body of a table function that is being created: it has no rows yet.
    fn argument_scan(&mut self, node: NodeId) -> UseSet {
        for id in self.column_ids(node, "column_list") {
            self.bind(id, Flow::default());
        }
        UseSet::new()
    }

    fn table_function_scan(&mut self, node: NodeId) -> UseSet {
        let mut rows = UseSet::new();
        let name = self.tree.child(node, "tvf").and_then(|function| self.tree.text(function, "name")).unwrap_or_default();
        let traits = self.world.table_functions.get(&name.to_ascii_lowercase()).cloned();
        let (mut all, mut first_relation) = (Taint::new(), None);
        for argument in self.tree.children(node, "argument_list") {
            if let Some(scan) = self.tree.child(argument, "scan") {
                rows.extend(self.scan(scan));
                let ids = self.column_ids(argument, "argument_column_list");
                let flows: Vec<Flow> = ids.into_iter().map(|id| self.column(id)).collect();
                flows.iter().for_each(|flow| all.extend(flow.derived()));
                first_relation.get_or_insert(flows);
            }
            if let Some(expression) = self.tree.child(argument, "expr") {
                all.extend(self.expression(expression).derived());
            }
        }
        all.extend(rows_taint(&rows));
        let Some(traits) = traits else {
            self.unresolved_at(node, format!("what the table function `{name}` gives is not known"));
            return rows;
        };
        self.found.effects.extend(traits.effects.iter().copied());
        self.found.routines.insert(traits.canonical.clone());
        if traits.reads_beyond {
            self.unresolved(format!("`{}` reads more than its arguments", traits.canonical));
        }
        self.left_as_call(node, &traits);
        self.can_fail(&all);
        let indexes = self.tree.integers(node, "column_index_list");
        for (id, index) in self.column_ids(node, "column_list").into_iter().zip(indexes) {
            let forwarded = match (&first_relation, usize::try_from(index)) {
                (Some(flows), Ok(index)) if traits.forwards_input => Some(flows.get(index).cloned().unwrap_or_default().or_null()),
                _ => None,
            };
            self.bind(id, forwarded.unwrap_or_else(|| Flow::of(all.clone())));
        }
        rows
    }

    /// Nothing is known of this kind: everything below it reaches each of its columns, and the statement is marked.
    fn unknown_scan(&mut self, node: NodeId, kind: &str) -> UseSet {
        self.unresolved_at(node, format!("`{}` is nothing that is known here", spoken(kind)));
        for id in self.column_ids(node, "column_list") {
            self.bind(id, Flow::default());
        }
        UseSet::new()
    }
}

/// Rows come back in the order in which their table keeps them. That ranks hidden values by each other, and by a guess that stands among them. A temporary
/// table is its maker's own; in any other a plain column is the table's owner's to sort by, until something that no column holds can stand beside it.
pub(crate) fn sorted_by(bound: &Bound) -> UseSet {
    let own = bound.names.is_empty();
    let column = |(index, kind): &(usize, UseKind)| Some((bound.columns.get(*index)?.flow.all(), *kind));
    let told = bound.sorted.iter().filter_map(column).filter(|(taint, _)| own || is_told(taint));
    told.flat_map(|(taint, kind)| uses(&taint, kind).collect::<Vec<_>>()).collect()
}

/// Whether the order of such values tells of them beside the values themselves.
fn is_told(taint: &Taint) -> bool {
    taint.iter().any(|(_, way)| *way >= Way::Mixed)
}

/// What a row tells that is written into such a column. Rows of old partitions go, and so every value is told by which are gone.
pub(crate) fn kept_by(kind: UseKind, expires: bool, flow: &Flow) -> UseSet {
    let taint = flow.all();
    let is_told = is_told(&taint) || expires && kind == UseKind::Group;
    if is_told { uses(&taint, kind).collect() } else { UseSet::new() }
}
