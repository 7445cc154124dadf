//! Tables: their schema, how long they live. What is SQL or lies outside of the warehouse is for statements.

use super::super::configuration::FormFault;
use super::super::configuration::default;
use super::super::configuration::fault::Path;
use super::super::configuration::message::table::{CLUSTERING, RANGE_PARTITIONING, SCHEMA, TABLE_REFERENCE, TIME_PARTITIONING};
use super::super::configuration::shape::{Message, Shape, TEXT, dropped, kept, refused};
use super::{Call, Decoded, object, reference, says};
use serde_json::{Map, Value};
use sluice_model::TableName;
use sluice_policy::Resource;

const LABELS_MAX: usize = 64;
const KEYS_MAX: usize = 1_000;
const COLUMNS_MAX: usize = 16;
const LONG: Shape = Shape::Long { least: 0 };

const VIEW: &str = "is a statement, and statements are understood as query jobs: send `CREATE OR REPLACE VIEW ... AS ...`";
const MATERIALIZED: &str = "is a statement, and statements are understood as query jobs: send `CREATE MATERIALIZED VIEW ... AS ...`";
const EXTERNAL: &str = "reads files or services outside of the warehouse: send `CREATE EXTERNAL TABLE ...` as a query job";
const ICEBERG: &str = "keeps the table in a bucket: have it made by whoever administers the project";
const KEY: &str = "names an encryption key, which the gateway does not choose for a caller: have it set by whoever administers the project";
const TAGS: &str = "sets tags that rules of access depend on: have them set by whoever administers the project";
const REPLICA: &str = "names another table that this one repeats: send `CREATE MATERIALIZED VIEW ... AS REPLICA OF ...` as a query job";
const MODEL: &str = "is a model's: use `CREATE MODEL ...` as a query job";

static TABLE: Message = Message {
    name: "Table",
    fields: &[
        kept("tableReference", Shape::Object(&TABLE_REFERENCE)),
        kept("friendlyName", TEXT),
        kept("description", TEXT),
        kept("labels", Shape::Texts(LABELS_MAX)),
        kept("schema", Shape::Object(&SCHEMA)),
        kept("timePartitioning", Shape::Object(&TIME_PARTITIONING)),
        kept("rangePartitioning", Shape::Object(&RANGE_PARTITIONING)),
        kept("clustering", Shape::Object(&CLUSTERING)),
        kept("requirePartitionFilter", Shape::Flag),
        kept("expirationTime", LONG),
        kept("defaultCollation", TEXT),
        kept("defaultRoundingMode", Shape::Words(&["ROUNDING_MODE_UNSPECIFIED", "ROUND_HALF_AWAY_FROM_ZERO", "ROUND_HALF_EVEN"])),
        kept("tableConstraints", Shape::Object(&CONSTRAINTS)),
        refused("view", VIEW),
        refused("materializedView", MATERIALIZED),
        refused("maxStaleness", MATERIALIZED),
        refused("externalDataConfiguration", EXTERNAL),
        refused("externalCatalogTableOptions", EXTERNAL),
        refused("partitionDefinition", EXTERNAL),
        refused("biglakeConfiguration", ICEBERG),
        refused("managedTableType", ICEBERG),
        refused("encryptionConfiguration", KEY),
        refused("resourceTags", TAGS),
        refused("tableReplicationInfo", REPLICA),
        refused("model", MODEL),
        dropped("cloneDefinition"),
        dropped("creationTime"),
        dropped("etag"),
        dropped("id"),
        dropped("kind"),
        dropped("lastModifiedTime"),
        dropped("location"),
        dropped("materializedViewStatus"),
        dropped("numActiveLogicalBytes"),
        dropped("numActivePhysicalBytes"),
        dropped("numBytes"),
        dropped("numCurrentPhysicalBytes"),
        dropped("numLongTermBytes"),
        dropped("numLongTermLogicalBytes"),
        dropped("numLongTermPhysicalBytes"),
        dropped("numPartitions"),
        dropped("numPhysicalBytes"),
        dropped("numRows"),
        dropped("numTimeTravelPhysicalBytes"),
        dropped("numTotalLogicalBytes"),
        dropped("numTotalPhysicalBytes"),
        dropped("replicas"),
        dropped("restrictions"),
        dropped("selfLink"),
        dropped("snapshotDefinition"),
        dropped("streamingBuffer"),
        dropped("type"),
    ],
};

static CONSTRAINTS: Message = Message {
    name: "TableConstraints",
    fields: &[kept("primaryKey", Shape::Object(&PRIMARY_KEY)), kept("foreignKeys", Shape::List(&Shape::Object(&FOREIGN_KEY), KEYS_MAX))],
};

static PRIMARY_KEY: Message = Message { name: "TableConstraints.primaryKey", fields: &[kept("columns", Shape::List(&TEXT, COLUMNS_MAX))] };

static FOREIGN_KEY: Message = Message {
    name: "TableConstraints.foreignKeys",
    fields: &[
        kept("name", TEXT),
        kept("referencedTable", Shape::Object(&TABLE_REFERENCE)),
        kept("columnReferences", Shape::List(&Shape::Object(&COLUMN_REFERENCE), COLUMNS_MAX)),
    ],
};

static COLUMN_REFERENCE: Message =
    Message { name: "TableConstraints.foreignKeys", fields: &[kept("referencingColumn", TEXT), kept("referencedColumn", TEXT)] };

pub fn table(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let is_new = call.matched.method.name == "tables.insert";
    let mut body = object(&TABLE, call)?;
    let names = reference(&mut body, call.matched, "tableReference", &["projectId", "datasetId", "tableId"], is_new)?;
    let [project, dataset, table] = names.as_slice() else { return Err(FormFault::invalid(&Path::ROOT, "names no table")) };
    let name = TableName::new(project, dataset, table);
    let place = Resource::Table(name.clone());
    let mut also = Vec::new();
    let mut ask = |action: &str, place: &Resource| also.push((action.to_owned(), place.clone()));
    if is_new {
        ask("create", &place);
    }
    if says(&body, "expirationTime") {
        ask("drop", &place);
    }
    if expires(&body) {
        ask("delete", &place);
    }
    let replaces_schema =
        !is_new && (body.contains_key("schema") || call.matched.method.verb == "PUT" || call.parameters.flag("autodetect_schema"));
    let tags = body.get("schema").is_some_and(has_tags);
    if replaces_schema || tags {
        ask("alter", &place);
    }
    if tags {
        ask("administration", &place);
    }
    for referenced in referenced_tables(&body, call.matched.project())? {
        ask("metadata", &Resource::Table(referenced));
    }
    let untags = replaces_schema.then(|| name.clone());
    let expressions = default::expressions(body.get("schema"), &Path::ROOT.name("schema"));
    Ok(Decoded { body: Some(body), also, resource: None, changes: vec![name], untags, expressions })
}

/// Old partitions are to be deleted from now on.
pub(super) fn expires(body: &Map<String, Value>) -> bool {
    body.get("timePartitioning").is_some_and(|partitioning| partitioning.get("expirationMs").is_some_and(|value| !value.is_null()))
}

/// Policy tags, in whatever depth. An empty list of them names none: it takes away what is there, as a schema without any does.
fn has_tags(schema: &Value) -> bool {
    let fields = schema.get("fields").and_then(Value::as_array);
    let names = |field: &Value| {
        field.get("policyTags").and_then(|tags| tags.get("names")).and_then(Value::as_array).is_some_and(|names| !names.is_empty())
    };
    fields.into_iter().flatten().any(|field| names(field) || has_tags(field))
}

/// A foreign key says that a column of another table holds what stands here.
fn referenced_tables(body: &Map<String, Value>, project: &str) -> Result<Vec<TableName>, FormFault> {
    let root = Path::ROOT;
    let at = root.name("tableConstraints");
    let keys = body.get("tableConstraints").and_then(|constraints| constraints.get("foreignKeys")).and_then(Value::as_array);
    let mut tables = Vec::new();
    for key in keys.into_iter().flatten() {
        let part = |name: &str| key.get("referencedTable").and_then(|table| table.get(name)).and_then(Value::as_str);
        let (Some(dataset), Some(table)) = (part("datasetId"), part("tableId")) else {
            return Err(FormFault::invalid(&at, "has a foreign key without a table"));
        };
        tables.push(TableName::new(part("projectId").unwrap_or(project), dataset, table));
    }
    Ok(tables)
}
