//! The body of an answer: read as it comes, unpacked as it is read, never more than was agreed.

use super::client::ExchangeFault;
use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use hyper::{HeaderMap, header};
use std::fmt::Display;
use std::io::{self, Write};

enum Reader {
    Gzip(Box<GzDecoder<Bounded>>),
    Plain(Bounded),
}

/// Takes as much as it may and says when that was not all.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    full: bool,
}

pub async fn read<B>(headers: &HeaderMap, mut body: B, bytes_max: usize) -> Result<Vec<u8>, ExchangeFault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    // What the head promises is room that is there at once: a page of rows would be copied again and again while it grows. It is no memory yet.
    let promised = body.size_hint().exact().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let bounded = |bytes: usize| Bounded { bytes: Vec::with_capacity(bytes.min(bytes_max)), bytes_max, full: false };
    let mut reader = match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"identity") => Reader::Plain(bounded(promised)),
        Some(b"gzip" | b"x-gzip") => Reader::Gzip(Box::new(GzDecoder::new(bounded(0)))),
        Some(_) => return Err(ExchangeFault::Nonsense("an encoding that was not asked for".to_owned())),
    };
    let mut is_empty = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ExchangeFault::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        is_empty &= data.is_empty();
        reader.take(&data)?;
    }
    // An answer without a body has nothing to unpack, whatever its head says.
    if is_empty { Ok(Vec::new()) } else { reader.finish() }
}

impl Reader {
    fn take(&mut self, data: &[u8]) -> Result<(), ExchangeFault> {
        let (taken, bounded) = match self {
            Reader::Gzip(decoder) => (decoder.write_all(data), decoder.get_ref()),
            Reader::Plain(bounded) => (bounded.write_all(data), &*bounded),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(_) if bounded.full => Err(ExchangeFault::TooLarge { bytes_max: bounded.bytes_max }),
            Err(error) => Err(ExchangeFault::Nonsense(format!("gzip: {error}"))),
        }
    }

    fn finish(self) -> Result<Vec<u8>, ExchangeFault> {
        match self {
            Reader::Plain(bounded) => Ok(bounded.bytes),
            Reader::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().bytes)),
                Err(_) if decoder.get_ref().full => Err(ExchangeFault::TooLarge { bytes_max: decoder.get_ref().bytes_max }),
                Err(error) => Err(ExchangeFault::Nonsense(format!("gzip: {error}"))),
            },
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
