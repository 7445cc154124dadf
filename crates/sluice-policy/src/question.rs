//! What a request asks of policy: one question for each thing that it does to each thing that it does it to.

use crate::historical;
use crate::labels::{Found, Label};
use crate::request::{Method, Request, Resource, Statement, Work};
use sluice_model::{ColumnPath, Effect, How, Output, StatementAnalysis, TableName, UseKind};
use std::collections::{BTreeSet, HashSet};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub action: String,
    pub about: About,
    /// Of a column: how it decides or reaches an output.
    pub how: Option<&'static str>,
    /// Of a column that is written: where to.
    pub destination: Option<String>,
    /// Of a column with several labels: which of them is asked about. What opens one of them opens no other.
    pub label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum About {
    Column(ColumnPath),
    Resource(Resource),
}

/// Where the outputs of a statement go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    ToClient,
    ToTable(TableName),
    /// Files, or a place that the analysis names no table for.
    Outside(String),
    /// A temporary table of the script: what goes in is followed to where it comes out.
    Within,
}

/// Of an operation that fails on some values: whether it did would tell of them.
const WITHOUT_FAILING: &str = "what cannot fail on any value of that column (`SAFE_CAST`, `SAFE_ADD`, `SAFE_DIVIDE`, `SAFE_OFFSET`, `SAFE.` before a function of one row, `SUM(CAST(x AS BIGNUMERIC))` of INT64, `ARRAY_AGG(x IGNORE NULLS)`), or the same without it";

/// The dataset that temporary tables of a script are in.
const SESSION_DATASET: &str = "_SESSION";

impl Question {
    pub fn new(action: &str, resource: Resource) -> Question {
        Question { action: action.to_owned(), about: About::Resource(resource), how: None, destination: None, label: None }
    }

    /// One for each label of a column, so none for a column without.
    pub fn of_column(action: &str, column: &ColumnPath, how: &'static str, destination: Option<&str>, labels: &[&Label]) -> Vec<Question> {
        let one = |label: Option<&&Label>| Question {
            action: action.to_owned(),
            about: About::Column(column.clone()),
            how: Some(how),
            destination: destination.map(str::to_owned),
            label: label.map(|label| label.name.clone()),
        };
        match labels {
            [] => Vec::new(),
            [_] => vec![one(None)],
            several => several.iter().map(|label| one(Some(label))).collect(),
        }
    }
}

impl Question {
    /// The labelled column that it asks to decide rows by, and how.
    pub fn deciding(&self) -> Option<(&ColumnPath, &'static str)> {
        match (&self.about, self.action.as_str(), self.how) {
            (About::Column(column), "decide_by", Some(how)) => Some((column, how)),
            _ => None,
        }
    }

    /// What the caller can do without, where that is plain.
    pub fn without(&self) -> Option<&'static str> {
        match (&self.about, self.action.as_str()) {
            (About::Column(_), "decide_by") if self.how == Some(UseKind::Error.word()) => Some(WITHOUT_FAILING),
            (About::Column(_), "decide_by") => Some("the same without deciding rows by that column"),
            (About::Column(_), "write_elsewhere") => Some("the same without writing that column"),
            _ => None,
        }
    }
}

/// Everything but columns. Each question once.
pub fn questions(request: &Request) -> Vec<Question> {
    let mut questions = vec![Question::new("connect", Resource::Connection)];
    match &request.work {
        Work::Method(method) => questions.push(Question::new(&method.name, method.resource.clone())),
        Work::Statement(statement) => {
            for analysis in &statement.analysis.statements {
                of_statement(analysis, &mut questions);
            }
            if let Some(destination) = &statement.destination {
                let action = if destination.replaces { "truncate" } else { "insert" };
                questions.push(Question::new(action, Resource::Table(destination.table.clone())));
            }
        }
    }
    questions.extend(request.also.iter().map(|(action, resource)| Question::new(action, resource.clone())));
    let mut kept: Vec<Question> = Vec::new();
    for question in questions {
        if !kept.contains(&question) {
            kept.push(question);
        }
    }
    kept
}

/// Columns that decide rows and columns that are written elsewhere, labelled ones alone. What is shown is asked when masks are planned.
pub fn column_questions(request: &Request, found: &Found<'_>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    let mut push = |action: &str, column: &ColumnPath, how: &'static str, destination: Option<&str>| {
        for question in Question::of_column(action, column, how, destination, &found.of(column)) {
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
    };
    for used in uses(request) {
        push("decide_by", &used.column, used.how.word(), None);
    }
    let historical = historical::columns(request);
    for (flow, output) in flows(request) {
        let destination = match flow {
            Flow::ToClient | Flow::Within => continue,
            Flow::ToTable(table) => table.to_string(),
            Flow::Outside(place) => place,
        };
        for exposure in &output.exposures {
            push("write_elsewhere", &exposure.column, exposure.how.word(), Some(&destination));
        }
        for column in &historical {
            push("write_elsewhere", column, How::Derived.word(), Some(&destination));
        }
    }
    questions
}

/// Whether the labelled ones of these columns are shown as they are.
pub fn to_see(columns: &[ColumnPath], found: &Found<'_>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for column in columns {
        for question in Question::of_column("see", column, How::Direct.word(), None, &found.of(column)) {
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
    }
    questions
}

/// The columns that a request reads, by whatever way.
pub fn columns_read(request: &Request) -> Vec<ColumnPath> {
    let outputs = match &request.work {
        Work::Method(method) => method.columns.as_slice(),
        Work::Statement(_) => &[],
    };
    let statements = request.analysis().map(|analysis| analysis.statements.as_slice()).unwrap_or_default();
    let reads = statements.iter().flat_map(|statement| &statement.reads);
    let read = reads.flat_map(|read| {
        read.columns.iter().map(|path| ColumnPath { table: read.table.clone(), path: path.split('.').map(str::to_owned).collect() })
    });
    let outputs = statements.iter().flat_map(|statement| &statement.outputs).chain(outputs);
    let shown = outputs.flat_map(|output| &output.exposures).map(|exposure| exposure.column.clone());
    let used = uses(request).map(|used| used.column.clone());
    read.chain(shown).chain(used).chain(historical::columns(request)).collect()
}

/// Whether nothing but the caller's own text and the tables that it names had a part in what a statement is: no view, no routine, no model, whose texts
/// are others'.
pub fn is_all_own(request: &Request) -> bool {
    let Work::Statement(statement) = &request.work else { return false };
    let is_own = |statement: &StatementAnalysis| {
        let is_others = |effect: &Effect| matches!(effect, Effect::Call | Effect::DynamicSql | Effect::OpaqueCode);
        statement.routines.is_empty() && statement.unresolved.is_empty() && !statement.effects.iter().any(is_others)
    };
    statement.analysis.refused.is_none() && statement.analysis.statements.iter().all(is_own)
}

/// The columns of which BigQuery's message could hold a value: those that are read and not only passed on, as they are, to the client. Nothing where that is not
/// certain: it is written somewhere, which can fail for many reasons, or it lies in files, which are read before anything is picked.
pub fn columns_worked_on(request: &Request) -> Option<Vec<ColumnPath>> {
    let Work::Statement(statement) = &request.work else { return None };
    let statements = &statement.analysis.statements;
    let only_reads =
        |statement: &StatementAnalysis| statement.writes.is_empty() && statement.locations.is_empty() && !statement.reads_files;
    if !is_all_own(request) || statement.destination.is_some() || !statements.iter().all(only_reads) {
        return None;
    }
    let exposures = || statements.iter().flat_map(|statement| &statement.outputs).flat_map(|output| &output.exposures);
    let (direct, computed): (Vec<_>, Vec<_>) = exposures().partition(|exposure| exposure.how == How::Direct);
    let passed: HashSet<&ColumnPath> = direct.into_iter().map(|exposure| &exposure.column).collect();
    let used = uses(request).map(|used| &used.column);
    let worked_on: HashSet<&ColumnPath> = computed.into_iter().map(|exposure| &exposure.column).chain(used).collect();
    let is_worked_on = |column: &ColumnPath| worked_on.contains(column) || !passed.contains(column);
    Some(columns_read(request).into_iter().filter(is_worked_on).collect())
}

/// The columns whose bytes BigQuery may count, each whole: of a record it may count more than the field that is read. Nothing where nobody knows.
pub fn columns_billed(request: &Request) -> Option<Vec<ColumnPath>> {
    let statements = request.analysis().map(|analysis| analysis.statements.as_slice()).unwrap_or_default();
    let whole = |column: ColumnPath| ColumnPath { path: column.path.into_iter().take(1).collect(), ..column };
    let mut columns: BTreeSet<ColumnPath> = columns_read(request).into_iter().map(whole).collect();
    for statement in statements {
        for read in statement.billed.as_ref()? {
            columns.extend(read.columns.iter().map(|name| ColumnPath { table: read.table.clone(), path: vec![name.clone()] }));
        }
    }
    Some(columns.into_iter().collect())
}

/// Structs and arrays of structs of which a request looks at nothing but the shape: in none of its statements at more.
pub fn shapes(request: &Request) -> HashSet<&ColumnPath> {
    let statements = || request.analysis().into_iter().flat_map(|analysis| &analysis.statements);
    let mut shapes: HashSet<&ColumnPath> = statements().flat_map(|statement| &statement.shapes).collect();
    for statement in statements() {
        let own: HashSet<&ColumnPath> = statement.shapes.iter().collect();
        let exposed = statement.outputs.iter().flat_map(|output| &output.exposures).map(|exposure| &exposure.column);
        let used = statement.uses.iter().map(|used| &used.column);
        exposed.chain(used).filter(|column| !own.contains(column)).for_each(|column| {
            shapes.remove(column);
        });
    }
    // What a method shows, it shows whole.
    if let Work::Method(method) = &request.work {
        for exposure in method.columns.iter().flat_map(|output| &output.exposures) {
            shapes.remove(&exposure.column);
        }
    }
    shapes
}

fn uses(request: &Request) -> impl Iterator<Item = &sluice_model::Use> {
    request.analysis().into_iter().flat_map(|analysis| &analysis.statements).flat_map(|statement| &statement.uses)
}

/// Every output and every way that it takes.
pub fn flows(request: &Request) -> Vec<(Flow, &Output)> {
    let one_by_one = |(flow, outputs): (Flow, _)| <[Output]>::iter(outputs).map(move |output| (flow.clone(), output));
    streams(request).into_iter().flat_map(one_by_one).collect()
}

/// The same, with the outputs of a statement together.
pub fn streams(request: &Request) -> Vec<(Flow, &[Output])> {
    match &request.work {
        Work::Method(method) => vec![(of_method(method), method.columns.as_slice())],
        Work::Statement(statement) => {
            let mut streams = Vec::new();
            for (position, analysis) in statement.analysis.statements.iter().enumerate() {
                streams.extend(ways(statement, position, analysis).into_iter().map(|way| (way, analysis.outputs.as_slice())));
            }
            streams
        }
    }
}

pub fn of_method(method: &Method) -> Flow {
    match (method.name.as_str(), &method.resource) {
        ("jobs.copy", Resource::Table(destination)) => Flow::ToTable(destination.clone()),
        ("jobs.copy" | "jobs.extract", _) => Flow::Outside(method.name.clone()),
        _ => Flow::ToClient,
    }
}

/// Where the outputs of one statement go. A result goes to the client, and into the job's destination if it is the last.
pub fn ways(statement: &Statement, position: usize, analysis: &StatementAnalysis) -> Vec<Flow> {
    if analysis.kind == "SELECT" {
        let is_last = position + 1 == statement.analysis.statements.len();
        let into = statement.destination.iter().filter(|_| is_last).map(|destination| Flow::ToTable(destination.table.clone()));
        return std::iter::once(Flow::ToClient).chain(into).collect();
    }
    let written =
        analysis.writes.iter().map(|write| if is_temporary(&write.table) { Flow::Within } else { Flow::ToTable(write.table.clone()) });
    let outside = analysis.locations.iter().map(|location| Flow::Outside(location.clone()));
    let mut ways: Vec<Flow> = written.chain(outside).collect();
    if ways.is_empty() {
        // A variable stays inside the script too. Anything else that has outputs puts them somewhere that nobody named.
        let stays = matches!(analysis.kind.as_str(), "ASSERT" | "CASE" | "DECLARE" | "FOR" | "IF" | "REPEAT" | "SET" | "WHILE");
        ways.push(if stays { Flow::Within } else { Flow::Outside(analysis.kind.clone()) });
    }
    ways
}

fn of_statement(analysis: &StatementAnalysis, questions: &mut Vec<Question>) {
    let ask = |effect: Effect, resource: Resource| Question::new(effect.word(), resource);
    let lasting: Vec<_> = analysis.writes.iter().filter(|write| !is_temporary(&write.table)).collect();
    questions.extend(analysis.reads.iter().map(|read| ask(Effect::Read, place(&read.table))));
    questions.extend(lasting.iter().map(|write| ask(write.effect, place(&write.table))));
    questions.extend(analysis.routines.iter().map(|name| Question::new("open", routine(name))));
    for effect in &analysis.effects {
        let written_so = lasting.iter().any(|write| write.effect == *effect);
        let tables: BTreeSet<&TableName> = match effect {
            Effect::Read => continue,
            _ if written_so => continue,
            // What leaves is asked of every table that it leaves from.
            Effect::Export | Effect::SignedUrl | Effect::ExternalQuery | Effect::RemoteFunction => {
                analysis.reads.iter().map(|read| &read.table).collect()
            }
            effect if is_write(*effect) && lasting.is_empty() && !analysis.writes.is_empty() => continue,
            _ => lasting.iter().map(|write| &write.table).collect(),
        };
        if tables.is_empty() {
            questions.push(ask(*effect, Resource::Connection));
        }
        questions.extend(tables.into_iter().map(|table| ask(*effect, place(table))));
    }
}

/// Effects that are those of a temporary table where nothing else is written.
fn is_write(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Alter
            | Effect::Clone
            | Effect::Copy
            | Effect::Create
            | Effect::Delete
            | Effect::Drop
            | Effect::Insert
            | Effect::Merge
            | Effect::Replace
            | Effect::Truncate
            | Effect::Update
    )
}

/// A table or a function that lasts as long as its script.
pub fn is_temporary(table: &TableName) -> bool {
    table.dataset == SESSION_DATASET
}

/// A dataset is a name without a table, a thing outside of datasets one without either.
fn place(table: &TableName) -> Resource {
    match (table.project.is_empty(), table.dataset.is_empty(), table.table.is_empty()) {
        (_, false, false) => Resource::Table(table.clone()),
        (_, false, true) => Resource::Dataset { project: table.project.clone(), dataset: table.dataset.clone() },
        (false, true, _) => Resource::Project(table.project.clone()),
        (true, true, _) => Resource::Connection,
    }
}

/// A function of BigQuery's own, or a connection, has no dataset.
fn routine(name: &str) -> Resource {
    Resource::Routine(TableName::parse(name).unwrap_or_else(|| TableName::new("", "", name)))
}
