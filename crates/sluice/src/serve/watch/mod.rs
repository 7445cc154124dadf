//! What operators see of a gateway while it runs: lines on standard error, numbers at `/metrics`, traces at a collector.
//!
//! All three are told at the exit of every request, and at the ports that `compose.rs` hands out. No statement, parameter, token, row or name of a
//! caller comes here: there is nothing to leave out later. None of them makes a request wait: what does not fit is dropped and counted.

mod log;
mod metrics;
mod otlp;
mod ports;
mod settings;
mod standing;
mod traces;

pub use log::{Event, Facts, Log};
pub use metrics::CONTENT_TYPE;
pub use ports::WatchedUpstream;
pub use settings::{LogEntry, LogSettings, TracesEntry, TracesSettings};
pub use standing::Parts;

use crate::command::Failure;
use metrics::Metrics;
use serde_json::json;
use sluice_app::{Alarm, Ended, FoundSensitive};
use sluice_proxy::rest::Rest;
use sluice_proxy::server::Counts;
use standing::Standing;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use traces::{Exporter, Traces};

const MICROSECONDS_PER_MILLISECOND: f64 = 1_000.0;

pub struct Watch {
    log: Arc<Log>,
    metrics: Metrics,
    standing: Arc<Standing>,
    traces: Option<Traces>,
    /// Until there is a runtime to run it.
    exporter: Mutex<Option<Exporter>>,
}

/// A descriptor of its own: whoever reads it slowly holds no lock that others need.
pub fn standard_error() -> Result<File, Failure> {
    std::io::stderr().as_fd().try_clone_to_owned().map(File::from).map_err(no_log)
}

impl Watch {
    pub fn start(
        log: LogSettings,
        traces: Option<&TracesSettings>,
        out: impl std::io::Write + Send + 'static,
    ) -> Result<Arc<Watch>, Failure> {
        let log = Arc::new(Log::start(log, out).map_err(no_log)?);
        let standing = Arc::new(Standing::default());
        let lines = Arc::clone(&log);
        drop(standing.lines_dropped.set(Box::new(move || lines.dropped())));
        let traces = traces.map(|settings| traces::start(settings, &standing.spans)).transpose().map_err(Failure::new)?;
        let (traces, exporter) = traces.unzip();
        let metrics = Metrics::new(Arc::clone(&standing));
        Ok(Arc::new(Watch { log, metrics, standing, traces, exporter: Mutex::new(exporter) }))
    }

    pub fn say(&self, event: Event, facts: Facts) {
        self.log.say(event, facts);
    }

    /// See `Log::flush`.
    pub fn flush(&self) {
        self.log.flush();
    }

    pub fn page(&self) -> Option<String> {
        self.metrics.page()
    }

    pub fn look_at(&self, parts: Parts) {
        drop(self.standing.parts.set(parts));
    }

    pub fn look_at_rest(&self, rest: &Arc<Rest>) {
        drop(self.standing.rest.set(Arc::downgrade(rest)));
    }

    pub fn look_at_connections(&self, connections: Arc<Counts>) {
        drop(self.standing.connections.set(connections));
    }

    /// To be run from within the runtime, once.
    pub fn send_traces(&self) -> Option<traces::Sending> {
        let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(traces::send(exporter, Arc::clone(&self.log)))
    }

    /// What a panic says can hold what a client sent: where it was is told, in a line like others.
    pub fn take_panics(self: &Arc<Self>) {
        let watch = Arc::downgrade(self);
        std::panic::set_hook(Box::new(move |panic| {
            let Some(watch) = watch.upgrade() else { return };
            let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
            watch.metrics.alarm();
            watch.say(Event::Panic, vec![("place", json!(place))]);
        }));
    }
}

impl Alarm for Watch {
    fn raise(&self, what: &str) {
        self.metrics.alarm();
        self.say(Event::Alarm, vec![("text", json!(what))]);
    }

    /// Which column it is stands in the record alone.
    fn found(&self, found: FoundSensitive) {
        self.metrics.found(&found);
        let FoundSensitive { kind, act, record, cells, found } = found;
        let facts =
            [("kind", json!(kind)), ("act", json!(act)), ("record", json!(record)), ("cells", json!(cells)), ("found", json!(found))];
        self.say(Event::Finding, facts.into());
    }

    fn ended(&self, ended: Ended<'_>) {
        let now = Instant::now();
        let took = now.saturating_duration_since(ended.walked.begun);
        self.metrics.ended(&ended, took);
        // Those that came in a flood have no record that anybody could look up.
        if ended.is_counted {
            return;
        }
        if self.log.wants_request(ended.outcome) {
            self.say(Event::Request, facts(&ended, took));
        }
        if let Some(traces) = &self.traces {
            traces.put(ended, now, SystemTime::now());
        }
    }
}

fn no_log(error: std::io::Error) -> Failure {
    Failure::new(format!("no log: {error}"))
}

fn facts(ended: &Ended<'_>, took: Duration) -> Facts {
    let milliseconds = f64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)) / MICROSECONDS_PER_MILLISECOND;
    let mut facts = Facts::with_capacity(8);
    facts.extend(ended.subject.map(|subject| ("request", json!(subject.to_string()))));
    facts.push(("door", json!(ended.visit.door)));
    facts.push(("method", json!(ended.visit.method())));
    facts.push(("outcome", json!(ended.outcome)));
    facts.extend(ended.reason.map(|reason| ("reason", json!(reason))));
    if !ended.kinds.is_empty() {
        facts.push(("kinds", json!(ended.kinds)));
    }
    if !ended.rules.is_empty() {
        facts.push(("rules", json!(ended.rules)));
    }
    facts.push(("milliseconds", json!(milliseconds)));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const SECRET: &str = "what a client sent";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_an_event_without_its_words() {
        let kept = Kept::default();
        let watch = Watch::start(LogSettings::default(), None, kept.clone()).unwrap();
        let before = std::panic::take_hook();
        watch.take_panics();
        let broken = std::thread::spawn(|| panic!("{SECRET}")).join();
        std::panic::set_hook(before);
        assert!(broken.is_err());
        watch.log.wait_until_written();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is_told = |event: &Value| event["event"] == "panic" && event["place"].as_str().is_some_and(|place| place.contains(file!()));
        assert!(events.iter().any(is_told) && !text.contains(SECRET), "{text}");
        assert!(watch.page().unwrap().contains("sluice_alarms_total 1\n"));
    }
}
