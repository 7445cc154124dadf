//! Expressions: what reaches their value.

use super::{UseSet, Walker, rows_taint};
use crate::flow::{Flow, Parts, Taint};
use crate::kind;
use crate::text::nodes;
use crate::tree::{NodeId, Tree};
use crate::wording::spoken;
use sluice_model::Type;

/// Expressions that give a value as it is written or stored: no value becomes bigger by them.
const PLAIN: [&str; 8] = [
    "ResolvedArgumentRef",
    "ResolvedColumnRef",
    "ResolvedConstant",
    "ResolvedDMLDefault",
    "ResolvedGetStructField",
    "ResolvedLiteral",
    "ResolvedParameter",
    "ResolvedSystemVariable",
];

impl Walker<'_> {
    pub fn expression(&mut self, node: NodeId) -> Flow {
        if !self.descend() {
            return Flow::default();
        }
        if matches!(self.tree.kind(node), "ResolvedParameter" | "ResolvedConstant" | "ResolvedSystemVariable") {
            self.looked_at.insert(node);
            let flow = self.expression_by_kind(node);
            self.weigh(&flow);
            self.ascend();
            return flow;
        }
        let flow = self.expression_by_kind(node);
        self.ascend();
        self.measure(node);
        // BigQuery fails for what becomes too big. By itself that is one failure a job; under a handler it is as many as the script has statements.
        if self.world.guarded && !PLAIN.contains(&self.tree.kind(node)) {
            self.can_fail(&flow.derived());
        }
        flow
    }

    fn expression_by_kind(&mut self, node: NodeId) -> Flow {
        match self.tree.kind(node) {
            "ResolvedLiteral" if self.is_null(node) => Flow::absent(),
            "ResolvedLiteral" => {
                let made = matches!(kind::of(self.tree, node), Some(Type::Struct(_)));
                Flow { holds_nulls: self.holds_null(node), made, ..Flow::default() }
            }
            "ResolvedArgumentRef" => Flow::default(),
            // A default can be the time.
            "ResolvedDMLDefault" => Flow::of(self.world.clock.clone()),
            "ResolvedColumnRef" => match self.column_id(node, "column") {
                Some(id) => {
                    // BigQuery may compute it where it is used: whoever decides whether it is used decides whether that fails.
                    self.failures += u64::from(self.is_fallible(id));
                    self.column(id)
                }
                None => self.unknown_expression(node),
            },
            "ResolvedParameter" => self.unwritten(node, Walker::parameter),
            "ResolvedConstant" => self.unwritten(node, Walker::constant),
            "ResolvedSystemVariable" => self.unwritten(node, Walker::system_variable),
            "ResolvedGetStructField" => self.struct_field(node),
            "ResolvedMakeStruct" => {
                let fields = self.tree.children(node, "field_list").into_iter().map(|field| self.expression(field)).collect();
                Flow::structure(fields)
            }
            "ResolvedCast" => self.cast(node),
            "ResolvedFunctionCall" | "ResolvedAggregateFunctionCall" | "ResolvedAnalyticFunctionCall" => self.call(node),
            "ResolvedSubqueryExpr" => self.subquery(node),
            "ResolvedWithExpr" => {
                self.computed(node, "assignment_list");
                match self.tree.child(node, "expr") {
                    Some(expression) => self.expression(expression),
                    None => Flow::default(),
                }
            }
            "ResolvedGetJsonField" => Flow::of(self.child_expression(node, "expr").derived()),
            "ResolvedArrayAggregate" => self.array_aggregate(node),
            _ => self.unknown_expression(node),
        }
    }

    pub(super) fn child_expression(&mut self, node: NodeId, field: &str) -> Flow {
        match self.tree.child(node, field) {
            Some(child) => self.expression(child),
            None => Flow::default(),
        }
    }

    fn is_null(&self, literal: NodeId) -> bool {
        self.tree.path(literal, &["value", "value"]).is_some_and(|value| self.tree.node(value).fields.is_empty())
    }

    /// An array that is written down with a null in it.
    fn holds_null(&self, literal: NodeId) -> bool {
        let Some(value) =
            self.tree.path(literal, &["value", "value"]).filter(|_| kind::of(self.tree, literal).is_none_or(|kind| has_array(&kind)))
        else {
            return false;
        };
        let of_value = self.tree.kind(value);
        nodes(self.tree, Some(value)).into_iter().any(|node| self.tree.kind(node) == of_value && self.tree.node(node).fields.is_empty())
    }

    /// A value that is not written in the text. Of an array nobody knows whether it holds a null.
    fn unwritten(&mut self, node: NodeId, flow: impl Fn(&mut Self, NodeId) -> Flow) -> Flow {
        let flow = flow(self, node);
        let is_array = kind::of(self.tree, node).is_none_or(|kind| has_array(&kind));
        Flow { holds_nulls: flow.holds_nulls || is_array, ..flow }
    }

    fn parameter(&mut self, node: NodeId) -> Flow {
        let name = self.tree.text(node, "name").unwrap_or_default().to_ascii_lowercase();
        if !name.is_empty() {
            return self.world.named_parameters.get(&name).cloned().unwrap_or_default();
        }
        let position = self.tree.integer(node, "position").and_then(|position| usize::try_from(position).ok());
        let index = position.and_then(|position| position.checked_sub(1));
        index.and_then(|index| self.world.positional_parameters.get(index).cloned()).unwrap_or_default()
    }

    fn constant(&mut self, node: NodeId) -> Flow {
        let reference = self.tree.child(node, "constant");
        let name = reference.and_then(|constant| self.tree.text(constant, "name")).unwrap_or_default();
        match self.world.constants.get(&name.to_lowercase()) {
            Some(flow) => flow.clone(),
            None => {
                self.unresolved(format!("constant `{name}`"));
                Flow::default()
            }
        }
    }

    fn system_variable(&mut self, node: NodeId) -> Flow {
        let name = self.tree.texts(node, "name_path").join(".").to_lowercase();
        match self.world.system_variables.get(&name) {
            Some(flow) => flow.clone(),
            None => {
                self.unresolved(format!("system variable `@@{name}`"));
                Flow::default()
            }
        }
    }

    fn struct_field(&mut self, node: NodeId) -> Flow {
        let flow = self.child_expression(node, "expr");
        match self.tree.integer(node, "field_idx").and_then(|index| usize::try_from(index).ok()) {
            Some(index) => flow.field(index),
            None => Flow::of(flow.derived()),
        }
    }

    /// A cast between structs or arrays goes field by field; one that keeps the type changes nothing; any other computes. Of SAFE_CAST one part that
    /// cannot be cast makes all of it NULL.
    fn cast(&mut self, node: NodeId) -> Flow {
        let Some(inner) = self.tree.child(node, "expr") else { return self.unknown_expression(node) };
        let flow = self.expression(inner);
        let (from, to) = (kind::of(self.tree, inner), kind::of(self.tree, node));
        let mut extra = Taint::new();
        for field in ["format", "time_zone"] {
            extra.extend(self.child_expression(node, field).derived());
        }
        let same = from.is_some() && from == to;
        // A length or a precision can be too small for a value, and the embedded warehouse fails for SAFE_CAST as well.
        let narrow = self.tree.child(node, "type_modifiers").is_some_and(|modifiers| is_narrowing(self.tree, modifiers));
        let formatted = ["format", "time_zone"].iter().any(|field| self.tree.child(node, field).is_some());
        let safe = self.tree.boolean(node, "return_null_on_error");
        let sure = same || matches!((&from, &to), (Some(from), Some(to)) if cast_is_total(from, to)) && !formatted;
        if narrow || !safe && !sure {
            let mut inputs = flow.derived();
            inputs.extend(extra.iter().copied());
            self.can_fail(&inputs);
        }
        let may_hold = to.as_ref().is_none_or(has_array);
        let flow = match (from, to) {
            // STRING(3) refuses, NUMERIC(10, 1) rounds.
            _ if same && narrow => flow.to_derived(),
            _ if same => flow,
            (Some(from), Some(to)) => cast_flow(flow, &from, &to),
            _ => Flow::of(flow.derived()),
        };
        let flow = flow.with_whole(&extra);
        if !safe || sure && !narrow {
            return flow;
        }
        let everything = flow.derived();
        Flow { holds_nulls: flow.holds_nulls || may_hold, ..flow.with_whole(&everything).or_null() }
    }

    fn subquery(&mut self, node: NodeId) -> Flow {
        let Some(query) = self.tree.child(node, "subquery") else { return self.unknown_expression(node) };
        let before = self.failures;
        let rows = self.scan(query);
        let decided = rows_taint(&rows);
        let kind = self.tree.enumerator(node, "subquery_type");
        // EXISTS asks for rows and looks at no column.
        let column = match self.column_ids(query, "column_list").first() {
            Some(id) if kind != Some("EXISTS") => self.column(*id),
            _ => Flow::default(),
        };
        let mut flow = match kind {
            // Which row it is has been chosen, perhaps by nothing but its being there.
            Some("SCALAR") => {
                // Two rows fail. Where nothing decides the rows, whoever decides whether it is asked at all does.
                if !self.single_row(query) {
                    self.can_fail(&decided);
                }
                let column = column.to_chosen();
                if self.has_row(query) { column } else { column.or_null() }
            }
            Some("ARRAY") => Flow::array(column),
            Some("EXISTS") => Flow::default(),
            // It stops at the first that is the same: what was compared before decides whether the next one can fail.
            Some("IN") => {
                let fails = self.failures != before;
                let taint = self.compared(node, &column);
                if fails || self.world.collates {
                    self.can_fail(&taint);
                }
                Flow::of(taint)
            }
            // A pattern can end with a backslash, and fails then. Whether it is come to, what matched before it decides.
            Some("LIKE_ANY" | "LIKE_ALL" | "NOT_LIKE_ANY" | "NOT_LIKE_ALL") => {
                let taint = self.compared(node, &column);
                self.can_fail(&taint);
                self.can_fail(&decided);
                Flow::of(taint)
            }
            _ => return self.unknown_expression(node),
        };
        flow.whole.extend(decided.iter().copied());
        if self.failures != before {
            self.found.errors.extend(decided.iter().map(|(source, _)| *source));
        }
        flow
    }

    /// What a subquery is compared with, and its column.
    fn compared(&mut self, node: NodeId, column: &Flow) -> Taint {
        let mut taint = column.derived();
        taint.extend(self.child_expression(node, "in_expr").derived());
        taint
    }

    /// Whether a query cannot have two rows, whatever the data. It has been walked.
    pub(super) fn single_row(&self, query: NodeId) -> bool {
        match self.tree.kind(query) {
            "ResolvedSingleRowScan" => true,
            "ResolvedAggregateScan" => {
                self.tree.children(query, "group_by_list").is_empty() && self.tree.children(query, "grouping_set_list").is_empty()
            }
            "ResolvedLimitOffsetScan" => {
                let literal = self.tree.path(query, &["limit", "value", "value"]);
                let limit = literal.and_then(|value| self.tree.integer(value, "int64_value"));
                matches!(limit, Some(0 | 1)) || self.tree.child(query, "input_scan").is_some_and(|input| self.single_row(input))
            }
            "ResolvedProjectScan" | "ResolvedFilterScan" | "ResolvedOrderByScan" | "ResolvedAnalyticScan" | "ResolvedBarrierScan" => {
                self.tree.child(query, "input_scan").is_some_and(|input| self.single_row(input))
            }
            // Unmatched rows of both sides stand apart.
            "ResolvedJoinScan" if self.tree.enumerator(query, "join_type") != Some("FULL") => {
                let sides = ["left_scan", "right_scan"].map(|side| self.tree.child(query, side));
                sides.into_iter().all(|side| side.is_some_and(|side| self.single_row(side)))
            }
            "ResolvedWithRefScan" => self.single.contains(&query),
            "ResolvedWithScan" => self.tree.child(query, "query").is_some_and(|inner| self.single_row(inner)),
            _ => false,
        }
    }

    /// Whether a query has a row, whatever the data.
    fn has_row(&self, query: NodeId) -> bool {
        match self.tree.kind(query) {
            "ResolvedSingleRowScan" => true,
            "ResolvedProjectScan" => self.tree.child(query, "input_scan").is_some_and(|input| self.has_row(input)),
            _ => false,
        }
    }

    fn array_aggregate(&mut self, node: NodeId) -> Flow {
        let array = self.child_expression(node, "array");
        if let Some(id) = self.column_id(node, "element_column") {
            self.bind(id, array.element());
        }
        self.computed(node, "pre_aggregate_computed_column_list");
        let result = self.child_expression(node, "aggregate");
        result.with_whole(&array.outline())
    }

    /// Not known: everything below reaches the value, and the statement is marked.
    fn unknown_expression(&mut self, node: NodeId) -> Flow {
        self.unresolved_at(node, format!("`{}` is nothing that is known here", spoken(self.tree.kind(node))));
        Flow::default()
    }

    /// Walks a scan that stands inside an expression for another reason than being a subquery.
    pub(super) fn scan_taint(&mut self, scan: NodeId) -> (Taint, UseSet) {
        let rows = self.scan(scan);
        let mut taint = rows_taint(&rows);
        for id in self.column_ids(scan, "column_list") {
            taint.extend(self.column(id).derived());
        }
        (taint, rows)
    }
}

/// Whether a type has parameters, or a column must not be null, at whatever depth: `STRING(3)`, `ARRAY<NUMERIC(5)>`, `STRUCT<a INT64 NOT NULL>`.
pub(crate) fn is_narrowing(tree: &Tree, modifiers: NodeId) -> bool {
    let kinds = ["StringTypeParameters", "NumericTypeParameters", "TimestampTypeParameters", "ExtendedTypeParameters"];
    let mut waiting = vec![modifiers];
    while let Some(node) = waiting.pop() {
        let kind = tree.kind(node);
        if kinds.iter().any(|known| kind.starts_with(known)) || tree.boolean(node, "not_null") {
            return true;
        }
        waiting.extend(tree.all_children(node));
    }
    false
}

fn cast_flow(flow: Flow, from: &Type, to: &Type) -> Flow {
    if from == to {
        return flow;
    }
    match (from, to, &flow.parts) {
        (Type::Struct(before), Type::Struct(after), Parts::Fields(fields))
            if before.len() == after.len() && fields.len() == after.len() =>
        {
            let pairs = before.iter().zip(after).zip(fields);
            let fields = pairs.map(|((before, after), field)| cast_flow(field.clone(), &before.kind, &after.kind)).collect();
            Flow { parts: Parts::Fields(fields), ..flow.clone() }
        }
        (Type::Array(before), Type::Array(after), Parts::Element(element)) => {
            let element = cast_flow(element.as_ref().clone(), before, after);
            Flow { parts: Parts::Element(Box::new(element)), ..flow.clone() }
        }
        _ => Flow::of(flow.derived()),
    }
}

/// Casts that no value of the first type makes fail.
pub(crate) fn cast_is_total(from: &Type, to: &Type) -> bool {
    use Type::{BigNumeric, Bool, Bytes, Date, Datetime, Float64, Int64, Json, Numeric, String, Time, Timestamp};
    match (from, to) {
        (from, to) if from == to => true,
        (Type::Struct(_), Type::Struct(_)) => struct_cast_is_total(from, to),
        (Type::Array(from), Type::Array(to)) => cast_is_total(from, to),
        // Bytes may not be text; everything else can be written as text.
        (Bytes, String) | (Type::Struct(_) | Type::Array(_) | Json, String) => false,
        (_, String) | (String, Bytes) => true,
        (Int64, Float64 | Numeric | BigNumeric | Bool) | (Bool, Int64) => true,
        (Numeric, Float64 | BigNumeric) | (BigNumeric, Float64) => true,
        (Date, Datetime) | (Timestamp, Time) | (Datetime, Date | Time) => true,
        _ => false,
    }
}

fn struct_cast_is_total(from: &Type, to: &Type) -> bool {
    let (Type::Struct(from), Type::Struct(to)) = (from, to) else { return false };
    from.len() == to.len() && from.iter().zip(to).all(|(from, to)| cast_is_total(&from.kind, &to.kind))
}

/// Whether a value of this type is an array, or holds one.
pub(super) fn has_array(kind: &Type) -> bool {
    match kind {
        Type::Array(_) => true,
        Type::Struct(fields) => fields.iter().any(|field| has_array(&field.kind)),
        _ => false,
    }
}
