//! How many connections there are and were, for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of one process, since its doors were opened.
#[derive(Debug, Default)]
pub struct Counts {
    pub plain: DoorCounts,
    pub tls: DoorCounts,
}

#[derive(Debug, Default)]
pub struct DoorCounts {
    accepted: AtomicU64,
    over: AtomicU64,
    cut_off: AtomicU64,
    handshakes_failed: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Plain,
    Tls,
}

/// A connection that is open as long as this lives.
pub(super) struct Counted {
    counts: Arc<Counts>,
    door: Door,
}

impl DoorCounts {
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub fn open(&self) -> u64 {
        // Read in this order, so that what ends in between is not counted as open below nought.
        let over = self.over.load(Ordering::Acquire);
        self.accepted().saturating_sub(over)
    }

    /// By us, since the client said or took nothing for too long.
    pub fn cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Not done in time, or not done at all.
    pub fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed.load(Ordering::Relaxed)
    }
}

impl Counted {
    pub fn new(counts: &Arc<Counts>, door: Door) -> Counted {
        let counted = Counted { counts: Arc::clone(counts), door };
        counted.of_door().accepted.fetch_add(1, Ordering::Relaxed);
        counted
    }

    pub fn cut_off(&self) {
        self.of_door().cut_off.fetch_add(1, Ordering::Relaxed);
    }

    pub fn handshake_failed(&self) {
        self.of_door().handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    fn of_door(&self) -> &DoorCounts {
        match self.door {
            Door::Plain => &self.counts.plain,
            Door::Tls => &self.counts.tls,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of_door().over.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_open_until_it_is_over() {
        let counts = Arc::new(Counts::default());
        let (first, second) = (Counted::new(&counts, Door::Tls), Counted::new(&counts, Door::Tls));
        first.cut_off();
        second.handshake_failed();
        drop(first);
        let of = |door: &DoorCounts| (door.accepted(), door.open(), door.cut_off(), door.handshakes_failed());
        assert_eq!((of(&counts.tls), of(&counts.plain)), ((2, 1, 1, 1), (0, 0, 0, 0)));
        drop(second);
        assert_eq!(of(&counts.tls), (2, 0, 1, 1));
    }
}
