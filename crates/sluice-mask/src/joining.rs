//! One answer out of several pages. BigQuery ends a page by the bytes of what is hidden, too: whoever makes a hidden value long for one answer to a
//! question, and short for the other, would read it off the number of rows. So the rows of its pages are joined, and where an answer ends, and its
//! pieces, is for masked rows alone to say.

use crate::masker::{MaskFault, MaskedRows, Masker, ROWS_BYTES_MAX};
use crate::masking::{Masking, PageStart};
use crate::page::{Head, RawPage};
use crate::scan::Scan;
use crate::schema::Columns;
use crate::write::{Bound, Written};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Masked rows of one answer end behind the row that reaches this: twice what a page of BigQuery's has, so that mostly whole pages fit.
pub const JOINED_BYTES_MAX: usize = 20 << 20;
/// More is asked for than is expected to fit, by one part of so many.
const MARGIN_PART: u64 = 8;

/// The pages are begun and ended one after the other, by whoever fetches them.
pub struct Joining {
    masker: Masker,
    bound: Bound,
    columns: Option<Columns>,
    state: State,
    ready: VecDeque<MaskedRows>,
    /// What stands around the rows of the first page, as far as it has been read.
    head: Head,
    is_first: bool,
    /// BigQuery has said that rows follow its last page.
    follows: bool,
}

enum State {
    /// No rows yet.
    Empty,
    Between(Box<Written>),
    Within(Box<Masking>),
}

impl Joining {
    pub(crate) fn new(masker: Masker, bound: Bound) -> Joining {
        let (head, ready) = (Head::default(), VecDeque::new());
        Joining { masker, bound, columns: None, state: State::Empty, ready, head, is_first: true, follows: false }
    }

    /// A page that is there.
    pub fn whole(&mut self, page: &RawPage) -> Result<(), MaskFault> {
        self.follows = false;
        let columns = self.masker.columns(page.head.schema.as_ref(), page.job.as_ref())?;
        if Scan::new(&page.rows).peek().is_some() {
            let mut written = self.written(columns.as_ref(), page.head.schema.is_some())?;
            written.page(page)?;
            self.leave(&mut written)?;
            self.state = State::Between(Box::new(written));
        }
        self.ended(page.head.clone());
        Ok(())
    }

    /// A page that is on its way.
    pub fn begin(&mut self, start: PageStart) -> Result<(), MaskFault> {
        self.follows = false;
        let head = start.head();
        let columns = self.masker.columns(head.schema.as_ref(), start.job())?;
        let written = self.written(columns.as_ref(), head.schema.is_some())?;
        let columns = self.columns.clone().ok_or(MaskFault::Shape)?;
        if self.is_first {
            self.head = head;
        }
        self.state = State::Within(Box::new(Masking::going_on(start, columns, written)));
        Ok(())
    }

    /// The next bytes of it, cut anywhere.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), MaskFault> {
        let State::Within(masking) = &mut self.state else { return Err(MaskFault::Shape) };
        self.ready.extend(masking.take(bytes)?);
        Ok(())
    }

    /// It has come to its end.
    pub fn end_page(&mut self) -> Result<(), MaskFault> {
        let State::Within(masking) = std::mem::replace(&mut self.state, State::Empty) else { return Err(MaskFault::Shape) };
        let (mut written, head) = masking.end_part()?;
        self.leave(&mut written)?;
        self.state = State::Between(Box::new(written));
        self.ended(head);
        Ok(())
    }

    /// Nothing more is wanted of it. What stands around its rows has not been read.
    pub fn leave_page(&mut self) -> Result<(), MaskFault> {
        let State::Within(masking) = std::mem::replace(&mut self.state, State::Empty) else { return Err(MaskFault::Shape) };
        self.state = State::Between(Box::new(masking.into_written().ok_or(MaskFault::Shape)?));
        Ok(())
    }

    /// No more pages: the last piece is whole.
    pub fn finish(&mut self) -> Result<(), MaskFault> {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Empty => {}
            State::Between(mut written) => {
                self.bound = written.bound.take().unwrap_or(self.bound);
                self.leave(&mut written)?;
            }
            State::Within(_) => return Err(MaskFault::Shape),
        }
        Ok(())
    }

    /// A piece that is whole.
    pub fn piece(&mut self) -> Option<MaskedRows> {
        self.ready.pop_front()
    }

    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many rows the answer has so far.
    pub fn rows(&self) -> u64 {
        self.bound().rows
    }

    /// No row more belongs into this answer.
    pub fn is_full(&self) -> bool {
        self.bound().is_full()
    }

    /// Rows are there that are not in this answer.
    pub fn has_more(&self) -> bool {
        self.follows || self.bound().passed
    }

    /// How many rows to ask for, so that few come that do not fit. Nothing where any number may.
    pub fn rows_wanted(&self) -> Option<u64> {
        let bound = self.bound();
        let bytes_left = u64::try_from(bound.bytes_max.saturating_sub(bound.bytes)).unwrap_or(u64::MAX);
        let bytes = u64::try_from(bound.bytes).unwrap_or(u64::MAX);
        let fitting = (bytes > 0).then(|| u128::from(bytes_left) * u128::from(bound.rows) / u128::from(bytes));
        let fitting = fitting.map(|rows| u64::try_from(rows).unwrap_or(u64::MAX)).map(|rows| rows.saturating_add(rows / MARGIN_PART + 1));
        let left = bound.rows_max.map(|max| max.saturating_sub(bound.rows));
        fitting.into_iter().chain(left).min()
    }

    /// Of the row that is not whole yet.
    pub fn waiting_bytes(&self) -> usize {
        if let State::Within(masking) = &self.state { masking.waiting_bytes() } else { 0 }
    }

    fn bound(&self) -> Bound {
        let within = match &self.state {
            State::Empty => None,
            State::Between(written) => written.bound,
            State::Within(masking) => masking.bound(),
        };
        within.unwrap_or(self.bound)
    }

    /// All pages of an answer have the same columns.
    fn written(&mut self, columns: Option<&Columns>, has_schema: bool) -> Result<Written, MaskFault> {
        let columns = columns.ok_or(MaskFault::Shape)?;
        if self.columns.as_ref().is_some_and(|first| first != columns) {
            return Err(MaskFault::Shape);
        }
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Empty => {
                let writer = self.masker.writer(Some(columns), has_schema).ok_or(MaskFault::Unfit)??;
                self.columns = Some(columns.clone());
                let mut written = Written::new(writer, columns.clone());
                written.bound = Some(self.bound);
                Ok(written)
            }
            State::Between(written) => Ok(*written),
            State::Within(_) => Err(MaskFault::Shape),
        }
    }

    fn leave(&mut self, written: &mut Written) -> Result<(), MaskFault> {
        let cover = Arc::clone(&written.writer.cover);
        self.ready.extend(MaskedRows::of_written(written.leave(true), &cover)?);
        Ok(())
    }

    fn ended(&mut self, head: Head) {
        self.follows = head.page_token.is_some();
        if self.is_first {
            self.head = head;
        }
        self.is_first = false;
    }
}

impl Written {
    /// All rows of a page that is whole.
    fn page(&mut self, page: &RawPage) -> Result<(), MaskFault> {
        let mut scan = Scan::new(&page.rows);
        loop {
            scan.peek();
            self.next(&mut scan, ROWS_BYTES_MAX)?;
            if !scan.eat(b',') {
                break;
            }
        }
        Ok(scan.end()?)
    }
}

/// Rows do not reach a log.
impl fmt::Debug for Joining {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Joining").field("rows", &self.rows()).finish_non_exhaustive()
    }
}
