//! Uploads that come in several requests: whose each is, how far it is.

use super::super::room::{Full, Place};
use super::{CHUNKS_WAITING_MAX, UPLOADS_MAX, UPLOADS_OF_ONE_MAX};
use sluice_app::{Admitted, MethodAsk, Refused, UPLOAD_HELD_BYTES_MAX, UPLOAD_IDLE_SECONDS_MAX, Upload};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Sender};

pub type Admitting = Pin<Box<dyn Future<Output = Result<Admitted, Refused>> + Send>>;

/// Open uploads by their ids.
#[derive(Default)]
pub struct Uploads {
    open: Mutex<HashMap<String, Open>>,
}

/// It counts among its owner's until it is over, also while a request works on it.
struct Open {
    /// As `owner_of` says it.
    owner: String,
    /// Nothing while a request has it.
    session: Option<Session>,
}

pub struct Session {
    project: String,
    /// What every request on it is decided by.
    ask: MethodAsk,
    content_type: Option<String>,
    received: Arc<AtomicU64>,
    /// Of the whole file, once a piece has said it.
    total: Option<u64>,
    /// From the first piece on.
    work: Option<Work>,
    /// For the job, and for what is held of the file.
    place: Place,
    touched: Instant,
}

/// The load, while the file comes.
pub struct Work {
    pub sender: Sender<Vec<u8>>,
    pub admitting: Admitting,
}

/// An upload in the hands of one request. If that is dropped, the upload is there for the next one.
pub struct Taken<'a> {
    uploads: &'a Uploads,
    id: String,
    session: Option<Session>,
}

/// `Content-Range`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub first: Option<u64>,
    /// That this request brings, where it is said.
    pub bytes: Option<u64>,
    total: Option<u64>,
    is_whole: bool,
}

impl Uploads {
    pub fn add(&self, id: &str, owner: String, session: Session) -> Result<(), String> {
        let mut open = self.kept();
        if open.len() >= UPLOADS_MAX {
            return Err(format!("there are {UPLOADS_MAX} open uploads already"));
        }
        if open.values().filter(|known| known.owner == owner).count() >= UPLOADS_OF_ONE_MAX {
            return Err(format!("you have {UPLOADS_OF_ONE_MAX} open uploads already: finish one"));
        }
        open.insert(id.to_owned(), Open { owner, session: Some(session) });
        Ok(())
    }

    /// Another's upload is none, and neither is one that another request works on.
    pub fn take(&self, id: &str, owner: &str, project: &str) -> Option<Taken<'_>> {
        let mut open = self.kept();
        let known = open.get_mut(id).filter(|known| known.owner == owner)?;
        let session = known.session.take_if(|session| session.project == project)?;
        Some(Taken { uploads: self, id: id.to_owned(), session: Some(session) })
    }

    /// Room of those that nobody came back to.
    pub fn sweep(&self) {
        drop(self.kept());
    }

    pub fn remove(&self, id: &str) {
        self.kept().remove(id);
    }

    fn put_back(&self, id: &str, mut session: Session) {
        session.touched = Instant::now();
        if let Some(known) = self.kept().get_mut(id) {
            known.session = Some(session);
        }
    }

    /// Without those that nobody came back to.
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let idle_max = Duration::from_secs(UPLOAD_IDLE_SECONDS_MAX);
        open.retain(|_, known| known.session.as_ref().is_none_or(|session| session.touched.elapsed() < idle_max));
        open
    }
}

impl Session {
    pub fn new(project: String, ask: MethodAsk, content_type: Option<String>, place: Place) -> Session {
        Session { project, ask, content_type, received: Arc::default(), total: None, work: None, place, touched: Instant::now() }
    }
}

impl Taken<'_> {
    /// Bytes that have been handed on.
    pub fn received(&self) -> Arc<AtomicU64> {
        self.session.as_ref().map_or_else(Arc::default, |session| Arc::clone(&session.received))
    }

    pub fn ask(&self) -> Option<MethodAsk> {
        self.session.as_ref().map(|session| session.ask.clone())
    }

    /// A file has one length. Questions say one too, but settle nothing.
    pub fn agrees(&mut self, range: &Range, only_asks: bool) -> bool {
        let Some(session) = &mut self.session else { return false };
        let agrees = session.total.is_none() || range.total.is_none() || session.total == range.total;
        if agrees && !only_asks {
            session.total = session.total.or(range.total);
        }
        agrees
    }

    pub fn has_begun(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.work.is_some())
    }

    /// For a file that begins to come.
    pub async fn make_room(&mut self) -> Result<(), Full> {
        match &mut self.session {
            Some(session) => session.place.grow(UPLOAD_HELD_BYTES_MAX).await,
            None => Ok(()),
        }
    }

    pub fn begin(&mut self, begin: impl FnOnce(MethodAsk, Upload) -> Admitting) {
        if let Some(session) = &mut self.session {
            let (sender, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
            let admitting = begin(session.ask.clone(), Upload { content_type: session.content_type.clone(), chunks });
            session.work = Some(Work { sender, admitting });
        }
    }

    pub fn work(&mut self) -> Option<&mut Work> {
        self.session.as_mut()?.work.as_mut()
    }

    /// Nothing is left for another request.
    pub fn finish(&mut self) -> Option<Work> {
        self.session.take().and_then(|session| session.work)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        match self.session.take() {
            Some(session) => self.uploads.put_back(&self.id, session),
            None => self.uploads.remove(&self.id),
        }
    }
}

impl Range {
    /// `bytes 0-9/10`, `bytes 0-9/*`, `bytes */10`, `bytes */*`; nothing stands for the whole file at once.
    pub fn read(range: Option<&str>, length: Option<&str>) -> Result<Range, &'static str> {
        const FAULT: &str = "the `Content-Range` is not like `bytes 0-9/10`";
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten().ok_or(FAULT);
        let length = length.and_then(|text| text.parse::<u64>().ok());
        let Some(range) = range else { return Ok(Range { first: Some(0), bytes: length, total: length, is_whole: true }) };
        let (span, total) = range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).ok_or(FAULT)?;
        let total = if total == "*" { None } else { Some(number(total)?) };
        if span == "*" {
            // An empty file: there is nothing that could be put.
            let is_empty = total == Some(0);
            return Ok(Range { first: is_empty.then_some(0), bytes: Some(0), total, is_whole: is_empty });
        }
        let (first, last) = span.split_once('-').ok_or(FAULT)?;
        let (first, last) = (number(first)?, number(last)?);
        let bytes = last.checked_sub(first).and_then(|bytes| bytes.checked_add(1)).ok_or(FAULT)?;
        if total.is_some_and(|total| last >= total) || length.is_some_and(|length| length != bytes) {
            return Err(FAULT);
        }
        Ok(Range { first: Some(first), bytes: Some(bytes), total, is_whole: false })
    }

    /// How far did it get? Said with the length of a file whose bytes are all there, it is the end of that file.
    pub fn is_question(&self, received: u64) -> bool {
        self.first.is_none() && (received == 0 || !self.is_last(received))
    }

    pub fn is_last(&self, received: u64) -> bool {
        self.is_whole || self.total == Some(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        let check = |range: &str, length: Option<&str>, expect: Option<(Option<u64>, Option<u64>, bool)>| {
            let found = Range::read(Some(range), length).ok().map(|range| (range.first, range.bytes, range.is_last(10)));
            assert_eq!(found, expect, "{range} {length:?}");
        };
        check("bytes 0-9/10", Some("10"), Some((Some(0), Some(10), true)));
        check("bytes 0-9/10", None, Some((Some(0), Some(10), true)));
        check("bytes 4-9/*", Some("6"), Some((Some(4), Some(6), false)));
        check("bytes */10", Some("0"), Some((None, Some(0), true)));
        check("bytes */*", None, Some((None, Some(0), false)));
        check("bytes */0", Some("0"), Some((Some(0), Some(0), true)));
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "0-9/10",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes -1-9/10",
            "bytes 0-/10",
            "bytes +0-9/10",
            "bytes 0-9/1e1",
            "bytes 0-18446744073709551615/*",
            "bits 0-9/10",
            "bytes 0-9/10, 0-9/10",
        ] {
            check(bad, None, None);
        }
        check("bytes 0-9/10", Some("9"), None);
        let whole = Range::read(None, Some("7")).unwrap();
        assert!(whole.is_last(7) && !whole.is_question(0) && whole.first == Some(0));
    }
}
