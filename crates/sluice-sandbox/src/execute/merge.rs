//! MERGE: each WHEN clause is a query of its own over the table as it was; the changes are made together at the end.

use super::coerce::coerce;
use super::evaluator::Answer;
use super::insert::{defaults, filled, structure};
use super::modify::{Change, TARGET_NAME};
use super::outcome::Changed;
use super::text::{Edited, quoted};
use super::update::{Assignment, apply, assignments, by_row, row_number};
use crate::problem::Problem;
use crate::store::Row;
use sluice_sql::tree::NodeId;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Plan {
    deleted: BTreeSet<usize>,
    inserted: Vec<Row>,
    updated: BTreeMap<usize, Vec<(usize, Row)>>,
    /// The assignments of each UPDATE clause.
    assignments: Vec<Vec<Assignment>>,
}

pub fn run(change: Change<'_>) -> Result<(Vec<Row>, Changed), Problem> {
    let tree = &change.script.tree;
    let clauses = tree.child(change.node, "when_clauses").map(|list| tree.children(list, "clause_list")).unwrap_or_default();
    let mut plan = Plan::default();
    for (number, clause) in clauses.iter().enumerate() {
        let earlier: Vec<NodeId> = clauses.iter().take(number).copied().collect();
        run_clause(&change, *clause, &earlier, &mut plan)?;
    }
    let mut rows = change.table.rows.as_held().unwrap_or_default().to_vec();
    for (number, updates) in &plan.updated {
        for (clause, values) in updates {
            if let (Some(row), Some(assignments)) = (rows.get_mut(*number), plan.assignments.get(*clause)) {
                apply(&change.table.columns, row, assignments, values);
            }
        }
    }
    let counts = (plan.inserted.len() as u64, plan.updated.len() as u64, plan.deleted.len() as u64);
    let kept = rows.into_iter().enumerate().filter(|(number, _)| !plan.deleted.contains(number)).map(|(_, row)| row);
    let rows = kept.chain(plan.inserted).collect();
    Ok((rows, Changed { inserted: counts.0, updated: counts.1, deleted: counts.2 }))
}

fn run_clause(change: &Change<'_>, clause: NodeId, earlier: &[NodeId], plan: &mut Plan) -> Result<(), Problem> {
    let tree = &change.script.tree;
    let action = tree.child(clause, "action").ok_or_else(|| Problem::internal("WHEN without an action"))?;
    let rest = rows_of(change, clause, earlier)?;
    match tree.enumerator(action, "action_type") {
        Some("DELETE") => {
            let found = change.query(&selected(&[row_number(change)], &[], &rest))?.rows;
            for number in by_row(found)?.into_keys() {
                touch(plan, number)?;
                plan.deleted.insert(number);
            }
        }
        Some("UPDATE") => {
            let list = tree.child(action, "update_item_list").ok_or_else(|| Problem::internal("UPDATE without items"))?;
            let assignments = assignments(change, list)?;
            let values: Vec<&Edited> = assignments.iter().map(|assignment| &assignment.value).collect();
            let found = change.query(&selected(&[row_number(change)], &values, &rest))?.rows;
            for (number, values) in by_row(found)? {
                touch(plan, number)?;
                plan.updated.entry(number).or_default().push((plan.assignments.len(), values));
            }
            plan.assignments.push(assignments);
        }
        _ => plan.inserted.extend(inserted(change, action, &rest)?),
    }
    Ok(())
}

fn touch(plan: &Plan, number: usize) -> Result<(), Problem> {
    if plan.deleted.contains(&number) || plan.updated.contains_key(&number) {
        return Err(Problem::invalid_query("UPDATE/MERGE must match at most one source row for each target row"));
    }
    Ok(())
}

fn inserted(change: &Change<'_>, action: NodeId, rest: &Edited) -> Result<Vec<Row>, Problem> {
    let tree = &change.script.tree;
    let columns = change.listed_columns(tree.child(action, "insert_column_list"))?;
    let places: Vec<usize> = columns.iter().map(|(place, _)| *place).collect();
    let values = tree.child(action, "insert_row").map(|row| tree.children(row, "values")).unwrap_or_default();
    let found = if values.is_empty() {
        // INSERT ROW: the columns of the source by their order.
        let Answer { columns: found, rows } = change.query(&selected(&["*".to_owned()], &[], rest))?;
        if found.len() != columns.len() {
            return Err(Problem::invalid_query(format!("INSERT ROW has {} columns, expected {}", found.len(), columns.len())));
        }
        let cell = |((cell, (_, from)), (_, column)): ((_, &(String, _)), &(usize, &crate::values::Column))| {
            let message = || format!("Source column cannot be inserted into {} of type {}", column.name, column.full_type());
            coerce(cell, from, &column.full_type()).ok_or_else(|| Problem::invalid_query(message()))
        };
        let row = |row: Row| row.into_iter().zip(&found).zip(&columns).map(cell).collect::<Result<Row, _>>();
        rows.into_iter().map(row).collect::<Result<Vec<_>, _>>()?
    } else if values.len() == columns.len() {
        let mut wrapped = structure(change, &columns, &values);
        wrapped.push(".*");
        change.query(&selected(&[], &[&wrapped], rest))?.rows
    } else {
        let message = format!("Inserted row has wrong column count; Has {}, expected {}", values.len(), columns.len());
        return Err(Problem::invalid_query(message));
    };
    let defaults = defaults(change)?;
    Ok(found.into_iter().map(|cells| filled(&defaults, &places, cells)).collect())
}

fn selected(names: &[String], values: &[&Edited], rest: &Edited) -> Edited {
    let mut text = Edited::default();
    text.push("SELECT ");
    text.push(&names.join(", "));
    for (number, value) in values.iter().enumerate() {
        text.push(if number == 0 && names.is_empty() { "" } else { ", " });
        text.append(value);
    }
    text.append(rest);
    text
}

/// ` FROM ... WHERE ...` for the rows that a clause is about: matched or not, its own condition, and none of the clauses before it.
fn rows_of(change: &Change<'_>, clause: NodeId, earlier: &[NodeId]) -> Result<Edited, Problem> {
    let tree = &change.script.tree;
    let child = |field: &str| tree.child(change.node, field).ok_or_else(|| Problem::internal(format!("MERGE without `{field}`")));
    let source = change.part(child("table_expression")?);
    let condition = change.part(child("merge_condition")?);
    let target = format!("{TARGET_NAME} AS {}", quoted(&change.alias()));
    let kind = tree.enumerator(clause, "match_type").unwrap_or_default();
    let mut text = Edited::default();
    let mut push = |pieces: &[&dyn Piece]| pieces.iter().for_each(|piece| piece.add(&mut text));
    match kind {
        "MATCHED" => push(&[&" FROM ", &target, &" JOIN ", &source, &" ON (", &condition, &") WHERE TRUE"]),
        "NOT_MATCHED_BY_SOURCE" => {
            push(&[&" FROM ", &target, &" WHERE NOT EXISTS(SELECT 1 FROM ", &source, &" WHERE (", &condition, &"))"]);
        }
        _ => push(&[&" FROM ", &source, &" WHERE NOT EXISTS(SELECT 1 FROM ", &target, &" WHERE (", &condition, &"))"]),
    }
    for other in earlier.iter().filter(|other| tree.enumerator(**other, "match_type") == Some(kind)) {
        match tree.child(*other, "search_condition") {
            Some(condition) => push(&[&" AND NOT IFNULL((", &change.part(condition), &"), FALSE)"]),
            None => push(&[&" AND FALSE"]),
        }
    }
    if let Some(own) = tree.child(clause, "search_condition") {
        push(&[&" AND (", &change.part(own), &")"]);
    }
    Ok(text)
}

/// Text of ours, or a part of the statement.
trait Piece {
    fn add(&self, text: &mut Edited);
}

impl Piece for &str {
    fn add(&self, text: &mut Edited) {
        text.push(self);
    }
}

impl Piece for String {
    fn add(&self, text: &mut Edited) {
        text.push(self);
    }
}

impl Piece for Edited {
    fn add(&self, text: &mut Edited) {
        text.append(self);
    }
}
