//! A page of rows that is masked while it comes: no more of it is in memory than a piece, and the row that is not whole yet.
//!
//! A row that leaves has been looked at whole. What is odd behind it ends the answer there.

use crate::around::Around;
use crate::masker::{MaskFault, MaskedRows, ROWS_BYTES_MAX};
use crate::page::{HEAD_MEMBER_BYTES_MAX, Head, PageFault, PageJob, Pieces, ROWS};
use crate::scan::Scan;
use crate::schema::Columns;
use crate::write::{Bound, Writer, Written};
use std::fmt;
use std::mem;
use std::sync::Arc;

/// Of one row, and of what stands behind the last one.
pub const ROW_BYTES_MAX: usize = 64 << 20;
/// BigQuery's own pages end at some ten megabytes; an answer that never ends is none.
pub const PAGE_ON_ITS_WAY_BYTES_MAX: u64 = 1 << 30;
/// What comes between two looks at it.
const LOOK_BYTES: usize = 256 << 10;
/// What is taken of new bytes to make a row whole that had begun before them.
const JOIN_BYTES: usize = 4 << 10;

/// What stands before the rows of a page, and what of the rows has come with it.
pub struct PageStart {
    around: Around,
    bytes: Vec<u8>,
}

/// The rows of one page, on their way.
pub struct Masking {
    around: Around,
    columns: Columns,
    /// From the first row that has not left.
    buffer: Vec<u8>,
    /// Where in the buffer the next thing begins.
    at: usize,
    /// Whole rows in the buffer, in pieces; where nothing is masked.
    found: Pieces,
    /// Where something is: rows leave from here, and the buffer holds none that is whole.
    written: Option<Written>,
    place: Place,
    /// How long the buffer is at the next look.
    look_at: usize,
    taken: u64,
    sizes: Sizes,
}

/// Smaller in tests.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) piece: usize,
    pub(crate) look: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind the bracket that opens the rows.
    Opened,
    BeforeRow,
    BehindRow,
    /// Behind the bracket that closes them.
    Tail,
}

impl PageStart {
    /// As far as the rows, if what stands before them says whose they are. Otherwise the bytes are given back: that page is read whole.
    pub fn open(mut bytes: Vec<u8>) -> Result<PageStart, Vec<u8>> {
        let Some((around, at)) = before_rows(&bytes) else { return Err(bytes) };
        bytes.drain(..at);
        Ok(PageStart { around, bytes })
    }

    /// What is known of the page so far. That it is complete is assumed until the last byte says so.
    pub fn head(&self) -> Head {
        Head { complete: true, ..self.around.head.clone() }
    }

    /// How many rows there are if `rest`, which comes in parts of `step` bytes, makes the page whole. It shows none of them.
    pub fn fits_schema(self, rest: &[u8], step: usize) -> Result<u64, MaskFault> {
        let columns = self.around.head.schema.as_ref().and_then(Columns::of_schema).ok_or(MaskFault::Shape)?;
        let mut masking = Masking::new(self, columns, None);
        let mut count = 0;
        for bytes in rest.chunks(step.max(1)) {
            count += masking.take(bytes)?.iter().map(MaskedRows::count).sum::<u64>();
        }
        let (rows, _) = masking.end()?;
        Ok(count + rows.iter().map(MaskedRows::count).sum::<u64>())
    }

    /// Of its rows, as far as they have come.
    pub fn rows_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn job(&self) -> Option<&PageJob> {
        self.around.job()
    }
}

fn before_rows(bytes: &[u8]) -> Option<(Around, usize)> {
    let mut scan = Scan::new(valid(bytes)?);
    let mut around = Around::default();
    scan.take(b'{').ok()?;
    loop {
        if !around.is_empty() {
            scan.take(b',').ok()?;
        }
        let mut ahead = scan.clone();
        if ahead.read_string().ok()? == ROWS {
            ahead.take(b':').ok()?;
            ahead.take(b'[').ok()?;
            around.enter(ROWS.to_owned()).ok()?;
            return around.leads_to_rows().then_some((around, ahead.at()));
        }
        around.member(&mut scan).ok()?;
    }
}

/// Without the part of a letter at its end. Nothing where there is something else than text.
fn valid(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok(),
        Err(_) => None,
    }
}

impl Masking {
    pub(crate) fn new(start: PageStart, columns: Columns, writer: Option<Writer>) -> Masking {
        Masking::with(start, columns, writer, Sizes { piece: ROWS_BYTES_MAX, look: LOOK_BYTES })
    }

    pub(crate) fn with(start: PageStart, columns: Columns, writer: Option<Writer>, sizes: Sizes) -> Masking {
        let PageStart { around, bytes } = start;
        Masking {
            around,
            taken: bytes.len() as u64,
            buffer: bytes,
            at: 0,
            found: Pieces::default(),
            written: writer.map(|writer| Written::new(writer, columns.clone())),
            place: Place::Opened,
            look_at: 0,
            sizes,
            columns,
        }
    }

    /// The next bytes, cut anywhere. What is whole by now may leave.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<MaskedRows>, MaskFault> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > PAGE_ON_ITS_WAY_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        if self.written.is_some() {
            self.rewrite(bytes)?;
            return self.leave(self.place == Place::Tail);
        }
        self.buffer.extend_from_slice(bytes);
        if !self.is_time_to_look() {
            return Ok(Vec::new());
        }
        self.look()?;
        self.leave(self.place == Place::Tail)
    }

    /// Of the row that is not whole yet, and what has not been looked at.
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// The page has ended: its last rows, and all that stands around them.
    pub fn end(mut self) -> Result<(Vec<MaskedRows>, Head), MaskFault> {
        self.look()?;
        let rows = self.leave(true)?;
        Ok((rows, self.behind_rows()?))
    }

    fn behind_rows(mut self) -> Result<Head, MaskFault> {
        let tail = self.buffer.get(self.at..).and_then(|tail| std::str::from_utf8(tail).ok());
        let tail = tail.filter(|_| self.place == Place::Tail).ok_or(MaskFault::Shape)?;
        let mut scan = Scan::new(tail);
        while !scan.eat(b'}') {
            scan.take(b',')?;
            self.around.member(&mut scan)?;
        }
        scan.end()?;
        let (head, _) = self.around.finish(true)?;
        Ok(head)
    }

    /// A page that goes on from another one.
    pub(crate) fn going_on(start: PageStart, columns: Columns, written: Written) -> Masking {
        Masking { written: Some(written), ..Masking::new(start, columns, None) }
    }

    /// The page has ended, and what is written goes on.
    pub(crate) fn end_part(mut self) -> Result<(Written, Head), MaskFault> {
        self.look()?;
        let written = self.written.take().ok_or(MaskFault::Shape)?;
        Ok((written, self.behind_rows()?))
    }

    pub(crate) fn into_written(self) -> Option<Written> {
        self.written
    }

    pub(crate) fn bound(&self) -> Option<Bound> {
        self.written.as_ref().and_then(|written| written.bound)
    }

    fn is_time_to_look(&self) -> bool {
        self.buffer.len() >= self.look_at || self.waiting_bytes() > self.rest_bytes_max()
    }

    fn look(&mut self) -> Result<(), MaskFault> {
        let buffer = mem::take(&mut self.buffer);
        let text = buffer.get(self.at..).and_then(valid).ok_or(MaskFault::Shape)?;
        let passed = self.pass(text, self.at)?;
        self.buffer = buffer;
        self.at += passed;
        if self.written.is_some() {
            self.forget_passed();
        }
        self.look_again(passed > 0, self.sizes.look)
    }

    /// Rows that are written anew are read where they came. Of these bytes only the beginning of a row is kept.
    fn rewrite(&mut self, mut bytes: &[u8]) -> Result<(), MaskFault> {
        let step = self.sizes.look.min(JOIN_BYTES);
        while !self.buffer.is_empty() {
            let kept = self.buffer.len();
            let (more, behind) = bytes.split_at(self.look_at.saturating_sub(kept).min(bytes.len()));
            self.buffer.extend_from_slice(more);
            if !self.is_time_to_look() {
                return Ok(());
            }
            let buffer = mem::take(&mut self.buffer);
            self.at = self.pass(valid(&buffer).ok_or(MaskFault::Shape)?, 0)?;
            self.buffer = buffer;
            // The row that had begun is over: what follows it lies in what came.
            let joined = self.at.checked_sub(kept);
            bytes = joined.map_or(Some(behind), |joined| bytes.get(joined..)).ok_or(MaskFault::Shape)?;
            let is_further = self.at > 0;
            match joined {
                Some(_) => (self.at, self.buffer) = (0, Vec::new()),
                None => self.forget_passed(),
            }
            self.look_again(is_further, step)?;
            if joined.is_none() && bytes.is_empty() {
                return Ok(());
            }
        }
        let passed = self.pass(valid(bytes).ok_or(MaskFault::Shape)?, 0)?;
        self.buffer.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        self.look_again(passed > 0, step)
    }

    /// Over all rows of a text that are whole; it begins so far in the buffer. One that is not may be the beginning of one, or odd: the end of the page tells.
    fn pass(&mut self, text: &str, begun_at: usize) -> Result<usize, MaskFault> {
        let mut scan = Scan::new(text);
        let mut passed = 0;
        while self.place != Place::Tail && scan.peek().is_some() {
            match self.place {
                Place::Opened if scan.eat(b']') => self.place = Place::Tail,
                Place::BehindRow if scan.eat(b']') => self.place = Place::Tail,
                Place::BehindRow => {
                    scan.take(b',')?;
                    self.place = Place::BeforeRow;
                }
                _ => {
                    let from = scan.at();
                    let row = match &mut self.written {
                        Some(written) => written.next(&mut scan, self.sizes.piece),
                        None => self.columns.row(&mut scan),
                    };
                    if row.is_err() {
                        break;
                    }
                    if self.written.is_none() {
                        self.found.add_within(begun_at + from, begun_at + scan.at(), self.sizes.piece);
                    }
                    self.place = Place::BehindRow;
                }
            }
            passed = scan.at();
        }
        if self.written.as_ref().is_some_and(Written::is_too_long) { Err(MaskFault::Shape) } else { Ok(passed) }
    }

    /// What has been written stands there.
    fn forget_passed(&mut self) {
        self.buffer.drain(..self.at);
        self.at = 0;
    }

    /// A row that is longer than what was looked at is not looked at again until there is twice as much of it.
    fn look_again(&mut self, is_further: bool, step: usize) -> Result<(), MaskFault> {
        let rest = self.waiting_bytes();
        if rest > self.rest_bytes_max() {
            return Err(MaskFault::Shape);
        }
        self.look_at = self.buffer.len() + if is_further { step } else { rest.max(step) };
        Ok(())
    }

    fn rest_bytes_max(&self) -> usize {
        if self.place == Place::Tail { HEAD_MEMBER_BYTES_MAX } else { ROW_BYTES_MAX }
    }

    /// Whole pieces, all but the last one, which may still grow; that one too if nothing more will come.
    fn leave(&mut self, all: bool) -> Result<Vec<MaskedRows>, MaskFault> {
        if let Some(written) = &mut self.written {
            let cover = Arc::clone(&written.writer.cover);
            return MaskedRows::of_written(written.leave(all), &cover);
        }
        let held = if all { None } else { self.found.0.pop() };
        if self.found.0.is_empty() {
            self.found.0.extend(held);
            return Ok(Vec::new());
        }
        let keep_from = held.map_or(self.at, |(from, ..)| from);
        let mut kept = Vec::with_capacity(self.sizes.piece + 2 * self.sizes.look);
        kept.extend_from_slice(self.buffer.get(keep_from..).ok_or(MaskFault::Shape)?);
        let mut gone = mem::replace(&mut self.buffer, kept);
        gone.truncate(keep_from);
        let gone = Arc::new(String::from_utf8(gone).map_err(|_| MaskFault::Shape)?);
        self.at -= keep_from;
        self.look_at = self.look_at.saturating_sub(keep_from);
        let pieces = mem::take(&mut self.found.0).into_iter();
        self.found.0.extend(held.map(|(from, to, count)| (from - keep_from, to - keep_from, count)));
        pieces.map(|piece| MaskedRows::of_piece(&gone, piece)).collect::<Option<_>>().ok_or(MaskFault::Shape)
    }
}

impl From<PageFault> for MaskFault {
    fn from(_: PageFault) -> MaskFault {
        MaskFault::Shape
    }
}

/// Rows do not reach a log.
impl fmt::Debug for PageStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PageStart").field("head", &self.around.head).field("rows_bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Masking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Masking").field("taken", &self.taken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
