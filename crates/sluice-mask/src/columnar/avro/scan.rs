//! Values of a message one by one, without a tree of them.

use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use sluice_model::Type;

pub(super) const FLOAT_BYTES: usize = 8;
/// A number of 64 bits takes no more, seven bits in each.
const NUMBER_BYTES_MAX: usize = 10;

pub(super) type Found<T> = Result<T, MaskFault>;

/// Some of the elements of an array.
pub(super) struct Block {
    pub(super) count: usize,
    end: Option<usize>,
}

pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn end(&self) -> Found<()> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(MaskFault::Shape) }
    }

    fn take(&mut self, count: usize) -> Found<&'a [u8]> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or(MaskFault::Shape)?;
        self.at += count;
        Ok(taken)
    }

    /// Numbers near zero are short, whatever their sign.
    pub(super) fn number(&mut self) -> Found<i64> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut number = 0_u64;
        for (position, byte) in rest.iter().take(NUMBER_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte one bit has a place.
            if position + 1 == NUMBER_BYTES_MAX && bits > 1 {
                return Err(MaskFault::Shape);
            }
            number |= bits << (7 * position);
            if *byte < 0x80 {
                self.at += position + 1;
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(MaskFault::Shape)
    }

    fn length(&mut self) -> Found<usize> {
        usize::try_from(self.number()?).map_err(|_| MaskFault::Shape)
    }

    pub(super) fn text(&mut self) -> Found<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// Whether there is a value.
    pub(super) fn is_there(&mut self, column: &Column) -> Found<bool> {
        if column.is_required() || column.repeated {
            return Ok(true);
        }
        self.either()
    }

    fn either(&mut self) -> Found<bool> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(MaskFault::Shape),
        }
    }

    /// How many elements come next; none behind the last one. Before a negative count's elements stands how many bytes they take.
    pub(super) fn block(&mut self) -> Found<Block> {
        let count = self.number()?;
        let bytes = if count < 0 { Some(self.length()?) } else { None };
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| MaskFault::Shape)?;
        let left = self.bytes.len().saturating_sub(self.at);
        // No element takes less than a byte.
        if count > left || bytes.is_some_and(|bytes| bytes > left) {
            return Err(MaskFault::Shape);
        }
        Ok(Block { count, end: bytes.map(|bytes| self.at + bytes) })
    }

    /// Whoever believes the number of bytes would read something else.
    pub(super) fn behind(&self, block: &Block) -> Found<()> {
        if block.end.is_none_or(|end| end == self.at) { Ok(()) } else { Err(MaskFault::Shape) }
    }

    pub(super) fn record(&mut self, columns: &Columns) -> Found<()> {
        columns.0.iter().try_for_each(|column| self.column(column))
    }

    pub(super) fn column(&mut self, column: &Column) -> Found<()> {
        if !column.repeated {
            return if self.is_there(column)? { self.element(column) } else { Ok(()) };
        }
        loop {
            let block = self.block()?;
            (0..block.count).try_for_each(|_| self.element(column))?;
            self.behind(&block)?;
            if block.count == 0 {
                return Ok(());
            }
        }
    }

    fn element(&mut self, column: &Column) -> Found<()> {
        match &column.fields {
            Some(fields) => self.record(fields),
            None => self.scalar(&column.kind),
        }
    }

    pub(super) fn scalar(&mut self, kind: &Type) -> Found<()> {
        match kind {
            Type::Bool if !matches!(self.take(1)?, [0 | 1]) => return Err(MaskFault::Shape),
            Type::Bool => {}
            Type::Date => _ = i32::try_from(self.number()?).map_err(|_| MaskFault::Shape)?,
            Type::Int64 | Type::Time | Type::Timestamp => _ = self.number()?,
            Type::Float64 => _ = self.take(FLOAT_BYTES)?,
            Type::Interval => (0..3).try_for_each(|_| self.number().map(drop))?,
            Type::Range(inner) => (0..2).try_for_each(|_| if self.either()? { self.scalar(inner) } else { Ok(()) })?,
            Type::BigNumeric | Type::Bytes | Type::Datetime | Type::Geography | Type::Json | Type::Numeric | Type::String => {
                _ = self.text()?;
            }
            Type::Array(_) | Type::Struct(_) => return Err(MaskFault::Shape),
        }
        Ok(())
    }
}
