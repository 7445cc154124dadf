//! Jobs that carry rows: loads and copies. An extract is a job that fails and says why.

use super::copy::CopyRequest;
use super::fields::flag;
use super::load::LoadRequest;
use super::record::{Finished, JobKind};
use crate::execute::Warehouse;
use crate::problem::Problem;
use serde_json::Value;
use sluice_model::TableName;
use std::sync::atomic::AtomicBool;

pub enum Transfer {
    Copy(CopyRequest),
    Extract,
    Load { request: LoadRequest, media: Vec<u8> },
}

impl Transfer {
    pub fn read(kind: JobKind, configuration: &Value, project: &str, media: Option<Vec<u8>>) -> Result<Transfer, Problem> {
        if flag(configuration, "dryRun")? {
            return Err(Problem::not_implemented(&format!("dry runs of {} jobs", kind.field())));
        }
        match (kind, media) {
            (JobKind::Load, media) => {
                let request = LoadRequest::read(configuration, project)?;
                let media = media.ok_or_else(|| Problem::invalid("Load configuration must specify at least one source URI"))?;
                Ok(Transfer::Load { request, media })
            }
            (_, Some(_)) => Err(Problem::invalid(super::submit::ONLY_LOADS)),
            (JobKind::Copy, None) => CopyRequest::read(configuration, project).map(Transfer::Copy),
            (JobKind::Extract, None) => Ok(Transfer::Extract),
            (JobKind::Query, None) => Err(Problem::internal("a query is no transfer")),
        }
    }

    pub fn destination(&self) -> Option<&TableName> {
        match self {
            Transfer::Copy(request) => Some(&request.destination),
            Transfer::Extract => None,
            Transfer::Load { request, .. } => Some(&request.destination),
        }
    }

    pub fn run(&self, warehouse: &Warehouse, cancelled: &AtomicBool) -> (Finished, Option<Problem>) {
        match self {
            Transfer::Copy(request) => request.run(warehouse, cancelled),
            Transfer::Extract => (Finished::default(), Some(Problem::not_implemented("extract jobs"))),
            Transfer::Load { request, media } => request.run(warehouse, media, cancelled),
        }
    }
}
