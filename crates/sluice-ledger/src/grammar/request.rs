//! The life of a request, as its leaves tell it.

use super::violation::Violation;
use crate::record::{Kind, Subject};
use std::collections::{HashMap, HashSet, VecDeque};

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It may run.
    Admitted,
    /// It may be tried dry.
    Estimated,
    /// For people; it outlives a restart.
    Waiting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    open: HashMap<Subject, Step>,
    /// Of `open`, what the last boot found without an end.
    orphans: HashSet<Subject>,
    ended: HashSet<Subject>,
    ended_in_order: VecDeque<Subject>,
    ended_kept_max: usize,
}

impl Requests {
    pub(super) fn new(ended_kept_max: usize) -> Requests {
        Requests { open: HashMap::new(), orphans: HashSet::new(), ended: HashSet::new(), ended_in_order: VecDeque::new(), ended_kept_max }
    }

    pub fn step(&self, subject: Subject) -> Option<Step> {
        self.open.get(&subject).copied()
    }

    pub fn open(&self) -> impl Iterator<Item = (Subject, Step)> {
        self.open.iter().map(|(subject, step)| (*subject, *step))
    }

    pub(super) fn open_mut(&mut self) -> &mut HashMap<Subject, Step> {
        &mut self.open
    }

    pub(super) fn orphans_mut(&mut self) -> &mut HashSet<Subject> {
        &mut self.orphans
    }

    pub fn is_orphan(&self, subject: Subject) -> bool {
        self.orphans.contains(&subject)
    }

    pub fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// All that needs an end before the epoch has one, in order.
    pub fn unfinished(&self) -> Vec<Subject> {
        let mut unfinished: Vec<Subject> = self.open().filter(|(_, step)| *step != Step::Waiting).map(|(subject, _)| subject).collect();
        unfinished.sort();
        unfinished
    }

    pub(super) fn orphan(&mut self) {
        self.orphans = self.unfinished().into_iter().collect();
    }

    pub(super) fn check(&self, subject: Subject, kind: Kind) -> Result<(), Violation> {
        if self.ended.contains(&subject) {
            return Err(Violation::Ended { subject, kind });
        }
        if self.has_orphans() && !self.is_orphan(subject) {
            return Err(Violation::OrphansLeft);
        }
        after(self.step(subject), kind).map(drop).ok_or(Violation::OutOfTurn { subject, kind })
    }

    pub(super) fn follow(&mut self, subject: Subject, kind: Kind) {
        if kind.is_terminal() {
            self.open.remove(&subject);
            self.orphans.remove(&subject);
            self.remember(subject);
        } else if let Some(Next::Open(step)) = after(self.step(subject), kind) {
            self.open.insert(subject, step);
        }
    }

    fn remember(&mut self, subject: Subject) {
        if self.ended_kept_max == 0 || !self.ended.insert(subject) {
            return;
        }
        self.ended_in_order.push_back(subject);
        if self.ended_in_order.len() > self.ended_kept_max
            && let Some(oldest) = self.ended_in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

enum Next {
    Ended,
    Open(Step),
}

/// Nothing if a record of this kind may not come now.
fn after(step: Option<Step>, kind: Kind) -> Option<Next> {
    match (step, kind) {
        (None, Kind::RequestRefused) => Some(Next::Ended),
        (Some(Step::Admitted | Step::Estimated), Kind::RequestCompleted) => Some(Next::Ended),
        (Some(_), Kind::RequestRefused | Kind::RequestInterrupted) => Some(Next::Ended),
        (None | Some(Step::Waiting), Kind::RequestEstimated) => Some(Next::Open(Step::Estimated)),
        (None | Some(Step::Estimated | Step::Waiting), Kind::RequestAdmitted) => Some(Next::Open(Step::Admitted)),
        (None | Some(Step::Estimated), Kind::ApprovalRequested) => Some(Next::Open(Step::Waiting)),
        (Some(Step::Waiting), Kind::ApprovalDecided) => Some(Next::Open(Step::Waiting)),
        (Some(Step::Admitted), Kind::UpstreamDispatched | Kind::ResultPage) => Some(Next::Open(Step::Admitted)),
        _ => None,
    }
}
