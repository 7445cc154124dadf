//! Failures on demand: which request fails, how often, and how.
//!
//! A plan is set through the Rust API, or through the admin path where the settings open it.

use crate::problem::Reason;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub const FAULTS_MAX: usize = 1_000;

/// One planned failure. It waits for its request, fails `count` of them and is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Any verb where none is given.
    pub verb: Option<String>,
    /// Matches a request whose path holds this text; empty matches all.
    pub path: String,
    /// So many matching requests pass first.
    pub skip: u32,
    pub count: u32,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// An error in place of the answer. The request is not carried out.
    Answer { status: u16, reason: Reason, message: String },
    /// The request is carried out, and this text is its answer.
    Body { text: String },
    /// A stream of rows fails after so many messages. Only for `ReadRows`.
    BreakStream { after_messages: usize, reason: Reason, message: String },
    /// The answer comes late.
    Delay { milliseconds: u64 },
    /// The dry run says something else than the truth.
    DryRun(Lie),
    /// The job of this request stays RUNNING so long before its work is done.
    Job { milliseconds: u64 },
    /// Of the chunk of this upload no more is kept, in whole steps; the client has to send the rest again.
    KeepBytes { bytes: u64 },
    /// The connection breaks after so many bytes of the body.
    Reset { after_bytes: usize },
    /// The body is gzip cut in the middle, whatever the client accepts.
    TruncatedGzip,
}

/// What a dry run says in place of the truth. What is not given stays true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lie {
    pub statement_type: Option<String>,
    /// BigQuery's `referencedTables`.
    pub referenced_tables: Option<Value>,
    /// BigQuery's `schema`.
    pub schema: Option<Value>,
    pub total_bytes_processed: Option<i64>,
}

#[derive(Default)]
pub struct FaultPlan {
    faults: Mutex<Vec<Fault>>,
}

/// Why a fault of the admin path was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError {
    pub message: String,
}

impl FaultPlan {
    /// Gives false where the plan is full.
    pub fn add(&self, fault: Fault) -> bool {
        let mut faults = self.lock();
        let room = faults.len() < FAULTS_MAX;
        if room {
            faults.push(fault);
        }
        room
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is still waiting for its request.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// The failures that this request meets, each counted down by it.
    pub fn take(&self, verb: &str, path: &str) -> Vec<Act> {
        let mut met = Vec::new();
        self.lock().retain_mut(|fault| {
            let matches = fault.verb.as_deref().is_none_or(|wanted| wanted == verb) && path.contains(&fault.path);
            if matches && fault.skip > 0 {
                fault.skip -= 1;
            } else if matches && fault.count > 0 {
                fault.count -= 1;
                met.push(fault.act.clone());
            }
            fault.count > 0
        });
        met
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    pub fn once(path: &str, act: Act) -> Fault {
        Fault { verb: None, path: path.to_owned(), skip: 0, count: 1, act }
    }

    /// Reads `{"verb", "path", "skip", "count", "act": {"kind": "answer", ...}}`.
    pub fn from_json(value: &Value) -> Result<Fault, FaultError> {
        let number = |name: &str, absent: u32| match value.get(name) {
            None => Ok(absent),
            Some(given) => given.as_u64().and_then(|wide| u32::try_from(wide).ok()).ok_or_else(|| unreadable(name, given)),
        };
        let act = value.get("act").ok_or_else(|| unreadable("act", &Value::Null))?;
        Ok(Fault {
            verb: value.get("verb").and_then(Value::as_str).map(str::to_owned),
            path: value.get("path").and_then(Value::as_str).unwrap_or_default().to_owned(),
            skip: number("skip", 0)?,
            count: number("count", 1)?,
            act: Act::from_json(act)?,
        })
    }
}

impl Act {
    fn from_json(value: &Value) -> Result<Act, FaultError> {
        let number = |name: &str| value.get(name).and_then(Value::as_u64).ok_or_else(|| unreadable(name, value));
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match value.get("kind").and_then(Value::as_str) {
            Some("answer") => {
                let reason = text("reason").as_deref().and_then(Reason::parse).ok_or_else(|| unreadable("reason", value))?;
                let status = value.get("status").and_then(Value::as_u64).and_then(|wide| u16::try_from(wide).ok());
                let status = status.unwrap_or(reason.status().0);
                Ok(Act::Answer { status, reason, message: text("message").unwrap_or_else(|| "planned failure".to_owned()) })
            }
            Some("body") => Ok(Act::Body { text: text("text").ok_or_else(|| unreadable("text", value))? }),
            Some("breakStream") => {
                let reason = text("reason").as_deref().map_or(Some(Reason::BackendError), Reason::parse);
                let after = usize::try_from(number("afterMessages")?).map_err(|_| unreadable("afterMessages", value))?;
                let message = text("message").unwrap_or_else(|| "planned failure".to_owned());
                Ok(Act::BreakStream { after_messages: after, reason: reason.ok_or_else(|| unreadable("reason", value))?, message })
            }
            Some("delay") => Ok(Act::Delay { milliseconds: number("milliseconds")? }),
            Some("dryRun") => Ok(Act::DryRun(Lie {
                statement_type: text("statementType"),
                referenced_tables: value.get("referencedTables").cloned(),
                schema: value.get("schema").cloned(),
                total_bytes_processed: value.get("totalBytesProcessed").and_then(Value::as_i64),
            })),
            Some("job") => Ok(Act::Job { milliseconds: number("milliseconds")? }),
            Some("keepBytes") => Ok(Act::KeepBytes { bytes: number("bytes")? }),
            Some("reset") => {
                let after = usize::try_from(number("afterBytes")?).map_err(|_| unreadable("afterBytes", value))?;
                Ok(Act::Reset { after_bytes: after })
            }
            Some("truncatedGzip") => Ok(Act::TruncatedGzip),
            _ => Err(unreadable("kind", value)),
        }
    }
}

impl Lie {
    /// Changes the statistics of a dry run's job.
    pub fn tell(&self, statistics: &mut Value) {
        let mut set = |pointer: &str, name: &str, value: Option<Value>| {
            if let (Some(fields), Some(value)) = (statistics.pointer_mut(pointer).and_then(Value::as_object_mut), value) {
                fields.insert(name.to_owned(), value);
            }
        };
        set("/query", "statementType", self.statement_type.clone().map(Value::String));
        set("/query", "referencedTables", self.referenced_tables.clone());
        set("/query", "schema", self.schema.clone());
        let bytes = self.total_bytes_processed.map(|bytes| json!(bytes.to_string()));
        set("/query", "totalBytesProcessed", bytes.clone());
        set("", "totalBytesProcessed", bytes);
    }
}

fn unreadable(name: &str, value: &Value) -> FaultError {
    FaultError { message: format!("no usable `{name}` in `{value}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_skip_count_and_go() {
        let plan = FaultPlan::default();
        let act = Act::Delay { milliseconds: 1 };
        plan.add(Fault { verb: Some("GET".to_owned()), path: "/jobs".to_owned(), skip: 1, count: 2, act: act.clone() });
        let met: Vec<usize> = ["POST /jobs", "GET /tables", "GET /jobs/1", "GET /jobs/2", "GET /jobs/3", "GET /jobs/4"]
            .iter()
            .filter_map(|request| request.split_once(' '))
            .map(|(verb, path)| plan.take(verb, path).len())
            .collect();
        assert_eq!(met, [0, 0, 0, 1, 1, 0]);
        assert_eq!(plan.waiting(), 0);
    }

    #[test]
    fn faults_are_read_or_refused() {
        let check = |value: Value, expect: Option<Act>| assert_eq!(Fault::from_json(&value).ok().map(|fault| fault.act), expect, "{value}");
        check(json!({ "act": { "kind": "truncatedGzip" } }), Some(Act::TruncatedGzip));
        check(json!({ "act": { "kind": "reset", "afterBytes": 7 } }), Some(Act::Reset { after_bytes: 7 }));
        let answer = Act::Answer { status: 503, reason: Reason::BackendError, message: "planned failure".to_owned() };
        check(json!({ "act": { "kind": "answer", "reason": "backendError" } }), Some(answer));
        check(json!({ "act": { "kind": "answer", "reason": "because" } }), None);
        check(json!({ "act": { "kind": "keepBytes", "bytes": 262_144 } }), Some(Act::KeepBytes { bytes: 262_144 }));
        check(json!({ "act": { "kind": "body", "text": "[]" } }), Some(Act::Body { text: "[]".to_owned() }));
        check(json!({ "act": { "kind": "body" } }), None);
        let broken = Act::BreakStream { after_messages: 2, reason: Reason::BackendError, message: "planned failure".to_owned() };
        check(json!({ "act": { "kind": "breakStream", "afterMessages": 2 } }), Some(broken));
        check(json!({ "act": { "kind": "breakStream", "afterMessages": 2, "reason": "because" } }), None);
        check(json!({ "act": { "kind": "breakStream" } }), None);
        check(json!({ "act": { "kind": "delay" } }), None);
        check(json!({ "act": { "kind": "keepBytes" } }), None);
        check(json!({ "act": { "kind": "truncatedGzip" }, "count": -1 }), None);
        check(json!({}), None);
    }

    #[test]
    fn a_lie_changes_only_what_it_names() {
        let mut statistics = json!({ "totalBytesProcessed": "10", "query": { "statementType": "SELECT", "totalBytesProcessed": "10" } });
        Lie { statement_type: Some("DELETE".to_owned()), ..Lie::default() }.tell(&mut statistics);
        assert_eq!(statistics, json!({ "totalBytesProcessed": "10", "query": { "statementType": "DELETE", "totalBytesProcessed": "10" } }));
    }
}
