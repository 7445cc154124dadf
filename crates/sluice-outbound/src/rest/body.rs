//! The body of an answer: read as it comes, unpacked as it is read, never more than was agreed.

use super::client::ExchangeFault;
use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use hyper::{HeaderMap, header};
use std::fmt::Display;
use std::io::{self, Write};
use std::mem;

/// What is unpacked between two looks at how much there is: a thousand times as much can come of it.
const PACKED_BYTES_MAX: usize = 4 << 10;

/// A body on its way.
pub struct Incoming<B> {
    body: B,
    unpacking: Unpacking,
    /// What has come and is not unpacked.
    pending: Bytes,
    is_empty: bool,
    ended: bool,
}

enum Unpacking {
    Gzip(Box<GzDecoder<Bounded>>),
    Plain(Bounded),
}

/// Takes as much as it may and says when that was not all.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    full: bool,
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    /// At most so many bytes are held at a time.
    pub fn begin(headers: &HeaderMap, body: B, bytes_max: usize, expected_max: usize) -> Result<Incoming<B>, ExchangeFault> {
        // What the head promises is room that is there at once: a page of rows would be copied again and again while it grows. It is no memory yet.
        let promised = body.size_hint().exact().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let bounded = |bytes: usize| Bounded { bytes: Vec::with_capacity(bytes.min(bytes_max)), bytes_max, full: false };
        let unpacking = match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
            None | Some(b"identity") => Unpacking::Plain(bounded(promised.min(expected_max))),
            Some(b"gzip" | b"x-gzip") => Unpacking::Gzip(Box::new(GzDecoder::new(bounded(0)))),
            Some(_) => return Err(ExchangeFault::Nonsense("an encoding that was not asked for".to_owned())),
        };
        Ok(Incoming { body, unpacking, pending: Bytes::new(), is_empty: true, ended: false })
    }

    /// Until there are so many bytes, or all. Whether that was all.
    pub async fn fill(&mut self, bytes: usize) -> Result<bool, ExchangeFault> {
        while !self.ended && self.unpacked().bytes.len() < bytes {
            self.step().await?;
        }
        Ok(self.ended)
    }

    pub fn filled(&mut self) -> Vec<u8> {
        mem::take(&mut self.unpacked().bytes)
    }

    /// What has come since, at least a byte; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ExchangeFault> {
        loop {
            let filled = self.filled();
            if !filled.is_empty() {
                return Ok(Some(Bytes::from(filled)));
            }
            if self.ended {
                return Ok(None);
            }
            if matches!(self.unpacking, Unpacking::Plain(_)) && !self.pending.is_empty() {
                return Ok(Some(mem::take(&mut self.pending)));
            }
            self.step().await?;
        }
    }

    async fn step(&mut self) -> Result<(), ExchangeFault> {
        if self.pending.is_empty() {
            match self.body.frame().await {
                Some(frame) => {
                    let frame = frame.map_err(|error| ExchangeFault::Broken(error.to_string()))?;
                    self.pending = frame.into_data().unwrap_or_default();
                    self.is_empty &= self.pending.is_empty();
                }
                None => {
                    self.ended = true;
                    // An answer without a body has nothing to unpack, whatever its head says.
                    if !self.is_empty {
                        self.unpacking.finish()?;
                    }
                }
            }
            return Ok(());
        }
        let packed = matches!(self.unpacking, Unpacking::Gzip(_));
        let slice = if packed { self.pending.split_to(self.pending.len().min(PACKED_BYTES_MAX)) } else { mem::take(&mut self.pending) };
        self.unpacking.take(&slice)
    }

    fn unpacked(&mut self) -> &mut Bounded {
        match &mut self.unpacking {
            Unpacking::Gzip(decoder) => decoder.get_mut(),
            Unpacking::Plain(bounded) => bounded,
        }
    }
}

impl Unpacking {
    fn take(&mut self, data: &[u8]) -> Result<(), ExchangeFault> {
        let (taken, bounded) = match self {
            Unpacking::Gzip(decoder) => (decoder.write_all(data), decoder.get_ref()),
            Unpacking::Plain(bounded) => (bounded.write_all(data), &*bounded),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(_) if bounded.full => Err(ExchangeFault::TooLarge { bytes_max: bounded.bytes_max }),
            Err(error) => Err(ExchangeFault::Nonsense(format!("gzip: {error}"))),
        }
    }

    fn finish(&mut self) -> Result<(), ExchangeFault> {
        let Unpacking::Gzip(decoder) = self else { return Ok(()) };
        match decoder.try_finish() {
            Ok(()) => Ok(()),
            Err(_) if decoder.get_ref().full => Err(ExchangeFault::TooLarge { bytes_max: decoder.get_ref().bytes_max }),
            Err(error) => Err(ExchangeFault::Nonsense(format!("gzip: {error}"))),
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.bytes_max {
            self.full = true;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than agreed"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
