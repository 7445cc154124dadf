//! BigQuery's columns as an Avro schema.

use crate::problem::Problem;
use crate::values::{Column, ColumnMode, Scalar, limit};
use serde_json::{Value, json};
use sluice_model::Type;
use std::collections::BTreeSet;

/// Of types that are BigQuery's own.
const NAMESPACE: &str = "google.sqlType";
const NUMERIC_DIGITS: (u8, i8) = (38, 9);
/// The first digit is not whole.
const BIG_NUMERIC_DIGITS: (u8, i8) = (77, 38);

pub fn schema(columns: &[Column]) -> Result<String, Problem> {
    let mut names = Names::default();
    Ok(json!({ "type": "record", "name": "__root__", "fields": names.fields(columns)? }).to_string())
}

/// Digits of a decimal column, all and behind the point.
pub fn digits(kind: &Type, column: &Column) -> (u8, i8) {
    limit::digits(column).unwrap_or(if *kind == Type::BigNumeric { BIG_NUMERIC_DIGITS } else { NUMERIC_DIGITS })
}

/// Avro's records have names, and each is described once.
#[derive(Default)]
struct Names {
    records: usize,
    described: BTreeSet<String>,
}

impl Names {
    fn fields(&mut self, columns: &[Column]) -> Result<Vec<Value>, Problem> {
        columns.iter().map(|column| self.field(column)).collect()
    }

    fn field(&mut self, column: &Column) -> Result<Value, Problem> {
        if !is_name(&column.name) {
            let message = format!("request failed: the name of the column {} is none in Avro: letters, digits and _ alone", column.name);
            return Err(Problem::invalid(message));
        }
        let element = self.element(column)?;
        let kind = match column.mode {
            ColumnMode::Nullable => json!(["null", element]),
            ColumnMode::Repeated => json!({ "type": "array", "items": element }),
            ColumnMode::Required => element,
        };
        Ok(json!({ "name": column.name, "type": kind }))
    }

    fn element(&mut self, column: &Column) -> Result<Value, Problem> {
        let kind = match &column.kind {
            Scalar::Of(kind) => kind,
            Scalar::Record => {
                let name = format!("__s_{}", self.records);
                self.records += 1;
                return Ok(json!({ "type": "record", "name": name, "fields": self.fields(&column.fields)? }));
            }
        };
        Ok(match kind {
            Type::Interval => self.own("INTERVAL", |name| {
                let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
                let fields = [field("months", "int"), field("days", "int"), field("microseconds", "long")];
                json!({ "type": "record", "namespace": NAMESPACE, "name": name, "fields": fields })
            }),
            Type::Range(inner) => self.own(&format!("RANGE_{inner}"), |name| {
                let end = |end: &str| json!({ "name": end, "type": ["null", plain(inner, column)] });
                let fields = [end("start"), end("end")];
                json!({ "type": "record", "namespace": NAMESPACE, "name": name, "sqlType": "RANGE", "fields": fields })
            }),
            other => plain(other, column),
        })
    }

    /// A record of BigQuery's own: in full where it comes first, then by its name.
    fn own(&mut self, name: &str, describe: impl Fn(&str) -> Value) -> Value {
        if self.described.insert(name.to_owned()) { describe(name) } else { json!(format!("{NAMESPACE}.{name}")) }
    }
}

fn plain(kind: &Type, column: &Column) -> Value {
    match kind {
        Type::Bool => json!("boolean"),
        Type::Bytes => json!("bytes"),
        Type::Date => json!({ "type": "int", "logicalType": "date" }),
        Type::Datetime => json!({ "type": "string", "logicalType": "datetime" }),
        Type::Float64 => json!("double"),
        Type::Geography => json!({ "type": "string", "sqlType": "GEOGRAPHY" }),
        Type::Int64 => json!("long"),
        Type::Json => json!({ "type": "string", "sqlType": "JSON" }),
        Type::BigNumeric | Type::Numeric => {
            let (precision, scale) = digits(kind, column);
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        Type::Time => json!({ "type": "long", "logicalType": "time-micros" }),
        Type::Timestamp => json!({ "type": "long", "logicalType": "timestamp-micros" }),
        // Those with parts are made by their fields.
        Type::Array(_) | Type::Interval | Type::Range(_) | Type::String | Type::Struct(_) => json!("string"),
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    first && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    fn check(columns: &str, expect: Value) {
        let found: Value = serde_json::from_str(&schema(&columns_of(columns).unwrap()).unwrap()).unwrap();
        assert_eq!(found, json!({ "type": "record", "name": "__root__", "fields": expect }), "{columns}");
    }

    #[test]
    fn columns_are_described() {
        check(
            "a INT64, d DATETIME, g GEOGRAPHY, n BIGNUMERIC",
            json!([
                { "name": "a", "type": ["null", "long"] },
                { "name": "d", "type": ["null", { "type": "string", "logicalType": "datetime" }] },
                { "name": "g", "type": ["null", { "type": "string", "sqlType": "GEOGRAPHY" }] },
                { "name": "n", "type": ["null", { "type": "bytes", "logicalType": "decimal", "precision": 77, "scale": 38 }] },
            ]),
        );
        check(
            "r ARRAY<STRUCT<x STRING, s STRUCT<y BYTES>>>",
            json!([{ "name": "r", "type": { "type": "array", "items": { "type": "record", "name": "__s_0", "fields": [
                { "name": "x", "type": ["null", "string"] },
                { "name": "s", "type": ["null", { "type": "record", "name": "__s_1", "fields": [{ "name": "y", "type": ["null", "bytes"] }] }] },
            ] } } }]),
        );
    }

    #[test]
    fn what_has_a_name_is_described_once() {
        let date = json!(["null", { "type": "int", "logicalType": "date" }]);
        let range = json!({ "type": "record", "namespace": "google.sqlType", "name": "RANGE_DATE", "sqlType": "RANGE", "fields": [
            { "name": "start", "type": date }, { "name": "end", "type": date },
        ] });
        check(
            "a RANGE<DATE>, b ARRAY<RANGE<DATE>>",
            json!([
                { "name": "a", "type": ["null", range] },
                { "name": "b", "type": { "type": "array", "items": "google.sqlType.RANGE_DATE" } },
            ]),
        );
        let columns = columns_of("a INTERVAL, b INTERVAL").unwrap();
        assert_eq!(schema(&columns).unwrap().matches("microseconds").count(), 1);
    }

    #[test]
    fn names_that_avro_lacks_are_refused() {
        let refused = |name: &str| schema(&[Column::of(name, &Type::Int64)]).is_err();
        assert_eq!(["a", "_9", "9", "a b", "\u{e4}", ""].map(refused), [false, false, true, true, true, true]);
    }
}
