//! Which order of leaves is honest. One state machine, for the store when it starts and writes, and for the verifier.
//!
//! An epoch begins with `boot` and, if it ends well, ends with `shutdown`. Time never runs back, and no two minutes pass without a sign of life.
//! A request that was permitted anything has exactly one end. What is held is not erased. Memory grows with what is open, not with the log.

mod request;
mod standing;
mod violation;

pub use request::{Requests, Step};
pub use standing::{OpenRequest, Standing, StandingError};
pub use violation::Violation;

use crate::record::{Kind, Leaf, Subject, Target};
use std::collections::BTreeSet;

/// The longest time without a sign of life, as leaves tell it.
pub const SILENCE_MS_MAX: u64 = 120_000;
/// How many ended requests the store remembers. A subject that comes back later than that is taken for a new one; they are random, so none does.
pub const ENDED_KEPT_MAX: usize = 1 << 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grammar {
    next: u64,
    epoch: u64,
    time_ms: u64,
    pulse_ms: u64,
    running: bool,
    requests: Requests,
    held: BTreeSet<u64>,
}

impl Grammar {
    /// Of an empty log. `ended_kept_max` bounds what it remembers of requests that are over: a verifier with memory takes all of them.
    pub fn new(ended_kept_max: usize) -> Grammar {
        let requests = Requests::new(ended_kept_max);
        Grammar { next: 0, epoch: 0, time_ms: 0, pulse_ms: 0, running: false, requests, held: BTreeSet::new() }
    }

    /// Whether the leaf may come next.
    pub fn check(&self, leaf: &Leaf) -> Result<(), Violation> {
        self.check_time(leaf)?;
        self.check_epoch(leaf)?;
        if let Some(target) = leaf.target {
            self.check_target(leaf.kind, target)?;
        }
        match leaf.subject {
            Some(subject) => self.requests.check(subject, leaf.kind),
            None => Ok(()),
        }
    }

    /// Goes on whatever it says, so that the next violation is one of its own.
    pub fn follow(&mut self, leaf: &Leaf) -> Result<(), Violation> {
        let checked = self.check(leaf);
        self.next += 1;
        self.time_ms = self.time_ms.max(leaf.time_ms);
        self.epoch = leaf.epoch;
        self.running = leaf.kind != Kind::Shutdown;
        if is_sign_of_life(leaf.kind) {
            self.pulse_ms = self.time_ms;
        }
        if leaf.kind == Kind::Boot {
            self.requests.orphan();
        }
        if let Some(subject) = leaf.subject {
            self.requests.follow(subject, leaf.kind);
        }
        match (leaf.kind, leaf.target) {
            (Kind::LegalHold, Some(target)) => drop(self.held.insert(target.index)),
            (Kind::LegalHoldReleased, Some(target)) => drop(self.held.remove(&target.index)),
            _ => {}
        }
        checked
    }

    /// The index of the leaf that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Of the last leaf; 0 if there is none.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Of the last leaf.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The last epoch has not ended as it should, or not at all.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// What `boot` made orphans, or would: each needs a `request.interrupted`.
    pub fn interrupted(&self) -> Vec<Subject> {
        self.requests.unfinished()
    }

    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    pub fn is_held(&self, index: u64) -> bool {
        self.held.contains(&index)
    }

    /// Records that may not be erased.
    pub fn held(&self) -> impl Iterator<Item = u64> {
        self.held.iter().copied()
    }

    fn check_time(&self, leaf: &Leaf) -> Result<(), Violation> {
        if leaf.time_ms < self.time_ms {
            return Err(Violation::TimeBack { ms: self.time_ms - leaf.time_ms });
        }
        let silence_ms = leaf.time_ms - self.pulse_ms;
        let explains = matches!(leaf.kind, Kind::AuditDegraded | Kind::Boot | Kind::ClockStep);
        if self.running && silence_ms > SILENCE_MS_MAX && !explains {
            return Err(Violation::Silence { ms: silence_ms });
        }
        Ok(())
    }

    fn check_epoch(&self, leaf: &Leaf) -> Result<(), Violation> {
        if leaf.kind == Kind::Boot {
            return match leaf.epoch {
                same if same == self.epoch => Err(Violation::BootTwice),
                next if Some(next) == self.epoch.checked_add(1) => Ok(()),
                to => Err(Violation::EpochSkipped { from: self.epoch, to }),
            };
        }
        if leaf.epoch != self.epoch || self.epoch == 0 {
            return Err(Violation::BootMissing { epoch: leaf.epoch });
        }
        if !self.running {
            return Err(Violation::AfterShutdown);
        }
        if leaf.kind == Kind::Shutdown && !self.requests.unfinished().is_empty() {
            return Err(Violation::ShutdownBefore { open: self.requests.unfinished().len() });
        }
        if self.requests.has_orphans() && !matches!(leaf.kind, Kind::AuditDegraded | Kind::ClockStep | Kind::RequestInterrupted) {
            return Err(Violation::OrphansLeft);
        }
        Ok(())
    }

    fn check_target(&self, kind: Kind, target: Target) -> Result<(), Violation> {
        if target.index >= self.next || target.sections.is_empty() {
            return Err(Violation::Target { index: target.index });
        }
        match (kind, self.is_held(target.index)) {
            (Kind::Erasure | Kind::RetentionExpired, true) => Err(Violation::Held { index: target.index }),
            (Kind::LegalHoldReleased, false) => Err(Violation::NotHeld { index: target.index }),
            _ => Ok(()),
        }
    }
}

fn is_sign_of_life(kind: Kind) -> bool {
    matches!(kind, Kind::AuditDegraded | Kind::Boot | Kind::ClockStep | Kind::Heartbeat)
}
