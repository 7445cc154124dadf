//! Which streams there are, whose, and how BigQuery calls them. Names are the gateway's own, so nobody writes to a stream that the gateway did not create for
//! them. It lives in memory: after a restart a client creates its stream again, and what was pending is never committed.

use super::ask::path;
use sluice_model::TableName;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of all callers. More than that, and the oldest goes.
pub const WRITE_STREAMS_MAX: usize = 32_768;
/// Of one caller: its own oldest goes first.
pub const WRITE_STREAMS_OF_ONE_MAX: usize = 2_048;
/// Since anybody asked for it. BigQuery forgets idle streams later than that.
pub const WRITE_STREAM_MILLISECONDS_MAX: u64 = 24 * 3600 * 1000;

#[derive(Default)]
pub(crate) struct WriteStreams(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    last: u64,
    /// The one that was asked for longest ago first.
    streams: BTreeMap<u64, Entry>,
    numbers: HashMap<String, u64>,
    of: HashMap<String, usize>,
}

struct Entry {
    name: String,
    theirs: String,
    connection: String,
    owner: String,
    asked_ms: u64,
}

impl WriteStreams {
    /// Its name for the client.
    pub fn keep(&self, connection: &str, owner: &str, table: &TableName, (id, theirs): (&str, String), now_ms: u64) -> String {
        let name = format!("{}/streams/{id}", path(table));
        let (connection, owner) = (connection.to_owned(), owner.to_owned());
        let mut kept = self.kept(now_ms);
        kept.make_room(&owner);
        kept.put(Entry { name: name.clone(), theirs, connection, owner, asked_ms: now_ms });
        name
    }

    /// BigQuery's name for it. Another caller's is as little there as none at all.
    pub fn find(&self, connection: &str, owner: &str, name: &str, now_ms: u64) -> Option<String> {
        let mut kept = self.kept(now_ms);
        let number = *kept.numbers.get(name)?;
        kept.streams.get(&number).filter(|entry| entry.owner == owner && entry.connection == connection)?;
        let entry = kept.remove(number)?;
        let theirs = entry.theirs.clone();
        kept.put(Entry { asked_ms: now_ms, ..entry });
        Some(theirs)
    }

    /// Whoever looks meets no stream that has expired.
    fn kept(&self, now_ms: u64) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((number, _)) = kept.oldest().filter(|(_, entry)| entry.asked_ms + WRITE_STREAM_MILLISECONDS_MAX <= now_ms) {
            kept.remove(number);
        }
        kept
    }
}

impl Kept {
    fn oldest(&self) -> Option<(u64, &Entry)> {
        self.streams.first_key_value().map(|(number, entry)| (*number, entry))
    }

    fn make_room(&mut self, owner: &str) {
        let own = self.of.get(owner).copied().unwrap_or_default();
        let oldest = if own >= WRITE_STREAMS_OF_ONE_MAX {
            self.streams.iter().find(|(_, entry)| entry.owner == owner).map(|(number, _)| *number)
        } else if self.streams.len() >= WRITE_STREAMS_MAX {
            self.oldest().map(|(number, _)| number)
        } else {
            None
        };
        if let Some(number) = oldest {
            self.remove(number);
        }
    }

    fn put(&mut self, entry: Entry) {
        self.last += 1;
        self.numbers.insert(entry.name.clone(), self.last);
        *self.of.entry(entry.owner.clone()).or_default() += 1;
        self.streams.insert(self.last, entry);
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.streams.remove(&number)?;
        self.numbers.remove(&entry.name);
        if let Some(own) = self.of.get_mut(&entry.owner) {
            *own -= 1;
            if *own == 0 {
                self.of.remove(&entry.owner);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(book: &WriteStreams, owner: &str, id: &str, now_ms: u64) -> String {
        book.keep("c", owner, &TableName::new("p", "d", "t"), (id, format!("theirs/{id}")), now_ms)
    }

    #[test]
    fn a_stream_is_found_by_its_owner_alone() {
        let book = WriteStreams::default();
        let name = keep(&book, "ana", "a", 0);
        assert_eq!(name, "projects/p/datasets/d/tables/t/streams/a");
        let check = |connection: &str, owner: &str, name: &str, now_ms: u64, expect: Option<&str>| {
            assert_eq!(book.find(connection, owner, name, now_ms).as_deref(), expect, "{connection} {owner} {name} {now_ms}");
        };
        check("c", "ana", &name, 1, Some("theirs/a"));
        check("c", "bob", &name, 1, None);
        check("d", "ana", &name, 1, None);
        check("c", "ana", "theirs/a", 1, None);
        // Whoever asks keeps it.
        check("c", "ana", &name, WRITE_STREAM_MILLISECONDS_MAX, Some("theirs/a"));
        check("c", "ana", &name, 2 * WRITE_STREAM_MILLISECONDS_MAX, None);
    }

    #[test]
    fn the_book_is_bounded_and_one_caller_pushes_out_its_own() {
        let book = WriteStreams::default();
        let other = keep(&book, "bob", "other", 0);
        let first = keep(&book, "ana", "first", 0);
        for number in 1..WRITE_STREAMS_OF_ONE_MAX {
            keep(&book, "ana", &number.to_string(), 0);
        }
        assert!(book.find("c", "ana", &first, 0).is_some(), "it is the newest now");
        keep(&book, "ana", "more", 0);
        let second = "projects/p/datasets/d/tables/t/streams/1";
        let is_there = |owner: &str, name: &str| book.find("c", owner, name, 0).is_some();
        assert_eq!((is_there("ana", second), is_there("ana", &first), is_there("bob", &other)), (false, true, true));
        for number in 0..=WRITE_STREAMS_MAX {
            keep(&book, &format!("crowd {}", number / WRITE_STREAMS_OF_ONE_MAX), &format!("c{number}"), 1);
        }
        assert_eq!((is_there("bob", &other), book.kept(1).streams.len()), (false, WRITE_STREAMS_MAX));
    }
}
