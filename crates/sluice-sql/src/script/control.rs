//! Branches, loops, blocks: conditions are uses, and every way through is analyzed.

use super::Script;
use crate::analyzer::Refusal;
use crate::flow::{Flow, Taint};
use crate::scope::Scope;
use crate::statement::Understood;
use crate::tree::NodeId;
use crate::walk::uses;
use sluice_model::{Effect, Field, Type, UseKind};

/// Rounds until the flows of a loop stand still. They only grow, each round carries them at least one assignment further.
const LOOP_ROUNDS_MAX: usize = 64;

impl Script<'_, '_> {
    pub(super) fn branches(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let mut ways = vec![(tree.child(node, "condition"), tree.child(node, "then_list"))];
        if let Some(list) = tree.child(node, "elseif_clauses") {
            let clauses = tree.children(list, "elseif_clauses");
            ways.extend(clauses.into_iter().map(|clause| (tree.child(clause, "condition"), tree.child(clause, "body"))));
        }
        let mut conditions = Vec::new();
        for (condition, _) in &ways {
            conditions.extend(*condition);
        }
        self.conditions(node, "IF", &conditions, scope)?;
        let bodies: Vec<_> = ways.into_iter().map(|(_, body)| body).chain([tree.child(node, "else_list")]).collect();
        self.either(&bodies, scope)
    }

    pub(super) fn case(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let mut conditions: Vec<NodeId> = tree.child(node, "expression").into_iter().collect();
        let mut bodies = Vec::new();
        if let Some(list) = tree.child(node, "when_then_clauses") {
            for clause in tree.children(list, "when_then_clauses") {
                conditions.extend(tree.child(clause, "condition"));
                bodies.push(tree.child(clause, "body"));
            }
        }
        bodies.push(tree.child(node, "else_list"));
        self.conditions(node, "CASE", &conditions, scope)?;
        self.either(&bodies, scope)
    }

    /// One of several bodies runs; a missing one stands for none.
    fn either(&mut self, bodies: &[Option<NodeId>], scope: &mut Scope) -> Result<(), Refusal> {
        let before = scope.clone();
        let mut after: Option<Scope> = None;
        for body in bodies {
            let mut way = before.clone();
            if let Some(body) = body {
                self.list(*body, &mut way)?;
            }
            match &mut after {
                Some(sum) => sum.join(&way),
                None => after = Some(way),
            }
        }
        *scope = after.unwrap_or(before);
        Ok(())
    }

    fn conditions(&mut self, node: NodeId, kind: &str, conditions: &[NodeId], scope: &Scope) -> Result<(), Refusal> {
        let mut done = Understood { kind: kind.to_owned(), effects: [Effect::Branch].into(), ..Understood::default() };
        for condition in conditions {
            let (flow, found) = self.value(Some(*condition), scope)?;
            done.rows.extend(uses(&flow.derived(), UseKind::Branch));
            done.found.merge(found);
        }
        self.record(node, done);
        Ok(())
    }

    /// WHILE and LOOP ask before their body, REPEAT behind it. Both are walked until nothing new flows.
    pub(super) fn repeated(&mut self, node: NodeId, scope: &mut Scope, kind: &str) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let until = tree.child(node, "until_clause").and_then(|until| tree.child(until, "condition"));
        let condition: Vec<NodeId> = tree.child(node, "condition").or(until).into_iter().collect();
        let kind = if condition.is_empty() { "LOOP" } else { kind };
        let body = tree.child(node, "body");
        self.until_still(scope, |this, scope| {
            this.conditions(node, kind, &condition, scope)?;
            body.map(|body| this.list(body, scope)).transpose().map(|_| ())
        })
    }

    pub(super) fn for_each(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let name = tree.child(node, "variable").and_then(|name| tree.text(name, "id_string")).unwrap_or_default().to_owned();
        let query = tree.child(node, "query").ok_or_else(|| Refusal::new("FOR without a query"))?;
        let body = tree.child(node, "body");
        let hidden = scope.variables.get(&name.to_lowercase()).cloned();
        self.until_still(scope, |this, scope| {
            let walked = this.analyzer.query(&prepared, query, scope)?;
            let fields = walked.columns.iter().map(|(name, kind, _)| Some(Field { name: name.clone(), kind: kind.clone()? }));
            let fields: Option<Vec<Field>> = fields.collect();
            let fields = fields.ok_or_else(|| Refusal::new("a column of a loop's query without a type"))?;
            let flow = Flow::structure(walked.columns.iter().map(|(_, _, flow)| flow.clone()).collect());
            let mut done = Understood { kind: "FOR".to_owned(), rows: walked.rows, found: walked.found, ..Understood::default() };
            done.effects.insert(Effect::Branch);
            done.found.can_hold_null([&flow]);
            this.record(node, done);
            scope.declare(&name, Type::Struct(fields), flow);
            body.map(|body| this.list(body, scope)).transpose().map(|_| ())
        })?;
        match hidden {
            Some(variable) => scope.variables.insert(name.to_lowercase(), variable),
            None => scope.variables.remove(&name.to_lowercase()),
        };
        Ok(())
    }

    fn until_still(
        &mut self,
        scope: &mut Scope,
        mut round: impl FnMut(&mut Self, &mut Scope) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let weak = std::mem::replace(&mut self.weak, true);
        let mark = self.statements.len();
        self.analyzer.loops += 1;
        for _ in 0..LOOP_ROUNDS_MAX {
            self.statements.truncate(mark);
            let (before, weighed) = (scope.clone(), self.analyzer.weighed.len());
            round(self, scope)?;
            scope.join(&before);
            if scope.same_flows(&before) && self.analyzer.weighed.len() == weighed {
                self.weak = weak;
                self.analyzer.loops -= 1;
                return Ok(());
            }
        }
        Err(Refusal::new(format!("a loop whose flows do not stand still within {LOOP_ROUNDS_MAX} rounds")))
    }

    /// Variables of a block end with it. With a handler, each statement may be the one that failed.
    pub(super) fn block(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let handlers = tree.child(node, "handler_list").map(|list| tree.children(list, "exception_handler_list")).unwrap_or_default();
        let outer = scope.clone();
        let leaves_early = !handlers.is_empty() || tree.child(node, "label").is_some();
        let weak = self.weak;
        self.weak = weak || leaves_early;
        let failing = std::mem::take(&mut self.failing);
        scope.guarded |= !handlers.is_empty();
        if let Some(list) = tree.child(node, "statement_list_node") {
            self.list(list, scope)?;
        }
        scope.guarded = outer.guarded;
        let within: Taint = self.failing.clone();
        self.failing.extend(failing);
        if !handlers.is_empty() {
            // Weak updates have kept every state in which the block can have stopped.
            scope.join(&outer);
            let before = scope.clone();
            scope.error = crate::flow::derived(&within);
            for handler in handlers {
                if let Some(list) = tree.child(handler, "statement_list") {
                    self.list(list, scope)?;
                }
            }
            scope.join(&before);
            scope.error = outer.error.clone();
        }
        self.weak = weak;
        hide_block_variables(&outer, scope);
        Ok(())
    }
}

/// Takes away what the block declared. Assignments to outer variables stay.
fn hide_block_variables(outer: &Scope, scope: &mut Scope) {
    scope.variables.retain(|name, _| outer.variables.contains_key(name));
}
