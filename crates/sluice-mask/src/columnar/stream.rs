//! MINT: `MaskedBatch`.

use super::group::Group;
use super::{arrow, avro};
use crate::cover::Cover;
use crate::detect::{Form, Sampling};
use crate::masker::{MaskFault, MaskedCells, Masker};
use crate::schema::Columns;
use crate::write::{Count, Writer};
use bytes::Bytes;
use sluice_policy::Permit;
use std::fmt;
use std::sync::Arc;

/// No message over gRPC is longer.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 128 << 20;

/// What a read session said of its columns.
#[derive(Clone, Copy)]
pub enum StreamSchema<'a> {
    /// `ArrowSchema.serialized_schema`: one encapsulated message.
    Arrow(&'a [u8]),
    /// `AvroSchema.schema`.
    Avro(&'a str),
}

/// For the messages of one read session, of all its streams.
pub struct StreamMasking {
    /// As the client is given it.
    schema: Vec<u8>,
    format: Format,
    columns: Columns,
    /// Nothing if no masks are wanted: messages pass as they came.
    writer: Option<Writer>,
}

#[derive(Clone, Copy)]
enum Format {
    Arrow,
    Avro,
}

/// Rows that may leave: one message, in the format that it came in.
pub struct MaskedBatch {
    count: u64,
    /// One behind the other.
    parts: Vec<Bytes>,
    cover: Option<Arc<Cover>>,
    counts: Vec<Count>,
}

impl Masker {
    /// Once the columns are known, and before any row is.
    pub fn begin_stream(&self, schema: StreamSchema<'_>) -> Result<StreamMasking, MaskFault> {
        let (format, columns, schema) = match schema {
            StreamSchema::Arrow(message) => (Format::Arrow, arrow::columns(message)?, message),
            StreamSchema::Avro(text) => (Format::Avro, avro::columns(text)?, text.as_bytes()),
        };
        let (columns, writer) = self.of_stream(columns)?;
        Ok(StreamMasking { schema: schema.to_vec(), format, columns, writer })
    }
}

impl StreamMasking {
    #[cfg(test)]
    pub(super) fn with(schema: StreamSchema<'_>, columns: Columns, writer: Option<Writer>) -> StreamMasking {
        let (format, schema) = match schema {
            StreamSchema::Arrow(message) => (Format::Arrow, message),
            StreamSchema::Avro(text) => (Format::Avro, text.as_bytes()),
        };
        StreamMasking { schema: schema.to_vec(), format, columns, writer }
    }

    /// Masks change no type, so it is the schema that came.
    pub fn schema(&self) -> &[u8] {
        &self.schema
    }

    /// See `Masker::sampling`.
    pub fn sampling(&self, permit: &Permit) -> Option<Sampling> {
        let form = match self.format {
            Format::Arrow => Form::Arrow,
            Format::Avro => Form::Avro,
        };
        Sampling::of(permit, &self.columns, form)
    }

    /// One message: `ArrowRecordBatch.serialized_record_batch`, or `AvroRows.serialized_binary_rows`. `rows` is how many it is said to have.
    ///
    /// Where nothing is masked it passes as it came; else it is written anew, and nothing of it stays that is not a value of a clear column.
    pub fn mask(&self, message: &[u8], rows: u64) -> Result<MaskedBatch, MaskFault> {
        self.mask_shared(&Bytes::copy_from_slice(message), rows)
    }

    /// The same. What leaves as it came is not copied.
    pub fn mask_shared(&self, message: &Bytes, rows: u64) -> Result<MaskedBatch, MaskFault> {
        if message.len() > STREAM_MESSAGE_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        let count = usize::try_from(rows).map_err(|_| MaskFault::Shape)?;
        let Some(writer) = &self.writer else {
            match self.format {
                Format::Arrow => arrow::check(&self.columns, message, count)?,
                Format::Avro => avro::check(&self.columns, message, count)?,
            }
            return Ok(MaskedBatch { count: rows, parts: vec![message.clone()], cover: None, counts: Vec::new() });
        };
        let mut counts = vec![Count::default(); writer.cover.paths.len()];
        let parts = match self.format {
            Format::Arrow => arrow::mask(&self.columns, writer, message, count, &mut counts)?,
            Format::Avro => vec![Bytes::from(avro::mask(&self.columns, writer, message, count, &mut counts)?)],
        };
        Ok(MaskedBatch { count: rows, parts, cover: Some(Arc::clone(&writer.cover)), counts })
    }
}

impl StreamMasking {
    pub fn is_masked(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    /// Of a message that is to be masked: how, and how many rows it has.
    pub(super) fn opened(&self, message: &[u8], rows: u64) -> Result<(&Writer, usize), MaskFault> {
        if message.len() > STREAM_MESSAGE_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        let writer = self.writer.as_ref().ok_or(MaskFault::Unfit)?;
        Ok((writer, usize::try_from(rows).map_err(|_| MaskFault::Shape)?))
    }

    pub(super) fn regroup_in_format(
        &self,
        writer: &Writer,
        group: &mut Group,
        message: &Bytes,
        rows: usize,
        behind: &mut dyn FnMut(&mut Group) -> Result<(), MaskFault>,
    ) -> Result<(), MaskFault> {
        match self.format {
            Format::Arrow => arrow::regroup(&self.columns, writer, group, (message, rows), behind),
            Format::Avro => avro::regroup(&self.columns, writer, group, (message, rows), behind),
        }
    }

    /// MINT, for rows that have been masked.
    pub(super) fn batch(&self, writer: &Writer, (count, parts, counts): (u64, Vec<Bytes>, Vec<Count>)) -> MaskedBatch {
        MaskedBatch { count, parts, cover: Some(Arc::clone(&writer.cover)), counts }
    }
}

impl MaskedBatch {
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The message, in parts that stand one behind the other.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All of it, copied.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }

    /// Each masked path, also where these rows have no cell of it.
    pub fn masked(&self) -> impl Iterator<Item = MaskedCells<'_>> {
        let paths = self.cover.iter().flat_map(|cover| &cover.paths);
        paths.zip(&self.counts).map(|(covered, count)| MaskedCells { covered, cells: count.cells, nulls: count.nulls })
    }
}

/// Rows do not reach a log.
impl fmt::Debug for StreamMasking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StreamMasking").field("is_masked", &self.writer.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for MaskedBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MaskedBatch").field("count", &self.count).field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}
