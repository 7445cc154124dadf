//! What the next record has to fit, followed leaf by leaf, and what is still to be given up. All of it follows from the leaves.
//!
//! `standing.json` saves a start from reading every leaf. It is no evidence: without it, or with one that does not fit, the leaves are read.

use crate::disk::{self, Disk};
use crate::fault::StoreFault;
use crate::reader::{Reader, read_text};
use serde::{Deserialize, Serialize};
use sluice_ledger::grammar::{ENDED_KEPT_MAX, Grammar, Standing, Violation};
use sluice_ledger::record::{Kind, Leaf, SectionSet, Target};
use std::collections::BTreeMap;

pub const PATH: &str = "standing.json";
/// Open requests and holds: about a hundred bytes each.
const STANDING_BYTES_MAX: usize = 64 << 20;
/// Leaves after which the point to go back to is moved.
const SINCE_LEAVES_MAX: usize = 16_384;

/// Can go back to what is durable when a batch was not.
#[derive(Clone, Debug)]
pub struct Follower {
    grammar: Grammar,
    giving_up: GivingUp,
    base: Box<(Grammar, GivingUp)>,
    /// Durable, behind `base`.
    since: Vec<Leaf>,
    /// Not durable yet, behind `since`.
    pending: Vec<Leaf>,
}

/// Erasures and expiries whose keys may not be gone yet, by the number of their leaf.
pub type GivingUp = BTreeMap<u64, Target>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    standing: Standing,
    /// Leaf -> record, bits of its sections.
    giving_up: BTreeMap<u64, (u64, u8)>,
}

impl Follower {
    /// Up to everything that is applied.
    pub fn read(disk: &dyn Disk, reader: &Reader) -> Result<Follower, StoreFault> {
        let saved = read_text(disk, PATH, STANDING_BYTES_MAX).ok().flatten().and_then(|text| parse(&text));
        let (grammar, giving_up) =
            saved.filter(|(grammar, _)| grammar.next() <= reader.size()).unwrap_or_else(|| (Grammar::new(ENDED_KEPT_MAX), GivingUp::new()));
        let first = grammar.next();
        let mut follower =
            Follower { base: Box::new((grammar.clone(), giving_up.clone())), grammar, giving_up, since: Vec::new(), pending: Vec::new() };
        reader.each_leaf(first, |_, leaf| {
            follower.follow(leaf);
            follower.keep();
            Ok(())
        })?;
        Ok(follower)
    }

    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    pub fn giving_up(&self) -> &GivingUp {
        &self.giving_up
    }

    /// Whether the leaf fits behind those that were followed. If it does, it is.
    pub fn take(&mut self, leaf: &Leaf) -> Result<(), Violation> {
        self.grammar.check(leaf)?;
        self.follow(leaf.clone());
        Ok(())
    }

    /// What is on record stands, whether it fits or not.
    pub fn follow(&mut self, leaf: Leaf) {
        follow(&mut self.grammar, &mut self.giving_up, &leaf);
        self.pending.push(leaf);
    }

    /// Everything that was followed is durable.
    pub fn keep(&mut self) {
        self.since.append(&mut self.pending);
        if self.since.len() > SINCE_LEAVES_MAX {
            self.since.clear();
            *self.base = (self.grammar.clone(), self.giving_up.clone());
        }
    }

    /// What is not durable was never followed.
    pub fn go_back(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.clear();
        (self.grammar, self.giving_up) = (*self.base).clone();
        for leaf in &self.since {
            follow(&mut self.grammar, &mut self.giving_up, leaf);
        }
    }

    /// The keys that this leaf gives up are gone.
    pub fn gave_up(&mut self, leaf: u64) {
        self.giving_up.remove(&leaf);
        // The point to go back to would bring it back, and giving up twice does no harm.
    }

    /// For a file that is read by a later start.
    pub fn save(&self, disk: &dyn Disk) -> Result<(), StoreFault> {
        let giving_up = self.giving_up.iter().map(|(leaf, target)| (*leaf, (target.index, target.sections.bits()))).collect();
        let saved = Saved { standing: self.grammar.standing(), giving_up };
        let text = serde_json::to_string(&saved).map_err(|error| StoreFault::Refused(error.to_string()))?;
        Ok(disk::replace(disk, PATH, text.as_bytes())?)
    }
}

fn follow(grammar: &mut Grammar, giving_up: &mut GivingUp, leaf: &Leaf) {
    if let (Kind::Erasure | Kind::RetentionExpired, Some(target)) = (leaf.kind, leaf.target) {
        giving_up.insert(grammar.next(), target);
    }
    // A verifier speaks of violations; here they stand.
    let _ = grammar.follow(leaf);
}

fn parse(text: &str) -> Option<(Grammar, GivingUp)> {
    let saved: Saved = serde_json::from_str(text).ok()?;
    let target = |(index, bits): (u64, u8)| Target { index, sections: SectionSet::from_bits(bits) };
    let giving_up = saved.giving_up.into_iter().map(|(leaf, given)| (leaf, target(given))).collect();
    Some((Grammar::resume(saved.standing, ENDED_KEPT_MAX).ok()?, giving_up))
}
