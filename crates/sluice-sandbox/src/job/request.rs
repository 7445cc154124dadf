//! A query job's configuration, read and checked. What is asked for and not done is refused by name.

use super::parameters;
use crate::execute::Parameter;
use crate::problem::Problem;
use crate::store::DatasetName;
use serde_json::{Map, Value, json};
use sluice_model::TableName;

#[derive(Clone, Debug)]
pub struct QueryRequest {
    pub sql: String,
    pub default_dataset: Option<DatasetName>,
    pub parameters: Vec<Parameter>,
    pub destination: Option<TableName>,
    pub write: WriteDisposition,
    pub create_if_needed: bool,
    pub dry_run: bool,
    pub maximum_bytes_billed: Option<u64>,
    pub labels: Vec<(String, String)>,
    /// What a destination table is made with: partitioning, clustering.
    pub table_fields: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteDisposition {
    Append,
    Empty,
    Truncate,
}

/// Fields of a query's configuration that would change what it does.
const REFUSED: [&str; 8] = [
    "continuous",
    "createSession",
    "destinationEncryptionConfiguration",
    "rangePartitioning",
    "schemaUpdateOptions",
    "systemVariables",
    "tableDefinitions",
    "userDefinedFunctionResources",
];
/// Connection properties that change nothing here.
const HARMLESS_PROPERTIES: [&str; 2] = ["query_label", "service_account"];

impl QueryRequest {
    /// Reads `configuration` of `jobs.insert`.
    pub fn read(configuration: &Value, project: &str) -> Result<QueryRequest, Problem> {
        let query = configuration.get("query").filter(|query| query.is_object());
        let query = query.ok_or_else(|| Problem::invalid("Required parameter is missing: configuration.query"))?;
        refuse(query)?;
        check_kinds(configuration, query)?;
        let text = |field: &str| query.get(field).and_then(Value::as_str);
        let sql =
            text("query").filter(|sql| !sql.trim().is_empty()).ok_or_else(|| Problem::invalid("Required parameter is missing: query"))?;
        Ok(QueryRequest {
            sql: sql.to_owned(),
            default_dataset: dataset(query.get("defaultDataset"), project)?,
            parameters: parameters::read(query)?,
            destination: table(query.get("destinationTable"), project)?.map(whole).transpose()?,
            write: write_disposition(text("writeDisposition"), WriteDisposition::Empty)?,
            create_if_needed: create_disposition(text("createDisposition"))?,
            dry_run: boolean(configuration.get("dryRun")).unwrap_or(false),
            maximum_bytes_billed: checked_number(query, "maximumBytesBilled")?,
            labels: labels(configuration.get("labels"))?,
            table_fields: table_fields(query),
        })
    }
}

/// The body of `jobs.query` as a job's configuration.
pub fn configuration_of(body: &Value) -> Value {
    const OF_THE_QUERY: [&str; 14] = [
        "connectionProperties",
        "continuous",
        "createSession",
        "defaultDataset",
        "destinationEncryptionConfiguration",
        "maximumBytesBilled",
        "parameterMode",
        "preserveNulls",
        "query",
        "queryParameters",
        "schemaUpdateOptions",
        "systemVariables",
        "useLegacySql",
        "useQueryCache",
    ];
    let pick = |field: &&str| body.get(*field).map(|value| ((*field).to_owned(), value.clone()));
    let query: Map<String, Value> = OF_THE_QUERY.iter().filter_map(pick).collect();
    let mut configuration = Map::new();
    configuration.insert("query".to_owned(), Value::Object(query));
    configuration.extend(["dryRun", "labels", "jobTimeoutMs", "reservation"].iter().filter_map(pick));
    Value::Object(configuration)
}

/// `true`, `"true"`: query strings and some clients write booleans as text.
pub fn boolean(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => Some(text.eq_ignore_ascii_case("true")),
        _ => None,
    }
}

/// 64-bit numbers come as text.
pub fn number(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number that was given and is none is refused, not left out.
pub fn checked_number(body: &Value, field: &str) -> Result<Option<u64>, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        given => number(given).map(Some).ok_or_else(|| wrong(field)),
    }
}

pub(super) fn wrong(field: &str) -> Problem {
    Problem::invalid(format!("Invalid value for {field}"))
}

/// A field of another kind than BigQuery's would be taken for one that was not given.
fn check_kinds(configuration: &Value, query: &Value) -> Result<(), Problem> {
    type Kind = fn(&Value) -> bool;
    let flag: Kind =
        |value| value.is_boolean() || value.as_str().is_some_and(|word| ["true", "false"].contains(&word.to_ascii_lowercase().as_str()));
    let fields: [(&Value, Kind, &[&str]); 5] = [
        (configuration, flag, &["dryRun"]),
        (configuration, |value| number(Some(value)).is_some(), &["jobTimeoutMs"]),
        (query, flag, &["allowLargeResults", "flattenResults", "useLegacySql", "useQueryCache"]),
        (query, Value::is_array, &["connectionProperties", "queryParameters"]),
        (query, Value::is_string, &["createDisposition", "parameterMode", "priority", "query", "writeDisposition"]),
    ];
    for (body, is_kind, names) in fields {
        let given = |name: &&&str| body.get(**name).is_some_and(|value| !value.is_null() && !is_kind(value));
        if let Some(name) = names.iter().find(given) {
            return Err(wrong(name));
        }
    }
    Ok(())
}

fn refuse(query: &Value) -> Result<(), Problem> {
    let given = |field: &&&str| match query.get(**field) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    };
    if let Some(field) = REFUSED.iter().find(given) {
        return Err(Problem::not_implemented(&format!("`{field}` of a query")));
    }
    // BigQuery's own default is legacy SQL.
    if boolean(query.get("useLegacySql")) != Some(false) {
        return Err(Problem::not_implemented("legacy SQL (`useLegacySql` is true where it is not given)"));
    }
    let properties = query.get("connectionProperties").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let keys = properties.iter().filter_map(|property| property.get("key").and_then(Value::as_str));
    match keys.into_iter().find(|key| !HARMLESS_PROPERTIES.contains(key)) {
        Some(key) => Err(Problem::not_implemented(&format!("connection property `{key}`"))),
        None => Ok(()),
    }
}

fn dataset(reference: Option<&Value>, project: &str) -> Result<Option<DatasetName>, Problem> {
    let Some(reference) = reference.filter(|reference| !reference.is_null()) else { return Ok(None) };
    let text = |field: &str| reference.get(field).and_then(Value::as_str);
    let dataset = text("datasetId").ok_or_else(|| Problem::invalid("Required parameter is missing: datasetId"))?;
    Ok(Some(DatasetName::new(text("projectId").unwrap_or(project), dataset)))
}

pub(super) fn table(reference: Option<&Value>, project: &str) -> Result<Option<TableName>, Problem> {
    let Some(dataset) = dataset(reference, project)? else { return Ok(None) };
    let table = reference.and_then(|reference| reference.get("tableId")).and_then(Value::as_str);
    let table = table.ok_or_else(|| Problem::invalid("Required parameter is missing: tableId"))?;
    if table.contains('@') {
        return Err(Problem::not_implemented("time decorators"));
    }
    Ok(Some(TableName::new(&dataset.project, &dataset.dataset, table)))
}

fn whole(name: TableName) -> Result<TableName, Problem> {
    if name.table.contains('$') { Err(Problem::not_implemented("partitions that a query writes to")) } else { Ok(name) }
}

pub(super) fn write_disposition(word: Option<&str>, absent: WriteDisposition) -> Result<WriteDisposition, Problem> {
    match word {
        None | Some("") => Ok(absent),
        Some("WRITE_EMPTY") => Ok(WriteDisposition::Empty),
        Some("WRITE_APPEND") => Ok(WriteDisposition::Append),
        Some("WRITE_TRUNCATE") => Ok(WriteDisposition::Truncate),
        Some(other) => Err(Problem::not_implemented(&format!("write disposition `{other}`"))),
    }
}

pub(super) fn table_fields(query: &Value) -> Map<String, Value> {
    let given = |field: &&str| query.get(*field).filter(|value| value.is_object()).map(|value| ((*field).to_owned(), value.clone()));
    ["clustering", "timePartitioning"].iter().filter_map(given).collect()
}

pub(super) fn create_disposition(word: Option<&str>) -> Result<bool, Problem> {
    match word {
        None | Some("" | "CREATE_IF_NEEDED") => Ok(true),
        Some("CREATE_NEVER") => Ok(false),
        Some(_) => Err(wrong("createDisposition")),
    }
}

pub(super) fn labels(labels: Option<&Value>) -> Result<Vec<(String, String)>, Problem> {
    match labels {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(fields)) => {
            let one = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            fields.iter().map(one).collect::<Option<_>>().ok_or_else(|| Problem::invalid("Invalid value for labels"))
        }
        Some(other) => Err(Problem::invalid(format!("Invalid value for labels: {}", json!(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: Value, expect: Result<(), &str>) {
        let configuration = json!({ "query": query });
        let found = QueryRequest::read(&configuration, "p").map(|_| ());
        match expect {
            Ok(()) => assert_eq!(found, Ok(()), "{configuration}"),
            Err(part) => assert!(found.as_ref().is_err_and(|problem| problem.message.contains(part)), "{configuration}: {found:?}"),
        }
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        let with = |field: &str, value: Value| {
            let mut query = json!({ "query": "SELECT 1", "useLegacySql": false });
            query[field] = value;
            query
        };
        check(with("queryParameters", json!({ "a": 1 })), Err("queryParameters"));
        check(with("useLegacySql", json!("maybe")), Err("useLegacySql"));
        check(with("writeDisposition", json!(7)), Err("writeDisposition"));
        check(with("createDisposition", json!("CREATE_SOMETIMES")), Err("createDisposition"));
        check(with("maximumBytesBilled", json!("many")), Err("maximumBytesBilled"));
        check(with("maximumBytesBilled", json!("-1")), Err("maximumBytesBilled"));
        check(with("defaultDataset", json!("clinic")), Err("datasetId"));
        check(with("priority", json!("BATCH")), Ok(()));
        check(with("maximumBytesBilled", json!(1000)), Ok(()));
    }

    #[test]
    fn what_is_not_done_is_refused() {
        check(json!({ "query": "SELECT 1", "useLegacySql": false }), Ok(()));
        check(json!({ "query": "SELECT 1", "useLegacySql": "False", "createSession": false, "tableDefinitions": {} }), Ok(()));
        check(json!({ "query": "SELECT 1" }), Err("legacy"));
        check(json!({ "query": "SELECT 1", "useLegacySql": false, "createSession": true }), Err("createSession"));
        check(json!({ "query": "SELECT 1", "useLegacySql": false, "tableDefinitions": { "t": {} } }), Err("tableDefinitions"));
        check(
            json!({ "query": "SELECT 1", "useLegacySql": false, "connectionProperties": [{ "key": "session_id", "value": "x" }] }),
            Err("session_id"),
        );
        check(json!({ "query": " ", "useLegacySql": false }), Err("missing: query"));
        check(
            json!({ "query": "SELECT 1", "useLegacySql": false, "destinationTable": { "datasetId": "d", "tableId": "t$1" } }),
            Err("partition"),
        );
        assert!(QueryRequest::read(&json!({}), "p").is_err());
    }
}
