//! Datasets with the tables of the test kit's clinic: small, and the same but for labelled values in each variant.

use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Map, Value as Json, json};
use sluice_model::Type;
use sluice_testkit::interference::clinic::{ClinicTable, TABLES, VIEW};
use sluice_testkit::interference::value::Value;
use sluice_testkit::interference::variants::Rows;

/// Rows by the name of their table, in the order of the clinic's tables.
pub type Tables = Vec<(&'static str, Rows)>;

/// Makes the dataset at the warehouse itself.
pub fn fill(world: &World, dataset: &str, tables: &Tables) {
    let made =
        |answer: Answer| assert!(answer.status == 200 && answer.json().get("insertErrors").is_none(), "{dataset}: {}", answer.text());
    let body = json!({ "datasetReference": { "projectId": "acme-prod", "datasetId": dataset }, "location": "US" });
    made(world.direct("POST", &format!("{API}/datasets"), Some(&body)));
    for (table, (_, rows)) in TABLES.iter().zip(tables) {
        let columns: Vec<String> = table.columns.iter().map(|(name, kind)| format!("`{name}` {kind}")).collect();
        let create = match table.name == VIEW.0 {
            true => format!("CREATE VIEW {dataset}.{} AS {}", table.name, VIEW.1.replace(".clinic.", &format!(".{dataset}."))),
            false => format!("CREATE TABLE {dataset}.{} ({})", table.name, columns.join(", ")),
        };
        made(world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": create, "useLegacySql": false }))));
        if table.name != VIEW.0 {
            let rows: Vec<Json> = rows.iter().map(|row| json!({ "json": as_row(table, row) })).collect();
            let path = format!("{API}/datasets/{dataset}/tables/{}/insertAll", table.name);
            made(world.direct("POST", &path, Some(&json!({ "rows": rows }))));
        }
    }
}

fn as_row(table: &ClinicTable, row: &[Value]) -> Json {
    let cells = table.kinds().into_iter().zip(row);
    cells.map(|((name, kind), value)| (name.to_owned(), as_json(&kind, value))).collect::<Map<_, _>>().into()
}

fn as_json(kind: &Type, value: &Value) -> Json {
    match (kind, value) {
        (_, Value::Null) => Json::Null,
        (_, Value::Bool(truth)) => json!(truth),
        (_, Value::Integer(number)) => json!(number),
        (_, Value::Text(text)) => json!(text),
        (Type::Array(element), Value::List(values)) => values.iter().map(|value| as_json(element, value)).collect(),
        (Type::Struct(fields), Value::Record(values)) => {
            let fields = fields.iter().zip(values);
            fields.map(|(field, value)| (field.name.clone(), as_json(&field.kind, value))).collect::<Map<_, _>>().into()
        }
        (kind, value) => panic!("{value} is no {kind}"),
    }
}
