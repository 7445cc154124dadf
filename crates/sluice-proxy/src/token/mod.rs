//! The token door: `POST /v1/token` (RFC 8693, RFC 7523), `/v1/introspect` (RFC 7662) and `/v1/revoke` (RFC 7009), in the form that Google's libraries send.
//!
//! Nobody is known here yet. So a request is small, comes in one form, is limited by its address before anything is computed, and no answer is kept.

mod answer;
mod exchange;
mod form;
mod limits;
mod sessions;

pub use form::{FIELDS_MAX, FORM_BYTES_MAX, FORM_MILLISECONDS_MAX};
pub use limits::{ADDRESSES_MAX, REQUESTS_AT_ONCE_MAX, REQUESTS_PER_MINUTE_MAX};
pub use sessions::Sessions;

use crate::rest::Peer;
use crate::rest::head::{self, Head};
use answer::{Fault, Word};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Request, Response};
use axum::routing::any;
use form::Form;
use limits::Limits;
use serde_json::{Value, json};
use sluice_app::{FormReason, Introspected, Refused, SessionAsk, SessionFault, Trail, Visit, Why};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub struct Token {
    sessions: Arc<dyn Sessions>,
    settings: TokenSettings,
    limits: Limits,
    started: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSettings {
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Exchange,
    Introspect,
    Revoke,
}

impl Token {
    pub fn new(sessions: Arc<dyn Sessions>, settings: TokenSettings) -> Token {
        Token { sessions, settings, limits: Limits::default(), started: Instant::now() }
    }
}

/// To stand beside the REST door. Every verb comes here, so that it is refused in this door's own form.
pub fn router(token: Arc<Token>) -> Router {
    let serve = |duty: Duty| any(move |State(token): State<Arc<Token>>, request: Request<Body>| token.serve(duty, request));
    Router::new()
        .route("/v1/token", serve(Duty::Exchange))
        .route("/v1/introspect", serve(Duty::Introspect))
        .route("/v1/revoke", serve(Duty::Revoke))
        .with_state(token)
}

impl Duty {
    fn api(self) -> &'static str {
        match self {
            Duty::Exchange => "sluice.token.exchange",
            Duty::Introspect => "sluice.token.introspect",
            Duty::Revoke => "sluice.token.revoke",
        }
    }
}

impl Token {
    async fn serve(self: Arc<Token>, duty: Duty, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
        let mut visit = Visit {
            api: duty.api().to_owned(),
            door: "rest",
            address: peer.address,
            tls: peer.tls.clone(),
            user_agent: None,
            said: Vec::new(),
            trail: Trail::default(),
        };
        let head = match head::read(&parts, &peer, &self.settings.proxies) {
            Ok(head) => head,
            Err(fault) => {
                let closed = Fault::new(Word::InvalidRequest, fault.text);
                return answer::closed(self.refuse(&visit, closed).await);
            }
        };
        let Head { address, user_agent, said, .. } = head;
        visit = Visit { address, user_agent, said, ..visit };
        // Before a byte of the body is read.
        if !self.limits.lets_in(address, self.started.elapsed()) {
            return self.refuse(&visit, Fault::busy("too many requests of your address: try again in a minute")).await;
        }
        match self.form(&parts, body).await {
            Ok(form) => self.attend(duty, &visit, &form).await,
            Err(fault) => answer::closed(self.refuse(&visit, fault).await),
        }
    }

    async fn form(&self, parts: &Parts, body: Body) -> Result<Form, Fault> {
        if parts.method != "POST" || parts.headers.contains_key("x-http-method-override") {
            return Err(Fault::new(Word::NoMethod, "send it by POST".to_owned()));
        }
        // What stands in a target stands in logs.
        if parts.uri.query().is_some() {
            return Err(Fault::new(Word::InvalidRequest, "parameters go into the body, never behind a `?`".to_owned()));
        }
        form::read(&parts.headers, body).await
    }

    async fn attend(&self, duty: Duty, visit: &Visit, form: &Form) -> Response<Body> {
        match duty {
            Duty::Exchange => self.exchange(visit, form).await,
            Duty::Introspect => self.introspect(visit, form).await,
            Duty::Revoke => self.revoke(visit, form).await,
        }
    }

    async fn exchange(&self, visit: &Visit, form: &Form) -> Response<Body> {
        let ask = match exchange::ask(form) {
            Ok(ask) => ask,
            Err(fault) => return self.refuse(visit, fault).await,
        };
        let is_assertion = matches!(ask, SessionAsk::Assertion(_));
        match self.sessions.exchange(visit.clone(), ask).await {
            Ok(exchanged) => answer::json(200, &exchange::granted(&exchanged)),
            Err(SessionFault::Busy(refused)) => {
                answer::fault(&Fault::busy("your issuer begins too many sessions: try again in a minute"), Some(&refused))
            }
            Err(SessionFault::Refused(refused)) if is_assertion => answer::fault(&Fault::of_assertion(&refused), Some(&refused)),
            Err(SessionFault::Refused(refused)) => answer::fault(&Fault::of(&refused), Some(&refused)),
        }
    }

    /// Client authentication is not asked for: gcloud sends its public client id, which proves nothing.
    async fn introspect(&self, visit: &Visit, form: &Form) -> Response<Body> {
        let Some(token) = form.text("token") else { return self.refuse(visit, missing()).await };
        match self.sessions.introspect(visit, token.as_bytes()).await {
            Ok(None) => answer::json(200, &json!({ "active": false })),
            Ok(Some(found)) => answer::json(200, &introspected(&found)),
            Err(refused) => answer::fault(&Fault::of(&refused), Some(&refused)),
        }
    }

    async fn revoke(&self, visit: &Visit, form: &Form) -> Response<Body> {
        let Some(token) = form.text("token") else { return self.refuse(visit, missing()).await };
        match self.sessions.revoke(visit, token.as_bytes()).await {
            // Whether it was one or not.
            Ok(()) => answer::json(200, &json!({})),
            Err(refused) => answer::fault(&Fault::of(&refused), Some(&refused)),
        }
    }

    async fn refuse(&self, visit: &Visit, fault: Fault) -> Response<Body> {
        let why = Why::Form { reason: FormReason::Invalid, text: fault.text.clone() };
        let refused: Refused = self.sessions.refuse(visit, fault.word.name().to_owned(), why).await;
        answer::fault(&fault, Some(&refused))
    }
}

fn missing() -> Fault {
    Fault::new(Word::InvalidRequest, "`token` is missing".to_owned())
}

/// gcloud takes `username` for the account's name.
fn introspected(found: &Introspected) -> Value {
    let issuer = found.issuer.strip_prefix("https://").unwrap_or(&found.issuer);
    json!({
        "active": true,
        "username": format!("principal://{issuer}/{}", found.subject),
        "sub": format!("{}#{}", found.issuer, found.subject),
        "name": found.name,
        "token_type": "Bearer",
        "iat": found.issued_at,
        "exp": found.expires_at,
    })
}
