//! Variables of a script: DECLARE, SET, and expressions by themselves.

use super::bind::{Binder, Purpose, Source};
use super::coerce::{as_type, assignment_problem, coerce};
use super::driver::Driver;
use super::evaluator::Answer;
use super::query;
use super::text::{Edited, Script, Span};
use super::world::{Variable, World};
use crate::problem::Problem;
use crate::store::DatasetName;
use crate::values::Datum;
use sluice_model::Type;
use sluice_sql::tree::NodeId;

type Typed = (Type, Datum);

/// The value of an expression, and whether it read a table. With a type given it is assigned to that type.
pub fn evaluate(world: &World<'_>, script: &Script, span: Span, kind: Option<&Type>) -> Result<(Typed, bool), Problem> {
    let mut binder = Binder::new(world, Purpose::Execute);
    let expression = binder.part(script, span)?;
    let mut text = Edited::default();
    text.push("SELECT ");
    match kind {
        Some(kind) => text.append(&as_type(kind, &expression)),
        None => {
            text.push("(");
            text.append(&expression);
            text.push(")");
        }
    }
    let Answer { columns, rows } = query::evaluate(world, script, &text, &binder.binding).map_err(assignment_problem)?;
    let found = columns.into_iter().next().map(|(_, kind)| kind);
    let value = rows.into_iter().next().and_then(|row| row.into_iter().next());
    let (found, value) = found.zip(value).ok_or_else(|| Problem::internal("an expression without a value"))?;
    let read = binder.binding.sources.values().any(|source| !matches!(source, Source::Other));
    Ok(((found, value), read))
}

impl Driver<'_> {
    pub fn declare(&mut self, script: &Script, node: NodeId) -> Result<(), Problem> {
        let tree = &script.tree;
        let kind = tree.child(node, "type").map(|node| Type::parse(script.slice(node)));
        let kind = kind.transpose().map_err(|error| Problem::invalid_query(error.to_string()))?;
        let default = tree.child(node, "default_value");
        let (kind, value) = match (kind, default) {
            (kind, Some(default)) => self.value(script, default, kind.as_ref())?,
            (Some(kind), None) => (kind, Datum::Null),
            (None, None) => return Err(Problem::internal("a declaration without type and value")),
        };
        for name in self.names(script, node, "variable_list") {
            self.add_variable(&name, kind.clone(), value.clone())?;
        }
        Ok(())
    }

    pub fn add_variable(&mut self, name: &str, kind: Type, value: Datum) -> Result<(), Problem> {
        let taken = self.blocks.iter().flatten().any(|other| other.name.eq_ignore_ascii_case(name));
        if taken {
            return Err(Problem::invalid_query(format!("Variable '{name}' redeclaration; previously declared")));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(Variable { name: name.to_owned(), kind, value });
        }
        Ok(())
    }

    pub fn set(&mut self, script: &Script, node: NodeId) -> Result<(), Problem> {
        let name = script.identifier(node, "variable").unwrap_or_default().to_owned();
        let kind = self.variable(&name)?.kind.clone();
        let expression = expression(script, node, "expression")?;
        let (_, value) = self.value(script, expression, Some(&kind))?;
        self.variable(&name)?.value = value;
        Ok(())
    }

    /// `SET (a, b) = (1, 2)`.
    pub fn set_from_struct(&mut self, script: &Script, node: NodeId) -> Result<(), Problem> {
        let names = self.names(script, node, "variables");
        let expression = expression(script, node, "struct_expression")?;
        let (kind, value) = self.value(script, expression, None)?;
        let (Type::Struct(fields), value) = (&kind, value) else {
            return Err(Problem::invalid_query("SET with several variables takes a STRUCT"));
        };
        if fields.len() != names.len() {
            return Err(Problem::invalid_query(format!("{} variables for {} fields", names.len(), fields.len())));
        }
        let values = match value {
            Datum::Struct(values) => values,
            _ => return Err(Problem::invalid_query("SET with several variables takes a STRUCT that is not NULL")),
        };
        for ((name, field), value) in names.iter().zip(fields).zip(values) {
            self.assign(name, &field.kind, value)?;
        }
        Ok(())
    }

    /// Puts a value of some type into a variable, coerced as GoogleSQL does.
    pub fn assign(&mut self, name: &str, kind: &Type, value: Datum) -> Result<(), Problem> {
        let variable = self.variable(name)?;
        let wanted = variable.kind.clone();
        let problem = || Problem::invalid_query(format!("Cannot coerce value of type {kind} to type {wanted} of variable {name}"));
        variable.value = coerce(value, kind, &wanted).ok_or_else(problem)?;
        Ok(())
    }

    pub fn set_system_variable(&mut self, script: &Script, node: NodeId) -> Result<(), Problem> {
        let path = script.tree.child(node, "system_variable").and_then(|variable| script.child_path(variable, "path"));
        let name = path.unwrap_or_default().join(".").to_lowercase();
        let expression = expression(script, node, "expression")?;
        let (_, value) = self.value(script, expression, Some(&Type::String))?;
        let Datum::String(text) = value else {
            return Err(Problem::invalid_query(format!("Cannot set @@{name} to NULL")));
        };
        match name.as_str() {
            "dataset_id" => {
                let project = self.defaults.dataset.as_ref().map_or(&self.defaults.project, |default| &default.project).clone();
                self.defaults.dataset = (!text.is_empty()).then(|| DatasetName::new(&project, &text));
            }
            "dataset_project_id" => {
                let dataset = self.defaults.dataset.as_ref().map(|default| default.dataset.clone());
                self.defaults.dataset = dataset.map(|dataset| DatasetName::new(&text, &dataset));
            }
            "query_label" => {}
            _ => return Err(Problem::not_implemented(&format!("setting @@{name}"))),
        }
        self.system.set_text(&name, &text);
        Ok(())
    }

    pub fn variable(&mut self, name: &str) -> Result<&mut Variable, Problem> {
        let found = self.blocks.iter_mut().rev().flatten().find(|variable| variable.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Problem::invalid_query(format!("Undeclared variable: {name}")))
    }

    pub fn names(&self, script: &Script, node: NodeId, field: &str) -> Vec<String> {
        let list = script.tree.child(node, field).map(|list| script.tree.children(list, "identifier_list")).unwrap_or_default();
        list.into_iter().filter_map(|name| script.tree.text(name, "id_string")).map(str::to_owned).collect()
    }

    pub fn condition(&mut self, script: &Script, node: NodeId) -> Result<bool, Problem> {
        let (_, value) = self.value(script, node, Some(&Type::Bool))?;
        Ok(value == Datum::Bool(true))
    }
}

pub fn expression(script: &Script, node: NodeId, field: &str) -> Result<NodeId, Problem> {
    script.tree.child(node, field).ok_or_else(|| Problem::internal(format!("a statement without `{field}`")))
}
