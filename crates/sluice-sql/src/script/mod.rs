//! Drives a script statement by statement, as BigQuery would run it, with flows in place of values.

mod call;
mod control;
mod report;

use crate::analyzer::{Analyzer, Refusal, error_uses};
use crate::engine::Target;
use crate::flow::{Flow, Taint, Way};
use crate::scope::Scope;
use crate::statement::Understood;
use crate::text::{self, Prepared};
use crate::tree::NodeId;
use crate::walk::{Found, cast_is_total, rows_taint};
use sluice_model::{Effect, StatementAnalysis, Type};
use std::rc::Rc;

/// Statements in one script, those of called procedures included. BigQuery's own limit on the text comes long before.
pub(crate) const STATEMENTS_MAX: usize = 10_000;

pub(crate) struct Script<'s, 'a> {
    pub analyzer: &'s mut Analyzer<'a>,
    prepared: Rc<Prepared>,
    pub statements: Vec<StatementAnalysis>,
    /// What the last statement produced: EXECUTE IMMEDIATE puts it into variables.
    last: Vec<(String, Option<Type>, Flow)>,
    /// Assignments that may be skipped or repeated keep the old value possible.
    weak: bool,
    /// Within a transaction: what it did to tables may be taken back.
    transaction: bool,
    /// Inside of a procedure or of dynamic SQL: places in the text are not those of the caller's text.
    span: Option<Option<(usize, usize)>>,
    /// Everything that statements so far could have failed on.
    failing: Taint,
    steps: usize,
}

impl<'s, 'a> Script<'s, 'a> {
    pub fn new(analyzer: &'s mut Analyzer<'a>, prepared: Rc<Prepared>) -> Script<'s, 'a> {
        let (statements, last, failing) = (Vec::new(), Vec::new(), Taint::new());
        Script { analyzer, prepared, statements, last, weak: false, transaction: false, span: None, failing, steps: 0 }
    }

    pub fn run(&mut self, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        match prepared.tree.root.and_then(|root| prepared.tree.child(root, "statement_list_node")) {
            Some(list) => self.list(list, scope),
            None => Err(Refusal::new("there is no statement; accepted: a text with at least one")),
        }
    }

    fn list(&mut self, list: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        prepared.tree.children(list, "statement_list").into_iter().try_for_each(|statement| self.statement(statement, scope))
    }

    fn statement(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        self.steps += 1;
        if self.steps > STATEMENTS_MAX {
            return Err(Refusal::new(format!("more than {STATEMENTS_MAX} statements")));
        }
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        match tree.kind(node) {
            "ASTVariableDeclaration" => self.declaration(node, scope),
            "ASTSingleAssignment" => self.assignment(node, scope),
            "ASTAssignmentFromStruct" => self.struct_assignment(node, scope),
            "ASTSystemVariableAssignment" => self.system_assignment(node, scope),
            "ASTIfStatement" => self.branches(node, scope),
            "ASTCaseStatement" => self.case(node, scope),
            "ASTWhileStatement" => self.repeated(node, scope, "WHILE"),
            "ASTRepeatStatement" => self.repeated(node, scope, "REPEAT"),
            "ASTForInStatement" => self.for_each(node, scope),
            "ASTBeginEndBlock" => self.block(node, scope),
            "ASTRaiseStatement" => self.raise(node, scope),
            "ASTReturnStatement" | "ASTBreakStatement" | "ASTContinueStatement" => Ok(()),
            "ASTExecuteImmediateStatement" => self.execute_immediate(node, scope),
            "ASTCallStatement" => self.call(node, scope),
            "ASTHintedStatement" => match tree.child(node, "statement") {
                Some(inner) => self.statement(inner, scope),
                None => Ok(()),
            },
            _ => self.plain(node, scope),
        }
    }

    /// A statement that is no part of the procedural language.
    fn plain(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let (tree, binding) = self.analyzer.resolve(&prepared, node, Target::Statement, scope)?;
        self.transaction |= tree.root.is_some_and(|root| tree.kind(root) == "ResolvedBeginStmt");
        scope.weak = self.weak || self.transaction;
        let done = self.analyzer.understand(&tree, &binding, scope)?;
        // Bytes and rows are counted over the whole script as well: nothing is taken away.
        scope.counted.extend(rows_taint(&done.rows));
        self.last = done.outputs.clone();
        if matches!(done.kind.as_str(), "COMMIT_TRANSACTION" | "ROLLBACK_TRANSACTION") && !self.weak {
            self.transaction = false;
        }
        self.record(node, done);
        Ok(())
    }

    fn declaration(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let mut done = Understood { kind: "DECLARE".to_owned(), effects: [Effect::Declare].into(), ..Understood::default() };
        let default = tree.child(node, "default_value");
        let value = default.map(|value| self.analyzer.expression(&prepared, value, scope)).transpose()?;
        let declared = tree.child(node, "type").and_then(|kind| prepared.slice(kind));
        let narrow = declared.is_some_and(|text| text.contains('('));
        let declared = declared.map(Type::parse);
        let declared = declared.transpose().map_err(|error| Refusal::new(error.to_string()))?;
        let (inferred, flow, found) = value.unwrap_or_default();
        done.found = found;
        convert(inferred.as_ref(), declared.as_ref(), &flow, &mut done.found);
        let kind = declared.or(inferred).ok_or_else(|| Refusal::new("a variable without a type"))?;
        if narrow {
            done.found.can_fail(&flow.derived());
        }
        for name in identifiers(tree, tree.child(node, "variable_list")) {
            // BigQuery allows no second variable of a name, not even in an inner block.
            if scope.variables.contains_key(&name.to_lowercase()) {
                return Err(Refusal::new(format!("variable `{name}` is declared twice")));
            }
            scope.declare(&name, kind.clone(), flow.clone());
            if narrow {
                scope.narrow(&name);
            }
        }
        self.record(node, done);
        Ok(())
    }

    fn assignment(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let name = tree.child(node, "variable").and_then(|name| tree.text(name, "id_string")).unwrap_or_default();
        let (kind, flow, mut found) = self.typed_value(tree.child(node, "expression"), scope)?;
        self.assigned(name, kind.as_ref(), flow, scope, &mut found)?;
        self.record(node, Understood { kind: "SET".to_owned(), effects: [Effect::Set].into(), found, ..Understood::default() });
        Ok(())
    }

    fn struct_assignment(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let (kind, flow, mut found) = self.typed_value(tree.child(node, "struct_expression"), scope)?;
        let fields = match &kind {
            Some(Type::Struct(fields)) => fields.as_slice(),
            _ => &[],
        };
        // A struct that is NULL has no fields to assign.
        found.can_fail(&flow.outline());
        for (index, name) in identifiers(tree, tree.child(node, "variables")).iter().enumerate() {
            self.assigned(name, fields.get(index).map(|field| &field.kind), flow.field(index), scope, &mut found)?;
        }
        self.record(node, Understood { kind: "SET".to_owned(), effects: [Effect::Set].into(), found, ..Understood::default() });
        Ok(())
    }

    /// `SET @@dataset_id` changes what names mean: only a literal is understood.
    fn system_assignment(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let path = tree.path(node, &["system_variable", "path"]).map(|path| text::path(tree, path)).unwrap_or_default();
        let name = path.join(".").to_lowercase();
        let value = tree.child(node, "expression");
        let literal = value.and_then(|value| tree.text(value, "string_value")).map(str::to_owned);
        let (flow, mut found) = self.value(value, scope)?;
        if name.starts_with("dataset_") && !self.analyzer.opening.is_empty() {
            found.unresolved.insert(format!("a procedure sets `@@{name}`: what short names mean behind its call"));
        }
        if !flow.all().is_empty() {
            found.unresolved.insert(format!("a value of a column goes into `@@{name}`"));
        }
        match (name.as_str(), literal) {
            ("dataset_id", Some(dataset)) => {
                let (project, dataset) = match dataset.split_once('.') {
                    Some((project, dataset)) => (project.to_owned(), dataset.to_owned()),
                    None => (scope.default_project.clone(), dataset),
                };
                scope.default_dataset = Some((project, dataset));
            }
            ("dataset_project_id", Some(project)) => {
                if let Some(default) = &mut scope.default_dataset {
                    default.0.clone_from(&project);
                }
                scope.default_project = project;
            }
            ("dataset_id" | "dataset_project_id", None) => {
                found.unresolved.insert(format!("`@@{name}` is set to something that is not a literal"));
            }
            _ => {}
        }
        let effects = [Effect::Session].into();
        self.record(node, Understood { kind: "SET".to_owned(), effects, found, ..Understood::default() });
        Ok(())
    }

    fn raise(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let (flow, mut found) = self.value(prepared.tree.child(node, "message"), scope)?;
        found.errors.extend(flow.all().iter().map(|(source, _)| *source));
        let effects = [Effect::Raise].into();
        self.record(node, Understood { kind: "RAISE".to_owned(), effects, found, ..Understood::default() });
        Ok(())
    }

    fn value(&mut self, node: Option<NodeId>, scope: &Scope) -> Result<(Flow, Found), Refusal> {
        let (_, flow, found) = self.typed_value(node, scope)?;
        Ok((flow, found))
    }

    fn typed_value(&mut self, node: Option<NodeId>, scope: &Scope) -> Result<(Option<Type>, Flow, Found), Refusal> {
        let Some(node) = node else { return Ok(Default::default()) };
        let prepared = self.prepared.clone();
        self.analyzer.expression(&prepared, node, scope)
    }

    /// Gives a variable a value. That can fail where its type is narrow, and where the value is one of another type that has to be converted.
    fn assigned(&self, name: &str, kind: Option<&Type>, flow: Flow, scope: &mut Scope, found: &mut Found) -> Result<(), Refusal> {
        let known = scope.variables.get(&name.to_lowercase()).map(|variable| &variable.kind);
        convert(kind, known, &flow, found);
        let fits = scope.assign(name, flow, self.weak).ok_or_else(|| Refusal::new(format!("undeclared variable `{name}`")))?;
        if !fits.is_empty() {
            found.can_fail(&fits);
        }
        Ok(())
    }

    /// How much was read and how long it took may depend on all of this, and later statements can tell.
    fn weigh(&mut self, done: &Understood) {
        let clocked = done.found.reads_clock && self.analyzer.loops == 0 && !self.analyzer.weighed.is_empty();
        self.analyzer.readings += usize::from(clocked);
        let decided = done.rows.iter().map(|(source, _)| *source).chain(done.found.errors.iter().copied());
        let weighed = &mut self.analyzer.weighed;
        weighed.extend(decided.chain(done.found.weighed.iter().copied()).map(|source| (source, Way::Derived)));
        weighed.extend(done.outputs.iter().flat_map(|(_, _, flow)| flow.derived()));
    }

    fn record(&mut self, node: NodeId, done: Understood) {
        let span = match self.span {
            Some(span) => span,
            None => text::span(&self.prepared.tree, node),
        };
        self.failing.extend(rows_taint(&error_uses(&done.found.errors)));
        self.failing.extend(rows_taint(&done.rows));
        self.weigh(&done);
        let report = report::report(done, self.span.is_none(), span, &self.analyzer.sources);
        self.statements.push(report);
    }
}

/// Not every value of one type can be one of another.
fn convert(from: Option<&Type>, to: Option<&Type>, flow: &Flow, found: &mut Found) {
    let taint = flow.derived();
    if !taint.is_empty() && from.zip(to).is_some_and(|(from, to)| !cast_is_total(from, to)) {
        found.can_fail(&taint);
    }
}

fn identifiers(tree: &crate::tree::Tree, list: Option<NodeId>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    tree.children(list, "identifier_list").into_iter().filter_map(|name| tree.text(name, "id_string")).map(str::to_owned).collect()
}
