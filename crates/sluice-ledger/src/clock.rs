//! What the writer owes to time: stamps that never run back, heartbeats, and a word when the clock or the writer itself was not where it should be.
//!
//! Two clocks come in: the wall's, which people set, and one that only counts. Where they part, somebody moved the wall's.

use crate::grammar::SILENCE_MS_MAX;
use crate::record::{Draft, DraftError, Kind, SectionId};
use serde_json::json;
use std::fmt;

pub const HEARTBEAT_MS: u64 = 60_000;
/// How far the two may part before it is put on record.
pub const STEP_MS_MAX: u64 = 5_000;
/// How far the wall may be behind the last leaf when the log is opened. Beyond that every later time would be a lie for a day.
pub const BEHIND_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Before the grammar would call it a silence: the rest is for the write.
const SILENCE_NOTED_MS: u64 = SILENCE_MS_MAX - 10_000;

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since anything; never runs back while the process lives.
    pub counted_ms: u64,
    /// Since 1970, as far as the machine knows.
    pub wall_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Where both clocks were together.
    anchor: Moment,
    last_time_ms: u64,
    pulse_time_ms: u64,
    pulse_counted_ms: u64,
}

/// What has to be written before anything else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// By how much the wall's clock went ahead of the counted time; negative: back.
    ClockStep {
        ms: i64,
    },
    Heartbeat,
    /// The writer stood still, and so did everything that waits for it.
    Silence {
        ms: u64,
    },
}

/// The wall's clock is behind the log: time would stand still until it catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockBehind {
    pub ms: u64,
}

impl Clock {
    /// At the boot, which is itself a sign of life. `last_time_ms` is the last leaf's, 0 for an empty log.
    pub fn start(moment: Moment, last_time_ms: u64) -> Result<Clock, ClockBehind> {
        let ms = last_time_ms.saturating_sub(moment.wall_ms);
        if ms > BEHIND_MS_MAX {
            return Err(ClockBehind { ms });
        }
        let time_ms = last_time_ms.max(moment.wall_ms);
        Ok(Clock { anchor: moment, last_time_ms: time_ms, pulse_time_ms: time_ms, pulse_counted_ms: moment.counted_ms })
    }

    /// The stamp for leaves that are written now.
    pub fn time_ms(&mut self, moment: Moment) -> u64 {
        self.last_time_ms = self.last_time_ms.max(moment.wall_ms);
        self.last_time_ms
    }

    /// To be asked before each batch and at least once in a heartbeat. What it says has to be written: it is not said again.
    pub fn due(&mut self, moment: Moment) -> Option<Due> {
        let time_ms = self.time_ms(moment);
        let due = self.step(moment).or_else(|| self.pulse(moment, time_ms))?;
        if let Due::ClockStep { .. } = due {
            self.anchor = moment;
        }
        self.pulse_time_ms = time_ms;
        self.pulse_counted_ms = moment.counted_ms;
        Some(due)
    }

    fn step(&self, moment: Moment) -> Option<Due> {
        let wall = i128::from(moment.wall_ms) - i128::from(self.anchor.wall_ms);
        let counted = i128::from(moment.counted_ms) - i128::from(self.anchor.counted_ms);
        let ms = i64::try_from(wall - counted).unwrap_or(i64::MAX);
        (ms.unsigned_abs() > STEP_MS_MAX).then_some(Due::ClockStep { ms })
    }

    fn pulse(&self, moment: Moment, time_ms: u64) -> Option<Due> {
        let ms = time_ms.saturating_sub(self.pulse_time_ms);
        let counted_ms = moment.counted_ms.saturating_sub(self.pulse_counted_ms);
        match ms.max(counted_ms) {
            ms if ms > SILENCE_NOTED_MS => Some(Due::Silence { ms }),
            ms if ms >= HEARTBEAT_MS => Some(Due::Heartbeat),
            _ => None,
        }
    }
}

impl Due {
    pub fn kind(self) -> Kind {
        match self {
            Due::ClockStep { .. } => Kind::ClockStep,
            Due::Heartbeat => Kind::Heartbeat,
            Due::Silence { .. } => Kind::AuditDegraded,
        }
    }

    pub fn draft(self) -> Result<Draft, DraftError> {
        let meta = match self {
            Due::ClockStep { ms } => json!({ "clock_ahead_by_ms": ms }),
            Due::Heartbeat => return Draft::new(Kind::Heartbeat),
            Due::Silence { ms } => json!({ "what": "the writer stood still", "silence_ms": ms }),
        };
        Draft::new(self.kind())?.with(SectionId::Meta, meta.to_string().into_bytes())
    }
}

impl fmt::Display for ClockBehind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.ms / 1000;
        write!(formatter, "the clock is {seconds} seconds behind the last record, more than {}: set it first", BEHIND_MS_MAX / 1000)
    }
}

impl std::error::Error for ClockBehind {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_000_000_000;

    fn at(counted_ms: u64, wall_ms: u64) -> Moment {
        Moment { counted_ms, wall_ms: NOON + wall_ms }
    }

    /// Moments one after the other, and what is due at each.
    fn check(moments: &[(Moment, Option<Due>)]) {
        let mut clock = Clock::start(at(0, 0), 0).unwrap();
        for (moment, expect) in moments {
            assert_eq!(clock.due(*moment), *expect, "{moment:?} of {moments:?}");
        }
    }

    #[test]
    fn a_minute_is_a_heartbeat() {
        let beat = Some(Due::Heartbeat);
        check(&[(at(59_999, 59_999), None), (at(60_000, 60_000), beat), (at(119_999, 119_999), None), (at(120_000, 120_000), beat)]);
        // A heartbeat does not make up for more than it can.
        check(&[(at(110_000, 110_000), beat)]);
        check(&[(at(110_001, 110_001), Some(Due::Silence { ms: 110_001 })), (at(111_000, 111_000), None)]);
    }

    #[test]
    fn clocks_that_part_are_noted_once() {
        check(&[(at(1000, 6000), None), (at(1000, 6001), Some(Due::ClockStep { ms: 5001 })), (at(2000, 7001), None)]);
        check(&[(at(10_000, 4999), Some(Due::ClockStep { ms: -5001 })), (at(11_000, 5999), None)]);
        // Small steps add up: nobody moves the clock by an hour unseen.
        check(&[(at(1000, 4000), None), (at(2000, 7000), None), (at(3000, 10_000), Some(Due::ClockStep { ms: 7000 }))]);
        // A machine that slept: the counter slept with it.
        check(&[(at(1000, 3_600_000), Some(Due::ClockStep { ms: 3_599_000 })), (at(2000, 3_601_000), None)]);
    }

    #[test]
    fn hearts_beat_while_the_wall_stands() {
        let mut clock = Clock::start(at(0, 0), NOON + 3_600_000).unwrap();
        assert_eq!((clock.due(at(60_000, 60_000)), clock.time_ms(at(60_000, 60_000))), (Some(Due::Heartbeat), NOON + 3_600_000));
    }

    #[test]
    fn stamps_never_run_back() {
        let mut clock = Clock::start(at(0, 0), NOON + 10).unwrap();
        let stamps: Vec<u64> = [5, 11, 3, 12].map(|wall| clock.time_ms(at(wall, wall)) - NOON).into();
        assert_eq!(stamps, [10, 11, 11, 12]);
    }

    #[test]
    fn a_day_behind_is_refused() {
        let start = |last| Clock::start(at(0, 0), NOON + last).map(drop);
        assert_eq!((start(0), start(BEHIND_MS_MAX)), (Ok(()), Ok(())));
        assert_eq!(start(BEHIND_MS_MAX + 1), Err(ClockBehind { ms: BEHIND_MS_MAX + 1 }));
    }

    #[test]
    fn what_is_due_can_be_drafted() {
        for due in [Due::ClockStep { ms: -9 }, Due::Heartbeat, Due::Silence { ms: 200_000 }] {
            assert_eq!(due.draft().unwrap().kind(), due.kind());
        }
    }
}
