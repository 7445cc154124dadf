//! Refusals of callers that nobody knows. A few a minute have a record each; of the rest only a count, or whoever can reach the door could fill the ledger.
//!
//! A count names a reason and a number, nothing of the callers. What is counted is on record at the end of its minute; a crash loses that minute's
//! counts, and says so by the boot that follows.

use crate::record::{Draft, DraftError, Kind, SectionId};
use serde_json::json;
use std::collections::BTreeMap;

pub const WINDOW_MS: u64 = 60_000;
/// Records of their own in one window. The count is one more.
pub const SINGLE_RECORDS_MAX: u64 = 30;
pub const REASONS_MAX: usize = 32;
const REASON_BYTES_MAX: usize = 48;
/// For what is no word of ours, or one too many.
const OTHER: &str = "other";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    window: Option<Window>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    from_ms: u64,
    singles: u64,
    counts: BTreeMap<String, u64>,
}

/// What becomes of one refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is in the count of its window, and may be answered.
    Counted,
    /// It gets a record, and is answered when that is durable.
    Single,
}

/// How often which reason was met between two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloodCount {
    pub from_ms: u64,
    pub to_ms: u64,
    pub counts: BTreeMap<String, u64>,
}

impl Flood {
    /// `reason` is a word of the program's, such as `signature_wrong`; anything else is counted as `other`. The count is of a window that is over.
    pub fn refuse(&mut self, reason: &str, now_ms: u64) -> (Entry, Option<FloodCount>) {
        let over = self.due(now_ms);
        let window = self.window.get_or_insert_with(|| Window { from_ms: now_ms, singles: 0, counts: BTreeMap::new() });
        if window.singles < SINGLE_RECORDS_MAX {
            window.singles += 1;
            return (Entry::Single, over);
        }
        let known = window.counts.contains_key(reason);
        let reason = if known || is_word(reason) && window.counts.len() < REASONS_MAX { reason } else { OTHER };
        let count = window.counts.entry(reason.to_owned()).or_default();
        *count = count.saturating_add(1);
        (Entry::Counted, over)
    }

    /// The count of a window that is over, if there is one. To be asked at least once a window.
    pub fn due(&mut self, now_ms: u64) -> Option<FloodCount> {
        // A clock that was set back ends the window too: the next one starts where the clock is.
        let is_over = |window: &mut Window| now_ms < window.from_ms || now_ms - window.from_ms >= WINDOW_MS;
        let window = self.window.take_if(is_over)?;
        FloodCount::of(window, now_ms)
    }

    /// Whether it is between two windows, and can be forgotten.
    pub fn is_idle(&self) -> bool {
        self.window.is_none()
    }

    /// What is left, for a shutdown.
    pub fn close(&mut self, now_ms: u64) -> Option<FloodCount> {
        FloodCount::of(self.window.take()?, now_ms)
    }
}

impl FloodCount {
    fn of(window: Window, now_ms: u64) -> Option<FloodCount> {
        let Window { from_ms, counts, .. } = window;
        (!counts.is_empty()).then_some(FloodCount { from_ms, to_ms: now_ms.max(from_ms), counts })
    }

    pub fn draft(&self) -> Result<Draft, DraftError> {
        self.draft_with(None)
    }

    /// Of one caller, who proved who it is and was turned away.
    pub fn draft_of(&self, caller: &str) -> Result<Draft, DraftError> {
        self.draft_with(Some(caller))
    }

    fn draft_with(&self, caller: Option<&str>) -> Result<Draft, DraftError> {
        let refusals: u64 = self.counts.values().fold(0, |sum, count| sum.saturating_add(*count));
        let mut meta = json!({ "from_ms": self.from_ms, "to_ms": self.to_ms, "refusals": refusals, "reasons": self.counts });
        if let (Some(caller), Some(meta)) = (caller, meta.as_object_mut()) {
            meta.insert("caller".to_owned(), caller.into());
        }
        Draft::new(Kind::AuthnFail)?.with(SectionId::Meta, meta.to_string().into_bytes())
    }
}

fn is_word(reason: &str) -> bool {
    let letters = reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    letters && (1..=REASON_BYTES_MAX).contains(&reason.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_000_000_000;

    fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
    }

    /// `singles` used up at noon.
    fn filled() -> Flood {
        let mut flood = Flood::default();
        for _ in 0..SINGLE_RECORDS_MAX {
            assert_eq!(flood.refuse("expired", NOON), (Entry::Single, None));
        }
        flood
    }

    #[test]
    fn the_first_have_a_record_the_rest_a_count() {
        let mut flood = filled();
        for reason in ["expired", "signature_wrong", "expired"] {
            assert_eq!(flood.refuse(reason, NOON + 59_999), (Entry::Counted, None));
        }
        let (entry, count) = flood.refuse("expired", NOON + 60_000);
        let counts = counts(&[("expired", 2), ("signature_wrong", 1)]);
        assert_eq!((entry, count), (Entry::Single, Some(FloodCount { from_ms: NOON, to_ms: NOON + 60_000, counts })));
    }

    #[test]
    fn a_quiet_window_leaves_nothing() {
        let mut flood = filled();
        assert_eq!((flood.due(NOON + 59_999), flood.due(NOON + 60_000), flood.close(NOON)), (None, None, None));
    }

    #[test]
    fn nothing_of_a_caller_gets_into_a_count() {
        let mut flood = filled();
        for reason in ["eve@example.com", "203.0.113.7", "", "Expired", &"x".repeat(REASON_BYTES_MAX + 1)] {
            assert_eq!(flood.refuse(reason, NOON).0, Entry::Counted, "{reason}");
        }
        assert_eq!(flood.close(NOON).unwrap().counts, counts(&[(OTHER, 5)]));
    }

    #[test]
    fn a_million_refusals_are_two_records_and_few_words() {
        let mut flood = filled();
        for number in 0..1_000_000_u64 {
            let reason: String = number.to_string().bytes().map(|digit| char::from(b'a' + digit - b'0')).collect();
            assert_eq!(flood.refuse(&reason, NOON + number / 100).0, Entry::Counted);
        }
        let count = flood.close(NOON + 10_000).unwrap();
        assert_eq!((count.counts.len(), count.counts.values().sum::<u64>()), (REASONS_MAX + 1, 1_000_000));
        assert!(count.draft().unwrap().sections()[&SectionId::Meta].len() < 2048);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_the_window() {
        let mut flood = filled();
        flood.refuse("expired", NOON);
        assert_eq!(flood.due(NOON - 1), Some(FloodCount { from_ms: NOON, to_ms: NOON, counts: counts(&[("expired", 1)]) }));
    }
}
