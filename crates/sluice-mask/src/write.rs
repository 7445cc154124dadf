//! Rows written anew: what is clear is copied as it stands, what is masked is not.

use crate::cover::{Cover, Part};
use crate::masker::ROWS_BYTES_MAX;
use crate::masking::ROW_BYTES_MAX;
use crate::page::Pieces;
use crate::scan::{Odd, Scan};
use crate::schema::{Column, Columns, close_row, open, open_row};
use crate::value::{Cell, Scalar, Values, keeps_plain};
use sluice_policy::Mask;
use std::mem;
use std::sync::Arc;

/// Of a plain cell: around its value `{"v":` and `}`, around its text the quotes as well.
const VALUE_MARGINS: (usize, usize) = (5, 1);
const TEXT_MARGINS: (usize, usize) = (6, 2);
/// Room for what is written before it leaves; one long row takes more.
const ROOM_BYTES_MAX: usize = 2 * ROWS_BYTES_MAX;

/// How to write the rows of a page.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) cover: Arc<Cover>,
    pub(crate) values: Values,
}

/// Cells of one masked path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) cells: u64,
    pub(crate) nulls: u64,
}

/// What has been written and has not left. No `Debug`: rows do not reach a log.
pub(crate) struct Written {
    pub(crate) writer: Writer,
    columns: Columns,
    /// One for each column.
    steps: Vec<Step>,
    text: String,
    pieces: Pieces,
    /// Of each piece.
    counts: Vec<Vec<Count>>,
    /// Of the row that is being written.
    row: Vec<Count>,
    /// A row became longer than one may be.
    too_long: bool,
    /// Where the rows of more than one page are joined: what there is of them, and may be. Their pieces go on from page to page.
    pub(crate) bound: Option<Bound>,
}

/// What is done at one column of a row, where its cell is a plain one.
#[derive(Debug)]
enum Step {
    /// It and those behind it are passed, so many of them.
    Pass(usize),
    /// The same takes its place, whatever it holds.
    Same(String),
    /// What a mask leaves of its text takes its place.
    Text,
    /// What a mask leaves of its value.
    Value,
    Other,
}

/// Whole pieces, in one text that they share.
pub(crate) struct Leaving {
    pub(crate) text: Arc<String>,
    pub(crate) pieces: Vec<((usize, usize, u64), Vec<Count>)>,
}

impl Written {
    pub(crate) fn new(writer: Writer, columns: Columns) -> Written {
        let (row, steps) = (vec![Count::default(); writer.cover.paths.len()], steps(&columns, &writer));
        let (text, pieces, counts) = (String::new(), Pieces::default(), Vec::new());
        Written { writer, columns, steps, text, pieces, counts, row, too_long: false, bound: None }
    }

    /// The next row, checked as it is written. Of one that is odd, or not whole yet, nothing stays.
    pub(crate) fn row(&mut self, scan: &mut Scan<'_>, piece_bytes_max: usize) -> Result<(), Odd> {
        let before = self.text.len();
        if before > 0 {
            self.text.push(',');
        }
        let from = self.text.len();
        self.row.fill(Count::default());
        let mut row = Row { text: &mut self.text, counts: &mut self.row, values: &self.writer.values, from, copied: scan.at() };
        let written = row.row(&self.columns, &self.writer.cover.parts, &self.steps, scan).and_then(|()| row.copy(scan, scan.at()));
        if let Err(odd) = written {
            self.too_long |= self.text.len() - from > ROW_BYTES_MAX;
            self.text.truncate(before);
            return Err(odd);
        }
        self.pieces.add_within(from, self.text.len(), piece_bytes_max);
        if self.counts.len() < self.pieces.0.len() {
            self.counts.push(vec![Count::default(); self.row.len()]);
        }
        for (sum, count) in self.counts.last_mut().into_iter().flatten().zip(&self.row) {
            sum.cells += count.cells;
            sum.nulls += count.nulls;
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// All but the last piece, which may still grow; that one too if nothing more will come.
    pub(crate) fn leave(&mut self, all: bool) -> Option<Leaving> {
        let held = if all && self.bound.is_none() { None } else { self.pieces.0.pop().zip(self.counts.pop()) };
        if self.pieces.0.is_empty() {
            if let Some((piece, count)) = held {
                self.pieces.0.push(piece);
                self.counts.push(count);
            }
            return None;
        }
        let keep_from = held.as_ref().map_or(self.text.len(), |((from, ..), _)| *from);
        // As much as was needed before: grown step by step, most of it would be copied twice.
        let room = if all { 0 } else { self.text.len().saturating_add(self.text.len() / 8).min(ROOM_BYTES_MAX) };
        let mut kept = String::with_capacity(room);
        kept.push_str(self.text.get(keep_from..).unwrap_or_default());
        self.text.truncate(keep_from);
        let text = Arc::new(mem::replace(&mut self.text, kept));
        let pieces = mem::take(&mut self.pieces.0).into_iter().zip(mem::take(&mut self.counts)).collect();
        if let Some(((from, to, count), counts)) = held {
            self.pieces.0.push((from - keep_from, to - keep_from, count));
            self.counts.push(counts);
        }
        Some(Leaving { text, pieces })
    }
}

/// One row on its way from the one text into the other.
struct Row<'a> {
    text: &'a mut String,
    counts: &'a mut [Count],
    values: &'a Values,
    /// Where it begins in the text that is written.
    from: usize,
    /// How far the text that is read has been copied.
    copied: usize,
}

impl Row<'_> {
    /// The whole of it, with the masked cells left out.
    fn row(&mut self, columns: &Columns, parts: &[Part], steps: &[Step], scan: &mut Scan<'_>) -> Result<(), Odd> {
        open_row(scan)?;
        if columns.0.len() != parts.len() || columns.0.len() != steps.len() {
            return Err(Odd);
        }
        let mut position = 0;
        while let Some(step) = steps.get(position) {
            if position > 0 {
                scan.take(b',')?;
            }
            let part = parts.get(position).ok_or(Odd)?;
            let passed = match (step, part) {
                (Step::Pass(count), _) => scan.plain_cells(|ahead| ahead < *count),
                (Step::Text, Part::Masked(mask, place)) => {
                    self.plain(*place, TEXT_MARGINS, scan, |values, value, text| values.write_plain(mask, value, text))?
                }
                (Step::Same(same), Part::Masked(_, place)) => self.plain(*place, VALUE_MARGINS, scan, |_, _, text| text.push_str(same))?,
                (Step::Value, Part::Masked(mask, place)) => {
                    let scalar = scalar(columns.0.get(position).ok_or(Odd)?);
                    let write = |values: &Values, value: &str, text: &mut String| values.write(mask, scalar, Cell::Plain(value), text);
                    self.plain(*place, VALUE_MARGINS, scan, write)?
                }
                _ => 0,
            };
            if passed == 0 {
                self.cell(columns.0.get(position).ok_or(Odd)?, part, scan)?;
            }
            position += passed.max(1);
        }
        close_row(scan)
    }

    /// The same as `Columns::row`, for what stands in a record.
    fn record(&mut self, columns: &Columns, parts: &[Part], scan: &mut Scan<'_>) -> Result<(), Odd> {
        open_row(scan)?;
        if columns.0.len() != parts.len() {
            return Err(Odd);
        }
        for (position, (column, part)) in columns.0.iter().zip(parts).enumerate() {
            if position > 0 {
                scan.take(b',')?;
            }
            self.cell(column, part, scan)?;
        }
        close_row(scan)
    }

    /// Any cell, however it is written.
    fn cell(&mut self, column: &Column, part: &Part, scan: &mut Scan<'_>) -> Result<(), Odd> {
        open(scan, b'v')?;
        match part {
            Part::Clear => column.value(scan)?,
            Part::Inside(parts) => self.each(column, scan, |row, scan| row.inside(column, parts, scan))?,
            Part::Masked(mask, place) if column.repeated && hides_all(mask) => {
                self.replace(*place, scan, |scan| column.value(scan), |_, _, text| text.push_str("[]"))?;
            }
            Part::Masked(mask, place) => self.each(column, scan, |row, scan| row.masked(column, mask, *place, scan))?,
        }
        scan.take(b'}')
    }

    /// A masked cell of one value, as BigQuery writes it: one or none. So many bytes of it stay in front and behind.
    #[inline(always)]
    fn plain(
        &mut self,
        place: usize,
        (in_front, behind): (usize, usize),
        scan: &mut Scan<'_>,
        write: impl FnOnce(&Values, &str, &mut String),
    ) -> Result<usize, Odd> {
        let before = scan.at();
        let Some(value) = scan.plain_text() else { return Ok(0) };
        self.copy(scan, before + in_front)?;
        write(self.values, value, self.text);
        self.copied = scan.at().checked_sub(behind).ok_or(Odd)?;
        self.count(place, false)?;
        Ok(1)
    }

    /// The one value of a cell, or each of many.
    fn each<'s>(
        &mut self,
        column: &Column,
        scan: &mut Scan<'s>,
        mut one: impl FnMut(&mut Self, &mut Scan<'s>) -> Result<(), Odd>,
    ) -> Result<(), Odd> {
        if !column.repeated {
            return one(self, scan);
        }
        scan.take(b'[')?;
        if scan.eat(b']') {
            return Ok(());
        }
        loop {
            open(scan, b'v')?;
            one(self, scan)?;
            scan.take(b'}')?;
            if !scan.eat(b',') {
                return scan.take(b']');
            }
        }
    }

    fn inside(&mut self, column: &Column, parts: &[Part], scan: &mut Scan<'_>) -> Result<(), Odd> {
        match &column.fields {
            Some(fields) if scan.peek() == Some(b'{') => self.record(fields, parts, scan),
            _ => column.single(scan),
        }
    }

    fn masked(&mut self, column: &Column, mask: &Mask, place: usize, scan: &mut Scan<'_>) -> Result<(), Odd> {
        let write = |values: &Values, cell: &str, text: &mut String| match &column.fields {
            // Policy leaves nothing of a record.
            Some(fields) => write_nothing(values, column, fields, text),
            None => values.write(mask, scalar(column), Cell::of(cell), text),
        };
        self.replace(place, scan, |scan| column.single(scan), write)
    }

    /// What `over` passes is not copied.
    fn replace<'s>(
        &mut self,
        place: usize,
        scan: &mut Scan<'s>,
        over: impl FnOnce(&mut Scan<'s>) -> Result<(), Odd>,
        write: impl FnOnce(&Values, &str, &mut String),
    ) -> Result<(), Odd> {
        scan.peek();
        let from = scan.at();
        over(scan)?;
        let cell = scan.since(from)?;
        self.copy(scan, from)?;
        write(self.values, cell, self.text);
        self.copied = scan.at();
        self.count(place, cell == "null")
    }

    fn count(&mut self, place: usize, is_null: bool) -> Result<(), Odd> {
        let count = self.counts.get_mut(place).ok_or(Odd)?;
        count.cells += 1;
        count.nulls += u64::from(is_null);
        // Masks can make a row longer than it was.
        if self.text.len() - self.from > ROW_BYTES_MAX { Err(Odd) } else { Ok(()) }
    }

    fn copy(&mut self, scan: &Scan<'_>, to: usize) -> Result<(), Odd> {
        self.text.push_str(scan.between(self.copied, to)?);
        self.copied = to;
        Ok(())
    }
}

fn steps(columns: &Columns, writer: &Writer) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(columns.0.len());
    let mut passed = 0;
    for (column, part) in columns.0.iter().zip(&writer.cover.parts).rev() {
        passed = if column.is_plain() && matches!(part, Part::Clear) { passed + 1 } else { 0 };
        steps.push(match part {
            _ if !column.is_plain() => Step::Other,
            Part::Clear => Step::Pass(passed),
            Part::Inside(_) => Step::Other,
            Part::Masked(mask, _) if keeps_plain(mask, scalar(column)) => Step::Text,
            Part::Masked(mask, _) => writer.values.whatever_it_held(mask, scalar(column)).map_or(Step::Value, Step::Same),
        });
    }
    steps.reverse();
    steps
}

fn hides_all(mask: &Mask) -> bool {
    matches!(mask, Mask::AlwaysNull | Mask::DefaultValue | Mask::Refuse)
}

fn scalar(column: &Column) -> Scalar<'_> {
    Scalar { kind: &column.kind, may_be_null: column.may_be_null }
}

/// In place of a record: NULL, or where that may not stand a record of which nothing is left.
fn write_nothing(values: &Values, column: &Column, fields: &Columns, text: &mut String) {
    if column.may_be_null {
        return text.push_str("null");
    }
    text.push_str("{\"f\":[");
    for (position, field) in fields.0.iter().enumerate() {
        text.push_str(if position == 0 { "{\"v\":" } else { ",{\"v\":" });
        match &field.fields {
            _ if field.repeated => text.push_str("[]"),
            Some(fields) => write_nothing(values, field, fields, text),
            None => values.write_default(scalar(field), None, text),
        }
        text.push('}');
    }
    text.push_str("]}");
}

mod bound;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use bound::Bound;
