//! Sessions and their streams, kept for a while. A stream is a range of the rows that its session has fixed.

use super::encode::Encoder;
use super::picked::{self, Pick};
use crate::store::Rows;
use crate::values::Datum;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than that, and the oldest goes.
pub const SESSIONS_MAX: usize = 1_000;
/// Of one session, those that splitting made among them.
pub const STREAMS_MAX: usize = 1_000;
/// BigQuery's sessions live as long.
pub const SESSION_MILLISECONDS_MAX: i64 = 6 * 3600 * 1000;

pub struct Session {
    pub name: String,
    pub expires_milliseconds: i64,
    pub rows: Arc<Rows>,
    /// Nothing where all columns are read.
    pub picks: Option<Vec<Pick>>,
    pub encoder: Encoder,
}

/// A part of a session's rows.
#[derive(Clone)]
pub struct Stream {
    pub session: Arc<Session>,
    pub rows: Range<u64>,
}

#[derive(Default)]
pub struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    kept: BTreeMap<u64, Kept>,
    /// The number of the session that a stream belongs to.
    streams: HashMap<String, u64>,
}

struct Kept {
    session: Arc<Session>,
    streams: BTreeMap<String, Range<u64>>,
}

impl Session {
    pub fn row(&self, position: u64) -> Option<Cow<'_, [Datum]>> {
        let row = self.rows.row(position)?;
        Some(match &self.picks {
            Some(picks) => Cow::Owned(picked::cells(&row, picks)),
            None => row,
        })
    }

    /// The streams of a new session: each has as many rows as the others, or one more. No rows, no stream.
    pub fn ranges(&self, count_max: u64) -> Vec<Range<u64>> {
        let rows = self.rows.count();
        let count = count_max.min(rows).min(STREAMS_MAX as u64);
        let bound = |number: u64| u64::try_from(u128::from(rows) * u128::from(number) / u128::from(count.max(1))).unwrap_or(rows);
        (0..count).map(|number| bound(number)..bound(number + 1)).collect()
    }
}

impl Sessions {
    /// Keeps the session, and gives its streams their names.
    pub fn keep(&self, session: Session, ranges: Vec<Range<u64>>, now_milliseconds: i64) -> Vec<String> {
        let mut inner = self.lock(now_milliseconds);
        while inner.kept.len() >= SESSIONS_MAX {
            inner.forget_first();
        }
        inner.last += 1;
        let number = inner.last;
        let names: Vec<String> = (0..ranges.len()).map(|place| stream_name(&session.name, place)).collect();
        inner.streams.extend(names.iter().map(|name| (name.clone(), number)));
        let streams = names.iter().cloned().zip(ranges).collect();
        inner.kept.insert(number, Kept { session: Arc::new(session), streams });
        names
    }

    pub fn stream(&self, name: &str, now_milliseconds: i64) -> Option<Stream> {
        let inner = self.lock(now_milliseconds);
        let kept = inner.kept.get(inner.streams.get(name)?)?;
        let rows = kept.streams.get(name)?.clone();
        Some(Stream { session: kept.session.clone(), rows })
    }

    /// Two streams that have the rows of this one, which stays. Nothing where one row is left, or too many streams are there.
    pub fn split(&self, name: &str, fraction: f64, now_milliseconds: i64) -> Option<Option<[String; 2]>> {
        let mut inner = self.lock(now_milliseconds);
        let number = *inner.streams.get(name)?;
        let kept = inner.kept.get_mut(&number)?;
        let rows = kept.streams.get(name)?.clone();
        let count = rows.end - rows.start;
        if count < 2 || kept.streams.len() + 2 > STREAMS_MAX {
            return Some(None);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a point between the first row and the last is looked for, and clamped to that"
        )]
        let first = ((count as f64 * fraction) as u64).clamp(1, count - 1);
        let names = [0, 1].map(|more| stream_name(&kept.session.name, kept.streams.len() + more));
        let middle = rows.start + first;
        let ranges = [rows.start..middle, middle..rows.end];
        kept.streams.extend(names.iter().cloned().zip(ranges));
        inner.streams.extend(names.iter().map(|name| (name.clone(), number)));
        Some(Some(names))
    }

    /// Whoever looks meets no session that has expired.
    fn lock(&self, now_milliseconds: i64) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.kept.first_key_value().is_some_and(|(_, kept)| kept.session.expires_milliseconds <= now_milliseconds) {
            inner.forget_first();
        }
        inner
    }
}

impl Inner {
    fn forget_first(&mut self) {
        if let Some((_, kept)) = self.kept.pop_first() {
            self.streams.retain(|name, _| !kept.streams.contains_key(name));
        }
    }
}

fn stream_name(session: &str, place: usize) -> String {
    format!("{session}/streams/{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::encode::Wanted;

    fn session(name: &str, rows: u64, expires_milliseconds: i64) -> Session {
        let rows = (0..rows).map(|_| vec![Datum::Null]).collect();
        let encoder = Encoder::new(Vec::new(), Wanted::Avro).unwrap();
        Session { name: name.to_owned(), expires_milliseconds, rows: Arc::new(Rows::held(rows)), picks: None, encoder }
    }

    #[test]
    fn rows_are_shared_out_evenly() {
        let check = |rows: u64, count: u64, expect: &[(u64, u64)]| {
            let ranges = session("s", rows, 1).ranges(count);
            assert_eq!(ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>(), expect, "{rows} {count}");
        };
        check(0, 3, &[]);
        check(1, 3, &[(0, 1)]);
        check(7, 3, &[(0, 2), (2, 4), (4, 7)]);
        check(4, 1, &[(0, 4)]);
        assert_eq!(session("s", 5_000, 1).ranges(u64::MAX).len(), STREAMS_MAX);
    }

    #[test]
    fn streams_are_split_until_one_row_is_left() {
        let sessions = Sessions::default();
        let kept = session("s", 4, 10);
        let ranges = kept.ranges(1);
        let names = sessions.keep(kept, ranges, 0);
        assert_eq!(names, ["s/streams/0"]);
        let range = |name: &str| sessions.stream(name, 0).map(|stream| stream.rows);
        let check = |name: &str, fraction: f64, expect: Option<[Range<u64>; 2]>| {
            let halves = sessions.split(name, fraction, 0).unwrap().map(|names| names.map(|name| range(&name).unwrap()));
            assert_eq!(halves, expect, "{name} {fraction}");
        };
        check("s/streams/0", 0.5, Some([0..2, 2..4]));
        check("s/streams/0", 0.0001, Some([0..1, 1..4]));
        check("s/streams/0", 0.9999, Some([0..3, 3..4]));
        check("s/streams/2", 0.5, Some([2..3, 3..4]));
        check("s/streams/7", 0.5, None);
        assert_eq!(range("s/streams/0"), Some(0..4));
        assert!(sessions.split("s/streams/99", 0.5, 0).is_none());
    }

    #[test]
    fn sessions_go_when_they_are_old_or_too_many() {
        let sessions = Sessions::default();
        let keep = |name: String, now: i64| {
            let session = session(&name, 1, now + SESSION_MILLISECONDS_MAX);
            let ranges = session.ranges(1);
            sessions.keep(session, ranges, now)
        };
        keep("old".to_owned(), 0);
        keep("new".to_owned(), 5);
        let there = |name: &str, now: i64| sessions.stream(&format!("{name}/streams/0"), now).is_some();
        assert!(there("old", SESSION_MILLISECONDS_MAX - 1));
        assert_eq!((there("old", SESSION_MILLISECONDS_MAX), there("new", SESSION_MILLISECONDS_MAX)), (false, true));
        for number in 0..SESSIONS_MAX {
            keep(number.to_string(), 6);
        }
        assert_eq!((there("new", 6), there("0", 6)), (false, true));
        assert_eq!(sessions.lock(6).streams.len(), SESSIONS_MAX);
    }
}
