//! Rows with masked columns, on their way out: an answer ends where masked rows, or the client, say so. BigQuery ends its pages by the bytes of what is
//! hidden, too; so as many of them as are needed are read for one answer, one after the other, and where they ended is told to nobody.

use crate::decide::{Admission, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{KnownJob, owner_of};
use crate::places::{LONG_ROW_BYTES_MIN, LongRow};
use crate::ports::{RawRows, RowsAsk, RowsSource};
use crate::refusal::{FormReason, Why};
use crate::trail::Stage;
use sluice_mask::{Head, JOINED_BYTES_MAX, Joining, MaskedRows, Masker};
use sluice_policy::{Known, Purpose, Request, Resource, Work};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Of BigQuery's, for one answer: hidden values can be much longer than what is shown of them.
pub const JOINED_READ_BYTES_MAX: u64 = 1 << 30;

/// The pages of one answer.
pub(crate) struct Joined {
    joining: Joining,
    /// The page that is on its way.
    source: Option<Box<dyn RowsSource>>,
    admission: Arc<Admission>,
    ask: RowsAsk,
    /// Its tokens are for this one.
    result: Vec<String>,
    /// The first row, in the result.
    start: u64,
    /// What stands around the rows, where that is known beside the pages. Otherwise the first page says so, and is read to its end.
    around: Option<Head>,
    read_bytes: u64,
    /// When the last page was asked for.
    rows_before: u64,
    /// What was decided by.
    policy: String,
    known: Arc<Known>,
    is_finished: bool,
}

pub(crate) enum Step {
    Rows(MaskedRows),
    /// All rows have gone; and what stands around them.
    End(Box<Head>),
}

impl Gateway {
    /// Whether the rows of this permit hide something, or what is beside them and was not asked for.
    pub(crate) async fn hides(&self, passage: &Passage, admission: &Admission) -> bool {
        let permit = admission.permit.value();
        let request = permit.request();
        if !permit.masks().is_empty() {
            return true;
        }
        let is_picked = request.sends.query.iter().any(|(name, _)| name == "selectedFields");
        match &request.work {
            _ if !is_picked => false,
            Work::Statement(_) => !admission.may_tell.texts,
            Work::Method(method) => match &method.resource {
                Resource::Table(table) => !self.shows_whole(passage, &request.project, table, &self.parts.in_force.known()).await,
                _ => false,
            },
        }
    }

    /// The answer, with its first page asked for.
    pub(crate) async fn join(
        &self,
        passage: &mut Passage,
        admission: Arc<Admission>,
        ask: RowsAsk,
        around: Option<Head>,
    ) -> Result<Joined, Why> {
        let permit = admission.permit.value();
        let request = permit.request();
        if said(request, "pageToken").is_some() {
            return Err(foreign_token());
        }
        let number = |name: &str| said(request, name).and_then(|text| text.parse().ok());
        let (start, rows_max): (Option<u64>, Option<u64>) = (number("startIndex"), number("maxResults"));
        let joining = Masker::new(permit, &self.parts.mask_keys).writing(permit, &self.parts.mask_keys).join(rows_max, JOINED_BYTES_MAX);
        let mut joined = Joined {
            joining,
            source: None,
            ask,
            result: result_of(passage, request),
            start: start.unwrap_or_default(),
            around,
            read_bytes: 0,
            rows_before: 0,
            policy: permit.decision().policy.to_string(),
            known: self.known_now().await?,
            admission: Arc::clone(&admission),
            is_finished: false,
        };
        let first = joined.ask.clone();
        joined.read_page(self, passage, &first).await?;
        passage.sampling = self.sampling(joined.joining.masker(), admission.permit.value(), joined.joining.head());
        Ok(joined)
    }

    /// A token of the gateway's says a row.
    pub(crate) fn row_of_token(&self, result: &[String], token: &str) -> Result<Option<u64>, Why> {
        let result: Vec<&str> = result.iter().map(String::as_str).collect();
        match self.parts.mask_keys.token_row(&result, token) {
            None => Ok(None),
            Some(Some(row)) => Ok(Some(row)),
            Some(None) => Err(foreign_token()),
        }
    }

    /// What a client sent to go on by, as BigQuery understands it.
    pub(crate) fn resume(&self, passage: &Passage, request: &mut Request) -> Result<(), Why> {
        let Some(token) = said(request, "pageToken") else { return Ok(()) };
        if let Some(row) = self.row_of_token(&result_of(passage, request), token)? {
            request.sends.query.retain(|(name, _)| name != "pageToken" && name != "startIndex");
            request.sends.query.push(("startIndex".to_owned(), row.to_string()));
        }
        Ok(())
    }
}

impl Joined {
    /// The next piece. Pieces, too, are as long as masked rows make them.
    pub async fn next<'a>(&mut self, gateway: &'a Gateway, passage: &Passage, long_row: &mut Option<LongRow<'a>>) -> Result<Step, Why> {
        loop {
            if let Some(rows) = self.joining.piece() {
                return Ok(Step::Rows(rows));
            }
            if self.is_finished {
                return Ok(Step::End(Box::new(self.head(gateway))));
            }
            if self.source.is_some() {
                self.read_on().await?;
                if self.joining.waiting_bytes() < LONG_ROW_BYTES_MIN {
                    *long_row = None;
                } else if long_row.is_none() {
                    *long_row = Some(gateway.long_rows.take(&passage.caller.principal().to_string()).await?);
                }
            } else if self.joining.has_more() && !self.joining.is_full() {
                self.go_on(gateway, passage).await?;
            } else {
                self.joining.finish()?;
                self.is_finished = true;
            }
        }
    }

    /// For an answer that begins before its rows are all there.
    pub fn head_before(&self) -> Head {
        Head { complete: true, page_token: None, ..self.around.clone().unwrap_or_default() }
    }

    async fn read_on(&mut self) -> Result<(), Why> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let may_tell = self.admission.may_tell;
        let Some(bytes) = source.next().await.map_err(|fault| failed(fault, may_tell))? else {
            self.source = None;
            return Ok(self.joining.end_page()?);
        };
        self.count(bytes.len())?;
        self.joining.take(&bytes)?;
        // Nothing is wanted of the rest.
        if self.around.is_some() && self.joining.is_full() && self.joining.has_more() {
            self.source = None;
            self.joining.leave_page()?;
        }
        Ok(())
    }

    /// The next page, as if its client had asked for it.
    async fn go_on(&mut self, gateway: &Gateway, passage: &Passage) -> Result<(), Why> {
        gateway.still_allowed(passage)?;
        let (policy, known) = (gateway.parts.in_force.policy().digest.to_string(), gateway.known_now().await?);
        if policy != self.policy || !Arc::ptr_eq(&known, &self.known) {
            gateway.still_decided(passage, self.admission.permit.value(), &known)?;
            (self.policy, self.known) = (policy, known);
        }
        let rows = self.joining.rows();
        // A page without rows that says that some follow would be asked for again and again.
        if rows <= self.rows_before {
            return Err(Why::broke_off());
        }
        self.rows_before = rows;
        let next = self.ask.further(self.start.saturating_add(rows), self.joining.rows_wanted());
        self.read_page(gateway, passage, &next).await
    }

    async fn read_page(&mut self, gateway: &Gateway, passage: &Passage, ask: &RowsAsk) -> Result<(), Why> {
        let (admission, trail) = (Arc::clone(&self.admission), &passage.visit.trail);
        let asking = gateway.parts.upstream.rows(&admission.permit, ask);
        passage.pages.fetch_add(1, Ordering::Relaxed);
        let page = trail.upstream(Stage::UpstreamRows, asking).await.map_err(|fault| failed(fault, admission.may_tell))?;
        gateway.still_read(passage, admission.permit.value()).await?;
        let begun = Instant::now();
        let opened = self.open(page);
        trail.note_result(Stage::Mask, begun, &opened);
        opened
    }

    fn open(&mut self, page: RawRows) -> Result<(), Why> {
        match page {
            RawRows::Whole(page) => {
                self.count(page.rows_bytes())?;
                self.joining.whole(&page)?;
            }
            RawRows::Begun(start, source) => {
                self.count(start.rows_bytes())?;
                self.joining.begin(*start)?;
                self.joining.take(&[])?;
                self.source = Some(source);
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Why> {
        self.read_bytes = self.read_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.read_bytes <= JOINED_READ_BYTES_MAX {
            return Ok(());
        }
        let text = format!(
            "the rows of one answer have more than {JOINED_READ_BYTES_MAX} bytes before they are masked: ask for fewer at a time (`maxResults`)"
        );
        Err(Why::Form { reason: FormReason::AnswerTooLarge, text })
    }

    fn head(&self, gateway: &Gateway) -> Head {
        let said = self.joining.head();
        let row = self.start.saturating_add(self.joining.rows());
        let result: Vec<&str> = self.result.iter().map(String::as_str).collect();
        let page_token = self.joining.has_more().then(|| gateway.parts.mask_keys.page_token(&result, row));
        Head { page_token, complete: said.complete, ..self.around.clone().unwrap_or_else(|| said.clone()) }
    }
}

/// Whose tokens, and of which rows: the same job has the same ones by each of its methods.
fn result_of(passage: &Passage, request: &Request) -> Vec<String> {
    match &request.work {
        Work::Statement(statement) => match &statement.purpose {
            Purpose::Page { job, .. } => of_job(passage, &request.connection, &request.project, job),
            Purpose::Dispatch | Purpose::DryRun => Vec::new(),
        },
        Work::Method(_) => vec!["table".to_owned(), owner_of(&passage.caller), request.connection.clone(), request.sends.path.clone()],
    }
}

pub(crate) fn result_of_job(passage: &Passage, known: &KnownJob) -> Vec<String> {
    of_job(passage, &known.connection, &known.name.project, &known.name.id)
}

fn of_job(passage: &Passage, connection: &str, project: &str, job: &str) -> Vec<String> {
    vec!["job".to_owned(), owner_of(&passage.caller), connection.to_owned(), project.to_owned(), job.to_owned()]
}

fn said<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.sends.query.iter().find(|(said, _)| said == name).map(|(_, value)| value.as_str())
}

fn foreign_token() -> Why {
    let text =
        "`pageToken` is none of this result's, or was given before its columns were hidden from you: begin again without it".to_owned();
    Why::Form { reason: FormReason::Invalid, text }
}
