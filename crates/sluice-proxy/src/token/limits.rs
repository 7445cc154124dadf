//! How often an address may ask. Each has a bucket that fills by itself; the table of buckets is bounded, whoever comes with how many addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub const REQUESTS_PER_MINUTE_MAX: u32 = 120;
pub const REQUESTS_AT_ONCE_MAX: u32 = 60;
/// Beyond that, strangers share one bucket.
pub const ADDRESSES_MAX: usize = 16_384;
const REFILL_MILLISECONDS: u64 = 60_000 / REQUESTS_PER_MINUTE_MAX as u64;

#[derive(Default)]
pub struct Limits {
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
}

struct Bucket {
    left: u32,
    /// From when on it fills.
    at: Duration,
}

impl Limits {
    /// `now` only counts up.
    pub fn lets_in(&self, address: Option<IpAddr>, now: Duration) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = address.map(network);
        if !buckets.contains_key(&key) && buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= ADDRESSES_MAX {
                key = None;
            }
        }
        buckets.entry(key).or_insert(Bucket { left: REQUESTS_AT_ONCE_MAX, at: now }).take(now)
    }
}

impl Bucket {
    fn take(&mut self, now: Duration) -> bool {
        let filled = self.filled(now);
        self.left = self.left.saturating_add(filled).min(REQUESTS_AT_ONCE_MAX);
        self.at = if self.left == REQUESTS_AT_ONCE_MAX { now } else { self.at + Duration::from_millis(REFILL_MILLISECONDS) * filled };
        let lets_in = self.left > 0;
        self.left = self.left.saturating_sub(1);
        lets_in
    }

    fn is_full(&self, now: Duration) -> bool {
        self.left.saturating_add(self.filled(now)) >= REQUESTS_AT_ONCE_MAX
    }

    fn filled(&self, now: Duration) -> u32 {
        u32::try_from(now.saturating_sub(self.at).as_millis() / u128::from(REFILL_MILLISECONDS)).unwrap_or(u32::MAX)
    }
}

/// Whoever has one address of version 6 has the other 2^64 of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(limits: &Limits, address: &str, asked: u32, at_ms: u64) -> u32 {
        let address = address.parse().ok();
        (0..asked).map(|_| u32::from(limits.lets_in(address, Duration::from_millis(at_ms)))).sum()
    }

    #[test]
    fn an_address_has_its_share() {
        let limits = Limits::default();
        let check = |address: &str, asked: u32, at_ms: u64, expect: u32| {
            assert_eq!(let_in(&limits, address, asked, at_ms), expect, "{address} at {at_ms}");
        };
        check("10.0.0.1", 100, 0, 60);
        check("10.0.0.1", 1, 499, 0);
        check("10.0.0.1", 2, 500, 1);
        check("10.0.0.1", 10, 1_400, 1);
        // What was left of a step is not lost.
        check("10.0.0.1", 10, 1_500, 1);
        check("10.0.0.2", 5, 1_500, 5);
        check("::ffff:10.0.0.1", 1, 1_500, 0);
        check("10.0.0.1", 1_000, 3_600_000, 60);
        check("2001:db8::1", 60, 3_600_000, 60);
        check("2001:db8::ffff:2", 1, 3_600_000, 0);
        check("2001:db8:0:1::1", 1, 3_600_000, 1);
        // Nobody knows whose: all of them together.
        check("", 100, 3_600_000, 60);
    }

    #[test]
    fn many_addresses_fill_no_memory() {
        let limits = Limits::default();
        let address = |number: u32| Some(IpAddr::V4(number.into()));
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() {
            assert!(limits.lets_in(address(number), Duration::ZERO));
        }
        let late: u32 = (0..1_000).map(|number| u32::from(limits.lets_in(address(1_000_000 + number), Duration::ZERO))).sum();
        assert_eq!(late, REQUESTS_AT_ONCE_MAX);
        assert!(limits.buckets.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        // Who was quiet for a while makes room.
        assert!(limits.lets_in(address(2_000_000), Duration::from_secs(3_600)));
        assert_eq!(limits.buckets.lock().unwrap().len(), 1);
    }
}
