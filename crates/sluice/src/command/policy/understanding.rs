//! What turns a case's SQL into an analysis: the engine, started when it is first needed, and a catalog.

use super::super::analyze::only_project;
use super::super::{Failure, start_engine};
use crate::catalog_folder;
use clap::Args;
use sluice_googlesql::{ANALYSIS_MILLISECONDS_MAX, GoogleSql};
use sluice_model::Analysis;
use sluice_policy::cases::{self, Case};
use sluice_sql::Request;
use sluice_sql::catalog::Snapshot;
use std::cell::OnceCell;
use std::path::PathBuf;

#[derive(Args)]
pub struct Catalog {
    /// A folder of BigQuery resources, one JSON file a table, view, routine or model; needed for SQL
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// What names without a dataset mean, where a case does not say
    #[arg(long, value_name = "PROJECT.DATASET")]
    default_dataset: Option<String>,
}

pub struct Understanding {
    snapshot: Option<Snapshot>,
    default_dataset: Option<String>,
    engine: OnceCell<Result<GoogleSql, String>>,
}

impl Catalog {
    pub fn open(&self) -> Result<Understanding, Failure> {
        let snapshot = self.catalog.as_deref().map(catalog_folder::read).transpose()?;
        if let Some(text) = &self.default_dataset {
            cases::dataset(text).map_err(Failure::new)?;
        }
        Ok(Understanding { snapshot, default_dataset: self.default_dataset.clone(), engine: OnceCell::new() })
    }
}

impl Understanding {
    /// The case with the default dataset that it is meant for.
    pub fn completed(&self, mut case: Case) -> Case {
        if case.default_dataset.is_none() {
            case.default_dataset.clone_from(&self.default_dataset);
        }
        case
    }

    pub fn analyze(&self, case: &Case) -> Result<Analysis, String> {
        let snapshot = self.snapshot.as_ref().ok_or("a statement as SQL needs `--catalog`: the tables that it names")?;
        let default_dataset = case.default_dataset.as_deref().map(cases::dataset).transpose()?;
        let project = match &default_dataset {
            Some((project, _)) => project.clone(),
            None => only_project(snapshot).unwrap_or_default(),
        };
        let engine = self.engine.get_or_init(|| start_engine().map_err(|failure| failure.to_string())).as_ref()?;
        let request = Request { text: case.sql.clone().unwrap_or_default(), project, default_dataset, ..Request::default() };
        Ok(sluice_sql::analyze(&engine.within(ANALYSIS_MILLISECONDS_MAX), &request, snapshot))
    }
}
