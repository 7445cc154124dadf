//! What stands under a name becomes something else while requests go on: a table has other columns, a view or a function another text. BigQuery reads
//! things as they are when it comes to them, and what was understood of a request is how they were before.

mod disturbed;
#[cfg(test)]
mod tests;

pub(crate) use disturbed::Disturbed;

use crate::job::{JobWork, KnownJob};
use crate::shapes::{Rest, Role, Shape};
use sluice_ledger::record::Subject;
use sluice_model::TableName;
use sluice_policy::canonical_table;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names of which changes are remembered before old ones are looked for.
const NAMES_MAX: usize = 50_000;
/// Of one name. Of those before them it is known that something was changed, and not what.
const CHANGES_MAX: usize = 16;
/// By whom what is not told apart any more was changed: by nobody who asks.
const NOBODY: Subject = Subject([0; 16]);
/// BigQuery keeps a result for a day.
const REMEMBERED_MILLISECONDS: u64 = 26 * 3_600_000;

#[derive(Default)]
pub(crate) struct Changes(Mutex<Noted>);

/// A request that rests on something, until it is dropped.
pub(crate) struct Resting {
    /// Nothing where it goes on as a job.
    changes: Option<Arc<Changes>>,
    subject: Subject,
    pub rest: Arc<Rest>,
}

#[derive(Default)]
struct Noted {
    /// How often anything here became otherwise that a job can rest on.
    count: u64,
    changes: BTreeMap<String, Vec<Change>>,
    /// What goes on, with what it changes.
    open: HashMap<[u8; 16], Vec<Changing>>,
    /// What jobs that run were understood by.
    resting: HashMap<[u8; 16], Arc<Rest>>,
    /// Jobs that run and do something, with the routines that they call or make: what was done by another text nobody takes back.
    acting: HashMap<[u8; 16], BTreeSet<TableName>>,
    /// What jobs that run read and take out of the warehouse themselves: nobody masks that, and nobody takes it back.
    leaving: HashMap<[u8; 16], BTreeSet<TableName>>,
    /// Jobs that were over before anything changed. What is forgotten here is withheld if something changes later.
    undisturbed: HashSet<[u8; 16]>,
    /// Jobs that read something else than what they were understood by, also under names that nobody knew of.
    overtaken: HashSet<[u8; 16]>,
}

/// A request that is about to be sent. Names hold the project, so what goes through one connection is seen by those of every other.
pub(crate) struct Beginning {
    pub by: Subject,
    pub changes: Vec<Changing>,
    /// What it calls or makes, of a job that does more than read.
    pub routines: BTreeSet<TableName>,
    /// What of it leaves the warehouse by the job itself.
    pub leaving: BTreeSet<TableName>,
    /// From before it was understood.
    pub since_ms: u64,
}

/// One name that a request changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changing {
    pub name: TableName,
    /// More than once: what stood there in between nobody sees at the end.
    pub often: bool,
    /// What exists stays as it is, but for rows that are added; what does not is made.
    pub adds: bool,
}

struct Change {
    by: Subject,
    name: TableName,
    often: bool,
    adds: bool,
    begun_ms: u64,
    /// Nothing while it is on its way.
    ended_ms: Option<u64>,
    /// What stood there when it was over, where somebody looked.
    left: Option<Shape>,
    /// Nobody knows of a change: no gateway was there to see one.
    unwatched: bool,
}

impl Changes {
    /// Before a job is sent, or a request that is none. A routine is changed while nobody acts by it, or the name of it comes back.
    pub fn begin(&self, beginning: Beginning) -> Result<(), TableName> {
        let mut noted = self.noted();
        match noted.in_use(&beginning).or_else(|| noted.changed_since(&beginning)).or_else(|| noted.brings_out(beginning.by)) {
            Some(name) => Err(name),
            None => {
                noted.take(beginning);
                Ok(())
            }
        }
    }

    /// For a job that runs already.
    pub fn go_on(&self, beginning: Beginning) {
        self.noted().take(beginning);
    }

    /// These may have been changed while no gateway was there, until somebody has looked.
    pub fn unwatched(&self, by: Subject, names: Vec<TableName>, now_ms: u64) {
        let mut noted = self.noted();
        noted.count += 1;
        for name in names {
            noted.add(Change {
                by,
                name: name.clone(),
                often: false,
                adds: false,
                begun_ms: now_ms,
                ended_ms: None,
                left: None,
                unwatched: true,
            });
            noted.open.entry(by.0).or_default().push(Changing { name, often: false, adds: false });
        }
    }

    /// What a request rests on that is no job.
    pub fn rest_while(self: &Arc<Self>, subject: Subject, rest: Rest) -> Resting {
        let rest = Arc::new(rest);
        self.noted().resting.insert(subject.0, Arc::clone(&rest));
        Resting { changes: Some(Arc::clone(self)), subject, rest }
    }

    /// What a job that is sent rests on.
    pub fn rest(&self, job: Subject, rest: Rest) {
        if !rest.is_empty() {
            let mut noted = self.noted();
            noted.count += u64::from(rest.writes().next().is_some());
            noted.resting.insert(job.0, Arc::new(rest));
        }
    }

    /// One that is not sent.
    pub fn rest_no_more(&self, subject: Subject) {
        self.noted().resting.remove(&subject.0);
    }

    /// Whether others have changed something of it, and ended, since it was begun to be understood: what is left there nobody has looked at for it.
    pub fn is_stale(&self, rest: &Rest, but: Subject) -> bool {
        let noted = self.noted();
        let is_over = |change: &Change| change.ended_ms.is_some();
        rest.names(&Role::ALL)
            .any(|name| noted.since(name, rest.since_ms, but).any(|change| is_over(change) && touches(change, rest, name)))
    }

    /// Whether somebody is changing something of it right now.
    pub fn is_being_disturbed(&self, rest: &Rest, but: Subject) -> bool {
        let noted = self.noted();
        let is_open = |change: &Change| change.ended_ms.is_none();
        rest.names(&Role::ALL)
            .any(|name| noted.since(name, rest.since_ms, but).any(|change| is_open(change) && touches(change, rest, name)))
    }

    /// Another number whenever what a job rests on may have become otherwise.
    pub fn count(&self) -> u64 {
        self.noted().count
    }

    pub fn rest_of(&self, job: Subject) -> Option<Arc<Rest>> {
        self.noted().resting.get(&job.0).cloned()
    }

    /// What a request changes that goes on.
    pub fn of(&self, by: Subject) -> Vec<TableName> {
        self.noted().open.get(&by.0).into_iter().flatten().map(|changing| changing.name.clone()).collect()
    }

    /// Of these names those that a job which runs rests on: when their change is over somebody has to look what was left there.
    pub fn rested_on(&self, by: Subject, names: Vec<TableName>) -> Vec<TableName> {
        let noted = self.noted();
        let others = || noted.resting.iter().filter(|(job, _)| **job != by.0);
        names.into_iter().filter(|name| others().any(|(_, rest)| rest.names(&Role::ALL).any(|other| is_about(name, other)))).collect()
    }

    /// Who rests on one of these, but for itself.
    pub fn who_rests_on(&self, by: Subject, names: &[TableName]) -> HashSet<[u8; 16]> {
        let noted = self.noted();
        let rests = |rest: &Rest| names.iter().any(|name| rest.names(&Role::ALL).any(|other| is_about(name, other)));
        noted.resting.iter().filter(|(job, rest)| **job != by.0 && rests(rest)).map(|(job, _)| *job).collect()
    }

    /// When it is over, and before anybody is told so. Whatever came of it: it may have acted.
    pub fn end(&self, by: Subject, left: &BTreeMap<TableName, Shape>, now_ms: u64) {
        let mut noted = self.noted();
        noted.resting.remove(&by.0);
        noted.acting.remove(&by.0);
        noted.leaving.remove(&by.0);
        for Changing { name, .. } in noted.open.remove(&by.0).unwrap_or_default() {
            noted.count += 1;
            let changes = noted.changes.get_mut(&key(&name)).into_iter().flatten();
            for change in changes.filter(|change| change.by == by && change.ended_ms.is_none()) {
                change.ended_ms = Some(now_ms);
                change.left = left.get(&name).copied().filter(|_| !change.often);
            }
        }
    }

    /// Whether the job that is over read what it was understood by.
    pub fn judge(&self, job: Subject, is_same: bool) {
        let mut noted = self.noted();
        let judged = if is_same { &mut noted.undisturbed } else { &mut noted.overtaken };
        if judged.len() >= NAMES_MAX {
            judged.clear();
        }
        judged.insert(job.0);
    }

    /// Whether the job that is over read what it was understood by, as far as that is remembered here.
    pub fn judged(&self, job: Subject) -> Option<bool> {
        let noted = self.noted();
        if noted.overtaken.contains(&job.0) { Some(false) } else { noted.undisturbed.contains(&job.0).then_some(true) }
    }

    /// Whether another request was changing what the job opens, at any time since it was understood until it was over.
    pub fn is_overtaken(&self, known: &KnownJob) -> bool {
        let JobWork::Query(work) = &known.work else { return false };
        let noted = self.noted();
        if noted.undisturbed.contains(&known.subject.0) {
            return false;
        }
        if noted.overtaken.contains(&known.subject.0) {
            return true;
        }
        let rest = noted.resting.get(&known.subject.0);
        let mut rests = rest.into_iter().flat_map(|rest| rest.names(&Role::SHOWN));
        if rests.any(|name| {
            noted.since(name, known.created_ms, known.subject).any(|change| rest.is_some_and(|rest| touches(change, rest, name)))
        }) {
            return true;
        }
        let statements = work.analysis.statements.iter();
        let names = statements.flat_map(|statement| {
            let routines = statement.routines.iter().filter_map(|name| TableName::parse(name));
            routines.chain(statement.reads.iter().map(|read| read.table.clone()))
        });
        names.into_iter().any(|name| noted.since(&name, known.created_ms, known.subject).next().is_some())
    }

    /// Of these names one that a job of somebody else's takes out of the warehouse.
    pub fn leaves<'a>(&self, but: Subject, mut names: impl Iterator<Item = &'a TableName>) -> Option<TableName> {
        let noted = self.noted();
        names.find_map(|name| noted.takes_out(but, name).cloned())
    }

    /// What is being changed now, of that which a name means.
    pub fn changing(&self, name: &TableName) -> Vec<TableName> {
        let noted = self.noted();
        let open = noted.about(name).filter(|change| change.ended_ms.is_none());
        open.map(|change| change.name.clone()).collect()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resting {
    /// For a job that begins: it rests on the same until it ends.
    pub fn stay(mut self) -> Rest {
        self.changes = None;
        (*self.rest).clone()
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        if let Some(changes) = &self.changes {
            changes.rest_no_more(self.subject);
        }
    }
}

impl Noted {
    fn take(&mut self, beginning: Beginning) {
        let Beginning { by, changes: names, routines, leaving, since_ms } = beginning;
        if !routines.is_empty() {
            self.acting.insert(by.0, routines);
        }
        if !leaving.is_empty() {
            self.leaving.insert(by.0, leaving);
        }
        if names.is_empty() {
            return;
        }
        self.count += 1;
        for Changing { name, often, adds } in &names {
            let (name, often, adds) = (name.clone(), *often, *adds);
            self.add(Change { by, name, often, adds, begun_ms: since_ms, ended_ms: None, left: None, unwatched: false });
        }
        self.open.entry(by.0).or_default().extend(names);
        if self.changes.len() > NAMES_MAX {
            let since = since_ms.saturating_sub(REMEMBERED_MILLISECONDS);
            self.changes.retain(|_, changes| changes.iter().any(|change| change.ended_ms.is_none_or(|ended| ended >= since)));
        }
    }

    fn add(&mut self, change: Change) {
        let changes = self.changes.entry(key(&change.name)).or_default();
        changes.push(change);
        forget_oldest(changes);
    }

    /// Of what it changes one by which a job of somebody else's acts, or that it takes out.
    fn in_use(&self, beginning: &Beginning) -> Option<TableName> {
        let Beginning { by, changes, .. } = beginning;
        let others = self.acting.iter().filter(|(job, _)| **job != by.0);
        let mut routines = others.flat_map(|(_, routines)| routines);
        let routine = routines.find(|routine| changes.iter().any(|changing| is_about(&changing.name, routine)));
        // Also what only adds: a table can be new behind a star, or gone by itself and made as another one.
        routine.or_else(|| changes.iter().find_map(|changing| self.takes_out(*by, &changing.name))).cloned()
    }

    fn takes_out(&self, but: Subject, name: &TableName) -> Option<&TableName> {
        let others = self.leaving.iter().filter(|(job, _)| **job != but.0);
        let read: Vec<&TableName> = others.flat_map(|(_, names)| names).collect();
        let through = self.written_into(&read, but);
        read.into_iter().chain(through.into_iter().map(|(_, name)| name)).find(|read| is_about(name, read))
    }

    /// What jobs that run read and write into one of these, or into what others write into them, with who does.
    fn written_into<'a>(&'a self, names: &[&'a TableName], but: Subject) -> Vec<(Subject, &'a TableName)> {
        let (mut into, mut writers, mut found) = (names.to_vec(), HashSet::new(), Vec::new());
        while let Some(name) = into.pop() {
            for (job, rest) in self.resting.iter().filter(|(job, _)| **job != but.0) {
                let writes = rest.writes().any(|written| is_about(written, name));
                if writes && writers.insert(*job) {
                    found.extend(rest.names(&Role::COPIED).map(|read| (Subject(*job), read)));
                    into.extend(rest.names(&Role::COPIED));
                }
            }
        }
        found
    }

    /// Of what it acts by or takes out one that somebody else changes, or has changed since.
    fn changed_since(&self, beginning: &Beginning) -> Option<TableName> {
        let Beginning { by, routines, leaving, since_ms, .. } = beginning;
        let acts_by = routines.iter().find(|name| self.is_changed(name, *since_ms, *by));
        acts_by.or_else(|| self.changed_behind(&leaving.iter().collect::<Vec<_>>(), *since_ms, *by)).cloned()
    }

    /// The same of what it reads and brings into what somebody else takes out.
    fn brings_out(&self, by: Subject) -> Option<TableName> {
        let others = self.leaving.iter().filter(|(job, _)| **job != by.0);
        let leaving: Vec<&TableName> = others.flat_map(|(_, names)| names).collect();
        let rest = self.resting.get(&by.0).filter(|_| self.written_into(&leaving, NOBODY).iter().any(|(writer, _)| *writer == by))?;
        self.changed_behind(&rest.names(&Role::COPIED).collect::<Vec<_>>(), rest.since_ms, by).cloned()
    }

    /// Of these or of what writers that run read for them: it is in them a moment later.
    fn changed_behind<'a>(&'a self, names: &[&'a TableName], since_ms: u64, by: Subject) -> Option<&'a TableName> {
        let direct = names.iter().copied().find(|name| self.is_changed(name, since_ms, by));
        let since_of = |writer: &Subject| self.resting.get(&writer.0).map_or(0, |rest| rest.since_ms);
        let mut through =
            self.written_into(names, by).into_iter().filter(|(writer, name)| self.is_changed(name, since_of(writer), *writer));
        direct.or_else(|| through.next().map(|(_, name)| name))
    }

    fn is_changed(&self, name: &TableName, since_ms: u64, but: Subject) -> bool {
        self.since(name, since_ms, but).next().is_some()
    }

    fn since(&self, name: &TableName, since_ms: u64, but: Subject) -> impl Iterator<Item = &Change> {
        let since = move |change: &&Change| change.by != but && change.ended_ms.is_none_or(|ended| ended >= since_ms);
        self.about(name).filter(since)
    }

    /// Of the name itself, of its dataset as a whole, and where it ends with a star of all that it can mean.
    fn about(&self, name: &TableName) -> impl Iterator<Item = &Change> {
        let whole = [(name.dataset.as_str(), ""), ("", "")].map(|(dataset, table)| TableName::new(&name.project, dataset, table));
        let own = key(name);
        let (from, is_star) = match own.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (own, false),
        };
        let meant = {
            let from = from.clone();
            self.changes.range(from.clone()..).take_while(move |(key, _)| if is_star { key.starts_with(&from) } else { **key == from })
        };
        let around = whole.into_iter().map(|name| key(&name)).filter(move |key| *key != from);
        meant.map(|(_, changes)| changes).chain(around.filter_map(|key| self.changes.get(&key))).flatten()
    }
}

/// A dataset that may only be made is there already. Tables go by themselves when their time is over, and what is added to comes back as another thing: so
/// whoever adds to a table is looked at as anybody else is.
fn touches(change: &Change, rest: &Rest, name: &TableName) -> bool {
    !(change.adds && change.name.table.is_empty() && rest.was_there(name))
}

/// Two of those that are over become one, of which nobody knows what it left.
fn forget_oldest(changes: &mut Vec<Change>) {
    let is_over = |change: &Change| change.ended_ms.is_some();
    if changes.len() <= CHANGES_MAX || changes.iter().filter(|change| is_over(change)).count() < 2 {
        return;
    }
    let Some(oldest) = changes.iter().position(is_over).map(|oldest| changes.remove(oldest)) else { return };
    if let Some(next) = changes.iter_mut().find(|change| is_over(change)) {
        next.by = if next.by == oldest.by { next.by } else { NOBODY };
        next.begun_ms = next.begun_ms.min(oldest.begun_ms);
        next.ended_ms = next.ended_ms.max(oldest.ended_ms);
        if !(next.unwatched && oldest.unwatched && next.left == oldest.left) {
            (next.often, next.left, next.unwatched) = (true, None, false);
            next.adds &= oldest.adds;
        }
    }
}

/// Whether what one name stands for is of what the other does.
pub(crate) fn is_about(changed: &TableName, read: &TableName) -> bool {
    let (changed, read) = (canonical_table(changed), canonical_table(read));
    let is_within = |part: &str, whole: &str| part.is_empty() || part == whole;
    let is_table = changed.table.is_empty()
        || match read.table.strip_suffix('*') {
            Some(prefix) => changed.table.starts_with(prefix),
            None => changed.table == read.table,
        };
    changed.project == read.project && is_within(&changed.dataset, &read.dataset) && is_table
}

fn key(name: &TableName) -> String {
    let TableName { project, dataset, table } = canonical_table(name);
    format!("{project}.{dataset}.{table}")
}
