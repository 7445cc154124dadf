//! Numbers out of a seed: the same for the same seed, table, row and column, whatever else is asked for.

/// A stream of numbers for one column of one row.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(seed: u64, what: &str, row: u64) -> Dice {
        let mut dice = Dice { state: seed };
        for byte in what.bytes() {
            dice.state = mix(dice.state ^ u64::from(byte));
        }
        dice.state = mix(dice.state ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice
    }

    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Zero to below `end`; zero where `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or_default()
    }

    pub fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let position = usize::try_from(self.below(words.len() as u64)).unwrap_or_default();
        words.get(position).copied().unwrap_or_default()
    }

    /// Ten letters and digits: what makes a value unique and recognisable.
    pub fn tag(&mut self) -> String {
        format!("{:010x}", self.number() >> 24)
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_argument_and_repeat() {
        let first = |seed, what, row| Dice::new(seed, what, row).number();
        assert_eq!(first(1, "a", 1), first(1, "a", 1));
        assert_ne!(first(1, "a", 1), first(2, "a", 1));
        assert_ne!(first(1, "a", 1), first(1, "b", 1));
        assert_ne!(first(1, "a", 1), first(1, "a", 2));
    }
}
