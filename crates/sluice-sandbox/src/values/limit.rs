//! Lengths and digits of a column: `STRING(5)`, `NUMERIC(10, 2)`. Only stored values have them, not those of queries.

use super::datum::Datum;
use super::decimal;
use super::schema::{Column, Scalar};
use serde_json::{Map, Value, json};
use sluice_model::Type;

/// Fields of a column's resource for what stands in the brackets behind the type. `None` where the type has no such brackets.
pub fn of_brackets(kind: &Type, numbers: &[&str]) -> Option<Map<String, Value>> {
    let names: &[&str] = match kind {
        Type::String | Type::Bytes => &["maxLength"],
        Type::Numeric | Type::BigNumeric => &["precision", "scale"],
        _ => return None,
    };
    let good = (1..=names.len()).contains(&numbers.len()) && numbers.iter().all(|number| number.parse::<u32>().is_ok());
    good.then(|| names.iter().zip(numbers).map(|(name, number)| ((*name).to_owned(), json!(number))).collect())
}

/// Precision and scale of a column that has them.
pub fn digits(column: &Column) -> Option<(u8, i8)> {
    let precision = u8::try_from(limit(column, "precision")?).ok()?;
    Some((precision, i8::try_from(limit(column, "scale").unwrap_or(0)).ok()?))
}

/// Rounds to the column's scale, and refuses what is too long.
pub fn fit(column: &Column, cell: &mut Datum) -> Result<(), String> {
    match (&column.kind, cell) {
        (_, Datum::Array(elements)) => elements.iter_mut().try_for_each(|element| fit(column, element)),
        (Scalar::Record, Datum::Struct(cells)) => column.fields.iter().zip(cells).try_for_each(|(field, cell)| fit(field, cell)),
        (Scalar::Of(kind), Datum::String(text)) => check_length(column, kind, text.chars().count()),
        (Scalar::Of(kind), Datum::Bytes(bytes)) => check_length(column, kind, bytes.len()),
        (Scalar::Of(kind), Datum::Numeric(text) | Datum::BigNumeric(text)) => {
            let Some(precision) = limit(column, "precision") else { return Ok(()) };
            let scale = limit(column, "scale").unwrap_or(0);
            let rounded = decimal::rounded(text, scale);
            let whole = rounded.trim_start_matches('-').split('.').next().unwrap_or_default().trim_start_matches('0').len();
            if whole > precision.saturating_sub(scale) {
                return Err(format!(
                    "{kind}({precision}, {scale}) has precision {precision} and scale {scale} but got a value that is not in range"
                ));
            }
            *text = rounded;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_length(column: &Column, kind: &Type, length: usize) -> Result<(), String> {
    match limit(column, "maxLength") {
        Some(length_max) if length > length_max => {
            Err(format!("Field {}: {kind}({length_max}) has maximum length {length_max} but got a value with length {length}", column.name))
        }
        _ => Ok(()),
    }
}

/// 64-bit numbers come as text.
fn limit(column: &Column, field: &str) -> Option<usize> {
    let value = column.extra.get(field)?;
    value.as_str().map_or_else(|| value.as_u64().and_then(|number| usize::try_from(number).ok()), |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::schema_from_json;

    fn check(kind: &str, limits: Value, given: Datum, expect: Result<Datum, &str>) {
        let mut field = json!({ "name": "a", "type": kind });
        field.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let column = schema_from_json(&json!({ "fields": [field] })).unwrap().remove(0);
        let mut cell = given.clone();
        match (fit(&column, &mut cell), expect) {
            (Ok(()), Ok(expect)) => assert_eq!(cell, expect),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (found, _) => panic!("{kind} {limits} {given:?}: {found:?}"),
        }
    }

    #[test]
    fn values_fit_their_columns() {
        let text = |text: &str| Datum::String(text.to_owned());
        let number = |text: &str| Datum::Numeric(text.to_owned());
        check("STRING", json!({ "maxLength": "3" }), text("äöü"), Ok(text("äöü")));
        check("STRING", json!({ "maxLength": 3 }), text("abcd"), Err("maximum length 3 but got a value with length 4"));
        check("STRING", json!({}), text("abcd"), Ok(text("abcd")));
        check("BYTES", json!({ "maxLength": "1" }), Datum::Bytes(vec![1, 2]), Err("BYTES(1)"));
        check("STRING", json!({ "maxLength": "1" }), Datum::Array(vec![text("ab")]), Err("STRING(1)"));
        check("NUMERIC", json!({ "precision": "4", "scale": "2" }), number("1.235"), Ok(number("1.24")));
        check("NUMERIC", json!({ "precision": "4", "scale": "2" }), number("-99.995"), Err("NUMERIC(4, 2)"));
        check("NUMERIC", json!({ "precision": "2" }), number("9.4"), Ok(number("9")));
        check("NUMERIC", json!({ "precision": "2", "scale": "2" }), number("0.5"), Ok(number("0.5")));
        check("NUMERIC", json!({}), number("1.235"), Ok(number("1.235")));
    }

    #[test]
    fn brackets_are_read() {
        let check = |kind: Type, numbers: &[&str], expect: Option<Value>| {
            assert_eq!(of_brackets(&kind, numbers).map(Value::Object), expect, "{kind} {numbers:?}");
        };
        check(Type::String, &["5"], Some(json!({ "maxLength": "5" })));
        check(Type::Numeric, &["10", "2"], Some(json!({ "precision": "10", "scale": "2" })));
        check(Type::BigNumeric, &["10"], Some(json!({ "precision": "10" })));
        check(Type::String, &["5", "6"], None);
        check(Type::String, &["MAX"], None);
        check(Type::Int64, &["5"], None);
    }
}
