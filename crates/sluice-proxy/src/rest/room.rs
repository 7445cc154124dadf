//! Room for bodies. All that clients send and the gateway holds at a time shares one bound, and one caller has a part of it alone: at most half of
//! what the others have left. So a few callers cannot fill it: whoever comes next still finds room for a small body.
//!
//! What counts is what a body takes in memory: its bytes, packed and unpacked, and the tree that they are read into, which can be thirty times as
//! large. Bytes are counted as they arrive, so who announces much and sends nothing takes no room; a tree is counted before it is built.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Of all bodies that are held at a time: twice what one caller may have.
pub const BODIES_BYTES_MAX: usize = 2 * BODIES_OF_ONE_BYTES_MAX;
/// Of those of one caller: the largest body that there can be, and a few small ones.
pub const BODIES_OF_ONE_BYTES_MAX: usize = 288 << 20;
/// Of all uploads that are under way: the jobs that they are for, and what is on its way of their files. Apart from bodies, for they last for hours.
pub const UPLOADS_BYTES_MAX: usize = 512 << 20;
/// Of those of one caller.
pub const UPLOADS_OF_ONE_BYTES_MAX: usize = 176 << 20;
/// Whoever waits longer for room is sent away, and may come again.
pub const ROOM_MILLISECONDS_MAX: u64 = 5_000;
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub struct Room {
    /// By caller, what their bodies take.
    taken: Arc<Mutex<HashMap<String, usize>>>,
    bytes_max: usize,
    of_one_bytes_max: usize,
    patience: Duration,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Room,
    owner: String,
    bytes: usize,
    /// Of these, for a tree.
    tree_bytes: usize,
}

/// Too many bodies are held already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Room {
    pub fn of_bodies() -> Room {
        let patience = Duration::from_millis(ROOM_MILLISECONDS_MAX);
        Room { taken: Arc::default(), bytes_max: BODIES_BYTES_MAX, of_one_bytes_max: BODIES_OF_ONE_BYTES_MAX, patience }
    }

    pub fn of_uploads() -> Room {
        Room { bytes_max: UPLOADS_BYTES_MAX, of_one_bytes_max: UPLOADS_OF_ONE_BYTES_MAX, ..Room::of_bodies() }
    }

    /// In which nobody waits.
    #[cfg(test)]
    pub fn impatient() -> Room {
        Room { patience: Duration::ZERO, ..Room::of_bodies() }
    }

    /// Nothing is taken yet.
    pub fn place(&self, owner: String) -> Place {
        Place { room: self.clone(), owner, bytes: 0, tree_bytes: 0 }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Small bodies go past large ones that wait.
    fn take(&self, owner: &str, bytes: usize) -> bool {
        let mut taken = self.taken();
        let own = taken.get(owner).copied().unwrap_or_default();
        let of_others = taken.values().sum::<usize>() - own;
        let share = self.of_one_bytes_max.min(self.bytes_max.saturating_sub(of_others) / 2);
        let fits = own.saturating_add(bytes) <= share;
        if fits {
            taken.insert(owner.to_owned(), own + bytes);
        }
        fits
    }
}

impl Place {
    /// So many more.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let until = Instant::now() + self.room.patience;
        while !self.room.take(&self.owner, bytes) {
            if Instant::now() >= until {
                return Err(Full);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// So many more, until `fell`.
    pub async fn plant(&mut self, bytes: usize) -> Result<(), Full> {
        self.grow(bytes).await?;
        self.tree_bytes += bytes;
        Ok(())
    }

    /// The tree has been understood and is gone; what is sent of it stays.
    pub fn fell(&mut self) {
        let bytes = std::mem::take(&mut self.tree_bytes);
        self.shrink(bytes);
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        let mut taken = self.room.taken();
        if let Some(own) = taken.get_mut(&self.owner) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                taken.remove(&self.owner);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_shared_and_given_back() {
        let room = Room::impatient();
        let (mut first, mut second, mut third) = (room.place("a".to_owned()), room.place("a".to_owned()), room.place("b".to_owned()));
        assert_eq!(first.grow(BODIES_OF_ONE_BYTES_MAX).await, Ok(()));
        assert_eq!(second.grow(1).await, Err(Full), "one caller has no more");
        assert_eq!(third.grow(BODIES_OF_ONE_BYTES_MAX / 2 + 1).await, Err(Full), "half of what is left");
        assert_eq!(third.grow(BODIES_OF_ONE_BYTES_MAX / 2).await, Ok(()));
        first.shrink(BODIES_OF_ONE_BYTES_MAX / 4 + 1);
        assert_eq!(second.grow(2).await, Err(Full), "what the others took meanwhile is not there");
        assert_eq!(second.grow(1).await, Ok(()));
        drop((first, second, third));
        assert!(room.taken().is_empty());
    }

    /// Each takes all that it gets.
    #[tokio::test]
    async fn callers_who_want_everything_leave_room_for_a_statement() {
        const STATEMENT_BYTES: usize = 64 << 10;
        for (room, greedy) in [(Room { patience: Duration::ZERO, ..Room::of_uploads() }, 10), (Room::impatient(), 10)] {
            let mut places = Vec::new();
            for number in 0..greedy {
                let mut place = room.place(format!("greedy {number}"));
                let mut step = BODIES_OF_ONE_BYTES_MAX;
                while step > 0 {
                    while place.grow(step).await.is_ok() {}
                    step /= 2;
                }
                places.push(place);
            }
            assert_eq!(room.place("honest".to_owned()).grow(STATEMENT_BYTES).await, Ok(()));
            assert!(room.taken().values().sum::<usize>() < room.bytes_max);
        }
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_given_back() {
        let room = Room { patience: Duration::from_secs(600), ..Room::of_bodies() };
        let mut first = room.place("a".to_owned());
        first.grow(BODIES_OF_ONE_BYTES_MAX).await.unwrap();
        let mut second = room.place("a".to_owned());
        let (grown, ()) = tokio::join!(second.grow(10), async { drop(first) });
        assert_eq!(grown, Ok(()));
    }
}
