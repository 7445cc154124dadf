//! Counts of bytes, where exact ones would tell how long values are that the caller may not see.

use crate::decide::Admission;
use crate::gateway::{Gateway, Passage};
use crate::ports::{JobState, Resource as Answer};
use crate::refusal::Why;
use crate::trail::Stage;
use crate::understand::{Understood, shown};
use serde_json::{Map, Value};
use sluice_mask::{COARSE_BYTES, Head};
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{Inherited, Known, Outcome, Request, Resource, Work};
use sluice_sql::Required;
use sluice_wire::policy_tags;
use std::collections::BTreeSet;

/// In every name of a count of bytes, and in no other name that BigQuery counts by.
const BYTES: &str = "bytes";
/// What of a table is told whole to those alone who may read it whole: a filter holds values that somebody looks for, and each value of a
/// partitioning column is a partition.
const OF_VALUES: [&str; 2] = ["filterPredicate", "numPartitions"];
const NESTING_MAX: usize = 16;
/// Leaves columns out of a table's schema, and nothing of its sizes.
const SELECTED: &str = "selectedFields";
const MATERIALIZED: &str = "MATERIALIZED_VIEW";
/// BigQuery's view of the tables of a dataset, and its column that is a size.
const TABLES: &str = "__TABLES__";
const SIZE: &str = "size_bytes";

/// How counts of bytes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    Exact,
    /// In steps, for what others have stored.
    Steps,
    /// As the least step, whatever they are: who chooses how long hidden values are, for one answer to a question and for the other, sees it by any step.
    Least,
}

impl Gateway {
    pub(crate) fn sizes(&self, request: &Request, may_be_told: bool) -> Sizes {
        let Work::Statement(statement) = &request.work else { return Sizes::of(may_be_told, false) };
        let statements = &statement.analysis.statements;
        let reads = statements.iter().flat_map(|statement| &statement.reads);
        Sizes::of(may_be_told, statements.len() > 1 || reads.into_iter().any(|read| self.carries(&read.table)))
    }

    /// The same by what BigQuery says that a job is and has read. A script has tables of its own.
    pub(crate) fn sizes_of_job(&self, state: &JobState) -> Sizes {
        let is_script = state.statement_type.as_deref() == Some("SCRIPT");
        let is_chosen = |table: &TableName| table.dataset.starts_with('_') || self.carries(table);
        Sizes::of(false, is_script || state.referenced_tables.iter().any(is_chosen))
    }

    pub(crate) fn carries(&self, table: &TableName) -> bool {
        self.parts.in_force.carries(&table.bare())
    }

    pub(crate) fn count_bytes(&self, sizes: Sizes, bytes: u64) -> u64 {
        match sizes {
            Sizes::Exact => bytes,
            Sizes::Steps => self.parts.mask_keys.coarse_bytes(bytes),
            Sizes::Least => COARSE_BYTES,
        }
    }

    /// A statement that reads the sizes of a dataset's tables: they get the labels of all that is in the dataset, and keep them. Its pages are
    /// decided on by the same.
    pub(crate) async fn label_sizes(&self, passage: &Passage, understood: &mut Understood) -> Result<(), Why> {
        let reads = understood.analysis.statements.iter().flat_map(|statement| &statement.reads);
        let sizes = reads.filter(|read| {
            let is_size = |path: &String| path.eq_ignore_ascii_case(SIZE);
            read.table.table.eq_ignore_ascii_case(TABLES) && read.columns.iter().any(is_size)
        });
        let views: BTreeSet<TableName> = sizes.map(|read| read.table.clone()).collect();
        let mut labels = Vec::new();
        for view in views {
            let column = ColumnPath { table: view.clone(), path: vec![SIZE.to_owned()] };
            for label in self.labels_of_dataset(passage, &view, &mut understood.known).await? {
                if understood.known.inherit(&column, &label) {
                    labels.push(Inherited { column: column.clone(), label, computed: false });
                }
            }
        }
        self.keep_labels(passage.subject, labels).await
    }

    async fn labels_of_dataset(&self, passage: &Passage, view: &TableName, known: &mut Known) -> Result<BTreeSet<String>, Why> {
        let all = TableName { table: "*".to_owned(), ..view.clone() };
        let wanted = Required { tables: vec![all.clone()], ..Required::default() };
        let asking = self.parts.catalog.fetch(&passage.connection, &wanted);
        let policy = self.parts.in_force.policy();
        let Ok(found) = passage.visit.trail.walk(Stage::Catalog, asking).await else {
            // Too many to look at: whatever could be there counts.
            return Ok(policy.labels.of_table(&all, known).into_iter().map(str::to_owned).collect());
        };
        self.remember_tags(known, &found.tags).await?;
        let tables = found.snapshot.tables.values();
        let outputs = tables.flat_map(|table| table.columns.iter().map(|column| shown(&table.name, column)));
        let columns = outputs.flat_map(|output| output.exposures).map(|exposure| exposure.column);
        let labels =
            columns.flat_map(|column| policy.labels.of(&column, known).into_iter().map(|label| label.name.clone()).collect::<Vec<_>>());
        Ok(labels.collect())
    }

    pub(crate) fn told_head(&self, mut head: Head, sizes: Sizes) -> Head {
        if sizes != Sizes::Exact {
            coarsen_fields(&mut head.rest, &|bytes| self.count_bytes(sizes, bytes));
        }
        head
    }

    /// The description of a table, as it may be told. One's own result is described by its statement: it holds what was read before it is masked,
    /// and nothing that BigQuery counts beside.
    pub(crate) async fn tell_of_table(&self, passage: &Passage, admission: &Admission, known: &Known, mut answer: Answer) -> Answer {
        let mut coarse = answer.0.clone();
        coarsen_table(&mut coarse, &|_| COARSE_BYTES);
        if coarse == answer.0 {
            return answer;
        }
        let request = admission.permit.value().request();
        let sizes = match &request.work {
            Work::Statement(_) => Sizes::of(admission.may_tell.texts, true),
            Work::Method(method) => match &method.resource {
                Resource::Table(table) => {
                    Sizes::of(self.shows_whole_of(passage, request, table, known, &answer.0).await, self.carries(table))
                }
                _ => Sizes::Exact,
            },
        };
        if sizes != Sizes::Exact {
            coarsen_table(&mut answer.0, &|bytes| self.count_bytes(sizes, bytes));
        }
        answer
    }

    /// The same by what BigQuery says of a table just now. What a materialized view holds comes from columns of other tables.
    async fn shows_whole_of(&self, passage: &Passage, request: &Request, table: &TableName, known: &Known, answer: &Value) -> bool {
        let (table, mut known) = (table.bare(), known.clone());
        if answer.get("type").and_then(Value::as_str) == Some(MATERIALIZED) {
            return false;
        }
        match self.learn_tags(passage, request, &table, &mut known, answer).await {
            Ok(()) => self.shows_whole(passage, &request.project, &table, &known).await,
            // It has acted: what cannot be looked up is told less exactly, and is no fault.
            Err(_) => false,
        }
    }

    /// A table may have tags that nobody has seen yet: those that stand beside its sizes count, and where columns were left out, all that it has.
    async fn learn_tags(
        &self,
        passage: &Passage,
        request: &Request,
        table: &TableName,
        known: &mut Known,
        answer: &Value,
    ) -> Result<(), Why> {
        let forget = || self.parts.catalog.forget(table);
        let is_whole = !request.sends.query.iter().any(|(name, _)| name == SELECTED);
        if let Some(schema) = answer.get("schema").filter(|_| is_whole) {
            let (tags, before) = (policy_tags(table, schema), known.clone());
            self.remember_tags(known, &tags).await?;
            if *known != before {
                forget();
            }
            return Ok(());
        }
        forget();
        let wanted = Required { tables: vec![table.clone()], ..Required::default() };
        let found = passage.visit.trail.walk(Stage::Catalog, self.parts.catalog.fetch(&passage.connection, &wanted)).await?;
        self.remember_tags(known, &found.tags).await
    }

    /// A copy, an extract or a load that went well, as it may be told: it counts the bytes of all columns.
    pub(crate) async fn tell_of_moved(&self, passage: &Passage, mut state: JobState) -> JobState {
        let source = state.resource.0.pointer("/configuration/extract/sourceTable").and_then(reference);
        let Some(table) = source.or_else(|| state.destination.clone()) else { return state };
        let (table, known) = (table.bare(), self.parts.in_force.known());
        if !self.shows_whole(passage, &state.name.project, &table, &known).await
            && let Some(statistics) = state.resource.0.get_mut("statistics")
        {
            let sizes = Sizes::of(false, self.carries(&table));
            coarsen(statistics, &|bytes| self.count_bytes(sizes, bytes));
        }
        state
    }

    /// Whether the caller may read every column of a table as it is.
    pub(crate) async fn shows_whole(&self, passage: &Passage, project: &str, table: &TableName, known: &Known) -> bool {
        if self.parts.in_force.policy().labels.of_table(table, known).is_empty() {
            return true;
        }
        let tables = std::slice::from_ref(table);
        let Ok(columns) = self.columns(&passage.visit.trail, &passage.connection, tables, None).await else { return false };
        let read = self.weigh_method(passage, project, ("tabledata.list", table, columns.outputs), &columns.known);
        read.outcome == Outcome::Permitted && read.masks.is_empty()
    }
}

impl Sizes {
    fn of(may_be_told: bool, are_chosen: bool) -> Sizes {
        match (may_be_told, are_chosen) {
            (true, _) => Sizes::Exact,
            (false, true) => Sizes::Least,
            (false, false) => Sizes::Steps,
        }
    }
}

/// A table as jobs name it.
fn reference(named: &Value) -> Option<TableName> {
    let part = |name: &str| named.get(name).and_then(Value::as_str);
    Some(TableName::new(part("projectId")?, part("datasetId")?, part("tableId")?))
}

/// All counts of bytes in statistics, wherever they stand.
pub(crate) fn coarsen(value: &mut Value, coarse: &dyn Fn(u64) -> u64) {
    coarsen_at(value, coarse, 0);
}

/// The same for what stands beside each other.
pub(crate) fn coarsen_fields(fields: &mut Map<String, Value>, coarse: &dyn Fn(u64) -> u64) {
    for (name, value) in fields {
        coarsen_named(name, value, coarse, 0);
    }
}

/// Of a table, or of things that are listed of one. People choose the names of its labels, and the texts of its columns.
fn coarsen_table(table: &mut Value, coarse: &dyn Fn(u64) -> u64) {
    let Some(fields) = table.as_object_mut() else { return };
    fields.retain(|name, _| !OF_VALUES.contains(&name.as_str()));
    for (name, value) in fields {
        match value {
            Value::Array(listed) if name == "rowAccessPolicies" => listed.iter_mut().for_each(|policy| coarsen_table(policy, coarse)),
            Value::Object(_) if name == "streamingBuffer" => coarsen_at(value, coarse, 0),
            Value::Object(_) | Value::Array(_) => {}
            value => coarsen_named(name, value, coarse, 0),
        }
    }
}

fn coarsen_at(value: &mut Value, coarse: &dyn Fn(u64) -> u64, depth: usize) {
    match value {
        Value::Object(_) | Value::Array(_) if depth > NESTING_MAX => *value = Value::Null,
        Value::Object(fields) => {
            for (name, value) in fields {
                coarsen_named(name, value, coarse, depth);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| coarsen_at(element, coarse, depth + 1)),
        _ => {}
    }
}

fn coarsen_named(name: &str, value: &mut Value, coarse: &dyn Fn(u64) -> u64, depth: usize) {
    if !name.to_ascii_lowercase().contains(BYTES) {
        return coarsen_at(value, coarse, depth + 1);
    }
    let exact = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    // In the form that it had; what is no count is not told.
    *value = match exact.map(coarse) {
        Some(bytes) if value.is_string() => Value::String(bytes.to_string()),
        Some(bytes) => Value::from(bytes),
        None if name.ends_with("Accuracy") => return,
        None => Value::Null,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn thousand(_: u64) -> u64 {
        1_000
    }

    #[test]
    fn counts_of_bytes_are_told_coarsely_wherever_they_stand() {
        let check = |mut value: Value, expect: Value| {
            coarsen(&mut value, &thousand);
            assert_eq!(value, expect);
        };
        check(json!({ "totalBytesProcessed": "7", "totalSlotMs": "7" }), json!({ "totalBytesProcessed": "1000", "totalSlotMs": "7" }));
        check(
            json!({ "query": { "totalBytesBilled": 7, "totalBytesProcessedAccuracy": "PRECISE", "cacheHit": false } }),
            json!({ "query": { "totalBytesBilled": 1000, "totalBytesProcessedAccuracy": "PRECISE", "cacheHit": false } }),
        );
        check(json!({ "copy": [{ "copiedLogicalBytes": "7" }] }), json!({ "copy": [{ "copiedLogicalBytes": "1000" }] }));
        check(json!({ "inputBytes": "7.5", "outputBytes": -1 }), json!({ "inputBytes": null, "outputBytes": null }));
    }

    #[test]
    fn of_a_table_sizes_and_filters_are_withheld() {
        let mut table = json!({
            "numBytes": "7", "numRows": "7", "numPartitions": "3", "streamingBuffer": { "estimatedBytes": "7", "estimatedRows": "1" },
            "labels": { "bytes": "7" }, "schema": { "fields": [{ "name": "bytes", "description": "7" }] }, "filterPredicate": "ssn = '7'",
        });
        coarsen_table(&mut table, &thousand);
        assert_eq!(
            table,
            json!({
                "numBytes": "1000", "numRows": "7", "streamingBuffer": { "estimatedBytes": "1000", "estimatedRows": "1" },
                "labels": { "bytes": "7" }, "schema": { "fields": [{ "name": "bytes", "description": "7" }] },
            })
        );
        let mut listed = json!({ "rowAccessPolicies": [{ "filterPredicate": "ssn = '7'", "etag": "e" }] });
        coarsen_table(&mut listed, &thousand);
        assert_eq!(listed, json!({ "rowAccessPolicies": [{ "etag": "e" }] }));
    }
}
