//! `jobs.insert` with a file: in one request of two parts, or put piece by piece under an address of ours.
//!
//! What is uploaded is handed on as it comes; at most one piece is in memory. Each request on an upload is decided by what is in force then, the job
//! before the first byte is sent on and again before the last one. An upload that breaks off, or is refused on its way, ends without the empty piece
//! that says it is whole, and then nothing is loaded.

mod multipart;
mod session;

pub use session::Uploads;

use super::attend::answer_job;
use super::body::{self, BODY_MILLISECONDS_MAX, BodyFault};
use super::configuration::{self, BODY_BYTES_MAX, FormFault, Inserted, Way};
use super::room::Place;
use super::serve::Visitor;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use multipart::Multipart;
use session::{Range, Session, Taken, Work};
use sluice_app::{Admitted, Asking, FormReason, MethodAsk, Refused, UPLOAD_HELD_BYTES_MAX, Upload, Why, owner_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};

/// Between two pieces of a body.
const PIECE_SECONDS_MAX: u64 = 60;
/// Of what is handed on at once.
pub const UPLOAD_CHUNK_BYTES_MAX: usize = 256 << 10;
pub const UPLOADS_MAX: usize = 1_000;
pub const UPLOADS_OF_ONE_MAX: usize = 32;
/// Pieces that wait to be sent on.
const CHUNKS_WAITING_MAX: usize = 2;

type Answer = Result<Response<Body>, Refused>;

impl Visitor<'_> {
    pub async fn upload(self, body: Body) -> Answer {
        if self.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(self.refuse_form("an upload takes no `Content-Encoding`: send the file as it is").await);
        }
        let Some(connection) = self.rest.connections.of(self.matched.project()).map(str::to_owned) else {
            let what = format!("project `{}`", self.matched.project());
            return Err(self.refuse(Why::NotFound { what }).await);
        };
        let (kind, id) = (self.parameters.upload_type.clone(), self.parameters.upload_id.clone());
        match (self.head.verb.as_str(), kind.as_deref(), id) {
            ("POST", Some("multipart"), None) => self.multipart(&connection, body).await,
            ("POST", Some("resumable"), None) => self.begin(&connection, body).await,
            ("PUT", None | Some("resumable"), Some(id)) => self.put(&id, body).await,
            ("DELETE", None | Some("resumable"), Some(id)) => self.abandon(&id).await,
            _ => Err(self
                .refuse_form(
                    "an upload is `uploadType=multipart`, or `uploadType=resumable` and then PUT under the address that was answered",
                )
                .await),
        }
    }

    /// One request: the job, then the file.
    async fn multipart(self, connection: &str, body: Body) -> Answer {
        let media_type = text(self.headers, header::CONTENT_TYPE).unwrap_or_default();
        let mut parts = match Multipart::new(media_type, body) {
            Ok(parts) => parts,
            Err(fault) => return Err(self.refuse(fault.into()).await),
        };
        let mut place = self.place();
        let reading = read_job(&self, connection, &mut place, &mut parts);
        let read = tokio::time::timeout(Duration::from_millis(BODY_MILLISECONDS_MAX), reading).await;
        let late = |_| Err(invalid(&format!("the job of the upload did not arrive within {BODY_MILLISECONDS_MAX} milliseconds")).into());
        let (ask, content_type) = match read.unwrap_or_else(late) {
            Ok(read) => read,
            Err(why) => return Err(self.refuse(why).await),
        };
        // For what is held of the file, until all of it is over.
        drop(place);
        let mut held = self.upload_place();
        if held.grow(UPLOAD_HELD_BYTES_MAX + ask.sends.body.as_ref().map_or(0, String::len)).await.is_err() {
            return Err(self.refuse(Why::Busy).await);
        }
        let owner = self.owner();
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
        let Visitor { rest, visit, caller, base, manner, .. } = self;
        let pump = async move {
            // Whatever ends it before the last boundary leaves the upload unfinished: the other side sees no end.
            while let Ok(Some(bytes)) = parts.next_data().await {
                for chunk in bytes.chunks(UPLOAD_CHUNK_BYTES_MAX) {
                    if sender.send(chunk.to_vec()).await.is_err() {
                        return;
                    }
                }
            }
            if parts.is_whole() {
                let _ = sender.send(Vec::new()).await;
            }
        };
        let upload = Upload { content_type, chunks };
        let (admitted, ()) = tokio::join!(rest.application.admit(visit, caller, ask, Some(upload)), pump);
        Ok(answer_job(rest, job_of(admitted?), &owner, &base, &manner))
    }

    /// The job alone; the file is put under the address that is answered.
    async fn begin(self, connection: &str, body: Body) -> Answer {
        let mut place = self.place();
        let read = match body::json(&mut place, self.headers, body).await {
            Ok(body) => self.load_ask(connection, &body),
            Err(fault) => Err(fault.into()),
        };
        let ask = match read {
            Ok(ask) => ask,
            Err(why) => return Err(self.refuse(why).await),
        };
        // Random, and longer than anybody can guess.
        let id = self.rest.application.job_id()?;
        let content_type = text(self.headers, header::HeaderName::from_static("x-upload-content-type")).map(str::to_owned);
        let mut place = self.upload_place();
        if place.grow(ask.sends.body.as_ref().map_or(0, String::len)).await.is_err() {
            return Err(self.refuse(Why::Busy).await);
        }
        let session = Session::new(self.matched.project().to_owned(), ask.clone(), content_type, place);
        if let Err(text) = self.rest.uploads.add(&id, owner_of(&self.caller), session) {
            let why = Why::Form { reason: FormReason::TooLarge, text };
            return Err(self.refuse(why).await);
        }
        // Nobody else knows its id yet.
        if let Err(refused) = self.rest.application.may_go_on(self.visit, self.caller, ask).await {
            self.rest.uploads.remove(&id);
            return Err(refused);
        }
        let path = format!("/upload/bigquery/v2/projects/{}/jobs", super::percent::encode(self.matched.project()));
        let location = format!("{}{path}?uploadType=resumable&upload_id={id}", self.base);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.extend(HeaderValue::from_str(&location).ok().map(|location| (header::LOCATION, location)));
        headers.extend(HeaderValue::from_str(&id).ok().map(|id| (header::HeaderName::from_static("x-guploader-uploadid"), id)));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Ok(response)
    }

    async fn put(self, id: &str, body: Body) -> Answer {
        let mine = self.rest.uploads.take(id, &owner_of(&self.caller), self.matched.project());
        let Some((mut taken, ask)) = mine.and_then(|taken| taken.ask().map(|ask| (taken, ask))) else {
            return Err(self.refuse(Why::NotFound { what: "upload".to_owned() }).await);
        };
        let range = match Range::read(text(self.headers, header::CONTENT_RANGE), text(self.headers, header::CONTENT_LENGTH)) {
            Ok(range) => range,
            Err(fault) => return Err(self.refuse_form(fault).await),
        };
        let received = taken.received();
        let has = received.load(Ordering::Relaxed);
        let only_asks = range.is_question(has) || range.first.is_some_and(|first| first != has);
        if !taken.agrees(&range, only_asks) {
            return Err(self.refuse_form("the length of the file in `Content-Range` is not the one that was said before").await);
        }
        let owner = self.owner();
        let begins = !only_asks && !taken.has_begun();
        if begins && taken.make_room().await.is_err() {
            return Err(self.refuse(Why::Busy).await);
        }
        let Visitor { rest, visit, caller, base, manner, .. } = self;
        let application = Arc::clone(&rest.application);
        if !begins {
            go_on(&mut taken, application.may_go_on(visit, caller, ask)).await?;
        } else {
            // The job itself, now that the file begins to come.
            taken.begin(|ask, upload| Box::pin(async move { application.admit(visit, caller, ask, Some(upload)).await }));
        }
        if only_asks {
            return Ok(resume_incomplete(has));
        }
        let Some(work) = taken.work() else { return Ok(resume_incomplete(0)) };
        let ended = tokio::select! {
            biased;
            // It is refused, or failed: nobody takes the rest of the file.
            admitted = &mut work.admitting => Ended::Admitted(Box::new(admitted)),
            pumped = pump(body, &work.sender, &received, &range) => Ended::Pumped(pumped),
        };
        let received = received.load(Ordering::Relaxed);
        let admitted = match ended {
            Ended::Admitted(admitted) => *admitted,
            // The client comes back, asks how far it got, and goes on from there.
            Ended::Pumped(Pumped::Broken) => return Ok(resume_incomplete(received)),
            Ended::Pumped(Pumped::Whole) if !range.is_last(received) => return Ok(resume_incomplete(received)),
            Ended::Pumped(Pumped::Whole | Pumped::NotTaken) => {
                let Some(Work { sender, admitting }) = taken.finish() else { return Ok(resume_incomplete(received)) };
                if range.is_last(received) {
                    let _ = sender.send(Vec::new()).await;
                }
                drop(sender);
                admitting.await
            }
        };
        drop(taken.finish());
        Ok(answer_job(rest, job_of(admitted?), &owner, &base, &manner))
    }

    async fn abandon(self, id: &str) -> Answer {
        let mine = self.rest.uploads.take(id, &owner_of(&self.caller), self.matched.project());
        let Some((mut taken, ask)) = mine.and_then(|taken| taken.ask().map(|ask| (taken, ask))) else {
            return Err(self.refuse(Why::NotFound { what: "upload".to_owned() }).await);
        };
        go_on(&mut taken, self.rest.application.may_go_on(self.visit, self.caller, ask)).await?;
        drop(taken.finish());
        Ok(super::answer::empty())
    }

    fn upload_place(&self) -> Place {
        self.rest.uploads.sweep();
        self.rest.upload_room.place(self.caller.principal().to_string())
    }

    fn load_ask(&self, connection: &str, body: &serde_json::Value) -> Result<MethodAsk, Why> {
        let job_id = self.rest.application.job_id().map_err(|refused| refused.why)?;
        let place = configuration::Place { connection, project: self.matched.project(), job_id: &job_id };
        match configuration::insert(&place, body, Way::Upload).map_err(Why::from)? {
            Inserted::Method(ask) => Ok(*ask),
            Inserted::Query(_) => Err(Why::Form { reason: FormReason::Invalid, text: "a query goes without a file".to_owned() }),
        }
    }

    async fn refuse_form(&self, text: impl Into<String>) -> Refused {
        self.refuse(Why::Form { reason: FormReason::Invalid, text: text.into() }).await
    }
}

/// What policy refuses is cut off: whoever takes the file sees it break off, and no later request finds it.
async fn go_on(taken: &mut Taken<'_>, asking: Asking<'_, Result<(), Refused>>) -> Result<(), Refused> {
    let decided = asking.await;
    if decided.as_ref().is_err_and(|refused| matches!(refused.why, Why::Policy(_))) {
        drop(taken.finish());
    }
    decided
}

/// The first part: what the file is for. And what the second says that it is.
async fn read_job(
    visitor: &Visitor<'_>,
    connection: &str,
    place: &mut Place,
    parts: &mut Multipart,
) -> Result<(MethodAsk, Option<String>), Why> {
    let media_type = parts.next_head().await?.unwrap_or_default();
    if !body::is_json(&media_type) {
        return Err(Why::Form { reason: FormReason::Invalid, text: "the first part of the upload is not `application/json`".to_owned() });
    }
    let mut bytes = Vec::new();
    while let Some(data) = parts.next_data().await? {
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            let text = format!("the job of the upload has more than {BODY_BYTES_MAX} bytes");
            return Err(Why::Form { reason: FormReason::TooLarge, text });
        }
        body::append(place, &mut bytes, &data).await.map_err(BodyFault::from)?;
    }
    let ask = visitor.load_ask(connection, &body::object(place, &bytes).await?)?;
    let content_type = parts.next_head().await?;
    Ok((ask, content_type.filter(|media_type| !media_type.is_empty())))
}

/// A body into the channel, at the pace of whoever takes it out. What was sent is counted at once: a client that hangs up goes on from there.
async fn pump(mut body: Body, sender: &Sender<Vec<u8>>, received: &AtomicU64, range: &Range) -> Pumped {
    let mut left = range.bytes;
    loop {
        let data = match next_data(&mut body).await {
            Ok(Some(data)) => data,
            Ok(None) if left.is_none_or(|left| left == 0) => return Pumped::Whole,
            Ok(None) | Err(_) => return Pumped::Broken,
        };
        for chunk in data.chunks(UPLOAD_CHUNK_BYTES_MAX) {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            left = match left.map(|left| left.checked_sub(length)) {
                Some(None) => return Pumped::Broken,
                Some(left) => left,
                None => None,
            };
            if sender.send(chunk.to_vec()).await.is_err() {
                return Pumped::NotTaken;
            }
            received.fetch_add(length, Ordering::Relaxed);
        }
    }
}

/// What became of the body of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pumped {
    /// It ended, or said something else than its range.
    Broken,
    /// The other side wants no more.
    NotTaken,
    Whole,
}

enum Ended {
    Admitted(Box<Result<Admitted, Refused>>),
    Pumped(Pumped),
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, FormFault> {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(PIECE_SECONDS_MAX), body.frame()).await;
        match frame.map_err(|_| invalid("the body stopped coming"))? {
            None => return Ok(None),
            Some(Err(_)) => return Err(invalid("the body broke off")),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                // An empty chunk would say that the upload is whole.
                _ => {}
            },
        }
    }
}

fn resume_incomplete(received: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some(last) = received.checked_sub(1) {
        headers.extend(HeaderValue::from_str(&format!("bytes=0-{last}")).ok().map(|range| (header::RANGE, range)));
    }
    response
}

fn job_of(admitted: Admitted) -> sluice_app::JobState {
    match admitted {
        Admitted::Job(state) => *state,
        Admitted::Resource(_) | Admitted::Rows(_) => sluice_app::JobState::default(),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn invalid(text: &str) -> FormFault {
    FormFault { reason: FormReason::Invalid, field: String::new(), text: text.to_owned() }
}
