//! Tables and their rows.

use super::call::{Call, Reply, checked_name, referenced};
use super::datasets::{fill, merge};
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::job::resource::page;
use crate::problem::{Problem, Reason};
use crate::store::partition::Named;
use crate::store::{Row, Rows, Table, TableKind, table};
use crate::values::read::{self, RowError};
use crate::values::schema::schema_from_json;
use crate::values::{Column, ColumnMode, Datum};
use serde_json::{Value, json};
use sluice_model::TableName;
use std::sync::Arc;

const INSERTED_ROWS_MAX: usize = 50_000;

pub fn list(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let state = warehouse.snapshot();
    let tables = &state.dataset(&call.dataset())?.tables;
    let (page, next) = call.page(tables.iter().map(|(name, table)| (name.clone(), table)))?;
    let mut answer = json!({ "kind": "bigquery#tableList", "etag": "", "totalItems": tables.len() });
    fill(&mut answer, "tables", page.into_iter().map(|table| table.to_list_json()).collect(), next);
    Ok(Reply::Json(answer))
}

pub fn get(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let state = warehouse.snapshot();
    let named = Named::of(&call.table())?;
    let table = named.narrowed(state.table(&named.table)?)?;
    let mut resource = table.to_json(&state.dataset(&call.dataset())?.location);
    if let (Some(selected), Some(schema)) = (call.parameter("selectedFields"), resource.get_mut("schema")) {
        *schema = narrow(schema, &paths(selected));
    }
    Ok(Reply::Json(resource))
}

pub fn insert(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let id = checked_name(referenced(&call.body, "tableReference", "tableId")?)?;
    let name = TableName::new(call.project(), call.part("datasetId"), id);
    let mut table = Table::from_json(name.clone(), &call.body, now_milliseconds())?;
    if let TableKind::View { query, legacy } = &table.kind {
        table.columns = warehouse.view_columns(&name, query, *legacy)?;
    }
    warehouse.change(|working| {
        if working.state.find_table(&name).is_some() {
            let TableName { project, dataset, table } = &name;
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {project}:{dataset}.{table}")));
        }
        let location = working.state.dataset(&call.dataset())?.location.clone();
        working.put_table(table.clone())?;
        Ok(Reply::Json(table.to_json(&location)))
    })
}

/// `whole` replaces what is kept, otherwise only what is given changes.
pub fn change(warehouse: &Warehouse, call: &Call, whole: bool) -> Result<Reply, Problem> {
    let name = plain(call.table())?;
    let view = call.body.get("view").and_then(|view| view.get("query")).and_then(Value::as_str);
    let view_columns = view.map(|query| warehouse.view_columns(&name, query, false)).transpose()?;
    warehouse.change(|working| {
        let mut changed = Table::clone(working.state.table(&name)?);
        call.check_etag(&changed.etag())?;
        merge(&mut changed.extra, &table::KEPT, &call.body, whole);
        match (&changed.kind, view, &view_columns) {
            (TableKind::View { .. }, Some(query), Some(columns)) => {
                changed.kind = TableKind::View { query: query.to_owned(), legacy: false };
                changed.columns.clone_from(columns);
                changed.rows = Arc::new(Rows::held(Vec::new()));
            }
            (TableKind::Table, ..) => {
                if let Some(schema) = call.body.get("schema").filter(|schema| !schema.is_null()) {
                    widen(&mut changed, schema_from_json(schema)?)?;
                }
            }
            _ => {}
        }
        changed.modified_milliseconds = now_milliseconds().max(changed.modified_milliseconds + 1);
        let location = working.state.dataset(&call.dataset())?.location.clone();
        let resource = changed.to_json(&location);
        working.put_table(changed)?;
        Ok(Reply::Json(resource))
    })
}

pub fn delete(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let name = plain(call.table())?;
    warehouse.change(|working| {
        call.check_etag(&working.state.table(&name)?.etag())?;
        working.drop_table(&name)
    })?;
    Ok(Reply::Empty)
}

pub fn list_rows(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let state = warehouse.snapshot();
    let named = Named::of(&call.table())?;
    let table = named.narrowed(state.table(&named.table)?)?;
    if let TableKind::View { .. } = table.kind {
        return Err(Problem::invalid("Cannot list a table of type VIEW."));
    }
    let start = match call.parameter("pageToken") {
        Some(_) => call.number("pageToken")?,
        None => call.number("startIndex")?,
    };
    let (mut rows, next) = page(&table.rows, start.unwrap_or(0), call.number("maxResults")?, call.format());
    if let Some(selected) = call.parameter("selectedFields") {
        let selected = paths(selected);
        rows = rows.into_iter().map(|row| select(&table.columns, row, &selected)).collect::<Result<_, _>>()?;
    }
    let mut answer = json!({ "kind": "bigquery#tableDataList", "etag": table.etag(), "totalRows": table.rows.count().to_string() });
    if let Some(fields) = answer.as_object_mut() {
        if !rows.is_empty() {
            fields.insert("rows".to_owned(), Value::Array(rows));
        }
        fields.extend(next.map(|next| ("pageToken".to_owned(), json!(next.to_string()))));
    }
    Ok(Reply::Json(answer))
}

/// Rows that do not fit are named; none is taken then, unless the client wants the others.
pub fn insert_rows(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let name = plain(call.table())?;
    if call.body.get("templateSuffix").is_some_and(|suffix| !suffix.is_null()) {
        return Err(Problem::not_implemented("`templateSuffix`"));
    }
    let flag = |field: &str| crate::job::request::boolean(call.body.get(field)).unwrap_or(false);
    let (skip_invalid, ignore_unknown) = (flag("skipInvalidRows"), flag("ignoreUnknownValues"));
    let given = call.body.get("rows").and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let given = given.ok_or_else(|| Problem::invalid("No rows present in the request."))?;
    if given.len() > INSERTED_ROWS_MAX {
        return Err(Problem::invalid(format!("Too many rows: {}, at most {INSERTED_ROWS_MAX}", given.len())));
    }
    warehouse.change(|working| {
        let table = working.state.table(&name)?.clone();
        if table.kind != TableKind::Table {
            return Err(Problem::invalid(format!("Cannot add rows to a table of type {}.", table.type_word())));
        }
        let read: Vec<Result<Row, RowError>> = given.iter().map(|entry| read_entry(&table.columns, entry, ignore_unknown)).collect();
        let stopped = !skip_invalid && read.iter().any(Result::is_err);
        let errors: Vec<Value> = (0..).zip(&read).filter_map(|(index, row)| insert_error(index, row, stopped)).collect();
        let mut answer = json!({ "kind": "bigquery#tableDataInsertAllResponse" });
        if let (false, Some(fields)) = (errors.is_empty(), answer.as_object_mut()) {
            fields.insert("insertErrors".to_owned(), Value::Array(errors));
        }
        if !stopped {
            let old = table.rows.as_held().unwrap_or_default().iter().cloned();
            let rows = old.chain(read.into_iter().filter_map(Result::ok)).collect();
            working.put_table(Table {
                rows: Arc::new(Rows::held(rows)),
                modified_milliseconds: now_milliseconds(),
                ..Table::clone(&table)
            })?;
        }
        Ok(Reply::Json(answer))
    })
}

fn read_entry(columns: &[Column], entry: &Value, ignore_unknown: bool) -> Result<Row, RowError> {
    let missing = || RowError { location: String::new(), message: "Missing required field: json.".to_owned() };
    read::row(columns, entry.get("json").and_then(Value::as_object).ok_or_else(missing)?, ignore_unknown)
}

/// Where one row is refused and the others are not wanted without it, those are named too.
fn insert_error(index: usize, row: &Result<Row, RowError>, stopped: bool) -> Option<Value> {
    let (reason, location, message) = match row {
        Err(error) => ("invalid", error.location.as_str(), error.message.as_str()),
        Ok(_) if stopped => ("stopped", "", ""),
        Ok(_) => return None,
    };
    let error = json!({ "reason": reason, "location": location, "debugInfo": "", "message": message });
    Some(json!({ "index": index, "errors": [error] }))
}

fn plain(name: TableName) -> Result<TableName, Problem> {
    if name.table.contains(['$', '@']) {
        return Err(Problem::not_implemented("partition and time decorators"));
    }
    Ok(name)
}

/// A schema may gain columns at its end, become less strict, and change descriptions.
fn widen(table: &mut Table, given: Vec<Column>) -> Result<(), Problem> {
    let refused = |name: &str| Problem::invalid(format!("Provided Schema does not match Table {}. Field {name} differs.", table.name));
    for (old, new) in table.columns.iter().zip(&given) {
        let same = old.name.eq_ignore_ascii_case(&new.name) && old.full_type() == new.full_type();
        if !same || (new.mode == ColumnMode::Required && old.mode != ColumnMode::Required) {
            return Err(refused(&old.name));
        }
    }
    let added = given.get(table.columns.len()..).ok_or_else(|| refused("(missing)"))?;
    if let Some(column) = added.iter().find(|column| column.mode == ColumnMode::Required) {
        return Err(refused(&column.name));
    }
    let empty: Vec<Datum> =
        added.iter().map(|column| if column.mode == ColumnMode::Repeated { Datum::Array(Vec::new()) } else { Datum::Null }).collect();
    if !empty.is_empty() {
        let rows = table.rows.as_held().unwrap_or_default().iter();
        table.rows = Arc::new(Rows::held(rows.map(|row| row.iter().chain(&empty).cloned().collect()).collect()));
    }
    table.columns = given;
    Ok(())
}

/// As `selectedFields` has them.
fn paths(selected: &str) -> Vec<Vec<&str>> {
    selected.split(',').map(|path| path.split('.').collect()).collect()
}

/// A schema with only the selected fields.
fn narrow(schema: &Value, selected: &[Vec<&str>]) -> Value {
    let fields = schema.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    let kept = fields.into_iter().filter_map(|mut field| {
        let name = field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let own: Vec<_> = selected.iter().filter(|path| path.first().is_some_and(|first| first.eq_ignore_ascii_case(&name))).collect();
        let inner: Vec<Vec<&str>> =
            own.iter().filter_map(|path| path.get(1..)).filter(|rest| !rest.is_empty()).map(<[&str]>::to_vec).collect();
        if own.is_empty() {
            return None;
        }
        if inner.len() == own.len()
            && let Some(inside) = narrow(&field, &inner).get("fields").cloned()
        {
            field.as_object_mut()?.insert("fields".to_owned(), inside);
        }
        Some(field)
    });
    json!({ "fields": kept.collect::<Vec<_>>() })
}

/// A row with only the selected columns and fields, in the table's order.
fn select(columns: &[Column], row: Value, selected: &[Vec<&str>]) -> Result<Value, Problem> {
    let unknown =
        selected.iter().filter_map(|path| path.first()).find(|name| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)));
    if let Some(name) = unknown {
        return Err(Problem::invalid(format!("No such field: {name}.")));
    }
    let cells = row.get("f").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut kept = Vec::new();
    for (column, cell) in columns.iter().zip(cells) {
        let own: Vec<&Vec<&str>> =
            selected.iter().filter(|path| path.first().is_some_and(|name| column.name.eq_ignore_ascii_case(name))).collect();
        let inner: Vec<Vec<&str>> =
            own.iter().filter_map(|path| path.get(1..)).filter(|rest| !rest.is_empty()).map(<[&str]>::to_vec).collect();
        if own.is_empty() {
            continue;
        }
        if inner.len() < own.len() || cell.get("v").is_none_or(Value::is_null) {
            kept.push(cell);
            continue;
        }
        let value = cell.get("v").cloned().unwrap_or_default();
        let value = match value {
            Value::Array(elements) => {
                let element = |element: Value| {
                    let record = element.get("v").cloned().unwrap_or_default();
                    Ok(json!({ "v": select(&column.fields, record, &inner)? }))
                };
                elements.into_iter().map(element).collect::<Result<Value, Problem>>()?
            }
            record => select(&column.fields, record, &inner)?,
        };
        kept.push(json!({ "v": value }));
    }
    Ok(json!({ "f": kept }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    #[test]
    fn schemas_are_narrowed() {
        let schema = json!({ "fields": [{ "name": "id" }, { "name": "place", "fields": [{ "name": "city" }, { "name": "zip" }] }] });
        let check =
            |selected: &str, expect: Value| assert_eq!(narrow(&schema, &paths(selected)), json!({ "fields": expect }), "{selected}");
        check("ID", json!([{ "name": "id" }]));
        check("place.zip", json!([{ "name": "place", "fields": [{ "name": "zip" }] }]));
        check("place,place.zip", json!([{ "name": "place", "fields": [{ "name": "city" }, { "name": "zip" }] }]));
        check("none", json!([]));
    }

    #[test]
    fn selected_fields_are_kept() {
        let columns = columns_of("a INT64, s STRUCT<x INT64, y INT64>, r ARRAY<STRUCT<p INT64, q INT64>>").unwrap();
        let row = json!({ "f": [{ "v": "1" }, { "v": { "f": [{ "v": "2" }, { "v": "3" }] } }, { "v": [{ "v": { "f": [{ "v": "4" }, { "v": "5" }] } }] }] });
        let check = |selected: &str, expect: Value| {
            let paths: Vec<Vec<&str>> = selected.split(',').map(|path| path.split('.').collect()).collect();
            assert_eq!(select(&columns, row.clone(), &paths), Ok(json!({ "f": expect })), "{selected}");
        };
        check("A", json!([{ "v": "1" }]));
        check("s.y,a", json!([{ "v": "1" }, { "v": { "f": [{ "v": "3" }] } }]));
        check("r.q", json!([{ "v": [{ "v": { "f": [{ "v": "5" }] } }] }]));
        assert!(select(&columns, row, &[vec!["z"]]).is_err());
    }
}
