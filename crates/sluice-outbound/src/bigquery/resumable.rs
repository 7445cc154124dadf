//! An upload in chunks. BigQuery says after each how much it has, so what was lost on the way is sent again, and nothing else is.

use super::ask::{Ask, Repeat};
use super::dispatch::Job;
use super::error::Unread;
use super::upload::{Feed, loaded};
use super::upstream::{Matter, unsent};
use crate::rest::{Answer, Endpoint, is_plain_path};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use sluice_app::{JobState, UPLOAD_HELD_BYTES_MAX, UpstreamFault, UpstreamFaultKind};

/// In memory for each upload, twice. BigQuery wants a multiple of 256 KiB.
pub const UPLOAD_CHUNK_BYTES: usize = 2 << 20;
const _: () = assert!(2 * UPLOAD_CHUNK_BYTES < UPLOAD_HELD_BYTES_MAX, "with what is on its way to a chunk");
/// BigQuery itself takes no larger file.
pub const UPLOAD_BYTES_MAX: u64 = 5 << 40;
const UPLOAD_CONTENT_TYPE: HeaderName = HeaderName::from_static("x-upload-content-type");
const LOCATION_BYTES_MAX: usize = 8 * 1024;
const INCOMPLETE: u16 = 308;
/// What Google answers to the end of a session by its own client.
const CANCELLED: u16 = 499;
/// The session is there no more: it ended, with the job or without it.
const GONE: [u16; 2] = [404, 410];

/// What BigQuery has of the file.
enum Progress {
    Done(Box<JobState>),
    Has(u64),
    Gone,
}

/// A chunk of the file, from `at` on.
struct Chunk<'a> {
    at: u64,
    bytes: &'a [u8],
    /// Known with the last one.
    total: Option<u64>,
}

impl Matter<'_> {
    pub(super) async fn resumable(&self, job: &Job, kind: &str, held: Vec<u8>, feed: Feed) -> Result<JobState, UpstreamFault> {
        let session = self.session(job, kind).await?;
        let sent = self.send_in_chunks(job, &session, held, feed).await;
        if sent.as_ref().is_err_and(|fault| !fault.may_have_acted) {
            self.give_up(&session).await;
        }
        sent
    }

    async fn send_in_chunks(&self, job: &Job, session: &str, mut held: Vec<u8>, mut feed: Feed) -> Result<JobState, UpstreamFault> {
        let mut at = 0;
        let mut failures = 0;
        let mut may_have_acted = false;
        loop {
            feed.fill(&mut held).await?;
            let is_last = feed.has_ended() && held.len() <= UPLOAD_CHUNK_BYTES;
            let bytes = held.get(..UPLOAD_CHUNK_BYTES.min(held.len())).unwrap_or_default();
            let end = at + bytes.len() as u64;
            if end > UPLOAD_BYTES_MAX {
                return Err(unsent(format!("the file has more than {UPLOAD_BYTES_MAX} bytes")));
            }
            may_have_acted |= is_last;
            let chunk = Chunk { at, bytes, total: is_last.then_some(end) };
            let sent = match self.put(job, session, &chunk).await {
                Ok(progress) => Ok(progress),
                Err(fault) if !is_passing(&fault) || failures + 1 >= self.connection.timing.attempts_max => Err(fault),
                Err(_) => {
                    failures += 1;
                    tokio::time::sleep(self.connection.timing.pauses.after(failures)).await;
                    let total = chunk.total;
                    self.put(job, session, &Chunk { at, bytes: &[], total }).await
                }
            };
            match sent {
                Ok(Progress::Done(state)) => return Ok(*state),
                Ok(Progress::Has(has)) if has >= at && has <= end => {
                    failures = if has > at { 0 } else { failures + 1 };
                    held.drain(..usize::try_from(has - at).unwrap_or(held.len()).min(held.len()));
                    at = has;
                }
                Ok(Progress::Has(_)) => {
                    return Err(broken("BigQuery has more of the file than was sent, or less than it had", may_have_acted));
                }
                Ok(Progress::Gone) if may_have_acted => return self.accepted(job, broken("the upload's session is gone", true)).await,
                Ok(Progress::Gone) => return Err(broken("the upload's session is gone", false)),
                Err(fault) if may_have_acted && is_passing(&fault) => {
                    return self.accepted(job, UpstreamFault { may_have_acted: true, ..fault }).await;
                }
                Err(fault) => return Err(UpstreamFault { may_have_acted, ..fault }),
            }
            if failures >= self.connection.timing.attempts_max {
                return Err(broken("BigQuery takes no more of the file", may_have_acted));
            }
        }
    }

    /// Nothing begins by it: a session that is not used is forgotten.
    async fn session(&self, job: &Job, kind: &str) -> Result<String, UpstreamFault> {
        let mut ask = self.upload_ask("resumable")?;
        let kind = HeaderValue::from_str(kind).map_err(|error| unsent(error.to_string()))?;
        ask.headers.push((UPLOAD_CONTENT_TYPE, kind));
        ask.body = Bytes::from(job.body.to_string());
        ask.repeat = Repeat::Freely;
        let own = self.connection.client.endpoint();
        self.connection.ask(Some(self.caller), &ask, |answer| location(answer, own)).await
    }

    /// What was begun and is not gone on with is not left there. It would end by itself, so nobody has to know whether this arrives.
    async fn give_up(&self, session: &str) {
        let ask = Ask {
            verb: Method::DELETE,
            target: session.to_owned(),
            repeat: Repeat::Never,
            hoped: &[404, 410, CANCELLED],
            attempts_max: 1,
            ..Ask::get(&self.connection, "", &[])
        };
        drop(self.connection.ask(Some(self.caller), &ask, |_| Ok(())).await);
    }

    /// Without bytes it asks how much there is.
    async fn put(&self, job: &Job, session: &str, chunk: &Chunk<'_>) -> Result<Progress, UpstreamFault> {
        let total = chunk.total.map_or_else(|| "*".to_owned(), |total| total.to_string());
        let range = match chunk.bytes.len() as u64 {
            0 => format!("bytes */{total}"),
            length => format!("bytes {}-{}/{total}", chunk.at, chunk.at + length - 1),
        };
        let range = HeaderValue::from_str(&range).map_err(|error| unsent(error.to_string()))?;
        let ask = Ask {
            verb: Method::PUT,
            target: session.to_owned(),
            headers: vec![(header::CONTENT_RANGE, range)],
            body: Bytes::copy_from_slice(chunk.bytes),
            // What is asked after a fault is how much there is; the chunk itself goes out once.
            repeat: if chunk.bytes.is_empty() { Repeat::Freely } else { Repeat::Never },
            hoped: &[INCOMPLETE, 404, 410],
            deadline: self.connection.timing.bulk,
            ..Ask::get(&self.connection, "", &[])
        };
        let read = |answer: &Answer| match answer.status {
            INCOMPLETE => Ok(Progress::Has(taken(answer)?)),
            status if GONE.contains(&status) => Ok(Progress::Gone),
            _ => loaded(answer, job).map(|state| Progress::Done(Box::new(state))),
        };
        self.connection.ask(Some(self.caller), &ask, read).await
    }
}

fn is_passing(fault: &UpstreamFault) -> bool {
    matches!(fault.kind, UpstreamFaultKind::Deadline | UpstreamFaultKind::Malformed | UpstreamFaultKind::Unavailable)
}

/// `Range: bytes=0-N`, the last byte that it has. None: it has nothing.
fn taken(answer: &Answer) -> Result<u64, Unread> {
    let Some(range) = answer.headers.get(header::RANGE) else { return Ok(0) };
    let last = range.to_str().ok().and_then(|range| range.trim().trim_start_matches("bytes=").strip_prefix("0-")?.parse::<u64>().ok());
    let last = last.filter(|last| *last < UPLOAD_BYTES_MAX);
    last.map(|last| last + 1).ok_or_else(|| Unread::Malformed("`Range` is not one from the beginning".to_owned()))
}

/// A session is at the same server: our token goes nowhere else.
fn location(answer: &Answer, own: &Endpoint) -> Result<String, Unread> {
    let malformed = || Unread::Malformed("`Location` leads elsewhere".to_owned());
    let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(malformed)?;
    let target = match location.starts_with('/') {
        true => location,
        false => {
            let path = location.find("://").and_then(|scheme| location.get(scheme + 3..)?.find('/').map(|slash| scheme + 3 + slash));
            let (server, target) = path.and_then(|path| location.split_at_checked(path)).ok_or_else(malformed)?;
            if !Endpoint::parse(server).is_ok_and(|endpoint| endpoint.is_same_server(own)) {
                return Err(malformed());
            }
            target
        }
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_plain = is_plain_path(path.trim_start_matches('/')) && !path.starts_with("//");
    let is_query = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if is_plain && is_query && target.len() <= LOCATION_BYTES_MAX { Ok(target.to_owned()) } else { Err(malformed()) }
}

fn broken(detail: &str, may_have_acted: bool) -> UpstreamFault {
    UpstreamFault {
        kind: UpstreamFaultKind::Unavailable,
        status: None,
        error: None,
        attempts: 1,
        may_have_acted,
        detail: detail.to_owned(),
    }
}
