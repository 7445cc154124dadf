//! Jobs that write while they run. BigQuery reads a table when it comes to it, so a label that comes onto one of its sources in the meantime goes on with it.

use crate::changes::Disturbed;
use crate::gateway::Gateway;
use crate::refusal::Why;
use crate::shapes::{Rest, Role, labels_of};
use sluice_ledger::Recorded;
use sluice_ledger::record::Subject;
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{BundleDigest, Inherited, Known, Permit, Request, destinations, whole, writes_columns};
use sluice_sql::Required;
use sluice_sql::catalog::Snapshot;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Columns that one record names.
const LATE_TOLD_MAX: usize = 64;
/// What labels others add meanwhile goes on with the next request.
const CARRIED_TIMES_MAX: usize = 8;

/// Whoever adds a label and whoever begins to write go one at a time: else each could miss the other.
#[derive(Default)]
pub(crate) struct Writers {
    gate: tokio::sync::Mutex<()>,
    running: Arc<Mutex<Running>>,
    carried_by: Mutex<Option<CarriedBy>>,
}

/// By what labels were last carried through all that run: the policy, what is known of labels, what was changed, and who writes.
struct CarriedBy {
    policy: BundleDigest,
    known: Arc<Known>,
    changes: u64,
    writers: u64,
}

#[derive(Default)]
struct Running {
    next: u64,
    writers: BTreeMap<u64, Arc<Writer>>,
}

struct Writer {
    subject: Subject,
    work: Writes,
    /// With the paths that it names.
    destinations: BTreeMap<TableName, BTreeSet<Vec<String>>>,
    /// What came after its permit was on record.
    late: Mutex<Vec<String>>,
}

/// What it was permitted, or what is known of that where an earlier process had the permit.
pub(crate) enum Writes {
    Permitted(Arc<Recorded<Permit>>),
    Resumed(Box<Request>),
}

/// One of them, until it is dropped.
pub(crate) struct Writing {
    number: u64,
    writer: Arc<Writer>,
    running: Arc<Mutex<Running>>,
}

impl Gateway {
    /// Before anything is sent: who reads the copy a moment later meets its labels. Nothing where nothing is written.
    pub(crate) async fn carry_labels(&self, subject: Subject, permit: &Arc<Recorded<Permit>>) -> Result<Option<Writing>, Why> {
        let permitted = permit.value();
        if !permitted.request().begins_job() || !writes_columns(permitted.request()) {
            return Ok(None);
        }
        let _alone = self.writers.gate.lock().await;
        self.leave_alone_what_leaves(subject, permitted.inherited())?;
        let writing = self.writers.begin(subject, Writes::Permitted(Arc::clone(permit)));
        // Since the decision something can have come onto what it reads.
        self.carry(subject, permitted.inherited().to_vec(), Some(&writing.writer)).await?;
        Ok(Some(writing))
    }

    /// For a job that runs already. What came onto its sources while nobody watched goes on now.
    pub(crate) async fn go_on_writing(&self, subject: Subject, request: Request) -> (Option<Writing>, Result<(), Why>) {
        if !writes_columns(&request) {
            return (None, Ok(()));
        }
        let _alone = self.writers.gate.lock().await;
        let writing = self.writers.begin(subject, Writes::Resumed(Box::new(request)));
        let carried = self.carry(subject, Vec::new(), Some(&writing.writer)).await;
        (Some(writing), carried)
    }

    /// Once more, by what is known when it has written: a person or a policy may have labelled what it read, and what another writes that still runs may have
    /// gone on by it. What it was given beyond its permit.
    pub(crate) async fn carry_again(&self, writing: &Writing) -> Result<Vec<String>, Why> {
        let _alone = self.writers.gate.lock().await;
        self.carry(writing.writer.subject, Vec::new(), Some(&writing.writer)).await?;
        self.carry_all().await?;
        Ok(writing.writer.late())
    }

    /// What is known of labels, by which to decide now: a person, a tag or a policy may have labelled what a job reads that still writes, or that may have
    /// become another thing.
    pub(crate) async fn known_now(&self) -> Result<Arc<Known>, Why> {
        self.carry_late().await?;
        Ok(self.parts.in_force.known())
    }

    /// The same for rows that were read before: nobody looks again at what is being changed.
    pub(crate) async fn known_meanwhile(&self) -> Result<Arc<Known>, Why> {
        if !self.is_carried() {
            self.carry_late().await?;
        }
        Ok(self.parts.in_force.known())
    }

    /// Once for all that is new since the last time, and each time while something is on its way: nobody knows when it comes. What the jobs that run were
    /// given by it.
    pub(crate) async fn carry_late(&self) -> Result<Vec<Inherited>, Why> {
        if self.writers.is_idle() || self.is_carried() && !self.writers.all().iter().any(|writer| self.is_being_disturbed(writer)) {
            return Ok(Vec::new());
        }
        let _alone = self.writers.gate.lock().await;
        self.carry_all().await
    }

    /// Until nothing new comes: what one writes another reads, whoever of them began first.
    async fn carry_all(&self) -> Result<Vec<Inherited>, Why> {
        let mut carried = Vec::new();
        for _ in 0..CARRIED_TIMES_MAX {
            let by = self.carried_by();
            // Whoever begins to write has been given what was known then.
            if !lock(&self.writers.carried_by).as_ref().is_some_and(|before| before.knows(&by)) {
                carried.extend(self.carry_through(&by.known, self.writers.all()).await?);
            }
            for writer in self.writers.all().into_iter().filter(|writer| self.is_disturbed(writer)) {
                carried.extend(self.carry_reshaped(&writer).await?);
            }
            if Arc::ptr_eq(&by.known, &self.parts.in_force.known()) {
                *lock(&self.writers.carried_by) = Some(by);
                break;
            }
        }
        Ok(carried)
    }

    fn is_carried(&self) -> bool {
        let now = self.carried_by();
        lock(&self.writers.carried_by).as_ref().is_some_and(|by| by.is_same(&now))
    }

    fn carried_by(&self) -> CarriedBy {
        let (policy, known) = (self.parts.in_force.policy().digest.clone(), self.parts.in_force.known());
        CarriedBy { policy, known, changes: self.changes.count(), writers: self.writers.count() }
    }

    /// Whether what it reads, or where it writes, became another thing since it was understood.
    fn is_disturbed(&self, writer: &Writer) -> bool {
        let rest = self.changes.rest_of(writer.subject);
        rest.is_some_and(|rest| !self.changes.disturbed(&rest, &Role::ALL, writer.subject).is_empty())
    }

    /// Whether that goes on, or it makes where it writes anew by itself: it has other columns a moment later.
    fn is_being_disturbed(&self, writer: &Writer) -> bool {
        let rest = self.changes.rest_of(writer.subject);
        let by_others = rest.is_some_and(|rest| self.changes.is_being_disturbed(&rest, writer.subject));
        by_others || !self.changes.of(writer.subject).is_empty() && self.is_disturbed(writer)
    }

    /// For these that still run: the process may end before they do.
    pub(crate) async fn carry_while_running(&self, jobs: &HashSet<[u8; 16]>) -> Result<(), Why> {
        let _alone = self.writers.gate.lock().await;
        for writer in self.writers.all().into_iter().filter(|writer| jobs.contains(&writer.subject.0)) {
            self.carry_reshaped(&writer).await?;
        }
        Ok(())
    }

    /// Its source became another while it ran. Nobody knows what it read of it, so all that it writes has all labels of that source. What it writes into
    /// became another: nobody knows which column got what.
    async fn carry_reshaped(&self, writer: &Arc<Writer>) -> Result<Vec<Inherited>, Why> {
        let Some(rest) = self.changes.rest_of(writer.subject) else { return Ok(Vec::new()) };
        let reshaped = self.reshaped(writer.subject, &rest, &Role::COPIED).await;
        let moved = self.reshaped(writer.subject, &rest, &[Role::Written]).await;
        if reshaped.is_empty() && moved.is_empty() {
            return Ok(Vec::new());
        }
        let destinations = writer.destinations.clone();
        let names = reshaped.iter().chain(&moved).chain(destinations.keys()).cloned();
        let wanted = Required { tables: names.collect(), ..Required::default() };
        let found = self.look_anew(&rest.connection, &wanted).await;
        let known = self.parts.in_force.known();
        let labels = self.labels_since(&rest, writer.subject, &reshaped, found.as_ref());
        let into = self.written_labels(writer, &known);
        let mut carried = Vec::new();
        for (table, names) in destinations {
            let mut labels = labels.clone();
            let keeps_places =
                || found.as_ref().and_then(|found| found.tables.get(&table)).is_some_and(|found| rest.keeps_places(&table, found));
            if moved.contains(&table) && !keeps_places() {
                labels.extend(into.get(&table).into_iter().flatten().cloned());
            }
            for column in columns_of(table, names, found.as_ref()) {
                carried.extend(labels.iter().map(|label| Inherited { column: column.clone(), label: label.clone(), computed: true }));
            }
        }
        let mut now = (*known).clone();
        let new: Vec<Inherited> = carried.iter().filter(|label| now.take(label)).cloned().collect();
        writer.note(&new);
        self.carry(writer.subject, new, None).await?;
        Ok(carried)
    }

    /// All that it writes into each table, whatever the column is called.
    fn written_labels(&self, writer: &Writer, known: &Known) -> BTreeMap<TableName, BTreeSet<String>> {
        let mut into: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
        for carried in self.parts.in_force.policy().carried(writer.work.request(), known) {
            into.entry(carried.inherited.column.table).or_default().insert(carried.inherited.label);
        }
        into
    }

    /// The labels of what became another, in all the shapes that somebody may have read.
    fn labels_since(&self, rest: &Rest, by: Subject, reshaped: &[TableName], found: Option<&Snapshot>) -> BTreeSet<String> {
        let (policy, known) = (self.parts.in_force.policy(), self.parts.in_force.known());
        let disturbed = self.changes.disturbed(rest, &Role::COPIED, by);
        let mut labels: BTreeSet<&str> = BTreeSet::new();
        for name in reshaped {
            // Nobody looks what it is made of now, or was in between.
            if rest.is_code(name) {
                labels.extend(policy.labels.names().map(|label| label.name.as_str()));
            }
            // Also of columns that were there in between.
            labels.extend(policy.labels.kept_of_table(name, &known));
            let is_this = |disturbed: &&Disturbed| disturbed.name == *name;
            match found.filter(|found| disturbed.iter().find(is_this).is_some_and(|disturbed| disturbed.is_as_left(found))) {
                Some(found) => {
                    for table in found.tables.get(name).into_iter().chain(found.matching(name)) {
                        labels.extend(policy.labels.kept_of_table(&table.name, &known));
                        labels.extend(labels_of(&policy.labels, table, &known));
                    }
                }
                // Nobody can say which columns it had: it may have had any.
                None => labels.extend(policy.labels.of_table(name, &known)),
            }
        }
        labels.into_iter().map(str::to_owned).collect()
    }

    /// Labels of one request.
    pub(crate) async fn keep_labels(&self, subject: Subject, labels: Vec<Inherited>) -> Result<(), Why> {
        if labels.is_empty() {
            return Ok(());
        }
        let _alone = self.writers.gate.lock().await;
        self.carry(subject, labels, None).await
    }

    /// Keeps the labels, and what goes on from there with each job that writes. `looked_at` is one that is looked at in any case.
    async fn carry(&self, subject: Subject, labels: Vec<Inherited>, looked_at: Option<&Arc<Writer>>) -> Result<(), Why> {
        let mut known = (*self.parts.in_force.known()).clone();
        let labels: Vec<Inherited> = labels.into_iter().filter(|label| known.take(label)).collect();
        let is_new = !labels.is_empty();
        self.keep_new(subject, labels).await?;
        let waiting = if is_new { self.writers.all() } else { looked_at.cloned().into_iter().collect() };
        self.carry_through(&known, waiting).await.map(drop)
    }

    /// What somebody takes out of the warehouse gets no label meanwhile by what another writes: neither at once, nor by what jobs that run make of it.
    fn leave_alone_what_leaves(&self, subject: Subject, labels: &[Inherited]) -> Result<(), Why> {
        let mut known = (*self.parts.in_force.known()).clone();
        let mut new: Vec<Inherited> = labels.iter().filter(|label| known.take(label)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let all = self.writers.all();
        new.extend(self.through(&mut known, all).into_iter().flat_map(|(_, labels)| labels));
        match self.changes.leaves(subject, new.iter().map(|label| &label.column.table)) {
            Some(name) => Err(Why::Concurrent { name }),
            None => Ok(()),
        }
    }

    /// Through these, and through all where something came of one. What came.
    async fn carry_through(&self, known: &Known, waiting: Vec<Arc<Writer>>) -> Result<Vec<Inherited>, Why> {
        let mut carried = Vec::new();
        for (writer, new) in self.through(&mut known.clone(), waiting) {
            writer.note(&new);
            carried.extend(new.iter().cloned());
            self.keep_new(writer.subject, new).await?;
        }
        Ok(carried)
    }

    fn through(&self, known: &mut Known, mut waiting: Vec<Arc<Writer>>) -> Vec<(Arc<Writer>, Vec<Inherited>)> {
        let (policy, mut carried) = (self.parts.in_force.policy(), Vec::new());
        while let Some(writer) = waiting.pop() {
            let labels = policy.carried(writer.work.request(), known).into_iter().map(|carried| carried.inherited);
            let new: Vec<Inherited> = labels.filter(|label| known.take(label)).collect();
            if !new.is_empty() {
                waiting = self.writers.all();
                carried.push((writer, new));
            }
        }
        carried
    }

    async fn keep_new(&self, subject: Subject, labels: Vec<Inherited>) -> Result<(), Why> {
        if labels.is_empty() {
            return Ok(());
        }
        self.keep(move |in_force| in_force.carry(subject, &labels)).await
    }
}

impl Writers {
    fn begin(&self, subject: Subject, work: Writes) -> Writing {
        let destinations = destinations(work.request());
        let writer = Arc::new(Writer { subject, work, destinations, late: Mutex::default() });
        let mut running = lock(&self.running);
        running.next += 1;
        let number = running.next;
        running.writers.insert(number, Arc::clone(&writer));
        Writing { number, writer, running: Arc::clone(&self.running) }
    }

    fn is_idle(&self) -> bool {
        lock(&self.running).writers.is_empty()
    }

    /// How many there ever were.
    fn count(&self) -> u64 {
        lock(&self.running).next
    }

    fn all(&self) -> Vec<Arc<Writer>> {
        lock(&self.running).writers.values().cloned().collect()
    }
}

impl CarriedBy {
    fn is_same(&self, now: &CarriedBy) -> bool {
        self.knows(now) && (self.changes, self.writers) == (now.changes, now.writers)
    }

    fn knows(&self, now: &CarriedBy) -> bool {
        self.policy == now.policy && Arc::ptr_eq(&self.known, &now.known)
    }
}

impl Writes {
    fn request(&self) -> &Request {
        match self {
            Writes::Permitted(permit) => permit.value().request(),
            Writes::Resumed(request) => request,
        }
    }
}

impl Writer {
    fn note(&self, labels: &[Inherited]) {
        let mut late = lock(&self.late);
        let room = LATE_TOLD_MAX.saturating_sub(late.len());
        late.extend(labels.iter().take(room).map(|label| format!("{} has {}", label.column, label.label)));
    }

    fn late(&self) -> Vec<String> {
        lock(&self.late).clone()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        lock(&self.running).writers.remove(&self.number);
    }
}

/// Those that its text names and those that are there. Where nobody can look, every column of it.
fn columns_of(table: TableName, named: BTreeSet<Vec<String>>, found: Option<&Snapshot>) -> Vec<ColumnPath> {
    let Some(found) = found else { return vec![whole(&table)] };
    let there = found.tables.get(&table).into_iter().flat_map(|found| &found.columns).map(|column| vec![column.name.clone()]);
    named.into_iter().chain(there).map(|path| ColumnPath { table: table.clone(), path }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
