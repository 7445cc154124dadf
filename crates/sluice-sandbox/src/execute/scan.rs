//! Plain scans of the generated table: `SELECT columns FROM t [LIMIT n]` and `SELECT COUNT(*) FROM t`. Its rows are never held.

use super::query::Found;
use super::text::Script;
use crate::data::events::{ALL, EventColumn};
use crate::problem::Problem;
use crate::store::{Rows, Table};
use crate::values::{Column, Datum};
use sluice_model::Type;
use sluice_sql::tree::NodeId;
use std::sync::Arc;

const SELECT_EXTRAS: [&str; 7] = ["distinct", "select_as", "where_clause", "group_by", "having", "qualify", "window_clause"];

pub fn refusal() -> Problem {
    Problem::not_implemented("anything but `SELECT columns FROM t [LIMIT n]` and `SELECT COUNT(*) FROM t` on the generated table")
}

pub fn run(script: &Script, select: Option<NodeId>, table: &Table) -> Result<Found, Problem> {
    let select = select.filter(|select| is_plain(script, *select)).ok_or_else(refusal)?;
    let limit = limit(script, select)?;
    let list = script.tree.child(select, "select_list").map(|list| script.tree.children(list, "columns")).unwrap_or_default();
    if let [only] = list.as_slice()
        && is_count(script, *only)
    {
        let name = alias(script, *only).unwrap_or("f0_");
        let count = Datum::Int64(i64::try_from(table.rows.count()).unwrap_or(i64::MAX));
        let rows = if limit == Some(0) { Vec::new() } else { vec![vec![count]] };
        return Ok(Found { columns: vec![Column::of(name, &Type::Int64)], rows: Arc::new(Rows::held(rows)), dependencies: None });
    }
    let mut picked = Vec::new();
    let mut columns = Vec::new();
    for item in list {
        for (event, name) in item_columns(script, item).ok_or_else(refusal)? {
            let column = table.columns.iter().find(|column| column.name == event.name()).ok_or_else(refusal)?;
            columns.push(Column { name, ..column.clone() });
            picked.push(event);
        }
    }
    let count = limit.map_or(table.rows.count(), |limit| limit.min(table.rows.count()));
    Ok(Found { columns, rows: Arc::new(Rows::events(picked, count)), dependencies: None })
}

/// Nothing but a list of columns and one table.
fn is_plain(script: &Script, select: NodeId) -> bool {
    let tree = &script.tree;
    let extra = SELECT_EXTRAS.iter().any(|field| tree.child(select, field).is_some() || tree.boolean(select, field));
    let from = tree.path(select, &["from_clause", "table_expression"]);
    let single = from.is_some_and(|from| {
        tree.kind(from) == "ASTTablePathExpression"
            && ["unnest_expr", "with_offset", "for_system_time"].iter().all(|field| tree.child(from, field).is_none())
            && tree.children(from, "postfix_operators").is_empty()
    });
    !extra && single
}

fn limit(script: &Script, select: NodeId) -> Result<Option<u64>, Problem> {
    let own = script.span(select).ok_or_else(refusal)?;
    let holders = script.nodes_within(super::text::Span { start: 0, end: script.text.len() }).filter(|node| {
        script.tree.kind(*node) == "ASTQuery" && script.span(*node).is_some_and(|span| span.start <= own.start && own.end <= span.end)
    });
    let mut found = None;
    for query in holders {
        if script.tree.child(query, "order_by").is_some() {
            return Err(refusal());
        }
        if let Some(clause) = script.tree.child(query, "limit_offset") {
            let literal = script.tree.path(clause, &["limit", "expression"]).filter(|_| script.tree.child(clause, "offset").is_none());
            let number = literal.and_then(|literal| script.slice(literal).parse::<u64>().ok()).ok_or_else(refusal)?;
            found = Some(found.map_or(number, |other: u64| other.min(number)));
        }
    }
    Ok(found)
}

fn is_count(script: &Script, item: NodeId) -> bool {
    let text: String =
        script.tree.child(item, "expression").map(|node| script.slice(node)).unwrap_or_default().split_whitespace().collect();
    text.eq_ignore_ascii_case("COUNT(*)")
}

fn item_columns(script: &Script, item: NodeId) -> Option<Vec<(EventColumn, String)>> {
    let expression = script.tree.child(item, "expression")?;
    match script.tree.kind(expression) {
        "ASTStar" => Some(ALL.map(|column| (column, column.name().to_owned())).to_vec()),
        "ASTPathExpression" => {
            let column = EventColumn::named(script.path(expression).last()?)?;
            Some(vec![(column, alias(script, item).unwrap_or(column.name()).to_owned())])
        }
        _ => None,
    }
}

fn alias(script: &Script, item: NodeId) -> Option<&str> {
    script.tree.child(item, "alias").and_then(|alias| script.identifier(alias, "identifier"))
}
