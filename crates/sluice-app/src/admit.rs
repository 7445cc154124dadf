//! Everything that is no statement: descriptions, tables read whole, changes, loads, copies.

use crate::asked::{MethodAsk, Reads, Visit};
use crate::changes::{Beginning, Changing};
use crate::decide::{Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{Course, JobName, JobWork, KnownJob, Part, owner_of};
use crate::jobs::absent;
use crate::labels::with_labels;
use crate::ports::{JobState, Resource, RowsAsk, Upload};
use crate::query::Results;
use crate::refusal::{self, FormReason, Refused, Why};
use crate::storage::{missing, narrowed};
use crate::trail::{Stage, Trail};
use crate::understand::Columns;
use sluice_identity::Caller;
use sluice_model::{Field, TableName};
use sluice_policy::{self as policy, Known, Method, Outcome, Request, Work};
use sluice_sql::Required;
use sluice_sql::catalog::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a method answers.
#[derive(Debug)]
pub enum Admitted {
    Job(Box<JobState>),
    Resource(Resource),
    Rows(Box<Results>),
}

impl Gateway {
    pub async fn admit(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        ask: MethodAsk,
        upload: Option<Upload>,
    ) -> Result<Admitted, Refused> {
        let connection = ask.connection.clone();
        self.pass(visit, Arc::new(caller), &connection, |gateway, mut passage| async move {
            let outcome = gateway.admit_now(&mut passage, ask, upload).await;
            if outcome.is_err() {
                gateway.changes.rest_no_more(passage.subject);
            }
            (passage, outcome)
        })
        .await
    }

    async fn admit_now(self: &Arc<Self>, passage: &mut Passage, mut ask: MethodAsk, upload: Option<Upload>) -> Result<Admitted, Why> {
        if ask.begins.is_some() {
            ask.sends = with_labels(ask.sends, &self.job_labels(passage))?;
        }
        self.understand_expressions(&passage.visit.trail, &passage.caller.principal().to_string(), &ask).await?;
        let reads_rows = ask.reads != Reads::Nothing && ask.begins.is_none();
        if reads_rows {
            // Before the decision: whoever waits here does not wait between it and the rows.
            passage.place = Some(self.places.take(&passage.caller.principal().to_string()).await?);
        }
        let (mut request, known, reading) = self.method_at_rest(passage, &ask).await?;
        if ask.reads != Reads::Nothing {
            self.resume(passage, &mut request)?;
        }
        if ask.begins.is_some() {
            passage.rest = reading.resting.stay();
        } else if reads_rows {
            passage.reading = Some(reading);
        }
        passage.changes.clone_from(&ask.changes);
        passage.adds = ask.adds;
        let background = Background { known: &known, tables: &[] };
        let admission = self.admit_request(passage, request, background).await?;
        if let Some(name) = ask.begins.clone() {
            let job = KnownJob {
                connection: ask.connection.clone(),
                name: name.clone(),
                owner: owner_of(&passage.caller),
                subject: passage.subject,
                request_id: ask.request_id.clone(),
                created_ms: self.parts.machine.now_ms(),
                work: JobWork::Other,
                result_table: None,
                arrived: false,
                course: Course::default(),
            };
            let running = match upload {
                Some(upload) => self.begin_with_file(passage, &ask, admission, job, upload).await?,
                None => self.begin(passage, admission, job, None, false, name).await?,
            };
            return Ok(Admitted::Job(Box::new(self.tell_of(passage, &running.known, running.as_begun().await).await)));
        }
        let fault = |fault| failed(fault, admission.may_tell);
        if ask.reads == Reads::Nothing {
            let asking = self.parts.upstream.send(&admission.permit);
            let changes = ask.changes.iter().map(|name| Changing { name: name.bare(), often: false, adds: ask.adds }).collect();
            let beginning = Beginning {
                by: passage.subject,
                changes,
                routines: BTreeSet::new(),
                leaving: BTreeSet::new(),
                since_ms: self.parts.machine.now_ms(),
            };
            self.changes.begin(beginning).map_err(|name| Why::Concurrent { name })?;
            let answer = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await;
            // Also after a fault: it may have acted.
            self.end_changes(passage.subject, &passage.connection).await;
            let answer = answer.map_err(fault)?;
            if let ("jobs.delete", policy::Resource::Job { project, id, .. }) = (ask.name.as_str(), &ask.resource) {
                self.running.forget(&ask.connection, &JobName { project: project.clone(), id: id.clone(), location: None });
            }
            let answer = self.tell_of_table(passage, &admission, &known, answer).await;
            self.complete(passage, &JobState::default(), "completed").await;
            return Ok(Admitted::Resource(answer));
        }
        let released = self.release(passage, admission, RowsAsk::AsSent, None).await?;
        self.complete_later(passage, &JobState::default(), &released.left());
        Ok(Admitted::Rows(Box::new(released.results())))
    }

    /// A table that a job of the caller's made is read as a page of that job; another's is not there.
    pub(crate) async fn method_request(&self, passage: &Passage, ask: &MethodAsk) -> Result<(Request, Known, Snapshot), Why> {
        if let Some(table) = anonymous(&ask.resource) {
            let owner = owner_of(&passage.caller);
            let found = self.parts.jobs.find_by_destination(&ask.connection, table).await?;
            let found = found.filter(|known| known.owner == owner);
            let known = found.ok_or_else(|| Why::NotFound { what: refusal::absent(table, false) })?;
            self.hold_to_shapes(&known).await?;
            let reads = matches!(ask.name.as_str(), "tables.get" | "tabledata.list");
            return match &known.work {
                // Rows of a part of a script are told by the part's own name, if at all.
                JobWork::Query(work) if reads && work.part == Part::Whole => {
                    let request = match &ask.reads {
                        Reads::Some(_, fields) => self.page(&known, &narrowed(work, fields)?, ask.sends.clone()),
                        Reads::All(_) | Reads::Nothing => self.page(&known, work, ask.sends.clone()),
                    };
                    Ok((request, (*self.known_now().await?).clone(), Snapshot::default()))
                }
                _ => Err(Why::NotFound { what: refusal::absent(table, false) }),
            };
        }
        // Who lists such a dataset learns what others asked for.
        if let Some(dataset) = hidden(&ask.resource) {
            return Err(Why::NotFound { what: format!("dataset {dataset}") });
        }
        let mut resource = ask.resource.clone();
        if let policy::Resource::Job { project, id, mine } = &mut resource {
            let name = JobName { project: project.clone(), id: id.clone(), location: None };
            let known = self.own_job(passage, &name).await?;
            // Whoever only claimed the name asks for the job first, and is told whether it is one of theirs.
            if !known.arrived {
                return Err(absent(&name));
            }
            *mine = true;
        }
        let trail = &passage.visit.trail;
        let columns = match &ask.reads {
            Reads::Nothing => Columns { known: (*self.known_now().await?).clone(), ..Columns::default() },
            Reads::All(tables) => self.columns_or_absent(passage, &ask.connection, &ask.project, tables, None).await?,
            Reads::Some(table, paths) => {
                self.columns_or_absent(passage, &ask.connection, &ask.project, std::slice::from_ref(table), Some(paths)).await?
            }
        };
        let told = self.told_by_copy(trail, ask, &columns).await?;
        let Columns { outputs: columns, required, known, snapshot } = columns;
        let (restriction, known) = self.named_partitions(trail, &ask.connection, &ask.partitions, told, known).await?;
        let kept = self.kept_columns(trail, ask).await?;
        let work = Work::Method(Method { columns, required, restriction, kept, ..Method::plain(&ask.name, resource) });
        let (connection, project, mut also) = (ask.connection.clone(), ask.project.clone(), ask.also.clone());
        if let Some(table) = &ask.untags
            && self.has_tags(trail, &ask.connection, table).await?
        {
            also.push(("administration".to_owned(), policy::Resource::Table(table.clone())));
        }
        Ok((Request { connection, project, work, also, sends: ask.sends.clone() }, known, snapshot))
    }

    /// That even the dataset, or a field, is not there is told to whoever may describe it.
    pub(crate) async fn columns_or_absent(
        &self,
        passage: &Passage,
        connection: &str,
        project: &str,
        tables: &[TableName],
        paths: Option<&[Vec<String>]>,
    ) -> Result<Columns, Why> {
        let known = self.known_now().await?;
        let may_describe = |table: &&TableName| {
            let evaluation = self.weigh_method(passage, project, ("tables.get", table, Vec::new()), &known);
            evaluation.outcome == Outcome::Permitted
        };
        let why = match self.columns(&passage.visit.trail, connection, tables, paths).await {
            Ok(found) => match paths.and_then(|paths| missing(&found.outputs, paths)) {
                Some(path) if tables.iter().all(|table| may_describe(&table)) => {
                    let text = format!("No such field: {}.", path.join("."));
                    return Err(Why::Form { reason: FormReason::Invalid, text });
                }
                _ => return Ok(found),
            },
            Err(why) => why,
        };
        match (&why, tables.iter().find(|table| !may_describe(table))) {
            (Why::NotFound { .. }, Some(hidden)) => Err(Why::NotFound { what: refusal::absent(hidden, false) }),
            _ => Err(why),
        }
    }

    /// Of a copy: what its destination has already, if it keeps that.
    async fn kept_columns(&self, trail: &Trail, ask: &MethodAsk) -> Result<Vec<Field>, Why> {
        let policy::Resource::Table(table) = &ask.resource else { return Ok(Vec::new()) };
        let replaces = ask.also.iter().any(|(action, _)| action == "truncate");
        if ask.name != "jobs.copy" || replaces {
            return Ok(Vec::new());
        }
        let wanted = Required { tables: vec![table.clone()], ..Required::default() };
        let found = trail.walk(Stage::Catalog, self.parts.catalog.fetch(&ask.connection, &wanted)).await?;
        let columns = found.snapshot.tables.get(table).map(|table| table.columns.as_slice()).unwrap_or_default();
        Ok(columns.iter().map(|column| Field { name: column.name.clone(), kind: column.kind.clone() }).collect())
    }

    /// As it is now: what the catalog remembers may be older than the tag.
    async fn has_tags(&self, trail: &Trail, connection: &str, table: &TableName) -> Result<bool, Why> {
        self.parts.catalog.forget(table);
        let wanted = Required { tables: vec![table.clone()], ..Required::default() };
        Ok(!trail.walk(Stage::Catalog, self.parts.catalog.fetch(connection, &wanted)).await?.tags.is_empty())
    }
}

/// BigQuery keeps results of queries in datasets whose names begin with an underscore.
fn anonymous(resource: &policy::Resource) -> Option<&TableName> {
    match resource {
        policy::Resource::Table(table) if table.dataset.starts_with('_') => Some(table),
        _ => None,
    }
}

/// Where those datasets are meant themselves, or something in one that is no table.
fn hidden(resource: &policy::Resource) -> Option<&str> {
    let dataset = match resource {
        policy::Resource::Dataset { dataset, .. } => dataset,
        policy::Resource::Model(name) | policy::Resource::Routine(name) => &name.dataset,
        _ => return None,
    };
    dataset.starts_with('_').then_some(dataset.as_str())
}
