//! Limits of a caller, and the switch that stops one caller or all. Counting is a port: several replicas count in one place.

mod counters;
mod halt;

pub use counters::{Amount, Counters, DayUse, Exceeded, MemoryCounters};
pub use halt::Halt;

use sluice_model::principal::{CallerKind, Principal};
use std::fmt;

/// What a caller may use up. Nothing said is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    pub requests_per_second_max: Option<u64>,
    pub jobs_at_once_max: Option<u64>,
    pub bytes_per_day_max: Option<u64>,
    pub cost_micros_per_day_max: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRule {
    pub who: Who,
    pub limit: Limit,
}

/// A limit counts for each caller apart, also where it is said for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Issuer, `#`, subject.
    One(String),
    Everyone,
    Group(String),
    Kind(CallerKind),
}

impl Limit {
    /// The strictest of all that are meant for this caller.
    pub fn of(rules: &[LimitRule], caller: &Principal) -> Limit {
        let mine = rules.iter().filter(|rule| rule.who.means(caller));
        mine.fold(Limit::default(), |strictest, rule| strictest.and(rule.limit))
    }

    /// Whether the cost of a statement has to be known first.
    pub fn asks_for_cost(&self) -> bool {
        self.bytes_per_day_max.is_some() || self.cost_micros_per_day_max.is_some()
    }

    fn and(self, other: Limit) -> Limit {
        let strictest = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Limit {
            requests_per_second_max: strictest(self.requests_per_second_max, other.requests_per_second_max),
            jobs_at_once_max: strictest(self.jobs_at_once_max, other.jobs_at_once_max),
            bytes_per_day_max: strictest(self.bytes_per_day_max, other.bytes_per_day_max),
            cost_micros_per_day_max: strictest(self.cost_micros_per_day_max, other.cost_micros_per_day_max),
        }
    }
}

impl Who {
    fn means(&self, caller: &Principal) -> bool {
        match self {
            Who::One(id) => *id == caller.to_string(),
            Who::Everyone => true,
            Who::Group(group) => caller.groups.contains(group),
            Who::Kind(kind) => *kind == caller.kind,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.requests_per_second_max, "requests a second"),
            (self.jobs_at_once_max, "jobs at once"),
            (self.bytes_per_day_max, "bytes a day"),
            (self.cost_micros_per_day_max, "millionths a day"),
        ];
        let said: Vec<String> = parts.iter().filter_map(|(max, what)| Some(format!("{} {what}", (*max)?))).collect();
        formatter.write_str(&said.join(", "))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::One(id) => write!(formatter, "caller {id}"),
            Who::Everyone => formatter.write_str("everyone"),
            Who::Group(group) => write!(formatter, "group {group}"),
            Who::Kind(kind) => write!(formatter, "kind {kind}"),
        }
    }
}
