//! The shape of a batch as its head tells it. Bodies stay as they are: what is compressed is not opened for this.

use super::array::{ARRAY_ROWS_MAX, OFFSET_BYTES, ends, width};
use super::bits;
use super::message::Batch;
use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use bytes::Bytes;
use sluice_model::Type;

pub(super) fn check(columns: &Columns, batch: &Batch, rows: usize) -> Result<(), MaskFault> {
    let mut walk = Walk { nodes: batch.nodes.iter(), buffers: batch.buffers.iter(), is_plain: batch.form.compression.is_none() };
    columns.0.iter().try_for_each(|column| walk.column(column, Some(rows), true))?;
    if walk.nodes.next().is_some() || walk.buffers.next().is_some() { Err(MaskFault::Shape) } else { Ok(()) }
}

struct Walk<'a> {
    nodes: std::slice::Iter<'a, (usize, usize)>,
    buffers: std::slice::Iter<'a, Bytes>,
    is_plain: bool,
}

impl Walk<'_> {
    /// `seen`: no row of it is hidden by a record that is null.
    fn column(&mut self, column: &Column, length: Option<usize>, seen: bool) -> Result<(), MaskFault> {
        if !column.repeated {
            return self.element(column, length, seen);
        }
        let (length, nulls) = self.begin(length)?;
        self.buffer(offset_bytes(length))?;
        if seen && nulls > 0 { Err(MaskFault::Shape) } else { self.element(column, None, seen) }
    }

    fn element(&mut self, column: &Column, length: Option<usize>, seen: bool) -> Result<(), MaskFault> {
        let (length, nulls) = self.begin(length)?;
        if seen && column.is_required() && nulls > 0 {
            return Err(MaskFault::Shape);
        }
        let mut inside = |fields: &[Column]| fields.iter().try_for_each(|field| self.column(field, Some(length), seen && nulls == 0));
        match (&column.fields, &column.kind) {
            (Some(fields), _) => inside(&fields.0),
            (None, Type::Range(inner)) => inside(&ends(inner)),
            (None, Type::Bool) => self.buffer(bits::bytes_for(length)),
            (None, kind) => match width(kind) {
                Some(width) => self.buffer(length * width),
                None => self.buffer(offset_bytes(length)).and_then(|()| self.buffer(0)),
            },
        }
    }

    fn begin(&mut self, expected: Option<usize>) -> Result<(usize, usize), MaskFault> {
        let (length, nulls) = *self.nodes.next().ok_or(MaskFault::Shape)?;
        if length > ARRAY_ROWS_MAX || nulls > length || expected.is_some_and(|expected| expected != length) {
            return Err(MaskFault::Shape);
        }
        self.buffer(if nulls > 0 { bits::bytes_for(length) } else { 0 })?;
        Ok((length, nulls))
    }

    fn buffer(&mut self, bytes_min: usize) -> Result<(), MaskFault> {
        let buffer = self.buffers.next().ok_or(MaskFault::Shape)?;
        let is_enough = if self.is_plain { buffer.len() >= bytes_min } else { !buffer.is_empty() || bytes_min == 0 };
        if is_enough { Ok(()) } else { Err(MaskFault::Shape) }
    }
}

/// Without rows there may be none.
fn offset_bytes(length: usize) -> usize {
    if length == 0 { 0 } else { (length + 1) * OFFSET_BYTES }
}
