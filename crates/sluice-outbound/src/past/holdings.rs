//! What the datasets of a project hold that shows or keeps what lies elsewhere: views, snapshots, clones, models. It says where it comes from for as
//! long as it is there, also where the history of jobs has ended.

use super::{LIST_ENTRIES, each, named, number, text};
use crate::bigquery::{Ask, BigQuery, Connection, Unread, json_of, unsent};
use crate::rest::{Answer, encoded};
use serde_json::Value;
use sluice_app::UpstreamFault;
use sluice_model::TableName;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Tables and models of one project.
pub const HOLDINGS_MAX: usize = 50_000;
const READS_AT_ONCE_MAX: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub views: Vec<TableName>,
    pub made: Vec<Made>,
    pub models: Vec<OldModel>,
    /// What could not be looked at, and why.
    pub unread: Vec<(String, String)>,
    /// The limit did not end it.
    pub is_whole: bool,
}

/// A table that says what it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub name: TableName,
    pub base: TableName,
    pub derivation: Derivation,
    pub created_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    Clone,
    Snapshot,
}

/// A model says what its columns are called, and not where their values came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldModel {
    pub name: TableName,
    pub columns: Vec<String>,
    pub created_ms: u64,
}

impl BigQuery {
    pub async fn holdings(&self, connection: &str, project: &str) -> Result<Holdings, UpstreamFault> {
        let connection = self.connection(connection).ok_or_else(|| unsent("no such connection".to_owned()))?;
        let mut holdings = Holdings { is_whole: true, ..Holdings::default() };
        let mut datasets = Vec::new();
        let take = |entry: &Value| {
            datasets.extend(Some(text(entry, "/datasetReference/datasetId").to_owned()).filter(|name| !name.is_empty()));
            datasets.len() < HOLDINGS_MAX
        };
        let query = [("maxResults".to_owned(), LIST_ENTRIES.to_owned())];
        holdings.is_whole &= each(connection, &format!("projects/{}/datasets", encoded(project)), &query, "datasets", take).await?;
        let (mut tables, mut models) = (Vec::new(), Vec::new());
        for dataset in &datasets {
            let path = |collection: &str| format!("projects/{}/datasets/{}/{collection}", encoded(project), encoded(dataset));
            let mut views = Vec::new();
            let take = |entry: &Value| {
                let name = entry.get("tableReference").and_then(|reference| named(reference, "tableId"));
                match text(entry, "/type") {
                    "VIEW" | "MATERIALIZED_VIEW" => views.extend(name),
                    "EXTERNAL" => {}
                    _ => tables.extend(name),
                }
                tables.len() + views.len() < HOLDINGS_MAX
            };
            let listed = each(connection, &path("tables"), &query, "tables", take).await;
            holdings.views.append(&mut views);
            let of_dataset = format!("{project}.{dataset}");
            holdings.note(&of_dataset, listed);
            let take = |entry: &Value| {
                models.extend(entry.get("modelReference").and_then(|reference| named(reference, "modelId")));
                models.len() < HOLDINGS_MAX
            };
            let listed = each(connection, &path("models"), &query, "models", take).await;
            holdings.note(&of_dataset, listed);
        }
        let things = tables.into_iter().map(|name| (name, false)).chain(models.into_iter().map(|name| (name, true)));
        holdings.look_at(connection, things.collect()).await;
        Ok(holdings)
    }
}

impl Holdings {
    fn note(&mut self, what: &str, listed: Result<bool, UpstreamFault>) {
        match listed {
            Ok(is_whole) => self.is_whole &= is_whole,
            Err(fault) => self.unread.push((what.to_owned(), fault.to_string())),
        }
    }

    /// Some at a time. What is gone meanwhile is nothing.
    async fn look_at(&mut self, connection: &Arc<Connection>, things: Vec<(TableName, bool)>) {
        let (mut waiting, mut asked) = (things.into_iter(), JoinSet::new());
        loop {
            while asked.len() < READS_AT_ONCE_MAX
                && let Some((name, is_model)) = waiting.next()
            {
                let connection = Arc::clone(connection);
                asked.spawn(async move {
                    let resource = resource(&connection, &name, is_model).await;
                    (name, is_model, resource)
                });
            }
            let Some(joined) = asked.join_next().await else { break };
            match joined {
                Ok((name, true, Ok(resource))) => self.models.extend(resource.map(|resource| model(name, &resource))),
                Ok((name, false, Ok(resource))) => self.made.extend(resource.and_then(|resource| made(name, &resource))),
                Ok((name, _, Err(fault))) => self.unread.push((name.to_string(), fault.to_string())),
                Err(error) => self.unread.push(("a table or a model".to_owned(), error.to_string())),
            }
        }
        self.made.sort_by(|one, other| (one.created_ms, &one.name).cmp(&(other.created_ms, &other.name)));
        self.models.sort_by(|one, other| one.name.cmp(&other.name));
        self.views.sort();
        self.unread.sort();
    }
}

async fn resource(connection: &Connection, name: &TableName, is_model: bool) -> Result<Option<Value>, UpstreamFault> {
    let TableName { project, dataset, table } = name;
    let collection = if is_model { "models" } else { "tables" };
    let path = format!("projects/{}/datasets/{}/{collection}/{}", encoded(project), encoded(dataset), encoded(table));
    let ask = Ask { hoped: &[404], ..Ask::get(connection, &path, &[]) };
    let read =
        |answer: &Answer| -> Result<Option<Value>, Unread> { if answer.status == 404 { Ok(None) } else { json_of(answer).map(Some) } };
    connection.ask(None, &ask, read).await
}

fn made(name: TableName, resource: &Value) -> Option<Made> {
    let base = |field: &str| resource.pointer(&format!("/{field}/baseTableReference")).and_then(|reference| named(reference, "tableId"));
    let snapshot = base("snapshotDefinition").map(|base| (base, Derivation::Snapshot));
    let (base, derivation) = snapshot.or_else(|| base("cloneDefinition").map(|base| (base, Derivation::Clone)))?;
    Some(Made { name, base, derivation, created_ms: number(resource, "/creationTime") })
}

fn model(name: TableName, resource: &Value) -> OldModel {
    let columns = ["featureColumns", "labelColumns"].into_iter().filter_map(|field| resource.get(field)?.as_array()).flatten();
    let columns = columns.map(|column| text(column, "/name").to_owned()).filter(|name| !name.is_empty()).collect();
    OldModel { name, columns, created_ms: number(resource, "/creationTime") }
}
