//! What the engine's own functions do: which arguments can make them fail, which come through.

use super::demand::Demand;

/// What must hold of a call for no value to make it fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    Never,
    /// Only where each of these arguments is a literal that is good for its place. With a bad one it fails for every value but NULL, and
    /// with one that is no literal nobody knows.
    Unless(Vec<(Place, Demand)>),
}

/// Arguments of a call, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    At(usize),
    From(usize),
    /// This one and every second one behind it.
    EachSecond(usize),
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
    pub(super) fn read(demands: &str) -> Result<Failing, String> {
        let demands: Vec<(Place, Demand)> = demands.split_whitespace().map(demand).collect::<Result<_, String>>()?;
        Ok(if demands.is_empty() { Failing::Never } else { Failing::Unless(demands) })
    }
}

impl Place {
    pub fn takes(self, position: usize) -> bool {
        match self {
            Place::At(at) => position == at,
            Place::From(first) => position >= first,
            Place::EachSecond(first) => position >= first && (position - first).is_multiple_of(2),
        }
    }

    fn read(text: &str) -> Result<Place, String> {
        match (text.strip_suffix("..+2"), text.strip_suffix("..")) {
            (Some(first), _) => Ok(Place::EachSecond(number(first)?)),
            (None, Some(first)) => Ok(Place::From(number(first)?)),
            (None, None) => Ok(Place::At(number(text)?)),
        }
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

/// `2=count`: where, and what the literal there must be.
fn demand(text: &str) -> Result<(Place, Demand), String> {
    let (place, demand) = text.split_once('=').ok_or_else(|| format!("`{text}` does not say what the argument must be"))?;
    let demand = Demand::named(demand).ok_or_else(|| format!("`{demand}` is nothing that a literal can be"))?;
    Ok((Place::read(place)?, demand))
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    text.split_whitespace().map(number).collect()
}

/// Counted from 1 in the text, from 0 in the program.
fn number(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    number.ok_or_else(|| format!("`{text}` is not the number of an argument"))
}
