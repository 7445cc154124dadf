//! Views and functions that change while jobs run. A job reads them as they are when it runs, and what was understood of it is how they were before: its
//! rows may be of other columns, under the same names and out of the same tables.

use crate::gateway::Gateway;
use crate::job::{JobWork, KnownJob};
use crate::refusal::Why;
use sluice_ledger::record::Subject;
use sluice_model::{Effect, TableName};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names of which changes are remembered before old ones are looked for.
const NAMES_MAX: usize = 50_000;
/// Of one name. Of those that are over the last ones say all that is asked.
const CHANGES_MAX: usize = 16;
/// BigQuery keeps a result for a day.
const REMEMBERED_MILLISECONDS: u64 = 26 * 3_600_000;
const CHANGED: &str = "a view or a function that it reads was changed while it ran";

#[derive(Default)]
pub(crate) struct Definitions(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    changes: HashMap<String, Vec<Change>>,
    /// Jobs that were over before anything changed. What is forgotten here is withheld if something changes later.
    undisturbed: HashSet<[u8; 16]>,
}

struct Change {
    by: Subject,
    /// Nothing while it is on its way.
    ended_ms: Option<u64>,
}

impl Gateway {
    /// For whoever asks for its rows, by whatever way.
    pub(crate) fn hold_definitions(&self, known: &KnownJob) -> Result<(), Why> {
        if self.definitions.is_overtaken(known) { Err(Why::Drift(CHANGED.to_owned())) } else { Ok(()) }
    }
}

impl Definitions {
    /// Before the job is sent.
    pub fn begin(&self, known: &KnownJob) {
        self.begin_changes(known.subject, changed(known), known.created_ms);
    }

    /// When the job is over, and before anybody is told so.
    pub fn end(&self, known: &KnownJob, now_ms: u64) {
        let mut noted = self.noted();
        if noted.has_changed(known) == Some(false) {
            if noted.undisturbed.len() >= NAMES_MAX {
                noted.undisturbed.clear();
            }
            noted.undisturbed.insert(known.subject.0);
        }
        noted.end(known.subject, &changed(known), now_ms);
    }

    /// For a request that is no job.
    pub fn begin_methods(&self, by: Subject, connection: &str, names: &[TableName], now_ms: u64) {
        self.begin_changes(by, keys(connection, names), now_ms);
    }

    /// Whatever came of it: it may have acted.
    pub fn end_methods(&self, by: Subject, connection: &str, names: &[TableName], now_ms: u64) {
        self.noted().end(by, &keys(connection, names), now_ms);
    }

    fn begin_changes(&self, by: Subject, names: BTreeSet<String>, now_ms: u64) {
        let mut noted = self.noted();
        let all = &mut noted.changes;
        for name in names {
            let changes = all.entry(name).or_default();
            changes.push(Change { by, ended_ms: None });
            if changes.len() > CHANGES_MAX
                && let Some(oldest) = changes.iter().position(|change| change.ended_ms.is_some())
            {
                changes.remove(oldest);
            }
        }
        if all.len() > NAMES_MAX {
            let since = now_ms.saturating_sub(REMEMBERED_MILLISECONDS);
            all.retain(|_, changes| changes.iter().any(|change| change.ended_ms.is_none_or(|ended| ended >= since)));
        }
    }

    /// Whether another request was changing what the job opens, at any time since it was understood until it was over.
    fn is_overtaken(&self, known: &KnownJob) -> bool {
        let noted = self.noted();
        !noted.undisturbed.contains(&known.subject.0) && noted.has_changed(known) == Some(true)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn end(&mut self, by: Subject, names: &BTreeSet<String>, now_ms: u64) {
        for name in names {
            for change in self.changes.get_mut(name).into_iter().flatten().filter(|change| change.by == by) {
                change.ended_ms.get_or_insert(now_ms);
            }
        }
    }

    /// Nothing of a job that opens nothing.
    fn has_changed(&self, known: &KnownJob) -> Option<bool> {
        let JobWork::Query(work) = &known.work else { return None };
        let mut opened = work.analysis.statements.iter().flat_map(|statement| &statement.routines).peekable();
        opened.peek()?;
        let mut changes = opened.filter_map(|name| self.changes.get(&key(&known.connection, name))).flatten();
        Some(changes.any(|change| change.by != known.subject && change.ended_ms.is_none_or(|ended| ended >= known.created_ms)))
    }
}

/// What stands under these names is another thing afterwards.
fn changed(known: &KnownJob) -> BTreeSet<String> {
    let JobWork::Query(work) = &known.work else { return BTreeSet::new() };
    let writes = work.analysis.statements.iter().flat_map(|statement| &statement.writes);
    let defines = writes.filter(|write| matches!(write.effect, Effect::Create | Effect::Alter | Effect::Drop | Effect::Restore));
    defines.map(|write| key(&known.connection, &write.table.to_string())).collect()
}

fn keys(connection: &str, names: &[TableName]) -> BTreeSet<String> {
    names.iter().map(|name| key(connection, &name.to_string())).collect()
}

fn key(connection: &str, name: &str) -> String {
    format!("{connection} {}", name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobName, Part, QueryWork};
    use sluice_model::{Analysis, StatementAnalysis, Write};
    use std::sync::Arc;

    fn job(number: u8, created_ms: u64, opens: &[&str], creates: &[&str]) -> KnownJob {
        let write = |name: &&str| Write { table: TableName::parse(name).unwrap(), columns: Vec::new(), effect: Effect::Create };
        let statement = StatementAnalysis {
            kind: "SELECT".to_owned(),
            effects: Vec::new(),
            reads: Vec::new(),
            billed: None,
            writes: creates.iter().map(write).collect(),
            outputs: Vec::new(),
            uses: Vec::new(),
            routines: opens.iter().map(|name| (*name).to_owned()).collect(),
            unresolved: Vec::new(),
            locations: Vec::new(),
            child_job: true,
            span: None,
            reads_files: false,
            shapes: Vec::new(),
        };
        let work = QueryWork {
            text: String::new(),
            parameters: Vec::new(),
            default_dataset: None,
            destination: None,
            analysis: Arc::new(Analysis { statements: vec![statement], refused: None }),
            dry_run: None,
            part: Part::Whole,
        };
        KnownJob {
            connection: "c".to_owned(),
            name: JobName { project: "p".to_owned(), id: number.to_string(), location: None },
            owner: "o".to_owned(),
            subject: Subject([number; 16]),
            request_id: None,
            created_ms,
            work: JobWork::Query(Box::new(work)),
            result_table: None,
            arrived: true,
        }
    }

    #[test]
    fn a_job_is_overtaken_by_what_changes_since_it_was_understood() {
        let definitions = Definitions::default();
        let check = |job: &KnownJob, expect: bool| assert_eq!(definitions.is_overtaken(job), expect, "{job:?}");
        let (reader, other, before) = (job(1, 1_000, &["p.d.View"], &[]), job(2, 1_000, &["p.d.w"], &[]), job(3, 500, &["p.d.view"], &[]));
        check(&reader, false);
        let first = job(4, 900, &[], &["p.d.view"]);
        definitions.begin(&first);
        check(&reader, true);
        check(&other, false);
        definitions.end(&first, 999);
        check(&reader, false);
        check(&before, true);
        // One that is over before anything changes stays as it was.
        let early = job(7, 1_000, &["p.d.view"], &[]);
        definitions.end(&early, 1_050);
        // What it makes itself it knows.
        let maker = job(5, 1_100, &["p.d.view"], &["p.d.view"]);
        definitions.begin(&maker);
        check(&maker, false);
        check(&reader, true);
        check(&early, false);
        definitions.end(&maker, 1_100);
        definitions.end(&maker, 2_000);
        check(&reader, true);
        check(&job(6, 1_101, &["p.d.view"], &[]), false);
        // By a method.
        let names = [TableName::parse("p.d.VIEW").unwrap()];
        definitions.begin_methods(Subject([9; 16]), "c", &names, 1_150);
        check(&job(6, 1_101, &["p.d.view"], &[]), true);
        definitions.end_methods(Subject([9; 16]), "c", &names, 1_160);
        check(&job(6, 1_101, &["p.d.view"], &[]), true);
        check(&job(8, 1_161, &["p.d.view"], &[]), false);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let definitions = Definitions::default();
        for number in 0..=u8::MAX {
            let made = job(number, u64::from(number), &[], &["p.d.view"]);
            definitions.begin(&made);
            definitions.end(&made, u64::from(number));
        }
        assert_eq!(definitions.noted().changes.values().map(Vec::len).sum::<usize>(), CHANGES_MAX);
        assert!(definitions.is_overtaken(&job(1, 200, &["p.d.view"], &[])));
    }
}
