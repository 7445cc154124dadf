//! One record: sections in, a leaf and a body out. The leaf stays for ever and says nothing about anybody; the body opens with its keys alone.

mod body;
mod cbor;
pub mod content;
mod disclosure;
mod draft;
mod kind;
mod leaf;
mod seal;
mod section;

pub use body::{BODY_BYTES_MAX, BODY_VERSION, Body, BodyError, Row};
pub use disclosure::{Disclosed, Disclosure, DisclosureError};
pub use draft::{Draft, DraftError};
pub use kind::{Kind, Presence};
pub use leaf::{LEAF_BYTES_MAX, LEAF_VERSION, Leaf, LeafError, RecordId, Subject, Target};
pub use seal::{Entropy, OpenError, OpenedSection, SealError, SealedRecord, open, seal};
pub use section::{SectionId, SectionSet};
