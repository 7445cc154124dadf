//! What is known of a warehouse: against the embedded one, and against servers of bytes.

use crate::double::{Double, Turn, error, said};
use crate::ground::{CONNECTION, PROJECT, bigquery, connected, sandbox, settings};
use serde_json::{Value, json};
use sluice_app::{Catalog, CatalogFault};
use sluice_model::TableName;
use sluice_outbound::{BigQuery, CATALOG_NAMES_MAX};
use sluice_sandbox::Running;
use sluice_sql::Required;
use std::sync::Arc;
use std::time::Duration;

fn tables(names: &[&str]) -> Required {
    Required { tables: names.iter().map(|name| clinic(name)).collect(), ..Required::default() }
}

fn clinic(name: &str) -> TableName {
    TableName::new(PROJECT, "clinic", name)
}

/// Verbs and the last part of each path, with the status.
fn asked(running: &Running) -> Vec<String> {
    let short = |target: &str| target.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let all = running.requests();
    let told = all.iter().filter(|request| request.method != Some("bigquery.rowAccessPolicies.list"));
    told.map(|request| format!("{} {}", short(&request.target), request.status)).collect()
}

#[tokio::test]
async fn what_is_there_is_read_and_what_is_not_is_said() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let wanted =
        Required { routines: vec![clinic("ssn_of"), clinic("none")], models: vec![clinic("risk")], ..tables(&["patients", "nope"]) };
    let part = bigquery.fetch(CONNECTION, &wanted).await.unwrap();
    let patients = &part.snapshot.tables[&clinic("patients")];
    assert!(patients.columns.iter().any(|column| column.name == "ssn"));
    assert!(!patients.etag.is_empty());
    assert!(part.snapshot.routines.contains_key(&clinic("ssn_of")));
    let absent: Vec<String> = part.snapshot.absent.iter().map(|name| name.table.clone()).collect();
    assert_eq!(absent, ["none", "nope", "risk"]);
    let before = running.requests().len();
    bigquery.fetch(CONNECTION, &wanted).await.unwrap();
    assert_eq!(running.requests().len(), before, "all of it is at hand");
    assert_eq!(bigquery.fetch("other", &wanted).await.map(|_| ()), Err(CatalogFault::UnknownConnection));
}

#[tokio::test]
async fn age_is_counted_and_etags_are_used() {
    let running = sandbox();
    let mut settings = settings(&running.url());
    settings.catalog_age_max = Duration::ZERO;
    let bigquery = connected(settings);
    bigquery.fetch(CONNECTION, &tables(&["patients"])).await.unwrap();
    let part = bigquery.fetch(CONNECTION, &tables(&["patients"])).await.unwrap();
    assert_eq!(asked(&running), ["patients 200", "patients 304"]);
    assert!(part.snapshot.tables.contains_key(&clinic("patients")));
}

/// Nothing of it is there, and it is said whether its dataset is.
#[tokio::test]
async fn a_dataset_that_is_not_there_is_known_for_one() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let nowhere = TableName::new(PROJECT, "nowhere", "none");
    let wanted = Required { tables: vec![clinic("none"), nowhere.clone()], ..Required::default() };
    for _ in 0..2 {
        let part = bigquery.fetch(CONNECTION, &wanted).await.unwrap();
        assert_eq!(part.snapshot.absent.iter().collect::<Vec<_>>(), [&clinic("none"), &nowhere]);
        assert_eq!(part.absent_datasets.iter().collect::<Vec<_>>(), [&(PROJECT.to_owned(), "nowhere".to_owned())]);
    }
}

#[tokio::test]
async fn what_changed_is_read_anew() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    for changed in [clinic("patients"), clinic(""), TableName::new(PROJECT, "", "")] {
        running.log().clear();
        bigquery.fetch(CONNECTION, &tables(&["patients", "visits"])).await.unwrap();
        bigquery.forget(&changed);
        bigquery.fetch(CONNECTION, &tables(&["patients"])).await.unwrap();
        let again = asked(&running).iter().filter(|request| request.starts_with("patients ")).count();
        assert!(again >= 1, "{changed}: {:?}", asked(&running));
    }
    bigquery.forget(&clinic("other"));
    running.log().clear();
    bigquery.fetch(CONNECTION, &tables(&["patients"])).await.unwrap();
    assert_eq!(asked(&running), Vec::<String>::new());
}

#[tokio::test]
async fn a_star_means_every_table_that_begins_so() {
    let running = sandbox();
    let part = bigquery(&running.url()).fetch(CONNECTION, &tables(&["events_*", "nothing_*", "v_*"])).await.unwrap();
    let names: Vec<&str> = part.snapshot.tables.keys().map(|name| name.table.as_str()).collect();
    assert!(names.len() >= 2 && names.iter().all(|name| name.starts_with("events_")), "{names:?}");
    assert_eq!(part.snapshot.matching(&clinic("events_*")).len(), names.len());
    assert_eq!(part.snapshot.absent.iter().map(|name| name.table.as_str()).collect::<Vec<_>>(), ["events_*", "nothing_*", "v_*"]);
}

#[tokio::test]
async fn many_who_ask_at_a_time_ask_once() {
    let running = sandbox();
    let bigquery = Arc::new(bigquery(&running.url()));
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let bigquery = bigquery.clone();
            tokio::spawn(async move {
                bigquery.fetch(CONNECTION, &tables(&["patients", "visits"])).await.map(|part| part.snapshot.tables.len())
            })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), Ok(2));
    }
    assert_eq!(asked(&running).len(), 2);
}

#[tokio::test]
async fn no_statement_has_so_many_names() {
    let bigquery = bigquery("http://127.0.0.1:1");
    let names: Vec<String> = (0..=CATALOG_NAMES_MAX).map(|number| format!("t{number}")).collect();
    let wanted = tables(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bigquery.fetch(CONNECTION, &wanted).await.map(|_| ()), Err(CatalogFault::TooMany { names_max: CATALOG_NAMES_MAX }));
}

fn table(project: &str, dataset: &str, name: &str) -> Value {
    json!({
        "tableReference": { "projectId": project, "datasetId": dataset, "tableId": name },
        "type": "TABLE",
        "etag": "e1",
        "schema": { "fields": [{ "name": "ssn", "type": "STRING", "policyTags": { "names": ["projects/p/locations/us/taxonomies/1/policyTags/2"] } }] },
    })
}

async fn fetched(turns: Vec<Turn>, per_caller: bool) -> (Result<String, CatalogFault>, String) {
    let double = Double::start(turns).await;
    let mut settings = settings(&double.url);
    if per_caller {
        settings.credentials = sluice_outbound::CredentialsSettings::Token(sluice_outbound::Secret::new("own"));
        settings.impersonate = sluice_outbound::Impersonate::PerCaller {
            accounts: Vec::new(),
            settings: sluice_outbound::ImpersonationSettings { endpoint: Some(double.url.clone()), certificates_file: None },
        };
    }
    let bigquery: BigQuery = connected(settings);
    let part = bigquery.fetch(CONNECTION, &tables(&["patients"])).await.map(|part| {
        let names: Vec<String> = part.snapshot.tables.values().map(|table| table.name.to_string()).collect();
        let absent: Vec<String> = part.snapshot.absent.iter().map(|name| format!("-{}", name.table)).collect();
        let tags: Vec<String> = part.tags.iter().map(|(column, _)| format!("#{column}")).collect();
        let policies: Vec<String> = part.row_policies.iter().map(|name| format!("!{}", name.table)).collect();
        [names, absent, tags, policies].concat().join(" ")
    });
    (part, double.verbs())
}

#[tokio::test]
async fn what_a_table_is_called_and_who_may_see_its_rows() {
    let say = |value: &Value| Turn::Say(said("200 OK", &value.to_string()));
    let ours = table(PROJECT, "clinic", "patients");
    let policies = |count: usize| say(&json!({ "rowAccessPolicies": vec![json!({}); count] }));
    let named = "acme-prod.clinic.patients #acme-prod.clinic.patients.ssn";
    let ruled = format!("{named} !patients");
    let check = async |turns: Vec<Turn>, per_caller: bool, expect: &str, verbs: &str| {
        let (part, seen) = fetched(turns.clone(), per_caller).await;
        assert_eq!((part.as_deref(), seen.as_str()), (Ok(expect), verbs), "{turns:.120?}");
    };
    check(vec![say(&ours), say(&json!({}))], false, named, "GET GET").await;
    check(vec![say(&ours), policies(0)], false, named, "GET GET").await;
    check(vec![say(&ours), policies(1)], false, &ruled, "GET GET").await;
    check(vec![say(&ours), Turn::Say(error(501, "notImplemented"))], false, named, "GET GET").await;
    check(vec![say(&ours), Turn::Say(error(404, "notFound"))], false, &ruled, "GET GET").await;
    check(vec![say(&ours)], true, named, "GET").await;
    // A linked dataset answers with its source: the labels are those of the name that was asked for.
    check(vec![say(&table("source", "shared", "patients")), policies(0)], false, named, "GET GET").await;
    // A dataset that does not tell letters apart answers with another spelling, whose labels are not ours.
    check(vec![say(&table(PROJECT, "clinic", "Patients")), policies(0)], false, "-patients", "GET").await;
    check(vec![Turn::Say(error(404, "notFound"))], false, "-patients", "GET").await;
    check(vec![Turn::Say(error(400, "invalid"))], false, "-patients", "GET").await;
    check(vec![Turn::Say(error(503, "backendError")), say(&ours), policies(0)], false, named, "GET GET GET").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_no_answer() {
    let check = async |turns: Vec<Turn>, is_denied: bool, verbs: &str| {
        let (part, seen) = fetched(turns, false).await;
        let fault = part.unwrap_err();
        assert_eq!((matches!(fault, CatalogFault::Denied(_)), seen.as_str()), (is_denied, verbs), "{fault:?}");
        assert!(!format!("{fault:?}").contains("4711"), "BigQuery's own text is not told: {fault:?}");
    };
    let ours = Turn::Say(said("200 OK", &table(PROJECT, "clinic", "patients").to_string()));
    check(vec![Turn::Say(error(403, "accessDenied"))], true, "GET").await;
    check(vec![ours.clone(), Turn::Say(error(403, "accessDenied"))], true, "GET GET").await;
    check(vec![Turn::Say(error(403, "rateLimitExceeded"))], false, "GET GET GET").await;
    check(vec![Turn::Say(error(503, "backendError"))], false, "GET GET GET").await;
    check(vec![Turn::Say(error(401, "authError"))], false, "GET").await;
    check(vec![Turn::Say(said("200 OK", "{\"type\":\"TABLE\"}"))], true, "GET").await;
    check(vec![Turn::Say(said("200 OK", "<html>"))], false, "GET GET GET").await;
    check(vec![Turn::Say(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec())], false, "GET").await;
    check(vec![ours, Turn::Reset(Vec::new())], false, "GET GET GET GET").await;
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let double = Double::start(vec![Turn::Say(error(404, "notFound"))]).await;
    let bigquery = bigquery(&double.url);
    let names = ["..", ".", "", "a\nb", "a/../../x", "a?b=c", "t$20260101"];
    let part = bigquery.fetch(CONNECTION, &tables(&names)).await.unwrap();
    assert_eq!(part.snapshot.absent.len(), names.len());
    let mut targets: Vec<String> = double.seen().into_iter().map(|seen| seen.target).collect();
    targets.sort();
    let below = "/bigquery/v2/projects/acme-prod/datasets/clinic/tables/";
    assert_eq!(targets, ["a%2F..%2F..%2Fx", "a%3Fb%3Dc", "t%2420260101"].map(|name| format!("{below}{name}")));
}

/// A view that changes while it is read: what was read before the change serves whoever asked before it, and nobody after.
#[tokio::test]
async fn what_is_read_while_it_changes_is_not_kept() {
    let running = sandbox();
    let bigquery = Arc::new(bigquery(&running.url()));
    assert!(running.faults().add(sluice_sandbox::Fault::once("tables/patients", sluice_sandbox::Act::Delay { milliseconds: 300 })));
    let slow = {
        let bigquery = bigquery.clone();
        tokio::spawn(async move { bigquery.fetch(CONNECTION, &tables(&["patients"])).await.map(|_| ()) })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    bigquery.forget(&clinic("patients"));
    bigquery.fetch(CONNECTION, &tables(&["patients"])).await.unwrap();
    slow.await.unwrap().unwrap();
    assert_eq!(asked(&running).len(), 2, "the second did not wait for the first one's answer");
}
