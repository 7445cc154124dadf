//! A collector of traces: one POST of JSON by OTLP over HTTP. It is never waited for by a request.

use crate::rest::{Call, Client, ClientSettings, Endpoint};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use std::time::Duration;

const PATH: &str = "/v1/traces";
const CONNECT_SECONDS: u64 = 2;
const DEADLINE_SECONDS: u64 = 5;
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub struct Collector {
    client: Client,
    target: String,
}

impl Collector {
    /// What is wrong with an address, if anything is: `https://host[:port][/path]`, `http://` on this machine alone.
    pub fn check(url: &str) -> Result<(), String> {
        Endpoint::parse(url).map(drop).map_err(|fault| fault.to_string())
    }

    pub fn new(url: &str, certificates_file: Option<String>) -> Result<Collector, String> {
        let endpoint = Endpoint::parse(url).map_err(|fault| fault.to_string())?;
        let target = format!("{}{PATH}", endpoint.path);
        let connect = Duration::from_secs(CONNECT_SECONDS);
        let client = Client::new(endpoint, &ClientSettings { certificates_file, connect, calls_at_once_max: 1 })?;
        Ok(Collector { client, target })
    }

    /// Sent once, whatever comes of it. Answers how many spans the collector took no notice of.
    pub async fn send(&self, body: Vec<u8>) -> Result<u64, String> {
        let call = Call {
            verb: Method::POST,
            target: self.target.clone(),
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(body),
            answer_bytes_max: ANSWER_BYTES_MAX,
            whole_bytes_max: None,
            deadline: Duration::from_secs(DEADLINE_SECONDS),
            once: true,
            held: false,
        };
        let answer = self.client.call(&call).await.map_err(|fault| fault.to_string())?;
        match answer.status {
            200..=299 => Ok(rejected(&answer.body)),
            status => Err(format!("status {status}")),
        }
    }
}

/// A collector may take a part. It says so in a number or in the text of one; whoever says nothing took all.
fn rejected(body: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = answer.pointer("/partialSuccess/rejectedSpans");
    said.and_then(|said| said.as_u64().or_else(|| said.as_str()?.parse().ok())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_says_what_it_did_not_take() {
        let check = |body: &str, expect: u64| assert_eq!(rejected(body.as_bytes()), expect, "{body}");
        check("", 0);
        check("{}", 0);
        check(r#"{"partialSuccess":{}}"#, 0);
        check(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too many"}}"#, 3);
        check(r#"{"partialSuccess":{"rejectedSpans":2}}"#, 2);
        check(r#"{"partialSuccess":{"rejectedSpans":-2}}"#, 0);
        check("[1]", 0);
    }
}
