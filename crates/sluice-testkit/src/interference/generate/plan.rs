//! What one statement shall be like, decided before it is built.

use super::random::Random;
use super::scope::{Want, Wish};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Aggregate,
    Function,
    Pipe,
    Pivot,
    Recursive,
    Script,
    Select,
    Set,
    Star,
    Unpivot,
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub form: Form,
    /// Labelled values may decide rows: conditions, keys, orders. Most statements shall not, so that every difference is an exposure's.
    pub uses: bool,
    /// One operation may fail because of a labelled value, and nothing else tells of it.
    pub errors: bool,
    pub mix: Mix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Whatever comes.
    Any,
    /// At least one output of each.
    Both,
    Clean,
}

const FORMS: &[(Form, usize)] = &[
    (Form::Select, 37),
    (Form::Aggregate, 14),
    (Form::Pipe, 12),
    (Form::Script, 9),
    (Form::Set, 9),
    (Form::Star, 5),
    (Form::Function, 4),
    (Form::Pivot, 4),
    (Form::Unpivot, 3),
    (Form::Recursive, 3),
];

impl Plan {
    pub fn draw(random: &mut Random, scripts: bool) -> Plan {
        let form = random.weighted(FORMS).unwrap_or(Form::Select);
        let form = if !scripts && matches!(form, Form::Script | Form::Function) { Form::Select } else { form };
        let (uses, errors) = random.weighted(&[((false, false), 50), ((true, false), 36), ((false, true), 14)]).unwrap_or_default();
        let mix = random.weighted(&[(Mix::Both, 72), (Mix::Any, 18), (Mix::Clean, 10)]).unwrap_or(Mix::Both);
        // A failure must be a labelled value's.
        let mix = if errors { Mix::Both } else { mix };
        Plan { form, uses, errors, mix }
    }

    pub fn wish(&self, want: Want, depth: u8) -> Wish {
        Wish { want, depth, safe: want != Want::Clean || self.errors, last: false }
    }

    /// For whatever decides rows.
    pub fn condition(&self, random: &mut Random, depth: u8) -> Wish {
        let want = match self.uses {
            true => random.weighted(&[(Want::Clean, 20), (Want::Either, 30), (Want::Labelled, 50)]).unwrap_or(Want::Clean),
            false => Want::Clean,
        };
        self.wish(want, depth)
    }

    /// For the output at a position.
    pub fn output(&self, random: &mut Random, position: usize) -> Want {
        match (self.mix, position) {
            (Mix::Clean, _) | (Mix::Both, 0) => Want::Clean,
            (Mix::Both, 1) => Want::Labelled,
            _ => random.weighted(&[(Want::Clean, 55), (Want::Labelled, 30), (Want::Either, 15)]).unwrap_or(Want::Clean),
        }
    }
}
