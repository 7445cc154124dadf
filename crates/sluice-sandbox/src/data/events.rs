//! A table too large to hold: every row comes out of its number.

use super::seed::Dice;
use crate::problem::Problem;
use crate::values::schema::columns_of;
use crate::values::{Column, Datum};

pub const DATASET: &str = "bench";
pub const TABLE: &str = "events";
pub const ROW_COUNT: u64 = 20_000_000;

const COLUMNS: &str = "id INT64, at TIMESTAMP, account STRING, email STRING, kind STRING, amount FLOAT64, note STRING";
const FIRST_AT_MICROSECONDS: i64 = 1_700_000_000_000_000;
const STEP_MICROSECONDS: i64 = 1_000_000;
const SEED: u64 = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventColumn {
    Id,
    At,
    Account,
    Email,
    Kind,
    Amount,
    Note,
}

pub const ALL: [EventColumn; 7] =
    [EventColumn::Id, EventColumn::At, EventColumn::Account, EventColumn::Email, EventColumn::Kind, EventColumn::Amount, EventColumn::Note];

impl EventColumn {
    pub fn name(self) -> &'static str {
        match self {
            EventColumn::Id => "id",
            EventColumn::At => "at",
            EventColumn::Account => "account",
            EventColumn::Email => "email",
            EventColumn::Kind => "kind",
            EventColumn::Amount => "amount",
            EventColumn::Note => "note",
        }
    }

    pub fn named(name: &str) -> Option<EventColumn> {
        ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(name))
    }

    /// An average: the texts differ by a few letters.
    pub fn billed_bytes(self) -> u64 {
        match self {
            EventColumn::Id | EventColumn::At | EventColumn::Amount => 8,
            EventColumn::Account => 12,
            EventColumn::Email => 30,
            EventColumn::Kind => 8,
            EventColumn::Note => 40,
        }
    }

    fn cell(self, row: u64) -> Datum {
        let mut dice = Dice::new(SEED, self.name(), row);
        match self {
            EventColumn::Id => Datum::Int64(signed(row)),
            EventColumn::At => Datum::Timestamp(FIRST_AT_MICROSECONDS + signed(row) * STEP_MICROSECONDS),
            EventColumn::Account => Datum::String(format!("acc-{:06}", dice.below(500_000))),
            EventColumn::Email => Datum::String(format!("{}@canary.example", dice.tag())),
            EventColumn::Kind => Datum::String(dice.pick(&["click", "view", "order", "refund"]).to_owned()),
            EventColumn::Amount => Datum::Float64(f64::from(u32::try_from(dice.below(1_000_000)).unwrap_or_default()) / 100.0),
            EventColumn::Note => Datum::String(format!("event {row} of kind {}", dice.tag())),
        }
    }
}

pub fn row(columns: &[EventColumn], position: u64) -> Vec<Datum> {
    columns.iter().map(|column| column.cell(position)).collect()
}

pub fn columns() -> Result<Vec<Column>, Problem> {
    columns_of(COLUMNS)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_schema_agree() {
        let names: Vec<String> = columns().unwrap().into_iter().map(|column| column.name).collect();
        assert_eq!(names, ALL.map(EventColumn::name));
        assert_eq!(EventColumn::named("EMAIL"), Some(EventColumn::Email));
    }

    #[test]
    fn rows_repeat_and_differ() {
        assert_eq!(row(&ALL, 5), row(&ALL, 5));
        assert_ne!(row(&[EventColumn::Email], 5), row(&[EventColumn::Email], 6));
    }
}
