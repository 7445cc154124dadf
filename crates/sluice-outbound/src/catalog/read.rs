//! One name, asked for with the connection's own identity. Whoever asks for it meanwhile waits for the same answer.

use super::CATALOG_NAMES_MAX;
use super::shelf::{Described, Found, Held, Key, Kind, Slot};
use crate::bigquery::{Ask, Connection, json_of};
use crate::rest::{Answer, encoded};
use hyper::header::{self, HeaderValue};
use serde_json::Value;
use sluice_app::{CatalogFault, UpstreamFault};
use sluice_model::TableName;
use sluice_sql::catalog::TableKind;
use std::sync::Arc;
use tokio::time::Instant;

const NAME_BYTES_MAX: usize = 1_024;
const LIST_ENTRIES: usize = 1_000;
const LIST_PAGES_MAX: usize = 100;
/// Answers that say what is there: not changed, no such name, not for us, nothing there, nothing of the kind anywhere.
const HOPED: [u16; 5] = [304, 400, 403, 404, 501];
/// How BigQuery begins to say that there is not even a dataset.
const DATASET_ABSENT: &str = "Not found: Dataset ";

pub async fn look(connection: &Arc<Connection>, key: &Key) -> Result<Found, CatalogFault> {
    let came = Instant::now();
    if !is_name(key) {
        return Ok(Found::Absent);
    }
    let shelf = &connection.shelf;
    let slot = shelf.slot(key);
    let _flight = slot.flight.lock().await;
    if let Some(found) = slot.fresh(came, shelf.age_max()) {
        return Ok(found);
    }
    if let Some(fault) = slot.fault_since(came) {
        return Err(fault);
    }
    let _turn = shelf.turn().await;
    let read_at = Instant::now();
    match read(connection, key, &slot, read_at).await {
        Ok(held) => {
            let found = held.found.clone();
            shelf.keep(key, &slot, held);
            Ok(found)
        }
        Err(fault) => {
            slot.fail(&fault);
            Err(fault)
        }
    }
}

async fn read(connection: &Connection, key: &Key, slot: &Slot, read_at: Instant) -> Result<Held, CatalogFault> {
    if key.kind == Kind::Listing {
        return listing(connection, &key.name, read_at).await;
    }
    let TableName { project, dataset, table } = &key.name;
    let collection = match key.kind {
        Kind::Listing | Kind::Table => "tables",
        Kind::Model => "models",
        Kind::Routine => "routines",
    };
    let path = format!("projects/{}/datasets/{}/{collection}/{}", encoded(project), encoded(dataset), encoded(table));
    let before = slot.held().filter(|held| !held.found.is_absent() && !held.etag.is_empty());
    let known = before.as_ref().and_then(|held| HeaderValue::from_str(&quoted(&held.etag)).ok());
    let mut ask = Ask { hoped: &HOPED, ..Ask::get(connection, &path, &[]) };
    ask.headers.extend(known.map(|etag| (header::IF_NONE_MATCH, etag)));
    let answer = connection.ask(None, &ask, said).await.map_err(|fault| unavailable(&key.name, &fault))?;
    match (answer, before) {
        (Said::NoDataset, _) => Ok(Held { found: Found::NoDataset, etag: String::new(), read_at, bytes: 0 }),
        (Said::NotThere, _) => Ok(Held { found: Found::Absent, etag: String::new(), read_at, bytes: 0 }),
        (Said::NotForUs, _) => Err(CatalogFault::Denied(key.name.clone())),
        (Said::Same, Some(before)) => {
            let found = with_row_policies(connection, key, before.found).await?;
            Ok(Held { found, read_at, ..before })
        }
        (Said::Same, None) => Err(CatalogFault::Unavailable(format!("{}: not changed since nothing", key.name))),
        (Said::Resource { resource, bytes }, _) => {
            let etag = resource.get("etag").and_then(Value::as_str).unwrap_or_default().to_owned();
            let found = with_row_policies(connection, key, found(key, &resource)?).await?;
            Ok(Held { found, etag, read_at, bytes })
        }
    }
}

enum Said {
    NoDataset,
    NotForUs,
    NotThere,
    Resource { resource: Value, bytes: usize },
    Same,
}

fn said(answer: &Answer) -> Result<Said, crate::bigquery::Unread> {
    Ok(match answer.status {
        304 => Said::Same,
        403 => match crate::bigquery::error_of(&answer.body).map(|error| error.reason) {
            // Busy is not forbidden.
            Some(reason) if reason.to_ascii_lowercase().ends_with("exceeded") => {
                return Err(crate::bigquery::Unread::Malformed(format!("status 403, {reason}")));
            }
            _ => Said::NotForUs,
        },
        404 if crate::bigquery::error_of(&answer.body).is_some_and(|error| error.message.starts_with(DATASET_ABSENT)) => Said::NoDataset,
        400 | 404 | 501 => Said::NotThere,
        _ => Said::Resource { resource: json_of(answer)?, bytes: answer.body.len() },
    })
}

/// What is nothing that the analysis knows is as good as hidden: asking again would not help.
///
/// By the name that it was asked for: what is linked or copied elsewhere is labelled where it is.
///
/// A dataset that does not tell large letters from small ones answers under another spelling. Labels know one, so the other is not there.
fn found(key: &Key, resource: &Value) -> Result<Found, CatalogFault> {
    let misread = |_: sluice_wire::ResourceError| CatalogFault::Denied(key.name.clone());
    let name = key.name.clone();
    let is_respelled = |other: &TableName| *other != name && other.to_string().to_lowercase() == name.to_string().to_lowercase();
    Ok(match key.kind {
        Kind::Listing => Found::Absent,
        Kind::Model => {
            let model = sluice_wire::model(resource).map_err(misread)?;
            if is_respelled(&model.name) { Found::Absent } else { Found::Model(Arc::new(sluice_sql::catalog::Model { name, ..model })) }
        }
        Kind::Routine => {
            let routine = sluice_wire::routine(resource).map_err(misread)?;
            if is_respelled(&routine.name) {
                Found::Absent
            } else {
                Found::Routine(Arc::new(sluice_sql::catalog::Routine { name, ..routine }))
            }
        }
        Kind::Table => {
            let table = sluice_wire::table(resource).map_err(misread)?;
            if is_respelled(&table.name) {
                return Ok(Found::Absent);
            }
            let tags = resource.get("schema").map(|schema| sluice_wire::policy_tags(&name, schema)).unwrap_or_default();
            Found::Table(Arc::new(Described { table: sluice_sql::catalog::Table { name, ..table }, tags, has_row_policies: false }))
        }
    })
}

/// Where one account asks for everybody. Views have none of their own.
async fn with_row_policies(connection: &Connection, key: &Key, found: Found) -> Result<Found, CatalogFault> {
    let Found::Table(described) = &found else { return Ok(found) };
    if connection.shelf.knows_callers || matches!(described.table.kind, TableKind::View { .. }) {
        return Ok(found);
    }
    let TableName { project, dataset, table } = &key.name;
    let path = format!("projects/{}/datasets/{}/tables/{}/rowAccessPolicies", encoded(project), encoded(dataset), encoded(table));
    let query = [("pageSize".to_owned(), "1".to_owned())];
    // A warehouse that does not know the method has none.
    let ask = Ask { hoped: &[403, 404, 501], ..Ask::get(connection, &path, &query) };
    let read = |answer: &Answer| match answer.status {
        501 => Ok(Some(false)),
        403 => Ok(None),
        // The table is there: whoever hides them has some.
        404 => Ok(Some(true)),
        _ => Ok(Some(json_of(answer)?.get("rowAccessPolicies").is_some_and(|policies| policies != &Value::Array(Vec::new())))),
    };
    let said = connection.ask(None, &ask, read).await.map_err(|fault| unavailable(&key.name, &fault))?;
    let has_row_policies = said.ok_or_else(|| CatalogFault::Denied(key.name.clone()))?;
    Ok(Found::Table(Arc::new(Described { table: described.table.clone(), tags: described.tags.clone(), has_row_policies })))
}

/// The names of all tables of a dataset that a wildcard can mean.
async fn listing(connection: &Connection, dataset: &TableName, read_at: Instant) -> Result<Held, CatalogFault> {
    let path = format!("projects/{}/datasets/{}/tables", encoded(&dataset.project), encoded(&dataset.dataset));
    let mut query = vec![("maxResults".to_owned(), LIST_ENTRIES.to_string())];
    let (mut names, mut bytes) = (Vec::new(), 0);
    for _ in 0..LIST_PAGES_MAX {
        let ask = Ask { hoped: &[400, 403, 404], ..Ask::get(connection, &path, &query) };
        match connection.ask(None, &ask, said).await.map_err(|fault| unavailable(dataset, &fault))? {
            Said::NoDataset | Said::NotThere => return Ok(Held { found: Found::Absent, etag: String::new(), read_at, bytes: 0 }),
            Said::NotForUs => return Err(CatalogFault::Denied(dataset.clone())),
            Said::Same => return Err(CatalogFault::Unavailable(format!("{dataset}: not changed since nothing"))),
            Said::Resource { resource, .. } => {
                for entry in resource.get("tables").and_then(Value::as_array).into_iter().flatten() {
                    let kind = entry.get("type").and_then(Value::as_str).unwrap_or_default();
                    let id = entry.pointer("/tableReference/tableId").and_then(Value::as_str);
                    let id = id.ok_or_else(|| CatalogFault::Unavailable(format!("{dataset}: a table without a name")))?;
                    if !matches!(kind, "VIEW" | "MATERIALIZED_VIEW") {
                        bytes += id.len();
                        names.push(id.to_owned());
                    }
                }
                let next = resource.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty());
                let Some(next) = next else {
                    return Ok(Held { found: Found::Listing(Arc::new(names)), etag: String::new(), read_at, bytes });
                };
                query.truncate(1);
                query.push(("pageToken".to_owned(), next.to_owned()));
            }
        }
    }
    Err(CatalogFault::TooMany { names_max: CATALOG_NAMES_MAX })
}

/// What can be asked for at all. Names come out of statements.
fn is_name(key: &Key) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.len() <= NAME_BYTES_MAX && part != "." && part != ".." && !part.chars().any(char::is_control);
    let TableName { project, dataset, table } = &key.name;
    is_part(project) && is_part(dataset) && (key.kind == Kind::Listing || is_part(table))
}

fn quoted(etag: &str) -> String {
    if etag.starts_with('"') || etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") }
}

/// Without BigQuery's own message: it can hold what a caller may not see.
fn unavailable(name: &TableName, fault: &UpstreamFault) -> CatalogFault {
    CatalogFault::Unavailable(format!("{name}: {fault}"))
}
