//! Numbers of how things are, asked at each look. Nothing here keeps the gateway alive: what is gone is left out.

use super::traces::SpanCounts;
use crate::serve::in_force::Force;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use sluice_app::{Gateway, InForce};
use sluice_googlesql::GoogleSql;
use sluice_proxy::rest::Rest;
use sluice_proxy::server::{Counts, DoorCounts};
use sluice_store::{Condition, Store};
use std::fmt::Error;
use std::sync::{Arc, OnceLock, Weak};

/// Filled in as the gateway is put together.
#[derive(Default)]
pub struct Standing {
    pub parts: OnceLock<Parts>,
    pub rest: OnceLock<Weak<Rest>>,
    pub connections: OnceLock<Arc<Counts>>,
    pub spans: Arc<SpanCounts>,
    pub lines_dropped: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
}

pub struct Parts {
    pub gateway: Weak<Gateway>,
    pub force: Weak<Force>,
    pub store: Weak<Store>,
    pub engine: Weak<GoogleSql>,
}

/// One page being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Collector for Standing {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        self.doors(&mut page)?;
        self.sayings(&mut page)?;
        let Some(parts) = self.parts.get() else { return Ok(()) };
        if let Some(store) = parts.store.upgrade() {
            of_ledger(&store, &mut page)?;
        }
        if let Some(force) = parts.force.upgrade() {
            of_force(&force, &mut page)?;
        }
        if let Some(gateway) = parts.gateway.upgrade() {
            page.gauge("open_jobs", "Jobs that are followed until they are over", gateway.open_jobs())?;
            let (looked, dropped) = gateway.samples();
            let samples = [("dropped", dropped), ("looked", looked)];
            page.counters("finding_samples", "Pieces of rows put aside to look for what nobody labelled", "outcome", samples)?;
        }
        if let Some(engine) = parts.engine.upgrade() {
            page.counter("engine_restarts", "Instances of the engine that were given up and replaced", engine.restarts())?;
        }
        Ok(())
    }
}

impl Standing {
    fn doors(&self, page: &mut Page<'_>) -> Result<(), Error> {
        if let Some(rest) = self.rest.get().and_then(Weak::upgrade) {
            page.counter("answer_fields_dropped", "Fields of BigQuery's answers that are not known here", rest.dropped_fields())?;
        }
        let Some(connections) = self.connections.get() else { return Ok(()) };
        let of = |number: fn(&DoorCounts) -> u64| [("plain", number(&connections.plain)), ("tls", number(&connections.tls))];
        page.counters("connections", "Connections that were taken", "door", of(DoorCounts::accepted))?;
        page.counters("connections_cut_off", "Connections whose client was too slow", "door", of(DoorCounts::cut_off))?;
        page.gauges("connections_open", "Connections that are open", "door", of(DoorCounts::open))?;
        page.counter("tls_handshakes_failed", "Connections that came to no handshake", connections.tls.handshakes_failed())
    }

    fn sayings(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let dropped = self.lines_dropped.get().map_or(0, |dropped| dropped());
        page.counter("log_lines_dropped", "Lines that nobody read in time", dropped)?;
        let spans = [("dropped", self.spans.dropped()), ("sent", self.spans.sent())];
        page.counters("trace_spans", "Spans for the collector", "outcome", spans)
    }
}

fn of_ledger(store: &Store, page: &mut Page<'_>) -> Result<(), Error> {
    let appended = store.appended();
    let kinds = appended.kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| (kind.word(), *count));
    page.counters("ledger_records", "Records that became durable", "kind", kinds)?;
    page.counter("ledger_records_refused", "Records that the ledger did not take", appended.refused)?;
    let count = appended.waits.iter().map(|(_, count)| count).sum();
    let mut waits = page.0.encode_descriptor("ledger_wait_seconds", "Until a record was durable", None, MetricType::Histogram)?;
    waits.encode_histogram::<NoLabelSet>(appended.waited_seconds, count, &appended.waits, None)?;
    let status = store.status();
    let is_open = status.as_ref().is_ok_and(|status| status.condition == Condition::Open);
    page.gauge("ledger_open", "1 while new requests can be put on record", u64::from(is_open))?;
    let Ok(status) = status else { return Ok(()) };
    page.gauge("ledger_durable_records", "Records on stable storage", status.durable)?;
    page.gauge("ledger_published_records", "Records that a signed checkpoint covers", status.applied)?;
    page.gauge("ledger_queued_records", "Records that wait to be written", status.queued)?;
    page.gauge("ledger_room_bytes", "Left in the write-ahead log before it has to be applied", status.room_bytes)?;
    page.gauge("ledger_free_bytes", "Left on the disk of the ledger", status.free_bytes)
}

fn of_force(force: &Force, page: &mut Page<'_>) -> Result<(), Error> {
    let digest = force.policy().digest.to_string();
    let info = Info::new([("digest", digest)]);
    info.encode(page.0.encode_descriptor("policy", "The policy set in force", None, MetricType::Info)?)?;
    let (everyone, callers) = force.halted();
    let halts = [("everyone", u64::from(everyone)), ("caller", callers)];
    page.gauges("halts", "Halts in force: of everybody, and of callers by name", "scope", halts)
}

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, value) in values {
            ConstCounter::new(value).encode(family.encode_family(&labels(label, word))?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl TryInto<i64>) -> Result<(), Error> {
        ConstGauge::new(signed(value)).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn gauges(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'static str, u64)>) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (word, value) in values {
            ConstGauge::new(signed(value)).encode(family.encode_family(&labels(label, word))?)?;
        }
        Ok(())
    }
}

fn labels<'a>(label: &'a str, word: &'static str) -> impl EncodeLabelSet + 'a {
    [(label, word)]
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Standing")
    }
}
