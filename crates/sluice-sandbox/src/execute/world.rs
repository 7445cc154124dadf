//! Everything that a statement can see when it runs.

use super::names::{Defaults, Target};
use super::text::{Edit, Edited, Script, Span, missing_table, problem_of, quoted, string_literal};
use super::warehouse::Warehouse;
use super::{JobHistory, Parameter};
use crate::problem::Problem;
use crate::store::state::dataset_of;
use crate::store::{Routine, State, Table};
use crate::values::Datum;
use sluice_model::{TableName, Type};
use sluice_sql::engine::Fault;
use sluice_sql::tree::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct World<'a> {
    pub warehouse: &'a Warehouse,
    pub state: &'a State,
    pub defaults: &'a Defaults,
    pub temporary: &'a Temporary,
    /// In sight, the innermost of each name.
    pub variables: Vec<Variable>,
    pub parameters: &'a [Parameter],
    pub system: &'a System,
    pub history: Option<&'a dyn JobHistory>,
    /// Views inside one another.
    pub depth: usize,
}

/// What a script has made for itself. Names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Temporary {
    pub tables: BTreeMap<String, Arc<Table>>,
    pub routines: BTreeMap<String, Arc<Routine>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    pub kind: Type,
    pub value: Datum,
}

/// `@@` variables and the caller, put into the text as literals: the evaluator has no place for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    pub user_email: String,
    /// By name in lower case, as SQL text.
    pub variables: BTreeMap<String, String>,
}

impl System {
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.variables.insert(name.to_owned(), string_literal(text));
    }
}

impl World<'_> {
    /// What has to be exchanged in a statement before the engine reads it.
    pub fn edits(&self, script: &Script, span: Span) -> Result<Vec<Edit>, Problem> {
        let mut edits = script.quoted_names(span);
        for node in script.nodes_within(span) {
            let text = match script.tree.kind(node) {
                "ASTParameterExpr" => positional(script, node),
                "ASTSystemVariableExpr" => Some(self.system_variable(script, node)?),
                "ASTFunctionCall" => self.identity(script, node),
                _ => None,
            };
            edits.extend(text.zip(script.span(node)).map(|(text, span)| Edit { span, text }));
        }
        Ok(edits)
    }

    /// The engine's fault in BigQuery's words, with full names of what is missing.
    pub fn problem(&self, fault: Fault, edited: &Edited, script: &Script) -> Problem {
        let problem = problem_of(fault, edited, &script.text);
        let Some(path) = missing_table(&problem.message) else { return problem };
        let place = problem.message.rfind(" at [").and_then(|at| problem.message.get(at..)).unwrap_or_default();
        let location = &self.warehouse.location;
        match self.defaults.table(&path) {
            Some(Target::Table(name)) if self.state.dataset(&dataset_of(&name)).is_err() => {
                let TableName { project, dataset, .. } = &name;
                Problem::not_found(format!("Not found: Dataset {project}:{dataset} was not found in location {location}{place}"))
            }
            Some(Target::Table(TableName { project, dataset, table })) => {
                Problem::not_found(format!("Not found: Table {project}:{dataset}.{table} was not found in location {location}{place}"))
            }
            Some(Target::Unqualified(name)) => {
                let text = format!("Table \"{name}\" must be qualified with a dataset (e.g. dataset.table).");
                Problem { location: Some(name), ..Problem::invalid(text) }
            }
            _ => problem,
        }
    }

    pub fn temporary_table(&self, path: &[String]) -> Option<&Arc<Table>> {
        let name = match path {
            [name] => name,
            [session, name] if session.eq_ignore_ascii_case("_SESSION") => name,
            _ => return None,
        };
        self.temporary.tables.get(&name.to_lowercase())
    }

    pub fn routine(&self, path: &[String]) -> Option<&Arc<Routine>> {
        if let [name] = path
            && let Some(found) = self.temporary.routines.get(&name.to_lowercase())
        {
            return Some(found);
        }
        self.state.find_routine(&self.defaults.object(path)?)
    }

    fn system_variable(&self, script: &Script, node: NodeId) -> Result<String, Problem> {
        let name = script.child_path(node, "path").unwrap_or_default().join(".").to_lowercase();
        let found = self.system.variables.get(&name).cloned();
        found.ok_or_else(|| Problem::invalid_query(format!("Unrecognized name: @@{name}")))
    }

    fn identity(&self, script: &Script, call: NodeId) -> Option<String> {
        match script.child_path(call, "function")?.as_slice() {
            [name] if name.eq_ignore_ascii_case("SESSION_USER") => Some(string_literal(&self.system.user_email)),
            _ => None,
        }
    }
}

/// The name that a positional parameter is given: its place in the whole script, from one.
pub fn positional_name(place: usize) -> String {
    format!("_positional_{place}")
}

fn positional(script: &Script, node: NodeId) -> Option<String> {
    if script.tree.child(node, "name").is_some() {
        return None;
    }
    let own = script.span(node)?.start;
    let whole = Span { start: 0, end: script.text.len() };
    let before = script.nodes_within(whole).filter(|other| {
        script.tree.kind(*other) == "ASTParameterExpr"
            && script.tree.child(*other, "name").is_none()
            && script.span(*other).is_some_and(|span| span.start < own)
    });
    Some(format!("@{}", quoted(&positional_name(before.count() + 1))))
}
