//! One record, for somebody who has nothing but its proof and a trust file.

use sluice_ledger::proof::{Proof, Proved};
use sluice_ledger::record::{Disclosed, Disclosure, Leaf, SectionId};
use sluice_ledger::tree::leaf_hash;
use sluice_ledger::trust::Trust;

/// What a proof shows, all of it checked.
#[derive(Debug)]
pub struct Shown {
    pub leaf: Leaf,
    pub index: u64,
    pub proved: Proved,
    pub texts: Vec<Disclosed>,
    /// Sections of the record that stay closed.
    pub hidden: Vec<SectionId>,
}

/// The `extra` line brings the leaf and what is shown of its sections; both count only as far as the proof around them goes.
pub fn verify(bytes: &[u8], trust: &Trust) -> Result<Shown, String> {
    let proof = Proof::parse(bytes).map_err(|fault| fault.to_string())?;
    let extra = proof.extra.as_deref().ok_or("the proof does not bring its record along")?;
    let (leaf, disclosure) = Disclosure::read(extra).ok_or("the record that the proof brings along cannot be read")?;
    let proved = proof.verify(&leaf_hash(&leaf.bytes()), trust).map_err(|fault| fault.to_string())?;
    disclosure.check(&leaf).map_err(|error| error.to_string())?;
    let texts = disclosure.shown;
    let hidden = leaf.sections.iter().filter(|section| !texts.iter().any(|shown| shown.section == *section)).collect();
    Ok(Shown { leaf, index: proof.index, proved, texts, hidden })
}
