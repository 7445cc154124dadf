//! `row_restriction`: a condition in SQL. It is understood as what it is, the `WHERE` of a statement over the table.
//!
//! The attack is a text that ends the condition and goes on with something else: `TRUE) UNION ALL SELECT ...`. It has to be one expression in two kinds of
//! brackets: what closes one kind does not close the other.

use super::ask::{Moment, ReadSessionAsk};
use crate::gateway::{Gateway, Passage};
use crate::refusal::{FormReason, Why};
use crate::trail::Stage;
use crate::understand::{Understood, depends_on_who_asks};
use sluice_ledger::record::content;
use sluice_model::{Effect, StatementAnalysis, TableName};
use sluice_policy::Restriction;
use sluice_sql::Request;
use sluice_sql::catalog::Snapshot;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const NANOSECONDS_PER_MICROSECOND: u32 = 1_000;
/// Of the statement around the condition.
const LINES_BEFORE: usize = 3;
/// Before a line and a column, in messages of the analyzer's.
const PLACE: &str = " at [";
const NOT_ONE: &str = "`row_restriction` is not one expression of SQL over the columns of the table: accepted is what may stand behind WHERE, such as `id > 7`";

impl Gateway {
    /// Nothing where all rows are read.
    pub(super) async fn understand_restriction(
        &self,
        passage: &mut Passage,
        ask: &ReadSessionAsk,
    ) -> Result<Option<(Restriction, Understood)>, Why> {
        if ask.restriction.is_empty() {
            return Ok(None);
        }
        let (trail, who) = (&passage.visit.trail, passage.caller.principal().to_string());
        let bracketed = Request { text: text(ask, "[", "][OFFSET(0)]"), project: ask.project.clone(), ..Request::default() };
        let is_one = trail.walk(Stage::Analyze, self.names(&who, &bracketed, &Snapshot::default())).await?.is_ok();
        let query = Request { text: text(ask, "(", ")"), project: ask.project.clone(), ..Request::default() };
        let understood = trail.walk(Stage::Understand, self.understand(trail, &who, &ask.connection, &query)).await?;
        // Also of what is refused the text is on record.
        passage.asked = Some(content::Request::of_statement(&query.text, &ask.project, &understood.analysis));
        if !is_one {
            return Err(not_one());
        }
        self.tell_or_withhold(passage, &ask.project, &understood).map_err(in_its_own_lines)?;
        let [only] = understood.analysis.statements.as_slice() else { return Err(not_one()) };
        if !is_condition(only, &ask.table) {
            return Err(not_one());
        }
        if depends_on_who_asks(&understood.analysis) && !self.impersonates(&ask.connection) {
            let text = "which rows are read depends on who asks (SESSION_USER), and this connection asks for everybody with one account";
            return Err(Why::Form { reason: FormReason::Unsupported, text: text.to_owned() });
        }
        let restriction = Restriction { text: query.text, analysis: (*understood.analysis).clone() };
        Ok(Some((restriction, understood)))
    }
}

/// On lines of its own, so that a comment at its end is over.
fn text(ask: &ReadSessionAsk, open: &str, close: &str) -> String {
    let TableName { project, dataset, table } = &ask.table;
    let moment = ask.snapshot.map(|moment| format!(" FOR SYSTEM_TIME AS OF TIMESTAMP_MICROS({})", microseconds(moment)));
    format!("SELECT 1\nFROM `{project}`.`{dataset}`.`{table}`{}\nWHERE {open}\n{}\n{close}", moment.unwrap_or_default(), ask.restriction)
}

/// Places are told as in what the caller wrote.
fn in_its_own_lines(why: Why) -> Why {
    let Why::Form { reason, text } = why else { return why };
    let mut parts = text.split(PLACE);
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let place = part.split_once(':').and_then(|(line, rest)| Some((line.parse::<usize>().ok()?.checked_sub(LINES_BEFORE)?, rest)));
        match place {
            Some((line, rest)) if line > 0 => told.push_str(&format!("{PLACE}{line}:{rest}")),
            _ => told.push_str(&format!("{PLACE}{part}")),
        }
    }
    Why::Form { reason, text: told }
}

fn microseconds(moment: Moment) -> i64 {
    let within = i64::from(moment.nanoseconds / NANOSECONDS_PER_MICROSECOND);
    moment.seconds.saturating_mul(MICROSECONDS_PER_SECOND).saturating_add(within)
}

/// A read of this one table, and of nothing else by any other way.
fn is_condition(statement: &StatementAnalysis, table: &TableName) -> bool {
    let StatementAnalysis { kind, effects, reads, writes, outputs, routines, locations, .. } = statement;
    let is_bare = writes.is_empty() && routines.is_empty() && locations.is_empty();
    let is_read = effects.iter().all(|effect| matches!(effect, Effect::Read | Effect::Identity));
    let is_plain = outputs.len() == 1 && outputs.iter().all(|output| output.exposures.is_empty());
    kind == "SELECT" && is_bare && is_read && is_plain && reads.iter().all(|read| read.table == *table)
}

fn not_one() -> Why {
    Why::Form { reason: FormReason::InvalidQuery, text: NOT_ONE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_condition() {
        let check = |text: &str, expect: &str| {
            let Why::Form { text, .. } = in_its_own_lines(Why::Form { reason: FormReason::InvalidQuery, text: text.to_owned() }) else {
                panic!("{expect}");
            };
            assert_eq!(text, expect);
        };
        check("Unrecognized name: nam at [4:1]; accepted: another", "Unrecognized name: nam at [1:1]; accepted: another");
        check("no such thing at [12:7] nor that at [5:30]", "no such thing at [9:7] nor that at [2:30]");
        check("before it at [2:6]", "before it at [2:6]");
        check("no place at [all]", "no place at [all]");
    }
}
