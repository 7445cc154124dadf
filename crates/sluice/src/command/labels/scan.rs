//! `sluice labels scan`: copies of labelled columns that were made before the gateway was there, or beside it, by what the history of jobs says. The
//! statements are read by the same analysis as those of callers.

mod exported;
mod reading;
mod warehouse;

use self::reading::{Catalog, Lacking, Reading, Scanned};
use super::{Responsible, failure, open, say, set_in_force};
use crate::command::ledger::time;
use crate::command::on_record::Said;
use crate::command::{EXIT_FAILED, Failure, start_engine};
use crate::{catalog_folder, configuration};
use clap::Args;
use serde_json::{Value, json};
use sluice_model::plain::printable;
use sluice_store::{Labelling, Origin};
use std::path::PathBuf;
use std::process::ExitCode;

/// In one act: its record names each of them.
const COLUMNS_AT_ONCE_MAX: usize = 1_000;

/// Find columns that were filled from labelled ones before the gateway was there, and lack the label.
///
/// With --connection the warehouse is asked, with the gateway's own credential: for the jobs of everybody in the projects of that connection
/// (`jobs.list`: it takes bigquery.jobs.listAll, as in roles/bigquery.resourceViewer), for the tables that statements name, and for the views,
/// snapshots, clones and models that are there. Nothing is billed.
///
/// With a file it reads rows of INFORMATION_SCHEMA.JOBS, as an administrator exported them: a JSON list, or one object in each line; and tables
/// from the folder of --catalog.
///
/// Statements are analysed in the order in which they ran, so that a copy of a copy is found. Each column is named with the way that its values
/// took. It changes nothing, unless --apply is given: then each column gets its label, on record. What cannot be understood is named, and is for a
/// person to look at.
///
/// Exit code 0: it was read, whatever was found. 1: it could not be read, or no row of the file is a job that was understood.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice labels scan --connection warehouse --config /etc/sluice
  sluice labels scan --connection warehouse --config /etc/sluice --apply --by ana --reason 'copies of last year'
  bq query --format=json --max_rows=1000000 --nouse_legacy_sql 'SELECT creation_time, project_id, job_id, job_type, statement_type, query,
    destination_table, referenced_tables FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE state = \"DONE\" AND error_result IS NULL' > jobs.json
  sluice labels scan jobs.json --catalog exported --config /etc/sluice")]
pub struct Scan {
    /// The rows, where the warehouse is not asked
    #[arg(value_name = "FILE", requires = "catalog", required_unless_present = "connection", conflicts_with = "connection")]
    history: Option<PathBuf>,
    /// A folder of table resources, as `tables.get` returns them, of all tables that statements name
    #[arg(long, value_name = "DIR", requires = "history")]
    catalog: Option<PathBuf>,
    /// Ask the warehouse, by this connection of sluice.toml
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Jobs of this time or later, in UTC: 2026-11-21 or 2026-11-21T09:30:00Z. Without it: all that BigQuery remembers, which is half a year
    #[arg(long, value_name = "TIME", value_parser = time, requires = "connection")]
    since: Option<u64>,
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

pub fn run(asked: &Scan) -> Result<ExitCode, Failure> {
    let configuration = configuration::read_sound(&asked.config)?;
    let set = set_in_force(&configuration)?;
    let file = open(&configuration)?;
    let known = file.current().map_err(|fault| failure(&fault))?.known().clone();
    let scanned = match (&asked.history, &asked.catalog, &asked.connection) {
        (Some(history), Some(catalog), _) => {
            let (exported, snapshot) = (exported::read(history)?, catalog_folder::read(catalog)?);
            let mut reading = Reading::new(&set, start_engine()?, Catalog::Folder(snapshot), known);
            reading.jobs(&exported.jobs);
            exported.with(reading.done())
        }
        (_, _, Some(connection)) => {
            let there = warehouse::Warehouse::connect(&asked.config, &configuration, connection)?;
            warehouse::scan(there, asked.since, &set, start_engine()?, known)?
        }
        _ => return Err(Failure::new("neither a history with a catalog nor a connection")),
    };
    let lacking = &scanned.lacking;
    let recorded =
        asked.responsible().filter(|_| !lacking.is_empty()).map(|responsible| apply(&file, &responsible, lacking)).transpose()?;
    let said = recorded.as_ref().map(|(said, _)| said);
    let is_ground = asked.history.is_none() || scanned.understood > 0;
    let nothing = if is_ground { "" } else { "\nno row is a job that was understood: this says nothing of what the warehouse holds" };
    say(asked.json, &value(&scanned, said), &format!("{}{nothing}", lines(&scanned, said)));
    let code = if is_ground { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) };
    Ok(recorded.map_or(code, |(_, code)| code))
}

fn value(scanned: &Scanned, record: Option<&String>) -> Value {
    let lacking = scanned.lacking.iter().map(|one| {
        let path: Vec<String> = one.path.iter().map(ToString::to_string).collect();
        let (column, source) = (one.column.to_string(), one.source.to_string());
        json!({ "column": column, "label": one.label, "computed": one.computed, "kind": one.kind, "source": source, "path": path, "job": one.job })
    });
    let not_understood = scanned.unread.iter().map(|(what, why)| json!({ "job": what, "because": why }));
    let models = scanned.models.iter().map(|model| json!({ "model": model.name.to_string(), "columns": model.columns }));
    json!({
        "jobs": scanned.jobs, "is_whole": scanned.is_whole, "untold": scanned.untold,
        "lacking": lacking.collect::<Vec<_>>(), "not_understood": not_understood.collect::<Vec<_>>(),
        "unexplained_models": models.collect::<Vec<_>>(), "record": record,
    })
}

/// Names come from outside and are escaped.
fn lines(scanned: &Scanned, record: Option<&String>) -> String {
    let mut lines: Vec<String> = scanned.lacking.iter().map(line).collect();
    lines.extend(scanned.unread.iter().map(|(what, why)| printable(&format!("not understood: {what}: {why}"))));
    for model in &scanned.models {
        let columns = model.columns.join(", ");
        lines.push(printable(&format!("model {}: nobody remembers what it was made from; its columns are {columns}", model.name)));
    }
    let (jobs, lacking, unread) = (scanned.jobs, scanned.lacking.len(), scanned.unread.len());
    lines.push(format!("{jobs} jobs, {lacking} columns lack a label, {unread} not understood"));
    if scanned.untold > 0 {
        lines.push(format!("of {} queries the texts are kept from this account: it takes bigquery.jobs.listAll", scanned.untold));
    }
    if !scanned.is_whole {
        lines.push("there is more than was read: --since says where to begin".to_owned());
    }
    lines.extend(record.map(|record| format!("labelled; {record}")));
    lines.join("\n")
}

/// The column, what it lacks, how it came by it, and by which columns.
fn line(one: &Lacking) -> String {
    let by = one.job.as_ref().map(|job| format!("  by job {job}")).unwrap_or_default();
    let path: Vec<String> = one.path.iter().map(ToString::to_string).collect();
    let computed = if one.computed { ", computed" } else { "" };
    printable(&format!("{}  lacks {}{computed}  {}{by}  from {}", one.column, one.label, one.kind, path.join(" > ")))
}

fn apply(file: &sluice_store::KeptLabelsFile, responsible: &Responsible, lacking: &[Lacking]) -> Result<(String, ExitCode), Failure> {
    for computed in [true, false] {
        let alike: Vec<&Lacking> = lacking.iter().filter(|one| one.computed == computed).collect();
        for part in alike.chunks(COLUMNS_AT_ONCE_MAX) {
            let columns = part.iter().map(|one| (one.column.clone(), one.label.clone())).collect();
            let origin = Origin::Imported { by: responsible.said.by.clone(), reason: responsible.said.reason.clone() };
            file.add(&Labelling { origin, computed, at: super::now(), columns }).map_err(|fault| failure(&fault))?;
        }
    }
    Ok(responsible.record(file, true))
}

impl Scan {
    fn responsible(&self) -> Option<Responsible> {
        let (by, reason) = self.by.clone().zip(self.reason.clone()).filter(|_| self.apply)?;
        let (config, ledger, keys) = (self.config.clone(), self.ledger.clone(), self.keys.clone());
        Some(Responsible { config, said: Said { by, reason, ledger, keys, json: self.json } })
    }
}
