//! What stands in the sections, as JSON. Plain values: what proves something stays where it was proven, and what a client sends is never copied whole.
//!
//! Fields are added, never renamed and never given another meaning: a record is read for as long as it is kept.

mod finding;
mod identity;
mod meta;
mod policy;
mod request;
mod result;
mod steps;

pub use finding::Finding;
pub use identity::{Identity, Session, Token};
pub use meta::{Change, Client, JobName, Meta};
pub use policy::{ClearOutput, DecidedBy, Held, MaskedOutput, Policy, Refusing};
pub use request::{Parameter, Request, Table};
pub use result::{ClearPath, MaskedCells, Page, Totals, Upstream};
pub use steps::Steps;

use super::draft::{Draft, DraftError};
use super::section::SectionId;
use serde::Serialize;

/// Goes into one section of a draft.
pub trait Content: Serialize {
    const SECTION: SectionId;
}

impl Draft {
    pub fn with_content<C: Content>(self, content: &C) -> Result<Draft, DraftError> {
        let section = C::SECTION;
        let plaintext = serde_json::to_vec(content).map_err(|_| DraftError::Unwritable { section })?;
        self.with(section, plaintext)
    }
}

/// Digests are written like everywhere: the algorithm, a colon, hexadecimal digits.
fn sha256_text(digest: &[u8; 32]) -> String {
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
