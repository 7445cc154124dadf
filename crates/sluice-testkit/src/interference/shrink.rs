//! Makes the statement of a miss smaller: smaller choices on the generator's tape are smaller statements.

use super::generate::{Statement, replay};

/// The smallest statement found for which `still` holds. `still` is asked `attempts_max` times at most.
pub fn shrink(statement: &Statement, scripts: bool, attempts_max: usize, mut still: impl FnMut(&Statement) -> bool) -> Statement {
    let mut best = statement.clone();
    let mut attempts = 0;
    let mut width = best.tape.len();
    while width > 0 && attempts < attempts_max {
        let mut start = 0;
        let mut better = false;
        while start < best.tape.len() && attempts < attempts_max {
            let candidates = [cut(&best.tape, start, width), zero(&best.tape, start, width), halve(&best.tape, start, width)];
            let smaller = candidates.into_iter().flatten().find_map(|tape| {
                let candidate = replay(&tape, scripts);
                if !simpler(&candidate, &best) {
                    return None;
                }
                attempts += 1;
                still(&candidate).then_some(candidate)
            });
            match smaller {
                Some(smaller) => {
                    best = smaller;
                    better = true;
                }
                None => start += width,
            }
        }
        width = if better && width == 1 { 1 } else { width / 2 };
    }
    best
}

fn simpler(candidate: &Statement, best: &Statement) -> bool {
    (candidate.text.len(), &candidate.tape) < (best.text.len(), &best.tape)
}

fn cut(tape: &[u32], start: usize, width: usize) -> Option<Vec<u32>> {
    let (before, behind) = tape.split_at_checked(start)?;
    Some(before.iter().chain(behind.iter().skip(width)).copied().collect())
}

fn zero(tape: &[u32], start: usize, width: usize) -> Option<Vec<u32>> {
    change(tape, start, width, |_| 0)
}

fn halve(tape: &[u32], start: usize, width: usize) -> Option<Vec<u32>> {
    if width > 1 { None } else { change(tape, start, width, |choice| choice / 2) }
}

fn change(tape: &[u32], start: usize, width: usize, smaller: impl Fn(u32) -> u32) -> Option<Vec<u32>> {
    let inside = |position: usize| position >= start && position < start + width;
    let changed: Vec<u32> =
        tape.iter().enumerate().map(|(position, choice)| if inside(position) { smaller(*choice) } else { *choice }).collect();
    (changed != tape).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::super::generate::statement;
    use super::*;

    #[test]
    fn a_statement_gets_smaller_and_keeps_what_is_asked_for() {
        let mut shrunk = 0;
        for seed in 0..40 {
            let whole = statement(seed, false);
            let keeps = |candidate: &Statement| candidate.text.contains("diagnosis");
            if !keeps(&whole) {
                continue;
            }
            let small = shrink(&whole, false, 300, keeps);
            assert!(keeps(&small) && small.text.len() <= whole.text.len());
            shrunk += usize::from(small.text.len() * 2 < whole.text.len());
        }
        assert!(shrunk > 3, "{shrunk}");
    }
}
