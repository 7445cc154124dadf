//! Jobs that an earlier process of the gateway began and did not see the end of. Before anything is served they are taken up: what they write goes on to get
//! the labels of what they read, what they change counts as changed, and their end is found out as that of every other job is.
//!
//! Of the time in which no gateway watched one thing can be known: whether what they read is still as it was. What was made another thing and put back until
//! then was not seen.

use crate::changes::{Beginning, Changing};
use crate::changing::changed;
use crate::decide::Admission;
use crate::gateway::{Gateway, Passage};
use crate::job::{Copied, Course, JobName, JobWork, KnownJob};
use crate::judged::{kept_rest, rest_of};
use crate::labels::is_of_request;
use crate::ports::{JobState, UpstreamFault, UpstreamFaultKind};
use crate::record::hex;
use crate::refusal::Why;
use crate::shapes::{Rest, Role, held, is_star, shape};
use crate::writers::Writing;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, Kind, Subject};
use sluice_model::TableName;
use sluice_policy::{Method, Request, Resource, Sends, Work};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// BigQuery ends a query after six hours and a script after a day. Older jobs are over.
const FOLLOWED_MILLISECONDS_MAX: u64 = 25 * 3_600_000;
/// As many as any gateway has under way at one moment.
const RESUMED_MAX: usize = 10_000;
const ASKED_AT_ONCE_MAX: usize = 16;
/// Between two questions: at first, and in the end.
const PAUSE_MILLISECONDS_MIN: u64 = 500;
const PAUSE_MILLISECONDS_MAX: u64 = 20_000;
/// BigQuery may know of a job later than it was sent. After so many looks it never arrived.
const ABSENCES_MAX: u32 = 4;
/// Requests, or labels, that one record names.
const NAMED_MAX: usize = 64;
const NOT_FOUND: u16 = 404;

pub(crate) struct ResumedJobs {
    jobs: Mutex<HashMap<[u8; 16], Arc<Resumed>>>,
    places: Semaphore,
}

pub(crate) struct Resumed {
    known: Arc<KnownJob>,
    writing: Option<Writing>,
    /// Who counts as having changed what it rests on while nobody watched.
    unwatched: Subject,
    progress: tokio::sync::Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// What the time without a gateway left has been seen.
    has_looked: bool,
    is_over: bool,
}

impl Default for ResumedJobs {
    fn default() -> ResumedJobs {
        ResumedJobs { jobs: Mutex::default(), places: Semaphore::new(ASKED_AT_ONCE_MAX) }
    }
}

impl ResumedJobs {
    /// The job itself, not a part of it.
    pub fn find(&self, known: &KnownJob) -> Option<Arc<Resumed>> {
        let is_it = |resumed: &&Arc<Resumed>| resumed.known.name.id == known.name.id && resumed.known.connection == known.connection;
        self.jobs().get(&known.subject.0).filter(is_it).cloned()
    }

    pub fn under_way(&self) -> Vec<Arc<KnownJob>> {
        self.jobs().values().map(|resumed| Arc::clone(&resumed.known)).collect()
    }

    pub fn is_followed(&self, job: Subject) -> bool {
        self.jobs().contains_key(&job.0)
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<[u8; 16], Arc<Resumed>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Before anything is served.
    pub async fn take_up(self: &Arc<Self>) -> Result<(), Why> {
        let since_ms = self.parts.machine.now_ms().saturating_sub(FOLLOWED_MILLISECONDS_MAX);
        let found = self.parts.jobs.unsettled(since_ms, RESUMED_MAX).await?;
        if found.left_out > 0 {
            self.parts.alarm.raise(&format!("of the jobs that an earlier process began {} cannot be taken up", found.left_out));
        }
        let mut all = Vec::new();
        // In the order in which they began.
        for known in found.jobs.into_iter().rev() {
            all.push(self.go_on_with(known).await?);
        }
        if all.is_empty() {
            return Ok(());
        }
        self.put(&taken_up(&all)?).await?;
        for resumed in all {
            self.owed(Arc::clone(self).follow_again(resumed));
        }
        Ok(())
    }

    async fn go_on_with(&self, known: Arc<KnownJob>) -> Result<Arc<Resumed>, Why> {
        let unwatched = self.subject().map_err(|refused| refused.why)?;
        let (now_ms, rest) = (self.parts.machine.now_ms(), rest_of(&known));
        let more = known.course.changes.iter().map(|name| Changing { name: name.bare(), often: false, adds: false });
        let (routines, leaving) = held(&known.work, false, &rest);
        let changes = changed(&known, false).into_iter().chain(more).collect();
        self.changes.go_on(Beginning { by: known.subject, changes, routines, leaving, since_ms: now_ms });
        // Whatever was there then may have been changed by anybody; what was not there is looked for.
        let were_there = rest.names(&Role::ALL).filter(|name| !was_absent(&rest, name)).cloned();
        self.changes.unwatched(unwatched, were_there.collect(), now_ms);
        self.changes.rest(known.subject, rest);
        let writing = match self.written_by(&known) {
            None => None,
            Some(request) => {
                let (writing, carried) = self.go_on_writing(known.subject, request).await;
                carried?;
                writing
            }
        };
        let resumed = Arc::new(Resumed { known, writing, unwatched, progress: tokio::sync::Mutex::default() });
        self.resumed.jobs().insert(resumed.known.subject.0, Arc::clone(&resumed));
        Ok(resumed)
    }

    /// Until it is over, cannot run any more, or the gateway stops: the next one takes it up again.
    async fn follow_again(self: Arc<Self>, resumed: Arc<Resumed>) {
        let known = &resumed.known;
        let until_ms = known.created_ms.saturating_add(FOLLOWED_MILLISECONDS_MAX);
        let (mut pause_ms, mut absences, mut has_failed) = (PAUSE_MILLISECONDS_MIN, 0, false);
        while self.parts.machine.now_ms() < until_ms {
            let asked = tokio::select! {
                biased;
                () = self.stopped() => return,
                asked = self.ask_again(&resumed) => asked,
            };
            match asked {
                // Another's job has the name: ours never arrived.
                Ok(state) if !known.arrived && !is_of_request(&state.resource.0, known.subject) => break,
                Ok(state) if state.done => return self.end_resumed(&resumed, &state).await,
                Ok(_) => absences = 0,
                Err(fault) => {
                    absences += u32::from(is_absent(&fault, known));
                    if absences >= ABSENCES_MAX {
                        break;
                    }
                    if !std::mem::replace(&mut has_failed, true) {
                        self.parts.alarm.raise(&format!("a job that an earlier process began cannot be followed: {fault}"));
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stopped() => return,
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            }
            pause_ms = (2 * pause_ms).min(PAUSE_MILLISECONDS_MAX);
        }
        self.let_go(&resumed).await;
    }

    async fn ask_again(&self, resumed: &Resumed) -> Result<JobState, UpstreamFault> {
        self.look_after(resumed, &mut *resumed.progress.lock().await).await;
        let _place = self.resumed.places.acquire().await;
        self.parts.upstream.sent_before(&resumed.known).await
    }

    /// What the time without a gateway left. From here on changes are seen as they are made.
    async fn look_after(&self, resumed: &Resumed, progress: &mut Progress) {
        if progress.has_looked || progress.is_over {
            return;
        }
        let rest = rest_of(&resumed.known);
        let names = || rest.names(&Role::ALL);
        let wanted = rest.required(&names().cloned().collect());
        let Some(found) = self.look_anew(&rest.connection, &wanted).await else { return };
        let left: BTreeMap<TableName, _> = names().filter_map(|name| Some((name.clone(), shape(&found, name)?))).collect();
        let came = left.keys().filter(|name| was_absent(&rest, name)).cloned().collect();
        let now_ms = self.parts.machine.now_ms();
        self.changes.unwatched(resumed.unwatched, came, now_ms);
        self.changes.end(resumed.unwatched, &left, now_ms);
        progress.has_looked = true;
    }

    /// Whoever first sees that it is done, the task that follows it or somebody who asks.
    pub(crate) async fn end_resumed(&self, resumed: &Resumed, state: &JobState) {
        let mut progress = resumed.progress.lock().await;
        if progress.is_over {
            return;
        }
        self.look_after(resumed, &mut progress).await;
        let late = self.end_of(&resumed.known, resumed.writing.as_ref(), state).await;
        progress.is_over = true;
        self.forget_resumed(resumed);
        drop(progress);
        if late.is_empty() {
            return;
        }
        match late_labels(resumed, &late) {
            Ok(draft) => self.put_outcome_unhurried(draft).await,
            Err(why) => self.parts.alarm.raise(&format!("late labels have no record: {}", crate::record::operator_text(&why))),
        }
    }

    /// It never arrived, or cannot run any more.
    async fn let_go(&self, resumed: &Resumed) {
        let mut progress = resumed.progress.lock().await;
        progress.is_over = true;
        self.end_changes(resumed.known.subject, &resumed.known.connection).await;
        self.forget_resumed(resumed);
    }

    fn forget_resumed(&self, resumed: &Resumed) {
        let now_ms = self.parts.machine.now_ms();
        self.changes.end(resumed.unwatched, &BTreeMap::new(), now_ms);
        self.resumed.jobs().remove(&resumed.known.subject.0);
    }

    /// As policy reads what brings data somewhere: nobody asks whether that is permitted, it runs.
    fn written_by(&self, known: &KnownJob) -> Option<Request> {
        let copied = match (&known.work, &known.course.copied) {
            (JobWork::Query(work), _) => return Some(self.page(known, work, Sends::default())),
            (JobWork::Other, copied) => copied.as_ref()?,
        };
        let Copied { to, columns, kept } = copied.clone();
        let work = Work::Method(Method { columns, kept, ..Method::plain("jobs.copy", Resource::Table(to)) });
        let (connection, project) = (known.connection.clone(), known.name.project.clone());
        Some(Request { connection, project, work, also: Vec::new(), sends: Sends::default() })
    }
}

/// What the book keeps of a job that is about to be sent.
pub(crate) fn course(passage: &Passage, admission: &Admission) -> Course {
    let permit = admission.permit.value();
    let copied = match &permit.request().work {
        Work::Method(Method { name, resource: Resource::Table(to), columns, kept, .. }) if name == "jobs.copy" => {
            Some(Copied { to: to.clone(), columns: columns.clone(), kept: kept.clone() })
        }
        _ => None,
    };
    let caller = permit.decision().caller.clone();
    Course { caller, rest: kept_rest(&passage.rest), changes: passage.changes.clone(), copied, ..Course::default() }
}

fn was_absent(rest: &Rest, name: &TableName) -> bool {
    rest.is_absent(name) && !is_star(name)
}

/// Said by whoever was asked at the right place: elsewhere no job is found.
fn is_absent(fault: &UpstreamFault, known: &KnownJob) -> bool {
    fault.kind == UpstreamFaultKind::Refused && fault.status == Some(NOT_FOUND) && known.name.location.is_some()
}

fn taken_up(all: &[Arc<Resumed>]) -> Result<Draft, Why> {
    let requests: Vec<String> = all.iter().take(NAMED_MAX).map(|resumed| hex(&resumed.known.subject.0)).collect();
    let details = [("jobs", all.len().to_string()), ("requests", requests.join(" "))];
    own_act("jobs that ran over a start are followed again", &details)
}

fn late_labels(resumed: &Resumed, late: &[String]) -> Result<Draft, Why> {
    let JobName { project, id, .. } = &resumed.known.name;
    let labels: Vec<&str> = late.iter().take(NAMED_MAX).map(String::as_str).collect();
    let details = [("job", format!("{project}:{id}")), ("labels", labels.join(", ")), ("request", hex(&resumed.known.subject.0))];
    own_act("labels of a job that ran over a start", &details)
}

fn own_act(what: &str, details: &[(&str, String)]) -> Result<Draft, Why> {
    let details = details.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    let (by, reason) = ("sluice".to_owned(), "started anew".to_owned());
    Ok(Draft::of_change(Kind::AdminAction, None, &Change { what: what.to_owned(), by, reason, details, ..Change::default() })?)
}
