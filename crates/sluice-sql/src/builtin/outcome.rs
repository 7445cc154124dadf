//! What the engine's own functions do: which arguments can make them fail, which come through.

/// A function that can fail on some values only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    Never,
    /// Only these arguments, counted from 0, decide whether it fails.
    Only(Vec<usize>),
}

/// The arguments whose value is the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All from this one on, counted from 0.
    From(usize),
    Only(Vec<usize>),
    /// This one, every second one behind it, and a last one left over.
    Pairs(usize),
}

impl Failing {
    pub(super) fn read(positions: &str) -> Result<Failing, String> {
        let positions = numbers(positions)?;
        Ok(if positions.is_empty() { Failing::Never } else { Failing::Only(positions) })
    }
}

impl Kept {
    /// Whether the argument at `position` comes through in a call with `count` arguments.
    pub fn keeps(&self, position: usize, count: usize) -> bool {
        match self {
            Kept::From(first) => position >= *first,
            Kept::Only(positions) => positions.contains(&position),
            Kept::Pairs(first) => {
                let second = position >= *first && (position - first).is_multiple_of(2);
                let left_over = position + 1 == count && position > *first && !(position - first).is_multiple_of(2);
                second || left_over
            }
        }
    }

    pub(super) fn read(positions: &str) -> Result<Kept, String> {
        if let Some(first) = positions.strip_suffix("..") {
            return Ok(Kept::From(number(first)?));
        }
        if let Some(first) = positions.strip_prefix("pairs ") {
            return Ok(Kept::Pairs(number(first)?));
        }
        let positions = numbers(positions)?;
        if positions.is_empty() { Err("no argument comes through".to_owned()) } else { Ok(Kept::Only(positions)) }
    }
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    text.split_whitespace().map(number).collect()
}

/// Counted from 1 in the text, from 0 in the program.
fn number(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    number.ok_or_else(|| format!("`{text}` is not the number of an argument"))
}
