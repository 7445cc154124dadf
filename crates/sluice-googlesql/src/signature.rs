//! Signatures of functions, table functions and procedures, checked for what would stop the module.

use crate::catalog::CatalogFault;
use crate::encode::{Record, word};
use crate::types;
use sluice_sql::engine::{Argument, ArgumentKind, Body, Cardinality};
use std::collections::HashSet;

/// The module's mark for a signature that is not one of its own.
const FOREIGN: i64 = -1;

/// FunctionSignatureProto of a function or a procedure.
pub fn record(arguments: &[Argument], result: &ArgumentKind, path: &str) -> Result<Record, CatalogFault> {
    check(arguments).and_then(|()| check_function(arguments, result)).map_err(fault(path))?;
    Ok(with_result(arguments, kind(result).with("num_occurrences", 1)))
}

/// A table function's; the columns of its result where they are fixed.
pub fn relation_record(arguments: &[Argument], schema: Option<Record>, path: &str) -> Result<Record, CatalogFault> {
    check(arguments).map_err(fault(path))?;
    let mut result = kind(&ArgumentKind::Relation).with("num_occurrences", 1);
    if let Some(schema) = schema {
        result.set("options", Record::new().with("relation_input_schema", schema));
    }
    Ok(with_result(arguments, result))
}

/// A body names each of its arguments, once.
pub fn check_body(body: &Body, arguments: usize, path: &str) -> Result<(), CatalogFault> {
    if body.argument_names.len() != arguments {
        return Err(fault(path)("there are not as many names as arguments"));
    }
    check_names(body.argument_names.iter()).map_err(fault(path))
}

/// A table function whose result has its input's columns has such an input.
pub fn check_input(arguments: &[Argument], path: &str) -> Result<(), CatalogFault> {
    match arguments.first() {
        Some(argument) if argument.kind == ArgumentKind::Relation => Ok(()),
        _ => Err(fault(path)("no table comes first")),
    }
}

fn fault(path: &str) -> impl Fn(&'static str) -> CatalogFault {
    let path = path.to_owned();
    move |message| CatalogFault::Signature { path: path.clone(), message }
}

fn with_result(arguments: &[Argument], result: Record) -> Record {
    let arguments = arguments.iter().map(argument).collect::<Vec<_>>();
    Record::new().with("argument", arguments).with("return_type", result).with("context_id", FOREIGN)
}

fn argument(argument: &Argument) -> Record {
    let (cardinality, occurrences) = match argument.cardinality {
        Cardinality::Optional => ("OPTIONAL", 0),
        Cardinality::Repeated => ("REPEATED", 0),
        Cardinality::Required => ("REQUIRED", 1),
    };
    let mut options = Record::new().with("cardinality", word(cardinality));
    if let Some(name) = &argument.name {
        options.set("argument_name", name.as_str());
        options.set("named_argument_kind", word(if argument.named_only { "NAMED_ONLY" } else { "POSITIONAL_OR_NAMED" }));
    }
    if argument.not_aggregate {
        options.set("is_not_aggregate", true);
    }
    if argument.kind == ArgumentKind::Relation {
        options.set("extra_relation_input_columns_allowed", true);
    }
    kind(&argument.kind).with("options", options).with("num_occurrences", occurrences)
}

fn kind(kind: &ArgumentKind) -> Record {
    let name = match kind {
        ArgumentKind::Any1 => "ARG_TYPE_ANY_1",
        ArgumentKind::Arbitrary => "ARG_TYPE_ARBITRARY",
        ArgumentKind::ArrayOfAny1 => "ARG_ARRAY_TYPE_ANY_1",
        ArgumentKind::Connection => "ARG_TYPE_CONNECTION",
        ArgumentKind::Fixed(_) => "ARG_TYPE_FIXED",
        ArgumentKind::Model => "ARG_TYPE_MODEL",
        ArgumentKind::Relation => "ARG_TYPE_RELATION",
        ArgumentKind::Void => "ARG_TYPE_VOID",
    };
    let record = Record::new().with("kind", word(name));
    match kind {
        ArgumentKind::Fixed(kind) => record.with("type", types::record(kind)),
        _ => record,
    }
}

/// The rules of GoogleSQL's own signatures.
fn check(arguments: &[Argument]) -> Result<(), &'static str> {
    let count = |cardinality| arguments.iter().filter(|argument| argument.cardinality == cardinality).count();
    let first_optional = arguments.iter().position(|argument| argument.cardinality == Cardinality::Optional);
    let mut behind = arguments.iter().skip(first_optional.unwrap_or(arguments.len()));
    if behind.any(|argument| argument.cardinality != Cardinality::Optional) {
        return Err("optional arguments stand last");
    }
    let first = arguments.iter().position(|argument| argument.cardinality == Cardinality::Repeated);
    let last = arguments.iter().rposition(|argument| argument.cardinality == Cardinality::Repeated);
    if let (Some(first), Some(last)) = (first, last) {
        if last - first + 1 != count(Cardinality::Repeated) {
            return Err("repeated arguments stand side by side");
        }
        if count(Cardinality::Repeated) <= count(Cardinality::Optional) {
            return Err("there are more repeated arguments than optional ones");
        }
    }
    if arguments.iter().any(|argument| argument.kind == ArgumentKind::Void) {
        return Err("an argument has no value");
    }
    if arguments.iter().any(|argument| argument.named_only && argument.name.is_none()) {
        return Err("an argument that is always named has no name");
    }
    check_names(arguments.iter().filter_map(|argument| argument.name.as_ref()))
}

fn check_function(arguments: &[Argument], result: &ArgumentKind) -> Result<(), &'static str> {
    let tabular = |kind: &ArgumentKind| matches!(kind, ArgumentKind::Connection | ArgumentKind::Model | ArgumentKind::Relation);
    let generic = |kind: &ArgumentKind| matches!(kind, ArgumentKind::Any1 | ArgumentKind::ArrayOfAny1);
    if arguments.iter().any(|argument| tabular(&argument.kind)) {
        return Err("only a table function takes a table, a model or a connection");
    }
    if tabular(result) || *result == ArgumentKind::Void {
        return Err("a function has a value");
    }
    if generic(result) && !arguments.iter().any(|argument| generic(&argument.kind)) {
        return Err("the result's type is that of no argument");
    }
    Ok(())
}

fn check_names<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), &'static str> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err("an argument's name is empty");
        }
        if !seen.insert(name.to_lowercase()) {
            return Err("an argument's name stands there twice");
        }
    }
    Ok(())
}
