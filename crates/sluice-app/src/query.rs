//! The path of a request, top-down: `submit` sends a query, `results` fetches its rows, `admit` does everything else. Each goes through
//! `Gateway::pass`, so whatever ends a request is on record, and a client that hangs up stops nothing.

use crate::asked::{QueryAsk, Visit};
use crate::changes::{Beginning, Changing};
use crate::changing::changed;
use crate::decide::{Admission, Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{Course, JobName, JobWork, KnownJob, NO_QUERY, Part, QueryWork, UNSHOWN, owner_of};
use crate::joined::result_of_job;
use crate::labels::{with_ceiling, with_labels};
use crate::onward::RowsToCome;
use crate::ports::{JobRows, JobState, JobsFault, RowsAsk, Upload, UpstreamFault, UpstreamFaultKind};
use crate::refusal::{self, FormReason, Refused, Why};
use crate::release::Left;
use crate::repeat;
use crate::resumed::course;
use crate::running::Running;
use crate::shapes::{held, is_extract};
use crate::trail::Stage;
use crate::understand::{Understood, all_nameable, depends_on_who_asks, tells_of_others};
use sluice_identity::Caller;
use sluice_ledger::Recorded;
use sluice_mask::{Head, MaskedRows};
use sluice_model::Refused as NotUnderstood;
use sluice_policy::{Destination, Difference, DryRun, JudgeMode, MayTell, Purpose, Request, Sends, Statement, Work, compare};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is said instead of a text that could hold what the caller may not know.
const SCHEMA_WITHHELD: &str =
    "the statement does not fit the tables that it names; their schema is not yours to read, so nothing more is said";
/// How the analyzer begins to say that a table is not there.
const TABLE_ABSENT: &str = "Table not found: ";
/// For a request that is repeated while the first one is on its way.
const REPEAT_SECONDS_MAX: u64 = 30;
const REPEAT_LOOK_MILLISECONDS: u64 = 50;
/// Of a name that is taken: nothing else is said so when a job is sent.
const CONFLICT: u16 = 409;

enum Sent {
    DryRun(Box<JobState>),
    Job(JobName),
}

/// Rows, or what there is instead of rows.
#[derive(Debug, Default)]
pub struct Results {
    pub job: Option<JobName>,
    pub state: Option<JobState>,
    pub complete: bool,
    pub head: Head,
    pub rows: Vec<Recorded<MaskedRows>>,
    /// What follows them. With it `head` is what stands before the rows, and may not be all.
    pub more: Option<RowsToCome>,
}

impl Gateway {
    /// `jobs.insert` of a query; also the dry run that a client asks for.
    pub async fn submit(self: &Arc<Self>, visit: Visit, caller: Caller, ask: QueryAsk) -> Result<JobState, Refused> {
        let (connection, dry_run) = (ask.connection.clone(), ask.dry_run);
        self.pass(visit, Arc::new(caller), &connection, move |gateway, mut passage| async move {
            let outcome = match gateway.submit_now(&mut passage, ask).await {
                Ok(running) if dry_run => Ok(gateway.told(running.state(), gateway.may_tell_of_dry_run(&passage, &running.known))),
                Ok(running) => {
                    let state = running.as_begun().await;
                    let may_tell = gateway.may_tell(&passage, &running.known).await;
                    Ok(gateway.told(state, may_tell))
                }
                Err(why) => Err(why),
            };
            (passage, outcome)
        })
        .await
    }

    /// `jobs.query`: sent, waited for, the first page. What came with a request id before is not sent again.
    pub async fn query(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        ask: QueryAsk,
        patience: Duration,
        mut rows: JobRows,
    ) -> Result<Results, Refused> {
        let (connection, caller) = (ask.connection.clone(), Arc::new(caller));
        let sent = self.pass(visit.clone(), Arc::clone(&caller), &connection, |gateway, mut passage| async move {
            let outcome = gateway.submit_once(&mut passage, ask).await;
            (passage, outcome)
        });
        match sent.await? {
            Sent::DryRun(state) => return Ok(of_state(*state)),
            Sent::Job(name) => rows.job = name,
        }
        self.results_for(visit, caller, &connection, rows, patience).await
    }

    /// `jobs.getQueryResults`.
    pub async fn results(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        connection: &str,
        rows: JobRows,
        patience: Duration,
    ) -> Result<Results, Refused> {
        self.results_for(visit, Arc::new(caller), connection, rows, patience).await
    }

    async fn results_for(
        self: &Arc<Self>,
        visit: Visit,
        caller: Arc<Caller>,
        connection: &str,
        rows: JobRows,
        patience: Duration,
    ) -> Result<Results, Refused> {
        self.pass(visit, caller, connection, move |gateway, mut passage| async move {
            let outcome = gateway.fetch(&mut passage, rows, patience).await;
            (passage, outcome)
        })
        .await
    }

    async fn submit_once(self: &Arc<Self>, passage: &mut Passage, ask: QueryAsk) -> Result<Sent, Why> {
        let repeated = repeat::key(&ask).map(|key| (ask.job.project.clone(), key));
        if let Some(known) = self.sent_before(passage, repeated.as_ref()).await? {
            return Ok(Sent::Job(known.name.clone()));
        }
        let dry_run = ask.dry_run;
        let running = match self.submit_now(passage, ask).await {
            Ok(running) => running,
            // The same request came twice at once, and the other one was first.
            Err(why @ Why::Form { reason: FormReason::Duplicate, .. }) => match self.sent_before(passage, repeated.as_ref()).await? {
                Some(known) => return Ok(Sent::Job(known.name.clone())),
                None => return Err(why),
            },
            Err(why) => return Err(why),
        };
        if !dry_run {
            return Ok(Sent::Job(running.state().name));
        }
        let may_tell = self.may_tell_of_dry_run(passage, &running.known);
        Ok(Sent::DryRun(Box::new(self.told(running.state(), may_tell))))
    }

    async fn submit_now(self: &Arc<Self>, passage: &mut Passage, ask: QueryAsk) -> Result<Arc<Running>, Why> {
        let submitted = self.submit_at_rest(passage, ask).await;
        if submitted.is_err() {
            self.changes.rest_no_more(passage.subject);
        }
        submitted
    }

    async fn submit_at_rest(self: &Arc<Self>, passage: &mut Passage, ask: QueryAsk) -> Result<Arc<Running>, Why> {
        let (mut understood, begun_ms) = self.understand_at_rest(passage, &ask).await?;
        self.label_sizes(passage, &mut understood).await?;
        self.decide_by_partitions(passage, &ask, &mut understood).await?;
        self.tell_or_withhold(passage, &ask.job.project, &understood)?;
        if depends_on_who_asks(&understood.analysis) && !self.impersonates(&ask.connection) {
            let text = "the result depends on who asks (SESSION_USER, views by user), and this connection asks for everybody with one account; accepted: the same with the name written out";
            return Err(Why::Form { reason: FormReason::Unsupported, text: text.to_owned() });
        }
        if let Some(text) = tells_of_others(&understood.analysis) {
            return Err(Why::Form { reason: FormReason::Unsupported, text });
        }
        all_nameable(&understood.analysis)?;
        let dry_run = ask.dry_run;
        let job = ask.job.clone();
        let mut known = known_job(passage, &ask, &understood, begun_ms);
        passage.adds = ask.adds;
        let request = self.request(passage, ask, &understood)?;
        let background = Background { known: &understood.known, tables: &understood.tables };
        let admission = self.admit_request(passage, request, background).await?;
        if let JobWork::Query(work) = &mut known.work {
            work.dry_run.clone_from(&admission.dry_run);
        }
        self.begin(passage, admission, known, None, dry_run, job).await
    }

    /// Takes the job's id, sends it, and follows it from then on.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        passage: &mut Passage,
        admission: Admission,
        mut known: KnownJob,
        upload: Option<Upload>,
        dry_run: bool,
        job: JobName,
    ) -> Result<Arc<Running>, Why> {
        let mut arrived = true;
        if !dry_run {
            known.course = course(passage, &admission);
            let more = passage.changes.drain(..).map(|name| Changing { name: name.bare(), often: false, adds: passage.adds });
            let changes = changed(&known, passage.adds).into_iter().chain(more).collect();
            let rest = std::mem::take(&mut passage.rest);
            let (routines, leaving) = held(&known.work, is_extract(admission.permit.value()), &rest);
            let takes_out = !leaving.is_empty();
            let beginning = Beginning { by: known.subject, changes, routines, leaving, since_ms: known.created_ms };
            self.changes.begin(beginning).map_err(|name| Why::Concurrent { name })?;
            self.changes.rest(known.subject, rest);
            self.hold_to_labels(passage, &admission, takes_out).await?;
        }
        let sent = match self.send_job(passage, &admission, &known, upload, dry_run).await {
            // It may run: it is followed by its name until somebody knows.
            Err(Why::Upstream { fault, .. }) if fault.may_have_acted && !dry_run => {
                arrived = false;
                Ok(JobState { name: job.clone(), ..JobState::default() })
            }
            other => other,
        };
        if matches!(&sent, Err(Why::Upstream { .. })) && !dry_run {
            self.release_name(&known).await;
        }
        if sent.is_err() {
            self.end_changes(known.subject, &known.connection).await;
        }
        let state = sent?;
        known.arrived = arrived;
        if !dry_run && !state.name.id.is_empty() && state.name.id != known.name.id {
            // A server that names jobs itself: this one is the caller's too. It runs, and is followed, also where the book cannot say so.
            let renamed = KnownJob { name: state.name.clone(), request_id: None, ..known.clone() };
            if let Err(fault) = self.parts.jobs.begin(renamed).await {
                self.parts.alarm.raise(&format!("the book of jobs does not take the name that a server gave a job: {fault:?}"));
            }
        }
        known.name = if state.name.id.is_empty() { job } else { state.name.clone() };
        let running = Arc::new(known);
        if dry_run {
            let running = self.running.alone(running, state);
            self.complete(passage, &running.state(), "completed").await;
            return Ok(running);
        }
        let running = self.running.begin(running, state);
        self.owed(Arc::clone(self).follow(Arc::clone(&running), admission, passage.of_job(arrived)));
        Ok(running)
    }

    /// BigQuery has not taken the job. Something else may have its name there, and is not the caller's.
    async fn release_name(&self, known: &KnownJob) {
        if let Err(fault) = self.parts.jobs.release(&known.connection, &known.name).await {
            self.parts.alarm.raise(&format!("the book of jobs keeps a name that was only claimed: {fault:?}"));
        }
    }

    async fn send_job(
        &self,
        passage: &Passage,
        admission: &Admission,
        known: &KnownJob,
        upload: Option<Upload>,
        dry_run: bool,
    ) -> Result<JobState, Why> {
        if !dry_run {
            match self.parts.jobs.begin(known.clone()).await {
                Ok(()) => {}
                Err(JobsFault::Taken) => {
                    let text = self.taken(&known.connection, &known.name, "").await.message;
                    return Err(Why::Form { reason: FormReason::Duplicate, text });
                }
                Err(fault @ JobsFault::Unavailable(_)) => return Err(Why::Jobs(fault)),
            }
        }
        let asking = self.parts.upstream.dispatch(&admission.permit, upload);
        match passage.visit.trail.upstream(Stage::UpstreamDispatch, asking).await {
            Ok(state) => Ok(state),
            // The same words, whoever knows of the job that has the name.
            Err(fault) if fault.kind == UpstreamFaultKind::Refused && fault.status == Some(CONFLICT) && !dry_run => {
                let said = fault.error.as_ref().map_or("", |error| error.message.as_str());
                let error = self.taken(&known.connection, &known.name, said).await;
                let told = Some(error.message.clone());
                Err(Why::Upstream { fault: Box::new(UpstreamFault { error: Some(error), ..fault }), told })
            }
            Err(fault) => Err(failed(fault, admission.may_tell)),
        }
    }

    /// One look at a job: whether it is done, and its rows if it is. Never analysed afresh: what was understood at dispatch is decided on again.
    pub(crate) async fn fetch(self: &Arc<Self>, passage: &mut Passage, mut rows: JobRows, patience: Duration) -> Result<Results, Why> {
        let known = self.own_job(passage, &rows.job).await?;
        let work = match &known.work {
            JobWork::Query(work) if work.part != Part::Unshown => work,
            JobWork::Query(_) => return Err(Why::Form { reason: FormReason::Invalid, text: UNSHOWN.to_owned() }),
            JobWork::Other => return Err(Why::Form { reason: FormReason::Invalid, text: NO_QUERY.to_owned() }),
        };
        if work.part == Part::Shown && !self.may_tell(passage, &known).await.texts {
            let text = "a script that reads labelled columns shows its result whole, and not part by part".to_owned();
            return Err(Why::Form { reason: FormReason::Unsupported, text });
        }
        let wants_rows = rows.rows_max != Some(0) && work.part != Part::Silent;
        let running = self.running.find(&passage.connection, &known.name);
        // The record of a job that is over takes no more counts: whoever asks then has a record of its own.
        if let Some(running) = running.as_ref().filter(|running| !running.state().done) {
            running.count_poll();
            self.may_poll(passage, self.page(&known, work, Sends::default()))?;
            let state = running.wait(patience).await;
            let may_tell = self.may_tell(passage, &known).await;
            let state = self.told(state, may_tell);
            succeeded(&state, may_tell)?;
            if !state.done || !wants_rows {
                return Ok(of_state(state));
            }
        }
        rows.job = running.as_ref().map_or_else(|| known.name.clone(), |running| running.state().name);
        if let Some(row) =
            rows.page_token.as_deref().map(|token| self.row_of_token(&result_of_job(passage, &known), token)).transpose()?.flatten()
        {
            (rows.page_token, rows.start_index) = (None, Some(row));
        }
        let known_now = self.known_now().await?;
        let background = Background { known: &known_now, tables: &[] };
        let admission = self.admit_request(passage, self.page(&known, work, rows_sent(&rows)), background).await?;
        let state = match &running {
            Some(running) => running.state(),
            None => self.state_before(passage, &admission, &known, (&rows.job, patience)).await?,
        };
        self.confirm(&known, &state).await?;
        let may_tell = self.may_tell(passage, &known).await;
        succeeded(&state, may_tell)?;
        if !state.done || !wants_rows {
            self.complete_later(passage, &state, &Left::default());
            return Ok(of_state(self.told(state, may_tell)));
        }
        self.hold_to_shapes(&known).await?;
        self.hold_to(&passage.connection, work, &state)?;
        self.hold_to_decision(passage, admission.permit.value(), &known_now).await?;
        let rows = RowsAsk::OfJob(rows);
        passage.place = Some(self.places.take(&passage.caller.principal().to_string()).await?);
        let released = self.release(passage, admission, rows, state.head.clone()).await?;
        self.complete_later(passage, &state, &released.left());
        Ok(Results { job: Some(state.name.clone()), state: Some(self.told(state, may_tell)), ..released.results() })
    }

    /// Of a job that this process does not follow. Whoever has waited for it is told nothing that came meanwhile: it was decided before, and is decided anew
    /// when the client asks again.
    async fn state_before(
        &self,
        passage: &Passage,
        admission: &Admission,
        known: &KnownJob,
        (job, patience): (&JobName, Duration),
    ) -> Result<JobState, Why> {
        let asking = self.parts.upstream.job(&admission.permit, job, Duration::ZERO);
        let state = match passage.visit.trail.upstream(Stage::UpstreamJob, asking).await {
            Ok(state) => state,
            Err(fault) => return Err(failed(fault, self.may_tell(passage, known).await)),
        };
        if !state.done && !patience.is_zero() {
            let waiting = self.parts.upstream.job(&admission.permit, job, patience);
            // What it says is asked for again.
            drop(passage.visit.trail.upstream(Stage::UpstreamJob, waiting).await);
        }
        Ok(state)
    }

    /// What was dispatched is what is judged: a job whose result is another is withheld.
    pub(crate) fn hold_to(&self, connection: &str, work: &QueryWork, state: &JobState) -> Result<(), Why> {
        if self.parts.in_force.policy().settings.judge(connection) == JudgeMode::Analysis {
            return Ok(());
        }
        let real = DryRun {
            statement_type: state.statement_type.clone(),
            bytes: None,
            referenced_tables: state.referenced_tables.clone(),
            referenced_routines: state.referenced_routines.clone(),
            schema: state.schema.clone(),
        };
        // A part is of another kind, and its columns are others: what it reads must be known all the same.
        let counts = |difference: &Difference| {
            work.part == Part::Whole || matches!(difference, Difference::TableUnknown { .. } | Difference::RoutineUnknown { .. })
        };
        match compare(&work.analysis, &real).into_iter().find(counts) {
            None => Ok(()),
            Some(difference) => Err(Why::Drift(difference.to_string())),
        }
    }

    fn request(&self, passage: &Passage, ask: QueryAsk, understood: &Understood) -> Result<Request, Why> {
        let labels = self.job_labels(passage);
        let statement = Statement {
            text: ask.query.text,
            parameters: ask.parameters,
            default_dataset: ask.query.default_dataset,
            location: ask.location,
            destination: ask.query.destination.map(|to| Destination { table: to.table, replaces: to.truncates }),
            purpose: if ask.dry_run { Purpose::DryRun } else { Purpose::Dispatch },
            analysis: (*understood.analysis).clone(),
        };
        let sends = with_ceiling(with_labels(ask.sends, &labels)?, self.bytes_billed_max())?;
        let work = Work::Statement(Box::new(statement));
        Ok(Request { connection: ask.connection, project: ask.job.project, work, also: ask.also, sends })
    }

    /// BigQuery holds to the ceiling too: a dry run is an estimate.
    fn bytes_billed_max(&self) -> Option<u64> {
        let policy = self.parts.in_force.policy();
        policy.settings.ceiling_micros.and_then(|ceiling| policy.settings.bytes_for(ceiling))
    }

    /// The same statement, for a page of what it made.
    pub(crate) fn page(&self, known: &KnownJob, work: &QueryWork, sends: Sends) -> Request {
        let statement = Statement {
            text: work.text.clone(),
            parameters: work.parameters.clone(),
            default_dataset: work.default_dataset.clone(),
            location: known.name.location.clone(),
            destination: work.destination.clone(),
            purpose: Purpose::Page { job: known.name.id.clone(), dry_run: work.dry_run.clone().unwrap_or_default() },
            analysis: (*work.analysis).clone(),
        };
        let work = Work::Statement(Box::new(statement));
        Request { connection: known.connection.clone(), project: known.name.project.clone(), work, also: Vec::new(), sends }
    }

    /// What the catalog taught is told only to those who may read it; a mistake of grammar is the client's own words.
    pub(crate) fn tell_or_withhold(&self, passage: &Passage, project: &str, understood: &Understood) -> Result<(), Why> {
        let Some(NotUnderstood { reason }) = &understood.analysis.refused else { return Ok(()) };
        let may = understood.by_syntax || self.may_describe(passage, project, understood);
        if !may {
            return Err(Why::Form { reason: FormReason::InvalidQuery, text: SCHEMA_WITHHELD.to_owned() });
        }
        // Clients tell a table that is not there from a mistake by the code.
        match reason.strip_prefix(TABLE_ABSENT).and_then(|named| understood.absent_table(named)) {
            Some(absent) => Err(Why::NotFound { what: refusal::absent(absent, understood.is_dataset_absent(absent)) }),
            None => Err(Why::Form { reason: FormReason::InvalidQuery, text: reason.clone() }),
        }
    }

    /// Under this request id, in this project. One that is on its way to BigQuery is waited for: until it is there, nobody knows of a job.
    async fn sent_before(&self, passage: &Passage, repeated: Option<&(String, String)>) -> Result<Option<Arc<KnownJob>>, Why> {
        let Some((project, key)) = repeated else { return Ok(None) };
        let owner = owner_of(&passage.caller);
        let until = Instant::now() + Duration::from_secs(REPEAT_SECONDS_MAX);
        loop {
            let Some(known) = self.parts.jobs.find_by_request_id(&owner, project, key).await? else { return Ok(None) };
            let is_there = known.arrived || self.running.find(&passage.connection, &known.name).is_some();
            if is_there || Instant::now() >= until {
                return Ok(Some(known));
            }
            tokio::time::sleep(Duration::from_millis(REPEAT_LOOK_MILLISECONDS)).await;
        }
    }
}

fn known_job(passage: &Passage, ask: &QueryAsk, understood: &Understood, now_ms: u64) -> KnownJob {
    let destination = ask.query.destination.as_ref();
    let work = QueryWork {
        text: ask.query.text.clone(),
        parameters: ask.parameters.clone(),
        default_dataset: ask.query.default_dataset.clone(),
        destination: destination.map(|to| Destination { table: to.table.clone(), replaces: to.truncates }),
        analysis: Arc::clone(&understood.analysis),
        dry_run: None,
        part: Part::Whole,
    };
    KnownJob {
        connection: ask.connection.clone(),
        name: ask.job.clone(),
        owner: owner_of(&passage.caller),
        subject: passage.subject,
        request_id: repeat::key(ask),
        created_ms: now_ms,
        work: JobWork::Query(Box::new(work)),
        result_table: None,
        arrived: false,
        course: Course::default(),
    }
}

pub(crate) fn of_state(state: JobState) -> Results {
    let head = state.head.clone().unwrap_or_default();
    Results { job: Some(state.name.clone()), complete: state.done, head, state: Some(state), ..Results::default() }
}

/// A job that failed has no rows: whoever asks for them is told why.
fn succeeded(state: &JobState, may_tell: MayTell) -> Result<(), Why> {
    let Some(error) = &state.error else { return Ok(()) };
    let fault = UpstreamFault {
        kind: UpstreamFaultKind::Refused,
        status: None,
        error: Some(error.clone()),
        attempts: 0,
        may_have_acted: true,
        detail: "the job failed".to_owned(),
    };
    Err(failed(fault, may_tell))
}

/// For the digest of what is sent, and for masks, which write moments as they were asked for: the call that an adapter makes of a page.
fn rows_sent(rows: &JobRows) -> Sends {
    let mut query = Vec::new();
    let mut push = |name: &str, value: Option<String>| query.extend(value.map(|value| (name.to_owned(), value)));
    push("location", rows.job.location.clone());
    push("maxResults", rows.rows_max.map(|max| max.to_string()));
    push("pageToken", rows.page_token.clone());
    push("startIndex", rows.start_index.map(|index| index.to_string()));
    push("formatOptions.useInt64Timestamp", rows.int64_timestamps.then(|| "true".to_owned()));
    push("formatOptions.timestampOutputFormat", rows.timestamp_format.clone());
    Sends { path: format!("projects/{}/queries/{}", rows.job.project, rows.job.id), query, ..Sends::default() }
}
