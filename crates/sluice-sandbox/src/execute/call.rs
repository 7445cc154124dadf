//! Text that runs from somewhere else: procedures and EXECUTE IMMEDIATE.

use super::driver::{Driver, Flow};
use super::names::Defaults;
use super::routine::demand_sql;
use super::text::Script;
use super::variables::expression;
use super::world::{Variable, positional_name};
use super::{Parameter, kinds};
use crate::problem::Problem;
use crate::store::{ArgumentMode, Routine, RoutineKind};
use crate::values::Datum;
use sluice_model::Type;
use sluice_sql::tree::NodeId;
use std::sync::Arc;

/// The procedure's own variables, and which of them go back into which of the caller's.
type Passed = (Vec<Variable>, Vec<(String, String)>);

impl Driver<'_> {
    pub fn call(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        let path = script.child_path(node, "procedure_name").unwrap_or_default();
        if path.first().is_some_and(|first| first.eq_ignore_ascii_case("BQ")) {
            return Err(Problem::not_implemented(&format!("system procedure `{}`", path.join("."))));
        }
        let found = self.read(|world| Ok(world.routine(&path).cloned()))?;
        let routine = found.filter(|routine| routine.kind == RoutineKind::Procedure);
        let routine = routine.ok_or_else(|| Problem::not_found(format!("Not found: Routine {}", path.join("."))))?;
        demand_sql(&routine)?;
        let (variables, outputs) = self.arguments(script, node, &routine)?;
        let inner = self.warehouse.script(&routine.body)?;
        let blocks = std::mem::replace(&mut self.blocks, vec![variables]);
        let defaults = Defaults { project: self.defaults.project.clone(), dataset: None };
        let defaults = std::mem::replace(&mut self.defaults, defaults);
        let parameters = std::mem::take(&mut self.parameters);
        let result = self.list(&inner, &inner.statements());
        self.parameters = parameters;
        self.defaults = defaults;
        let within = std::mem::replace(&mut self.blocks, blocks);
        result?;
        let values = within.first().cloned().unwrap_or_default();
        for (argument, name) in outputs {
            if let Some(value) = values.iter().find(|variable| variable.name == argument) {
                self.assign(&name, &value.kind, value.value.clone())?;
            }
        }
        Ok(Flow::Next)
    }

    fn arguments(&mut self, script: &Script, node: NodeId, routine: &Routine) -> Result<Passed, Problem> {
        let given = script.tree.children(node, "arguments");
        if given.len() != routine.arguments.len() {
            let message = format!("Procedure {} takes {} arguments, not {}", routine.name, routine.arguments.len(), given.len());
            return Err(Problem::invalid_query(message));
        }
        let (mut variables, mut outputs) = (Vec::new(), Vec::new());
        for (argument, node) in routine.arguments.iter().zip(given) {
            let expression = expression(script, node, "expr")?;
            let (kind, value) = match (argument.mode, &argument.kind) {
                (ArgumentMode::Out, Some(kind)) => (kind.clone(), Datum::Null),
                (_, kind) => self.value(script, expression, kind.as_ref())?,
            };
            if argument.mode != ArgumentMode::In {
                let path = script.path(expression);
                let [name] = path.as_slice() else {
                    let message = format!("Argument {} of {} must be a variable", argument.name, routine.name);
                    return Err(Problem::invalid_query(message));
                };
                outputs.push((argument.name.clone(), name.clone()));
            }
            variables.push(Variable { name: argument.name.clone(), kind, value });
        }
        Ok((variables, outputs))
    }

    pub fn execute_immediate(&mut self, script: &Script, node: NodeId) -> Result<Flow, Problem> {
        let (_, sql) = self.value(script, expression(script, node, "sql")?, Some(&Type::String))?;
        let Datum::String(sql) = sql else {
            return Err(Problem::invalid_query("EXECUTE IMMEDIATE sql string cannot be NULL"));
        };
        let inner = Arc::new(Script::parse(self.warehouse.evaluator(), &sql)?);
        let statements = inner.statements();
        let [statement] = statements.as_slice() else {
            return Err(Problem::invalid_query("EXECUTE IMMEDIATE takes exactly one statement"));
        };
        let parameters = self.using(script, node)?;
        let outer = std::mem::replace(&mut self.parameters, parameters);
        let before = self.statements.len();
        let result = match kinds::statement_type(&inner, *statement) {
            Some(_) => self.step(&inner, *statement),
            None => Err(Problem::invalid_query("EXECUTE IMMEDIATE takes no statement that steers a script")),
        };
        self.parameters = outer;
        result?;
        self.store_into(script, node, before)?;
        Ok(Flow::Next)
    }

    fn using(&mut self, script: &Script, node: NodeId) -> Result<Vec<Parameter>, Problem> {
        let arguments = script.tree.child(node, "using_clause").map(|using| script.tree.children(using, "arguments")).unwrap_or_default();
        let mut parameters = Vec::new();
        for (place, argument) in (1..).zip(arguments) {
            let (kind, value) = self.value(script, expression(script, argument, "expression")?, None)?;
            let alias = script.tree.child(argument, "alias").and_then(|alias| script.identifier(alias, "identifier"));
            let name = alias.map_or_else(|| positional_name(place), str::to_owned);
            parameters.push(Parameter { name, kind, value });
        }
        Ok(parameters)
    }

    /// INTO: the columns of the only row, or nulls where there is none.
    fn store_into(&mut self, script: &Script, node: NodeId, before: usize) -> Result<(), Problem> {
        let Some(into) = script.tree.child(node, "into_clause") else { return Ok(()) };
        let names = self.names(script, into, "identifiers");
        let last = self.statements.get(before..).and_then(|new| new.iter().rev().find(|statement| !statement.expression)).cloned();
        let last = last.ok_or_else(|| Problem::invalid_query("EXECUTE IMMEDIATE ... INTO takes a query"))?;
        if last.rows.count() > 1 {
            return Err(Problem::invalid_query("EXECUTE IMMEDIATE ... INTO takes a query that gives at most one row"));
        }
        if last.columns.len() != names.len() {
            let message = format!("EXECUTE IMMEDIATE ... INTO has {} variables for {} columns", names.len(), last.columns.len());
            return Err(Problem::invalid_query(message));
        }
        let row = last.rows.row(0).map(std::borrow::Cow::into_owned);
        let row = row.unwrap_or_else(|| vec![Datum::Null; names.len()]);
        for ((name, column), value) in names.iter().zip(&last.columns).zip(row) {
            self.assign(name, &column.full_type(), value)?;
        }
        Ok(())
    }
}
