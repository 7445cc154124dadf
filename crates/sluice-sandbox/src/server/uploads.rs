//! Resumable uploads that are under way: begun with a job, filled piece by piece, complete, cancelled or too old.

use super::content_range::ContentRange;
use crate::problem::{Problem, Reason};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of one file, as it is sent.
pub const UPLOAD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Of all files that are not complete.
pub const UPLOADS_BYTES_MAX: usize = 512 * 1024 * 1024;
pub const UPLOADS_MAX: usize = 1_000;
/// An upload that is not touched for so long is gone. BigQuery keeps it a week.
pub const UPLOAD_IDLE_MILLISECONDS_MAX: i64 = 3_600_000;
/// Of a chunk that is not the last one only whole steps are kept.
pub const CHUNK_STEP_BYTES: usize = 256 * 1024;

#[derive(Default)]
pub struct Uploads {
    inner: Mutex<HashMap<String, Upload>>,
}

/// Whose it is: nobody else finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub project: String,
    pub user_email: String,
}

#[derive(Debug)]
struct Upload {
    owner: Owner,
    job: Value,
    declared: Option<u64>,
    received: Vec<u8>,
    touched_milliseconds: i64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Complete,
    /// The job's id, or why there is no job.
    Ended(Result<String, Problem>),
    Receiving,
}

/// One request on an upload.
#[derive(Debug)]
pub struct Piece<'a> {
    pub range: ContentRange,
    pub bytes: &'a [u8],
    /// No more of it is kept, where the fault plan says so.
    pub kept_bytes_max: Option<u64>,
}

#[derive(Debug, PartialEq)]
pub enum Step {
    /// Whoever gets this makes the job, and says with `end` what came of it.
    Complete {
        job: Value,
        media: Vec<u8>,
    },
    Ended(Result<String, Problem>),
    Incomplete {
        received_bytes: u64,
    },
}

impl Uploads {
    pub fn begin(&self, id: String, owner: Owner, job: Value, declared: Option<u64>, now: i64) -> Result<(), Problem> {
        check_total(declared)?;
        let mut uploads = self.lock();
        uploads.retain(|_, upload| !upload.is_old(now));
        if uploads.len() >= UPLOADS_MAX {
            uploads.retain(|_, upload| !matches!(upload.stage, Stage::Ended(_)));
        }
        if uploads.len() >= UPLOADS_MAX {
            return Err(Problem::new(Reason::ResourcesExceeded, format!("Too many uploads are under way, at most {UPLOADS_MAX}")));
        }
        uploads.insert(id, Upload { owner, job, declared, received: Vec::new(), touched_milliseconds: now, stage: Stage::Receiving });
        Ok(())
    }

    pub fn put(&self, id: &str, owner: &Owner, piece: &Piece<'_>, now: i64) -> Result<Step, Problem> {
        let mut uploads = self.lock();
        let others: usize = uploads.iter().filter(|(other, _)| *other != id).map(|(_, upload)| upload.received.len()).sum();
        let upload = find(&mut uploads, id, owner, now)?;
        upload.touched_milliseconds = now;
        match &upload.stage {
            Stage::Complete => Err(Problem::new(Reason::BackendError, "The upload is being completed")),
            Stage::Ended(outcome) => Ok(Step::Ended(outcome.clone())),
            Stage::Receiving => upload.put(piece, UPLOADS_BYTES_MAX.saturating_sub(others)),
        }
    }

    pub fn end(&self, id: &str, outcome: Result<String, Problem>) {
        if let Some(upload) = self.lock().get_mut(id) {
            upload.stage = Stage::Ended(outcome);
        }
    }

    /// What is complete is a job, and is cancelled as one.
    pub fn cancel(&self, id: &str, owner: &Owner, now: i64) -> Result<(), Problem> {
        let mut uploads = self.lock();
        match find(&mut uploads, id, owner, now)?.stage {
            Stage::Receiving => drop(uploads.remove(id)),
            Stage::Complete | Stage::Ended(_) => return Err(Problem::invalid("The upload is complete and cannot be cancelled")),
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    fn is_old(&self, now: i64) -> bool {
        now.saturating_sub(self.touched_milliseconds) > UPLOAD_IDLE_MILLISECONDS_MAX
    }

    fn put(&mut self, piece: &Piece<'_>, room_bytes: usize) -> Result<Step, Problem> {
        let received = self.received.len() as u64;
        let length = piece.bytes.len() as u64;
        let (first, end, total) = match piece.range {
            ContentRange::Asks { .. } if length > 0 => return Err(Problem::invalid("A request that only asks has a body")),
            ContentRange::Asks { total } => {
                check_total(self.total(total)?)?;
                return match total {
                    Some(total) if total < received => Err(Problem::invalid(format!("The upload is larger than {total} bytes already"))),
                    Some(total) if total == received => Ok(self.complete()),
                    _ => Ok(Step::Incomplete { received_bytes: received }),
                };
            }
            ContentRange::Whole => (0, length, self.total(Some(length))?),
            ContentRange::Part { first, last, .. } if last - first + 1 != length => {
                let message = format!("Invalid request. Content-Range says {} byte(s), and the body has {length}.", last - first + 1);
                return Err(Problem::invalid(message));
            }
            ContentRange::Part { first, last, total } => (first, last + 1, self.total(total)?),
        };
        check_total(Some(total.unwrap_or(end).max(end)))?;
        if total.is_some_and(|total| end > total) {
            return Err(Problem::invalid("Invalid request. The chunk ends behind the end of the upload."));
        }
        if first > received {
            // Clients ask what is there and go on from that.
            let message = format!(
                "Invalid request. According to the Content-Range header, the upload offset is {first} byte(s), which exceeds already uploaded size of {received} byte(s)."
            );
            return Err(Problem::new(Reason::BackendError, message));
        }
        self.keep(piece, first, total == Some(end), room_bytes)?;
        match total {
            Some(total) if self.received.len() as u64 == total => Ok(self.complete()),
            _ => Ok(Step::Incomplete { received_bytes: self.received.len() as u64 }),
        }
    }

    /// The part of a chunk that is new, and that may stay.
    fn keep(&mut self, piece: &Piece<'_>, first: u64, is_last: bool, room_bytes: usize) -> Result<(), Problem> {
        let known = usize::try_from(first).map_or(0, |first| self.received.len().saturating_sub(first));
        let mut new = piece.bytes.get(known..).unwrap_or_default();
        if let Some(kept_bytes_max) = piece.kept_bytes_max {
            let kept = usize::try_from(kept_bytes_max).unwrap_or(usize::MAX).saturating_sub(known);
            new = new.get(..kept).unwrap_or(new);
        }
        let end = self.received.len() + new.len();
        if !is_last || known + new.len() < piece.bytes.len() {
            let excess = end % CHUNK_STEP_BYTES;
            new = new.get(..new.len().saturating_sub(excess)).unwrap_or_default();
        }
        if self.received.len() + new.len() > room_bytes {
            let message = format!("Too many bytes are being uploaded, at most {UPLOADS_BYTES_MAX}");
            return Err(Problem::new(Reason::ResourcesExceeded, message));
        }
        self.received.extend_from_slice(new);
        Ok(())
    }

    fn complete(&mut self) -> Step {
        self.stage = Stage::Complete;
        Step::Complete { job: std::mem::take(&mut self.job), media: std::mem::take(&mut self.received) }
    }

    /// Said once, the size stays.
    fn total(&self, given: Option<u64>) -> Result<Option<u64>, Problem> {
        match (self.declared, given) {
            (Some(declared), Some(given)) if declared != given => {
                Err(Problem::invalid(format!("The upload was said to have {declared} bytes, and now {given}")))
            }
            (declared, given) => Ok(given.or(declared)),
        }
    }
}

fn find<'a>(uploads: &'a mut HashMap<String, Upload>, id: &str, owner: &Owner, now: i64) -> Result<&'a mut Upload, Problem> {
    if uploads.get(id).is_some_and(|upload| upload.is_old(now)) {
        uploads.remove(id);
    }
    let own = uploads.get_mut(id).filter(|upload| upload.owner == *owner);
    own.ok_or_else(|| Problem::not_found(format!("Not found: Upload {id}")))
}

fn check_total(total: Option<u64>) -> Result<(), Problem> {
    match total {
        Some(total) if total > UPLOAD_BYTES_MAX as u64 => {
            Err(Problem::invalid(format!("The upload is too large: {total} bytes, at most {UPLOAD_BYTES_MAX}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
