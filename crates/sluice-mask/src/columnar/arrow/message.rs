//! A message around its head and its body.

use super::array::part;
use super::body::Body;
use super::gathered::Gathered;
use crate::masker::MaskFault;
use arrow_ipc::{
    BodyCompression, BodyCompressionArgs, BodyCompressionMethod, Buffer, CompressionType, FieldNode, Message, MessageArgs, MessageHeader,
    MetadataVersion, RecordBatch, RecordBatchArgs, root_as_message,
};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;

/// Stands before the length of the head. Messages of long ago have none.
const BEGIN: [u8; 4] = [0xff; 4];
/// Everything in a message begins at a multiple of it.
pub(super) const ALIGNMENT_BYTES: usize = 8;

/// Head and body, if there is nothing else.
pub(super) fn parts(message: &[u8]) -> Result<(bool, Message<'_>, &[u8]), MaskFault> {
    let (has_begin, rest) = match message.strip_prefix(&BEGIN) {
        Some(rest) => (true, rest),
        None => (false, message),
    };
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(MaskFault::Shape)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| MaskFault::Shape)?;
    let (head, body) = rest.split_at_checked(length).ok_or(MaskFault::Shape)?;
    let head = root_as_message(head).map_err(|_| MaskFault::Shape)?;
    // Before the fourth, padding and unions were others.
    let is_read = matches!(head.version(), MetadataVersion::V4 | MetadataVersion::V5);
    let is_whole = usize::try_from(head.bodyLength()) == Ok(body.len());
    if is_read && is_whole { Ok((has_begin, head, body)) } else { Err(MaskFault::Shape) }
}

/// What the head says of a batch of rows.
pub(super) struct Batch {
    pub(super) form: Form,
    /// Of each array, depth first: how many rows, and how many of them are null.
    pub(super) nodes: Vec<(usize, usize)>,
    pub(super) buffers: Vec<Bytes>,
}

/// How a message is written.
#[derive(Clone, Copy)]
pub(super) struct Form {
    has_begin: bool,
    version: MetadataVersion,
    pub(super) compression: Option<CompressionType>,
}

impl Batch {
    pub(super) fn read(message: &Bytes, rows: usize) -> Result<Batch, MaskFault> {
        let (has_begin, head, body) = parts(message)?;
        let body = part(message, message.len() - body.len()..message.len()).ok_or(MaskFault::Shape)?;
        let version = head.version();
        let batch = head.header_as_record_batch().ok_or(MaskFault::Shape)?;
        let number = |number: i64| usize::try_from(number).map_err(|_| MaskFault::Shape);
        if number(batch.length())? != rows || batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
            return Err(MaskFault::Shape);
        }
        let compression = batch.compression().map(compression).transpose()?;
        let node = |node: &FieldNode| Ok((number(node.length())?, number(node.null_count())?));
        let nodes = batch.nodes().iter().flatten().map(node).collect::<Result<Vec<_>, MaskFault>>()?;
        let buffer = |buffer: &Buffer| {
            let (from, length) = (number(buffer.offset())?, number(buffer.length())?);
            let to = from.checked_add(length).ok_or(MaskFault::Shape)?;
            part(&body, from..to).ok_or(MaskFault::Shape)
        };
        let buffers = batch.buffers().iter().flatten().map(buffer).collect::<Result<Vec<_>, MaskFault>>()?;
        Ok(Batch { form: Form { has_begin, version, compression }, nodes, buffers })
    }
}

impl Form {
    /// A message of the same form with these columns: of the one that came, nothing but its form is in it.
    ///
    /// In parts, one behind the other: what is long stays where it lies.
    pub(super) fn written(&self, arrays: Vec<Gathered>, rows: usize) -> Result<Vec<Bytes>, MaskFault> {
        let body = Body::of(arrays, self.compression)?;
        let head = self.head(&body, rows)?;
        let before = if self.has_begin { 2 * BEGIN.len() } else { BEGIN.len() };
        let padded = (before + head.len()).next_multiple_of(ALIGNMENT_BYTES) - before;
        let mut message = Vec::with_capacity(before + padded);
        if self.has_begin {
            message.extend(BEGIN);
        }
        message.extend(i32::try_from(padded).map_err(|_| MaskFault::Shape)?.to_le_bytes());
        message.extend_from_slice(&head);
        message.resize(before + padded, 0);
        Ok(body.written_behind(message))
    }

    fn head(&self, body: &Body, rows: usize) -> Result<Vec<u8>, MaskFault> {
        let mut builder = FlatBufferBuilder::new();
        let number = |number: usize| i64::try_from(number).map_err(|_| MaskFault::Shape);
        let node = |(length, nulls): &(usize, usize)| Ok(FieldNode::new(number(*length)?, number(*nulls)?));
        let nodes = body.nodes.iter().map(node).collect::<Result<Vec<_>, MaskFault>>()?;
        let buffer = |(from, length): &(usize, usize)| Ok(Buffer::new(number(*from)?, number(*length)?));
        let buffers = body.buffers.iter().map(buffer).collect::<Result<Vec<_>, MaskFault>>()?;
        let nodes = builder.create_vector(&nodes);
        let buffers = builder.create_vector(&buffers);
        let compression = self
            .compression
            .map(|codec| BodyCompression::create(&mut builder, &BodyCompressionArgs { codec, method: BodyCompressionMethod::BUFFER }));
        let batch = RecordBatch::create(
            &mut builder,
            &RecordBatchArgs { length: number(rows)?, nodes: Some(nodes), buffers: Some(buffers), compression, variadicBufferCounts: None },
        );
        let arguments = MessageArgs {
            version: self.version,
            header_type: MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: number(body.bytes)?,
            custom_metadata: None,
        };
        let message = Message::create(&mut builder, &arguments);
        builder.finish(message, None);
        Ok(builder.finished_data().to_vec())
    }
}

fn compression(said: BodyCompression<'_>) -> Result<CompressionType, MaskFault> {
    match (said.method(), said.codec()) {
        (BodyCompressionMethod::BUFFER, codec @ (CompressionType::LZ4_FRAME | CompressionType::ZSTD)) => Ok(codec),
        _ => Err(MaskFault::Shape),
    }
}
