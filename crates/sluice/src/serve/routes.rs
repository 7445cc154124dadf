//! Every path that the gateway answers, on one port.

use super::compose::Composed;
use super::watch::{CONTENT_TYPE, Watch};
use axum::Router;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use sluice_app::{Asking, Gateway, JobName, Refused, Visit};
use sluice_identity::Caller;
use sluice_proxy::grpc::{self, Storage};
use sluice_proxy::rest::{self, Authenticate, Connections, Peer, Rest, Settings};
use sluice_proxy::token::{self, Token, TokenSettings};
use std::net::IpAddr;
use std::sync::Arc;
use tower_service::Service;

/// Who asks through somebody else is not of this machine, whatever the address says.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

struct ByToken(Arc<Gateway>);

impl Authenticate for ByToken {
    fn caller<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>> {
        Box::pin(self.0.identify(visit, bearer))
    }

    fn caller_again<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>> {
        Box::pin(self.0.identify_again(visit, bearer))
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
    let connections = Connections::new(projects);
    let rest = Arc::new(Rest::new(Arc::new(Arc::clone(&composed.gateway)), authenticate.clone(), connections.clone(), settings));
    composed.watch.look_at_rest(&rest);
    let token = Token::new(Arc::new(Arc::clone(&composed.gateway)), TokenSettings { proxies: server.proxies.clone() });
    let store = Arc::clone(&composed.store);
    let ready = move || {
        let store = Arc::clone(&store);
        async move { readiness(&store) }
    };
    let storage = Storage::new(Arc::new(Arc::clone(&composed.gateway)), authenticate, connections, server.proxies.clone());
    let rest = data_routes(Arc::new(storage), rest::router(rest));
    let (watch, elsewhere) = (Arc::clone(&composed.watch), rest.clone());
    let metrics = move |request: Request<Body>| {
        let (watch, mut elsewhere) = (Arc::clone(&watch), elsewhere.clone());
        async move {
            let is_asked_here = is_of_this_machine(request.extensions().get::<Peer>(), request.headers());
            if is_asked_here && !is_of_a_page(&request) && request.method() == "GET" {
                return numbers(&watch);
            }
            // On the port with TLS it is a path like any other that is none.
            match elsewhere.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    Router::new()
        .route("/metrics", any(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(token::router(Arc::new(token)))
        .merge(rest)
}

/// What calls itself gRPC, and everything else.
fn data_routes(storage: Arc<Storage>, rest: Router) -> Router {
    let choose = move |request: Request<Body>| {
        let (storage, mut rest) = (Arc::clone(&storage), rest.clone());
        async move {
            if grpc::is_asked(request.headers()) {
                return grpc::serve(storage, request).await;
            }
            match rest.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    Router::new().fallback(choose)
}

/// For a port of its own.
pub fn metrics_routes(composed: &Composed) -> Router {
    let watch = Arc::clone(&composed.watch);
    let answer = move |request: Request<Body>| {
        std::future::ready(if is_of_a_page(&request) { StatusCode::NOT_FOUND.into_response() } else { numbers(&watch) })
    };
    Router::new().route("/metrics", get(answer))
}

fn numbers(watch: &Watch) -> Response<Body> {
    let Some(page) = watch.page() else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(Body::from(page));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// How much is asked of a gateway is nobody else's business.
fn is_of_this_machine(peer: Option<&Peer>, headers: &HeaderMap) -> bool {
    let is_near = peer.is_some_and(|peer| peer.tls.is_none() && peer.address.is_some_and(|address| address.is_loopback()));
    is_near && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// A browser on this machine asks for a page of somebody's: it says so, or calls us by the name of that page, which leads here since a moment ago.
fn is_of_a_page(request: &Request<Body>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let said = hosts.next().map(|host| host.to_str().unwrap_or_default());
    let authority = request.uri().authority().map(Authority::as_str);
    let is_ours = said.or(authority).is_some_and(is_loopback_name) && authority.is_none_or(is_loopback_name) && hosts.next().is_none();
    request.headers().contains_key(header::ORIGIN) || !is_ours
}

/// `localhost`, `127.0.0.1:9464`, `[::1]:9464`.
fn is_loopback_name(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_near = host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_near && !authority.as_str().contains('@')
}

/// Ready is who can put requests on record.
fn readiness(store: &sluice_store::Store) -> (StatusCode, &'static str) {
    match store.status().map(|status| status.condition) {
        Ok(sluice_store::Condition::Open) => (StatusCode::OK, "ready\n"),
        Ok(sluice_store::Condition::Full) => (StatusCode::SERVICE_UNAVAILABLE, "the ledger is full\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be written\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_no_page() {
        let check = |hosts: &[&str], uri: &str, origin: Option<&str>, expect: bool| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            request = origin.into_iter().fold(request, |request, origin| request.header(header::ORIGIN, origin));
            assert_eq!(is_of_a_page(&request.body(Body::empty()).unwrap()), expect, "{hosts:?} {uri} {origin:?}");
        };
        for host in ["localhost", "LocalHost:9464", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464", "[::1]"] {
            check(&[host], "/metrics", None, false);
            check(&[host], "/metrics", Some("null"), true);
            check(&[host], "/metrics", Some("http://localhost"), true);
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.9", "a@localhost", "", "[::2]", "0.0.0.0"]
        {
            check(&[host], "/metrics", None, true);
        }
        check(&[], "/metrics", None, true);
        check(&["localhost", "localhost"], "/metrics", None, true);
        check(&[], "http://localhost:9464/metrics", None, false);
        check(&[], "http://evil.example/metrics", None, true);
        check(&["localhost"], "http://evil.example/metrics", None, true);
    }

    #[test]
    fn numbers_are_for_this_machine_without_tls() {
        let check = |address: Option<&str>, tls: Option<&str>, header: Option<&'static str>, expect: bool| {
            let peer = address.map(|address| Peer { address: Some(address.parse().unwrap()), tls: tls.map(str::to_owned) });
            let headers =
                header.map(|name| (header::HeaderName::from_static(name), HeaderValue::from_static("10.0.0.9"))).into_iter().collect();
            assert_eq!(is_of_this_machine(peer.as_ref(), &headers), expect, "{peer:?} {header:?}");
        };
        check(Some("127.0.0.1"), None, None, true);
        check(Some("::1"), None, None, true);
        check(Some("127.0.0.1"), Some("TLSv1_3"), None, false);
        check(Some("10.0.0.9"), None, None, false);
        check(None, None, None, false);
        for name in FORWARDED {
            check(Some("127.0.0.1"), None, Some(name), false);
        }
        check(Some("127.0.0.1"), None, Some("x-goog-api-client"), true);
    }
}
