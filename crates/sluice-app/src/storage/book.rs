//! Which sessions there are, whose, and what was understood when each was opened. Names are the gateway's own, so nobody reads a stream that the gateway did
//! not open for them, whatever name they know. It lives in memory: after a restart a client opens its session again.

use super::ask::RowForm;
use crate::job::KnownJob;
use crate::ports::RowShape;
use sluice_model::{Output, TableName};
use sluice_policy::Restriction;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of all callers. More than that, and the oldest goes.
pub const READ_SESSIONS_MAX: usize = 8_192;
/// Of one caller: its own oldest goes first.
pub const READ_SESSIONS_OF_ONE_MAX: usize = 256;
/// Of what they hold.
const BYTES_MAX: usize = 512 << 20;
const BYTES_OF_ONE_MAX: usize = 64 << 20;
/// Of one session, those that splitting made among them.
pub const READ_STREAMS_MAX: usize = 2_000;
/// As long as BigQuery's.
pub const READ_SESSION_MILLISECONDS_MAX: u64 = 6 * 3600 * 1000;
/// What a session takes beside its texts, and each output and stream of it.
const ENTRY_BYTES: usize = 1 << 10;

#[derive(Default)]
pub(crate) struct ReadSessions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    last: u64,
    /// The oldest first.
    sessions: BTreeMap<u64, Entry>,
    numbers: HashMap<String, u64>,
    bytes: usize,
}

struct Entry {
    session: Arc<ReadSession>,
    /// As BigQuery names them, in the order of our numbers.
    streams: Vec<String>,
    bytes: usize,
}

pub(crate) struct ReadSession {
    /// `projects/p/locations/l/sessions/ID`.
    pub name: String,
    pub connection: String,
    pub project: String,
    pub owner: String,
    pub expires_ms: u64,
    pub matter: Matter,
    pub form: RowForm,
    /// As BigQuery gave it.
    pub shape: RowShape,
}

/// What is decided on again.
#[derive(Clone)]
pub(crate) enum Matter {
    /// The result of a job of the caller's.
    Job(Arc<KnownJob>, Vec<Vec<String>>),
    Table {
        table: TableName,
        columns: Vec<Output>,
        required: BTreeSet<String>,
        restriction: Option<Restriction>,
        /// It is read as it was at some time.
        historical: bool,
    },
}

impl ReadSessions {
    /// The names of its streams.
    pub fn keep(&self, session: ReadSession, streams: Vec<String>, now_ms: u64) -> (Arc<ReadSession>, Vec<String>) {
        let mut kept = self.kept(now_ms);
        let (bytes, session) = (session.bytes() + streams.len() * ENTRY_BYTES, Arc::new(session));
        kept.make_room(&session.owner, bytes);
        kept.last += 1;
        let number = kept.last;
        let names = (0..streams.len()).map(|place| session.stream(place)).collect();
        kept.numbers.insert(session.name.clone(), number);
        kept.bytes += bytes;
        kept.sessions.insert(number, Entry { session: Arc::clone(&session), streams, bytes });
        (session, names)
    }

    /// A stream by our name, with BigQuery's. Another caller's is as little there as none at all.
    pub fn find(&self, connection: &str, owner: &str, stream: &str, now_ms: u64) -> Option<(Arc<ReadSession>, String)> {
        let (name, place) = stream.rsplit_once(STREAMS)?;
        let kept = self.kept(now_ms);
        let entry = kept.sessions.get(kept.numbers.get(name)?)?;
        let is_own = entry.session.owner == owner && entry.session.connection == connection;
        let theirs = entry.streams.get(place.parse::<usize>().ok()?).filter(|_| is_own)?;
        // One stream has one name: `007` is none.
        (entry.session.stream(place.parse().ok()?) == stream).then(|| (Arc::clone(&entry.session), theirs.clone()))
    }

    /// Streams that came of one of them. Nothing where there are too many already.
    pub fn add(&self, session: &ReadSession, streams: [String; 2], now_ms: u64) -> Option<[String; 2]> {
        let mut kept = self.kept(now_ms);
        let number = *kept.numbers.get(&session.name)?;
        let entry = kept.sessions.get_mut(&number)?;
        if entry.streams.len() + streams.len() > READ_STREAMS_MAX {
            return None;
        }
        let (first, more) = (entry.streams.len(), streams.len() * ENTRY_BYTES);
        entry.streams.extend(streams);
        entry.bytes += more;
        let names = [entry.session.stream(first), entry.session.stream(first + 1)];
        kept.bytes += more;
        Some(names)
    }

    /// Whether so many more would fit.
    pub fn may_grow(&self, session: &ReadSession, now_ms: u64) -> bool {
        let kept = self.kept(now_ms);
        let entry = kept.numbers.get(&session.name).and_then(|number| kept.sessions.get(number));
        entry.is_some_and(|entry| entry.streams.len() + 2 <= READ_STREAMS_MAX)
    }

    /// Whoever looks meets no session that has expired.
    fn kept(&self, now_ms: u64) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((number, entry)) = kept.sessions.first_key_value() {
            if entry.session.expires_ms > now_ms {
                break;
            }
            let number = *number;
            kept.forget(number);
        }
        kept
    }
}

const STREAMS: &str = "/streams/";

impl ReadSession {
    fn stream(&self, place: usize) -> String {
        format!("{}{STREAMS}{place}", self.name)
    }

    /// About as much as it holds.
    fn bytes(&self) -> usize {
        let matter = match &self.matter {
            Matter::Job(_, fields) => fields.len() * ENTRY_BYTES,
            Matter::Table { columns, restriction, .. } => {
                let leaves: usize = columns.iter().map(|column| 1 + column.exposures.len()).sum();
                let restriction = restriction.as_ref().map_or(0, |restriction| 4 * restriction.text.len());
                leaves * ENTRY_BYTES + restriction
            }
        };
        ENTRY_BYTES + matter + self.shape.bytes().len()
    }
}

impl Kept {
    fn make_room(&mut self, owner: &str, bytes: usize) {
        loop {
            let own: Vec<(u64, usize)> = self
                .sessions
                .iter()
                .filter(|(_, entry)| entry.session.owner == owner)
                .map(|(number, entry)| (*number, entry.bytes))
                .collect();
            let own_bytes: usize = own.iter().map(|(_, bytes)| bytes).sum();
            let oldest = match own.first() {
                Some((oldest, _)) if own.len() >= READ_SESSIONS_OF_ONE_MAX || own_bytes + bytes > BYTES_OF_ONE_MAX => Some(*oldest),
                _ if self.sessions.len() >= READ_SESSIONS_MAX || self.bytes + bytes > BYTES_MAX => {
                    self.sessions.first_key_value().map(|(oldest, _)| *oldest)
                }
                _ => None,
            };
            match oldest {
                Some(oldest) => self.forget(oldest),
                None => return,
            }
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(entry) = self.sessions.remove(&number) {
            self.bytes -= entry.bytes;
            self.numbers.remove(&entry.session.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, owner: &str, expires_ms: u64, text: usize) -> ReadSession {
        ReadSession {
            name: format!("projects/p/locations/us/sessions/{id}"),
            connection: "c".to_owned(),
            project: "p".to_owned(),
            owner: owner.to_owned(),
            expires_ms,
            matter: Matter::Table {
                table: TableName::new("p", "d", "t"),
                columns: Vec::new(),
                required: BTreeSet::new(),
                restriction: None,
                historical: false,
            },
            form: RowForm::Avro,
            shape: RowShape::Avro("x".repeat(text)),
        }
    }

    #[test]
    fn a_stream_is_found_by_its_owner_alone() {
        let book = ReadSessions::default();
        let (_, names) = book.keep(session("a", "ana", 10, 0), vec!["theirs/0".to_owned(), "theirs/1".to_owned()], 0);
        let name = |place: &str| format!("projects/p/locations/us/sessions/a/streams/{place}");
        assert_eq!(names, [name("0"), name("1")]);
        let check = |connection: &str, owner: &str, stream: &str, now_ms: u64, expect: Option<&str>| {
            let found = book.find(connection, owner, stream, now_ms).map(|(_, theirs)| theirs);
            assert_eq!(found.as_deref(), expect, "{connection} {owner} {stream} {now_ms}");
        };
        check("c", "ana", &name("1"), 9, Some("theirs/1"));
        check("c", "bob", &name("1"), 9, None);
        check("d", "ana", &name("1"), 9, None);
        for bad in ["01", "2", "-1", "+1", "", "1/streams/1", "0x1"] {
            check("c", "ana", &name(bad), 9, None);
        }
        check("c", "ana", "theirs/1", 9, None);
        check("c", "ana", &name("1"), 10, None);
    }

    #[test]
    fn split_streams_are_found_until_there_are_too_many() {
        let book = ReadSessions::default();
        let (kept, _) = book.keep(session("a", "ana", 10, 0), vec!["0".to_owned()], 0);
        let mut added = 1;
        while book.may_grow(&kept, 0) {
            let names = book.add(&kept, [added, added + 1].map(|number| number.to_string()), 0).unwrap();
            assert_eq!(book.find("c", "ana", &names[1], 0).unwrap().1, (added + 1).to_string());
            added += 2;
        }
        assert_eq!(added, READ_STREAMS_MAX - 1);
        assert!(book.add(&kept, ["a", "b"].map(str::to_owned), 0).is_none());
    }

    #[test]
    fn the_book_is_bounded_and_one_caller_pushes_out_its_own() {
        let book = ReadSessions::default();
        book.keep(session("other", "bob", 10, 0), vec!["0".to_owned()], 0);
        let is_there =
            |id: &str, owner: &str| book.find("c", owner, &format!("projects/p/locations/us/sessions/{id}/streams/0"), 0).is_some();
        for number in 0..READ_SESSIONS_OF_ONE_MAX + 1 {
            book.keep(session(&number.to_string(), "ana", 10, 0), vec!["0".to_owned()], 0);
        }
        assert_eq!((is_there("other", "bob"), is_there("0", "ana"), is_there("1", "ana")), (true, false, true));
        // Two of these are more than one caller may hold.
        book.keep(session("large", "ana", 10, BYTES_OF_ONE_MAX / 2), vec!["0".to_owned()], 0);
        book.keep(session("larger", "ana", 10, BYTES_OF_ONE_MAX / 2), vec!["0".to_owned()], 0);
        assert_eq!((is_there("other", "bob"), is_there("large", "ana"), is_there("larger", "ana")), (true, false, true));
        for number in 0..READ_SESSIONS_MAX {
            let owner = format!("crowd {}", number / READ_SESSIONS_OF_ONE_MAX);
            book.keep(session(&format!("c{number}"), &owner, 10, 0), vec!["0".to_owned()], 0);
        }
        assert!(!is_there("other", "bob"));
        assert_eq!(book.kept(0).sessions.len(), READ_SESSIONS_MAX);
        assert_eq!(book.kept(10).bytes, 0);
    }
}
