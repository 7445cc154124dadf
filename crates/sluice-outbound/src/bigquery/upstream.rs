//! The port `Upstream`: what a permit or an estimate owns goes out as it stands.

use super::ask::{Ask, Repeat};
use super::connection::{BigQuery, Connection};
use super::error::{self, Unread};
use super::read;
use crate::rest::{Answer, is_plain_path};
use hyper::Method;
use hyper::header::{self, HeaderValue};
use serde_json::Value;
use sluice_app::{
    AppendSink, AppendSource, Asking, BatchSource, JobName, JobState, KnownJob, RawRows, RawSession, Resource, RowsAsk, StreamAnswer,
    Upload, Upstream, UpstreamFault, UpstreamFaultKind,
};
use sluice_ledger::Recorded;
use sluice_policy::{DryRun, Estimate, Permit, Request, Sends, Verb};
use std::sync::Arc;
use std::time::Duration;

/// Of a body that a door built: a statement has at most a megabyte, a schema somewhat more.
pub(super) const SENT_BYTES_MAX: usize = 32 << 20;

/// What a call of the port is about: the connection, who asks, what is sent.
pub(crate) struct Matter<'a> {
    pub connection: Arc<Connection>,
    pub caller: &'a str,
    pub sends: &'a Sends,
}

impl Upstream for BigQuery {
    fn estimate<'a>(&'a self, estimate: &'a Recorded<Estimate>) -> Asking<'a, Result<DryRun, UpstreamFault>> {
        let value = estimate.value();
        Box::pin(async move { self.matter(value.request(), &value.decision().caller)?.estimate().await })
    }

    fn dispatch<'a>(&'a self, permit: &'a Recorded<Permit>, upload: Option<Upload>) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.dispatch(upload).await })
    }

    fn send<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Resource, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.send().await })
    }

    fn job<'a>(
        &'a self,
        permit: &'a Recorded<Permit>,
        job: &'a JobName,
        patience: Duration,
    ) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.job(job, patience).await })
    }

    fn sent_before<'a>(&'a self, job: &'a KnownJob) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(async move {
            let (connection, sends) = (self.known_connection(&job.connection)?, Sends::default());
            Matter { connection, caller: &job.course.caller, sends: &sends }.job(&job.name, Duration::ZERO).await
        })
    }

    fn rows<'a>(&'a self, permit: &'a Recorded<Permit>, rows: &'a RowsAsk) -> Asking<'a, Result<RawRows, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.rows(rows).await })
    }

    fn open_session<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<RawSession, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.open_session().await })
    }

    fn read_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Box<dyn BatchSource>, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.read_stream().await })
    }

    fn split_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Option<[String; 2]>, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.split_stream().await })
    }

    fn ask_of_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<StreamAnswer, UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.ask_of_stream().await })
    }

    fn append_rows<'a>(
        &'a self,
        permit: &'a Recorded<Permit>,
    ) -> Asking<'a, Result<(Box<dyn AppendSink>, Box<dyn AppendSource>), UpstreamFault>> {
        Box::pin(async move { self.permitted(permit)?.append_rows().await })
    }
}

impl BigQuery {
    fn permitted<'a>(&self, permit: &'a Recorded<Permit>) -> Result<Matter<'a>, UpstreamFault> {
        let value = permit.value();
        self.matter(value.request(), &value.decision().caller)
    }

    fn matter<'a>(&self, request: &'a Request, caller: &'a str) -> Result<Matter<'a>, UpstreamFault> {
        Ok(Matter { connection: self.known_connection(&request.connection)?, caller, sends: &request.sends })
    }

    fn known_connection(&self, name: &str) -> Result<Arc<Connection>, UpstreamFault> {
        self.connection(name).cloned().ok_or_else(|| unsent(format!("there is no connection `{name}`")))
    }
}

impl Matter<'_> {
    async fn estimate(&self) -> Result<DryRun, UpstreamFault> {
        let body = super::dispatch::as_dry_run(self.sends.body.as_deref().unwrap_or_default());
        let body = body.ok_or_else(|| unsent("the request to estimate is no job".to_owned()))?;
        // It changes nothing, so it may be asked as often as it takes.
        let ask = Ask { repeat: Repeat::Freely, ..self.ask()?.json(Method::POST, Some(body)) };
        let read = |answer: &Answer| {
            let resource = json(answer)?;
            if let Some(error) = resource.pointer("/status/errorResult") {
                return Err(Unread::Error(error::of_job(error)));
            }
            read::dry_run(&resource).map_err(|misread| Unread::Misread(misread.to_string()))
        };
        self.connection.ask(Some(self.caller), &ask, read).await
    }

    async fn send(&self) -> Result<Resource, UpstreamFault> {
        let repeat = if self.sends.verb == Verb::Get { Repeat::Freely } else { Repeat::Never };
        let ask = Ask { repeat, ..self.ask()? };
        self.connection.ask(Some(self.caller), &ask, |answer| resource(answer).map(Resource)).await
    }

    /// As the door built it.
    pub(super) fn ask(&self) -> Result<Ask, UpstreamFault> {
        let Sends { verb, path, query, body, if_match } = self.sends;
        if !is_plain_path(path) {
            return Err(unsent("the path of the request leads elsewhere".to_owned()));
        }
        if body.as_ref().is_some_and(|body| body.len() > SENT_BYTES_MAX) {
            return Err(unsent(format!("the request has more than {SENT_BYTES_MAX} bytes")));
        }
        let verb = match verb {
            Verb::Delete => Method::DELETE,
            Verb::Get => Method::GET,
            Verb::Patch => Method::PATCH,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
        };
        let mut ask = Ask::get(&self.connection, path, query).json(verb, body.clone());
        if let Some(etag) = if_match {
            let etag = HeaderValue::from_str(etag).map_err(|_| unsent("the etag cannot stand in a header".to_owned()))?;
            ask.headers.push((header::IF_MATCH, etag));
        }
        Ok(ask)
    }
}

/// JSON that is an object, and no error in place of it.
pub(crate) fn json(answer: &Answer) -> Result<Value, Unread> {
    match serde_json::from_slice(&answer.body) {
        Ok(resource @ Value::Object(_)) => match error::of_value(&resource) {
            Some(error) => Err(Unread::Error(error)),
            None => Ok(resource),
        },
        Ok(_) => Err(Unread::Misread("the answer is no object".to_owned())),
        Err(_) => Err(Unread::Malformed("the answer is not JSON".to_owned())),
    }
}

/// The same, or nothing at all: deletions have no answer.
fn resource(answer: &Answer) -> Result<Value, Unread> {
    if answer.body.is_empty() { Ok(Value::Null) } else { json(answer) }
}

/// What was never sent, because it is not what it should be.
pub(crate) fn unsent(detail: String) -> UpstreamFault {
    UpstreamFault { kind: UpstreamFaultKind::Refused, status: None, error: None, attempts: 0, may_have_acted: false, detail }
}
