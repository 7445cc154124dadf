//! DATETIME and TIME: the module packs years to seconds into bit fields.

pub const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
pub const NANOSECONDS_PER_MICROSECOND: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds since 1970 to packed seconds, and the nanoseconds beside them.
pub fn pack_datetime(microseconds: i64) -> (i64, i64) {
    let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let packed = year << 26 | month << 22 | day << 17 | pack_clock(seconds.rem_euclid(SECONDS_PER_DAY));
    (packed, microseconds.rem_euclid(MICROSECONDS_PER_SECOND) * NANOSECONDS_PER_MICROSECOND)
}

pub fn unpack_datetime(packed: i64, nanoseconds: i64) -> Option<i64> {
    let days = days_of(packed >> 26, packed >> 22 & 0xf, packed >> 17 & 0x1f);
    let seconds = days.checked_mul(SECONDS_PER_DAY)?.checked_add(unpack_clock(packed & 0x1_ffff))?;
    seconds.checked_mul(MICROSECONDS_PER_SECOND)?.checked_add(nanoseconds / NANOSECONDS_PER_MICROSECOND)
}

/// Microseconds of the day.
pub fn pack_time(microseconds: i64) -> i64 {
    let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND).rem_euclid(SECONDS_PER_DAY);
    (pack_clock(seconds) << 30) | (microseconds.rem_euclid(MICROSECONDS_PER_SECOND) * NANOSECONDS_PER_MICROSECOND)
}

pub fn unpack_time(packed: i64) -> i64 {
    unpack_clock(packed >> 30 & 0x1_ffff) * MICROSECONDS_PER_SECOND + (packed & 0x3fff_ffff) / NANOSECONDS_PER_MICROSECOND
}

fn pack_clock(seconds: i64) -> i64 {
    ((seconds / 3600) << 12) | ((seconds / 60 % 60) << 6) | (seconds % 60)
}

fn unpack_clock(packed: i64) -> i64 {
    (packed >> 12) * 3600 + (packed >> 6 & 0x3f) * 60 + (packed & 0x3f)
}

/// The proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    let calendar_year = era * 400 + year + i64::from(calendar_month <= 2);
    (calendar_year, calendar_month, day_of_year - (153 * month + 2) / 5 + 1)
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let (era, year) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * march_month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_are_packed_and_unpacked() {
        assert_eq!(pack_datetime(1_577_934_245_678_901), (135_564_374_277, 678_901_000));
        for microseconds in [0, -1, -62_135_596_800_000_000, 253_402_300_799_999_999, 951_782_399_999_999] {
            let (packed, nanoseconds) = pack_datetime(microseconds);
            assert_eq!(unpack_datetime(packed, nanoseconds), Some(microseconds));
        }
    }

    #[test]
    fn times_are_packed_and_unpacked() {
        assert_eq!(pack_time(11_045_678_901), 13_475_065_050_376);
        for microseconds in [0, 1, 11_045_678_901, 86_399_999_999] {
            assert_eq!(unpack_time(pack_time(microseconds)), microseconds);
        }
    }
}
