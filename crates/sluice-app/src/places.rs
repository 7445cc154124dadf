//! What one caller has under way at once. Whoever takes rows slowly holds what they need, in BigQuery's connections and in memory; a statement that takes long to
//! understand holds the engine. So each caller has only so many places of its own, and there is some left for everybody else.
//!
//! A row can have 64 MiB, and is looked at whole. Pages with such rows have places of their own, few for all callers together: what they need is then
//! bounded, however many take them slowly.

use crate::refusal::Why;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Of one caller.
pub const ROWS_AT_ONCE_OF_ONE_MAX: usize = 32;
/// For the next place to be free. Nothing is held meanwhile.
pub const ROWS_WAIT_MILLISECONDS_MAX: u64 = 5_000;
/// Pages that are in the midst of a long row, of all callers. One holds up to three times such a row: as it comes, as it is written, as it leaves.
pub const LONG_ROWS_AT_ONCE_MAX: usize = 4;
pub const LONG_ROWS_OF_ONE_MAX: usize = 2;
/// From here on a row is a long one.
pub const LONG_ROW_BYTES_MIN: usize = 2 << 20;
/// Who takes an answer too slowly is cut off sooner.
pub const LONG_ROW_WAIT_MILLISECONDS_MAX: u64 = 60_000;
/// Callers who have nothing under way are forgotten when so many are known.
const CALLERS_KEPT_MAX: usize = 1_000;

pub(crate) struct Places {
    of: Mutex<HashMap<String, Weak<Semaphore>>>,
    of_one_max: usize,
}

/// One of them, until it is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

pub(crate) struct LongRows {
    of_one: Places,
    all: Semaphore,
}

/// Given back when the page that has it has no long row any more.
pub(crate) struct LongRow<'a> {
    _of_one: Place,
    _of_all: SemaphorePermit<'a>,
}

impl LongRows {
    pub async fn take(&self, caller: &str) -> Result<LongRow<'_>, Why> {
        self.take_within(caller, Duration::from_millis(LONG_ROW_WAIT_MILLISECONDS_MAX)).await
    }

    async fn take_within(&self, caller: &str, patience: Duration) -> Result<LongRow<'_>, Why> {
        let of_one = self.of_one.take_within(caller, patience).await?;
        match timeout(patience, self.all.acquire()).await {
            Ok(Ok(of_all)) => Ok(LongRow { _of_one: of_one, _of_all: of_all }),
            _ => Err(Why::Busy),
        }
    }
}

impl Default for LongRows {
    fn default() -> LongRows {
        LongRows { of_one: Places::new(LONG_ROWS_OF_ONE_MAX), all: Semaphore::new(LONG_ROWS_AT_ONCE_MAX) }
    }
}

impl Places {
    pub fn new(of_one_max: usize) -> Places {
        Places { of: Mutex::default(), of_one_max: of_one_max.clamp(1, Semaphore::MAX_PERMITS) }
    }

    pub fn of_rows() -> Places {
        Places::new(ROWS_AT_ONCE_OF_ONE_MAX)
    }

    pub async fn take(&self, caller: &str) -> Result<Place, Why> {
        self.take_within(caller, Duration::from_millis(ROWS_WAIT_MILLISECONDS_MAX)).await
    }

    pub async fn take_within(&self, caller: &str, patience: Duration) -> Result<Place, Why> {
        match timeout(patience, self.of_caller(caller).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Place(place)),
            _ => Err(Why::Busy),
        }
    }

    fn of_caller(&self, caller: &str) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = of.get(caller).and_then(Weak::upgrade) {
            return places;
        }
        if of.len() >= CALLERS_KEPT_MAX {
            of.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(self.of_one_max));
        of.insert(caller.to_owned(), Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_caller_has_so_many_and_others_have_their_own() {
        let places = Places::of_rows();
        let mut held = Vec::new();
        for _ in 0..ROWS_AT_ONCE_OF_ONE_MAX {
            held.push(places.take("slow").await.unwrap());
        }
        assert_eq!(places.take_within("slow", Duration::from_millis(20)).await.err(), Some(Why::Busy));
        assert!(places.take("other").await.is_ok());
        held.pop();
        let (place, ()) = tokio::join!(places.take("slow"), async { held.clear() });
        assert!(place.is_ok());
    }

    #[tokio::test]
    async fn long_rows_are_few_for_one_and_few_for_all() {
        let (rows, at_once) = (LongRows::default(), Duration::from_millis(20));
        let mut held = Vec::new();
        for _ in 0..LONG_ROWS_OF_ONE_MAX {
            held.push(rows.take("first").await.ok().unwrap());
        }
        assert_eq!(rows.take_within("first", at_once).await.err(), Some(Why::Busy));
        for number in LONG_ROWS_OF_ONE_MAX..LONG_ROWS_AT_ONCE_MAX {
            held.push(rows.take(&number.to_string()).await.ok().unwrap());
        }
        assert_eq!(rows.take_within("last", at_once).await.err(), Some(Why::Busy));
        held.pop();
        assert!(rows.take_within("last", at_once).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_nothing_under_way_is_forgotten() {
        let places = Places::of_rows();
        let held = places.take("held").await.unwrap();
        for number in 0..CALLERS_KEPT_MAX + 1 {
            drop(places.take(&number.to_string()).await.unwrap());
        }
        let known = places.of.lock().unwrap();
        assert!(known.contains_key("held") && known.len() < CALLERS_KEPT_MAX, "{}", known.len());
        drop(held);
    }
}
