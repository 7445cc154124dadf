//! What one caller has under way at once. Whoever takes rows slowly holds what they need, in BigQuery's connections and in memory; a statement that takes long to
//! understand holds the engine. So each caller has only so many places of its own, and there is some left for everybody else.

use crate::refusal::Why;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Of one caller.
pub const ROWS_AT_ONCE_OF_ONE_MAX: usize = 32;
/// For the next place to be free. Nothing is held meanwhile.
pub const ROWS_WAIT_MILLISECONDS_MAX: u64 = 5_000;
/// Callers who have nothing under way are forgotten when so many are known.
const CALLERS_KEPT_MAX: usize = 1_000;

pub(crate) struct Places {
    of: Mutex<HashMap<String, Weak<Semaphore>>>,
    of_one_max: usize,
}

/// One of them, until it is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

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
