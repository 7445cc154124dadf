//! Branches, loops, blocks and errors of a script.

use super::driver::{Driver, Flow, NESTING_MAX};
use super::text::{Script, string_literal};
use super::variables::expression;
use crate::problem::{Problem, Reason};
use crate::values::{Column, Datum};
use sluice_model::{Field, Type};
use sluice_sql::tree::NodeId;

impl Driver<'_> {
    pub fn control(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        match script.tree.kind(node) {
            "ASTVariableDeclaration" => self.declare(script, node)?,
            "ASTSingleAssignment" => self.set(script, node)?,
            "ASTAssignmentFromStruct" => self.set_from_struct(script, node)?,
            "ASTSystemVariableAssignment" => self.set_system_variable(script, node)?,
            "ASTBeginEndBlock" => return self.block(script, node),
            "ASTIfStatement" => return self.branch(script, node),
            "ASTCaseStatement" => return self.case(script, node),
            // LOOP is a WHILE without a condition.
            "ASTWhileStatement" if script.tree.child(node, "condition").is_some() => {
                return self.repeat(script, node, Test::Before("condition"));
            }
            "ASTWhileStatement" => return self.repeat(script, node, Test::Never),
            "ASTRepeatStatement" => return self.repeat(script, node, Test::After),
            "ASTForInStatement" => return self.for_in(script, node),
            "ASTBreakStatement" => return Ok(Flow::Break(label(script, node))),
            "ASTContinueStatement" => return Ok(Flow::Continue(label(script, node))),
            "ASTReturnStatement" => return Ok(Flow::Return),
            "ASTRaiseStatement" => return Err(self.raise(script, node)?),
            "ASTCallStatement" => return self.nested(|driver| driver.call(script, node)),
            "ASTExecuteImmediateStatement" => return self.nested(|driver| driver.execute_immediate(script, node)),
            other => return Err(Problem::not_implemented(&format!("`{}`", other.trim_start_matches("AST")))),
        }
        Ok(Flow::Next)
    }

    pub fn assert(&mut self, script: &Script, node: NodeId) -> Result<(), Problem> {
        if self.condition(script, expression(script, node, "expr")?)? {
            return Ok(());
        }
        let description = script.tree.child(node, "description").and_then(|text| script.tree.text(text, "string_value"));
        Err(Problem::invalid_query(description.map_or_else(|| "Assertion failed".to_owned(), str::to_owned)))
    }

    fn nested(&mut self, run: impl FnOnce(&mut Self) -> Result<Flow, Problem>) -> Result<Flow, Problem> {
        if self.nesting >= NESTING_MAX {
            return Err(Problem::new(Reason::ResourcesExceeded, format!("The script is nested deeper than {NESTING_MAX} levels")));
        }
        self.nesting += 1;
        let result = run(self);
        self.nesting -= 1;
        result
    }

    fn body(&mut self, script: &Script, node: NodeId, field: &str) -> Result<Flow, Problem> {
        let list = script.tree.child(node, field).map(|list| script.statements_of(list)).unwrap_or_default();
        self.nested(|driver| driver.list(script, &list))
    }

    fn block(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        let depth = self.blocks.len();
        self.blocks.push(Vec::new());
        let result = self.body(script, node, "statement_list_node");
        self.blocks.truncate(depth);
        let result = match result {
            Err(problem) if problem.reason != Reason::Stopped => self.handle(script, node, problem),
            other => other,
        };
        leave(result?, label(script, node).as_deref())
    }

    fn handle(&mut self, script: &Script, node: NodeId, problem: Problem) -> Result<Flow, Problem> {
        let handlers = script.tree.child(node, "handler_list");
        let handler = handlers.and_then(|list| script.tree.children(list, "exception_handler_list").first().copied());
        let Some(handler) = handler else { return Err(problem) };
        let text = self.statements.last().map(|statement| statement.text.clone()).unwrap_or_default();
        let outer = self.system.variables.clone();
        self.system.set_text("error.message", &problem.message);
        self.system.set_text("error.statement_text", &text);
        self.system.set_text("error.formatted_stack_trace", "");
        self.handled.push(problem);
        let result = self.body(script, handler, "statement_list");
        self.handled.pop();
        for name in ["error.message", "error.statement_text", "error.formatted_stack_trace"] {
            match outer.get(name) {
                Some(value) => drop(self.system.variables.insert(name.to_owned(), value.clone())),
                None => drop(self.system.variables.remove(name)),
            }
        }
        result
    }

    fn branch(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        if self.condition(script, expression(script, node, "condition")?)? {
            return self.body(script, node, "then_list");
        }
        let clauses = script.tree.child(node, "elseif_clauses").map(|list| script.tree.children(list, "elseif_clauses"));
        for clause in clauses.unwrap_or_default() {
            if self.condition(script, expression(script, clause, "condition")?)? {
                return self.body(script, clause, "body");
            }
        }
        self.body(script, node, "else_list")
    }

    fn case(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        let clauses = script.tree.child(node, "when_then_clauses").map(|list| script.tree.children(list, "when_then_clauses"));
        let subject = script.tree.child(node, "expression");
        for clause in clauses.unwrap_or_default() {
            let condition = expression(script, clause, "condition")?;
            let chosen = match subject {
                None => self.condition(script, condition)?,
                Some(subject) => {
                    let (kind, wanted) = self.value(script, subject, None)?;
                    let (_, given) = self.value(script, condition, Some(&kind))?;
                    wanted != Datum::Null && wanted == given
                }
            };
            if chosen {
                return self.body(script, clause, "body");
            }
        }
        self.body(script, node, "else_list")
    }

    fn repeat(&mut self, script: &Script, node: NodeId, test: Test) -> Result<Flow, Problem> {
        let label = label(script, node);
        loop {
            if let Test::Before(field) = test
                && !self.condition(script, expression(script, node, field)?)?
            {
                return Ok(Flow::Next);
            }
            match self.once(script, node, label.as_deref())? {
                Turn::Again => {}
                Turn::Leave(flow) => return Ok(flow),
            }
            if test == Test::After {
                let until = script.tree.path(node, &["until_clause", "condition"]);
                if self.condition(script, until.ok_or_else(|| Problem::internal("REPEAT without UNTIL"))?)? {
                    return Ok(Flow::Next);
                }
            }
            self.settings.check_cancelled()?;
        }
    }

    fn for_in(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        let name = script.identifier(node, "variable").unwrap_or_default().to_owned();
        let query = expression(script, node, "query")?;
        let span = script.span(query).ok_or_else(|| Problem::internal("a query without a place"))?;
        let started = crate::clock::now_milliseconds();
        let found = self.read(|world| super::query::run(world, script, span))?;
        let fields = found.columns.iter().map(|column: &Column| Field { name: column.name.clone(), kind: column.full_type() }).collect();
        let kind = Type::Struct(fields);
        let rows = found.rows.clone();
        self.record(script, span, "SELECT", true, started, Ok(super::driver::Done { found: Some(found), ..Default::default() }));
        let label = label(script, node);
        let depth = self.blocks.len();
        for position in 0..rows.count() {
            let cells = rows.row(position).map(std::borrow::Cow::into_owned).unwrap_or_default();
            self.blocks.push(Vec::new());
            self.add_variable(&name, kind.clone(), Datum::Struct(cells))?;
            let turn = self.once(script, node, label.as_deref());
            self.blocks.truncate(depth);
            if let Turn::Leave(flow) = turn? {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn once(&mut self, script: &Script, node: NodeId, label: Option<&str>) -> Result<Turn, Problem> {
        let own = |wanted: &Option<String>| match (wanted, label) {
            (None, _) => true,
            (Some(wanted), Some(label)) => wanted.eq_ignore_ascii_case(label),
            (Some(_), None) => false,
        };
        Ok(match self.body(script, node, "body")? {
            Flow::Next => Turn::Again,
            Flow::Continue(wanted) if own(&wanted) => Turn::Again,
            Flow::Break(wanted) if own(&wanted) => Turn::Leave(Flow::Next),
            other => Turn::Leave(other),
        })
    }

    /// RAISE gives the error that is being handled, or a new one.
    fn raise(&mut self, script: &Script, node: NodeId) -> Result<Problem, Problem> {
        let Some(message) = script.tree.child(node, "message") else {
            let none = || Problem::invalid_query("Cannot re-raise an existing exception outside of an exception handler");
            return Ok(self.handled.last().cloned().unwrap_or_else(none));
        };
        let (_, value) = self.value(script, message, Some(&Type::String))?;
        Ok(match value {
            Datum::String(text) => Problem::invalid_query(text),
            _ => Problem::invalid_query(string_literal("NULL")),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    After,
    Before(&'static str),
    Never,
}

enum Turn {
    Again,
    Leave(Flow),
}

fn label(script: &Script, node: NodeId) -> Option<String> {
    let label = script.tree.child(node, "label")?;
    script.identifier(label, "name").map(str::to_owned)
}

/// A labelled block may be left by its label.
fn leave(flow: Flow, label: Option<&str>) -> Result<Flow, Problem> {
    match (&flow, label) {
        (Flow::Break(Some(wanted)), Some(label)) if wanted.eq_ignore_ascii_case(label) => Ok(Flow::Next),
        _ => Ok(flow),
    }
}
