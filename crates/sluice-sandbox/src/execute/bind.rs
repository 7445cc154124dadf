//! Finds what the names of a statement mean, and gathers it for the engine.

use super::text::{Edit, Edited, Script, Span, quoted};
use super::world::World;
use super::{information_schema, routine, view, wildcard};
use crate::execute::names::Target;
use crate::problem::Problem;
use crate::store::{Rows, Table, TableKind};
use crate::values::{Column, Datum};
use sluice_model::TableName;
use sluice_sql::engine::{self, Catalog};
use sluice_sql::tree::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Views and routines inside one another.
pub const BIND_DEPTH_MAX: usize = 32;
/// A hidden column that tells the rows of a table apart while they are changed.
pub const ROW_COLUMN: &str = "_sandbox_row";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Schemas and sizes only: views are not run.
    Describe,
    Execute,
}

/// What a statement is run with.
#[derive(Debug)]
pub struct Binding {
    pub catalog: Catalog,
    pub constants: Vec<Datum>,
    pub contents: Vec<Arc<Rows>>,
    /// By full name as the engine gives it back: every table, view or schema view that is named, views inside views left out.
    pub sources: BTreeMap<String, Source>,
    /// Versions of what the result depends on; nothing where it must not be used again.
    pub dependencies: Option<Vec<(TableName, u64)>>,
    pub routines: BTreeSet<TableName>,
}

#[derive(Clone, Debug)]
pub enum Source {
    Generated(Arc<Table>),
    Other,
    Table(Arc<Table>),
    View(Arc<Table>),
    /// As it was written, with its star.
    Wildcard(TableName),
}

pub struct Binder<'a> {
    pub world: &'a World<'a>,
    pub purpose: Purpose,
    pub depth: usize,
    pub binding: Binding,
    /// Routines that are in the catalog already, in lower case.
    seen: BTreeSet<String>,
}

impl<'a> Binder<'a> {
    pub fn new(world: &'a World<'a>, purpose: Purpose) -> Binder<'a> {
        let mut catalog = Catalog::default();
        let mut constants = Vec::new();
        for variable in &world.variables {
            catalog.constants.push(engine::Constant { path: vec![variable.name.clone()], kind: variable.kind.clone() });
            constants.push(variable.value.clone());
        }
        let binding = Binding {
            catalog,
            constants,
            contents: Vec::new(),
            sources: BTreeMap::new(),
            dependencies: Some(Vec::new()),
            routines: BTreeSet::new(),
        };
        Binder { world, purpose, depth: world.depth, binding, seen: BTreeSet::new() }
    }

    /// Gathers everything that a part of a script names, and gives the part as the engine shall read it.
    pub fn part(&mut self, script: &Script, span: Span) -> Result<Edited, Problem> {
        let edits = self.names(script, span)?;
        Ok(Edited::part(script, span, &edits))
    }

    /// Gathers what is named, and tells what has to be exchanged in the text.
    ///
    /// A table that is found is called by its full name from then on, in one quoted part: the evaluator knows no other, and statements that
    /// spell a name in different ways share what was registered for it.
    pub fn names(&mut self, script: &Script, span: Span) -> Result<Vec<Edit>, Problem> {
        if self.depth > BIND_DEPTH_MAX {
            return Err(Problem::invalid_query(format!("Views and functions are nested deeper than {BIND_DEPTH_MAX} levels")));
        }
        let mut edits = Vec::new();
        for node in script.nodes_within(span) {
            let path = |field: &str| script.child_path(node, field);
            match script.tree.kind(node) {
                "ASTTablePathExpression" => edits.extend(self.source(script, node, "path_expr")?),
                "ASTTableClause" => edits.extend(self.source(script, node, "table_path")?),
                "ASTFunctionCall" => path("function").map_or(Ok(()), |path| self.function(&path))?,
                kind @ ("ASTPipeCreateTable" | "ASTPipeExportData" | "ASTPipeFork" | "ASTPipeInsert" | "ASTPipeLog" | "ASTPipeTee") => {
                    return Err(Problem::not_implemented(&format!("the pipe operator of `{}`", kind.trim_start_matches("AST"))));
                }
                "ASTTVF" => path("name").map_or(Ok(()), |path| self.table_function(&path))?,
                _ => {}
            }
        }
        // Behind the others: of two edits of one place the first one counts.
        edits.extend(self.world.edits(script, span)?);
        Ok(edits)
    }

    fn source(&mut self, script: &Script, node: NodeId, field: &str) -> Result<Option<Edit>, Problem> {
        let Some(written) = script.tree.child(node, field) else { return Ok(None) };
        let path = script.path(written);
        if let ([name], Some(place)) = (path.as_slice(), script.span(written))
            && script.is_common(name, place)
        {
            return Ok(None);
        }
        let Some(name) = self.table(&path)? else { return Ok(None) };
        let mut text = quoted(&name);
        let bare = script.tree.child(node, "alias").is_none() && script.tree.child(node, "hint").is_none();
        if let (true, "path_expr", Some(last)) = (bare, field, script.written_path(written).last()) {
            text.push_str(" AS ");
            text.push_str(&quoted(last));
        }
        Ok(script.span(written).map(|span| Edit { span, text }))
    }

    /// Gives the full name. A path that means nothing here is left to the engine: it may be an alias, or it will be reported.
    pub fn table(&mut self, path: &[String]) -> Result<Option<String>, Problem> {
        if let Some(table) = self.world.temporary_table(path).cloned() {
            return self.found(table).map(Some);
        }
        match self.world.defaults.table(path) {
            None | Some(Target::Unqualified(_)) => Ok(None),
            Some(Target::Table(name)) => match self.world.state.find_table(&name).cloned() {
                Some(table) => self.found(table).map(Some),
                None => Ok(None),
            },
            Some(Target::Wildcard(prefix)) => {
                let (columns, rows) = wildcard::union(self.world.state, &prefix)?;
                self.binding.dependencies = None;
                let name = format!("{prefix}*");
                let written = TableName { table: format!("{}*", prefix.table), ..prefix };
                self.add(name.clone(), &columns, &[wildcard::SUFFIX_COLUMN], rows, Source::Wildcard(written));
                Ok(Some(name))
            }
            Some(Target::InformationSchema { project, qualifier, view }) => {
                let (columns, rows) = information_schema::rows(self.world, &project, qualifier.as_deref(), &view)?;
                self.binding.dependencies = None;
                let name = [project.as_str(), qualifier.as_deref().unwrap_or_default(), "INFORMATION_SCHEMA", &view].join(".");
                self.add(name.clone(), &columns, &[], Arc::new(rows), Source::Other);
                Ok(Some(name))
            }
        }
    }

    /// The target of a change: its rows are numbered by a hidden column.
    pub fn numbered_table(&mut self, name: &str, table: &Table) {
        let number = |(position, row): (usize, &Vec<Datum>)| {
            let mut row = row.clone();
            row.push(Datum::Int64(i64::try_from(position).unwrap_or(i64::MAX)));
            row
        };
        let rows = table.rows.as_held().unwrap_or_default().iter().enumerate().map(number).collect();
        let mut columns = table.columns.clone();
        columns.push(Column::of(ROW_COLUMN, &sluice_model::Type::Int64));
        self.add(name.to_owned(), &columns, &[ROW_COLUMN], Arc::new(Rows::held(rows)), Source::Other);
    }

    fn found(&mut self, table: Arc<Table>) -> Result<String, Problem> {
        let name = table.name.to_string();
        if self.binding.sources.contains_key(&name) {
            return Ok(name);
        }
        let (rows, source) = match &table.kind {
            TableKind::Generated => (Arc::new(Rows::held(Vec::new())), Source::Generated(table.clone())),
            TableKind::Snapshot | TableKind::Table => (table.rows.clone(), Source::Table(table.clone())),
            TableKind::View { .. } if self.purpose == Purpose::Describe => (Arc::new(Rows::held(Vec::new())), Source::View(table.clone())),
            TableKind::View { .. } => {
                let (rows, dependencies) = view::rows(self.world, &table)?;
                self.depend(dependencies);
                (rows, Source::View(table.clone()))
            }
        };
        self.depend(Some(vec![(table.name.clone(), table.rows.version)]));
        self.add(name.clone(), &table.columns, &[], rows, source);
        Ok(name)
    }

    fn depend(&mut self, more: Option<Vec<(TableName, u64)>>) {
        self.binding.dependencies = self.binding.dependencies.take().zip(more).map(|(mut all, more)| {
            all.extend(more);
            all
        });
    }

    fn add(&mut self, full_name: String, columns: &[Column], pseudo: &[&str], rows: Arc<Rows>, source: Source) {
        let column = |column: &Column| engine::Column {
            name: column.name.clone(),
            kind: column.full_type(),
            pseudo: pseudo.contains(&column.name.as_str()),
        };
        if self.binding.sources.insert(full_name.clone(), source).is_none() {
            let columns = columns.iter().map(column).collect();
            self.binding.catalog.tables.push(engine::Table { path: vec![full_name.clone()], full_name, columns, value_table: false });
            self.binding.contents.push(rows);
        }
    }

    fn function(&mut self, path: &[String]) -> Result<(), Problem> {
        // `SAFE.` may stand before any name.
        let path = match path.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case("SAFE") && !rest.is_empty() => rest,
            _ => path,
        };
        if !self.seen.insert(format!("function {}", path.join(".").to_lowercase())) {
            return Ok(());
        }
        match self.world.routine(path).cloned() {
            Some(found) => routine::bind_function(self, path, &found),
            None => Ok(()),
        }
    }

    fn table_function(&mut self, path: &[String]) -> Result<(), Problem> {
        if !self.seen.insert(format!("table function {}", path.join(".").to_lowercase())) {
            return Ok(());
        }
        match self.world.routine(path).cloned() {
            Some(found) => routine::bind_table_function(self, path, &found),
            None => Ok(()),
        }
    }
}
