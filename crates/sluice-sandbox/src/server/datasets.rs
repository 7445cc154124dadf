//! Datasets, projects and routines.

use super::call::{Call, Reply, checked_name, referenced};
use super::labels::LabelFilter;
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::problem::{Problem, Reason};
use crate::store::{Dataset, DatasetName, Routine, Working, dataset};
use serde_json::{Map, Value, json};
use sluice_model::RoutineName;
use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

pub fn list_projects(warehouse: &Warehouse) -> Reply {
    let state = warehouse.snapshot();
    let names: BTreeSet<&str> = state.datasets.keys().map(|name| name.project.as_str()).chain([warehouse.project.as_str()]).collect();
    let project = |name: &str| json!({ "kind": "bigquery#project", "id": name, "numericId": "1", "projectReference": { "projectId": name }, "friendlyName": name });
    let projects: Vec<Value> = names.into_iter().map(project).collect();
    let mut answer = json!({ "kind": "bigquery#projectList", "etag": "", "totalItems": projects.len() });
    fill(&mut answer, "projects", projects, None);
    Reply::Json(answer)
}

pub fn service_account(call: &Call) -> Reply {
    let email = format!("bq-1@{}.sandbox.example", call.project());
    Reply::Json(json!({ "kind": "bigquery#getServiceAccountResponse", "email": email }))
}

pub fn list(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let state = warehouse.snapshot();
    let own = state.datasets.values().filter(|dataset| dataset.name.project == call.project());
    let wanted = LabelFilter::parse(call.parameter("filter").unwrap_or_default())?;
    let shown = own.filter(|dataset| (call.flag("all") || !dataset.name.is_hidden()) && wanted.matches(dataset.extra.get("labels")));
    let (page, next) = call.page(shown.map(|dataset| (dataset.name.dataset.clone(), dataset)))?;
    let mut answer = json!({ "kind": "bigquery#datasetList", "etag": "" });
    fill(&mut answer, "datasets", page.into_iter().map(|dataset| dataset.to_list_json()).collect(), next);
    Ok(Reply::Json(answer))
}

pub fn get(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    Ok(Reply::Json(warehouse.snapshot().dataset(&call.dataset())?.to_json()))
}

pub fn insert(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let id = checked_dataset_id(referenced(&call.body, "datasetReference", "datasetId")?)?;
    let name = DatasetName::new(call.project(), id);
    warehouse.change(|working| {
        if working.state.datasets.contains_key(&name) {
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Dataset {}:{}", name.project, name.dataset)));
        }
        let dataset = Dataset::from_json(name.clone(), &call.body, &warehouse.location, now_milliseconds());
        let resource = dataset.to_json();
        working.put_dataset(dataset);
        Ok(Reply::Json(resource))
    })
}

/// `whole` replaces what is kept, otherwise only what is given changes.
pub fn change(warehouse: &Warehouse, call: &Call, whole: bool) -> Result<Reply, Problem> {
    warehouse.change(|working| {
        let mut changed = Dataset::clone(working.state.dataset(&call.dataset())?);
        call.check_etag(&changed.etag())?;
        merge(&mut changed.extra, &dataset::KEPT, &call.body, whole);
        changed.modified_milliseconds = now_milliseconds().max(changed.modified_milliseconds + 1);
        let resource = changed.to_json();
        working.put_dataset(changed);
        Ok(Reply::Json(resource))
    })
}

pub fn delete(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    warehouse.change(|working| {
        call.check_etag(&working.state.dataset(&call.dataset())?.etag())?;
        working.drop_dataset(&call.dataset(), call.flag("deleteContents"))
    })?;
    Ok(Reply::Empty)
}

pub fn list_routines(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let state = warehouse.snapshot();
    let wanted = call.parameter("filter").map(routine_kind).transpose()?;
    let routines = state.dataset(&call.dataset())?.routines.values();
    let routines = routines.filter(|routine| wanted.is_none_or(|wanted| routine.kind.word() == wanted));
    let (page, next) = call.page(routines.map(|routine| (routine.name.table.clone(), routine)))?;
    let mut answer = json!({});
    fill(&mut answer, "routines", page.into_iter().map(|routine| routine.to_json()).collect(), next);
    Ok(Reply::Json(answer))
}

pub fn get_routine(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let name = call.routine();
    let state = warehouse.snapshot();
    state.dataset(&call.dataset())?;
    let missing = || Problem::not_found(format!("Not found: Routine {}:{}.{}", name.project, name.dataset, name.table));
    Ok(Reply::Json(state.find_routine(&name).ok_or_else(missing)?.to_json()))
}

pub fn insert_routine(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let id = checked_name(referenced(&call.body, "routineReference", "routineId")?)?;
    let name = RoutineName::new(call.project(), call.part("datasetId"), id);
    warehouse.change(|working| {
        if working.state.find_routine(&name).is_some() {
            let RoutineName { project, dataset, table } = &name;
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Routine {project}:{dataset}.{table}")));
        }
        put_routine(working, &name, &call.body)
    })
}

pub fn update_routine(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    let name = call.routine();
    warehouse.change(|working| {
        let missing = || Problem::not_found(format!("Not found: Routine {}:{}.{}", name.project, name.dataset, name.table));
        let old = working.state.find_routine(&name).ok_or_else(missing)?;
        call.check_etag(&format!("{:016x}", old.modified_milliseconds))?;
        put_routine(working, &name, &call.body)
    })
}

pub fn delete_routine(warehouse: &Warehouse, call: &Call) -> Result<Reply, Problem> {
    warehouse.change(|working| working.drop_routine(&call.routine()))?;
    Ok(Reply::Empty)
}

/// A list and the token of the next page into an answer. BigQuery leaves an empty list out.
pub fn fill(answer: &mut Value, name: &str, entries: Vec<Value>, next: Option<String>) {
    if let Some(fields) = answer.as_object_mut() {
        if let Some(etag) = fields.get_mut("etag") {
            let mut hasher = DefaultHasher::new();
            (Value::Array(entries.clone()).to_string(), &next).hash(&mut hasher);
            *etag = json!(format!("{:016x}", hasher.finish()));
        }
        if !entries.is_empty() {
            fields.insert(name.to_owned(), Value::Array(entries));
        }
        fields.extend(next.map(|next| ("nextPageToken".to_owned(), json!(next))));
    }
}

/// Lays a client's fields over those that are kept. Null takes a field away.
pub fn merge(kept: &mut Map<String, Value>, names: &[&str], body: &Value, whole: bool) {
    for name in names {
        match (body.get(*name), whole) {
            (Some(Value::Null), _) | (None, true) => drop(kept.remove(*name)),
            (None, false) => {}
            // Labels are laid over each other one by one, a null value takes a label away.
            (Some(Value::Object(given)), false) if *name == "labels" => {
                let mut labels = kept.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
                labels.extend(given.clone());
                labels.retain(|_, value| !value.is_null());
                kept.insert("labels".to_owned(), Value::Object(labels));
            }
            (Some(value), _) => drop(kept.insert((*name).to_owned(), value.clone())),
        }
    }
}

/// `routineType:SCALAR_FUNCTION`.
fn routine_kind(filter: &str) -> Result<&str, Problem> {
    filter.strip_prefix("routineType:").ok_or_else(|| Problem::invalid(format!("Invalid filter expression: {filter}")))
}

/// Narrower than the names of tables: no dashes, no spaces.
fn checked_dataset_id(id: &str) -> Result<&str, Problem> {
    let good = id.len() <= 1_024 && id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let message = || {
        format!(
            "Invalid dataset ID \"{id}\". Dataset IDs must be alphanumeric (plus underscores) and must be at most 1024 characters long."
        )
    };
    if good { Ok(id) } else { Err(Problem::invalid(message())) }
}

fn put_routine(working: &mut Working, name: &RoutineName, body: &Value) -> Result<Reply, Problem> {
    let routine = Routine::from_json(name.clone(), body, now_milliseconds())?;
    let resource = routine.to_json();
    working.put_routine(routine)?;
    Ok(Reply::Json(resource))
}
