//! Rows that a client streams into a table.

use super::super::configuration::FormFault;
use super::super::configuration::fault::Path;
use super::super::configuration::shape::{self, Message, Shape, TEXT, dropped, kept, refused};
use super::{Call, Decoded, resource};
use serde_json::{Map, Value};

/// BigQuery takes 50 000 rows of one request.
pub const INSERTED_ROWS_MAX: usize = 50_000;
const TEMPLATE: &str = "writes into another table than the path names: make that table, and name it in the path";
/// Columns that say what becomes of the row that is there already.
const CHANGE_TYPE: &str = "_CHANGE_TYPE";

/// Rows are looked at by hand: their columns are the table's.
static INSERT_ALL: Message = Message {
    name: "TableDataInsertAllRequest",
    fields: &[
        kept("skipInvalidRows", Shape::Flag),
        kept("ignoreUnknownValues", Shape::Flag),
        kept("traceId", TEXT),
        refused("templateSuffix", TEMPLATE),
        dropped("kind"),
        dropped("rows"),
    ],
};

pub fn insert_all(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let root = Path::ROOT;
    let mut body = shape::object(&INSERT_ALL, call.body, &root)?;
    let at = root.name("rows");
    let given = call.body.get("rows").and_then(Value::as_array).ok_or_else(|| FormFault::invalid(&at, "is not a list of rows"))?;
    if given.len() > INSERTED_ROWS_MAX {
        let text = format!("has {} rows, accepted are at most {INSERTED_ROWS_MAX}", given.len());
        return Err(FormFault::too_large(&at, text));
    }
    let mut changes_rows = false;
    let mut rows = Vec::with_capacity(given.len());
    for (place, row) in given.iter().enumerate() {
        let (row, changes) = read_row(row, &at.place(place))?;
        rows.push(row);
        changes_rows |= changes;
    }
    body.insert("rows".to_owned(), Value::Array(rows));
    let place = resource(call.matched);
    let asks = ["delete", "update"].into_iter().filter(|_| changes_rows);
    let also = asks.map(|action| (action.to_owned(), place.clone())).collect();
    Ok(Decoded { body: Some(body), also, ..Decoded::default() })
}

fn read_row(row: &Value, at: &Path<'_>) -> Result<(Value, bool), FormFault> {
    let fields = row.as_object().ok_or_else(|| FormFault::invalid(at, "is not an object"))?;
    let mut clean = Map::new();
    for (name, value) in fields {
        let at = at.name(name);
        match name.as_str() {
            "insertId" if value.is_null() => continue,
            "insertId" if value.is_string() => {}
            "insertId" => return Err(FormFault::invalid(&at, "is not a text")),
            "json" if value.is_object() => {}
            "json" => return Err(FormFault::invalid(&at, "is not an object")),
            _ => return Err(FormFault::invalid(&at, "is no field of a row: accepted are `insertId` and `json`")),
        }
        clean.insert(name.clone(), value.clone());
    }
    let columns = clean.get("json").and_then(Value::as_object).ok_or_else(|| FormFault::invalid(&at.name("json"), "is missing"))?;
    let changes = columns.keys().any(|name| name.trim().eq_ignore_ascii_case(CHANGE_TYPE));
    Ok((Value::Object(clean), changes))
}
