//! Jobs that carry rows: loads and copies. Extracts are known by name and refused.

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
            (JobKind::Extract | JobKind::Query, None) => Err(Problem::not_implemented(&format!("{} jobs", kind.field()))),
        }
    }

    pub fn destination(&self) -> &TableName {
        match self {
            Transfer::Copy(request) => &request.destination,
            Transfer::Load { request, .. } => &request.destination,
        }
    }

    pub fn run(&self, warehouse: &Warehouse, cancelled: &AtomicBool) -> (Finished, Option<Problem>) {
        match self {
            Transfer::Copy(request) => request.run(warehouse, cancelled),
            Transfer::Load { request, media } => request.run(warehouse, media, cancelled),
        }
    }
}
