//! What a request's path works with, in one hand; and what each of its steps shares: detached work, sealing, the one exit.

use crate::asked::Visit;
use crate::changes::Changes;
use crate::findings::Findings;
use crate::follow::Followed;
use crate::identify::{self, Strangers, TurnedAway};
use crate::onward::Onward;
use crate::places::{LongRows, Place, Places};
use crate::ports::{Alarm, Catalog, InForce, Jobs, Keys, Machine, SealFault, Sealer, Upstream};
use crate::probing::{Probe, Probes};
use crate::record;
use crate::refusal::{Refused, Why};
use crate::resumed::ResumedJobs;
use crate::running::{Owing, RunningJobs};
use crate::session::Sessions;
use crate::shapes::{Reading, Rest};
use crate::storage::{Appending, ReadSessions, Streaming, WriteStreams};
use crate::trail::{Ended, Stage};
use crate::understand::Understanding;
use crate::writers::Writers;
use sluice_identity::{Caller, Identity, ReplayStore};
use sluice_ledger::record::content::{self, Meta, Steps, Totals};
use sluice_ledger::record::{Draft, DraftError, Subject};
use sluice_ledger::{AppendFault, DurableLog, Receipt};
use sluice_mask::{MaskKeys, Sampling};
use sluice_model::TableName;
use sluice_policy::Decision;
use sluice_sql::engine::Engine;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two attempts to put an outcome on record.
const OUTCOME_RETRY_MILLISECONDS: u64 = 200;

/// Who serves the ports is decided once, when the gateway is put together.
pub struct Parts {
    pub alarm: Arc<dyn Alarm>,
    pub catalog: Arc<dyn Catalog>,
    pub connections: BTreeMap<String, Connection>,
    pub engine: Arc<dyn Engine>,
    pub identity: Arc<Identity>,
    pub in_force: Arc<dyn InForce>,
    pub jobs: Arc<dyn Jobs>,
    pub keys: Arc<dyn Keys>,
    pub log: Arc<dyn DurableLog>,
    pub machine: Arc<dyn Machine>,
    /// Of the deployment, for masks that hash.
    pub mask_keys: MaskKeys,
    pub replay: Arc<dyn ReplayStore>,
    pub sealer: Arc<dyn Sealer>,
    pub upstream: Arc<dyn Upstream>,
}

/// What the path of a request has to know of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Where jobs run that name no place.
    pub location: Option<String>,
    /// Each caller reaches BigQuery as an account of its own, so what depends on who asks is answered for the right one.
    pub impersonates: bool,
}

pub struct Gateway {
    /// For work that nobody waits for.
    pub(crate) me: Weak<Gateway>,
    pub(crate) parts: Parts,
    pub(crate) changes: Arc<Changes>,
    pub(crate) findings: Findings,
    pub(crate) understanding: Understanding,
    pub(crate) owing: Owing,
    pub(crate) long_rows: LongRows,
    pub(crate) places: Places,
    pub(crate) probes: Probes,
    pub(crate) read_sessions: ReadSessions,
    pub(crate) resumed: ResumedJobs,
    pub(crate) running: RunningJobs,
    pub(crate) sessions: Sessions,
    stopping: watch::Sender<bool>,
    pub(crate) strangers: Strangers,
    pub(crate) turned_away: TurnedAway,
    pub(crate) write_streams: WriteStreams,
    pub(crate) writers: Writers,
}

/// One request on its way: under one subject, from one caller, with what is known of it so far.
pub(crate) struct Passage {
    pub subject: Subject,
    pub visit: Visit,
    pub caller: Arc<Caller>,
    pub connection: String,
    /// Something was permitted on record, so an end is owed.
    pub admitted: bool,
    /// A statement or a read that was not decided on before: no poll, no page.
    pub asks_anew: bool,
    /// For the record of a refusal.
    pub asked: Option<content::Request>,
    pub decision: Option<Decision>,
    /// What the sets that decide nothing would have said, by their digest.
    pub shadows: BTreeMap<String, String>,
    /// Rows that leave after the request is answered. Its end is theirs.
    pub onward: Option<Onward>,
    /// The same for messages of a stream.
    pub streaming: Option<Streaming>,
    /// And for rows that a client appends.
    pub appending: Option<Appending>,
    /// For looking at some of its rows.
    pub sampling: Option<Sampling>,
    /// For rows, until the last of them has left.
    pub place: Option<Place>,
    /// How many pages of rows BigQuery was asked for: one answer can be of several.
    pub pages: AtomicU64,
    /// For a job: what it was understood by, and what is another thing afterwards that its text does not say.
    pub rest: Rest,
    pub changes: Vec<TableName>,
    /// What it changes by another way than its text gets rows and stays as it is otherwise, if it exists.
    pub adds: bool,
    /// For rows that are read of a table itself.
    pub reading: Option<Reading>,
}

impl Passage {
    pub fn new(subject: Subject, visit: Visit, caller: Arc<Caller>, connection: &str) -> Passage {
        Passage {
            subject,
            visit,
            caller,
            connection: connection.to_owned(),
            admitted: false,
            asks_anew: false,
            asked: None,
            decision: None,
            shadows: BTreeMap::new(),
            onward: None,
            streaming: None,
            appending: None,
            sampling: None,
            place: None,
            pages: AtomicU64::new(0),
            rest: Rest::default(),
            changes: Vec::new(),
            adds: false,
            reading: None,
        }
    }
}

impl Gateway {
    pub fn new(parts: Parts) -> Arc<Gateway> {
        let understanding = Understanding::new(parts.engine.calls_at_once());
        Arc::new_cyclic(|me| Gateway {
            me: me.clone(),
            parts,
            changes: Arc::default(),
            findings: Findings::default(),
            understanding,
            owing: Owing::default(),
            long_rows: LongRows::default(),
            places: Places::of_rows(),
            probes: Probes::default(),
            read_sessions: ReadSessions::default(),
            resumed: ResumedJobs::default(),
            running: RunningJobs::default(),
            sessions: Sessions::default(),
            stopping: watch::Sender::new(false),
            strangers: Strangers::default(),
            turned_away: TurnedAway::default(),
            write_streams: WriteStreams::default(),
            writers: Writers::default(),
        })
    }

    /// For a client that names its job nothing. Nobody can guess it.
    pub fn job_id(&self) -> Result<String, Refused> {
        let subject = self.subject()?;
        Ok(format!("sluice_{}", record::hex(&subject.0)))
    }

    /// Puts on record what a door refuses by itself.
    pub async fn refuse(self: &Arc<Self>, visit: Visit, caller: Option<&Caller>, why: Why) -> Refused {
        // Whoever proves nothing costs the ledger a bounded number of records.
        let Some(caller) = caller else {
            let word = why.word().to_owned();
            return self.refuse_stranger(&visit, word, why).await;
        };
        let subject = match self.subject() {
            Ok(subject) => subject,
            Err(refused) => return refused,
        };
        let meta = record::refused(&visit, None, &why);
        match (Steps { subject }).refused_otherwise(&meta, Some(&record::identity(caller))) {
            Ok(draft) => self.put_outcome(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("a refusal has no record: {error}")),
        }
        self.tell(Some(subject), &visit, "refused", Some(&why));
        Refused { subject, why }
    }

    pub(crate) fn subject(&self) -> Result<Subject, Refused> {
        let mut bytes = [0; 16];
        let drawn = self.parts.machine.random(&mut bytes);
        drawn.map(|()| Subject(bytes)).map_err(|fault| Refused { subject: Subject([0; 16]), why: Why::Sealing(fault) })
    }

    /// The one way through: the work is done whether or not the client still waits for it, and whatever came of it is on record.
    pub(crate) async fn pass<T, W, F>(self: &Arc<Self>, visit: Visit, caller: Arc<Caller>, connection: &str, work: W) -> Result<T, Refused>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Gateway>, Passage) -> F + Send + 'static,
        F: Future<Output = (Passage, Result<T, Why>)> + Send + 'static,
    {
        let subject = self.subject()?;
        let passage = Passage::new(subject, visit, caller, connection);
        let gateway = Arc::clone(self);
        let passing = self.owed(async move {
            let (mut passage, outcome) = work(Arc::clone(&gateway), passage).await;
            if let (Ok(_), Some(onward)) = (&outcome, passage.onward.take()) {
                let gateway = Arc::clone(&gateway);
                gateway.owed(Arc::clone(&gateway).send_onward(passage, onward));
                return outcome.map_err(|why| Refused { subject, why });
            }
            if let (Ok(_), Some(streaming)) = (&outcome, passage.streaming.take()) {
                let gateway = Arc::clone(&gateway);
                gateway.owed(Arc::clone(&gateway).send_stream(passage, streaming));
                return outcome.map_err(|why| Refused { subject, why });
            }
            if let (Ok(_), Some(appending)) = (&outcome, passage.appending.take()) {
                let gateway = Arc::clone(&gateway);
                gateway.owed(Arc::clone(&gateway).send_appends(passage, appending));
                return outcome.map_err(|why| Refused { subject, why });
            }
            let mut word = "served";
            if let Err(why) = &outcome {
                word = if passage.has_failed(why) { "failed" } else { "refused" };
                let begun = Instant::now();
                gateway.end_refused(&passage, why).await;
                if matches!(why, Why::Policy(_)) {
                    gateway.note_probe(&passage, Probe::Refused).await;
                }
                passage.visit.trail.note(Stage::Record, begun, word);
            }
            gateway.tell(Some(passage.subject), &passage.visit, word, outcome.as_ref().err());
            outcome.map_err(|why| Refused { subject: passage.subject, why })
        });
        match passing.await {
            Ok(outcome) => outcome,
            // What a panic says can hold what the client sent.
            Err(_) => {
                self.parts.alarm.raise("a request broke off");
                Err(Refused { subject, why: Why::broke_off() })
            }
        }
    }

    /// Done whether or not anybody waits for it: a gateway that stops does.
    pub(crate) fn owed<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let owed = self.owing.one();
        tokio::spawn(async move {
            let done = work.await;
            // What the work held is gone by now: the ledger can be closed.
            drop(owed);
            done
        })
    }

    /// For numbers, logs and traces: the one place that knows how each request ended.
    pub(crate) fn tell(&self, subject: Option<Subject>, visit: &Visit, outcome: &'static str, why: Option<&Why>) {
        let (kinds, rules) = why.map(detail).unwrap_or_default();
        self.tell_in_detail(subject, visit, outcome, why, (kinds, rules), false);
    }

    pub(crate) fn tell_in_detail(
        &self,
        subject: Option<Subject>,
        visit: &Visit,
        outcome: &'static str,
        why: Option<&Why>,
        (kinds, rules): (Vec<Cow<'static, str>>, Vec<String>),
        is_counted: bool,
    ) {
        let walked = visit.trail.take(subject);
        self.parts.alarm.ended(Ended { subject, visit, outcome, reason: why.map(Why::word), kinds, rules, is_counted, walked });
    }

    async fn end_refused(&self, passage: &Passage, why: &Why) {
        let meta = passage.with_pages(record::refused(&passage.visit, Some(&passage.connection), why));
        let identity = record::identity(&passage.caller);
        let steps = Steps { subject: passage.subject };
        let draft = match (why, &passage.asked, &passage.decision) {
            // That is an end, not a refusal.
            (Why::Upstream { fault, .. }, ..) if passage.has_failed(why) => {
                let mut meta = meta.clone();
                meta.outcome = "failed".to_owned();
                steps.completed(&meta, &Totals::default(), &record::upstream_failed("", fault))
            }
            (_, Some(asked), Some(decision)) if !passage.admitted => {
                steps.refused(&meta, &identity, asked, &record::policy(decision, &passage.shadows))
            }
            (_, Some(asked), None) if !passage.admitted => steps.refused_unasked(&meta, &identity, asked),
            _ => steps.refused_otherwise(&meta, Some(&identity)),
        };
        match draft.or_else(|_| steps.refused_otherwise(&meta, Some(&identity))) {
            Ok(draft) => self.put_outcome(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("a refusal has no record: {error}")),
        }
    }

    /// An outcome is never dropped: what cannot be recorded now is tried again until it is, or the ledger is dead and the process with it.
    pub(crate) async fn put_outcome(&self, draft: Draft) {
        self.put_until_recorded(draft, false).await;
    }

    /// The same for an outcome that no client waits for: it shares the way of the next record to the disk, if there is one soon.
    pub(crate) async fn put_outcome_unhurried(&self, draft: Draft) {
        self.put_until_recorded(draft, true).await;
    }

    async fn put_until_recorded(&self, draft: Draft, unhurried: bool) {
        let mut said = false;
        loop {
            let put = match self.parts.sealer.seal(&draft) {
                Ok(sealed) if unhurried => self.parts.log.append_unhurried(sealed).await.map_err(Why::Recording),
                Ok(sealed) => self.parts.log.append(sealed).await.map_err(Why::Recording),
                Err(fault) => Err(fault.into()),
            };
            let fault = match put {
                Ok(_) => return,
                Err(Why::Recording(fault @ (AppendFault::Busy | AppendFault::Full))) => fault.to_string(),
                Err(why) => {
                    self.parts.alarm.raise(&format!("an outcome has no record: {}", record::operator_text(&why)));
                    return;
                }
            };
            if !said {
                self.parts.alarm.raise(&format!("an outcome waits to be recorded: {fault}"));
                said = true;
            }
            tokio::time::sleep(Duration::from_millis(OUTCOME_RETRY_MILLISECONDS)).await;
        }
    }

    pub(crate) async fn put(&self, draft: &Draft) -> Result<Receipt, Why> {
        let sealed = self.parts.sealer.seal(draft)?;
        self.parts.log.append(sealed).await.map_err(Why::Recording)
    }

    /// Whatever has no end of its own comes to one: clients that append could go on for ever.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Once that is said.
    pub(crate) async fn stopped(&self) {
        drop(self.stopping.subscribe().wait_for(|is_stopping| *is_stopping).await);
    }

    /// Work that this process still owes an end: zero before it may stop.
    pub fn open_jobs(&self) -> usize {
        self.owing.count()
    }

    pub(crate) fn impersonates(&self, connection: &str) -> bool {
        self.parts.connections.get(connection).is_some_and(|connection| connection.impersonates)
    }
}

impl Passage {
    /// It was permitted and went wrong at BigQuery's.
    fn has_failed(&self, why: &Why) -> bool {
        self.admitted && matches!(why, Why::Upstream { .. })
    }

    /// What its end says of it: how many pages of BigQuery's it was made of, where there were several.
    pub fn with_pages(&self, mut meta: Meta) -> Meta {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages > 1 {
            meta.counts.insert("pages".to_owned(), pages);
        }
        meta
    }

    pub fn of_job(&self, arrived: bool) -> Followed {
        let (visit, connection, caller) = (self.visit.clone(), self.connection.clone(), Arc::clone(&self.caller));
        Followed { arrived, subject: self.subject, visit, connection, caller }
    }
}

/// Words of the program's, and the names of rules.
fn detail(why: &Why) -> (Vec<Cow<'static, str>>, Vec<String>) {
    match why {
        Why::Policy(decision) => {
            let reasons = &decision.evaluation.reasons;
            let kinds: BTreeSet<&'static str> = reasons.iter().map(|reason| reason.kind.word()).collect();
            let rules: BTreeSet<&String> = reasons.iter().flat_map(|reason| &reason.rules).map(|rule| &rule.id).collect();
            (kinds.into_iter().map(Cow::Borrowed).collect(), rules.into_iter().cloned().collect())
        }
        Why::Unproven(refusal) => (vec![Cow::Owned(identify::word(refusal))], Vec::new()),
        Why::Upstream { fault, .. } => (vec![Cow::Borrowed(fault.kind.word())], Vec::new()),
        _ => Default::default(),
    }
}

impl From<DraftError> for Why {
    fn from(error: DraftError) -> Why {
        Why::Sealing(SealFault(error.to_string()))
    }
}
