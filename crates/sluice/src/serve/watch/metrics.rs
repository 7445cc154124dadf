//! Numbers of what happened, for Prometheus. Labels are words of the program's and methods of its table: nothing that a client could make up, and
//! so few that they are bounded. `standing.rs` has the numbers of how things are.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sluice_app::{Ended, FoundSensitive, Step};
use std::borrow::Cow;
use std::time::Duration;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "sluice";
const NONE: &str = "none";
/// Of methods of the token door.
const TOKEN_DOOR: &str = "sluice.token.";
const REQUEST_SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
const STAGE_SECONDS: [f64; 15] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

type Word = Cow<'static, str>;
type Labels<const COUNT: usize> = [(&'static str, Word); COUNT];
type Seconds<const COUNT: usize> = Family<Labels<COUNT>, Histogram, fn() -> Histogram>;

pub struct Metrics {
    registry: Registry,
    alarms: Counter,
    findings: Family<Labels<2>, Counter>,
    refusals: Family<Labels<2>, Counter>,
    request_seconds: Seconds<2>,
    requests: Family<Labels<3>, Counter>,
    row_bytes: Counter,
    rows: Counter,
    stage_seconds: Seconds<1>,
    token_requests: Family<Labels<3>, Counter>,
    upstream_seconds: Seconds<2>,
}

impl Metrics {
    /// With what is asked at each look.
    pub fn new(standing: impl prometheus_client::collector::Collector) -> Metrics {
        let request: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let stage: fn() -> Histogram = || Histogram::new(STAGE_SECONDS);
        let mut metrics = Metrics {
            registry: Registry::with_prefix(PREFIX),
            alarms: Counter::default(),
            findings: Family::default(),
            refusals: Family::default(),
            request_seconds: Family::new_with_constructor(request),
            requests: Family::default(),
            row_bytes: Counter::default(),
            rows: Counter::default(),
            stage_seconds: Family::new_with_constructor(stage),
            token_requests: Family::default(),
            upstream_seconds: Family::new_with_constructor(request),
        };
        metrics.register();
        metrics.registry.register_collector(Box::new(standing));
        metrics
    }

    fn register(&mut self) {
        let Metrics { registry, alarms, refusals, request_seconds, requests, row_bytes, rows, stage_seconds, .. } = self;
        registry.register("build", "Which program this is", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("alarms", "Times that somebody should have looked", alarms.clone());
        registry.register("findings", "Columns that nobody labelled and that look sensitive", self.findings.clone());
        registry.register("refusals", "Requests that were refused, by why", refusals.clone());
        registry.register("request_seconds", "From the head of a request to its answer", request_seconds.clone());
        registry.register("requests", "Requests that are over, by what came of them", requests.clone());
        registry.register("row_bytes", "Bytes of rows given to clients", row_bytes.clone());
        registry.register("rows", "Rows given to clients", rows.clone());
        registry.register("stage_seconds", "What a request spends its time on in the gateway", stage_seconds.clone());
        registry.register("token_requests", "Requests at the token door", self.token_requests.clone());
        registry.register("upstream_seconds", "Calls of BigQuery in a caller's name", self.upstream_seconds.clone());
    }

    pub fn alarm(&self) {
        self.alarms.inc();
    }

    pub fn found(&self, found: &FoundSensitive) {
        self.findings.get_or_create(&[("kind", found.kind.into()), ("act", found.act.into())]).inc();
    }

    pub fn ended(&self, ended: &Ended<'_>, took: Duration) {
        let method = || Cow::Owned(ended.visit.method().to_owned());
        let outcome = || Cow::Borrowed(ended.outcome);
        self.requests.get_or_create(&[("door", ended.visit.door.into()), ("method", method()), ("outcome", outcome())]).inc();
        self.request_seconds.get_or_create(&[("method", method()), ("outcome", outcome())]).observe(took.as_secs_f64());
        for Step { stage, begun, ended, .. } in ended.walked.steps.iter().filter(|step| !step.stage.is_upstream()) {
            let seconds = ended.saturating_duration_since(*begun).as_secs_f64();
            self.stage_seconds.get_or_create(&[("stage", stage.word().into())]).observe(seconds);
        }
        if ended.walked.rows > 0 {
            self.rows.inc_by(ended.walked.rows);
            self.row_bytes.inc_by(ended.walked.row_bytes);
        }
        if let Some(reason) = ended.reason.filter(|_| ended.outcome == "refused") {
            let kinds = if ended.kinds.is_empty() { &[Cow::Borrowed(NONE)] } else { ended.kinds.as_slice() };
            for kind in kinds {
                self.refusals.get_or_create(&[("reason", reason.into()), ("kind", kind.clone())]).inc();
            }
        }
        if let Some(act) = ended.visit.api.strip_prefix(TOKEN_DOOR) {
            let reason = ended.kinds.first().cloned().or(ended.reason.map(Cow::Borrowed)).unwrap_or(Cow::Borrowed(NONE));
            let labels = [("act", Cow::Owned(act.to_owned())), ("outcome", outcome()), ("reason", reason)];
            self.token_requests.get_or_create(&labels).inc();
        }
    }

    pub fn upstream(&self, call: &'static str, outcome: &'static str, took: Duration) {
        self.upstream_seconds.get_or_create(&[("call", call.into()), ("outcome", outcome.into())]).observe(took.as_secs_f64());
    }

    /// Half a page would lack its end, so it is none.
    pub fn page(&self) -> Option<String> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).ok().map(|()| page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use sluice_app::{Stage, Trail, Visit};
    use sluice_ledger::record::Subject;
    use std::time::Instant;

    #[derive(Debug)]
    struct Nothing;

    impl Collector for Nothing {
        fn encode(&self, _: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
            Ok(())
        }
    }

    fn visit(api: &str) -> Visit {
        let trail = Trail::default();
        Visit { api: api.to_owned(), door: "rest", address: None, tls: None, user_agent: None, said: Vec::new(), trail }
    }

    #[test]
    fn what_happened_is_counted_once() {
        let metrics = Metrics::new(Nothing);
        let tell = |api: &str, outcome, reason, kinds: &[&'static str], milliseconds| {
            let visit = visit(api);
            visit.trail.note(Stage::Decide, Instant::now(), "done");
            visit.trail.note(Stage::UpstreamRows, Instant::now(), "done");
            visit.trail.release(2, 50);
            let (subject, kinds) = (Some(Subject([7; 16])), kinds.iter().map(|kind| Cow::Borrowed(*kind)).collect());
            let walked = visit.trail.take(subject);
            let ended =
                Ended { subject, visit: &visit, outcome, reason, kinds, rules: vec!["a-rule".to_owned()], is_counted: false, walked };
            metrics.ended(&ended, Duration::from_millis(milliseconds));
        };
        tell("bigquery.jobs.query", "served", None, &[], 3);
        tell("bigquery.jobs.query", "refused", Some("policy"), &["forbidden", "limit"], 90_000);
        tell("bigquery.jobs.query", "failed", Some("upstream"), &["deadline"], 1);
        tell("sluice.token.exchange", "refused", Some("unproven"), &["expired"], 1);
        tell("sluice.token.exchange", "served", None, &[], 1);
        metrics.upstream("rows", "deadline", Duration::from_millis(700));
        metrics.alarm();
        let page = metrics.page().unwrap();
        for line in [
            r#"sluice_requests_total{door="rest",method="bigquery.jobs.query",outcome="served"} 1"#,
            r#"sluice_requests_total{door="rest",method="bigquery.jobs.query",outcome="refused"} 1"#,
            r#"sluice_requests_total{door="rest",method="bigquery.jobs.query",outcome="failed"} 1"#,
            r#"sluice_refusals_total{reason="policy",kind="forbidden"} 1"#,
            r#"sluice_refusals_total{reason="policy",kind="limit"} 1"#,
            r#"sluice_refusals_total{reason="unproven",kind="expired"} 1"#,
            r#"sluice_token_requests_total{act="exchange",outcome="refused",reason="expired"} 1"#,
            r#"sluice_token_requests_total{act="exchange",outcome="served",reason="none"} 1"#,
            r#"sluice_request_seconds_bucket{le="0.0025",method="bigquery.jobs.query",outcome="served"} 0"#,
            r#"sluice_request_seconds_bucket{le="0.005",method="bigquery.jobs.query",outcome="served"} 1"#,
            r#"sluice_request_seconds_bucket{le="30.0",method="bigquery.jobs.query",outcome="refused"} 0"#,
            r#"sluice_request_seconds_bucket{le="+Inf",method="bigquery.jobs.query",outcome="refused"} 1"#,
            r#"sluice_stage_seconds_count{stage="decide"} 5"#,
            r#"sluice_upstream_seconds_bucket{le="1.0",call="rows",outcome="deadline"} 1"#,
            "sluice_alarms_total 1",
            "sluice_rows_total 10",
            "sluice_row_bytes_total 250",
            "# EOF",
        ] {
            assert!(page.lines().any(|found| found == line), "`{line}` is not in:\n{page}");
        }
        for word in ["a-rule", "upstream.rows", "0707", "failed\",kind"] {
            assert!(!page.contains(word), "{word} in {page}");
        }
    }
}
