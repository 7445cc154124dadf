//! Values that are no texts, as JSON writes them.

use crate::moment::date_text;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROSECONDS_PER_DAY: i64 = SECONDS_PER_DAY * 1_000_000;
/// NUMERIC has nine digits behind its point.
const NUMERIC_UNIT: i128 = 1_000_000_000;

/// Days since 1970.
pub(super) fn date(days: i64) -> Option<String> {
    date_text(days)
}

pub(super) fn date_of_microseconds(microseconds: i64) -> Option<String> {
    date_text(microseconds.div_euclid(MICROSECONDS_PER_DAY))
}

/// Nothing if it has a fraction.
pub(super) fn whole_number(billionths: i128) -> Option<String> {
    (billionths % NUMERIC_UNIT == 0).then(|| (billionths / NUMERIC_UNIT).to_string())
}
