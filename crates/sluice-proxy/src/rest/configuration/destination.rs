//! Where a job writes, and what that does besides: a table is made, emptied, widened, or goes away by itself later.

use super::fault::{FormFault, Path, quoted};
use super::job::Job;
use super::name::{self, Named};
use super::shape::{list_of, message_of, text_of};
use serde_json::{Map, Value};
use sluice_model::{TableName, UseKind};
use sluice_policy::Resource;
use sluice_sql::Sorted;

pub(super) const ADDS: &str = "WRITE_APPEND";
pub(super) const IF_EMPTY: &str = "WRITE_EMPTY";

pub(super) struct Destination {
    pub named: Named,
    /// What was in it before is gone.
    pub replaces: bool,
    /// What was in it before stays.
    pub appends: bool,
    /// It may get other columns.
    pub widens: bool,
}

impl Destination {
    pub fn resource(&self) -> Resource {
        Resource::Table(self.named.table.clone())
    }

    /// Rows alone, if it exists.
    pub fn adds(&self) -> bool {
        self.appends && !self.widens
    }

    /// The table, if it names a partition of it that is looked at: what is emptied, or has to be empty, tells of the rows in it. What is only added
    /// is the caller's own.
    pub fn partitions(&self) -> Vec<TableName> {
        if self.named.is_partition() && !self.appends { vec![self.named.table.clone()] } else { Vec::new() }
    }
}

/// `None` where the job names none. Asks what comes with it, and writes the name out in full. `absent` is what goes without saying.
pub(super) fn read(
    job: &mut Job<'_>,
    work: &mut Map<String, Value>,
    absent: &str,
    at: &Path<'_>,
) -> Result<Option<Destination>, FormFault> {
    let destination = match message_of(work, "destinationTable") {
        Some(given) => Some(destination(job, work, given, absent, &at.name("destinationTable"))?),
        None => None,
    };
    encryption(job, work, destination.as_ref(), at)?;
    let Some(destination) = destination else {
        return alone(work, at).map(|()| None);
    };
    work.insert("destinationTable".to_owned(), destination.named.reference());
    let resource = || destination.resource();
    if text_of(work, "createDisposition") != Some("CREATE_NEVER") {
        job.also.ask("create", resource());
    }
    if destination.widens {
        job.also.ask("alter", resource());
    }
    // Partitions that expire are deleted, and nobody asks again.
    if expires(work) {
        job.also.ask("delete", resource());
    }
    if let Some(time) = text_of(work, "destinationExpirationTime") {
        is_time(time, &at.name("destinationExpirationTime"))?;
        job.also.ask("drop", resource());
    }
    Ok(Some(destination))
}

fn destination(
    job: &Job<'_>,
    work: &Map<String, Value>,
    given: &Map<String, Value>,
    absent: &str,
    at: &Path<'_>,
) -> Result<Destination, FormFault> {
    let named = name::table(job.place.project, given, at)?;
    let disposition = text_of(work, "writeDisposition").unwrap_or(absent);
    let replaces = matches!(disposition, "WRITE_TRUNCATE" | "WRITE_TRUNCATE_DATA");
    let widens = !list_of(work, "schemaUpdateOptions").is_empty();
    Ok(Destination { named, replaces, appends: disposition == ADDS, widens })
}

/// Whether a table that is there gets the columns of the rows, rules and all. `WRITE_TRUNCATE_DATA` leaves them as they are.
pub(super) fn brings_columns(work: &Map<String, Value>) -> bool {
    text_of(work, "writeDisposition") == Some("WRITE_TRUNCATE")
}

/// The columns that the rows are to be kept sorted or apart by.
pub(super) fn sorted(work: &Map<String, Value>) -> Sorted {
    let clustered = message_of(work, "clustering").map_or(&[][..], |clustering| list_of(clustering, "fields"));
    let clustered = clustered.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), UseKind::Order));
    let partitioned = ["rangePartitioning", "timePartitioning"].into_iter().filter_map(|kind| text_of(message_of(work, kind)?, "field"));
    let columns = clustered.chain(partitioned.map(|name| (name.to_owned(), UseKind::Group))).collect();
    Sorted { columns, expires: expires(work) }
}

fn expires(work: &Map<String, Value>) -> bool {
    message_of(work, "timePartitioning").is_some_and(|partitioning| partitioning.contains_key("expirationMs"))
}

/// What makes no sense without a table, and would be asked of none.
fn alone(work: &Map<String, Value>, at: &Path<'_>) -> Result<(), FormFault> {
    const OF_A_TABLE: [&str; 4] = ["clustering", "rangePartitioning", "schemaUpdateOptions", "timePartitioning"];
    let is_given = |name: &&str| match work.get(*name) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        _ => false,
    };
    match OF_A_TABLE.into_iter().find(is_given) {
        Some(name) => Err(FormFault::invalid(&at.name(name), "goes with `destinationTable`, which is missing")),
        None => Ok(()),
    }
}

/// Whoever holds the key can make the table unreadable.
fn encryption(job: &mut Job<'_>, work: &Map<String, Value>, destination: Option<&Destination>, at: &Path<'_>) -> Result<(), FormFault> {
    let at = at.name("destinationEncryptionConfiguration");
    let Some(key) = message_of(work, "destinationEncryptionConfiguration").and_then(|given| text_of(given, "kmsKeyName")) else {
        return Ok(());
    };
    let is_part = |part: &&str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        !part.is_empty() && part.len() <= 128 && part.bytes().all(is_letter)
    };
    let parts: Vec<&str> = key.split('/').collect();
    let is_key = matches!(parts.as_slice(), ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _]) && parts.iter().all(is_part);
    if !is_key {
        let text = format!("is {}, accepted is `projects/p/locations/l/keyRings/r/cryptoKeys/k`", quoted(key));
        return Err(FormFault::invalid(&at.name("kmsKeyName"), text));
    }
    let of = destination.map_or_else(|| Resource::Project(job.place.project.to_owned()), Destination::resource);
    job.also.ask("administration", of);
    job.also.ask("open", name::outside(key));
    Ok(())
}

fn is_time(text: &str, at: &Path<'_>) -> Result<(), FormFault> {
    if super::scalar::fits(&sluice_model::Type::Timestamp, text) {
        return Ok(());
    }
    Err(FormFault::invalid(at, format!("is {}, accepted is a time like `2030-01-31T12:00:00Z`", quoted(text))))
}
