//! The evaluator takes rows only for tables that stand in the root catalog, under one name. So each path of several parts becomes one quoted
//! name, in the text and in the bodies of functions, with the alias that the path would have had.

use super::Evaluation;
use super::values::stand_in;
use crate::googlesql::GoogleSql;
use sluice_sql::engine::{Body, Catalog, Engine, Fault, TableResult};
use sluice_sql::tree::{NodeId, Tree};
use std::collections::{HashMap, HashSet};

/// What a function's body is read as: an expression alone is no statement.
const EXPRESSION_PREFIX: &str = "SELECT ";

pub struct Placed {
    pub text: String,
    pub catalog: Catalog,
    edits: Vec<Edit>,
    original: String,
}

#[derive(Clone, Debug)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

impl Placed {
    pub fn of(engine: &GoogleSql, evaluation: &Evaluation<'_>) -> Result<Placed, Fault> {
        let mut catalog = evaluation.catalog.clone();
        catalog.tables.iter_mut().flat_map(|table| &mut table.columns).for_each(|column| column.kind = stand_in(&column.kind));
        catalog.constants.iter_mut().for_each(|constant| constant.kind = stand_in(&constant.kind));
        let slots = slots(&catalog);
        let mut placed = Placed {
            text: evaluation.text.to_owned(),
            catalog: Catalog::default(),
            edits: Vec::new(),
            original: evaluation.text.to_owned(),
        };
        if !slots.is_empty() {
            placed.edits = edits(&engine.parse(evaluation.text)?, &slots);
            placed.text = apply(evaluation.text, &placed.edits, 0);
            for function in &mut catalog.functions {
                if let Some(body) = &mut function.body {
                    place_body(engine, body, EXPRESSION_PREFIX, &slots);
                }
            }
            for function in &mut catalog.table_functions {
                if let TableResult::Query(body) = &mut function.result {
                    place_body(engine, body, "", &slots);
                }
            }
            for table in &mut catalog.tables {
                if let Some(slot) = slots.get(&lowercase(&table.path)) {
                    table.path = vec![slot.clone()];
                }
            }
        }
        placed.catalog = catalog;
        Ok(placed)
    }

    /// Positions in a message lead to the text as it was given.
    pub fn original(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Invalid { message, line: Some(line), column: Some(column) } if !self.edits.is_empty() => {
                let (line, column) = self.position(line, column);
                Fault::Invalid { message, line: Some(line), column: Some(column) }
            }
            other => other,
        }
    }

    fn position(&self, line: u32, column: u32) -> (u32, u32) {
        let mut offset = offset_of(&self.text, line, column);
        for edit in &self.edits {
            // The edits before this one are undone already, so its start is where it was.
            if offset < edit.start {
                break;
            }
            let written = edit.start + edit.text.len();
            offset = if offset < written { edit.start } else { offset - written + edit.end };
        }
        position_of(&self.original, offset)
    }
}

/// The one name that stands for a path, by the path in lower case.
type Slots = HashMap<Vec<String>, String>;

fn slots(catalog: &Catalog) -> Slots {
    let mut taken: HashSet<String> = HashSet::new();
    taken.extend(catalog.tables.iter().filter(|table| table.path.len() == 1).flat_map(|table| lowercase(&table.path)));
    let mut slots = Slots::new();
    for table in catalog.tables.iter().filter(|table| table.path.len() > 1) {
        let path = lowercase(&table.path);
        if slots.contains_key(&path) {
            continue;
        }
        let mut slot = table.path.join(".");
        // `a.b`.c and a.b.c are two paths.
        while !taken.insert(slot.to_lowercase()) {
            slot.push('\'');
        }
        slots.insert(path, slot);
    }
    slots
}

fn lowercase(path: &[impl AsRef<str>]) -> Vec<String> {
    path.iter().map(|part| part.as_ref().to_lowercase()).collect()
}

fn place_body(engine: &GoogleSql, body: &mut Body, prefix: &str, slots: &Slots) {
    // A body that does not parse is left as it is: the module reports it where it is used.
    if let Ok(tree) = engine.parse(&format!("{prefix}{}", body.text)) {
        body.text = apply(&body.text, &edits(&tree, slots), prefix.len());
    }
}

/// In the order of the text.
fn edits(tree: &Tree, slots: &Slots) -> Vec<Edit> {
    let count = u32::try_from(tree.nodes.len()).unwrap_or(u32::MAX);
    let mut edits: Vec<Edit> = (0..count).filter_map(|number| edit(tree, NodeId(number), slots)).collect();
    edits.sort_by_key(|edit| edit.start);
    edits
}

fn edit(tree: &Tree, node: NodeId, slots: &Slots) -> Option<Edit> {
    let (path, aliased) = match tree.kind(node) {
        "ASTTablePathExpression" => (tree.child(node, "path_expr")?, tree.child(node, "alias").is_none()),
        "ASTTableClause" => (tree.child(node, "table_path")?, false),
        _ => return None,
    };
    let names: Vec<&str> = tree.children(path, "names").into_iter().filter_map(|name| tree.text(name, "id_string")).collect();
    let slot = slots.get(&lowercase(&names))?;
    let range = tree.child(path, "parse_location_range")?;
    let offset = |field| usize::try_from(tree.integer(range, field).unwrap_or(0)).ok();
    let mut text = quoted(slot);
    if aliased {
        text.push_str(" AS ");
        text.push_str(&quoted(names.last()?));
    }
    Some(Edit { start: offset("start")?, end: offset("end")?, text })
}

fn apply(text: &str, edits: &[Edit], shift: usize) -> String {
    let mut written = String::new();
    let mut from = 0;
    for edit in edits {
        let (start, end) = (edit.start.saturating_sub(shift), edit.end.saturating_sub(shift));
        let Some(before) = text.get(from..start) else { continue };
        written.push_str(before);
        written.push_str(&edit.text);
        from = end;
    }
    written.push_str(text.get(from..).unwrap_or_default());
    written
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// Columns count letters, from one.
fn offset_of(text: &str, line: u32, column: u32) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(offset, _)| offset)
}

fn position_of(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lead_back() {
        let edit = |start, end, text: &str| Edit { start, end, text: text.to_owned() };
        let original = "SELECT é FROM d.t, d.u\nWHERE x";
        let edits = vec![edit(15, 18, "`d.t` AS `t`"), edit(20, 23, "`d.u` AS `u`")];
        let text = apply(original, &edits, 0);
        assert_eq!(text, "SELECT é FROM `d.t` AS `t`, `d.u` AS `u`\nWHERE x");
        let placed = Placed { text, catalog: Catalog::default(), edits, original: original.to_owned() };
        let check = |line, column, expect| assert_eq!(placed.position(line, column), expect, "{line}:{column}");
        check(1, 8, (1, 8));
        check(1, 15, (1, 15));
        check(1, 20, (1, 15));
        check(1, 29, (1, 20));
        check(2, 7, (2, 7));
    }
}
