//! Which segment holds what. Shared by the one that appends and the one that wipes; neither touches a segment that the other has in hand.

use super::{PATHS, WalFault, wipe_file};
use crate::disk::Disk;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
pub struct Segments(Arc<Mutex<States>>);

#[derive(Debug)]
struct States {
    active: usize,
    regular: Vec<State>,
    closing: State,
}

#[derive(Clone, Copy, Debug)]
struct State {
    bytes: u64,
    used: u64,
    first_index: u64,
    /// Behind the last record in it.
    next_index: u64,
    in_hand: bool,
}

impl Segments {
    /// All wiped; the last is the closing reserve.
    pub fn new(mut bytes: Vec<u64>) -> Segments {
        let state = |bytes: u64| State { bytes, used: 0, first_index: 0, next_index: 0, in_hand: false };
        let closing = state(bytes.pop().unwrap_or_default());
        let regular = bytes.into_iter().map(state).collect();
        Segments(Arc::new(Mutex::new(States { active: 0, regular, closing })))
    }

    /// Wipes every segment that is not written to and whose records are all applied. Safe beside an append.
    pub fn wipe(&self, disk: &dyn Disk, applied: u64) -> io::Result<()> {
        for (place, path) in PATHS.into_iter().enumerate() {
            let Some(used) = self.take_applied(place, applied) else { continue };
            let outcome = disk.open(path).and_then(|file| wipe_file(file.as_ref(), used));
            if let Some(state) = self.lock().get_mut(place) {
                // Half wiped is still used: it is wiped again.
                *state = State { used: if outcome.is_ok() { 0 } else { used }, in_hand: false, ..*state };
            }
            outcome?;
        }
        Ok(())
    }

    /// Whether a record still stands in some segment.
    pub fn hold(&self, index: u64) -> bool {
        let states = self.lock();
        states.all().any(|state| state.used > 0 && (state.first_index..state.next_index).contains(&index))
    }

    /// Bytes that can be written before something has to be applied, and the same with the closing reserve.
    pub fn room_bytes(&self) -> (u64, u64) {
        let states = self.lock();
        let is_usable = |(place, state): &(usize, &State)| *place == states.active || state.used == 0;
        let regular = states.regular.iter().enumerate().filter(is_usable).map(|(_, state)| state.bytes - state.used).sum();
        (regular, regular + states.closing.bytes - states.closing.used)
    }

    /// Where a batch of this length goes: behind what is there, else into a wiped segment, else into the closing reserve. In hand until `advance` or `release`.
    pub(super) fn reserve(&self, bytes: u64, may_close: bool) -> Result<(usize, u64), WalFault> {
        let mut states = self.lock();
        let count = states.regular.len();
        if states.all().all(|state| bytes > state.bytes) {
            return Err(WalFault::TooLarge);
        }
        let active = states.active;
        let fits = |state: &State| !state.in_hand && state.used + bytes <= state.bytes;
        let is_next = |place: &usize| states.regular.get(*place).is_some_and(|state| (*place == active || state.used == 0) && fits(state));
        let regular = (active..count).chain(0..active).find(is_next);
        let place = regular.or((may_close && fits(&states.closing)).then_some(count)).ok_or(WalFault::NoRoom)?;
        if place < count {
            states.active = place;
        }
        let state = states.get_mut(place).ok_or(WalFault::NoRoom)?;
        state.in_hand = true;
        Ok((place, state.used))
    }

    pub(super) fn advance(&self, place: usize, bytes: u64, first_index: u64, next_index: u64) {
        if let Some(state) = self.lock().get_mut(place) {
            let first_index = if state.used == 0 { first_index } else { state.first_index };
            *state = State { used: state.used + bytes, first_index, next_index, in_hand: false, ..*state };
        }
    }

    pub(super) fn release(&self, place: usize) {
        if let Some(state) = self.lock().get_mut(place) {
            state.in_hand = false;
        }
    }

    /// False if no other segment is free yet.
    pub(super) fn rotate(&self) -> bool {
        let mut states = self.lock();
        if states.regular.get(states.active).is_none_or(|state| state.used == 0) {
            return true;
        }
        let free = states.regular.iter().position(|state| state.used == 0 && !state.in_hand);
        states.active = free.unwrap_or(states.active);
        free.is_some()
    }

    fn take_applied(&self, place: usize, applied: u64) -> Option<u64> {
        let mut states = self.lock();
        let is_active = place == states.active;
        let state = states.get_mut(place).filter(|state| !is_active && !state.in_hand && state.used > 0 && state.next_index <= applied)?;
        state.in_hand = true;
        Some(state.used)
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    fn all(&self) -> impl Iterator<Item = &State> {
        self.regular.iter().chain(std::iter::once(&self.closing))
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut State> {
        let count = self.regular.len();
        if place == count { Some(&mut self.closing) } else { self.regular.get_mut(place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    fn segments() -> Segments {
        Segments::new(vec![64, 64, 32])
    }

    /// A batch of so many bytes and records, from reserving to the answer.
    fn append(segments: &Segments, bytes: u64, records: std::ops::Range<u64>) -> usize {
        let (place, _) = segments.reserve(bytes, false).unwrap();
        segments.advance(place, bytes, records.start, records.end);
        place
    }

    fn reserve(segments: &Segments, bytes: u64, may_close: bool) -> Option<usize> {
        segments.reserve(bytes, may_close).ok().map(|(place, _)| place)
    }

    #[test]
    fn a_segment_is_wiped_once_all_of_it_is_applied_and_nobody_writes_to_it() {
        let segments = segments();
        assert_eq!(append(&segments, 40, 0..3), 0);
        assert_eq!(segments.take_applied(0, 3), None, "it is written to");
        assert_eq!(append(&segments, 40, 3..5), 1);
        assert_eq!(segments.take_applied(0, 2), None, "record 2 is not applied");
        assert_eq!(segments.take_applied(1, 9), None, "it is written to now");
        assert_eq!(segments.take_applied(2, 9), None, "there is nothing in it");
        assert_eq!(segments.take_applied(0, 3), Some(40));
        assert_eq!(segments.take_applied(0, 3), None, "it is in hand");
    }

    #[test]
    fn a_batch_goes_where_nobody_else_is() {
        let segments = segments();
        append(&segments, 40, 0..3);
        append(&segments, 40, 3..5);
        assert_eq!(reserve(&segments, 40, false), None, "the first is not wiped, the second has no room");
        assert_eq!(reserve(&segments, 24, false), Some(1));
        assert_eq!(reserve(&segments, 8, false), None, "the second is in hand");
        segments.release(1);
        assert_eq!(segments.take_applied(0, 3), Some(40));
        assert_eq!(reserve(&segments, 40, false), None, "the first is being wiped");
        assert_eq!(reserve(&segments, 30, true), Some(2));
        assert_eq!(reserve(&segments, 30, true), None, "the closing reserve is in hand");
        assert!(matches!(segments.reserve(65, true), Err(WalFault::TooLarge)));
    }

    #[test]
    fn another_segment_is_taken_only_if_it_is_free() {
        let segments = segments();
        assert!(segments.rotate(), "an empty one is as good as another");
        append(&segments, 10, 0..1);
        assert!(segments.rotate());
        assert_eq!(append(&segments, 10, 1..2), 1);
        assert!(!segments.rotate(), "the first is not wiped");
        assert_eq!(segments.take_applied(0, 1), Some(10));
        assert!(!segments.rotate(), "it is being wiped");
    }

    #[test]
    fn what_could_not_be_wiped_is_wiped_again() {
        let folder = tempfile::tempdir().unwrap();
        let without_files = LocalDisk::new(folder.path()).unwrap();
        let segments = segments();
        append(&segments, 40, 0..3);
        append(&segments, 40, 3..5);
        assert!(segments.wipe(&without_files, 5).is_err());
        assert!(segments.hold(2) && !segments.hold(9));
        assert_eq!(segments.take_applied(0, 5), Some(40));
    }
}
