//! Servers that give tokens. Asking twice does no harm, so a server that is busy is asked again.

use super::{CredentialFault, Secret, Token};
use crate::pause::Pauses;
use crate::rest::{Answer, Call, Client, ClientSettings, Endpoint, ExchangeFault, encoded};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use serde_json::Value;
use std::time::Duration;

const ANSWER_BYTES_MAX: usize = 64 * 1024;
const ANSWER_SECONDS_MAX: u64 = 10;
const CONNECT_SECONDS_MAX: u64 = 5;
const CALLS_AT_ONCE_MAX: usize = 16;
const ATTEMPTS_MAX: u64 = 3;
const PAUSES: Pauses = Pauses { first: Duration::from_millis(200), max: Duration::from_secs(2) };
/// Of a server's own words.
const WORDS_CHARS_MAX: usize = 200;
/// Longer is nobody's token; a number that is wrong would keep one for ever.
const LIFETIME_SECONDS_MAX: u64 = 24 * 60 * 60;
const SECRET_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub struct TokenServer {
    client: Client,
}

impl TokenServer {
    pub fn new(endpoint: Endpoint, certificates_file: Option<&str>) -> Result<TokenServer, CredentialFault> {
        let settings = ClientSettings {
            certificates_file: certificates_file.map(str::to_owned),
            connect: Duration::from_secs(CONNECT_SECONDS_MAX),
            calls_at_once_max: CALLS_AT_ONCE_MAX,
        };
        Ok(TokenServer { client: Client::new(endpoint, &settings).map_err(CredentialFault::Configuration)? })
    }

    pub async fn get(&self, target: &str, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Answer, CredentialFault> {
        self.ask(call(Method::GET, target, headers, Bytes::new())).await
    }

    pub async fn post_form(&self, target: &str, fields: &[(&str, &str)]) -> Result<Answer, CredentialFault> {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.ask(call(Method::POST, target, vec![kind], Bytes::from(body.join("&")))).await
    }

    pub async fn post_json(&self, target: &str, body: &Value, bearer: HeaderValue) -> Result<Answer, CredentialFault> {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), (header::AUTHORIZATION, bearer)];
        self.ask(call(Method::POST, target, headers, Bytes::from(body.to_string()))).await
    }

    async fn ask(&self, call: Call) -> Result<Answer, CredentialFault> {
        let mut attempt = 1;
        loop {
            let (fault, may_pass) = match self.client.call(&call).await {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer) => (refused(&answer), answer.status == 429 || answer.status >= 500),
                Err(fault @ (ExchangeFault::Nonsense(_) | ExchangeFault::TooLarge { .. })) => {
                    (CredentialFault::Malformed(fault.to_string()), false)
                }
                Err(fault) => (CredentialFault::Unreachable(fault.to_string()), true),
            };
            if !may_pass || attempt >= ATTEMPTS_MAX {
                return Err(fault);
            }
            tokio::time::sleep(PAUSES.after(attempt)).await;
            attempt += 1;
        }
    }
}

/// `access_token` and `expires_in`, as OAuth has them.
pub fn oauth_token(answer: &Answer) -> Result<Token, CredentialFault> {
    let body = json(answer)?;
    let kind = body.get("token_type").and_then(Value::as_str);
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(CredentialFault::Malformed("`token_type` is not Bearer".to_owned()));
    }
    let seconds = body.get("expires_in").and_then(|seconds| seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()));
    let seconds = seconds.ok_or_else(|| CredentialFault::Malformed("`expires_in` is missing".to_owned()))?;
    Ok(Token { secret: secret(&body, "access_token")?, lives: Some(Duration::from_secs(seconds.min(LIFETIME_SECONDS_MAX))) })
}

pub fn secret(body: &Value, name: &str) -> Result<Secret, CredentialFault> {
    let secret = body.get(name).and_then(Value::as_str).filter(|text| text.len() <= SECRET_BYTES_MAX).map(Secret::new);
    secret.filter(|secret| secret.bearer().is_some()).ok_or_else(|| CredentialFault::Malformed(format!("`{name}` is missing")))
}

pub fn json(answer: &Answer) -> Result<Value, CredentialFault> {
    serde_json::from_slice(&answer.body).map_err(|_| CredentialFault::Malformed("it is not JSON".to_owned()))
}

fn call(verb: Method, target: &str, headers: Vec<(HeaderName, HeaderValue)>, body: Bytes) -> Call {
    let deadline = Duration::from_secs(ANSWER_SECONDS_MAX);
    Call {
        verb,
        target: target.to_owned(),
        headers,
        body,
        answer_bytes_max: ANSWER_BYTES_MAX,
        whole_bytes_max: None,
        deadline,
        once: false,
        held: false,
    }
}

/// OAuth's `error` and its description, or BigQuery's kind of error. Cut, and without anything that could break a line.
fn refused(answer: &Answer) -> CredentialFault {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let words: Vec<&str> = ["/error", "/error_description", "/error/status", "/error/message"].into_iter().filter_map(said).collect();
    let text: String = words.join(": ").chars().take(WORDS_CHARS_MAX).collect();
    CredentialFault::Refused { status: answer.status, text: text.escape_debug().to_string() }
}
