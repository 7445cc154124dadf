//! The one entrance: a text with its job's settings, and what is known of the warehouse -> `Analysis`.

use crate::analyzer::{Analyzer, Refusal};
use crate::catalog::Snapshot;
use crate::engine::{Engine, Parameters};
use crate::flow::Flow;
use crate::lookup::Looked;
use crate::order::Sorted;
use crate::scope::{self, Scope};
use crate::script::Script;
use crate::tree::{NodeId, Tree};
use crate::wording::bounded;
use sluice_model::{Analysis, Effect, Refused, TableName, Unresolved, Write};

/// Stack for one analysis: answers may be thousands of levels deep. It is reserved, not used, until it is needed.
const ANALYSIS_STACK_BYTES: usize = 256 << 20;

/// Larger texts are refused. BigQuery's own limit is 1 MiB for a query with its parameters replaced.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// A query as its job states it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    pub text: String,
    /// The project that the job runs in: names without a project mean this one.
    pub project: String,
    pub default_dataset: Option<(String, String)>,
    pub parameters: Parameters,
    pub legacy_sql: bool,
    /// Where the job writes the result of a query, if not into an anonymous table.
    pub destination: Option<Destination>,
    /// Settings of the job that change what names mean and that are not understood, by name.
    pub opaque_settings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub table: TableName,
    pub truncates: bool,
    pub sorted: Sorted,
    /// A table that is there already gets the columns of the rows.
    pub brings_columns: bool,
}

pub fn analyze(engine: &dyn Engine, request: &Request, snapshot: &Snapshot) -> Analysis {
    analyze_fresh(engine, request, snapshot).analysis
}

/// An analysis, and everything in the catalog that it rests on.
pub(crate) struct Outcome {
    pub analysis: Analysis,
    pub looked: Looked,
}

/// Statements that run others, or that only a script has.
const STEERING: [&str; 16] = [
    "ASTAssignmentFromStruct",
    "ASTBeginEndBlock",
    "ASTBeginStatement",
    "ASTCallStatement",
    "ASTCaseStatement",
    "ASTCommitStatement",
    "ASTExecuteImmediateStatement",
    "ASTForInStatement",
    "ASTIfStatement",
    "ASTRaiseStatement",
    "ASTRepeatStatement",
    "ASTRollbackStatement",
    "ASTSingleAssignment",
    "ASTSystemVariableAssignment",
    "ASTVariableDeclaration",
    "ASTWhileStatement",
];

pub(crate) fn analyze_fresh(engine: &dyn Engine, request: &Request, snapshot: &Snapshot) -> Outcome {
    let outcome = on_large_stack(|| {
        let mut analyzer = Analyzer::new(engine, snapshot);
        let analysis = analyze_here(&mut analyzer, request).unwrap_or_else(|refusal| refused(refusal.reason));
        Outcome { analysis, looked: analyzer.catalog.looked() }
    });
    // A panic is ours, not the statement's: it is refused, and the next one goes on.
    outcome.unwrap_or_else(|| Outcome { analysis: refused("the analysis broke off".to_owned()), looked: Looked::default() })
}

fn refused(reason: String) -> Analysis {
    Analysis { statements: Vec::new(), refused: Some(Refused { reason: bounded(reason) }) }
}

fn analyze_here(analyzer: &mut Analyzer<'_>, request: &Request) -> Result<Analysis, Refusal> {
    readable(request)?;
    let prepared = analyzer.prepare(&request.text)?;
    let mut scope = initial_scope(request);
    let alone = is_alone(&prepared.tree);
    let mut script = Script::new(analyzer, prepared);
    script.run(&mut scope)?;
    let mut statements = script.statements;
    // What was a shape when it was looked at may be the path of a value further on.
    statements.iter_mut().for_each(|statement| statement.shapes.retain(|path| analyzer.sources.is_shape(path)));
    if statements.is_empty() {
        return Err(Refusal::new("there is no statement; accepted: a text with at least one"));
    }
    for statement in &mut statements {
        statement.child_job &= !alone;
    }
    for setting in &request.opaque_settings {
        let what = bounded(format!("the job setting `{setting}`"));
        statements.iter_mut().for_each(|statement| statement.unresolved.push(Unresolved { what: what.clone(), own: true }));
    }
    if let (Some(destination), Some(last)) = (&request.destination, statements.last_mut()) {
        let columns = last.outputs.iter().map(|output| output.name.clone()).collect();
        let effect = if destination.truncates { Effect::Truncate } else { Effect::Insert };
        last.writes.push(Write { table: destination.table.clone(), columns, effect });
        last.effects.push(effect);
        last.effects.sort();
        last.effects.dedup();
        last.uses.extend(destination.sorted.told(&last.outputs));
        last.uses.sort();
        last.uses.dedup();
    }
    Ok(Analysis { statements, refused: None })
}

/// Whether a text is one statement to BigQuery and no script. Temporary functions before it are a part of it.
fn is_alone(tree: &Tree) -> bool {
    let list = tree.root.and_then(|root| tree.child(root, "statement_list_node"));
    let statements = list.map(|list| tree.children(list, "statement_list")).unwrap_or_default();
    let Some((last, before)) = statements.split_last() else { return false };
    let is_temporary_function = |node: &NodeId| {
        matches!(tree.kind(*node), "ASTCreateFunctionStatement" | "ASTCreateTableFunctionStatement")
            && tree.enumerator(*node, "scope") == Some("TEMPORARY")
    };
    before.iter().all(is_temporary_function) && !STEERING.contains(&tree.kind(hinted(tree, *last)))
}

/// The statement behind `@{...}`.
fn hinted(tree: &Tree, node: NodeId) -> NodeId {
    Some(node).filter(|node| tree.kind(*node) == "ASTHintedStatement").and_then(|node| tree.child(node, "statement")).unwrap_or(node)
}

/// Refuses what is not even parsed.
pub(crate) fn readable(request: &Request) -> Result<(), Refusal> {
    if request.legacy_sql {
        return Err(Refusal::new("legacy SQL is not supported: set useLegacySql to false and write GoogleSQL"));
    }
    // BigQuery reads this first line as a switch.
    if request.text.trim_start().to_ascii_lowercase().starts_with("#legacysql") {
        return Err(Refusal::new("legacy SQL is not supported: take away `#legacySQL` and write GoogleSQL"));
    }
    if request.text.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::new(format!("the text has {} bytes, more than {STATEMENT_BYTES_MAX}", request.text.len())));
    }
    Ok(())
}

fn initial_scope(request: &Request) -> Scope {
    let mut parameters = scope::Parameters::default();
    match &request.parameters {
        Parameters::None => {}
        Parameters::Named(named) => {
            let entry = |(name, kind): &(String, sluice_model::Type)| (name.to_lowercase(), (Some(kind.clone()), Flow::default()));
            parameters.named = named.iter().map(entry).collect();
        }
        Parameters::Positional(kinds) => {
            parameters.positional = kinds.iter().map(|kind| (Some(kind.clone()), Flow::default())).collect();
        }
    }
    Scope { default_project: request.project.clone(), default_dataset: request.default_dataset.clone(), parameters, ..Scope::default() }
}

/// A panic in one analysis ends that analysis: nothing is shared with the next.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(ANALYSIS_STACK_BYTES).spawn_scoped(threads, work);
        thread.ok()?.join().ok()
    })
}
