//! Connections for tests, quick and impatient, and requests on record to send over them.

use sluice_app::{JobName, UpstreamFault};
use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::{GoogleSql, Settings as EngineSettings};
use sluice_outbound::{BigQuery, ConnectionSettings, CredentialsSettings, Pauses, Timing};
use sluice_policy::{Request, Sends, Verb};
use sluice_sandbox::{Running, Sandbox, Settings};
use sluice_testkit::recorded::{Registrar, query};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub const CONNECTION: &str = "warehouse";
pub const PROJECT: &str = "acme-prod";
/// Far more than a machine that is busy needs, far less than a test may wait.
pub const ANSWER_MILLISECONDS: u64 = 1_500;

pub fn timing() -> Timing {
    Timing {
        connect: Duration::from_secs(2),
        answer: Duration::from_millis(ANSWER_MILLISECONDS),
        bulk: Duration::from_millis(ANSWER_MILLISECONDS),
        upload_idle: Duration::from_millis(ANSWER_MILLISECONDS),
        total: Duration::from_secs(60),
        attempts_max: 3,
        pauses: Pauses { first: Duration::from_millis(2), max: Duration::from_millis(10) },
    }
}

pub fn settings(url: &str) -> ConnectionSettings {
    ConnectionSettings {
        endpoint: url.to_owned(),
        timing: timing(),
        catalog_age_max: Duration::from_secs(60),
        ..ConnectionSettings::google(CredentialsSettings::Open)
    }
}

pub fn connected(settings: ConnectionSettings) -> BigQuery {
    BigQuery::new(&BTreeMap::from([(CONNECTION.to_owned(), settings)])).unwrap()
}

pub fn bigquery(url: &str) -> BigQuery {
    connected(settings(url))
}

/// A sandbox with its own data, over one engine.
pub fn sandbox() -> Running {
    static ENGINE: OnceLock<Arc<GoogleSql>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let artefact = Artefact::load(&Place::from_environment()).unwrap_or_else(|fault| panic!("{fault}"));
        Arc::new(GoogleSql::start(&artefact, EngineSettings::default()).unwrap_or_else(|fault| panic!("{fault}")))
    });
    Sandbox::start(engine.clone(), Settings::default()).unwrap()
}

pub fn registrar() -> &'static Registrar {
    static REGISTRAR: OnceLock<Registrar> = OnceLock::new();
    REGISTRAR.get_or_init(|| Registrar::new(CONNECTION))
}

pub fn insert(id: &str, sql: &str) -> Request {
    let body = serde_json::json!({
        "jobReference": { "projectId": PROJECT, "jobId": id },
        "configuration": { "query": { "query": sql, "useLegacySql": false }, "labels": { "sluice_request": "1" } },
    });
    request(Verb::Post, &format!("projects/{PROJECT}/jobs"), Some(body.to_string()))
}

pub fn request(verb: Verb, path: &str, body: Option<String>) -> Request {
    query(CONNECTION, PROJECT, Sends { verb, path: path.to_owned(), body, ..Sends::default() })
}

pub fn job(id: &str) -> JobName {
    JobName { project: PROJECT.to_owned(), location: None, id: id.to_owned() }
}

/// `Refused 409 duplicate` with a `?` where nobody knows what BigQuery did.
pub fn shown(fault: &UpstreamFault) -> String {
    let status = fault.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reason = fault.error.as_ref().map(|error| format!(" {}", error.reason)).unwrap_or_default();
    format!("{:?}{status}{reason}{}", fault.kind, if fault.may_have_acted { " ?" } else { "" })
}
