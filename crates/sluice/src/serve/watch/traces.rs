//! Requests on their way to a collector. They wait in a bounded queue; what does not fit, or is not taken there, is dropped and counted. A
//! collector that hangs or is away holds up nothing but itself.

use super::log::{Event, Log};
use super::otlp;
use super::settings::TracesSettings;
use serde_json::json;
use sluice_app::{Ended, Walked};
use sluice_ledger::record::Subject;
use sluice_outbound::Collector;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

const REQUESTS_WAITING_MAX: usize = 2_048;
const BATCH_REQUESTS_MAX: usize = 256;
const BATCH_MILLISECONDS: u64 = 500;
/// For what waits when the gateway stops.
const LAST_SECONDS_MAX: u64 = 3;
const SAID: &str = "traceparent";

/// One request that is over. Its spans are made when it is sent.
pub struct Trace {
    pub subject: Subject,
    pub method: String,
    pub door: &'static str,
    pub outcome: &'static str,
    pub reason: Option<&'static str>,
    pub rules: Vec<String>,
    pub walked: Walked,
    /// What the client says that it is part of. Not believed.
    pub said: Option<String>,
    /// The same moment on two clocks: the end of it.
    pub ended: Instant,
    pub ended_at: SystemTime,
}

#[derive(Debug, Default)]
pub struct SpanCounts {
    sent: AtomicU64,
    dropped: AtomicU64,
}

pub struct Traces {
    queue: mpsc::Sender<Trace>,
    counts: Arc<SpanCounts>,
}

/// The other end of the queue.
pub struct Exporter {
    collector: Collector,
    queue: mpsc::Receiver<Trace>,
    counts: Arc<SpanCounts>,
    is_failing: bool,
}

/// An exporter at work.
pub struct Sending {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub fn start(settings: &TracesSettings, counts: &Arc<SpanCounts>) -> Result<(Traces, Exporter), String> {
    let certificates = settings.certificates_file.as_ref().map(|path| path.display().to_string());
    let collector = Collector::new(&settings.endpoint, certificates).map_err(|fault| format!("traces: {fault}"))?;
    let (sender, queue) = mpsc::channel(REQUESTS_WAITING_MAX);
    let traces = Traces { queue: sender, counts: Arc::clone(counts) };
    Ok((traces, Exporter { collector, queue, counts: Arc::clone(counts), is_failing: false }))
}

pub fn send(exporter: Exporter, log: Arc<Log>) -> Sending {
    let (stop, stopped) = oneshot::channel();
    Sending { stop, task: tokio::spawn(exporter.run(log, stopped)) }
}

impl Traces {
    pub fn put(&self, ended: Ended<'_>, now: Instant, now_at: SystemTime) {
        let Some(subject) = ended.subject else { return };
        let said = ended.visit.said.iter().find(|(name, _)| name == SAID).map(|(_, value)| value.clone());
        let trace = Trace {
            subject,
            method: ended.visit.method().to_owned(),
            door: ended.visit.door,
            outcome: ended.outcome,
            reason: ended.reason,
            rules: ended.rules,
            walked: ended.walked,
            said,
            ended: now,
            ended_at: now_at,
        };
        if let Err(unsent) = self.queue.try_send(trace) {
            let spans = spans(std::slice::from_ref(&unsent.into_inner()));
            self.counts.count(spans, spans);
        }
    }
}

impl Exporter {
    async fn run(mut self, log: Arc<Log>, mut stopped: oneshot::Receiver<()>) {
        loop {
            let first = tokio::select! {
                trace = self.queue.recv() => trace,
                _ = &mut stopped => None,
            };
            let Some(first) = first else { break };
            let mut batch = vec![first];
            let until = tokio::time::Instant::now() + Duration::from_millis(BATCH_MILLISECONDS);
            while batch.len() < BATCH_REQUESTS_MAX {
                tokio::select! {
                    trace = timeout_at(until, self.queue.recv()) => match trace {
                        Ok(Some(trace)) => batch.push(trace),
                        _ => break,
                    },
                    _ = &mut stopped => {
                        self.send(batch, &log).await;
                        return self.send_rest(&log).await;
                    }
                }
            }
            self.send(batch, &log).await;
        }
        self.send_rest(&log).await;
    }

    async fn send_rest(&mut self, log: &Log) {
        loop {
            let batch: Vec<Trace> = std::iter::from_fn(|| self.queue.try_recv().ok()).take(BATCH_REQUESTS_MAX).collect();
            if batch.is_empty() {
                return;
            }
            self.send(batch, log).await;
        }
    }

    async fn send(&mut self, batch: Vec<Trace>, log: &Log) {
        let sent = self.collector.send(otlp::request(&batch).to_string().into_bytes()).await;
        let spans = spans(&batch);
        self.counts.count(spans, sent.as_ref().map_or(spans, |rejected| *rejected));
        // Said when it changes: a collector that is away for a day is one line.
        match (sent, self.is_failing) {
            (Err(fault), false) => log.say(Event::TracesFail, vec![("text", json!(fault))]),
            (Ok(_), true) => log.say(Event::TracesSent, vec![("dropped", json!(self.counts.dropped()))]),
            _ => return,
        }
        self.is_failing = !self.is_failing;
    }
}

impl Sending {
    /// What waits is sent, if somebody takes it at once.
    pub async fn finish(mut self) {
        self.stop.send(()).ok();
        if tokio::time::timeout(Duration::from_secs(LAST_SECONDS_MAX), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl SpanCounts {
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn count(&self, spans: u64, dropped: u64) {
        let dropped = dropped.min(spans);
        self.sent.fetch_add(spans - dropped, Ordering::Relaxed);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

/// One for the request, and one for each step.
fn spans(traces: &[Trace]) -> u64 {
    traces.iter().map(|trace| 1 + u64::try_from(trace.walked.steps.len()).unwrap_or(u64::MAX)).sum()
}
