//! Signed notes, `c2sp.org/signed-note`: a text, an empty line, signature lines. Read strictly: a note has one spelling.
//!
//! Stricter than the specification in one thing: two lines of the same key are refused.

mod key;

pub use key::{KEY_NAME_BYTES_MAX, KeyFault, KeyKind, SEED_BYTES, Signer, VerifierKey, is_key_name};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

pub const NOTE_BYTES_MAX: usize = 64 * 1024;
pub const NOTE_SIGNATURES_MAX: usize = 64;
const DASH: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// Its text means nothing before a signature by a known key was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub id: u32,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteFault {
    /// A second line of the same key.
    Duplicate {
        name: String,
    },
    Form,
    Length,
    /// The line names a known key, and the signature is not by it.
    Signature {
        name: String,
    },
}

impl Note {
    /// `text` ends with a newline and has no control characters besides.
    pub fn new(text: &str) -> Result<Note, NoteFault> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(NoteFault::Length);
        }
        if !text.ends_with('\n') || !is_clean(text) {
            return Err(NoteFault::Form);
        }
        Ok(Note { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Only the bytes that `Display` writes for it, with one signature at least.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteFault> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteFault::Length);
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteFault::Form)?;
        if !is_clean(whole) {
            return Err(NoteFault::Form);
        }
        // The last empty line: the text itself may hold others.
        let (text, lines) = whole.rsplit_once("\n\n").ok_or(NoteFault::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteFault::Form)?;
        let mut note = Note { text: format!("{text}\n"), signatures: Vec::new() };
        for line in lines.split('\n') {
            note.add(Signature::parse(line)?)?;
        }
        Ok(note)
    }

    pub fn add(&mut self, signature: Signature) -> Result<(), NoteFault> {
        if self.signatures.len() >= NOTE_SIGNATURES_MAX {
            return Err(NoteFault::Length);
        }
        if self.signatures.iter().any(|other| (&other.name, other.id) == (&signature.name, signature.id)) {
            return Err(NoteFault::Duplicate { name: signature.name });
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Signs the text as a log does. A key of a witness signs by `cosign` instead.
    pub fn sign(&mut self, signer: &Signer) -> Result<(), NoteFault> {
        let key = signer.verifier_key();
        self.add(Signature { name: key.name().to_owned(), id: key.id(), bytes: signer.sign(self.text.as_bytes()) })
    }

    /// Whether this key of a log signed it. A line of the key that does not verify is an error, not a no.
    pub fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, NoteFault> {
        let Some(signature) = self.signature_of(key) else { return Ok(false) };
        if key.kind() == KeyKind::Log && key.verifies(self.text.as_bytes(), &signature.bytes) {
            return Ok(true);
        }
        Err(NoteFault::Signature { name: key.name().to_owned() })
    }

    pub fn signature_of(&self, key: &VerifierKey) -> Option<&Signature> {
        self.signatures.iter().find(|signature| signature.id == key.id() && signature.name == key.name())
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

impl Signature {
    /// One line without its newline.
    pub fn parse(line: &str) -> Result<Signature, NoteFault> {
        let (name, encoded) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteFault::Form)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| NoteFault::Form)?;
        let (id, bytes) = bytes.split_first_chunk::<KEY_ID_BYTES>().ok_or(NoteFault::Form)?;
        if bytes.is_empty() || !is_key_name(name) {
            return Err(NoteFault::Form);
        }
        Ok(Signature { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
    }
}

fn is_clean(text: &str) -> bool {
    !text.bytes().any(|byte| byte < b' ' && byte != b'\n')
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(formatter, "{signature}"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(formatter, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl fmt::Display for NoteFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoteFault::Duplicate { name } => write!(formatter, "two signatures of the same key `{name}`"),
            NoteFault::Form => formatter.write_str("not a signed note"),
            NoteFault::Length => write!(formatter, "a note has at most {NOTE_BYTES_MAX} bytes and {NOTE_SIGNATURES_MAX} signatures"),
            NoteFault::Signature { name } => write!(formatter, "the signature by `{name}` does not verify"),
        }
    }
}

impl std::error::Error for NoteFault {}
