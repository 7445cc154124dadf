//! What is packed, unpacked within a bound: little must not become a lot.

use flate2::read::MultiGzDecoder;
use std::fmt;
use std::io::Read as _;

/// How every gzip begins.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug)]
pub enum GzipError {
    Broken(std::io::Error),
    TooLarge { bytes_max: usize },
}

pub fn unpacked(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, GzipError> {
    let mut unpacked = Vec::new();
    let bound = bytes_max as u64 + 1;
    MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut unpacked).map_err(GzipError::Broken)?;
    if unpacked.len() > bytes_max { Err(GzipError::TooLarge { bytes_max }) } else { Ok(unpacked) }
}

impl fmt::Display for GzipError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GzipError::Broken(error) => write!(formatter, "the gzip is broken: {error}"),
            GzipError::TooLarge { bytes_max } => write!(formatter, "what is packed is too large, at most {bytes_max} bytes"),
        }
    }
}

impl std::error::Error for GzipError {}
