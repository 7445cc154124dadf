//! Spans as OTLP writes them in JSON: ids in hexadecimal, times in nanoseconds as text.
//!
//! A trace is one request, and its id is the id that the request's records bear. Attributes are what a line of the log may hold, and no more.

use super::traces::Trace;
use serde_json::{Value, json};
use sluice_app::{Stage, Step};
use sluice_ledger::record::Subject;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const INTERNAL: u8 = 1;
const ERROR: u8 = 2;
const NAME: &str = "sluice";
const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;
/// Outcomes of steps that are no fault of anything.
const SOUND: [&str; 5] = ["done", "held", "permitted", "refused", "to_estimate"];

/// The body of one call.
pub fn request(traces: &[Trace]) -> Value {
    let spans: Vec<Value> = traces.iter().flat_map(spans).collect();
    let resource = json!({ "attributes": [text("service.name", NAME), text("service.version", env!("CARGO_PKG_VERSION"))] });
    let scope = json!({ "name": NAME, "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

fn spans(trace: &Trace) -> Vec<Value> {
    let steps = trace.walked.steps.iter().zip(1..).map(|(step, number)| of_step(trace, step, number));
    std::iter::once(of_request(trace)).chain(steps).collect()
}

fn of_request(trace: &Trace) -> Value {
    let mut attributes =
        vec![text("sluice.request", &trace.subject.to_string()), text("sluice.door", trace.door), text("sluice.outcome", trace.outcome)];
    attributes.extend(trace.reason.map(|reason| text("sluice.reason", reason)));
    if !trace.rules.is_empty() {
        let rules: Vec<Value> = trace.rules.iter().map(|rule| json!({ "stringValue": rule })).collect();
        attributes.push(json!({ "key": "sluice.rules", "value": { "arrayValue": { "values": rules } } }));
    }
    let after = trace.walked.after.map(|subject| link(&subject.to_string(), &span_id(subject, 0), "same_call"));
    let said = trace.said.as_deref().and_then(said).map(|(id, span)| link(id, span, "said_by_client"));
    json!({
        "traceId": trace.subject.to_string(),
        "spanId": span_id(trace.subject, 0),
        "name": trace.method,
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(trace, trace.walked.begun),
        "endTimeUnixNano": nanoseconds(trace, trace.ended),
        "attributes": attributes,
        "links": after.into_iter().chain(said).collect::<Vec<Value>>(),
        "status": status(trace.outcome != "failed"),
    })
}

fn of_step(trace: &Trace, step: &Step, number: u64) -> Value {
    json!({
        "traceId": trace.subject.to_string(),
        "spanId": span_id(trace.subject, number),
        "parentSpanId": span_id(trace.subject, parent(trace, step)),
        "name": step.stage.word(),
        "kind": if step.stage.is_upstream() || step.stage == Stage::Catalog { CLIENT } else { INTERNAL },
        "startTimeUnixNano": nanoseconds(trace, step.begun),
        "endTimeUnixNano": nanoseconds(trace, step.ended),
        "attributes": [text("sluice.outcome", step.outcome)],
        "status": status(SOUND.contains(&step.outcome)),
    })
}

/// What is done to understand a statement belongs to that; everything else to the request itself.
fn parent(trace: &Trace, step: &Step) -> u64 {
    if !matches!(step.stage, Stage::Analyze | Stage::Catalog) {
        return 0;
    }
    let holds = |outer: &Step| outer.stage == Stage::Understand && outer.begun <= step.begun && step.ended <= outer.ended;
    trace.walked.steps.iter().zip(1..).find(|(outer, _)| holds(outer)).map_or(0, |(_, number)| number)
}

/// Drawn from the request's id, which is random: it is told apart within its trace, and is never nought.
fn span_id(subject: Subject, number: u64) -> String {
    let Subject(bytes) = subject;
    let first = bytes.iter().skip(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    format!("{:016x}", first.wrapping_add(number).max(1))
}

/// `00-TRACE-SPAN-FLAGS` of W3C, or nothing.
fn said(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &str, digits: usize| is_hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let holds = version == "00" && is_id(trace, TRACE_DIGITS) && is_id(span, SPAN_DIGITS) && is_hex(flags, 2) && parts.next().is_none();
    holds.then_some((trace, span))
}

fn link(trace: &str, span: &str, why: &str) -> Value {
    json!({ "traceId": trace, "spanId": span, "attributes": [text("sluice.link", why)] })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn status(is_sound: bool) -> Value {
    if is_sound { json!({}) } else { json!({ "code": ERROR }) }
}

fn nanoseconds(trace: &Trace, moment: Instant) -> String {
    let since: SystemTime = trace.ended_at.checked_sub(trace.ended.saturating_duration_since(moment)).unwrap_or(UNIX_EPOCH);
    since.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_app::Walked;
    use std::time::Duration;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace() -> Trace {
        let begun = Instant::now();
        let at = |milliseconds: u64| begun + Duration::from_millis(milliseconds);
        let step = |stage, from, to, outcome| Step { stage, begun: at(from), ended: at(to), outcome };
        let steps = vec![
            step(Stage::Catalog, 3, 5, "done"),
            step(Stage::Understand, 2, 9, "done"),
            step(Stage::Catalog, 10, 11, "failed"),
            step(Stage::UpstreamDispatch, 20, 30, "deadline"),
        ];
        let walked = Walked { begun, steps, rows: 0, row_bytes: 0, after: Some(Subject([9; 16])) };
        Trace {
            subject: Subject([7; 16]),
            method: "bigquery.jobs.query".to_owned(),
            door: "rest",
            outcome: "failed",
            reason: Some("upstream"),
            rules: vec!["a-rule".to_owned()],
            walked,
            said: Some(PARENT.to_owned()),
            ended: at(40),
            ended_at: UNIX_EPOCH + Duration::from_millis(1_000_040),
        }
    }

    #[test]
    fn a_request_is_a_trace() {
        let written = request(&[trace()]);
        let spans = written.pointer("/resourceSpans/0/scopeSpans/0/spans").and_then(Value::as_array).unwrap();
        let root = "0707070707070707";
        assert_eq!(
            spans[0],
            json!({
                "traceId": "07070707070707070707070707070707", "spanId": root, "name": "bigquery.jobs.query", "kind": 2,
                "startTimeUnixNano": "1000000000000", "endTimeUnixNano": "1000040000000",
                "attributes": [
                    { "key": "sluice.request", "value": { "stringValue": "07070707070707070707070707070707" } },
                    { "key": "sluice.door", "value": { "stringValue": "rest" } },
                    { "key": "sluice.outcome", "value": { "stringValue": "failed" } },
                    { "key": "sluice.reason", "value": { "stringValue": "upstream" } },
                    { "key": "sluice.rules", "value": { "arrayValue": { "values": [{ "stringValue": "a-rule" }] } } },
                ],
                "links": [
                    { "traceId": "09090909090909090909090909090909", "spanId": "0909090909090909",
                      "attributes": [{ "key": "sluice.link", "value": { "stringValue": "same_call" } }] },
                    { "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7",
                      "attributes": [{ "key": "sluice.link", "value": { "stringValue": "said_by_client" } }] },
                ],
                "status": { "code": 2 },
            })
        );
        let told: Vec<(&str, &str, &str, u64, bool)> = spans[1..]
            .iter()
            .map(|span| {
                let word = |name: &str| span[name].as_str().unwrap();
                (word("name"), word("spanId"), word("parentSpanId"), span["kind"].as_u64().unwrap(), span["status"] == json!({}))
            })
            .collect();
        let expect = [
            ("catalog", "0707070707070708", "0707070707070709", 3, true),
            ("understand", "0707070707070709", root, 1, true),
            ("catalog", "070707070707070a", root, 3, false),
            ("upstream.dispatch", "070707070707070b", root, 3, false),
        ];
        assert_eq!(told, expect);
        assert_eq!((&spans[4]["startTimeUnixNano"], &spans[4]["endTimeUnixNano"]), (&json!("1000020000000"), &json!("1000030000000")));
    }

    #[test]
    fn ids_of_spans_are_never_nought() {
        let id = |last: [u8; 8], number| span_id(Subject([[1; 8], last].concat().try_into().unwrap()), number);
        assert_eq!(id([0; 8], 0), "0000000000000001");
        assert_eq!(id([255; 8], 1), "0000000000000001");
        assert_eq!(id([0, 0, 0, 0, 0, 0, 1, 2], 3), "0000000000000105");
    }

    #[test]
    fn what_a_client_says_is_linked_to_if_it_is_well_formed() {
        let check = |text: &str, expect: bool| assert_eq!(said(text).is_some(), expect, "{text}");
        check(PARENT, true);
        check(&PARENT.replace("-01", "-ff"), true);
        check(&PARENT.replace("00-4", "01-4"), false);
        check(&PARENT.replace("4bf9", "4BF9"), false);
        check(&PARENT.replace("4bf9", "4bf"), false);
        check(&PARENT.replace("4bf9", "äf9"), false);
        check(&PARENT.replace("-01", "-1"), false);
        check(&format!("{PARENT}-00"), false);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false);
        check("SELECT 'secret'", false);
        check("", false);
    }
}
