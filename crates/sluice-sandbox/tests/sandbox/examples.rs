//! The clinic's schemas in `examples/clinic` and the data that the warehouse starts with must agree.

use serde_json::{Map, Value};
use sluice_model::TableName;
use sluice_sandbox::data::{DataSettings, PROJECT};
use std::path::Path;

const TABLE_FIELDS: [&str; 3] = ["schema", "type", "view"];
const ROUTINE_FIELDS: [&str; 8] =
    ["arguments", "definitionBody", "language", "remoteFunctionOptions", "returnTableType", "returnType", "routineType", "sparkOptions"];

/// Only those fields; a view's query counts, not whether it says that it is no legacy SQL.
fn reduced(resource: &Value, fields: &[&str]) -> Map<String, Value> {
    let pick = |field: &&str| resource.get(*field).map(|value| ((*field).to_owned(), value.clone()));
    let mut kept: Map<String, Value> = fields.iter().filter_map(pick).collect();
    if let Some(view) = kept.get_mut("view").and_then(Value::as_object_mut) {
        view.entry("useLegacySql").or_insert(Value::Bool(false));
    }
    kept
}

#[test]
fn schemas_agree() {
    let state = DataSettings::default().state("US").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clinic");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = file.strip_suffix(".json") else { continue };
        let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let (dataset, name) = stem.split_once('.').unwrap();
        let (ours, fields): (Value, &[&str]) = match name.strip_suffix(".routine") {
            Some(routine) => {
                let name = TableName::new(PROJECT, dataset, routine);
                (state.find_routine(&name).unwrap_or_else(|| panic!("{file}")).to_json(), &ROUTINE_FIELDS)
            }
            None => {
                let name = TableName::new(PROJECT, dataset, name);
                (state.find_table(&name).unwrap_or_else(|| panic!("{file}")).to_json("US"), &TABLE_FIELDS)
            }
        };
        assert_eq!(reduced(&ours, fields), reduced(&expected, fields), "{file}");
        seen.push(file);
    }
    let ours: usize = state
        .datasets
        .values()
        .filter(|dataset| dataset.name.dataset != "bench")
        .map(|dataset| dataset.tables.len() + dataset.routines.len())
        .sum();
    assert_eq!(seen.len(), ours);
}
