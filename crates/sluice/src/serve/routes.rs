//! Every path that the gateway answers, on one port.

use super::compose::Composed;
use axum::Router;
use axum::routing::get;
use sluice_app::{Asking, Gateway, JobName, Refused, Visit};
use sluice_identity::Caller;
use sluice_proxy::rest::{self, Authenticate, Connections, Rest, Settings};
use sluice_proxy::token::{self, Token, TokenSettings};
use std::sync::Arc;

struct ByToken(Arc<Gateway>);

impl Authenticate for ByToken {
    fn caller<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>> {
        Box::pin(self.0.identify(visit, bearer))
    }

    fn caller_of_job<'a>(
        &'a self,
        visit: &'a Visit,
        bearer: &'a [u8],
        connection: &'a str,
        job: &'a JobName,
    ) -> Asking<'a, Result<Caller, Refused>> {
        Box::pin(self.0.identify_for_job(visit, bearer, connection, job))
    }
}

pub fn routes(composed: &Composed) -> Router {
    let server = &composed.settings.server;
    let projects = composed
        .settings
        .connections
        .iter()
        .flat_map(|(name, connection)| connection.projects.iter().map(|project| (project.clone(), name.clone())));
    let settings = Settings { public_url: server.public_url.clone(), proxies: server.proxies.clone(), gzip: server.gzip };
    let authenticate = Arc::new(ByToken(Arc::clone(&composed.gateway)));
    let rest = Rest::new(Arc::new(Arc::clone(&composed.gateway)), authenticate, Connections::new(projects), settings);
    let token = Token::new(Arc::new(Arc::clone(&composed.gateway)), TokenSettings { proxies: server.proxies.clone() });
    let store = Arc::clone(&composed.store);
    let ready = move || {
        let store = Arc::clone(&store);
        async move { readiness(&store) }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(token::router(Arc::new(token)))
        .merge(rest::router(Arc::new(rest)))
}

/// Ready is who can put requests on record.
fn readiness(store: &sluice_store::Store) -> (axum::http::StatusCode, &'static str) {
    match store.status().map(|status| status.condition) {
        Ok(sluice_store::Condition::Open) => (axum::http::StatusCode::OK, "ready\n"),
        Ok(sluice_store::Condition::Full) => (axum::http::StatusCode::SERVICE_UNAVAILABLE, "the ledger is full\n"),
        _ => (axum::http::StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be written\n"),
    }
}
