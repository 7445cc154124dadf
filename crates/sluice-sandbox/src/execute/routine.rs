//! SQL functions for the engine: their bodies go into the catalog, and so does what the bodies name.

use super::bind::Binder;
use super::text::{Edited, Script, Span};
use crate::problem::Problem;
use crate::store::{Routine, RoutineKind};
use sluice_model::RoutineName;
use sluice_sql::engine::{self, Argument, ArgumentKind, Body, Cardinality, Mode, Signature, TableResult};

/// Puts an expression where a statement can stand, so that the engine parses it.
const EXPRESSION_PREFIX: &str = "SELECT ";

pub fn bind_function(binder: &mut Binder<'_>, path: &[String], routine: &Routine) -> Result<(), Problem> {
    let mode = match routine.kind {
        RoutineKind::AggregateFunction => Mode::Aggregate,
        RoutineKind::ScalarFunction => Mode::Scalar,
        RoutineKind::Procedure | RoutineKind::TableFunction => return Ok(()),
    };
    demand_sql(routine)?;
    let text = body(binder, routine, EXPRESSION_PREFIX)?;
    let text = match &routine.returns {
        Some(kind) => format!("CAST(({text}) AS {kind})"),
        None => format!("({text})"),
    };
    let result = routine.returns.clone().map_or(ArgumentKind::Arbitrary, ArgumentKind::Fixed);
    let signature = Signature { arguments: arguments(routine), result };
    let body = Body { argument_names: argument_names(routine), text };
    binder.binding.catalog.functions.push(engine::Function { path: path.to_vec(), mode, signatures: vec![signature], body: Some(body) });
    Ok(())
}

pub fn bind_table_function(binder: &mut Binder<'_>, path: &[String], routine: &Routine) -> Result<(), Problem> {
    if routine.kind != RoutineKind::TableFunction {
        return Ok(());
    }
    demand_sql(routine)?;
    let text = body(binder, routine, "")?;
    let result = TableResult::Query(Body { argument_names: argument_names(routine), text });
    binder.binding.catalog.table_functions.push(engine::TableFunction { path: path.to_vec(), arguments: arguments(routine), result });
    Ok(())
}

pub fn demand_sql(routine: &Routine) -> Result<(), Problem> {
    if routine.is_sql() {
        return Ok(());
    }
    let RoutineName { project, dataset, table } = &routine.name;
    let language = if routine.language.is_empty() { "remote" } else { &routine.language };
    Err(Problem::not_implemented(&format!("{language} routines (`{project}.{dataset}.{table}`)")))
}

/// The body as the engine shall read it. What it names is bound too; a body sees no variables, no parameters and no temporary tables,
/// but this warehouse does not hide them: a body that needs them to be hidden would mean something else in BigQuery.
fn body(binder: &mut Binder<'_>, routine: &Routine, prefix: &str) -> Result<String, Problem> {
    let script: std::sync::Arc<Script> = binder.world.warehouse.script(&format!("{prefix}{}", routine.body))?;
    binder.binding.routines.insert(routine.name.clone());
    let span = Span { start: prefix.len(), end: script.text.len() };
    binder.depth += 1;
    let edits = binder.names(&script, span);
    binder.depth -= 1;
    Ok(Edited::part(&script, span, &edits?).text)
}

fn arguments(routine: &Routine) -> Vec<Argument> {
    let argument = |argument: &crate::store::RoutineArgument| Argument {
        kind: match (&argument.kind, routine.kind) {
            (Some(kind), _) => ArgumentKind::Fixed(kind.clone()),
            (None, RoutineKind::TableFunction) => ArgumentKind::Relation,
            (None, _) => ArgumentKind::Arbitrary,
        },
        cardinality: Cardinality::Required,
        name: None,
        named_only: false,
        not_aggregate: false,
    };
    routine.arguments.iter().map(argument).collect()
}

fn argument_names(routine: &Routine) -> Vec<String> {
    routine.arguments.iter().map(|argument| argument.name.clone()).collect()
}
