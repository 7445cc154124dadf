//! Rows, as BigQuery sends them: nobody here looks into them.

use super::ask::{Ask, fault_of_one};
use super::error::{self, Failure, Unread};
use super::read;
use super::upstream::{Matter, unsent};
use crate::rest::{Answer, ExchangeFault, Rest, encoded};
use hyper::HeaderMap;
use hyper::body::Bytes;
use serde_json::Value;
use sluice_app::{Asking, JobName, JobRows, RawRows, RowsAsk, RowsSource, UpstreamFault};
use sluice_mask::{PAGE_BYTES_MAX, PageFault, PageStart, RawPage};
use sluice_policy::Verb;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// A page that is longer leaves while it comes.
const PAGE_WHOLE_BYTES_MAX: usize = 2 << 20;
/// What says which rows of a table are asked for.
const PLACES: [&str; 3] = ["maxResults", "pageToken", "startIndex"];
/// Of `error` and `errors`.
const ERROR_MEMBER: &[u8] = b"\"error";

impl Matter<'_> {
    /// A short page is read whole, and asked for again if it breaks off. Of a long one only the beginning is: its rows leave while it comes.
    pub(super) async fn rows(&self, rows: &RowsAsk) -> Result<RawRows, UpstreamFault> {
        let ask = match rows {
            RowsAsk::AsSent | RowsAsk::SentFrom { .. } if self.sends.verb != Verb::Get => {
                return Err(unsent("rows are read by GET".to_owned()));
            }
            RowsAsk::AsSent => self.ask()?,
            RowsAsk::SentFrom { start_index, rows_max } => self.ask_from(*start_index, *rows_max)?,
            RowsAsk::OfJob(rows) => self.results(&rows.job, &query(rows)),
        };
        let timing = &self.connection.timing;
        let ask = Ask { answer_bytes_max: PAGE_BYTES_MAX, whole_bytes_max: Some(PAGE_WHOLE_BYTES_MAX), deadline: timing.bulk, ..ask };
        let (bytes, rest) = match self.connection.ask_and_take(Some(self.caller), &ask, came).await? {
            Came::Whole(page) => return Ok(RawRows::Whole(page)),
            Came::Part(bytes, rest) => (bytes, rest),
        };
        match PageStart::open(bytes) {
            Ok(start) => Ok(RawRows::Begun(Box::new(start), Box::new(PageRest { rest: *rest, patience: timing.answer }))),
            // Its rows stand before what says whose they are.
            Err(bytes) => {
                let body = rest.whole(bytes, PAGE_BYTES_MAX, timing.answer).await.map_err(|fault| broken(&fault))?;
                let answer = Answer { status: 200, headers: HeaderMap::new(), body, rest: None };
                page(&answer).map(|page| RawRows::Whole(Box::new(page))).map_err(|unread| fault_of_one(Failure::of_body(&answer, unread)))
            }
        }
    }

    /// Held by BigQuery until the job is done, or for so long. One attempt: whoever waits asks again.
    pub(super) async fn long_poll(&self, job: &JobName, patience: Duration) -> Result<RawPage, UpstreamFault> {
        let milliseconds = patience.as_millis().to_string();
        let query = [("maxResults".to_owned(), "0".to_owned()), ("timeoutMs".to_owned(), milliseconds)];
        let deadline = patience + self.connection.timing.answer;
        let ask = Ask { deadline, attempts_max: 1, held: true, ..self.results(job, &query) };
        self.connection.ask(Some(self.caller), &ask, page).await
    }

    /// What stands around the rows of a job that is done.
    pub(super) async fn head(&self, job: &JobName) -> Result<RawPage, UpstreamFault> {
        let ask = self.results(job, &[("maxResults".to_owned(), "0".to_owned())]);
        self.connection.ask(Some(self.caller), &ask, page).await
    }

    /// As the door built it, but for which rows.
    fn ask_from(&self, start_index: u64, rows_max: Option<u64>) -> Result<Ask, UpstreamFault> {
        let mut sends = self.sends.clone();
        sends.query.retain(|(name, _)| !PLACES.contains(&name.as_str()));
        sends.query.push(("startIndex".to_owned(), start_index.to_string()));
        sends.query.extend(rows_max.map(|count| ("maxResults".to_owned(), count.to_string())));
        Matter { connection: Arc::clone(&self.connection), caller: self.caller, sends: &sends }.ask()
    }

    fn results(&self, job: &JobName, query: &[(String, String)]) -> Ask {
        let path = format!("projects/{}/queries/{}", encoded(&job.project), encoded(&job.id));
        let mut query = query.to_vec();
        query.extend(self.place(job));
        Ask::get(&self.connection, &path, &query)
    }
}

/// What came of a page by the time that there was much of it.
enum Came {
    Part(Vec<u8>, Box<Rest>),
    Whole(Box<RawPage>),
}

struct PageRest {
    rest: Rest,
    patience: Duration,
}

impl RowsSource for PageRest {
    fn next(&mut self) -> Asking<'_, Result<Option<Bytes>, UpstreamFault>> {
        Box::pin(async { self.rest.next(self.patience).await.map_err(|fault| broken(&fault)) })
    }
}

fn came(answer: &mut Answer) -> Result<Came, Unread> {
    match answer.rest.take() {
        Some(rest) => Ok(Came::Part(mem::take(&mut answer.body), Box::new(rest))),
        None => page(answer).map(|page| Came::Whole(Box::new(page))),
    }
}

fn broken(fault: &ExchangeFault) -> UpstreamFault {
    fault_of_one(Failure::of_exchange(fault))
}

fn query(rows: &JobRows) -> Vec<(String, String)> {
    let mut query = Vec::new();
    let mut push = |name: &str, value: Option<String>| query.extend(value.map(|value| (name.to_owned(), value)));
    push("maxResults", rows.rows_max.map(|count| count.to_string()));
    push("pageToken", rows.page_token.clone());
    push("startIndex", rows.start_index.map(|index| index.to_string()));
    push("formatOptions.useInt64Timestamp", rows.int64_timestamps.then(|| "true".to_owned()));
    push("formatOptions.timestampOutputFormat", rows.timestamp_format.clone());
    query
}

fn page(answer: &Answer) -> Result<RawPage, Unread> {
    if let Some(error) = error_in_place(&answer.body) {
        return Err(Unread::Error(error));
    }
    RawPage::read(&answer.body).map_err(|fault| match fault {
        PageFault::TooLarge { .. } => Unread::TooLarge,
        fault @ PageFault::Shape(_) => Unread::Malformed(fault.to_string()),
    })
}

/// Errors come as an answer of their own; some warehouses put them into a page that has nothing else. Warnings beside a result are none.
fn error_in_place(body: &[u8]) -> Option<sluice_app::UpstreamError> {
    // Most pages have nothing that looks like it, and are read once.
    if body.len() > error::ERROR_BODY_BYTES_MAX || !body.windows(ERROR_MEMBER.len()).any(|bytes| bytes == ERROR_MEMBER) {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    if let Some(error) = error::of_value(&body) {
        return Some(error);
    }
    let has_result = body.get("schema").is_some() || body.get("numDmlAffectedRows").is_some() || body.get("rows").is_some_and(is_filled);
    let first = body.pointer("/errors/0").filter(|_| !has_result)?;
    Some(error::of_job(first))
}

fn is_filled(rows: &Value) -> bool {
    rows.as_array().is_none_or(|rows| !rows.is_empty())
}

/// The columns of a page, as the model has them.
pub(super) fn schema(page: &RawPage) -> Result<Option<Vec<sluice_model::Field>>, read::Misread> {
    page.head.schema.as_ref().map(read::fields).transpose()
}
