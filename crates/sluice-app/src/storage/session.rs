//! Sessions: opened, and their streams split. What was understood when a session was opened is what its streams are decided by.

use super::ask::{OpenedSession, ReadSessionAsk, StreamSplit, split_stream};
use super::book::{Matter, READ_SESSION_MILLISECONDS_MAX, ReadSession};
use super::fields::{can_be_picked, picked, picked_fields};
use crate::asked::Visit;
use crate::decide::{Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{JobWork, KnownJob, Part, QueryWork, owner_of};
use crate::ports::{JobState, RowShape};
use crate::record;
use crate::refusal::{FormReason, Refused, Why, absent};
use crate::shapes::{Reading, Rest};
use crate::trail::Stage;
use crate::understand::Columns;
use sluice_identity::Caller;
use sluice_ledger::record::content::Table;
use sluice_mask::Masker;
use sluice_model::{Analysis, StatementAnalysis};
use sluice_policy::{DryRun, Known, Method, Permit, Request, Resource, Sends, Work};
use sluice_sql::catalog::Snapshot;
use std::sync::Arc;

/// What a session is about, with what is known of it now.
struct About {
    matter: Matter,
    known: Known,
    tables: Vec<Table>,
    snapshot: Snapshot,
}

impl Gateway {
    /// `CreateReadSession`.
    pub async fn open_session(self: &Arc<Self>, visit: Visit, caller: Caller, ask: ReadSessionAsk) -> Result<OpenedSession, Refused> {
        let connection = ask.connection.clone();
        self.pass(visit, Arc::new(caller), &connection, |gateway, mut passage| async move {
            let outcome = gateway.open_session_now(&mut passage, ask).await;
            (passage, outcome)
        })
        .await
    }

    /// `SplitReadStream`.
    pub async fn split_stream(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        connection: &str,
        stream: String,
        fraction: f64,
    ) -> Result<StreamSplit, Refused> {
        self.pass(visit, Arc::new(caller), connection, move |gateway, mut passage| async move {
            let outcome = gateway.split_now(&mut passage, &stream, fraction).await;
            (passage, outcome)
        })
        .await
    }

    async fn open_session_now(&self, passage: &mut Passage, mut ask: ReadSessionAsk) -> Result<OpenedSession, Why> {
        let (since_ms, known_before) = (self.parts.machine.now_ms(), self.known_now().await?);
        let About { matter, known, tables, snapshot } = self.about(passage, &ask).await?;
        let rest = Rest::new(&ask.connection, since_ms, &snapshot, &Analysis::default());
        let resting = self.changes.rest_while(passage.subject, rest);
        passage.reading = Some(Reading { resting, known: known_before });
        let tells_by_size = self.tells_by_size(passage, &matter, &ask.project, &known).await;
        if tells_by_size {
            (ask.streams_max, ask.streams_preferred) = (1, 0);
        }
        let request = self.request_of(passage, &matter, &ask.project, "storage.createReadSession", ask.sends())?;
        let admission = self.admit_request(passage, request, Background { known: &known, tables: &tables }).await?;
        let asking = self.parts.upstream.open_session(&admission.permit);
        let opened = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await;
        let opened = opened.map_err(|fault| failed(fault, admission.may_tell))?;
        let permit = admission.permit.value();
        self.still_read(passage, permit).await?;
        let shape = self.masked_shape(permit, &opened.shape)?;
        // How long masked values are is a thing to know of them.
        let bytes_estimated =
            if permit.masks().is_empty() && admission.may_tell.sizes && !tells_by_size { opened.bytes_estimated } else { 0 };
        let now_ms = self.parts.machine.now_ms();
        let lasts_until = now_ms + READ_SESSION_MILLISECONDS_MAX;
        let id = record::hex(&passage.subject.0);
        let session = ReadSession {
            name: format!("projects/{}/locations/{}/sessions/{id}", ask.project, opened.location),
            connection: ask.connection,
            project: ask.project,
            owner: owner_of(&passage.caller),
            expires_ms: opened.expires_ms.map_or(lasts_until, |expires_ms| expires_ms.min(lasts_until)),
            matter,
            form: ask.form,
            shape: opened.shape,
        };
        self.complete(passage, &JobState::default(), "completed").await;
        let (session, streams) = self.read_sessions.keep(session, opened.streams, now_ms);
        let (name, expires_ms) = (session.name.clone(), session.expires_ms);
        Ok(OpenedSession { name, expires_ms, streams, shape, rows_estimated: opened.rows_estimated, bytes_estimated })
    }

    async fn split_now(&self, passage: &mut Passage, stream: &str, fraction: f64) -> Result<StreamSplit, Why> {
        let (session, theirs) = self.own_stream(passage, stream)?;
        let known = self.known_of(passage, &session.matter).await?;
        let sends = split_stream(&theirs, fraction);
        let request = self.request_of(passage, &session.matter, &session.project, "storage.splitReadStream", sends)?;
        let admission = self.admit_request(passage, request, Background { known: &known, tables: &[] }).await?;
        let now_ms = self.parts.machine.now_ms();
        let tells_by_size = self.tells_by_size(passage, &session.matter, &session.project, &known).await;
        if tells_by_size || !self.read_sessions.may_grow(&session, now_ms) {
            // As BigQuery says that a stream cannot be split.
            self.complete(passage, &JobState::default(), "completed").await;
            return Ok(None);
        }
        let asking = self.parts.upstream.split_stream(&admission.permit);
        let halves = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await;
        let halves = halves.map_err(|fault| failed(fault, admission.may_tell))?;
        self.complete(passage, &JobState::default(), "completed").await;
        Ok(halves.and_then(|halves| self.read_sessions.add(&session, halves, now_ms)))
    }

    /// Whether somebody chose how long hidden values are: a result that is made of them, a table that they were written into. BigQuery has more streams where
    /// there are more bytes, and cuts them by these, so there is one stream then, whole.
    pub(super) async fn tells_by_size(&self, passage: &Passage, matter: &Matter, project: &str, known: &Known) -> bool {
        match matter {
            Matter::Job(job, _) => !self.may_tell(passage, job).await.texts,
            Matter::Table { table, .. } => self.carries(table) && !self.shows_whole(passage, project, table, known).await,
        }
    }

    /// The same answer for a stream that is not there and for one that is another's.
    pub(super) fn own_stream(&self, passage: &Passage, stream: &str) -> Result<(Arc<ReadSession>, String), Why> {
        let owner = owner_of(&passage.caller);
        let found = self.read_sessions.find(&passage.connection, &owner, stream, self.parts.machine.now_ms());
        found.ok_or_else(|| Why::NotFound { what: format!("stream `{stream}`; its session may have expired") })
    }

    /// Labels as they are now, those that BigQuery's policy tags say among them.
    pub(super) async fn known_of(&self, passage: &Passage, matter: &Matter) -> Result<Known, Why> {
        match matter {
            Matter::Job(..) => Ok((*self.known_now().await?).clone()),
            Matter::Table { table, .. } => {
                let tables = std::slice::from_ref(table);
                Ok(self.columns(&passage.visit.trail, &passage.connection, tables, None).await?.known)
            }
        }
    }

    /// What policy decides on, for the session and for each of its streams.
    pub(super) fn request_of(&self, passage: &Passage, matter: &Matter, project: &str, name: &str, sends: Sends) -> Result<Request, Why> {
        match matter {
            Matter::Job(known, fields) => {
                let JobWork::Query(work) = &known.work else { return Err(Why::NotFound { what: format!("Job {}", known.name) }) };
                Ok(if fields.is_empty() { self.page(known, work, sends) } else { self.page(known, &narrowed(work, fields)?, sends) })
            }
            Matter::Table { table, columns, required, restriction, historical } => {
                let method = Method {
                    columns: columns.clone(),
                    required: required.clone(),
                    restriction: restriction.clone().map(Box::new),
                    historical: historical.then(|| table.clone()).into_iter().collect(),
                    ..Method::plain(name, Resource::Table(table.clone()))
                };
                let (connection, project) = (passage.connection.clone(), project.to_owned());
                Ok(Request { connection, project, work: Work::Method(method), also: Vec::new(), sends })
            }
        }
    }

    pub(super) fn masked_shape(&self, permit: &Permit, shape: &RowShape) -> Result<RowShape, Why> {
        let masking = Masker::new(permit, &self.parts.mask_keys).begin_stream(shape.as_schema())?;
        shape.with(masking.schema()).ok_or(Why::Masking(sluice_mask::MaskFault::Shape))
    }

    async fn about(&self, passage: &mut Passage, ask: &ReadSessionAsk) -> Result<About, Why> {
        // Results of queries lie in hidden datasets.
        if ask.table.dataset.starts_with('_') {
            let matter = Matter::Job(self.result_of(passage, ask).await?, ask.fields.clone());
            return Ok(About { matter, known: (*self.known_now().await?).clone(), tables: Vec::new(), snapshot: Snapshot::default() });
        }
        let understood = self.understand_restriction(passage, ask).await?;
        let tables = std::slice::from_ref(&ask.table);
        let fields = Some(ask.fields.as_slice()).filter(|fields| !fields.is_empty());
        let Columns { outputs, required, known, snapshot } =
            self.columns_or_absent(passage, &ask.connection, &ask.project, tables, fields).await?;
        let (restriction, tables) = understood.map(|(restriction, understood)| (restriction, understood.tables)).unzip();
        let historical = ask.snapshot.is_some();
        let matter = Matter::Table { table: ask.table.clone(), columns: outputs, required, restriction, historical };
        Ok(About { matter, known, tables: tables.unwrap_or_default(), snapshot })
    }

    /// Read as a page of the job that made it; another's is not there.
    async fn result_of(&self, passage: &Passage, ask: &ReadSessionAsk) -> Result<Arc<KnownJob>, Why> {
        let owner = owner_of(&passage.caller);
        let found = self.parts.jobs.find_by_destination(&ask.connection, &ask.table).await?;
        let is_shown = |known: &Arc<KnownJob>| {
            // Rows of a part of a script are told by the part's own name, if at all.
            known.owner == owner && matches!(&known.work, JobWork::Query(work) if work.part == Part::Whole)
        };
        let known = found.filter(is_shown).ok_or_else(|| Why::NotFound { what: absent(&ask.table, false) })?;
        self.hold_to_shapes(&known).await?;
        if !ask.restriction.is_empty() || ask.snapshot.is_some() {
            let text = "the result of a query is read without `row_restriction` and `snapshot_time`: put the condition into the query";
            return Err(Why::Form { reason: FormReason::Unsupported, text: text.to_owned() });
        }
        Ok(known)
    }
}

/// The work as if it had shown these fields alone. What each output is made of stays with it.
pub(crate) fn narrowed(work: &QueryWork, fields: &[Vec<String>]) -> Result<QueryWork, Why> {
    let unsupported = || {
        let text = "columns of this result have no names of their own, or are of a script: read all of it, without naming fields";
        Why::Form { reason: FormReason::Unsupported, text: text.to_owned() }
    };
    let [only] = work.analysis.statements.as_slice() else { return Err(unsupported()) };
    let schema = work.dry_run.as_ref().and_then(|dry_run| dry_run.schema.as_deref());
    if only.kind != "SELECT" || !can_be_picked(&only.outputs, schema, fields) {
        return Err(unsupported());
    }
    let statement = StatementAnalysis { outputs: picked(only.outputs.clone(), fields), ..only.clone() };
    let analysis = Analysis { statements: vec![statement], refused: None };
    let narrow =
        |dry_run: &DryRun| DryRun { schema: dry_run.schema.clone().map(|schema| picked_fields(schema, fields)), ..dry_run.clone() };
    Ok(QueryWork { analysis: Arc::new(analysis), dry_run: work.dry_run.as_ref().map(narrow), ..work.clone() })
}
