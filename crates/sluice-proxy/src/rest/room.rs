//! Room for bodies. All that clients send and the gateway holds at a time shares one bound, and one caller has a part of it alone.
//!
//! What counts is what a body takes in memory: its bytes, packed and unpacked, and the tree that they are read into, which can be thirty times as
//! large. Bytes are counted as they arrive, so who announces much and sends nothing takes no room; a tree is counted before it is built.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Of all bodies that are held at a time.
pub const BODIES_BYTES_MAX: usize = 512 << 20;
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
        let all: usize = taken.values().sum();
        let own = taken.get(owner).copied().unwrap_or_default();
        let fits = all.saturating_add(bytes) <= self.bytes_max && own.saturating_add(bytes) <= self.of_one_bytes_max;
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
        assert_eq!(third.grow(BODIES_BYTES_MAX - BODIES_OF_ONE_BYTES_MAX).await, Ok(()));
        assert_eq!(room.place("c".to_owned()).grow(1).await, Err(Full), "nobody has more");
        first.shrink(2);
        assert_eq!(second.grow(1).await, Ok(()));
        assert_eq!(room.place("c".to_owned()).grow(1).await, Ok(()));
        drop((first, second, third));
        assert!(room.taken().is_empty());
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
