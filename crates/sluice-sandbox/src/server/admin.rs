//! `/sandbox/faults` and `/sandbox/requests`, only where the settings open them.

use super::call::Reply;
use super::service::Service;
use crate::faults::Fault;
use crate::log::LoggedRequest;
use crate::problem::Problem;
use serde_json::{Value, json};

/// Nothing for paths that are not ours.
pub fn answer(service: &Service, verb: &str, path: &str, body: &[u8]) -> Option<Result<Reply, Problem>> {
    let below = path.strip_prefix("/sandbox/")?;
    Some(match (verb, below) {
        ("GET", "faults") => Ok(Reply::Json(json!({ "waiting": service.faults.waiting() }))),
        ("POST", "faults") => add_fault(service, body),
        ("DELETE", "faults") => {
            service.faults.clear();
            Ok(Reply::Empty)
        }
        ("GET", "requests") => {
            let requests: Vec<Value> = service.log.entries().iter().map(LoggedRequest::to_json).collect();
            Ok(Reply::Json(json!({ "requests": requests })))
        }
        ("DELETE", "requests") => {
            service.log.clear();
            Ok(Reply::Empty)
        }
        _ => Err(Problem::not_found(format!("Not found: {verb} {path}"))),
    })
}

fn add_fault(service: &Service, body: &[u8]) -> Result<Reply, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Problem::invalid(error.to_string()))?;
    let fault = Fault::from_json(&value).map_err(|error| Problem::invalid(error.message))?;
    if service.faults.add(fault) { Ok(Reply::Empty) } else { Err(Problem::invalid("the fault plan is full")) }
}
