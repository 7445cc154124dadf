//! The labels that tie a job of BigQuery's to its record. Clients cannot set them: doors refuse the prefix.

use crate::refusal::{FormReason, Why};
use serde_json::{Map, Value};
use sluice_policy::Sends;

/// Of every label that the gateway sets.
pub const LABEL_PREFIX: &str = "sluice_";

/// Adds to `configuration.labels` of a job.
pub(crate) fn with_labels(mut sends: Sends, labels: &[(&str, String)]) -> Result<Sends, Why> {
    let fault = || Why::Form { reason: FormReason::Invalid, text: "the job has no configuration".to_owned() };
    let mut body: Value = serde_json::from_str(sends.body.as_deref().ok_or_else(fault)?).map_err(|_| fault())?;
    let configuration = body.get_mut("configuration").and_then(Value::as_object_mut).ok_or_else(fault)?;
    let all = configuration.entry("labels").or_insert_with(|| Value::Object(Map::new())).as_object_mut().ok_or_else(fault)?;
    for (name, value) in labels {
        all.insert(format!("{LABEL_PREFIX}{name}"), Value::String(value.clone()));
    }
    sends.body = Some(body.to_string());
    Ok(sends)
}
