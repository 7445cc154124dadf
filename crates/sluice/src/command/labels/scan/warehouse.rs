//! The warehouse itself, asked by a connection of `sluice.toml` with the gateway's own credential. It is only read.

use super::reading::{Catalog, Reading, Scanned};
use crate::command::Failure;
use crate::command::serve::runtime;
use crate::configuration::Configuration;
use crate::serve::{connect, settings};
use sluice_app::{Catalog as _, CatalogFault, CatalogPart, UpstreamFault};
use sluice_googlesql::GoogleSql;
use sluice_outbound::{BigQuery, PastJob, Wanted};
use sluice_policy::{Known, PolicySet};
use sluice_sql::Required;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Tables are looked up once for a scan.
const CATALOG_AGE_SECONDS_MAX: u64 = 3_600;

pub struct Warehouse {
    bigquery: BigQuery,
    connection: String,
    projects: Vec<String>,
    runtime: Runtime,
}

impl Warehouse {
    pub fn connect(folder: &Path, configuration: &Configuration, name: &str) -> Result<Warehouse, Failure> {
        let said = |texts: Vec<String>| Failure::new(texts.join("\n        "));
        let mut settings =
            settings::read(folder, &configuration.text).map_err(|problems| said(problems.iter().map(ToString::to_string).collect()))?;
        let names: Vec<String> = settings.connections.keys().cloned().collect();
        let missing = || Failure::new(format!("`{name}` is no connection of {}: {}", crate::configuration::FILE, names.join(", ")));
        let mut connection = settings.connections.remove(name).ok_or_else(missing)?;
        connection.upstream.catalog_age_max = Duration::from_secs(CATALOG_AGE_SECONDS_MAX);
        let projects = connection.projects.clone();
        let bigquery = connect(&BTreeMap::from([(name.to_owned(), connection)]))
            .map_err(|faults| said(faults.iter().map(ToString::to_string).collect()))?;
        Ok(Warehouse { bigquery, connection: name.to_owned(), projects, runtime: runtime()? })
    }

    pub fn look_up(&self, wanted: &Required) -> Result<CatalogPart, String> {
        self.runtime.block_on(self.bigquery.fetch(&self.connection, wanted)).map_err(|fault| match fault {
            CatalogFault::Denied(name) => format!("the gateway's account may not read {name}"),
            CatalogFault::TooMany { names_max } => format!("it names more than {names_max} tables"),
            CatalogFault::Unavailable(text) => text,
            CatalogFault::UnknownConnection => "no such connection".to_owned(),
        })
    }

    /// The statements of a script, the oldest first.
    pub fn children(&self, job: &PastJob) -> Result<Vec<PastJob>, UpstreamFault> {
        let wanted = Wanted { parent: Some(job.id.clone()), ..Wanted::default() };
        let history = self.runtime.block_on(self.bigquery.history(&self.connection, &job.project, &wanted))?;
        Ok(oldest_first(history.jobs))
    }
}

pub fn scan(there: Warehouse, since_ms: Option<u64>, set: &PolicySet, engine: GoogleSql, known: Known) -> Result<Scanned, Failure> {
    let (mut jobs, mut views, mut made, mut models) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut untold, mut unread, mut is_whole) = (0, 0, Vec::new(), true);
    let wanted = Wanted { since_ms, ..Wanted::default() };
    for project in &there.projects {
        let failed = |fault: UpstreamFault| Failure::new(format!("{project}: {fault}"));
        let history = there.runtime.block_on(there.bigquery.history(&there.connection, project, &wanted)).map_err(failed)?;
        seen += history.seen;
        untold += history.untold;
        is_whole &= history.is_whole;
        jobs.extend(history.jobs);
        let holdings = there.runtime.block_on(there.bigquery.holdings(&there.connection, project)).map_err(failed)?;
        is_whole &= holdings.is_whole;
        unread.extend(holdings.unread);
        views.extend(holdings.views);
        made.extend(holdings.made);
        models.extend(holdings.models);
    }
    let mut reading = Reading::new(set, engine, Catalog::Warehouse(there), known);
    let mut made = made.into_iter().peekable();
    for job in oldest_first(jobs) {
        // A job says more of what it made than the table does.
        while let Some(earlier) = made.next_if(|made| made.created_ms < job.created_ms) {
            reading.made(&earlier);
        }
        reading.jobs(std::slice::from_ref(&job));
    }
    made.for_each(|made| reading.made(&made));
    views.iter().for_each(|view| reading.view(view));
    models.into_iter().for_each(|model| reading.model(model));
    let mut scanned = reading.done();
    scanned.unread.extend(unread);
    Ok(Scanned { jobs: seen, untold, is_whole, ..scanned })
}

/// BigQuery lists the newest first.
fn oldest_first(mut jobs: Vec<PastJob>) -> Vec<PastJob> {
    jobs.reverse();
    jobs.sort_by_key(|job| job.created_ms);
    jobs
}
