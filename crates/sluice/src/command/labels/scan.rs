//! `sluice labels scan`: copies of labelled columns that were made before the gateway was there, by what the history of jobs says. The statements are read by the
//! same analysis as those of callers.

use super::{Responsible, failure, open, say, set_in_force};
use crate::command::{Failure, start_engine};
use crate::{catalog_folder, configuration};
use clap::Args;
use serde_json::{Value, json};
use sluice_googlesql::{ANALYSIS_MILLISECONDS_MAX, GoogleSql};
use sluice_model::plain::printable;
use sluice_model::{ColumnPath, Field, Principal, TableName, Type};
use sluice_policy::cases::{self, CaseCaller};
use sluice_policy::{Circumstances, Destination, Halt, Inherited, Known, PolicySet, Purpose, Request, Sends, Statement, Work};
use sluice_sql::catalog::Snapshot;
use sluice_store::{Labelling, Origin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HISTORY_BYTES_MAX: u64 = 256 << 20;
/// In one act: its record names each of them.
const COLUMNS_AT_ONCE_MAX: usize = 1_000;

/// Find columns that were filled from labelled ones before the gateway was there, and lack the label.
///
/// Reads rows of INFORMATION_SCHEMA.JOBS, as an administrator exported them: a JSON list, or one object in each line. Statements are
/// analysed over the table resources of --catalog, in the order in which they ran, so that a copy of a copy is found; a copy job has the
/// labels of the tables that the history names for it. It changes nothing, unless --apply is given: then each column gets its label,
/// on record. What cannot be understood is named, and is for a person to look at.
#[derive(Args)]
#[command(after_help = "Example:
  bq query --format=json --max_rows=1000000 --nouse_legacy_sql 'SELECT creation_time, project_id, job_id, job_type, statement_type, query,
    destination_table, referenced_tables FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE state = \"DONE\" AND error_result IS NULL' > jobs.json
  sluice labels scan jobs.json --catalog exported --config /etc/sluice
  sluice labels scan jobs.json --catalog exported --config /etc/sluice --apply --by ana --reason 'copies of last year'")]
pub struct Scan {
    /// The rows
    #[arg(value_name = "FILE")]
    history: PathBuf,
    /// A folder of table resources, as `tables.get` returns them, of all tables that statements name
    #[arg(long, value_name = "DIR")]
    catalog: PathBuf,
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
    /// Give each column its label
    #[arg(long, requires_all = ["by", "reason"])]
    apply: bool,
    /// Who asks for it: it goes on record
    #[arg(long, value_name = "NAME", requires = "apply")]
    by: Option<String>,
    /// Why, in one line: it goes on record
    #[arg(long, value_name = "TEXT", requires = "apply")]
    reason: Option<String>,
    /// The folder of the ledger, if no gateway runs that holds it
    #[arg(long, value_name = "LEDGER", requires_all = ["keys", "apply"])]
    ledger: Option<PathBuf>,
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR", requires = "ledger")]
    keys: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// A row of the history.
struct Job {
    id: String,
    project: String,
    is_copy: bool,
    query: String,
    destination: Option<TableName>,
    referenced: Vec<TableName>,
}

impl Lacking {
    fn mark(&self) -> &'static str {
        if self.computed { ", computed" } else { "" }
    }
}

/// What statements are read by.
struct Reading<'a> {
    set: &'a PolicySet,
    snapshot: &'a Snapshot,
    engine: GoogleSql,
    principal: Principal,
}

/// A column that lacks a label, and the job that filled it.
struct Lacking {
    column: ColumnPath,
    label: String,
    computed: bool,
    job: String,
}

pub fn run(asked: &Scan) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&asked.config)?;
    let set = set_in_force(&configuration)?;
    let file = open(&configuration)?;
    let kept = file.current().map_err(|fault| failure(&fault))?;
    let (jobs, snapshot) = (history(&asked.history)?, catalog_folder::read(&asked.catalog)?);
    let somebody = CaseCaller { kind: "person".to_owned(), ..CaseCaller::default() };
    let principal = cases::principal(&somebody).map_err(Failure::new)?;
    let reading = Reading { set: &set, snapshot: &snapshot, engine: start_engine()?, principal };
    let (mut known, mut lacking, mut unread) = (kept.known().clone(), Vec::new(), Vec::new());
    for job in &jobs {
        match reading.carried(job, &known) {
            Ok(carried) => lacking.extend(carried.into_iter().filter_map(|kept| reading.lacking(kept, job, &mut known))),
            Err(why) => unread.push((job.id.clone(), why)),
        }
    }
    let recorded =
        asked.responsible().filter(|_| !lacking.is_empty()).map(|responsible| apply(&file, &responsible, &lacking)).transpose()?;
    let values: Vec<Value> = lacking
        .iter()
        .map(|one| json!({ "column": one.column.to_string(), "label": one.label, "computed": one.computed, "job": one.job }))
        .collect();
    let not_understood: Vec<Value> = unread.iter().map(|(job, why)| json!({ "job": job, "because": why })).collect();
    let said = recorded.as_ref().map(|(said, _)| said);
    let value = json!({ "jobs": jobs.len(), "lacking": values, "not_understood": not_understood, "record": said });
    let mut lines: Vec<String> = lacking
        .iter()
        .map(|one| printable(&format!("{}  lacks {}{}  filled by job {}", one.column, one.label, one.mark(), one.job)))
        .collect();
    lines.extend(unread.iter().map(|(job, why)| printable(&format!("not understood: job {job}: {why}"))));
    lines.push(format!("{} jobs, {} columns lack a label, {} jobs were not understood", jobs.len(), lacking.len(), unread.len()));
    lines.extend(said.map(|said| format!("labelled; {said}")));
    say(asked.json, &value, &lines.join("\n"));
    Ok(recorded.map_or(ExitCode::SUCCESS, |(_, code)| code))
}

fn apply(file: &sluice_store::KeptLabelsFile, responsible: &Responsible, lacking: &[Lacking]) -> Result<(String, ExitCode), Failure> {
    for computed in [true, false] {
        let alike: Vec<&Lacking> = lacking.iter().filter(|one| one.computed == computed).collect();
        for part in alike.chunks(COLUMNS_AT_ONCE_MAX) {
            let columns = part.iter().map(|one| (one.column.clone(), one.label.clone())).collect();
            let origin = Origin::Imported { by: responsible.by.clone(), reason: responsible.reason.clone() };
            file.add(&Labelling { origin, computed, at: super::now(), columns }).map_err(|fault| failure(&fault))?;
        }
    }
    Ok(responsible.record(file))
}

impl Scan {
    fn responsible(&self) -> Option<Responsible> {
        let (by, reason) = self.by.clone().zip(self.reason.clone()).filter(|_| self.apply)?;
        let (config, ledger, keys) = (self.config.clone(), self.ledger.clone(), self.keys.clone());
        Some(Responsible { config, by, reason, ledger, keys, json: self.json })
    }
}

impl Reading<'_> {
    /// Labels that went with the data of a job.
    fn carried(&self, job: &Job, known: &Known) -> Result<Vec<Inherited>, String> {
        let destination = job.destination.as_ref().filter(|table| !table.dataset.starts_with('_'));
        if job.is_copy {
            let destination = destination.ok_or("the history does not say where it was copied to")?;
            return self.copied(&job.referenced, destination, known);
        }
        let request = sluice_sql::Request { text: job.query.clone(), project: job.project.clone(), ..sluice_sql::Request::default() };
        let analysis = sluice_sql::analyze(&self.engine.within(ANALYSIS_MILLISECONDS_MAX), &request, self.snapshot);
        if let Some(refused) = &analysis.refused {
            return Err(refused.reason.clone());
        }
        if let Some(part) = analysis.statements.iter().flat_map(|statement| &statement.unresolved).next() {
            return Err(part.what.clone());
        }
        // A statement that writes by itself names its table in its text.
        let is_query = matches!(analysis.statements.as_slice(), [only] if only.kind == "SELECT");
        let destination = destination.filter(|_| is_query).map(|table| Destination { table: table.clone(), replaces: true });
        let statement = Statement {
            text: job.query.clone(),
            parameters: Vec::new(),
            default_dataset: None,
            location: None,
            destination,
            purpose: Purpose::Dispatch,
            analysis,
        };
        let work = Work::Statement(Box::new(statement));
        let request = Request { connection: String::new(), project: job.project.clone(), work, also: Vec::new(), sends: Sends::default() };
        let halt = Halt::default();
        let circumstances = Circumstances { now: 0, door: "rest", address: None, halt: &halt, known };
        Ok(self.set.evaluate(&self.principal, &request, None, &circumstances).inherited)
    }

    fn copied(&self, sources: &[TableName], destination: &TableName, known: &Known) -> Result<Vec<Inherited>, String> {
        if sources.is_empty() {
            return Err("the history does not say what was copied".to_owned());
        }
        let mut carried = Vec::new();
        for source in sources {
            let table = self.snapshot.tables.get(source).ok_or_else(|| format!("{source} is not in the catalog"))?;
            let fields: Vec<Field> =
                table.columns.iter().map(|column| Field { name: column.name.clone(), kind: column.kind.clone() }).collect();
            let mut paths = Vec::new();
            leaves(&fields, &mut Vec::new(), &mut paths);
            for path in paths {
                let from = ColumnPath { table: source.clone(), path: path.clone() };
                let (labels, computed) = (self.set.labels.of(&from, known), self.set.labels.is_computed(&from, known));
                let column = ColumnPath { table: destination.clone(), path };
                carried.extend(labels.into_iter().map(|label| Inherited { column: column.clone(), label: label.name.clone(), computed }));
            }
        }
        Ok(carried)
    }

    /// Nothing if it has the label. From here on it is known, so that copies of it are found.
    fn lacking(&self, kept: Inherited, job: &Job, known: &mut Known) -> Option<Lacking> {
        let has_label = self.set.labels.of(&kept.column, known).iter().any(|has| has.name == kept.label);
        if has_label && (!kept.computed || self.set.labels.is_computed(&kept.column, known)) {
            return None;
        }
        known.take(&kept);
        let Inherited { column, label, computed } = kept;
        Some(Lacking { column, label, computed, job: job.id.clone() })
    }
}

/// Every path that ends in a value.
fn leaves(fields: &[Field], above: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for field in fields {
        above.push(field.name.clone());
        let kind = match &field.kind {
            Type::Array(element) => element.as_ref(),
            kind => kind,
        };
        match kind {
            Type::Struct(inside) => leaves(inside, above, found),
            _ => found.push(above.clone()),
        }
        above.pop();
    }
}

/// The oldest first.
fn history(path: &Path) -> Result<Vec<Job>, Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > HISTORY_BYTES_MAX {
        return Err(failed(format!("the history has {size} bytes, more than {HISTORY_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let rows: Vec<Value> = match serde_json::from_str(&text) {
        Ok(Value::Array(rows)) => rows,
        _ => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?
        }
    };
    let mut jobs: Vec<(String, Job)> = rows.iter().filter_map(job).collect();
    jobs.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

/// With when it was created. Loads read no table; a query that only went to its client wrote none.
fn job(row: &Value) -> Option<(String, Job)> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let destination = row.get("destination_table").and_then(table);
    let referenced = row.get("referenced_tables").and_then(Value::as_array).into_iter().flatten().filter_map(table).collect();
    let (is_copy, kind) = (text("job_type") == "COPY", text("statement_type"));
    let is_told_only = kind == "SELECT" && destination.as_ref().is_none_or(|table| table.dataset.starts_with('_'));
    let job = Job { id: text("job_id"), project: text("project_id"), is_copy, query: text("query"), destination, referenced };
    (is_copy || !(job.query.is_empty() || is_told_only)).then(|| (text("creation_time"), job))
}

fn table(value: &Value) -> Option<TableName> {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    Some(TableName::new(part("project_id")?, part("dataset_id")?, part("table_id")?))
}
