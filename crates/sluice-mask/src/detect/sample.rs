//! Some rows as they leave, copied: bounded in bytes, and looked at somewhere else.

use super::sampling::Watched;
use crate::columnar::MaskedBatch;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Of rows whose beginning can be read by itself: JSON, Avro.
pub const SAMPLE_BYTES_MAX: usize = 64 << 10;
/// Of a message that can only be read whole: Arrow. A longer one is not looked at.
pub const SAMPLE_MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Values of one column, of one sample.
pub const SAMPLE_ROWS_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Arrow,
    Avro,
    Json,
}

/// Rows of one piece, or of one message.
pub struct Sample {
    pub(crate) watched: Arc<Watched>,
    pub(crate) bytes: Bytes,
    /// That the whole message has. Of a copy that was cut off there are fewer.
    pub(crate) rows: usize,
}

/// Told each value with the place that it stands at.
pub(crate) type Seen<'a> = dyn FnMut(usize, &str) + 'a;

impl Sample {
    pub(crate) fn of_text(watched: &Arc<Watched>, text: &str) -> Option<Sample> {
        let bytes = Bytes::copy_from_slice(text.as_bytes().get(..text.len().min(SAMPLE_BYTES_MAX))?);
        (!bytes.is_empty()).then(|| Sample { watched: Arc::clone(watched), bytes, rows: SAMPLE_ROWS_MAX })
    }

    pub(crate) fn of_batch(watched: &Arc<Watched>, batch: &MaskedBatch) -> Option<Sample> {
        let rows = usize::try_from(batch.count()).ok().filter(|rows| *rows > 0)?;
        let length = batch.parts().iter().map(Bytes::len).sum::<usize>();
        let wanted = match watched.form {
            Form::Arrow if length <= SAMPLE_MESSAGE_BYTES_MAX => length,
            Form::Arrow => return None,
            Form::Avro | Form::Json => length.min(SAMPLE_BYTES_MAX),
        };
        // Copied: what leaves is not kept for it.
        let mut bytes = Vec::with_capacity(wanted);
        for part in batch.parts() {
            bytes.extend_from_slice(part.get(..part.len().min(wanted - bytes.len()))?);
        }
        Some(Sample { watched: Arc::clone(watched), bytes: Bytes::from(bytes), rows })
    }

    /// That it holds in memory.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Rows do not reach a log.
impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sample").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}
