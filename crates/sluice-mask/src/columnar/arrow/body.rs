//! Buffers of a body, behind each other and perhaps compressed.

use super::array::{Array, Held};
use super::bits;
use super::message::{ALIGNMENT_BYTES, Batch};
use crate::masker::MaskFault;
use arrow_ipc::CompressionType;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use std::borrow::Cow;
use std::io::{Read, Write};

/// Of all buffers of one batch, before and after masks. A row of BigQuery has at most a hundred megabytes.
pub const BATCH_DECODED_BYTES_MAX: usize = 256 << 20;
/// Stands before what is compressed: how long it was.
const LENGTH_BYTES: usize = 8;
/// In its place where compression would only have made it longer.
const NOT_COMPRESSED: i64 = -1;
/// Zstandard's own choice.
const ZSTD_LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// As they were before they were compressed.
pub(super) fn buffers<'a>(batch: &Batch<'a>) -> Result<Vec<Cow<'a, [u8]>>, MaskFault> {
    let mut left = BATCH_DECODED_BYTES_MAX;
    let mut one = |buffer: &&'a [u8]| {
        let decoded = match batch.form.compression {
            Some(codec) if !buffer.is_empty() => decoded(codec, buffer, left)?,
            _ => Cow::Borrowed(*buffer),
        };
        left = left.checked_sub(decoded.len()).ok_or(MaskFault::Shape)?;
        Ok(decoded)
    };
    batch.buffers.iter().map(&mut one).collect()
}

fn decoded(codec: CompressionType, buffer: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, MaskFault> {
    let (length, bytes) = buffer.split_first_chunk::<LENGTH_BYTES>().ok_or(MaskFault::Shape)?;
    let length = i64::from_le_bytes(*length);
    if length == NOT_COMPRESSED {
        return Ok(Cow::Borrowed(bytes));
    }
    // What is said is not believed: nothing is kept free for it, and it has to be true.
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max).ok_or(MaskFault::Shape)?;
    let mut found = Vec::new();
    let limit = length as u64 + 1;
    let read = match codec {
        CompressionType::LZ4_FRAME => FrameDecoder::new(bytes).take(limit).read_to_end(&mut found),
        _ => zstd::stream::read::Decoder::with_buffer(bytes).and_then(|decoder| decoder.take(limit).read_to_end(&mut found)),
    };
    if read.is_ok_and(|read| read == length) { Ok(Cow::Owned(found)) } else { Err(MaskFault::Shape) }
}

/// What is written: nothing of it is copied before all of it has its place.
#[derive(Default)]
pub(super) struct Body<'a> {
    parts: Vec<Cow<'a, [u8]>>,
    pub(super) nodes: Vec<(usize, usize)>,
    /// Where each part begins, and how long it is.
    pub(super) buffers: Vec<(usize, usize)>,
    /// With what stands between them.
    pub(super) bytes: usize,
    /// Made once: it takes longer than many a buffer.
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl<'a> Body<'a> {
    pub(super) fn of(arrays: &'a [Array<'_>], compression: Option<CompressionType>) -> Result<Body<'a>, MaskFault> {
        let mut body = Body::default();
        arrays.iter().try_for_each(|array| body.array(array, compression))?;
        Ok(body)
    }

    pub(super) fn write(&self, message: &mut Vec<u8>) {
        let begin = message.len();
        for (part, (from, _)) in self.parts.iter().zip(&self.buffers) {
            message.resize(begin + from, 0);
            message.extend_from_slice(part);
        }
        message.resize(begin + self.bytes, 0);
    }

    fn array(&mut self, array: &'a Array<'_>, compression: Option<CompressionType>) -> Result<(), MaskFault> {
        let nulls = array.validity.as_ref().map_or(0, |validity| array.rows.saturating_sub(bits::count(validity)));
        self.nodes.push((array.rows, nulls));
        let validity = array.validity.as_deref().filter(|_| nulls > 0).unwrap_or_default();
        self.buffer(validity, compression)?;
        match &array.held {
            Held::Bits(values) => self.buffer(values, compression),
            Held::Fixed(values) => self.buffer(values, compression),
            Held::Text { offsets, bytes } => {
                self.buffer(offsets, compression)?;
                self.buffer(bytes, compression)
            }
            Held::Record(fields) => fields.iter().try_for_each(|field| self.array(field, compression)),
            Held::Many { offsets, items } => {
                self.buffer(offsets, compression)?;
                self.array(items, compression)
            }
        }
    }

    fn buffer(&mut self, bytes: &'a [u8], compression: Option<CompressionType>) -> Result<(), MaskFault> {
        let part = match compression {
            Some(codec) if !bytes.is_empty() => Cow::Owned(self.compressed(bytes, codec)?),
            _ => Cow::Borrowed(bytes),
        };
        let (from, to) = (self.bytes, self.bytes + part.len());
        if to > BATCH_DECODED_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        self.buffers.push((from, part.len()));
        self.parts.push(part);
        self.bytes = to.next_multiple_of(ALIGNMENT_BYTES);
        Ok(())
    }

    fn compressed(&mut self, bytes: &[u8], codec: CompressionType) -> Result<Vec<u8>, MaskFault> {
        let length = i64::try_from(bytes.len()).map_err(|_| MaskFault::Shape)?;
        let mut made = length.to_le_bytes().to_vec();
        let written = match codec {
            CompressionType::LZ4_FRAME => {
                let mut encoder = FrameEncoder::new(&mut made);
                encoder.write_all(bytes).is_ok() && encoder.finish().is_ok()
            }
            _ => self.compressed_by_zstd(bytes, &mut made).is_ok(),
        };
        if !written {
            return Err(MaskFault::Shape);
        }
        if made.len() >= LENGTH_BYTES + bytes.len() {
            made = [&NOT_COMPRESSED.to_le_bytes(), bytes].concat();
        }
        Ok(made)
    }

    fn compressed_by_zstd(&mut self, bytes: &[u8], made: &mut Vec<u8>) -> std::io::Result<()> {
        let compressor = match &mut self.zstd {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
        };
        made.extend(compressor.compress(bytes)?);
        Ok(())
    }
}
