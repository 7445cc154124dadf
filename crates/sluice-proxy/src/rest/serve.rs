//! The way of one request from its first byte to the application. Whatever ends it on the way is refused through the application, which puts it on record.

use super::answer::{self, Manner};
use super::application::{Application, Authenticate};
use super::attend;
use super::discovery;
use super::head::{self, Head, Peer};
use super::methods::Duty;
use super::parameters::{Address, Parameters};
use super::refusal;
use super::remainder;
use super::room::Room;
use super::route::{self, Matched, Route, RouteFault};
use super::upload::Uploads;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use sluice_app::{FormReason, JobName, Refused, Trail, Visit, Why};
use sluice_identity::{Caller, Reason, Refusal};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a call for a job that is not done is held at most. Clients put no pause between two of them.
pub const POLL_MILLISECONDS_MAX: u64 = 10_000;

/// The REST door: whom it asks, and what it knows.
pub struct Rest {
    pub(super) application: Arc<dyn Application>,
    authenticate: Arc<dyn Authenticate>,
    pub(super) connections: Connections,
    settings: Settings,
    pub(super) uploads: Uploads,
    pub(super) room: Room,
    pub(super) upload_room: Room,
    dropped: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `https://bigquery.example.com`, without a slash at its end. Without it links lead to the host that the client asked for.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// Answers are packed for those who take them so.
    pub gzip: bool,
}

/// Which connection serves a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    by_project: BTreeMap<String, String>,
}

/// A request that has been let in: everything of it but its body.
pub(super) struct Visitor<'a> {
    pub rest: &'a Rest,
    pub visit: Visit,
    pub caller: Caller,
    pub head: Head,
    pub headers: &'a HeaderMap,
    pub parameters: Parameters,
    pub matched: Matched,
    pub base: String,
    pub manner: Manner,
}

pub fn router(rest: Arc<Rest>) -> Router {
    Router::new().fallback(serve).with_state(rest)
}

async fn serve(State(rest): State<Arc<Rest>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
    let visit = Visit {
        api: "bigquery".to_owned(),
        door: "rest",
        address: peer.address,
        tls: peer.tls.clone(),
        user_agent: None,
        said: Vec::new(),
        trail: Trail::default(),
    };
    let head = match head::read(&parts, &peer, &rest.settings.proxies) {
        Ok(head) => head,
        Err(fault) => {
            let refused = rest.application.refuse(visit, None, Why::Form { reason: fault.reason, text: fault.text }).await;
            return closed(refusal::told(&refused).response(&Manner::default()), parts.version);
        }
    };
    let visit = Visit { address: head.address, user_agent: head.user_agent.clone(), said: head.said.clone(), ..visit };
    let plain = Manner { gzip: rest.settings.gzip && head.accepts_gzip, ..Manner::default() };
    let is_head = parts.method == "HEAD";
    let (body, remainder) = remainder::share(body, &parts);
    let response = match rest.let_in(visit, head, &parts, body).await {
        Ok(response) => response,
        Err(refused) => {
            remainder.read_away().await;
            refusal::told(&refused).response(&plain)
        }
    };
    if is_head { response.map(|_| Body::empty()) } else { response }
}

impl Rest {
    pub fn new(
        application: Arc<dyn Application>,
        authenticate: Arc<dyn Authenticate>,
        connections: Connections,
        settings: Settings,
    ) -> Rest {
        Rest {
            application,
            authenticate,
            connections,
            settings,
            uploads: Uploads::default(),
            room: Room::of_bodies(),
            upload_room: Room::of_uploads(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Fields of BigQuery's answers that were not known and stayed here.
    pub fn dropped_fields(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn count_dropped(&self, fields: u64) {
        self.dropped.fetch_add(fields, Ordering::Relaxed);
    }

    async fn let_in(&self, mut visit: Visit, head: Head, parts: &Parts, body: Body) -> Result<Response<Body>, Refused> {
        let found = route::find(&head.verb, parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let base = self.base(&head, visit.tls.is_some());
        if let Ok(Route::Method(matched) | Route::Upload(matched)) = &found {
            visit.api = matched.method.id();
        }
        if found == Ok(Route::Discovery) {
            // It says what anyone can read of BigQuery, and clients fetch it before they have a token.
            return match Parameters::read(query, None, Address::Discovery) {
                Ok(parameters) => {
                    let manner = self.manner(&head, &parameters);
                    Ok(answer::json(StatusCode::OK, discovery::document(&base), &manner))
                }
                Err(fault) => Err(self.refuse(visit, None, fault.reason, fault.text).await),
            };
        }
        let caller = match found.as_ref().ok().and_then(|route| self.own_job(route)) {
            Some((connection, job)) => self.caller_of_job(&visit, &head, &connection, &job).await?,
            None => self.caller(&visit, &head).await?,
        };
        let (matched, address) = match found {
            Ok(Route::Method(matched)) => (matched, Address::Plain),
            Ok(Route::Upload(matched)) => (matched, Address::Upload),
            Ok(Route::Batch | Route::Discovery) => {
                let text = "batches are not served: send each request by itself".to_owned();
                return Err(self.refuse(visit, Some(&caller), FormReason::Unsupported, text).await);
            }
            Err(fault) => return Err(self.refuse(visit, Some(&caller), reason_of(&fault), fault.text()).await),
        };
        let parameters = match Parameters::read(query, Some(matched.method), address) {
            Ok(parameters) => parameters,
            Err(fault) => return Err(self.refuse(visit, Some(&caller), fault.reason, fault.text).await),
        };
        if let Some(text) = refused_from_outset(&matched, &head, address) {
            return Err(self.refuse(visit, Some(&caller), FormReason::Unsupported, text).await);
        }
        let manner = self.manner(&head, &parameters);
        let headers = &parts.headers;
        let visitor = Visitor { rest: self, visit, caller, head, headers, parameters, matched, base, manner };
        match address {
            Address::Upload => visitor.upload(body).await,
            Address::Discovery | Address::Plain => attend::attend(visitor, body).await,
        }
    }

    pub(super) async fn caller(&self, visit: &Visit, head: &Head) -> Result<Caller, Refused> {
        match &head.bearer {
            Some(bearer) => self.authenticate.caller(visit, bearer).await,
            None => Err(self.refuse_nobody(visit).await),
        }
    }

    pub(super) async fn caller_again(&self, visit: &Visit, head: &Head) -> Result<Caller, Refused> {
        match &head.bearer {
            Some(bearer) => self.authenticate.caller_again(visit, bearer).await,
            None => Err(self.refuse_nobody(visit).await),
        }
    }

    async fn caller_of_job(&self, visit: &Visit, head: &Head, connection: &str, job: &JobName) -> Result<Caller, Refused> {
        match &head.bearer {
            Some(bearer) => self.authenticate.caller_of_job(visit, bearer, connection, job).await,
            None => Err(self.refuse_nobody(visit).await),
        }
    }

    async fn refuse_nobody(&self, visit: &Visit) -> Refused {
        let refusal = Refusal { reason: Reason::TokenMalformed("there is none"), issuer: None, audiences: Vec::new() };
        self.application.refuse(visit.clone(), None, Why::Unproven(Box::new(refusal))).await
    }

    /// The job that a poll is for.
    fn own_job(&self, route: &Route) -> Option<(String, JobName)> {
        let Route::Method(matched) = route else { return None };
        if !matches!(matched.method.duty, Duty::JobGet | Duty::Results) {
            return None;
        }
        let connection = self.connections.of(matched.project())?.to_owned();
        Some((connection, JobName { project: matched.project().to_owned(), location: None, id: matched.name("jobId").to_owned() }))
    }

    pub(super) async fn refuse(&self, visit: Visit, caller: Option<&Caller>, reason: FormReason, text: String) -> Refused {
        self.application.refuse(visit, caller, Why::Form { reason, text }).await
    }

    fn base(&self, head: &Head, is_tls: bool) -> String {
        let scheme = if is_tls { "https" } else { "http" };
        self.settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", head.host))
    }

    fn manner(&self, head: &Head, parameters: &Parameters) -> Manner {
        Manner {
            gzip: self.settings.gzip && head.accepts_gzip,
            mask: parameters.fields.clone(),
            pretty: parameters.pretty,
            known_etags: head.known_etags.clone(),
        }
    }
}

/// What needs no look at its body to be refused.
fn refused_from_outset(matched: &Matched, head: &Head, address: Address) -> Option<String> {
    if let Duty::Refuse(why) = matched.method.duty {
        return Some(format!("`{}` is not served: {why}", matched.method.name));
    }
    let takes = matched.method.takes_if_match() && address == Address::Plain;
    (head.if_match.is_some() && !takes).then(|| format!("`{}` takes no `If-Match`: leave it out", matched.method.name))
}

fn reason_of(fault: &RouteFault) -> FormReason {
    match fault {
        RouteFault::Encoding(_) | RouteFault::Name(_) => FormReason::Invalid,
        RouteFault::None => FormReason::NoMethod,
        RouteFault::TooLong => FormReason::TooLarge,
    }
}

/// Nobody knows any more where the next request on this connection would begin.
fn closed(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Connections {
    pub fn new(projects: impl IntoIterator<Item = (String, String)>) -> Connections {
        Connections { by_project: projects.into_iter().collect() }
    }

    pub fn of(&self, project: &str) -> Option<&str> {
        self.by_project.get(project).map(String::as_str)
    }

    /// Each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_project.values().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { public_url: None, proxies: Vec::new(), gzip: true }
    }
}
