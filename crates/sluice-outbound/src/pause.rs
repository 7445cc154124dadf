//! How long to wait before something is tried again: longer each time, and never all at once.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    pub first: Duration,
    pub max: Duration,
}

impl Pauses {
    /// After so many attempts. Between a half and the whole of what is due, by chance.
    pub fn after(self, attempts: u64) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let due = self.first.saturating_mul(1 << doublings).min(self.max);
        let mut drawn = [0];
        // Without chance everybody waits the same time, which is worse for the server and not wrong.
        let _ = aws_lc_rs::rand::fill(&mut drawn);
        let [share] = drawn;
        due / 2 + due.mul_f64(f64::from(share) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_end() {
        let pauses = Pauses { first: Duration::from_millis(100), max: Duration::from_millis(1_000) };
        for (attempts, due_ms) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (64, 1_000), (u64::MAX, 1_000)] {
            let pause = pauses.after(attempts);
            assert!(pause >= Duration::from_millis(due_ms / 2) && pause <= Duration::from_millis(due_ms), "{attempts}: {pause:?}");
        }
        let drawn: std::collections::BTreeSet<Duration> = (0..64).map(|_| pauses.after(1)).collect();
        assert!(drawn.len() > 4, "they differ");
    }
}
