//! One analysis under way: the engine, what is known of the warehouse, and what has been opened on the way.

use crate::catalog::Snapshot;
use crate::engine::{self, ArgumentKind, Engine, Fault, Parameters, Question, TableResult, Target};
use crate::flow::{Flow, Source, SourceSet, Sources, Taint};
use crate::lookup::Lookup;
use crate::opening::TEMPORARY_PREFIX;
use crate::places::Places;
use crate::scope::Scope;
use crate::text::{self, Prepared};
use crate::tree::{NodeId, Tree};
use crate::walk::{Found, UseSet, Walker, uses};
use crate::world::{Bound, BoundColumn};
use crate::{binding::Binding, kind};
use sluice_model::{TableName, Type};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// How the engine begins to say that a table is not there.
const TABLE_ABSENT: &str = "Table not found: ";
/// The engine lets more columns in than the body can be opened over.
const TABLE_ARGUMENT: &str = "a table function whose argument lists its columns (`TABLE<...>`) is given a table that has others, which is not supported; \
    accepted: a subquery with the listed columns alone, in their order, or an argument `ANY TABLE`";
/// Project, dataset, table.
const TABLE_NAMES_MAX: usize = 3;

/// Statements of a script, outside of loops, that may look at the clock behind what was computed.
const READINGS_MAX: usize = 16;
/// How the engine says that it has put a tree together that does not fit.
const TREE_BROKEN: &str = "Resolved AST validation failed";

/// Views, functions and procedures within each other: more are refused. BigQuery itself stops at 16 for views.
pub(crate) const OPEN_DEPTH_MAX: usize = 16;

pub(crate) struct Analyzer<'a> {
    pub engine: &'a dyn Engine,
    pub catalog: Lookup<'a>,
    pub sources: Sources,
    /// What is open right now, to notice a circle.
    pub opening: Vec<String>,
    /// Everything that a statement of the script has read or computed with so far.
    pub weighed: Taint,
    /// How many loops are around the statement.
    pub loops: usize,
    /// Whether a text that was opened, or a table that it reads, has a collation.
    pub collates: bool,
    /// Statements outside of loops that told the time behind something that was computed.
    pub readings: usize,
    /// By name, and whether they were opened under a handler: there more can fail.
    views: HashMap<(TableName, bool), Bound>,
    prepared: HashMap<String, std::rc::Rc<Prepared>>,
}

/// Why there is no analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: String,
}

impl Refusal {
    pub fn new(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into() }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::new(match fault {
            Fault::Columns { columns_max } => format!("the tables that are named have more than {columns_max} columns"),
            Fault::Deadline { milliseconds } => format!("the analysis took longer than {milliseconds} ms"),
            Fault::Engine { message } => format!("the engine is not available: {message}"),
            Fault::Interrupted { message } => format!("the analysis was interrupted: {message}"),
            Fault::Invalid { message, line: Some(line), column: Some(column) } => {
                format!("{message} at [{line}:{column}]{}", advice(&message))
            }
            Fault::Invalid { message, .. } => format!("{message}{}", advice(&message)),
            Fault::Memory { bytes } => format!("the analysis needed more than {bytes} bytes of memory"),
            Fault::Oversized { bytes, bytes_max } => format!("the text has {bytes} bytes, more than {bytes_max}"),
        })
    }
}

/// A fault of the engine in words that are true of the statement. Its own words of a broken tree hold the tree, and others' text in it.
fn told(fault: Fault, places: &Places, binding: &Binding) -> Refusal {
    match &fault {
        Fault::Interrupted { message } if message.contains(TREE_BROKEN) => {
            let takes_table =
                |function: &engine::TableFunction| function.arguments.iter().any(|argument| argument.kind == ArgumentKind::Relation);
            Refusal::new(match binding.catalog.table_functions.iter().any(takes_table) {
                true => TABLE_ARGUMENT,
                false => "the text of a view or function cannot be put in the place where it is used, which is not supported",
            })
        }
        _ => placed(fault, places).into(),
    }
}

/// What is wrong stands in the caller's text, and under the names that it has there.
fn placed(fault: Fault, places: &Places) -> Fault {
    let Fault::Invalid { message, line, column } = fault else { return fault };
    let message = message.replace(&format!("TEMPLATED_SQL_FUNCTION:{}", TEMPORARY_PREFIX.to_uppercase()), "");
    match line.zip(column).map(|(line, column)| places.of_place(line, column)) {
        Some((line, column)) => Fault::Invalid { message, line: Some(line), column: Some(column) },
        None => Fault::Invalid { message, line, column },
    }
}

/// Of more names than a table has: what BigQuery takes instead.
fn advice(message: &str) -> &'static str {
    let Some(rest) = message.strip_prefix(TABLE_ABSENT) else { return "" };
    let mut quoted = false;
    let path = rest.chars().take_while(|letter| {
        quoted ^= *letter == '`';
        quoted || !matches!(letter, ' ' | ';')
    });
    let path: String = path.filter(|letter| *letter != '`').collect();
    // The name of a project can begin with that of a domain.
    let names = path.rsplit(':').next().unwrap_or_default().split('.').count();
    if names <= TABLE_NAMES_MAX || path.to_ascii_uppercase().contains("INFORMATION_SCHEMA") {
        return "";
    }
    "; accepted: `project.dataset.table`, and a column behind the alias of its table"
}

/// A query or expression, resolved and walked.
pub(crate) struct Walked {
    pub columns: Vec<(String, Option<Type>, Flow)>,
    pub rows: UseSet,
    /// Columns, by index, that are computed by something that can fail.
    pub fallible: BTreeSet<usize>,
    pub found: Found,
}

impl<'a> Analyzer<'a> {
    pub fn new(engine: &'a dyn Engine, snapshot: &'a Snapshot) -> Analyzer<'a> {
        Analyzer {
            engine,
            catalog: Lookup::new(snapshot),
            sources: Sources::default(),
            opening: Vec::new(),
            weighed: Taint::new(),
            loops: 0,
            collates: false,
            readings: 0,
            views: HashMap::new(),
            prepared: HashMap::new(),
        }
    }

    /// What the time of day tells here: how long what was computed before has taken. A few looks at the clock are no more than whoever waits for an answer
    /// has; again and again within one script they spell a value.
    pub fn clock(&self) -> Taint {
        if self.loops > 0 || self.readings >= READINGS_MAX { self.weighed.clone() } else { Taint::new() }
    }

    pub fn prepare(&mut self, text: &str) -> Result<std::rc::Rc<Prepared>, Refusal> {
        if let Some(known) = self.prepared.get(text) {
            return Ok(known.clone());
        }
        let prepared = std::rc::Rc::new(text::prepare(self.engine, text)?);
        self.engine.still_time()?;
        self.collates |= text::collates(&prepared.tree);
        self.prepared.insert(text.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// Asks the engine about one piece of a prepared text.
    pub fn resolve(&mut self, prepared: &Prepared, node: NodeId, target: Target, scope: &Scope) -> Result<(Tree, Binding), Refusal> {
        let names = text::names(&prepared.tree, node);
        let mut binding = self.bind(&names, scope)?;
        self.engine.still_time()?;
        let (piece, edits) = self.open_calls(prepared, node, scope, &mut binding)?;
        let start = text::span(&prepared.tree, node).map_or(0, |(start, _)| start);
        let places = Places::new(piece, start, edits, Rc::clone(&prepared.written));
        let question_marks =
            || text::nodes(&prepared.tree, Some(node)).into_iter().any(|node| text::is_question_mark(&prepared.tree, node));
        let parameters = match parameters(scope) {
            Parameters::None if question_marks() => Parameters::Positional(Vec::new()),
            parameters => parameters,
        };
        let question = Question { text: places.piece(), target, parameters: &parameters, catalog: &binding.catalog };
        let tree = self.engine.analyze(&question).map_err(|fault| told(fault, &places, &binding))?;
        let has_bodies = binding.catalog.functions.iter().any(|function| function.body.is_some())
            || binding.catalog.table_functions.iter().any(|function| matches!(function.result, TableResult::Query(_)));
        binding.world.collates = self.collates;
        binding.world.places = Some(places).filter(|_| !has_bodies);
        Ok((tree, binding))
    }

    /// One expression of a script, with everything that reaches it.
    pub fn expression(&mut self, prepared: &Prepared, node: NodeId, scope: &Scope) -> Result<(Option<Type>, Flow, Found), Refusal> {
        let (tree, binding) = self.resolve(prepared, node, Target::Expression, scope)?;
        let root = tree.root.ok_or_else(|| Refusal::new("the engine gave no expression"))?;
        let kind = kind::of(&tree, root);
        let mut walker = Walker::new(&tree, &binding.world, &mut self.sources, self.engine);
        let flow = walker.expression(root);
        walker.look_everywhere();
        let mut found = walker.found;
        self.engine.still_time()?;
        found.include_opened(&binding.world);
        Ok((kind, flow, found))
    }

    /// A query that stands alone in a text of the catalog: a view, or the query of a loop.
    pub fn query(&mut self, prepared: &Prepared, node: NodeId, scope: &Scope) -> Result<Walked, Refusal> {
        let (tree, binding) = self.resolve(prepared, node, Target::Statement, scope)?;
        let root = tree.root.ok_or_else(|| Refusal::new("the engine gave no statement"))?;
        if tree.kind(root) != "ResolvedQueryStmt" {
            return Err(Refusal::new("the text is not a query"));
        }
        let mut walker = Walker::new(&tree, &binding.world, &mut self.sources, self.engine);
        let rows = tree.child(root, "query").map(|query| walker.scan(query)).unwrap_or_default();
        let columns = output_columns(&mut walker, root);
        let fallible = fallible_columns(&walker, root, columns.len());
        walker.look_everywhere();
        let mut found = walker.found;
        self.engine.still_time()?;
        found.include_opened(&binding.world);
        Ok(Walked { columns, rows, fallible, found })
    }

    pub fn open_view(&mut self, name: &TableName, query: &str, scope: &Scope) -> Result<Bound, Refusal> {
        // What the script has written shows through the view.
        let untouched = scope.is_untouched();
        let key = (name.clone(), scope.guarded);
        if untouched && let Some(bound) = self.views.get(&key) {
            return Ok(bound.clone());
        }
        let bound = self.view_within(name, query, &Scope { default_project: name.project.clone(), ..scope.written_only() })?;
        if untouched {
            self.views.insert(key, bound.clone());
        }
        Ok(bound)
    }

    /// A view's text, where names mean what the scope says.
    pub fn view_within(&mut self, name: &TableName, query: &str, within: &Scope) -> Result<Bound, Refusal> {
        let walked = self.opened(&name.to_string(), |this| {
            let prepared = this.prepare(query)?;
            let statement = single_statement(&prepared.tree).ok_or_else(|| Refusal::new(format!("view `{name}` is not a single query")))?;
            this.query(&prepared, statement, within)
        })?;
        Ok(view_bound(name, walked))
    }

    /// Opens something of the catalog, watching for circles and depth.
    pub fn opened<T>(&mut self, name: &str, open: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        if self.opening.iter().any(|open| open == name) {
            return Err(Refusal::new(format!("`{name}` is defined through itself; accepted: a loop or WITH RECURSIVE in its place")));
        }
        if self.opening.len() >= OPEN_DEPTH_MAX {
            return Err(Refusal::new(format!("`{name}` lies more than {OPEN_DEPTH_MAX} definitions deep")));
        }
        self.opening.push(name.to_owned());
        let result = open(self);
        self.opening.pop();
        // The place of an error inside of a definition must not be taken for one in the caller's text.
        result.map_err(|refusal| match refusal.reason.starts_with("in `") {
            true => refusal,
            false => Refusal::new(format!("in `{name}`: {}", refusal.reason)),
        })
    }
}

/// The only statement of a text.
pub(crate) fn single_statement(tree: &Tree) -> Option<NodeId> {
    let list = tree.child(tree.root?, "statement_list_node")?;
    match tree.children(list, "statement_list").as_slice() {
        [statement] => Some(*statement),
        _ => None,
    }
}

/// Names, types and flows of an `output_column_list`. SELECT AS STRUCT at the top gives its fields as columns, as BigQuery does.
pub(crate) fn output_columns(walker: &mut Walker<'_>, statement: NodeId) -> Vec<(String, Option<Type>, Flow)> {
    let tree = walker.tree();
    let mut columns = Vec::new();
    for output in tree.children(statement, "output_column_list") {
        let name = tree.text(output, "name").unwrap_or_default();
        // The engine makes up names with a dollar sign for columns that have none.
        let name = if name.starts_with('$') { String::new() } else { name.to_owned() };
        let Some(column) = tree.child(output, "column") else { continue };
        let flow = match tree.integer(column, "column_id") {
            Some(id) => walker.column(id),
            None => Flow::default(),
        };
        match kind::of(tree, column) {
            Some(Type::Struct(fields)) if tree.boolean(statement, "is_value_table") => {
                let named = fields.into_iter().enumerate();
                columns.extend(named.map(|(index, field)| (field.name, Some(field.kind), flow.field(index))));
            }
            kind => columns.push((name, kind, flow)),
        }
    }
    columns
}

/// Which of so many output columns are computed by something that can fail. Fields of a row that is one record share its fate.
fn fallible_columns(walker: &Walker<'_>, statement: NodeId, count: usize) -> BTreeSet<usize> {
    let tree = walker.tree();
    let outputs = tree.children(statement, "output_column_list").into_iter().enumerate();
    let fallible: BTreeSet<usize> = outputs
        .filter(|(_, output)| walker.column_id(*output, "column").is_some_and(|id| walker.is_fallible(id)))
        .map(|(at, _)| at)
        .collect();
    match tree.boolean(statement, "is_value_table") && !fallible.is_empty() {
        true => (0..count).collect(),
        false => fallible,
    }
}

fn view_bound(name: &TableName, walked: Walked) -> Bound {
    let mut bound = Bound { opened: true, rows: walked.rows, errors: walked.found.errors, fails: walked.found.fails, ..Bound::default() };
    bound.fallible = walked.fallible;
    for (column, kind, flow) in walked.columns {
        match kind {
            Some(kind) => bound.columns.push(BoundColumn { name: column, kind, flow, pseudo: false, narrow: false }),
            None => {
                bound.unresolved.insert(format!("the type of `{name}.{column}`"));
            }
        }
    }
    bound.base = walked.found.reads.columns.into_keys().chain(walked.found.reads.compound.into_iter().map(|(table, _)| table)).collect();
    bound.historical = walked.found.historical;
    bound.billed = walked.found.billed;
    bound.weighed = walked.found.weighed;
    bound.tells_time = walked.found.reads_clock;
    bound.effects = walked.found.effects;
    bound.external = walked.found.reads_files;
    bound.routines = walked.found.routines;
    bound.routines.insert(name.to_string());
    bound.unresolved.extend(walked.found.unresolved);
    bound
}

fn parameters(scope: &Scope) -> Parameters {
    let typed = |kind: &Option<Type>| kind.clone();
    if !scope.parameters.named.is_empty() {
        let named = scope.parameters.named.iter();
        return Parameters::Named(named.filter_map(|(name, (kind, _))| Some((name.clone(), typed(kind)?))).collect());
    }
    if !scope.parameters.positional.is_empty() {
        return Parameters::Positional(scope.parameters.positional.iter().filter_map(|(kind, _)| typed(kind)).collect());
    }
    Parameters::None
}

/// Errors as uses.
pub(crate) fn error_uses(errors: &SourceSet) -> BTreeSet<(Source, sluice_model::UseKind)> {
    let taint = errors.iter().map(|source| (*source, crate::flow::Way::Derived)).collect();
    uses(&taint, sluice_model::UseKind::Error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path, and whether it has more names than a table.
    #[test]
    fn names_beyond_those_of_a_table_are_said_to_be() {
        let check = |path: &str, expect: bool| {
            let fault = Fault::Invalid { message: format!("{TABLE_ABSENT}{path}"), line: Some(1), column: Some(15) };
            let reason = Refusal::from(fault).reason;
            assert!(reason.starts_with(&format!("{TABLE_ABSENT}{path} at [1:15]")), "{reason}");
            assert_eq!(reason.contains("accepted: `project.dataset.table`"), expect, "{reason}");
        };
        check("a.b.c.d", true);
        check("`acme-prod`.clinic.patients.ssn", true);
        check("`a b`.c.d.e; Did you mean f.g?", true);
        check("a.b.c", false);
        check("`a.b`.c", false);
        check("a; Did you mean b.c.d.e?", false);
        check("`example.com:p`.d.t", false);
        check("`example.com:p`.d.t.u", true);
        check("p.`region-us`.INFORMATION_SCHEMA.JOBS.x", false);
        let other = Fault::Invalid { message: "Unrecognized name: a.b.c.d".to_owned(), line: None, column: None };
        assert_eq!(Refusal::from(other).reason, "Unrecognized name: a.b.c.d");
    }
}
