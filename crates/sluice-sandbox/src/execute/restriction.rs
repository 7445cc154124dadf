//! The rows of a table that a condition holds for: `SELECT * FROM table WHERE condition`, run as any other statement.

use super::query::top_select;
use super::text::{Script, quoted};
use super::view::whole;
use super::warehouse::{RunSettings, Warehouse};
use crate::problem::Problem;
use crate::store::{Rows, Table};
use std::sync::Arc;

/// What can stand behind a condition without being part of it.
const BEHIND: [&str; 4] = ["group_by", "having", "qualify", "window_clause"];

impl Warehouse {
    pub fn restricted(&self, table: &Table, condition: &str, user_email: &str) -> Result<Arc<Rows>, Problem> {
        let path = [&table.name.project, &table.name.dataset, &table.name.table].map(|part| quoted(part)).join(".");
        let text = format!("SELECT * FROM {path} WHERE\n{condition}\n");
        let script = self.script(&text)?;
        if !is_condition(&script) {
            return Err(Problem::invalid("it must be one condition over the columns of the table, without subqueries"));
        }
        let outcome = self.run(&text, &RunSettings::new(&table.name.project, user_email));
        match (&outcome.error, outcome.last()) {
            (Some(problem), _) => Err(problem.clone()),
            (None, Some(statement)) => Ok(statement.rows.clone()),
            (None, None) => Err(Problem::internal("the condition gave no rows")),
        }
    }
}

/// Whoever writes a condition could write more behind it: another statement, an order, a union, a table of somebody else.
fn is_condition(script: &Script) -> bool {
    let (tree, span) = (&script.tree, whole(script));
    let [_] = script.statements().as_slice() else { return false };
    let queries: Vec<_> = script.nodes_within(span).filter(|node| tree.kind(*node) == "ASTQuery").collect();
    let ([query], Some(select)) = (queries.as_slice(), top_select(script, span)) else { return false };
    let plain = ["order_by", "limit_offset", "lock_mode"].iter().all(|field| tree.child(*query, field).is_none());
    plain && BEHIND.iter().all(|field| tree.child(select, field).is_none())
}
