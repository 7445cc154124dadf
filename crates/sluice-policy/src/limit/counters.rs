//! Counting what callers use up: looked at and taken in one step, so that two requests at once cannot both take the last of it.

use super::Limit;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// What a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub requests: u64,
    pub jobs: u64,
    pub bytes: u64,
    pub cost_micros: u64,
}

/// Which limit would be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    BytesPerDay {
        max: u64,
    },
    CostPerDay {
        max_micros: u64,
    },
    JobsAtOnce {
        max: u64,
    },
    RequestsPerSecond {
        max: u64,
    },
    /// The counters cannot be asked. Who cannot be counted is not served.
    Unavailable,
}

/// Takes an amount whole or not at all, atomically for the caller. Days are those of UTC.
///
/// Bytes, cost and jobs that were taken stay taken if the request fails later; a job is given back when it is done.
pub trait Counters {
    fn take(&self, caller: &str, amount: Amount, limit: &Limit, now: i64) -> Result<(), Exceeded>;

    /// A job of the caller's is done.
    fn job_done(&self, caller: &str);
}

/// For one process. Callers without anything counted today take no room.
#[derive(Debug, Default)]
pub struct MemoryCounters {
    used: Mutex<HashMap<String, Used>>,
}

/// What a caller used up of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Since 1970.
    pub day: i64,
    pub bytes: u64,
    pub cost_micros: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    second: i64,
    requests: u64,
    today: DayUse,
    jobs: u64,
}

impl Counters for MemoryCounters {
    fn take(&self, caller: &str, amount: Amount, limit: &Limit, now: i64) -> Result<(), Exceeded> {
        let mut callers = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = callers.get(caller).copied().unwrap_or_default().at(now).and(amount, limit)?;
        callers.insert(caller.to_owned(), used);
        Ok(())
    }

    fn job_done(&self, caller: &str) {
        let mut callers = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = callers.get_mut(caller) {
            used.jobs = used.jobs.saturating_sub(1);
        }
    }
}

impl MemoryCounters {
    /// Forgets who used nothing today. To be called now and then.
    pub fn forget_idle(&self, now: i64) {
        let day = DayUse::day_of(now);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, used| used.jobs > 0 || used.today.day >= day);
    }

    pub fn day_use(&self, caller: &str, now: i64) -> DayUse {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).get(caller).copied().unwrap_or_default().at(now).today
    }

    /// As if the caller had used this before it was first counted here.
    pub fn restore(&self, caller: &str, today: DayUse) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(caller.to_owned(), Used { today, ..Used::default() });
    }
}

impl DayUse {
    /// Of a time in seconds since 1970.
    pub fn day_of(now: i64) -> i64 {
        now.div_euclid(SECONDS_PER_DAY)
    }
}

impl Used {
    /// A clock that is set back opens nothing: the later second and day stay.
    fn at(mut self, now: i64) -> Used {
        if now > self.second {
            (self.second, self.requests) = (now, 0);
        }
        let day = DayUse::day_of(now);
        if day > self.today.day {
            self.today = DayUse { day, ..DayUse::default() };
        }
        self
    }

    fn and(self, amount: Amount, limit: &Limit) -> Result<Used, Exceeded> {
        let sum = |used: u64, more: u64, max: Option<u64>, exceeded: fn(u64) -> Exceeded| {
            let total = used.saturating_add(more);
            // What takes nothing is not stopped by what others took.
            match max {
                Some(max) if more > 0 && total > max => Err(exceeded(max)),
                _ => Ok(total),
            }
        };
        let today = self.today;
        let over_cost = |max_micros| Exceeded::CostPerDay { max_micros };
        Ok(Used {
            second: self.second,
            requests: sum(self.requests, amount.requests, limit.requests_per_second_max, |max| Exceeded::RequestsPerSecond { max })?,
            jobs: sum(self.jobs, amount.jobs, limit.jobs_at_once_max, |max| Exceeded::JobsAtOnce { max })?,
            today: DayUse {
                day: today.day,
                bytes: sum(today.bytes, amount.bytes, limit.bytes_per_day_max, |max| Exceeded::BytesPerDay { max })?,
                cost_micros: sum(today.cost_micros, amount.cost_micros, limit.cost_micros_per_day_max, over_cost)?,
            },
        })
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::BytesPerDay { max } => write!(formatter, "more than {max} bytes a day"),
            Exceeded::CostPerDay { max_micros } => write!(formatter, "more than {max_micros} millionths a day"),
            Exceeded::JobsAtOnce { max } => write!(formatter, "more than {max} jobs at once"),
            Exceeded::RequestsPerSecond { max } => write!(formatter, "more than {max} requests a second"),
            Exceeded::Unavailable => formatter.write_str("the counters cannot be asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = SECONDS_PER_DAY;

    fn limit() -> Limit {
        Limit {
            requests_per_second_max: Some(2),
            jobs_at_once_max: Some(1),
            bytes_per_day_max: Some(100),
            cost_micros_per_day_max: Some(10),
        }
    }

    #[test]
    fn each_limit_holds() {
        let counters = MemoryCounters::default();
        let take =
            |now, requests, jobs, bytes, cost_micros| counters.take("a", Amount { requests, jobs, bytes, cost_micros }, &limit(), now);
        assert_eq!(take(DAY, 1, 1, 60, 5), Ok(()));
        assert_eq!(take(DAY, 1, 1, 0, 0), Err(Exceeded::JobsAtOnce { max: 1 }));
        assert_eq!(take(DAY, 1, 0, 41, 0), Err(Exceeded::BytesPerDay { max: 100 }));
        assert_eq!(take(DAY, 1, 0, 0, 6), Err(Exceeded::CostPerDay { max_micros: 10 }));
        // What was not granted was not taken.
        assert_eq!(take(DAY, 1, 0, 40, 5), Ok(()));
        assert_eq!(take(DAY, 1, 0, 0, 0), Err(Exceeded::RequestsPerSecond { max: 2 }));
        assert_eq!(take(DAY + 1, 1, 0, 0, 0), Ok(()));
        assert_eq!(take(DAY - 5, 2, 0, 0, 0), Err(Exceeded::RequestsPerSecond { max: 2 }));
        assert_eq!(take(2 * DAY, 1, 0, 100, 10), Ok(()));
        counters.job_done("a");
        assert_eq!(counters.take("a", Amount { jobs: 1, ..Amount::default() }, &limit(), 2 * DAY), Ok(()));
        assert_eq!(counters.take("b", Amount { bytes: 100, ..Amount::default() }, &limit(), 2 * DAY), Ok(()));
        counters.forget_idle(4 * DAY);
        assert_eq!(counters.used.lock().unwrap().len(), 1, "a running job is not forgotten");
    }

    #[test]
    fn a_day_ends_at_midnight_and_nothing_overflows() {
        let limit = Limit { bytes_per_day_max: Some(u64::MAX - 1), cost_micros_per_day_max: Some(10), ..Limit::default() };
        let counters = MemoryCounters::default();
        let take = |now, bytes, cost_micros| counters.take("a", Amount { bytes, cost_micros, ..Amount::default() }, &limit, now);
        let over_bytes = Err(Exceeded::BytesPerDay { max: u64::MAX - 1 });
        for (now, bytes, cost_micros, expect) in [
            (DAY, u64::MAX, 0, over_bytes),
            (DAY, u64::MAX - 1, 10, Ok(())),
            (DAY, 1, 0, over_bytes),
            (DAY, u64::MAX, 0, over_bytes),
            (2 * DAY - 1, 0, 1, Err(Exceeded::CostPerDay { max_micros: 10 })),
            (2 * DAY, u64::MAX - 1, 10, Ok(())),
            // Yesterday does not come back.
            (2 * DAY - 1, 1, 0, over_bytes),
            (2 * DAY - 1, 0, 1, Err(Exceeded::CostPerDay { max_micros: 10 })),
            (i64::MIN, 1, 0, over_bytes),
            (i64::MAX, u64::MAX - 1, 10, Ok(())),
            (i64::MAX, 1, 0, over_bytes),
        ] {
            assert_eq!(take(now, bytes, cost_micros), expect, "{now} {bytes} {cost_micros}");
        }
        // Before 1970 a day is a day too.
        let counters = MemoryCounters::default();
        let take = |now| counters.take("a", Amount { cost_micros: 10, ..Amount::default() }, &limit, now);
        assert_eq!(
            (take(-1), take(-1), take(0)),
            (Ok(()), Err(Exceeded::CostPerDay { max_micros: 10 }), Err(Exceeded::CostPerDay { max_micros: 10 }))
        );
    }

    #[test]
    fn many_at_once_take_no_more_than_there_is() {
        let counters = MemoryCounters::default();
        let amount = Amount { bytes: 7, ..Amount::default() };
        let granted: usize = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..100).filter(|_| counters.take("a", amount, &limit(), DAY).is_ok()).count())).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(granted, 14);
    }
}
