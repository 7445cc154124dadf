//! What the gateway writes into a job of its caller's: labels that tie it to its record, which clients cannot set, and the ceiling of policy.

use crate::gateway::{Gateway, Passage};
use crate::record;
use crate::refusal::{FormReason, Why};
use serde_json::{Map, Value};
use sluice_ledger::record::Subject;
use sluice_policy::Sends;

/// Of every label that the gateway sets.
pub const LABEL_PREFIX: &str = "sluice_";
const REQUEST_LABEL: &str = "request";
/// Whose digest is shown in a label has this many digits.
const LABEL_DIGEST_DIGITS: usize = 16;

impl Gateway {
    /// Of every job, whatever it does: its request in the ledger, the policy set that let it through, the session that it came from.
    pub(crate) fn job_labels(&self, passage: &Passage) -> Vec<(&'static str, String)> {
        let digest = self.parts.in_force.policy().digest.to_string();
        let policy = digest.rsplit(':').next().unwrap_or_default().chars().take(LABEL_DIGEST_DIGITS).collect();
        let mut labels = vec![(REQUEST_LABEL, record::hex(&passage.subject.0)), ("policy", policy)];
        if let Some(session) = passage.caller.session() {
            labels.push(("session", record::hex(&record::sha256(session.id.as_bytes())).chars().take(LABEL_DIGEST_DIGITS).collect()));
        }
        labels
    }
}

/// Whether a job, as BigQuery describes it, was sent for this request. Clients cannot set the label, and nobody can guess it.
pub(crate) fn is_of_request(job: &Value, subject: Subject) -> bool {
    let label = job.pointer(&format!("/configuration/labels/{LABEL_PREFIX}{REQUEST_LABEL}")).and_then(Value::as_str);
    label == Some(record::hex(&subject.0).as_str())
}

/// The smaller of what the client and policy let a query bill.
pub(crate) fn with_ceiling(mut sends: Sends, bytes_max: Option<u64>) -> Result<Sends, Why> {
    let Some(bytes_max) = bytes_max else { return Ok(sends) };
    let fault = || Why::Form { reason: FormReason::Invalid, text: "the job is no query".to_owned() };
    let mut body: Value = serde_json::from_str(sends.body.as_deref().ok_or_else(fault)?).map_err(|_| fault())?;
    let query = body.pointer_mut("/configuration/query").and_then(Value::as_object_mut).ok_or_else(fault)?;
    let own = query.get("maximumBytesBilled").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
    let smaller = own.map_or(bytes_max, |own| own.min(bytes_max));
    query.insert("maximumBytesBilled".to_owned(), Value::String(smaller.to_string()));
    sends.body = Some(body.to_string());
    Ok(sends)
}

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
