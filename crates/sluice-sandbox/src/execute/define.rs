//! DDL: tables, views, schemas, and what removes them.

use super::driver::{Done, Driver};
use super::names::Target;
use super::outcome::{Definition, DefinitionTarget};
use super::query;
use super::text::Script;
use super::world::World;
use super::{kinds, modify, options, view};
use crate::clock::now_milliseconds;
use crate::problem::{Problem, Reason};
use crate::store::{Dataset, Rows, Table, TableKind};
use crate::values::schema::RECORD_DEPTH_MAX;
use crate::values::{Column, ColumnMode, Scalar, limit};
use serde_json::{Map, Value, json};
use sluice_model::{TableName, Type};
use sluice_sql::tree::NodeId;
use std::sync::Arc;

impl Driver<'_> {
    pub fn define(&mut self, script: &Script, node: NodeId, kind: &str) -> Result<Done, Problem> {
        let temporary = kinds::is_temporary(script, node);
        if !temporary {
            self.refuse_inside_transaction()?;
        }
        let definition = match kind {
            "CREATE_TABLE" | "CREATE_TABLE_AS_SELECT" | "CREATE_SNAPSHOT_TABLE" if temporary => {
                self.create_temporary_table(script, node)?
            }
            "CREATE_SNAPSHOT_TABLE" | "CREATE_TABLE" | "CREATE_TABLE_AS_SELECT" | "CREATE_VIEW" => self.create_table(script, node)?,
            "CREATE_SCHEMA" => self.create_schema(script, node)?,
            "CREATE_FUNCTION" | "CREATE_TABLE_FUNCTION" | "CREATE_PROCEDURE" => self.create_routine(script, node, temporary)?,
            "DROP_TABLE"
            | "DROP_SNAPSHOT_TABLE"
            | "DROP_VIEW"
            | "DROP_SCHEMA"
            | "DROP_PROCEDURE"
            | "DROP_FUNCTION"
            | "DROP_TABLE_FUNCTION" => self.drop_thing(script, node, kind)?,
            "ALTER_TABLE" | "ALTER_VIEW" | "ALTER_SCHEMA" => self.alter(script, node, kind)?,
            other => return Err(Problem::not_implemented(&other.replace('_', " "))),
        };
        let written = match &definition {
            Definition { operation: "CREATE" | "REPLACE", target: DefinitionTarget::Table(name) } => Some(name.clone()),
            _ => None,
        };
        Ok(Done { definition: Some(definition), written, ..Done::default() })
    }

    fn create_temporary_table(&mut self, script: &Script, node: NodeId) -> Result<Definition, Problem> {
        let path = script.child_path(node, "name").unwrap_or_default();
        let name = path.last().cloned().unwrap_or_default();
        let exists = self.temporary.tables.contains_key(&name.to_lowercase());
        let full_name = TableName::new(&self.settings.project, "_SESSION", &name);
        match occupied(script, node, exists, || table_words(&full_name))? {
            "SKIP" => Ok(Definition { operation: "SKIP", target: DefinitionTarget::Temporary }),
            operation => {
                let table = self.read(|world| new_table(world, script, node, full_name.clone()))?;
                self.temporary.tables.insert(name.to_lowercase(), Arc::new(table));
                Ok(Definition { operation, target: DefinitionTarget::Temporary })
            }
        }
    }

    fn create_table(&mut self, script: &Script, node: NodeId) -> Result<Definition, Problem> {
        let path = script.child_path(node, "name").unwrap_or_default();
        self.change(|world, working| {
            let name = object_name(world, &path)?;
            let operation = occupied(script, node, world.state.find_table(&name).is_some(), || table_words(&name))?;
            if operation != "SKIP" {
                working.put_table(new_table(world, script, node, name.clone())?)?;
            }
            Ok(Definition { operation, target: DefinitionTarget::Table(name) })
        })
    }

    fn create_schema(&mut self, script: &Script, node: NodeId) -> Result<Definition, Problem> {
        let path = script.child_path(node, "name").unwrap_or_default();
        let location = self.warehouse.location.clone();
        self.change(|world, working| {
            let name = world.defaults.dataset(&path).ok_or_else(|| Problem::invalid_query("a schema's name has one or two parts"))?;
            let exists = world.state.datasets.contains_key(&name);
            let operation = occupied(script, node, exists, || format!("Dataset {}:{}", name.project, name.dataset))?;
            if operation == "CREATE" {
                working.put_dataset(Dataset::new(name.clone(), &location, now_milliseconds()));
            }
            Ok(Definition { operation, target: DefinitionTarget::Dataset(name) })
        })
    }

    fn drop_thing(&mut self, script: &Script, node: NodeId, kind: &str) -> Result<Definition, Problem> {
        let path = script.child_path(node, "name").unwrap_or_default();
        let lower = path.last().cloned().unwrap_or_default().to_lowercase();
        let temporary = self.read(|world| Ok(world.temporary_table(&path).is_some()))?;
        if kind == "DROP_TABLE" && temporary {
            self.temporary.tables.remove(&lower);
            return Ok(Definition { operation: "DROP", target: DefinitionTarget::Temporary });
        }
        let lenient = script.tree.boolean(node, "is_if_exists");
        let with_contents = script.tree.enumerator(node, "drop_mode") == Some("CASCADE");
        self.change(|world, working| {
            let (target, dropped) = match kind {
                "DROP_SCHEMA" => {
                    let name =
                        world.defaults.dataset(&path).ok_or_else(|| Problem::invalid_query("a schema's name has one or two parts"))?;
                    (DefinitionTarget::Dataset(name.clone()), working.drop_dataset(&name, with_contents))
                }
                "DROP_TABLE" | "DROP_SNAPSHOT_TABLE" | "DROP_VIEW" => {
                    let name = object_name(world, &path)?;
                    check_dropped(world, &name, kind)?;
                    (DefinitionTarget::Table(name.clone()), working.drop_table(&name))
                }
                _ => {
                    let name = object_name(world, &path)?;
                    (DefinitionTarget::Routine(name.clone()), working.drop_routine(&name))
                }
            };
            match dropped {
                Err(problem) if problem.reason == Reason::NotFound && lenient => Ok(Definition { operation: "SKIP", target }),
                Err(problem) => Err(problem),
                Ok(()) => Ok(Definition { operation: "DROP", target }),
            }
        })
    }
}

/// The permanent name of something that a statement makes or removes.
pub fn object_name(world: &World<'_>, path: &[String]) -> Result<TableName, Problem> {
    match world.defaults.table(path) {
        Some(Target::Table(name)) => Ok(name),
        Some(Target::Unqualified(name)) => {
            Err(Problem::invalid(format!("Table \"{name}\" must be qualified with a dataset (e.g. dataset.table).")))
        }
        _ => Err(Problem::invalid(format!("Invalid name `{}`", path.join(".")))),
    }
}

/// What CREATE does where something may be there already.
pub fn occupied(script: &Script, node: NodeId, exists: bool, what: impl FnOnce() -> String) -> Result<&'static str, Problem> {
    match (exists, script.tree.boolean(node, "is_or_replace"), script.tree.boolean(node, "is_if_not_exists")) {
        (false, ..) => Ok("CREATE"),
        (true, true, _) => Ok("REPLACE"),
        (true, false, true) => Ok("SKIP"),
        (true, false, false) => Err(Problem::new(Reason::Duplicate, format!("Already Exists: {}", what()))),
    }
}

fn table_words(TableName { project, dataset, table }: &TableName) -> String {
    format!("Table {project}:{dataset}.{table}")
}

fn check_dropped(world: &World<'_>, name: &TableName, kind: &str) -> Result<(), Problem> {
    let Some(table) = world.state.find_table(name) else { return Ok(()) };
    let (what, right) = match table.kind {
        TableKind::Generated | TableKind::Table => ("a table", "DROP_TABLE"),
        TableKind::Snapshot => ("a snapshot", "DROP_SNAPSHOT_TABLE"),
        TableKind::View { .. } => ("a view", "DROP_VIEW"),
    };
    if kind == right { Ok(()) } else { Err(Problem::invalid_query(format!("{name} is {what}, use {}", right.replace('_', " ")))) }
}

fn new_table(world: &World<'_>, script: &Script, node: NodeId, name: TableName) -> Result<Table, Problem> {
    let tree = &script.tree;
    let now = now_milliseconds();
    if tree.kind(node) == "ASTCreateViewStatement" {
        return new_view(world, script, node, name, now);
    }
    let empty = || Arc::new(Rows::held(Vec::new()));
    let elements = tree.child(node, "table_element_list").map(|list| tree.children(list, "elements")).unwrap_or_default();
    let declared = elements.into_iter().filter(|element| tree.kind(*element) == "ASTColumnDefinition");
    let declared: Vec<Column> = declared.map(|element| column(script, element)).collect::<Result<_, _>>()?;
    if let Some(query) = tree.child(node, "query").and_then(|query| script.span(query)) {
        let found = query::run(world, script, query)?;
        let extra = options::of_table(script, node);
        if declared.is_empty() {
            return Ok(Table { extra, ..held(name, found.columns, found.rows, now)? });
        }
        let columns = overlaid(declared, &found.columns)?;
        let mut rows = found.rows.as_held().ok_or_else(super::scan::refusal)?.to_vec();
        rows.iter_mut().try_for_each(|row| modify::settle(&columns, row))?;
        return Ok(Table { extra, ..Table::new(name, columns, Arc::new(Rows::held(rows)), now) });
    }
    for field in ["like_table_name", "clone_data_source", "copy_data_source"] {
        let path = match field {
            "like_table_name" => script.child_path(node, field),
            _ => tree.child(node, field).and_then(|source| script.child_path(source, "path_expr")),
        };
        if let Some(path) = path {
            let source = modify::copyable(world, &path)?;
            let is_snapshot = tree.kind(node) == "ASTCreateSnapshotTableStatement";
            return Ok(match field {
                "clone_data_source" => source.derived(name, is_snapshot, now),
                "copy_data_source" => source.copied(name, source.rows.clone(), now),
                _ => source.copied(name, empty(), now),
            });
        }
    }
    Ok(Table { extra: options::of_table(script, node), ..Table::new(name, declared, empty(), now) })
}

/// Rows of the generated table are not copied.
fn held(name: TableName, columns: Vec<Column>, rows: Arc<Rows>, now: i64) -> Result<Table, Problem> {
    if rows.as_held().is_none() {
        return Err(super::scan::refusal());
    }
    Ok(Table::new(name, columns, rows, now))
}

fn new_view(world: &World<'_>, script: &Script, node: NodeId, name: TableName, now: i64) -> Result<Table, Problem> {
    let query = script.tree.child(node, "query").map(|query| script.slice(query)).unwrap_or_default();
    if script.tree.child(node, "column_with_options_list").is_some() {
        return Err(Problem::not_implemented("views with a list of columns"));
    }
    let columns = view::columns(world, &name, query, false)?;
    let mut table = Table::new(name, columns, Arc::new(Rows::held(Vec::new())), now);
    table.kind = TableKind::View { query: query.to_owned(), legacy: false };
    table.extra = options::of_table(script, node);
    Ok(table)
}

/// Declared columns over those that the query gives: same number, types that agree.
fn overlaid(declared: Vec<Column>, found: &[Column]) -> Result<Vec<Column>, Problem> {
    let agree = declared.len() == found.len() && declared.iter().zip(found).all(|(one, other)| one.full_type() == other.full_type());
    if agree { Ok(declared) } else { Err(Problem::not_implemented("CREATE TABLE ... AS with columns of other types than the query's")) }
}

fn limits(script: &Script, column: &Column, brackets: NodeId) -> Option<Map<String, Value>> {
    let numbers: Vec<&str> = script.tree.children(brackets, "parameters").into_iter().map(|number| script.slice(number)).collect();
    let Scalar::Of(kind) = &column.kind else { return None };
    limit::of_brackets(kind, &numbers)
}

/// A column out of its definition.
pub fn column(script: &Script, node: NodeId) -> Result<Column, Problem> {
    nested_column(script, node, 0)
}

fn nested_column(script: &Script, node: NodeId, depth: usize) -> Result<Column, Problem> {
    let name = script.identifier(node, "name").unwrap_or_default();
    let schema = script.tree.child(node, "schema").ok_or_else(|| Problem::invalid_query(format!("Column {name} has no type")))?;
    column_of(script, name, schema, depth)
}

fn column_of(script: &Script, name: &str, schema: NodeId, depth: usize) -> Result<Column, Problem> {
    if depth > RECORD_DEPTH_MAX {
        return Err(Problem::invalid_query(format!("Column {name} is nested deeper than {RECORD_DEPTH_MAX} levels")));
    }
    let tree = &script.tree;
    let wrong = || Problem::invalid_query(format!("Column {name} has a type that BigQuery does not have: {}", script.slice(schema)));
    let mut column = match tree.kind(schema) {
        "ASTSimpleColumnSchema" => {
            let word = script.child_path(schema, "type_name").unwrap_or_default().join(".");
            let mut column = Column::of(name, &Type::parse(&word).map_err(|_| wrong())?);
            if let Some(brackets) = tree.child(schema, "type_parameters") {
                column.extra = limits(script, &column, brackets).ok_or_else(wrong)?;
            }
            column
        }
        "ASTArrayColumnSchema" => {
            let element = tree.child(schema, "element_schema").ok_or_else(wrong)?;
            Column { mode: ColumnMode::Repeated, ..column_of(script, name, element, depth + 1)? }
        }
        "ASTStructColumnSchema" => {
            let fields = tree.children(schema, "struct_fields").into_iter().map(|field| nested_column(script, field, depth + 1));
            let fields = fields.collect::<Result<_, _>>()?;
            Column { kind: Scalar::Record, fields, ..Column::of(name, &Type::String) }
        }
        "ASTRangeColumnSchema" => Column::of(name, &Type::parse(script.slice(schema)).map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    let attributes = tree.child(schema, "attributes").map(|list| tree.children(list, "values")).unwrap_or_default();
    if attributes.iter().any(|attribute| tree.kind(*attribute) == "ASTNotNullColumnAttribute") {
        column.mode = ColumnMode::Required;
    }
    if let Some(default) = tree.child(schema, "default_expression") {
        column.extra.insert("defaultValueExpression".to_owned(), json!(script.slice(default)));
    }
    column.extra.extend(options::description(script, schema).map(|text| ("description".to_owned(), json!(text))));
    Ok(column)
}
