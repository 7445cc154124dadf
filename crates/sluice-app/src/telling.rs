//! What the owner of a job is told of it: all, or all that cannot hold what it may not see.

use crate::decide::{error_text, tells_error};
use crate::gateway::{Gateway, Passage};
use crate::job::{JobName, JobWork, KnownJob, Part};
use crate::ports::{JobState, UpstreamError};
use crate::refusal::Why;
use crate::script::without_foreign_text;
use crate::sizes::{coarsen, coarsen_fields};
use crate::withhold::{sent_columns, withhold, without_way};
use sluice_model::{ColumnPath, Exposure, How, Output, TableName};
use sluice_policy::{Evaluation, Known, MayTell, Method, Outcome, Request, Resource, Sends, Work};

/// How BigQuery says it.
const TAKEN: &str = "Already Exists: Job ";
/// How BigQuery writes places that are no regions.
const MULTI_REGIONS: [&str; 2] = ["eu", "us"];

impl Gateway {
    pub(crate) async fn tell_of(&self, passage: &Passage, known: &KnownJob, state: JobState) -> JobState {
        match &known.work {
            JobWork::Query(work) => {
                // A part of a script can be of a procedure, whose body is not the caller's own text.
                let state = if work.part == Part::Whole { state } else { without_foreign_text(state) };
                self.told(state, self.may_tell(passage, known).await)
            }
            // One that runs has no numbers yet, and perhaps no table.
            JobWork::Other if !state.done => state,
            JobWork::Other if state.error.is_none() && state.errors.is_empty() => self.tell_of_moved(passage, state).await,
            JobWork::Other => self.tell_of_transfer(passage, state).await,
        }
    }

    /// Whatever is wrong in a file is told with the value that is wrong. Who may read the target whole is told all of it, anybody else where it is.
    async fn tell_of_transfer(&self, passage: &Passage, state: JobState) -> JobState {
        // Copies and extracts never look at a value.
        let is_load = state.resource.0.pointer("/configuration/load").is_some();
        let Some(table) = state.destination.as_ref().filter(|_| is_load) else { return state };
        let table = table.bare();
        let sent = sent_columns(&state.resource.0);
        let found = self.columns(&passage.visit.trail, &passage.connection, std::slice::from_ref(&table), None).await;
        let (mut outputs, known) = match found {
            Ok(found) => (found.outputs, found.known),
            Err(Why::NotFound { .. }) => match self.known_now().await {
                Ok(known) => (Vec::new(), (*known).clone()),
                Err(_) => return self.withheld(state, &sent),
            },
            Err(_) => return self.withheld(state, &sent),
        };
        let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        outputs.extend(sent.iter().map(|name| shown(&table, name)));
        if !self.is_labelled(&table, &outputs, &known) {
            return state;
        }
        let project = &state.name.project;
        let described = self.weigh_method(passage, project, ("tables.get", &table, Vec::new()), &known);
        let read = self.weigh_method(passage, project, ("tabledata.list", &table, outputs), &known);
        if read.outcome == Outcome::Permitted && read.masks.is_empty() {
            return state;
        }
        let mut columns = sent;
        if described.outcome == Outcome::Permitted {
            columns.extend(names);
        }
        self.withheld(state, &columns)
    }

    /// By the columns that the table has, and those that the load was sent with. Where nobody says which there are, any could be.
    pub(crate) fn is_labelled(&self, table: &TableName, outputs: &[Output], known: &Known) -> bool {
        let policy = self.parts.in_force.policy();
        if outputs.is_empty() {
            return !policy.labels.of_table(table, known).is_empty();
        }
        let mut exposures = outputs.iter().flat_map(|output| &output.exposures);
        exposures.any(|exposure| !policy.labels.of(&exposure.column, known).is_empty())
    }

    /// A job as it may be told: without its texts and without exact sizes where they can hold what the caller may not see.
    pub(crate) fn told(&self, state: JobState, may_tell: MayTell) -> JobState {
        if may_tell.texts {
            return self.told_sizes(state, may_tell);
        }
        let error = state.error.clone().filter(|error| tells_error(&error.reason, may_tell));
        let told = self.withheld(if may_tell.way { state } else { without_way(state) }, &[]);
        match error {
            Some(error) => {
                let location = told.error.as_ref().and_then(|withheld| withheld.location.clone());
                let error = UpstreamError { location, message: error_text(&error.message, may_tell), ..error };
                JobState { error: Some(error.clone()), errors: vec![error], ..told }
            }
            None => told,
        }
    }

    fn withheld(&self, state: JobState, columns: &[String]) -> JobState {
        self.told_sizes(withhold(state, columns), MayTell::default())
    }

    fn told_sizes(&self, mut state: JobState, may_tell: MayTell) -> JobState {
        if may_tell.sizes {
            return state;
        }
        let sizes = self.sizes_of_job(&state);
        let coarse = |bytes: u64| self.count_bytes(sizes, bytes);
        if let Some(statistics) = state.resource.0.get_mut("statistics") {
            coarsen(statistics, &coarse);
        }
        if let Some(head) = &mut state.head {
            coarsen_fields(&mut head.rest, &coarse);
        }
        state
    }

    /// What policy would say of a method about a table. Nothing is done, counted or put on record.
    pub(crate) fn weigh_method(
        &self,
        passage: &Passage,
        project: &str,
        (name, table, columns): (&str, &TableName, Vec<Output>),
        known: &Known,
    ) -> Evaluation {
        let work = Work::Method(Method { columns, ..Method::plain(name, Resource::Table(table.clone())) });
        let (connection, project) = (passage.connection.clone(), project.to_owned());
        let request = Request { connection, project, work, also: Vec::new(), sends: Sends::default() };
        let halt = self.parts.in_force.halt();
        let circumstances = self.circumstances(passage, known, &halt);
        self.parts.in_force.policy().evaluate(passage.caller.principal(), &request, None, &circumstances)
    }

    /// A name that is taken, in the same words whoever has it: a job of the gateway's, or one that BigQuery alone knows and speaks of in `said`.
    pub(crate) async fn taken(&self, connection: &str, job: &JobName, said: &str) -> UpstreamError {
        let known = match self.running.find(connection, job) {
            Some(running) => running.state().name.location,
            None => self.parts.jobs.find(connection, job).await.ok().flatten().and_then(|known| known.name.location.clone()),
        };
        let own = self.parts.connections.get(connection).and_then(|connection| connection.location.clone());
        let location = place_in(said, job).or(known).or(job.location.clone()).or(own).map(|location| {
            let lower = location.to_ascii_lowercase();
            if MULTI_REGIONS.contains(&lower.as_str()) { lower.to_ascii_uppercase() } else { lower }
        });
        let message = format!("{TAKEN}{}", JobName { location, ..job.clone() });
        UpstreamError { reason: "duplicate".to_owned(), location: None, message }
    }
}

/// A column as if it were read.
fn shown(table: &TableName, name: &str) -> Output {
    let column = ColumnPath { table: table.clone(), path: vec![name.to_owned()] };
    Output { name: name.to_owned(), kind: None, exposures: vec![Exposure { at: Vec::new(), column, how: How::Direct }] }
}

/// `Already Exists: Job project:US.id`, and nothing else.
fn place_in(said: &str, job: &JobName) -> Option<String> {
    let place = said.strip_prefix(TAKEN)?.strip_prefix(&job.project)?.strip_prefix(':')?.strip_suffix(&job.id)?.strip_suffix('.')?;
    let is_place = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_place.then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_job_is_read_out_of_the_very_words() {
        let job = JobName { project: "example.com:p".to_owned(), location: None, id: "j.1".to_owned() };
        let check = |said: &str, expect: Option<&str>| assert_eq!(place_in(said, &job).as_deref(), expect, "{said}");
        check("Already Exists: Job example.com:p:US.j.1", Some("US"));
        check("Already Exists: Job example.com:p:europe-west3.j.1", Some("europe-west3"));
        check("Already Exists: Job example.com:p:.j.1", None);
        check("Already Exists: Job example.com:p:U S.j.1", None);
        check("Already Exists: Job other:US.j.1", None);
        check("Already Exists: Job example.com:p:US.j.1 of ana@example.com", None);
        check("", None);
    }
}
