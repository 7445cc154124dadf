//! Views: the evaluator's catalog has none, so a view is run first and its rows stand in for it.

use super::names::Defaults;
use super::query;
use super::text::{Script, Span};
use super::world::{System, Temporary, World};
use crate::problem::Problem;
use crate::store::{Rows, Table, TableKind};
use crate::values::Column;
use sluice_model::TableName;
use std::sync::Arc;

/// Functions whose answer may differ the next time: rows made with them are not kept.
const VOLATILE: [&str; 6] = ["RAND", "CURRENT_", "GENERATE_UUID", "SESSION_USER", "TABLESAMPLE", "ERROR"];

pub type Dependencies = Option<Vec<(TableName, u64)>>;

/// The rows of a view, kept from the last time while nothing that it reads has changed.
pub fn rows(world: &World<'_>, view: &Table) -> Result<(Arc<Rows>, Dependencies), Problem> {
    if let Some(kept) = world.warehouse.kept_view(view.rows.version, world.state) {
        return Ok((kept.rows, Some(kept.dependencies)));
    }
    let TableKind::View { query, legacy } = &view.kind else { return Ok((view.rows.clone(), None)) };
    let script = script(world, query, *legacy)?;
    let found = within(world, &view.name, |world| query::run(world, &script, whole(&script)))?;
    let upper = query.to_ascii_uppercase();
    let dependencies = found.dependencies.filter(|_| !VOLATILE.iter().any(|word| upper.contains(word)));
    if let Some(dependencies) = &dependencies {
        world.warehouse.keep_view(view.rows.version, dependencies.clone(), found.rows.clone());
    }
    Ok((found.rows, dependencies))
}

/// The columns of a view that is being made.
pub fn columns(world: &World<'_>, name: &TableName, query: &str, legacy: bool) -> Result<Vec<Column>, Problem> {
    let script = script(world, query, legacy)?;
    within(world, name, |world| Ok(query::describe(world, &script, whole(&script))?.columns))
}

/// Runs something with nothing in sight but what the view's own project gives.
pub fn within<T>(world: &World<'_>, name: &TableName, run: impl FnOnce(&World<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
    let defaults = Defaults { project: name.project.clone(), dataset: None };
    let system = System { user_email: world.system.user_email.clone(), ..System::default() };
    let temporary = Temporary::default();
    run(&World {
        warehouse: world.warehouse,
        state: world.state,
        defaults: &defaults,
        temporary: &temporary,
        variables: Vec::new(),
        parameters: &[],
        system: &system,
        history: world.history,
        depth: world.depth + 1,
    })
}

pub fn script(world: &World<'_>, query: &str, legacy: bool) -> Result<Arc<Script>, Problem> {
    if legacy {
        return Err(Problem::not_implemented("legacy SQL"));
    }
    world.warehouse.script(query)
}

pub fn whole(script: &Script) -> Span {
    let statement = script.statements().first().and_then(|statement| script.span(*statement));
    statement.unwrap_or(Span { start: 0, end: script.text.len() })
}
