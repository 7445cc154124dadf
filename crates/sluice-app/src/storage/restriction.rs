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
        self.tell_or_withhold(passage, &ask.project, &understood)?;
        let [only] = understood.analysis.statements.as_slice() else { return Err(not_one()) };
        if !is_one || !is_condition(only, &ask.table) {
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
