//! Choices for the generator: drawn from a seed, or replayed from a tape.
//!
//! By convention 0 is the plainest choice everywhere, so that a tape of smaller numbers is a smaller statement: that is how misses are shrunk.

#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    /// Replayed choices; behind its end every choice is 0.
    tape: Option<Vec<u32>>,
    drawn: Vec<u32>,
    spans: Vec<(usize, usize)>,
}

impl Random {
    pub fn seeded(seed: u64) -> Random {
        Random { state: seed, tape: None, drawn: Vec::new(), spans: Vec::new() }
    }

    pub fn replayed(tape: &[u32]) -> Random {
        Random { state: 0, tape: Some(tape.to_vec()), drawn: Vec::new(), spans: Vec::new() }
    }

    /// Every choice so far: replaying them gives the same statement.
    pub fn drawn(&self) -> &[u32] {
        &self.drawn
    }

    /// Which choices made one part of the statement.
    pub fn spans(&self) -> &[(usize, usize)] {
        &self.spans
    }

    pub fn mark(&self) -> usize {
        self.drawn.len()
    }

    /// What was drawn since the mark belongs together.
    pub fn close(&mut self, mark: usize) {
        if self.drawn.len() > mark {
            self.spans.push((mark, self.drawn.len()));
        }
    }

    /// A number below `bound`; 0 where there is nothing to choose.
    pub fn below(&mut self, bound: usize) -> usize {
        let Ok(bound) = u32::try_from(bound) else { return 0 };
        if bound < 2 {
            return 0;
        }
        let choice = match &self.tape {
            Some(tape) => tape.get(self.drawn.len()).copied().unwrap_or(0) % bound,
            None => u32::try_from(split_mix(&mut self.state) % u64::from(bound)).unwrap_or(0),
        };
        self.drawn.push(choice);
        choice as usize
    }

    /// True in so many of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) + percent >= 100
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// One of the words, as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, choices: &[(T, usize)]) -> Option<T> {
        let mut left = self.below(choices.iter().map(|(_, weight)| weight).sum());
        for (choice, weight) in choices {
            if left < *weight {
                return Some(*choice);
            }
            left -= weight;
        }
        None
    }

    pub fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or("")
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for position in (1..items.len()).rev() {
            let other = position - self.below(position + 1);
            items.swap(position, other);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and a finaliser, good enough to choose with.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_replays_what_was_drawn() {
        let mut first = Random::seeded(7);
        let bounds = [2, 1, 100, 0, 7, 3000];
        let choices: Vec<usize> = bounds.iter().map(|bound| first.below(*bound)).collect();
        let mut second = Random::replayed(first.drawn());
        assert_eq!(bounds.iter().map(|bound| second.below(*bound)).collect::<Vec<_>>(), choices);
        assert_eq!(second.below(9), 0, "behind the end of the tape");
        assert_eq!(choices.iter().zip(bounds).filter(|(choice, bound)| *choice >= bound.max(&1)).count(), 0);
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::seeded(1);
        let heavy = (0..1000).filter(|_| random.weighted(&[("light", 1), ("heavy", 9)]) == Some("heavy")).count();
        assert!((850..950).contains(&heavy), "{heavy}");
        assert_eq!(random.weighted::<&str>(&[]), None);
    }
}
