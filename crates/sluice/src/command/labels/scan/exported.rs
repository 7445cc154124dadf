//! Rows of `INFORMATION_SCHEMA.JOBS` in a file.

use super::reading::Scanned;
use crate::command::Failure;
use serde_json::Value;
use sluice_model::TableName;
use sluice_outbound::{CopyKind, HISTORY_BYTES_MAX, PastJob, PastWork};
use std::path::Path;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Exported {
    /// The oldest first.
    pub jobs: Vec<PastJob>,
    /// Jobs that were understood at once: they carried no value from one table to another.
    idle: usize,
    /// What is no such row, or lacks what has to be known: its place, and why.
    unread: Vec<(String, String)>,
}

/// One row.
#[derive(Debug, PartialEq)]
enum Row {
    /// With when it was created.
    Job(String, Box<PastJob>),
    /// Loads and extracts read no table into another; a query that only went to its client wrote none.
    Idle,
}

impl Exported {
    /// What was found out of the jobs, with the rows that are none.
    pub fn with(self, scanned: Scanned) -> Scanned {
        let unread = self.unread.into_iter().chain(scanned.unread).collect();
        Scanned { jobs: scanned.jobs + self.idle, understood: scanned.understood + self.idle, unread, ..scanned }
    }
}

pub fn read(path: &Path) -> Result<Exported, Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > HISTORY_BYTES_MAX as u64 {
        return Err(failed(format!("the history has {size} bytes, more than {HISTORY_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    of_text(&text).map_err(failed)
}

fn of_text(text: &str) -> Result<Exported, String> {
    let rows: Vec<(String, Value)> = match serde_json::from_str(text) {
        Ok(Value::Array(rows)) => rows.into_iter().enumerate().map(|(number, row)| (format!("entry {}", number + 1), row)).collect(),
        _ => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let row = |(number, line): (usize, &str)| serde_json::from_str(line).map(|row| (format!("line {}", number + 1), row));
            // A value over several lines is one thing, and no row.
            let rows: Result<Vec<_>, _> = lines.map(row).collect();
            match (rows, serde_json::from_str::<Value>(text)) {
                (Ok(rows), _) => rows,
                (Err(_), Ok(whole)) => vec![("line 1".to_owned(), whole)],
                (Err(error), Err(_)) => return Err(error.to_string()),
            }
        }
    };
    let (mut exported, mut jobs) = (Exported::default(), Vec::new());
    for (place, read) in rows {
        match row(&read) {
            Ok(Row::Job(created, job)) => jobs.push((created, *job)),
            Ok(Row::Idle) => exported.idle += 1,
            Err(why) => exported.unread.push((place, why.to_owned())),
        }
    }
    jobs.sort_by(|(one, _), (other, _)| one.cmp(other));
    exported.jobs = jobs.into_iter().map(|(_, job)| job).collect();
    Ok(exported)
}

fn row(row: &Value) -> Result<Row, &'static str> {
    let given = |name: &str| row.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = |name: &str| given(name).unwrap_or_default().to_owned();
    let destination = row.get("destination_table").and_then(table);
    let sources = row.get("referenced_tables").and_then(Value::as_array).into_iter().flatten().filter_map(table).collect();
    let is_query = given("statement_type").is_none_or(|kind| kind == "SELECT");
    let work = match (given("job_type"), given("query")) {
        (Some("COPY"), _) => PastWork::Copy { kind: CopyKind::Copy, sources, destination },
        (Some("LOAD" | "EXTRACT"), _) => return Ok(Row::Idle),
        (None, None) => return Err("it is no row of INFORMATION_SCHEMA.JOBS: it has neither `job_type` nor `query`"),
        (Some(_), None) => return Err("it has no `query`"),
        (_, Some(_)) if is_query && row.get("destination_table").is_none() => {
            return Err("it has no `destination_table`: nobody knows what it wrote");
        }
        (_, Some(_)) if given("statement_type").is_some() && is_query && destination.as_ref().is_none_or(is_hidden) => {
            return Ok(Row::Idle);
        }
        (_, Some(text)) => PastWork::Query { text: text.to_owned(), default_dataset: None, is_legacy: false, destination },
    };
    let job = PastJob { id: text("job_id"), project: text("project_id"), created_ms: 0, children: 0, work };
    Ok(Row::Job(text("creation_time"), Box::new(job)))
}

/// Results that only went to their client lie there.
fn is_hidden(table: &TableName) -> bool {
    table.dataset.starts_with('_')
}

fn table(value: &Value) -> Option<TableName> {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    Some(TableName::new(part("project_id")?, part("dataset_id")?, part("table_id")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_row_counts_as_something() {
        let table = |dataset: &str| json!({ "project_id": "p", "dataset_id": dataset, "table_id": "t" });
        let check = |row: Value, expect: Result<bool, &str>| match (super::row(&row), expect) {
            (Ok(found), Ok(is_job)) => assert_eq!(found != Row::Idle, is_job, "{row}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{row}: {why}"),
            (found, _) => panic!("{row}: {found:?}"),
        };
        let select = |destination: Value| json!({ "job_type": "QUERY", "statement_type": "SELECT", "query": "SELECT 1", "destination_table": destination });
        check(select(table("d")), Ok(true));
        check(select(table("_anon")), Ok(false));
        check(select(Value::Null), Ok(false));
        check(json!({ "job_type": "QUERY", "statement_type": "SELECT", "query": "SELECT 1" }), Err("destination_table"));
        check(json!({ "query": "SELECT 1" }), Err("destination_table"));
        check(json!({ "job_type": "QUERY", "statement_type": "INSERT", "query": "INSERT d.t SELECT 1" }), Ok(true));
        check(json!({ "job_type": "QUERY", "statement_type": "INSERT", "query": null }), Err("it has no `query`"));
        check(json!({ "job_type": "LOAD", "query": null }), Ok(false));
        check(json!({ "job_type": "COPY" }), Ok(true));
        let camel_case = json!({ "jobType": "QUERY", "configuration": { "query": { "query": "SELECT 1" } } });
        for none in [camel_case, json!({}), json!([]), json!(7), json!({ "query": "" })] {
            check(none, Err("no row of INFORMATION_SCHEMA.JOBS"));
        }
    }

    #[test]
    fn rows_are_told_by_their_place() {
        let check = |text: &str, expect: Result<&[&str], ()>| {
            let found = of_text(text).map(|exported| exported.unread.into_iter().map(|(place, _)| place).collect::<Vec<_>>());
            assert_eq!(found.map_err(|_| ()), expect.map(|places| places.iter().map(|place| (*place).to_owned()).collect()), "{text}");
        };
        check("[]", Ok(&[]));
        check("", Ok(&[]));
        check("[{\"job_type\":\"LOAD\"},{}]", Ok(&["entry 2"]));
        check("{\"job_type\":\"LOAD\"}\n\n{\"a\":1}\n", Ok(&["line 3"]));
        check("{\n  \"jobs\": []\n}", Ok(&["line 1"]));
        check("no JSON", Err(()));
    }
}
