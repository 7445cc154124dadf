//! CREATE FUNCTION, TABLE FUNCTION and PROCEDURE.

use super::define::{object_name, occupied};
use super::driver::Driver;
use super::outcome::{Definition, DefinitionTarget};
use super::text::Script;
use crate::clock::now_milliseconds;
use crate::problem::Problem;
use crate::store::routine::data_type_json;
use crate::store::{ArgumentMode, Routine, RoutineArgument, RoutineKind};
use serde_json::{Map, Value, json};
use sluice_model::{TableName, Type};
use sluice_sql::tree::NodeId;
use std::sync::Arc;

impl Driver<'_> {
    pub fn create_routine(&mut self, script: &Script, node: NodeId, temporary: bool) -> Result<Definition, Problem> {
        let declaration = script.tree.child(node, "function_declaration").unwrap_or(node);
        let path = script.child_path(declaration, "name").unwrap_or_default();
        if temporary {
            let name = path.last().cloned().unwrap_or_default();
            let exists = self.temporary.routines.contains_key(&name.to_lowercase());
            let full_name = TableName::new(&self.settings.project, "_SESSION", &name);
            let operation = occupied(script, node, exists, || routine_words(&full_name))?;
            if operation != "SKIP" {
                let routine = routine(script, node, declaration, full_name)?;
                self.temporary.routines.insert(name.to_lowercase(), Arc::new(routine));
            }
            return Ok(Definition { operation, target: DefinitionTarget::Temporary });
        }
        self.change(|world, working| {
            let name = object_name(world, &path)?;
            let operation = occupied(script, node, world.state.find_routine(&name).is_some(), || routine_words(&name))?;
            if operation != "SKIP" {
                working.put_routine(routine(script, node, declaration, name.clone())?)?;
            }
            Ok(Definition { operation, target: DefinitionTarget::Routine(name) })
        })
    }
}

fn routine_words(TableName { project, dataset, table }: &TableName) -> String {
    format!("Routine {project}:{dataset}.{table}")
}

fn routine(script: &Script, node: NodeId, declaration: NodeId, name: TableName) -> Result<Routine, Problem> {
    let tree = &script.tree;
    let kind = match tree.kind(node) {
        "ASTCreateProcedureStatement" => RoutineKind::Procedure,
        "ASTCreateTableFunctionStatement" => RoutineKind::TableFunction,
        _ if tree.boolean(node, "is_aggregate") => RoutineKind::AggregateFunction,
        _ => RoutineKind::ScalarFunction,
    };
    let language = script.identifier(node, "language").unwrap_or("SQL").to_ascii_uppercase();
    if tree.boolean(node, "is_remote") || language != "SQL" {
        return Err(Problem::not_implemented("routines in another language than SQL"));
    }
    let body = match kind {
        RoutineKind::Procedure => tree.child(node, "body"),
        RoutineKind::TableFunction => tree.child(node, "query"),
        _ => tree.path(node, &["sql_function_body", "expression"]),
    };
    let body = body.map(|body| script.slice(body)).unwrap_or_default().to_owned();
    let parameters = tree.child(declaration, "parameters").map(|list| tree.children(list, "parameter_entries")).unwrap_or_default();
    let arguments = parameters.into_iter().map(|parameter| argument(script, parameter)).collect::<Result<Vec<_>, _>>()?;
    let returns = tree.child(node, "return_type").map(|kind| parse_type(script.slice(kind))).transpose()?;
    let now = now_milliseconds();
    Ok(Routine {
        resource: resource(kind, &arguments, returns.as_ref(), &body),
        name,
        kind,
        arguments,
        returns,
        body,
        language,
        created_milliseconds: now,
        modified_milliseconds: now,
    })
}

fn argument(script: &Script, node: NodeId) -> Result<RoutineArgument, Problem> {
    let kind = script.tree.child(node, "type").map(|kind| parse_type(script.slice(kind))).transpose()?;
    let mode = match script.tree.enumerator(node, "procedure_parameter_mode") {
        Some("OUT") => ArgumentMode::Out,
        Some("INOUT") => ArgumentMode::InOut,
        _ => ArgumentMode::In,
    };
    Ok(RoutineArgument { name: script.identifier(node, "name").unwrap_or_default().to_owned(), kind, mode })
}

fn parse_type(text: &str) -> Result<Type, Problem> {
    Type::parse(text).map_err(|error| Problem::invalid_query(error.to_string()))
}

fn resource(kind: RoutineKind, arguments: &[RoutineArgument], returns: Option<&Type>, body: &str) -> Map<String, Value> {
    let argument = |argument: &RoutineArgument| {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), json!(argument.name));
        match &argument.kind {
            Some(kind) => {
                fields.insert("argumentKind".to_owned(), json!("FIXED_TYPE"));
                fields.insert("dataType".to_owned(), data_type_json(kind));
            }
            None => drop(fields.insert("argumentKind".to_owned(), json!("ANY_TYPE"))),
        }
        match argument.mode {
            ArgumentMode::In if kind == RoutineKind::Procedure => drop(fields.insert("mode".to_owned(), json!("IN"))),
            ArgumentMode::In => {}
            ArgumentMode::InOut => drop(fields.insert("mode".to_owned(), json!("INOUT"))),
            ArgumentMode::Out => drop(fields.insert("mode".to_owned(), json!("OUT"))),
        }
        Value::Object(fields)
    };
    let mut fields = Map::new();
    fields.insert("routineType".to_owned(), json!(kind.word()));
    fields.insert("language".to_owned(), json!("SQL"));
    fields.insert("arguments".to_owned(), arguments.iter().map(argument).collect());
    fields.extend(returns.map(|kind| ("returnType".to_owned(), data_type_json(kind))));
    fields.insert("definitionBody".to_owned(), json!(body));
    fields
}
