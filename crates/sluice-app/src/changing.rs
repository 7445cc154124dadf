//! What a job changes under the names that it writes to.

use crate::changes::Changing;
use crate::job::{JobWork, KnownJob};
use sluice_model::{Effect, StatementAnalysis, TableName, Write};
use sluice_policy::is_temporary;
use std::collections::BTreeMap;

/// What comes first in the text of one is done behind what comes last.
const LOOPS: [&str; 4] = ["FOR", "LOOP", "REPEAT", "WHILE"];

/// What stands under these names can be another thing afterwards: what the statements of a job make, and where its rows go.
/// `adds` is of its destination.
pub(crate) fn changed(known: &KnownJob, adds: bool) -> Vec<Changing> {
    let JobWork::Query(work) = &known.work else { return Vec::new() };
    let loops = || work.analysis.statements.iter().filter(|statement| LOOPS.contains(&statement.kind.as_str()));
    let writes = work.analysis.statements.iter().flat_map(|statement| statement.writes.iter().map(move |write| (statement, write)));
    let mut all: BTreeMap<TableName, (usize, bool)> = BTreeMap::new();
    // A dataset that is described anew changes nothing in it.
    let describes = |write: &Write| write.table.table.is_empty() && write.effect == Effect::Alter;
    // What lasts as long as its script is nobody else's, whatever it is called.
    let is_shared = |write: &Write| !is_temporary(&write.table) && !describes(write);
    for (statement, write) in writes.filter(|(_, write)| reshapes(write.effect) && is_shared(write)) {
        // What is gone shows nothing; what was made and is gone was there in between.
        let was_made = || all.get(&write.table.bare()).is_some_and(|(times, _)| *times > 0);
        let times = usize::from(write.effect != Effect::Drop || was_made() || loops().any(|around| is_within(statement, around)));
        note(&mut all, &write.table, times, only_makes(statement, write));
    }
    if let Some(destination) = &work.destination {
        note(&mut all, &destination.table, 1, adds);
    }
    all.into_iter().map(|(name, (times, adds))| Changing { name, often: times > 1 && !adds, adds }).collect()
}

fn note(all: &mut BTreeMap<TableName, (usize, bool)>, name: &TableName, times: usize, adds: bool) {
    let noted = all.entry(name.bare()).or_insert((0, true));
    *noted = (noted.0 + times, noted.1 && adds);
}

fn is_within(statement: &StatementAnalysis, around: &StatementAnalysis) -> bool {
    match (statement.span, around.span) {
        (Some((from, to)), Some((begin, end))) => begin <= from && to <= end,
        _ => true,
    }
}

/// Where nothing is, and leaves alone what is there. A policy of rows is made on a table that is.
fn only_makes(statement: &StatementAnalysis, write: &Write) -> bool {
    write.effect == Effect::Create && !statement.effects.contains(&Effect::Replace) && statement.kind != "CREATE_ROW_ACCESS_POLICY"
}

fn reshapes(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Alter | Effect::Clone | Effect::Copy | Effect::Create | Effect::Drop | Effect::Load | Effect::Replace | Effect::Restore
    )
}
