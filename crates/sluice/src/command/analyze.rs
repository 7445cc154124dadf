//! `sluice analyze`: one statement, a script, or a line each, against a folder of table resources.

use super::{EXIT_REFUSED, Failure, start_engine};
use crate::catalog_folder;
use crate::render::{json, text};
use clap::Args;
use serde_json::Value;
use sluice_googlesql::{ANALYSIS_MILLISECONDS_MAX, GoogleSql};
use sluice_model::Analysis;
use sluice_sql::Request;
use sluice_sql::catalog::Snapshot;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// One line of `--json-lines`, in bytes: a statement of the largest size, escaped.
const LINE_BYTES_MAX: u64 = 8 << 20;

#[derive(Args)]
pub struct Analyze {
    /// A folder of BigQuery resources, one JSON file a table, view, routine or model
    #[arg(long, value_name = "DIR")]
    catalog: PathBuf,
    /// What names without a dataset mean
    #[arg(long, value_name = "PROJECT.DATASET")]
    default_dataset: Option<String>,
    /// What names without a project mean; the default dataset's project if this is not said
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    /// Read {"id":..,"sql":..} from standard input, a line each, and answer a line each
    #[arg(long, conflicts_with = "sql")]
    json_lines: bool,
    /// The statement; `-` reads it from standard input
    #[arg(required_unless_present = "json_lines")]
    sql: Option<String>,
}

struct Session {
    engine: GoogleSql,
    snapshot: Snapshot,
    request: Request,
}

pub fn run(arguments: &Analyze) -> Result<ExitCode, Failure> {
    let session = start(arguments)?;
    match &arguments.sql {
        Some(sql) if !arguments.json_lines => one(&session, sql, arguments.json),
        _ => lines(&session),
    }
}

fn start(arguments: &Analyze) -> Result<Session, Failure> {
    let snapshot = catalog_folder::read(&arguments.catalog)?;
    let default_dataset = arguments.default_dataset.as_deref().map(dataset).transpose()?;
    let of_default = default_dataset.as_ref().map(|(project, _)| project.clone());
    let project = arguments.project.clone().or(of_default).or_else(|| only_project(&snapshot)).unwrap_or_default();
    Ok(Session { engine: start_engine()?, snapshot, request: Request { project, default_dataset, ..Request::default() } })
}

fn dataset(text: &str) -> Result<(String, String), Failure> {
    let parts = text.rsplit_once('.').filter(|(project, dataset)| !project.is_empty() && !dataset.is_empty());
    let (project, dataset) = parts.ok_or_else(|| Failure::new(format!("`{text}` is not PROJECT.DATASET")))?;
    Ok((project.to_owned(), dataset.to_owned()))
}

/// A folder with tables of one project needs no `--project`.
pub fn only_project(snapshot: &Snapshot) -> Option<String> {
    let mut projects = snapshot.tables.keys().map(|name| &name.project);
    let first = projects.next()?;
    projects.all(|project| project == first).then(|| first.clone())
}

/// The argument itself, or standard input for `-`.
pub fn statement_text(argument: &str) -> Result<String, Failure> {
    let mut sql = argument.to_owned();
    if sql == "-" {
        sql.clear();
        std::io::stdin().read_to_string(&mut sql).map_err(|error| Failure::new(format!("standard input: {error}")))?;
    }
    Ok(sql)
}

fn one(session: &Session, sql: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let analysis = analyze(session, statement_text(sql)?);
    if as_json {
        println!("{}", json::analysis(&Value::Null, &analysis));
    } else {
        print!("{}", text::analysis(&analysis));
    }
    Ok(if analysis.refused.is_some() { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// A line that cannot be read is answered as refused; the others go on.
fn lines(session: &Session) -> Result<ExitCode, Failure> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
        if read == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let answer = answer(session, &line);
        writeln!(output, "{answer}").and_then(|()| output.flush()).map_err(|error| Failure::new(format!("standard output: {error}")))?;
    }
}

fn answer(session: &Session, line: &[u8]) -> Value {
    let parsed: Result<Value, _> = serde_json::from_slice(line);
    let (id, sql) = match &parsed {
        Ok(value) => (value.get("id").cloned().unwrap_or(Value::Null), value.get("sql").and_then(Value::as_str)),
        Err(_) => (Value::Null, None),
    };
    match sql {
        Some(sql) => json::analysis(&id, &analyze(session, sql.to_owned())),
        None => json::refused(&id, "the line is not an object with a text field `sql`"),
    }
}

fn analyze(session: &Session, text: String) -> Analysis {
    let request = Request { text, ..session.request.clone() };
    sluice_sql::analyze(&session.engine.within(ANALYSIS_MILLISECONDS_MAX), &request, &session.snapshot)
}
