//! Rows on their way out: masked, on record piece by piece, and only then given to a door.

use crate::decide::{Admission, failed};
use crate::gateway::{Gateway, Passage};
use crate::joined::Step;
use crate::onward::{Coming, Onward, RowsToCome};
use crate::ports::{Asking, JobState, RawRows, RowsAsk};
use crate::query::Results;
use crate::record;
use crate::refusal::Why;
use crate::together::together;
use crate::trail::{DONE, Stage};
use sluice_ledger::Recorded;
use sluice_ledger::record::content::{ClearPath, MaskedCells, Page, Steps, Totals};
use sluice_ledger::record::{Draft, DraftError, SealedRecord};
use sluice_mask::{Head, MaskedCells as MaskedHere, MaskedRows, Masker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Masked rows that leave whole. More of them leave while they come.
const JOINED_WHOLE_BYTES_MAX: usize = 2 << 20;

/// Rows that may leave, with what stands around them.
pub(crate) struct Released {
    head: Head,
    rows: Vec<Recorded<MaskedRows>>,
    more: Option<RowsToCome>,
}

/// What has left for a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub pieces: u64,
    pub rows: u64,
    /// By path and mask.
    masked: BTreeMap<(String, String), MaskedCells>,
}

impl Left {
    pub fn add(&mut self, rows: &MaskedRows) {
        self.add_piece(rows.count(), rows.masked());
    }

    pub fn add_piece<'a>(&mut self, count: u64, masked: impl Iterator<Item = MaskedHere<'a>>) {
        self.pieces += 1;
        self.rows += count;
        for masked in masked {
            let key = (masked.covered.path.clone(), masked.covered.mask.clone());
            match self.masked.get_mut(&key) {
                Some(sum) => {
                    sum.cells += masked.cells;
                    sum.nulls += masked.nulls;
                }
                None => drop(self.masked.insert(key, written(&masked))),
            }
        }
    }

    pub fn totals(&self) -> Totals {
        Totals { rows: self.rows, masked: self.masked.values().cloned().collect(), ..Totals::default() }
    }
}

impl Released {
    pub fn left(&self) -> Left {
        left(&self.rows)
    }

    pub fn results(self) -> Results {
        Results { complete: true, head: self.head, rows: self.rows, more: self.more, ..Results::default() }
    }
}

impl Gateway {
    /// Rows, asked for and let out. Of a page that is still on its way its first rows, so that what is odd about them is still told. The others follow in
    /// `onward.rs`.
    pub(crate) async fn release(
        &self,
        passage: &mut Passage,
        admission: Admission,
        ask: RowsAsk,
        around: Option<Head>,
    ) -> Result<Released, Why> {
        if self.hides(passage, &admission).await {
            return self.release_joined(passage, admission, ask, around).await;
        }
        let asking = self.parts.upstream.rows(&admission.permit, &ask);
        let fault = |fault| failed(fault, admission.may_tell);
        let raw = passage.visit.trail.upstream(Stage::UpstreamRows, asking).await.map_err(fault)?;
        self.still_read(passage, admission.permit.value()).await?;
        let masker = Masker::new(admission.permit.value(), &self.parts.mask_keys);
        let begun = Instant::now();
        let (head, masked, onward) = match raw {
            RawRows::Whole(page) => {
                let head = page.head.clone();
                (head, masker.mask(*page), None)
            }
            RawRows::Begun(start, source) => {
                let head = start.head();
                let mut masking = masker.begin(*start)?;
                (head, masking.take(&[]), Some((masking, source)))
            }
        };
        passage.visit.trail.note_result(Stage::Mask, begun, &masked);
        passage.sampling = self.sampling(&masker, admission.permit.value(), &head);
        let rows = self.commit_rows(passage, 0, masked?).await?;
        let sizes = self.sizes(admission.permit.value().request(), admission.may_tell.sizes);
        let more = onward.map(|(masking, source)| {
            let (onward, more) = Onward::new(Coming::Page(Box::new(masking), source), &rows, sizes);
            passage.onward = Some(onward);
            more
        });
        Ok(Released { head: self.told_head(head, sizes), rows, more })
    }

    /// The same of as many pages as one answer needs. How it is sent, too, is for masked rows alone to say: what is short leaves whole, what is long
    /// leaves while it comes, and what stands before its rows is the same wherever BigQuery ended its pages.
    async fn release_joined(
        &self,
        passage: &mut Passage,
        admission: Admission,
        ask: RowsAsk,
        around: Option<Head>,
    ) -> Result<Released, Why> {
        let sizes = self.sizes(admission.permit.value().request(), admission.may_tell.sizes);
        let mut joined = self.join(passage, Arc::new(admission), ask, around).await?;
        let (mut pieces, mut bytes, mut long_row) = (Vec::new(), 0, None);
        let end = loop {
            match joined.next(self, passage, &mut long_row).await? {
                Step::End(head) => break Some(head),
                Step::Rows(rows) => {
                    bytes += rows.text().len();
                    pieces.push(rows);
                }
            }
            if bytes > JOINED_WHOLE_BYTES_MAX {
                break None;
            }
        };
        let rows = self.commit_rows(passage, 0, pieces).await?;
        if let Some(head) = end {
            return Ok(Released { head: self.told_head(*head, sizes), rows, more: None });
        }
        let head = self.told_head(joined.head_before(), sizes);
        let (onward, more) = Onward::new(Coming::Joined(Box::new(joined)), &rows, sizes);
        passage.onward = Some(onward);
        Ok(Released { head, rows, more: Some(more) })
    }

    /// Each piece on record, under its number; the first is `number`.
    pub(crate) async fn commit_rows(
        &self,
        passage: &Passage,
        number: u64,
        pieces: Vec<MaskedRows>,
    ) -> Result<Vec<Recorded<MaskedRows>>, Why> {
        let mut commits: Vec<Asking<'_, Result<Recorded<MaskedRows>, Why>>> = Vec::new();
        let trail = &passage.visit.trail;
        for (number, rows) in (number..).zip(pieces) {
            let sealed = self.seal_rows(passage, number, &rows)?;
            commits.push(Box::pin(async { Ok(Recorded::commit(rows, sealed, self.parts.log.as_ref()).await?) }));
        }
        let begun = Instant::now();
        // All at once, so that they share a sync.
        let released: Result<Vec<_>, Why> = together(commits).await.into_iter().collect();
        trail.note_result(Stage::Record, begun, &released);
        released
    }

    /// The record of one piece.
    pub(crate) fn seal_rows(&self, passage: &Passage, number: u64, rows: &MaskedRows) -> Result<SealedRecord, Why> {
        self.look_at_rows(passage, number, rows);
        self.seal_piece(passage, number, rows.count(), [rows.text().as_bytes()].into_iter(), rows.masked())
    }

    pub(crate) fn seal_piece<'a>(
        &self,
        passage: &Passage,
        number: u64,
        count: u64,
        parts: impl Iterator<Item = &'a [u8]>,
        masked: impl Iterator<Item = MaskedHere<'a>>,
    ) -> Result<SealedRecord, Why> {
        let (digest, bytes) = record::sha256_of(parts);
        passage.visit.trail.release(count, bytes);
        let page = Page::new(number, count, bytes, &digest, masked_cells(masked));
        Ok(self.parts.sealer.seal(&Steps { subject: passage.subject }.page(&page)?)?)
    }

    /// The end of a request that only read: what left is on record, so its client need not wait for this as well. A gateway that stops does.
    /// Where rows follow, their end is its end.
    pub(crate) fn complete_later(self: &Arc<Self>, passage: &mut Passage, state: &JobState, left: &Left) {
        if let Some(onward) = &mut passage.onward {
            onward.state = state.clone();
            return;
        }
        let gateway = Arc::clone(self);
        let draft = self.completed(passage, state, "completed", left);
        self.owed(async move { gateway.put_completed_unhurried(draft).await });
    }

    /// The end of a request that is no job.
    pub(crate) async fn complete(&self, passage: &Passage, state: &JobState, outcome: &str) {
        let begun = Instant::now();
        self.put_completed(self.completed(passage, state, outcome, &Left::default())).await;
        passage.visit.trail.note(Stage::Record, begun, DONE);
    }

    pub(crate) fn completed(&self, passage: &Passage, state: &JobState, outcome: &str, left: &Left) -> Result<Draft, DraftError> {
        let mut meta = passage.with_pages(record::meta(&passage.visit, &passage.connection, outcome, None));
        if !state.name.id.is_empty() {
            meta = record::of_job(meta, &state.name);
        }
        Steps { subject: passage.subject }.completed(&meta, &totals(passage, left), &record::upstream(state))
    }

    pub(crate) async fn put_completed_unhurried(&self, draft: Result<Draft, DraftError>) {
        match draft {
            Ok(draft) => self.put_outcome_unhurried(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("an end has no record: {error}")),
        }
    }

    pub(crate) async fn put_completed(&self, draft: Result<Draft, DraftError>) {
        match draft {
            Ok(draft) => self.put_outcome(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("an end has no record: {error}")),
        }
    }
}

pub(crate) fn left(rows: &[Recorded<MaskedRows>]) -> Left {
    let mut left = Left::default();
    rows.iter().for_each(|rows| left.add(rows.value()));
    left
}

/// A path that these rows have no cell of says nothing.
fn masked_cells<'a>(masked: impl Iterator<Item = MaskedHere<'a>>) -> Vec<MaskedCells> {
    let masked = masked.filter(|masked| masked.cells > 0);
    masked.map(|masked| written(&masked)).collect()
}

fn written(masked: &MaskedHere<'_>) -> MaskedCells {
    MaskedCells {
        path: masked.covered.path.clone(),
        mask: masked.covered.mask.clone(),
        cells: masked.cells,
        nulls: masked.nulls,
        labels: masked.covered.labels.iter().cloned().collect(),
        columns: masked.covered.columns.iter().cloned().collect(),
    }
}

/// All that left, and what of it was labelled and left as it is.
pub(crate) fn totals(passage: &Passage, left: &Left) -> Totals {
    let clear = passage.decision.iter().filter(|_| left.rows > 0).flat_map(|decision| &decision.evaluation.clear);
    let clear = clear.map(|path| ClearPath {
        path: record::path_of(&path.name, &path.at),
        labels: path.labels.iter().cloned().collect(),
        columns: path.columns.iter().cloned().collect(),
    });
    Totals { clear: clear.collect(), ..left.totals() }
}
