//! Whether rows of a job may be shown: what was found when it was over, and is kept in the book; or what is found now, where no gateway saw its end.

use crate::gateway::Gateway;
use crate::job::{JobName, JobWork, KnownJob, Part, Rested, RestedKind as Kind, Verdict};
use crate::ports::JobState;
use crate::record::operator_text;
use crate::refusal::Why;
use crate::shapes::{Rest, Role, written_as};
use sluice_ledger::record::Subject;
use sluice_model::TableName;

/// Names of one job that the book keeps. Of one that rests on more nobody knows after a start whether they are as they were.
const RESTED_MAX: usize = 256;
const CHANGED: &str = "a table, a view or a function that it reads was changed while it ran";

impl Gateway {
    /// For whoever asks for rows of a job that is over, by whatever way.
    pub(crate) async fn hold_to_shapes(&self, known: &KnownJob) -> Result<(), Why> {
        let JobWork::Query(work) = &known.work else { return Ok(()) };
        let verdict = match self.judged(known) {
            Some(verdict) => Some(verdict),
            None => self.kept_verdict(known).await?,
        };
        let is_same = match verdict {
            Some(verdict) => verdict == Verdict::Undisturbed,
            // A part can be over before its script is.
            None if work.part != Part::Whole && self.is_under_way(known) => self.is_as_understood(known).await,
            None => return Err(Why::Unwatched),
        };
        if is_same { Ok(()) } else { Err(Why::Drift(CHANGED.to_owned())) }
    }

    /// Whether what it read is what it was understood by, as far as it has come: else nobody knows what its texts can hold.
    pub(crate) async fn is_undisturbed(&self, known: &KnownJob) -> bool {
        let is_part = matches!(&known.work, JobWork::Query(work) if work.part != Part::Whole);
        let verdict = match self.judged(known) {
            None if is_part => self.kept_verdict(known).await,
            verdict => Ok(verdict),
        };
        match verdict {
            Ok(None) => self.is_under_way(known) && !self.changes.is_overtaken(known),
            Ok(Some(verdict)) => verdict == Verdict::Undisturbed,
            Err(_) => false,
        }
    }

    /// Jobs that still run and rest on what was just made another. It is written down at once, and what they write has its labels: the process may end before
    /// they do.
    pub(crate) async fn note_disturbed(&self, by: Subject, names: &[TableName]) {
        let resting = self.changes.who_rests_on(by, names);
        if resting.is_empty() {
            return;
        }
        for known in self.running.under_way().into_iter().chain(self.resumed.under_way()) {
            let Some(rest) = self.changes.rest_of(known.subject).filter(|_| resting.contains(&known.subject.0)) else { continue };
            if self.reshaped(known.subject, &rest, &Role::SHOWN).await.is_empty() {
                continue;
            }
            if let Err(fault) = self.parts.jobs.settle(&known.connection, &known.name, None, Some(Verdict::Disturbed)).await {
                self.parts.alarm.raise(&format!("the book of jobs does not take that one was disturbed: {fault:?}"));
            }
        }
        if let Err(why) = self.carry_while_running(&resting).await {
            self.parts.alarm.raise(&format!("labels are not carried on: {}", operator_text(&why)));
        }
    }

    /// As far as it is known without a look into the book.
    pub(crate) fn judged(&self, known: &KnownJob) -> Option<Verdict> {
        let remembered = self.changes.judged(known.subject).map(|is_same| if is_same { Verdict::Undisturbed } else { Verdict::Overtaken });
        match known.course.verdict {
            Some(Verdict::Disturbed | Verdict::Overtaken) => Some(Verdict::Overtaken),
            kept => remembered.or(kept),
        }
    }

    /// Before anybody is told that a job is done which no task of this process has followed to its end. Whether the book knows of its end now.
    pub(crate) async fn judge_unwatched(&self, known: &KnownJob, state: &JobState) -> bool {
        if let Some(resumed) = self.resumed.find(known) {
            self.end_resumed(&resumed, state).await;
            return true;
        }
        let is_whole = matches!(&known.work, JobWork::Query(work) if work.part == Part::Whole);
        if !is_whole || known.course.rest.is_none() || self.judged(known).is_some() || self.is_under_way(known) {
            return false;
        }
        let rest = rest_of(known);
        let wanted = rest.required(&rest.names(&Role::ALL).cloned().collect());
        // What cannot be looked at now can be later.
        let Some(found) = self.look_anew(&rest.connection, &wanted).await else { return false };
        let is_same = rest.names(&Role::SHOWN).all(|name| self.is_same_shape(&found, name, &rest));
        self.changes.judge(known.subject, is_same && self.reshaped(known.subject, &rest, &Role::SHOWN).await.is_empty());
        self.settle(known, state).await;
        true
    }

    /// Of the job itself, or of the script that it is a part of.
    async fn kept_verdict(&self, known: &KnownJob) -> Result<Option<Verdict>, Why> {
        let found = self.parts.jobs.find(&known.connection, &whole_name(known)).await?;
        Ok(found.filter(|found| found.subject == known.subject).and_then(|found| found.course.verdict))
    }

    fn is_under_way(&self, known: &KnownJob) -> bool {
        let name = whole_name(known);
        self.running.find(&known.connection, &name).is_some() || self.resumed.is_followed(known.subject)
    }
}

/// For the book.
pub(crate) fn kept_rest(rest: &Rest) -> Option<Vec<Rested>> {
    (rest.rested().count() <= RESTED_MAX).then(|| rest.rested().cloned().collect())
}

/// Out of the book. Where it does not say, the names that the job opens, of which nobody knows how they were.
pub(crate) fn rest_of(known: &KnownJob) -> Rest {
    let rested = match (&known.course.rest, &known.work) {
        (Some(rested), _) => rested.clone(),
        (None, JobWork::Other) => Vec::new(),
        (None, JobWork::Query(work)) => {
            let unknown = |name: TableName, kind, role| Rested { name, kind, role, shape: None, places: None };
            let statements = work.analysis.statements.iter();
            let names = statements.flat_map(|statement| {
                let written =
                    statement.writes.iter().filter_map(|write| Some((write.table.clone(), written_as(&work.analysis, &write.table)?)));
                let written = written.map(move |(name, role)| unknown(name, Kind::Table, role));
                let routines = statement.routines.iter().filter_map(|name| TableName::parse(name));
                let routines = routines.map(move |name| unknown(name, Kind::Routine, Role::Read));
                let tables = statement.reads.iter().map(move |read| unknown(read.table.clone(), Kind::Table, Role::Read));
                // The later one counts, where a name is of two kinds.
                written.chain(routines).chain(tables)
            });
            names.collect()
        }
    };
    Rest::of(&known.connection, known.created_ms, rested.into_iter())
}

fn whole_name(known: &KnownJob) -> JobName {
    match &known.course.script {
        Some(script) => JobName { id: script.clone(), ..known.name.clone() },
        None => known.name.clone(),
    }
}
