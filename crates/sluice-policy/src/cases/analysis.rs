//! The analysis and the request that a case describes.

use super::file::{Case, CaseDryRun, CaseMethod, CaseStatement};
use crate::facts::whole_kind;
use crate::judge::DryRun;
use crate::request::{Destination, Method, Purpose, Request, Resource, Sends, Statement, Work};
use sluice_model::{
    Analysis, ColumnPath, Effect, Exposure, Field, How, Output, Read, Refused, StatementAnalysis, TableName, Type, Unresolved, Use,
    UseKind, Write,
};

/// Where a case does not say.
const PROJECT: &str = "project";
const CONNECTION: &str = "warehouse";

/// Whoever runs cases brings what understands statements.
pub type Analyze<'a> = &'a dyn Fn(&Case) -> Result<Analysis, String>;

type Fault = String;

pub fn request(case: &Case, analyze: Analyze<'_>) -> Result<Request, Fault> {
    if let Some(problem) = case.problem() {
        return Err(problem);
    }
    let connection = case.connection.clone().unwrap_or_else(|| CONNECTION.to_owned());
    let default_dataset = case.default_dataset.as_deref().map(dataset).transpose()?;
    let project = default_dataset.as_ref().map_or_else(|| PROJECT.to_owned(), |(project, _)| project.clone());
    let work = if let Some(method) = &case.method {
        Work::Method(self::method(method)?)
    } else {
        let analysis = match (&case.statement, &case.sql) {
            (Some(statement), _) => self::analysis(statement)?,
            (None, Some(_)) => analyze(case)?,
            (None, None) => return Err("nothing is asked".to_owned()),
        };
        let destination = case.destination.as_deref().map(table).transpose()?;
        Work::Statement(Box::new(Statement {
            text: case.sql.clone().unwrap_or_default(),
            parameters: Vec::new(),
            default_dataset,
            location: None,
            destination: destination.map(|table| Destination { table, replaces: false }),
            purpose: Purpose::Dispatch,
            analysis,
        }))
    };
    Ok(Request { connection, project, work, also: Vec::new(), sends: Sends::default() })
}

/// A dry run that agrees, but for what the case says.
pub fn dry_run(analysis: &Analysis, said: &CaseDryRun) -> Result<DryRun, Fault> {
    let reads = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| read.table.clone());
    let referenced_tables = match &said.tables {
        Some(tables) => tables.iter().map(|text| table(text)).collect::<Result<_, _>>()?,
        None => reads.collect(),
    };
    let outputs = analysis.statements.last().map(|statement| statement.outputs.as_slice()).unwrap_or_default();
    let fields = outputs.iter().enumerate().map(|(position, output)| Field {
        name: if output.name.is_empty() { format!("f{position}_") } else { output.name.clone() },
        kind: output.kind.clone().unwrap_or(Type::String),
    });
    Ok(DryRun {
        statement_type: Some(said.kind.clone().unwrap_or_else(|| whole_kind(analysis).to_owned())),
        bytes: (!said.unknown).then_some(said.bytes),
        referenced_tables,
        referenced_routines: Vec::new(),
        schema: Some(fields.collect()),
    })
}

fn analysis(statement: &CaseStatement) -> Result<Analysis, Fault> {
    if let Some(reason) = &statement.refused {
        return Ok(Analysis { statements: Vec::new(), refused: Some(Refused { reason: reason.clone() }) });
    }
    let understood = StatementAnalysis {
        kind: statement.kind.clone(),
        effects: statement.effects.iter().map(|word| effect(word)).collect::<Result<_, _>>()?,
        reads: statement.reads.iter().map(|name| Ok(Read { table: table(name)?, columns: Vec::new() })).collect::<Result<_, Fault>>()?,
        historical: statement.historical.iter().map(|name| table(name)).collect::<Result<_, _>>()?,
        writes: statement.writes.iter().map(|text| write(text)).collect::<Result<_, _>>()?,
        outputs: statement.outputs.iter().map(|text| output(text)).collect::<Result<_, _>>()?,
        uses: statement.uses.iter().map(|text| used(text)).collect::<Result<_, _>>()?,
        shapes: statement.shapes.iter().map(|text| column(text)).collect::<Result<_, _>>()?,
        routines: statement.routines.clone(),
        unresolved: statement.unresolved.iter().map(|what| Unresolved { what: what.clone(), own: false }).collect(),
        locations: statement.locations.clone(),
        reads_files: false,
        child_job: false,
        billed: None,
        span: None,
    };
    Ok(Analysis { statements: vec![understood], refused: None })
}

fn method(method: &CaseMethod) -> Result<Method, Fault> {
    let named = |text: &str| table(text);
    let resource = match (&method.table, &method.dataset, &method.routine, method.own_job, &method.project) {
        (Some(name), ..) => Resource::Table(named(name)?),
        (_, Some(name), ..) => {
            let (project, dataset) = dataset(name)?;
            Resource::Dataset { project, dataset }
        }
        (_, _, Some(name), ..) => Resource::Routine(named(name)?),
        (_, _, _, Some(mine), project) => {
            Resource::Job { project: project.clone().unwrap_or_else(|| PROJECT.to_owned()), id: "job_1".to_owned(), mine }
        }
        (.., Some(project)) => Resource::Project(project.clone()),
        _ => Resource::Connection,
    };
    let columns = method.columns.iter().map(|text| output(text)).collect::<Result<_, _>>()?;
    Ok(Method { columns, ..Method::plain(&method.name, resource) })
}

/// Project and dataset. A project may be domain-scoped.
pub fn dataset(text: &str) -> Result<(String, String), Fault> {
    let parts = text.rsplit_once('.').filter(|(project, dataset)| !project.is_empty() && !dataset.is_empty());
    let (project, dataset) = parts.ok_or_else(|| format!("`{text}` is not project.dataset"))?;
    Ok((project.to_owned(), dataset.to_owned()))
}

fn table(text: &str) -> Result<TableName, Fault> {
    if let Some(table) = TableName::parse(text) {
        return Ok(table);
    }
    match text.split('.').collect::<Vec<_>>().as_slice() {
        ["_SESSION", table] => Ok(TableName::new("", "_SESSION", table)),
        [project, dataset] => Ok(TableName::new(project, dataset, "")),
        _ => Err(format!("`{text}` is no table")),
    }
}

fn column(text: &str) -> Result<ColumnPath, Fault> {
    let name = TableName::parse(text).ok_or_else(|| format!("`{text}` is no column"))?;
    let (table, path) = name.table.split_once('.').ok_or_else(|| format!("`{text}` is no column"))?;
    Ok(ColumnPath { table: TableName::new(&name.project, &name.dataset, table), path: path.split('.').map(str::to_owned).collect() })
}

fn write(text: &str) -> Result<Write, Fault> {
    let (word, name) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not an effect and a table"))?;
    Ok(Write { table: table(name)?, columns: Vec::new(), effect: effect(word)? })
}

fn output(text: &str) -> Result<Output, Fault> {
    let (head, sources) = text.split_once("<-").unwrap_or((text, ""));
    let (name, kind) = head.trim().split_once(' ').ok_or_else(|| format!("`{text}` is not a name, a type and sources"))?;
    let kind = Type::parse(kind).map_err(|error| error.to_string())?;
    let sources = sources.split(',').map(str::trim).filter(|source| !source.is_empty());
    let exposures = sources.map(|source| {
        let (how, path) = source.split_once(' ').ok_or_else(|| format!("`{source}` is not a way and a column"))?;
        let (path, at) = path.split_once(" at ").unwrap_or((path, ""));
        let at = at.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Exposure { at, column: column(path)?, how: self::how(how)? })
    });
    Ok(Output { name: name.to_owned(), kind: Some(kind), exposures: exposures.collect::<Result<_, Fault>>()? })
}

fn used(text: &str) -> Result<Use, Fault> {
    let (word, path) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not a use and a column"))?;
    let how = UseKind::of_word(word).ok_or_else(|| format!("`{word}` is no use"))?;
    Ok(Use { column: column(path)?, how })
}

fn how(word: &str) -> Result<How, Fault> {
    How::of_word(word).ok_or_else(|| format!("`{word}` is none of direct, mixed, derived, counted"))
}

fn effect(word: &str) -> Result<Effect, Fault> {
    Effect::of_word(word).ok_or_else(|| format!("`{word}` is no effect"))
}
