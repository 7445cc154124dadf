//! Every request that came in, in order, for tests to compare with. Bounded: the oldest go first.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub const LOG_ENTRIES_MAX: usize = 10_000;
/// Of each body only so much is kept.
pub const LOG_BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Counts up from one and never repeats, also when old entries are gone.
    pub sequence: u64,
    pub at_milliseconds: i64,
    pub verb: String,
    /// With its query, as it came.
    pub target: String,
    /// `bigquery.jobs.insert`, `google.cloud.bigquery.storage.v1.BigQueryRead.ReadRows`; nothing for a path that no method has.
    pub method: Option<&'static str>,
    /// Lower-case names. The bearer token is left out: `caller` says whose it was.
    pub headers: Vec<(String, String)>,
    pub caller: Option<String>,
    /// As text, what is not UTF-8 replaced; JSON of a message of protobuf.
    pub body: String,
    /// Of the whole body as it was sent, also where less of it is kept.
    pub body_bytes: u64,
    /// Zero while the answer is not made yet; of a call by gRPC the status that REST would have.
    pub status: u16,
}

#[derive(Default)]
pub struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    entries: VecDeque<LoggedRequest>,
}

impl RequestLog {
    /// Keeps the request and gives it its number.
    pub fn begin(&self, mut entry: LoggedRequest) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        entry.sequence = inner.last;
        entry.body.truncate(entry.body.floor_char_boundary(LOG_BODY_BYTES_MAX));
        if inner.entries.len() >= LOG_ENTRIES_MAX {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
        inner.last
    }

    /// What was asked, where it is understood later than the request is kept.
    pub fn describe(&self, sequence: u64, mut body: String, body_bytes: u64) {
        body.truncate(body.floor_char_boundary(LOG_BODY_BYTES_MAX));
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.iter_mut().rev().find(|entry| entry.sequence == sequence) {
            entry.body = body;
            entry.body_bytes = body_bytes;
        }
    }

    pub fn finish(&self, sequence: u64, status: u16, caller: Option<String>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.iter_mut().rev().find(|entry| entry.sequence == sequence) {
            entry.status = status;
            entry.caller = caller;
        }
    }

    pub fn entries(&self) -> Vec<LoggedRequest> {
        self.lock().entries.iter().cloned().collect()
    }

    pub fn clear(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoggedRequest {
    pub fn to_json(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "sequence": self.sequence,
            "atMilliseconds": self.at_milliseconds,
            "verb": self.verb,
            "target": self.target,
            "method": self.method,
            "headers": headers,
            "caller": self.caller,
            "body": self.body,
            "bodyBytes": self.body_bytes,
            "status": self.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> LoggedRequest {
        LoggedRequest {
            sequence: 0,
            at_milliseconds: 1,
            verb: "GET".to_owned(),
            target: "/".to_owned(),
            method: None,
            headers: Vec::new(),
            caller: None,
            body: body.to_owned(),
            body_bytes: body.len() as u64,
            status: 0,
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_counting() {
        let log = RequestLog::default();
        for _ in 0..LOG_ENTRIES_MAX + 5 {
            log.begin(request("x"));
        }
        let entries = log.entries();
        assert_eq!(entries.len(), LOG_ENTRIES_MAX);
        assert_eq!(entries.first().map(|entry| entry.sequence), Some(6));
    }

    #[test]
    fn long_bodies_are_cut_between_letters() {
        let log = RequestLog::default();
        let sequence = log.begin(request(&"\u{fc}".repeat(LOG_BODY_BYTES_MAX)));
        log.finish(sequence, 200, Some("a@b".to_owned()));
        let entries = log.entries();
        assert_eq!(entries[0].body.len(), LOG_BODY_BYTES_MAX);
        assert_eq!(entries[0].to_json()["bodyBytes"], 2 * LOG_BODY_BYTES_MAX);
        assert_eq!((entries[0].status, entries[0].caller.as_deref()), (200, Some("a@b")));
    }
}
