//! How many records of each kind became durable, and how long whoever asked waited for it: since the start of the process, for operators.

use sluice_ledger::record::Kind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Waits of at most so long, and longer than the class before.
const WAITS_MICROSECONDS_MAX: [u64; 12] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 250_000, 1_000_000, 8_000_000];

pub struct Tally {
    kinds: [AtomicU64; Kind::ALL.len()],
    waits: [AtomicU64; WAITS_MICROSECONDS_MAX.len()],
    longer: AtomicU64,
    waited_microseconds: AtomicU64,
    refused: AtomicU64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Appended {
    pub kinds: Vec<(Kind, u64)>,
    /// The end of each class in seconds, and how many waits are in it alone. The last has no end.
    pub waits: Vec<(f64, u64)>,
    pub waited_seconds: f64,
    /// Not taken: too many waited, no room, closed, or against the grammar.
    pub refused: u64,
}

impl Tally {
    /// `waited` is none where nobody waited.
    pub fn count(&self, kind: Kind, waited: Option<Duration>, is_durable: bool) {
        if !is_durable {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some((_, counter)) = Kind::ALL.iter().zip(&self.kinds).find(|(one, _)| **one == kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let Some(waited) = waited else { return };
        let microseconds = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let class = WAITS_MICROSECONDS_MAX.iter().position(|longest| microseconds <= *longest);
        class.and_then(|class| self.waits.get(class)).unwrap_or(&self.longer).fetch_add(1, Ordering::Relaxed);
        self.waited_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub fn appended(&self) -> Appended {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |microseconds: u64| Duration::from_micros(microseconds).as_secs_f64();
        let classes = WAITS_MICROSECONDS_MAX.iter().zip(&self.waits);
        let mut waits: Vec<(f64, u64)> = classes.map(|(longest, counter)| (seconds(*longest), read(counter))).collect();
        waits.push((f64::INFINITY, read(&self.longer)));
        Appended {
            kinds: Kind::ALL.iter().copied().zip(self.kinds.iter().map(read)).collect(),
            waits,
            waited_seconds: seconds(read(&self.waited_microseconds)),
            refused: read(&self.refused),
        }
    }
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            kinds: std::array::from_fn(|_| AtomicU64::default()),
            waits: std::array::from_fn(|_| AtomicU64::default()),
            longer: AtomicU64::default(),
            waited_microseconds: AtomicU64::default(),
            refused: AtomicU64::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_counted_once_at_its_place() {
        let tally = Tally::default();
        for (microseconds, is_durable) in [(250, true), (251, true), (9_000_000, true), (100, false)] {
            tally.count(Kind::ResultPage, Some(Duration::from_micros(microseconds)), is_durable);
        }
        tally.count(Kind::ResultPage, None, true);
        let Appended { kinds, waits, waited_seconds, refused } = tally.appended();
        let counted: Vec<(Kind, u64)> = kinds.into_iter().filter(|(_, count)| *count > 0).collect();
        let places: Vec<u64> = waits.iter().map(|(_, count)| *count).collect();
        assert_eq!((counted, refused), (vec![(Kind::ResultPage, 4)], 1));
        assert_eq!(places, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(waits.last().map(|(longest, _)| *longest), Some(f64::INFINITY));
        assert!((waited_seconds - 9.000_501).abs() < 1e-9, "{waited_seconds}");
    }
}
