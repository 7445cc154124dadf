//! Workload identity federation: a token of another issuer's, from a file or from a server on this machine, for one of Google's.

use super::impersonation::Impersonation;
use super::token_server::{TokenServer, oauth_token};
use super::{Cached, CredentialFault, SCOPE, SCOPE_CLOUD, Secret, Token, TokenSource, file};
use crate::rest::{Answer, Endpoint};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;
use sluice_app::Asking;
use std::sync::Arc;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_BYTES_MAX: usize = 16 * 1024;
/// So much of a secret in a server's words is no chance.
const REPEATED_BYTES: usize = 12;

/// An `external_account` file, as gcloud and the cloud console write it.
#[derive(Debug)]
pub struct Federation {
    path: String,
    certificates_file: Option<String>,
    /// What the file said when it was last read, and the sources made of it.
    read: tokio::sync::Mutex<Option<(Vec<u8>, Arc<Route>)>>,
}

/// With a service account at the end of it, or without.
enum Route {
    Direct(Arc<Exchange>),
    Impersonated(Impersonation),
}

/// The exchange itself.
struct Exchange {
    audience: String,
    subject_type: String,
    subject: Subject,
    server: TokenServer,
    target: String,
    scope: &'static str,
}

enum Subject {
    File { path: String, field: Option<String> },
    Url { server: Box<TokenServer>, target: String, headers: Vec<(HeaderName, HeaderValue)>, field: Option<String> },
}

impl Federation {
    pub fn new(path: &str, certificates_file: Option<&str>) -> Federation {
        Federation { path: path.to_owned(), certificates_file: certificates_file.map(str::to_owned), read: tokio::sync::Mutex::default() }
    }

    async fn ask(&self) -> Result<Token, CredentialFault> {
        match &*self.route().await? {
            Route::Direct(exchange) => exchange.run().await,
            Route::Impersonated(impersonation) => impersonation.token().await,
        }
    }

    async fn route(&self) -> Result<Arc<Route>, CredentialFault> {
        let bytes = file::read(&self.path).await?;
        let mut read = self.read.lock().await;
        match &*read {
            Some((before, route)) if *before == bytes => Ok(Arc::clone(route)),
            _ => {
                let made = Arc::new(self.made(&bytes).map_err(|fault| self.named(fault))?);
                *read = Some((bytes, Arc::clone(&made)));
                Ok(made)
            }
        }
    }

    fn made(&self, bytes: &[u8]) -> Result<Route, CredentialFault> {
        let file: Value = serde_json::from_slice(bytes).map_err(|_| configuration("not JSON"))?;
        if file.get("type").and_then(Value::as_str) != Some("external_account") {
            return Err(configuration("`type` is not external_account"));
        }
        if let Some(unknown) = ["client_id", "client_secret", "workforce_pool_user_project"].iter().find(|name| file.get(**name).is_some())
        {
            return Err(configuration(&format!("`{unknown}` is not supported")));
        }
        let impersonated = file.get("service_account_impersonation_url").and_then(Value::as_str);
        let (server, target) = self.server(&text(&file, "token_url")?)?;
        let exchange = Exchange {
            audience: text(&file, "audience")?,
            subject_type: text(&file, "subject_token_type")?,
            subject: self.subject(file.get("credential_source").unwrap_or(&Value::Null))?,
            server,
            target,
            scope: if impersonated.is_some() { SCOPE_CLOUD } else { SCOPE },
        };
        let exchange = Arc::new(exchange);
        let Some(url) = impersonated else { return Ok(Route::Direct(exchange)) };
        let (server, target) = self.server(url)?;
        let own = Arc::new(Cached::new(ExchangeSource(exchange)));
        Ok(Route::Impersonated(Impersonation::at(own, Arc::new(server), &target)))
    }

    fn subject(&self, source: &Value) -> Result<Subject, CredentialFault> {
        let format = source.get("format").unwrap_or(&Value::Null);
        let field = match format.get("type").and_then(Value::as_str) {
            None | Some("text") => None,
            Some("json") => Some(text(format, "subject_token_field_name")?),
            Some(_) => return Err(configuration("`format.type` is neither text nor json")),
        };
        if let Some(unknown) = ["environment_id", "executable", "certificate"].iter().find(|name| source.get(**name).is_some()) {
            return Err(configuration(&format!("`credential_source.{unknown}` is not supported")));
        }
        if let Ok(path) = text(source, "file") {
            return Ok(Subject::File { path, field });
        }
        let url = text(source, "url").map_err(|_| configuration("`credential_source` has neither `file` nor `url`"))?;
        let (address, query) = url.split_once('?').map_or((url.as_str(), None), |(address, query)| (address, Some(query)));
        let endpoint = Endpoint::parse_on_machine(address).map_err(|fault| configuration(&fault.to_string()))?;
        let is_query = |query: &str| query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if query.is_some_and(|query| !is_query(query)) {
            return Err(configuration("`credential_source.url` has a query that cannot be sent"));
        }
        let target = query.map_or_else(|| path_of(&endpoint), |query| format!("{}?{query}", path_of(&endpoint)));
        let server = Box::new(TokenServer::new(endpoint, self.certificates_file.as_deref())?);
        Ok(Subject::Url { server, target, headers: headers(source)?, field })
    }

    fn server(&self, url: &str) -> Result<(TokenServer, String), CredentialFault> {
        let endpoint = Endpoint::parse(url).map_err(|fault| configuration(&fault.to_string()))?;
        let target = path_of(&endpoint);
        Ok((TokenServer::new(endpoint, self.certificates_file.as_deref())?, target))
    }

    fn named(&self, fault: CredentialFault) -> CredentialFault {
        match fault {
            CredentialFault::Configuration(text) => CredentialFault::Configuration(format!("`{}`: {text}", self.path)),
            other => other,
        }
    }
}

impl TokenSource for Federation {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(self.ask())
    }
}

struct ExchangeSource(Arc<Exchange>);

impl TokenSource for ExchangeSource {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(self.0.run())
    }
}

impl Exchange {
    async fn run(&self) -> Result<Token, CredentialFault> {
        let subject = self.subject.read().await?;
        let fields = [
            ("grant_type", GRANT),
            ("audience", &self.audience),
            ("scope", self.scope),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", subject.reveal()),
            ("subject_token_type", &self.subject_type),
        ];
        let answer = self.server.post_form(&self.target, &fields).await;
        oauth_token(&answer.map_err(|fault| without(fault, subject.reveal().as_bytes()))?)
    }
}

impl Subject {
    /// Anew each time: such tokens live for minutes.
    async fn read(&self) -> Result<Secret, CredentialFault> {
        let (bytes, field) = match self {
            Subject::File { path, field } => (file::read(path).await?, field),
            Subject::Url { server, target, headers, field } => {
                let answer = server.get(target, headers.clone()).await;
                let secrets = headers.iter().map(|(_, value)| value.as_bytes());
                let Answer { body, .. } = answer.map_err(|fault| secrets.fold(fault, without))?;
                (body, field)
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| CredentialFault::Malformed("the subject token is not text".to_owned()))?;
        let token = match field {
            None => text.trim().to_owned(),
            Some(field) => {
                let object: Value = serde_json::from_str(&text).unwrap_or_default();
                let found = object.get(field).and_then(Value::as_str);
                found.ok_or_else(|| CredentialFault::Malformed(format!("the subject token has no `{field}`")))?.to_owned()
            }
        };
        if token.is_empty() || token.len() > SUBJECT_BYTES_MAX {
            return Err(CredentialFault::Malformed("the subject token is empty or too long".to_owned()));
        }
        Ok(Secret::new(token))
    }
}

/// A server may repeat what it was sent, cut or whole: then none of its words are believed to be harmless.
fn without(fault: CredentialFault, secret: &[u8]) -> CredentialFault {
    match fault {
        CredentialFault::Refused { status, text } if repeats(text.as_bytes(), secret) => {
            CredentialFault::Refused { status, text: "its words repeat a secret and are left out".to_owned() }
        }
        other => other,
    }
}

fn repeats(text: &[u8], secret: &[u8]) -> bool {
    let length = REPEATED_BYTES.min(secret.len()).max(1);
    secret.windows(length).any(|part| text.windows(length).any(|words| words == part))
}

fn headers(source: &Value) -> Result<Vec<(HeaderName, HeaderValue)>, CredentialFault> {
    let fault = || configuration("`credential_source.headers` cannot be sent");
    let given = source.get("headers").and_then(Value::as_object);
    let read = given.into_iter().flatten().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?;
        let mut value = HeaderValue::from_str(value.as_str().ok_or_else(fault)?).map_err(|_| fault())?;
        value.set_sensitive(true);
        Ok((name, value))
    });
    read.collect()
}

fn text(value: &Value, name: &str) -> Result<String, CredentialFault> {
    let found = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.map(str::to_owned).ok_or_else(|| configuration(&format!("no `{name}`")))
}

fn path_of(endpoint: &Endpoint) -> String {
    if endpoint.path.is_empty() { "/".to_owned() } else { endpoint.path.clone() }
}

fn configuration(text: &str) -> CredentialFault {
    CredentialFault::Configuration(text.to_owned())
}

impl std::fmt::Debug for Route {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Route")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_repeat_a_secret_are_left_out() {
        let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1LTEwMDEifQ.c2lnbmF0dXJl";
        let check = |text: &str, expect: bool| {
            let fault = CredentialFault::Refused { status: 400, text: text.to_owned() };
            let said = without(fault, token.as_bytes()).to_string();
            assert_eq!(said.contains("left out"), expect, "{said}");
            assert_eq!(said.contains(text), !expect, "{said}");
        };
        check("invalid_grant: the token has expired", false);
        check(token, true);
        check("invalid_grant: `eyJhbGciOiJFZERTQS", true);
        check("xxeyJzdWIiOiJ1LTEwMDEifQxx", true);
        check("invalid_grant: eyJhbGciOiJ", false);
    }
}
