//! Makes the statement of a miss smaller: smaller choices on the generator's tape are smaller statements.

use super::generate::{Statement, replay};

/// A part of the tape is replaced by so many plainest choices: a leaf takes about that many.
const PLAIN_LENGTHS: [usize; 6] = [2, 3, 1, 0, 4, 6];

/// The smallest statement found for which `still` holds. `still` is asked `attempts_max` times at most.
pub fn shrink(statement: &Statement, scripts: bool, attempts_max: usize, mut still: impl FnMut(&Statement) -> bool) -> Statement {
    let mut best = without_lines(statement, &mut still);
    // Lines that were left out are no longer on the tape.
    if best.text != statement.text {
        return best;
    }
    let mut attempts = 0;
    let mut better = true;
    while better && attempts < attempts_max {
        better = false;
        let mut spans = best.spans.clone();
        spans.sort_by_key(|(start, end)| (std::cmp::Reverse(end - start), *start));
        let singles = (0..best.tape.len()).map(|position| (position, position + 1));
        for (start, end) in spans.into_iter().chain(singles) {
            let mut smaller = PLAIN_LENGTHS.iter().map(|length| plain(&best.tape, start, end, *length)).chain([half(&best.tape, start)]);
            let found = smaller.find_map(|tape| {
                let candidate = replay(&tape, scripts);
                if attempts >= attempts_max || !simpler(&candidate, &best) {
                    return None;
                }
                attempts += 1;
                still(&candidate).then_some(candidate)
            });
            if let Some(smaller) = found {
                best = smaller;
                better = true;
                break;
            }
        }
    }
    best
}

/// A script without the statements that it does not need.
fn without_lines(statement: &Statement, still: &mut impl FnMut(&Statement) -> bool) -> Statement {
    let mut best = statement.clone();
    let mut position = 0;
    while statement.script && position + 1 < parts(&best.text).len() {
        let mut kept = parts(&best.text);
        kept.remove(position);
        let candidate = Statement { text: kept.join(""), ..best.clone() };
        if still(&candidate) {
            best = candidate;
        } else {
            position += 1;
        }
    }
    best
}

/// The statements of a script that stand on a level of their own, as the generator writes them.
fn parts(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut part = String::new();
    for line in text.split_inclusive('\n') {
        part.push_str(line);
        let opens = ["IF ", "WHILE ", "FOR ", "LOOP", "REPEAT", "CASE\n", "BEGIN\n"].iter().any(|word| line.starts_with(word));
        depth = if opens { depth + 1 } else { depth };
        depth = if line.starts_with("END") { depth.saturating_sub(1) } else { depth };
        if depth == 0 {
            found.push(std::mem::take(&mut part));
        }
    }
    found.push(part);
    found.retain(|part| !part.is_empty());
    found
}

fn simpler(candidate: &Statement, best: &Statement) -> bool {
    (candidate.text.len(), &candidate.tape) < (best.text.len(), &best.tape)
}

fn plain(tape: &[u32], start: usize, end: usize, length: usize) -> Vec<u32> {
    let zeros = std::iter::repeat_n(0, length.min(end - start));
    tape.iter().take(start).copied().chain(zeros).chain(tape.iter().skip(end).copied()).collect()
}

fn half(tape: &[u32], position: usize) -> Vec<u32> {
    let mut tape = tape.to_vec();
    if let Some(choice) = tape.get_mut(position) {
        *choice /= 2;
    }
    tape
}

#[cfg(test)]
mod tests {
    use super::super::generate::statement;
    use super::*;

    #[test]
    fn a_statement_gets_smaller_and_keeps_what_is_asked_for() {
        let (mut tried, mut shrunk) = (0, 0);
        for seed in 0..60 {
            let whole = statement(seed, false);
            let keeps = |candidate: &Statement| candidate.text.contains("diagnosis");
            if !keeps(&whole) || whole.text.len() < 200 {
                continue;
            }
            let small = shrink(&whole, false, 400, keeps);
            assert!(keeps(&small) && small.text.len() <= whole.text.len());
            tried += 1;
            shrunk += usize::from(small.text.len() * 2 < whole.text.len());
        }
        assert!(tried > 5 && shrunk * 4 > tried * 3, "{shrunk} of {tried}");
    }

    #[test]
    fn a_script_falls_into_its_statements() {
        let text = "DECLARE a INT64;\nIF TRUE THEN\nSET a = 1;\nEND IF;\nSELECT a";
        assert_eq!(parts(text), ["DECLARE a INT64;\n", "IF TRUE THEN\nSET a = 1;\nEND IF;\n", "SELECT a"]);
    }
}
