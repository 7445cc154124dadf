//! What a client uploads for a load job. A small file goes with its job in one request, a large one in chunks that BigQuery confirms.
//!
//! Of a file never more than two chunks are in memory, and the client is read no faster than BigQuery takes them.

use super::ask::{Ask, Repeat};
use super::dispatch::Job;
use super::error::Unread;
use super::read;
use super::resumable::UPLOAD_CHUNK_BYTES;
use super::upstream::{Matter, json, unsent};
use crate::rest::Answer;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use sluice_app::{JobState, Upload, UpstreamFault};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

const ANY_CONTENT: &str = "application/octet-stream";
const CONTENT_TYPE_BYTES_MAX: usize = 128;
const BOUNDARY_BYTES: usize = 16;

/// What is still to come from the client.
pub(super) struct Feed {
    chunks: Receiver<Vec<u8>>,
    idle: Duration,
    ended: bool,
}

impl Matter<'_> {
    pub(super) async fn upload(&self, job: &Job, upload: Upload) -> Result<JobState, UpstreamFault> {
        if job.name.is_none() {
            return Err(unsent("an upload is no dry run".to_owned()));
        }
        let content_type = content_type(upload.content_type.as_deref());
        let mut feed = Feed { chunks: upload.chunks, idle: self.connection.timing.upload_idle, ended: false };
        let mut first = Vec::new();
        feed.fill(&mut first).await?;
        if feed.ended && first.len() <= UPLOAD_CHUNK_BYTES {
            return self.multipart(job, &content_type, &first).await;
        }
        self.resumable(job, &content_type, first, feed).await
    }

    /// One request, whole in memory, so that it can be sent again under the job's id.
    async fn multipart(&self, job: &Job, content_type: &str, file: &[u8]) -> Result<JobState, UpstreamFault> {
        let mut drawn = [0; BOUNDARY_BYTES];
        aws_lc_rs::rand::fill(&mut drawn).map_err(|_| unsent("the machine has no randomness".to_owned()))?;
        let boundary: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        let job_part = format!("--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n", job.body);
        let mut body = job_part.into_bytes();
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: {content_type}\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let mut ask = self.upload_ask("multipart")?;
        let kind = HeaderValue::from_str(&format!("multipart/related; boundary={boundary}"));
        ask.headers = vec![(header::CONTENT_TYPE, kind.map_err(|error| unsent(error.to_string()))?)];
        ask.body = Bytes::from(body);
        ask.repeat = Repeat::UnderItsId;
        self.connection.ask(Some(self.caller), &ask, |answer| loaded(answer, job)).await
    }

    /// The door's request, at the address for uploads.
    pub(super) fn upload_ask(&self, kind: &str) -> Result<Ask, UpstreamFault> {
        let mut query: Vec<(String, String)> = self.sends.query.iter().filter(|(name, _)| name != "uploadType").cloned().collect();
        query.push(("uploadType".to_owned(), kind.to_owned()));
        let checked = self.ask()?;
        let target = self.connection.target("/upload/bigquery/v2/", &self.sends.path, &query);
        Ok(Ask { verb: Method::POST, target, deadline: self.connection.timing.bulk, ..checked })
    }
}

impl Feed {
    /// Until there is more than a chunk, or until the end. A client that hangs up has ended nothing.
    pub async fn fill(&mut self, held: &mut Vec<u8>) -> Result<(), UpstreamFault> {
        while !self.ended && held.len() <= UPLOAD_CHUNK_BYTES {
            match timeout(self.idle, self.chunks.recv()).await {
                Ok(Some(chunk)) if chunk.is_empty() => self.ended = true,
                Ok(Some(chunk)) => held.extend_from_slice(&chunk),
                Ok(None) => return Err(unsent("the file broke off before it was whole, so nothing of it is loaded".to_owned())),
                Err(_) => {
                    return Err(unsent(format!(
                        "nothing of the file came for {} seconds, so nothing of it is loaded",
                        self.idle.as_secs()
                    )));
                }
            }
        }
        Ok(())
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

/// The end of an upload. BigQuery calls the job as we do; a warehouse that calls it otherwise has the last word, in the same project.
pub(super) fn loaded(answer: &Answer, job: &Job) -> Result<JobState, Unread> {
    let state = read::job(&json(answer)?, None).map_err(|misread| Unread::Misread(misread.to_string()))?;
    let is_ours = job.name.as_ref().is_some_and(|name| name.project == state.name.project) && !state.name.id.is_empty();
    if is_ours { Ok(state) } else { Err(Unread::Misread("`jobReference` is of another project".to_owned())) }
}

/// As the client says, where that is one type and nothing else.
fn content_type(said: Option<&str>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&byte);
    let is_type = |said: &&str| {
        said.len() <= CONTENT_TYPE_BYTES_MAX && said.bytes().all(is_plain) && said.split('/').filter(|part| !part.is_empty()).count() == 2
    };
    said.and_then(|said| said.split(';').next()).map(str::trim).filter(is_type).unwrap_or(ANY_CONTENT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_one_type() {
        let check = |said: Option<&str>, expect: &str| assert_eq!(content_type(said), expect, "{said:?}");
        check(Some("text/csv"), "text/csv");
        check(Some("text/csv; charset=utf-8"), "text/csv");
        check(Some("application/vnd.apache.parquet"), "application/vnd.apache.parquet");
        for odd in [None, Some("*/*"), Some(""), Some("text"), Some("text/csv\r\nHost: x"), Some("a/b/c"), Some("text/")] {
            check(odd, ANY_CONTENT);
        }
    }
}
