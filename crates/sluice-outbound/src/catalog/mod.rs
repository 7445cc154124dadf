//! The port `Catalog`: schemas, views, routines and models, read with the connection's own identity and kept for as long as it allows.
//!
//! `shelf.rs` keeps and forgets, `read.rs` asks BigQuery.

mod read;
mod shelf;

pub(crate) use shelf::Shelf;

use crate::bigquery::{BigQuery, Connection};
use shelf::{Found, Key, Kind};
use sluice_app::{Asking, Catalog, CatalogFault, CatalogPart};
use sluice_model::TableName;
use sluice_sql::Required;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Of one statement, with the tables that its wildcards mean.
pub const CATALOG_NAMES_MAX: usize = 2_000;

impl Catalog for BigQuery {
    fn fetch<'a>(&'a self, connection: &'a str, wanted: &'a Required) -> Asking<'a, Result<CatalogPart, CatalogFault>> {
        Box::pin(async move {
            let connection = self.connection(connection).ok_or(CatalogFault::UnknownConnection)?;
            let (stars, plain): (Vec<&TableName>, Vec<&TableName>) = wanted.tables.iter().partition(|name| name.table.ends_with('*'));
            let mut keys = Vec::new();
            let mut add = |kind: Kind, names: &mut dyn Iterator<Item = &TableName>| {
                keys.extend(names.map(|name| Key { kind, name: name.clone() }));
            };
            add(Kind::Table, &mut plain.into_iter());
            add(Kind::Routine, &mut wanted.routines.iter());
            add(Kind::Model, &mut wanted.models.iter());
            let mut part = CatalogPart::default();
            for star in stars {
                keys.extend(behind(connection, star).await?);
                // All that it means stands beside it; that it is no table of its own is known.
                part.snapshot.absent.insert(star.clone());
            }
            keys.sort();
            keys.dedup();
            if keys.len() > CATALOG_NAMES_MAX {
                return Err(CatalogFault::TooMany { names_max: CATALOG_NAMES_MAX });
            }
            for (key, found) in all(connection, keys).await? {
                put(&mut part, key, &found);
            }
            Ok(part)
        })
    }

    fn forget(&self, changed: &TableName) {
        self.connections().for_each(|connection| connection.shelf.forget(changed));
    }
}

/// What is at hand, and what has to be asked for, all at once.
async fn all(connection: &Arc<Connection>, keys: Vec<Key>) -> Result<Vec<(Key, Found)>, CatalogFault> {
    let came = tokio::time::Instant::now();
    let mut known = Vec::with_capacity(keys.len());
    let mut asked = JoinSet::new();
    for key in keys {
        match connection.shelf.at_hand(&key, came) {
            Some(found) => known.push((key, found)),
            None => {
                let connection = Arc::clone(connection);
                asked.spawn(async move { read::look(&connection, &key).await.map(|found| (key, found)) });
            }
        }
    }
    while let Some(joined) = asked.join_next().await {
        known.push(joined.map_err(|error| CatalogFault::Unavailable(error.to_string()))??);
    }
    Ok(known)
}

/// The tables that a name with a star means. Views take no part in it.
async fn behind(connection: &Arc<Connection>, star: &TableName) -> Result<Vec<Key>, CatalogFault> {
    let listing = Key { kind: Kind::Listing, name: TableName { table: String::new(), ..star.clone() } };
    let prefix = star.table.trim_end_matches('*');
    let Found::Listing(tables) = read::look(connection, &listing).await? else { return Ok(Vec::new()) };
    let meant = tables.iter().filter(|table| table.starts_with(prefix));
    let keys: Vec<Key> = meant.map(|table| Key { kind: Kind::Table, name: TableName { table: table.clone(), ..star.clone() } }).collect();
    if keys.len() > CATALOG_NAMES_MAX { Err(CatalogFault::TooMany { names_max: CATALOG_NAMES_MAX }) } else { Ok(keys) }
}

fn put(part: &mut CatalogPart, key: Key, found: &Found) {
    let snapshot = &mut part.snapshot;
    match found {
        Found::Absent | Found::Listing(_) => drop(snapshot.absent.insert(key.name)),
        Found::NoDataset => {
            part.absent_datasets.insert((key.name.project.clone(), key.name.dataset.clone()));
            snapshot.absent.insert(key.name);
        }
        Found::Model(model) => drop(snapshot.models.insert(key.name, (**model).clone())),
        Found::Routine(routine) => drop(snapshot.routines.insert(key.name, (**routine).clone())),
        Found::Table(described) => {
            part.tags.extend(described.tags.iter().cloned());
            if described.has_row_policies {
                part.row_policies.push(key.name.clone());
            }
            snapshot.tables.insert(key.name, described.table.clone());
        }
    }
}
