//! Buffers of a body, behind each other and perhaps compressed.

use super::array::part;
use super::bits;
use super::gathered::{Gathered, Kept, Rope};
use super::message::{ALIGNMENT_BYTES, Batch};
use crate::masker::MaskFault;
use arrow_ipc::CompressionType;
use bytes::Bytes;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use std::io::{Read, Write};
use std::mem;

/// Of all buffers of one batch, before and after masks. A row of BigQuery has at most a hundred megabytes.
pub const BATCH_DECODED_BYTES_MAX: usize = 256 << 20;
/// Stands before what is compressed: how long it was.
const LENGTH_BYTES: usize = 8;
/// In its place where compression would only have made it longer.
const NOT_COMPRESSED: i64 = -1;
/// Zstandard's own choice.
const ZSTD_LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;
/// What is shorter is copied behind what stands before it: each part is a step of its own to whoever sends it.
const PART_BYTES_MIN: usize = 4 << 10;

/// As they were before they were compressed.
pub(super) fn buffers(batch: &Batch) -> Result<Vec<Bytes>, MaskFault> {
    let mut left = BATCH_DECODED_BYTES_MAX;
    let mut one = |buffer: &Bytes| {
        let decoded = match batch.form.compression {
            Some(codec) if !buffer.is_empty() => decoded(codec, buffer, left)?,
            _ => buffer.clone(),
        };
        left = left.checked_sub(decoded.len()).ok_or(MaskFault::Shape)?;
        Ok(decoded)
    };
    batch.buffers.iter().map(&mut one).collect()
}

fn decoded(codec: CompressionType, buffer: &Bytes, bytes_max: usize) -> Result<Bytes, MaskFault> {
    let (length, bytes) = buffer.split_first_chunk::<LENGTH_BYTES>().ok_or(MaskFault::Shape)?;
    let length = i64::from_le_bytes(*length);
    if length == NOT_COMPRESSED {
        return part(buffer, LENGTH_BYTES..buffer.len()).ok_or(MaskFault::Shape);
    }
    // What is said is not believed: nothing is kept free for it, and it has to be true.
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max).ok_or(MaskFault::Shape)?;
    let mut found = Vec::new();
    let limit = length as u64 + 1;
    let read = match codec {
        CompressionType::LZ4_FRAME => FrameDecoder::new(bytes).take(limit).read_to_end(&mut found),
        _ => zstd::stream::read::Decoder::with_buffer(bytes).and_then(|decoder| decoder.take(limit).read_to_end(&mut found)),
    };
    if read.is_ok_and(|read| read == length) { Ok(Bytes::from(found)) } else { Err(MaskFault::Shape) }
}

/// What is written: nothing of it is copied before all of it has its place.
#[derive(Default)]
pub(super) struct Body {
    parts: Vec<Rope>,
    pub(super) nodes: Vec<(usize, usize)>,
    /// Where each part begins, and how long it is.
    pub(super) buffers: Vec<(usize, usize)>,
    /// With what stands between them.
    pub(super) bytes: usize,
    /// Made once: it takes longer than many a buffer.
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Body {
    pub(super) fn of(arrays: Vec<Gathered>, compression: Option<CompressionType>) -> Result<Body, MaskFault> {
        let mut body = Body::default();
        arrays.into_iter().try_for_each(|array| body.array(array, compression))?;
        Ok(body)
    }

    /// Behind the head, which ends where a buffer may begin.
    pub(super) fn written_behind(self, head: Vec<u8>) -> Vec<Bytes> {
        let mut parts = Parts { whole: Vec::new(), last: head };
        let mut at = 0;
        for (rope, (from, length)) in self.parts.into_iter().zip(self.buffers) {
            parts.pad(from - at);
            rope.parts.into_iter().for_each(|part| parts.put(part));
            at = from + length;
        }
        parts.pad(self.bytes - at);
        parts.end();
        parts.whole
    }

    fn array(&mut self, array: Gathered, compression: Option<CompressionType>) -> Result<(), MaskFault> {
        let Gathered { rows, validity, kept } = array;
        let nulls = validity.as_ref().map_or(0, |validity| rows.saturating_sub(bits::count(validity)));
        self.nodes.push((rows, nulls));
        self.buffer(Rope::of(validity.filter(|_| nulls > 0).unwrap_or_default()), compression)?;
        match kept {
            Kept::Bits(values) => self.buffer(Rope::of(values), compression),
            Kept::Fixed(values) => self.buffer(values, compression),
            Kept::Text { offsets, bytes } => {
                self.buffer(offsets, compression)?;
                self.buffer(bytes, compression)
            }
            Kept::Record(fields) => fields.into_iter().try_for_each(|field| self.array(field, compression)),
            Kept::Many { offsets, items } => {
                self.buffer(offsets, compression)?;
                self.array(*items, compression)
            }
        }
    }

    fn buffer(&mut self, rope: Rope, compression: Option<CompressionType>) -> Result<(), MaskFault> {
        let rope = match compression {
            Some(codec) if rope.bytes > 0 => Rope::of(self.compressed(&rope.joined(), codec)?),
            _ => rope,
        };
        let (from, to) = (self.bytes, self.bytes + rope.bytes);
        if to > BATCH_DECODED_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        self.buffers.push((from, rope.bytes));
        self.parts.push(rope);
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

/// What leaves, in parts that are long enough.
struct Parts {
    whole: Vec<Bytes>,
    last: Vec<u8>,
}

impl Parts {
    fn put(&mut self, part: Bytes) {
        if part.len() < PART_BYTES_MIN {
            return self.last.extend_from_slice(&part);
        }
        self.end();
        self.whole.push(part);
    }

    fn pad(&mut self, bytes: usize) {
        self.last.resize(self.last.len() + bytes, 0);
    }

    fn end(&mut self) {
        if !self.last.is_empty() {
            self.whole.push(Bytes::from(mem::take(&mut self.last)));
        }
    }
}
