//! One query: bound, run or only described, its result as BigQuery shapes it.

use super::bind::{Binder, Binding, Purpose, Source};
use super::evaluator::{Answer, Content, Evaluation};
use super::text::{Edited, Script, Span};
use super::world::World;
use super::{estimate, geography, scan};
use crate::problem::Problem;
use crate::store::{Row, Rows};
use crate::values::{Column, ColumnMode, Datum, Scalar};
use sluice_model::{TableName, Type};
use sluice_sql::engine::{Parameters, Question, Target};
use sluice_sql::tree::{NodeId, Tree};
use std::sync::Arc;

/// A result held in memory at once.
pub const RESULT_ROWS_MAX: usize = 2_000_000;

#[derive(Clone, Debug)]
pub struct Found {
    pub columns: Vec<Column>,
    pub rows: Arc<Rows>,
    pub dependencies: Option<Vec<(TableName, u64)>>,
}

/// What a dry run tells.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub columns: Vec<Column>,
    /// Base tables, through views.
    pub tables: Vec<TableName>,
    pub routines: Vec<TableName>,
    pub bytes: u64,
}

pub fn run(world: &World<'_>, script: &Script, span: Span) -> Result<Found, Problem> {
    let mut binder = Binder::new(world, Purpose::Execute);
    let text = binder.part(script, span)?;
    let binding = binder.binding;
    if let Some(table) = generated(&binding) {
        return scan::run(script, top_select(script, span), &table);
    }
    let answer = evaluate(world, script, &text, &binding)?;
    let (mut columns, mut rows) = shape(answer.columns, answer.rows, selects_struct(script, span))?;
    if geography::is_named(&binding.catalog)
        && let Ok(tree) = analyze(world, script, &text, &binding, Target::Statement)
    {
        geography::restore(&mut columns, &mut rows, &estimate::output(&tree)?);
    }
    Ok(Found { columns, rows: Arc::new(Rows::held(rows)), dependencies: binding.dependencies })
}

/// Runs a text that was made from the script, with that binding.
pub fn evaluate(world: &World<'_>, script: &Script, text: &Edited, binding: &Binding) -> Result<Answer, Problem> {
    if generated(binding).is_some() {
        return Err(scan::refusal());
    }
    // Generated rows were refused above.
    let held = binding.contents.iter().filter_map(|rows| rows.as_held().map(|held| Content { version: rows.version, rows: held }));
    let contents: Vec<Content<'_>> = held.collect();
    let evaluation = Evaluation {
        text: &text.text,
        parameters: world.parameters,
        catalog: &binding.catalog,
        constants: &binding.constants,
        contents: &contents,
    };
    let answer = world.warehouse.evaluator().query(&evaluation).map_err(|fault| world.problem(fault, text, script))?;
    if answer.rows.len() > RESULT_ROWS_MAX {
        let message = format!("Response too large to return: more than {RESULT_ROWS_MAX} rows");
        return Err(Problem::new(crate::problem::Reason::ResponseTooLarge, message));
    }
    Ok(answer)
}

/// Types, tables and bytes, without running anything.
pub fn describe(world: &World<'_>, script: &Script, span: Span) -> Result<Described, Problem> {
    let mut binder = Binder::new(world, Purpose::Describe);
    let text = binder.part(script, span)?;
    let tree = analyze(world, script, &text, &binder.binding, Target::Statement)?;
    if let Some(table) = generated(&binder.binding) {
        scan::run(script, top_select(script, span), &table)?;
    }
    estimate::describe(world, &tree, &binder.binding)
}

pub fn analyze(world: &World<'_>, script: &Script, text: &Edited, binding: &Binding, target: Target) -> Result<Tree, Problem> {
    let named = world.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.kind.clone())).collect();
    let parameters = Parameters::Named(named);
    let question = Question { text: &text.text, target, parameters: &parameters, catalog: &binding.catalog };
    world.warehouse.evaluator().analyze(&question).map_err(|fault| world.problem(fault, text, script))
}

/// The SELECT at the top of that part, where there is just one.
pub fn top_select(script: &Script, span: Span) -> Option<NodeId> {
    let queries = script.nodes_within(span).filter(|node| script.tree.kind(*node) == "ASTQuery");
    let length = |node: &NodeId| script.span(*node).map(|span| span.end - span.start);
    let mut node = queries.max_by_key(length)?;
    loop {
        let plain = script.tree.child(node, "with_clause").is_none() && script.tree.children(node, "pipe_operator_list").is_empty();
        node = script.tree.child(node, "query_expr").filter(|_| plain)?;
        match script.tree.kind(node) {
            "ASTSelect" => return Some(node),
            "ASTQuery" => {}
            _ => return None,
        }
    }
}

/// BigQuery's names for columns without one, no doubles, no nulls for arrays or inside them.
pub fn shape(columns: Vec<(String, Type)>, rows: Vec<Row>, as_struct: bool) -> Result<(Vec<Column>, Vec<Row>), Problem> {
    let (columns, mut rows) = match columns.as_slice() {
        [(_, Type::Struct(fields))] if as_struct => {
            let columns = fields.iter().map(|field| (field.name.clone(), field.kind.clone())).collect();
            (columns, rows.into_iter().map(|row| unwrapped(row, fields.len())).collect())
        }
        _ => (columns, rows),
    };
    let columns = named(&columns)?;
    for row in &mut rows {
        for (column, cell) in columns.iter().zip(row) {
            settle(column, cell)?;
        }
    }
    Ok((columns, rows))
}

pub fn named(columns: &[(String, Type)]) -> Result<Vec<Column>, Problem> {
    let mut unnamed = 0;
    let mut result: Vec<Column> = Vec::with_capacity(columns.len());
    for (name, kind) in columns {
        let name = if name.is_empty() {
            unnamed += 1;
            format!("f{}_", unnamed - 1)
        } else {
            name.clone()
        };
        if result.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(Problem::invalid_query(format!(
                "Duplicate column names in the result are not supported. Found duplicate(s): {name}"
            )));
        }
        result.push(Column::of(&name, kind));
    }
    Ok(result)
}

fn settle(column: &Column, cell: &mut Datum) -> Result<(), Problem> {
    if column.mode == ColumnMode::Repeated {
        if *cell == Datum::Null {
            *cell = Datum::Array(Vec::new());
        }
        if let Datum::Array(elements) = cell {
            if elements.contains(&Datum::Null) {
                let message = format!("Array cannot have a null element; error in writing field {}", column.name);
                return Err(Problem::invalid_query(message));
            }
            return elements.iter_mut().try_for_each(|element| settle_fields(column, element));
        }
    }
    settle_fields(column, cell)
}

fn settle_fields(column: &Column, cell: &mut Datum) -> Result<(), Problem> {
    match (&column.kind, cell) {
        (Scalar::Record, Datum::Struct(fields)) => column.fields.iter().zip(fields).try_for_each(|(field, cell)| settle(field, cell)),
        _ => Ok(()),
    }
}

fn unwrapped(row: Row, width: usize) -> Row {
    match row.into_iter().next() {
        Some(Datum::Struct(fields)) => fields,
        _ => vec![Datum::Null; width],
    }
}

fn selects_struct(script: &Script, span: Span) -> bool {
    top_select(script, span).is_some_and(|select| script.tree.child(select, "select_as").is_some())
}

fn generated(binding: &Binding) -> Option<Arc<crate::store::Table>> {
    binding.sources.values().find_map(|source| match source {
        Source::Generated(table) => Some(table.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: &[(&str, &str)], expect: Result<&[&str], &str>) {
        let columns: Vec<(String, Type)> = columns.iter().map(|(name, kind)| ((*name).to_owned(), Type::parse(kind).unwrap())).collect();
        let found = named(&columns).map(|columns| columns.into_iter().map(|column| column.name).collect::<Vec<_>>());
        match expect {
            Ok(names) => assert_eq!(found, Ok(names.iter().map(|name| (*name).to_owned()).collect())),
            Err(part) => assert!(found.is_err_and(|problem| problem.message.contains(part))),
        }
    }

    #[test]
    fn columns_without_a_name_are_counted() {
        check(&[("", "INT64"), ("a", "INT64"), ("", "INT64")], Ok(&["f0_", "a", "f1_"]));
        check(&[("a", "INT64"), ("A", "INT64")], Err("Duplicate"));
    }

    #[test]
    fn arrays_are_never_null() {
        let kind = Type::parse("STRUCT<a ARRAY<INT64>>").unwrap();
        let row = vec![Datum::Struct(vec![Datum::Null])];
        let (_, rows) = shape(vec![("s".to_owned(), kind.clone())], vec![row.clone()], false).unwrap();
        assert_eq!(rows, [vec![Datum::Struct(vec![Datum::Array(Vec::new())])]]);
        let (columns, rows) = shape(vec![(String::new(), kind)], vec![row], true).unwrap();
        assert_eq!((columns[0].name.as_str(), rows), ("a", vec![vec![Datum::Array(Vec::new())]]));
        let nulls = vec![vec![Datum::Array(vec![Datum::Null])]];
        assert!(shape(vec![("a".to_owned(), Type::parse("ARRAY<INT64>").unwrap())], nulls, false).is_err());
    }
}
