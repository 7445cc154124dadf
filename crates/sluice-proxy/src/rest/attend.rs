//! One method each: the body decoded, one call of the application, the answer encoded.

use super::answer::{self, Manner, PageRows};
use super::application::JobList;
use super::body;
use super::configuration::{self, FormFault, Inserted, QueryRequest, Way};
use super::decode::{self, Call};
use super::encode;
use super::methods::Duty;
use super::room::Place;
use super::serve::{POLL_MILLISECONDS_MAX, Rest, Visitor};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_app::{Admitted, JOBS_LISTED_MAX, JobName, JobPage, JobRows, JobState, MethodAsk, Reads, Refused, Why};
use sluice_policy::{Resource, Sends};
use std::time::Duration;

type Answer = Result<Response<Body>, Refused>;

const PROJECTS_LISTED_MAX: u64 = 1_000;

pub(super) async fn attend(mut visitor: Visitor<'_>, body: Body) -> Answer {
    // Rows that nobody wants are not fetched, and no record says that they left.
    if visitor.manner.wants_no_rows() && matches!(visitor.matched.method.duty, Duty::Results | Duty::Rows) {
        visitor.parameters.set("maxResults", 0);
    }
    // Kept until the answer is there: what was read of the body lives on in what is sent.
    let mut place = visitor.place();
    let body = match body::json(&mut place, visitor.headers, body).await {
        Ok(body) => body,
        Err(fault) => return Err(visitor.refuse(fault.into()).await),
    };
    let has_body = body.as_object().is_some_and(|fields| !fields.is_empty());
    if has_body && matches!(visitor.matched.method.duty, Duty::JobCancel | Duty::JobGet | Duty::JobList | Duty::ProjectList | Duty::Results)
    {
        let fault = FormFault {
            reason: sluice_app::FormReason::Invalid,
            field: String::new(),
            text: "this method takes no body: leave it out".to_owned(),
        };
        return Err(visitor.refuse(fault.into()).await);
    }
    if visitor.matched.method.duty == Duty::ProjectList {
        return visitor.projects().await;
    }
    let Some(connection) = visitor.rest.connections.of(visitor.matched.project()).map(str::to_owned) else {
        let what = format!("project `{}`", visitor.matched.project());
        return Err(visitor.refuse(Why::NotFound { what }).await);
    };
    match visitor.matched.method.duty {
        Duty::Admit | Duty::Rows => visitor.admit(&connection, body, &mut place).await,
        Duty::Insert => visitor.insert(&connection, body, &mut place).await,
        Duty::JobCancel => visitor.job(connection, true).await,
        Duty::JobGet => visitor.job(connection, false).await,
        Duty::JobList => visitor.jobs(connection).await,
        Duty::ProjectList | Duty::Refuse(_) => Err(visitor.refuse(Why::NotFound { what: "method".to_owned() }).await),
        Duty::Query => visitor.query(&connection, body, &mut place).await,
        Duty::Results => visitor.results(connection).await,
    }
}

impl Visitor<'_> {
    pub async fn refuse(&self, why: Why) -> Refused {
        self.rest.application.refuse(self.visit.clone(), Some(&self.caller), why).await
    }

    /// For the caller's body.
    pub fn place(&self) -> Place {
        self.rest.room.place(self.caller.principal().to_string())
    }

    /// As whom the caller is shown in its own jobs.
    pub fn owner(&self) -> String {
        self.caller.principal().name.clone()
    }

    async fn admit(self, connection: &str, body: Value, place: &mut Place) -> Answer {
        let call =
            Call { connection, matched: &self.matched, parameters: &self.parameters, body: &body, if_match: self.head.if_match.as_deref() };
        let ask = match decode::ask(&call) {
            Ok(ask) => ask,
            Err(fault) => return Err(self.refuse(fault.into()).await),
        };
        drop(body);
        place.fell();
        let method = self.matched.method;
        match self.rest.application.admit(self.visit, self.caller, ask, None).await? {
            Admitted::Resource(_) if method.gives.is_empty() => Ok(answer::empty()),
            Admitted::Resource(resource) => {
                let (resource, dropped) = encode::resource(method, resource.0, &self.base);
                self.rest.count_dropped(dropped);
                Ok(answer::resource(resource, &self.manner))
            }
            Admitted::Rows(results) => {
                let (head, dropped) = encode::table_rows(&results.head);
                self.rest.count_dropped(dropped);
                let rows = PageRows { rows: results.rows, more: results.more };
                Ok(answer::page(head, rows, |head| encode::table_rows(head).0, &self.manner))
            }
            Admitted::Job(_) => Ok(answer::empty()),
        }
    }

    async fn insert(self, connection: &str, body: Value, place: &mut Place) -> Answer {
        let job_id = self.rest.application.job_id()?;
        let wanted_at = configuration::Place { connection, project: self.matched.project(), job_id: &job_id };
        let inserted = match configuration::insert(&wanted_at, &body, Way::Insert) {
            Ok(inserted) => inserted,
            Err(fault) => return Err(self.refuse(fault.into()).await),
        };
        drop(body);
        place.fell();
        let owner = self.owner();
        let Visitor { rest, visit, caller, base, manner, .. } = self;
        let state = match inserted {
            Inserted::Query(ask) => rest.application.submit(visit, caller, *ask).await?,
            Inserted::Method(ask) => match rest.application.admit(visit, caller, *ask, None).await? {
                Admitted::Job(state) => *state,
                Admitted::Resource(_) | Admitted::Rows(_) => JobState::default(),
            },
        };
        Ok(answer_job(rest, state, &owner, &base, &manner))
    }

    async fn query(self, connection: &str, body: Value, place: &mut Place) -> Answer {
        let job_id = self.rest.application.job_id()?;
        let wanted_at = configuration::Place { connection, project: self.matched.project(), job_id: &job_id };
        let request = match configuration::query_request(&wanted_at, &body) {
            Ok(request) => request,
            Err(fault) => return Err(self.refuse(fault.into()).await),
        };
        drop(body);
        place.fell();
        let QueryRequest { ask, max_results, timeout_ms, int64_timestamps, timestamp_format } = request;
        let rows_max = if self.manner.wants_no_rows() { Some(0) } else { max_results };
        let rows = JobRows { job: ask.job.clone(), rows_max, int64_timestamps, timestamp_format, ..JobRows::default() };
        let results = self.rest.application.query(self.visit, self.caller, ask, patience(timeout_ms), rows).await?;
        let (head, dropped) = encode::query_response(&results);
        self.rest.count_dropped(dropped);
        let rows = PageRows { rows: results.rows, more: results.more };
        Ok(answer::page(head, rows, encode::query_tail, &self.manner))
    }

    async fn results(self, connection: String) -> Answer {
        let parameters = &self.parameters;
        let rows = JobRows {
            job: self.job_name(),
            rows_max: parameters.number("maxResults"),
            page_token: parameters.text("pageToken").map(str::to_owned),
            start_index: parameters.number("startIndex"),
            int64_timestamps: parameters.flag("formatOptions.useInt64Timestamp"),
            timestamp_format: parameters.text("formatOptions.timestampOutputFormat").map(str::to_owned),
        };
        let patience = patience(parameters.number("timeoutMs"));
        let results = self.rest.application.results(self.visit, self.caller, connection, rows, patience).await?;
        let (head, dropped) = encode::query_results(&results);
        self.rest.count_dropped(dropped);
        let rows = PageRows { rows: results.rows, more: results.more };
        Ok(answer::page(head, rows, encode::query_tail, &self.manner))
    }

    async fn job(self, connection: String, cancels: bool) -> Answer {
        let (name, owner) = (self.job_name(), self.owner());
        let Visitor { rest, visit, caller, base, manner, .. } = self;
        let asked = match cancels {
            true => rest.application.cancel(visit, caller, connection, name),
            false => rest.application.job(visit, caller, connection, name),
        };
        let (job, dropped) = encode::job(asked.await?, &owner, &base);
        rest.count_dropped(dropped);
        let answer = if cancels { json!({ "kind": "bigquery#jobCancelResponse", "job": job }) } else { job };
        Ok(answer::resource(answer, &manner))
    }

    fn job_name(&self) -> JobName {
        let location = self.parameters.text("location").map(str::to_lowercase);
        JobName { project: self.matched.project().to_owned(), location, id: self.matched.name("jobId").to_owned() }
    }

    async fn jobs(self, connection: String) -> Answer {
        let list = match self.job_list(connection) {
            Ok(list) => list,
            Err(fault) => return Err(self.refuse(fault.into()).await),
        };
        let owner = self.owner();
        let JobPage { jobs: states, next } = self.rest.application.jobs(self.visit, self.caller, list).await?;
        let last = next.map(|id| URL_SAFE_NO_PAD.encode(id));
        let full = self.parameters.text("projection").is_some_and(|word| word.eq_ignore_ascii_case("full"));
        let (mut jobs, dropped) = encode::job_list(states, &owner, &self.base, full);
        self.rest.count_dropped(dropped);
        let states: Vec<&str> = self.parameters.texts("stateFilter").collect();
        let (earliest, latest) = (self.parameters.number("minCreationTime"), self.parameters.number("maxCreationTime"));
        jobs.retain(|job| {
            let state = job.get("state").and_then(Value::as_str).unwrap_or_default();
            let created = job.pointer("/statistics/creationTime").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
            let in_time =
                created.is_none_or(|created| earliest.is_none_or(|time| created >= time) && latest.is_none_or(|time| created <= time));
            in_time && (states.is_empty() || states.iter().any(|wanted| wanted.eq_ignore_ascii_case(state)))
        });
        let mut answer = json!({ "kind": "bigquery#jobList", "jobs": jobs });
        if let (Some(fields), Some(token)) = (answer.as_object_mut(), last) {
            fields.insert("nextPageToken".to_owned(), Value::String(token));
        }
        Ok(answer::json(StatusCode::OK, answer, &self.manner))
    }

    fn job_list(&self, connection: String) -> Result<JobList, FormFault> {
        let unsupported = |field: &str, text: &str| FormFault {
            reason: sluice_app::FormReason::Unsupported,
            field: field.to_owned(),
            text: text.to_owned(),
        };
        if self.parameters.flag("allUsers") {
            return Err(unsupported("allUsers", "asks for jobs of others, and the gateway shows each caller its own: leave it out"));
        }
        let token = self.parameters.text("pageToken").map(|token| {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let id = bytes.filter(|id| super::names::is_plain(id));
            id.ok_or_else(|| FormFault {
                reason: sluice_app::FormReason::Invalid,
                field: "pageToken".to_owned(),
                text: "is none of this list's".to_owned(),
            })
        });
        let wanted = self.parameters.number("maxResults").and_then(|number| usize::try_from(number).ok());
        let jobs_max = wanted.filter(|number| *number > 0).unwrap_or(JOBS_LISTED_MAX).min(JOBS_LISTED_MAX);
        let parent = self.parameters.text("parentJobId").map(str::to_owned);
        Ok(JobList { connection, project: self.matched.project().to_owned(), before: token.transpose()?, parent, jobs_max })
    }

    /// Each connection is asked for its own; what policy refuses of one is left out, unless it refuses all.
    async fn projects(self) -> Answer {
        let mut listed: Vec<Value> = Vec::new();
        let mut refused = None;
        let mut answered = false;
        let connections: Vec<String> = self.rest.connections.names().into_iter().map(str::to_owned).collect();
        // One caller, one question: with several connections each needs its own proof of who asks.
        let Visitor { rest, visit, caller, manner, headers: _, head, .. } = self;
        let mut caller = Some(caller);
        for connection in &connections {
            let asks = match caller.take() {
                Some(caller) => caller,
                None => rest.caller_again(&visit, &head).await?,
            };
            let ask = projects_ask(connection);
            match rest.application.admit(visit.clone(), asks, ask, None).await {
                Ok(Admitted::Resource(resource)) => {
                    answered = true;
                    let serves = |project: &str| rest.connections.of(project) == Some(connection.as_str());
                    let (projects, dropped) = encode::projects(resource.0, serves);
                    rest.count_dropped(dropped);
                    listed.extend(projects);
                }
                Ok(_) => {}
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            Some(refused) if !answered => Err(refused),
            _ => {
                let answer = json!({ "kind": "bigquery#projectList", "totalItems": listed.len(), "projects": listed });
                Ok(answer::json(StatusCode::OK, answer, &manner))
            }
        }
    }
}

pub(super) fn answer_job(rest: &Rest, state: JobState, owner: &str, base: &str, manner: &Manner) -> Response<Body> {
    let (job, dropped) = encode::job(state, owner, base);
    rest.count_dropped(dropped);
    answer::resource(job, manner)
}

fn projects_ask(connection: &str) -> MethodAsk {
    let query = vec![("maxResults".to_owned(), PROJECTS_LISTED_MAX.to_string())];
    MethodAsk {
        connection: connection.to_owned(),
        project: String::new(),
        name: "projects.list".to_owned(),
        resource: Resource::Connection,
        reads: Reads::Nothing,
        partitions: Vec::new(),
        also: Vec::new(),
        sends: Sends { path: "projects".to_owned(), query, ..Sends::default() },
        changes: Vec::new(),
        adds: false,
        untags: None,
        begins: None,
        expressions: Vec::new(),
        request_id: None,
    }
}

/// Clients that say nothing rely on being held; those that say nought want an answer at once.
fn patience(timeout_ms: Option<u64>) -> Duration {
    Duration::from_millis(timeout_ms.unwrap_or(POLL_MILLISECONDS_MAX).min(POLL_MILLISECONDS_MAX))
}
