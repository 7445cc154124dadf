//! JSON of clients, read strictly: a name that stands twice means one thing to us and another one to BigQuery, so it is refused.

use super::fault::{FormFault, Path, quoted};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Of one body. BigQuery takes 10 MB.
pub const BODY_BYTES_MAX: usize = 10 << 20;
/// Lists and objects inside of each other.
pub const BODY_DEPTH_MAX: usize = 64;
/// Values of one body, whatever they are in. Two bytes can be a value, which takes a hundred once it is read.
pub const BODY_VALUES_MAX: usize = 1_200_000;
/// What a value takes at most or nearly so, with its name and its part of the object that it is in.
pub const BODY_VALUE_BYTES: usize = 224;

/// Marks our own texts among the reader's.
const OURS: &str = "sluice: ";

/// The whole of a body. Nothing at all is an empty object, as BigQuery takes it.
pub fn read(bytes: &[u8]) -> Result<Value, FormFault> {
    if bytes.len() > BODY_BYTES_MAX {
        let text = format!("the body has {} bytes, accepted are at most {BODY_BYTES_MAX}", bytes.len());
        return Err(FormFault::too_large(&Path::ROOT, text));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let values = values_in(bytes);
    if values > BODY_VALUES_MAX {
        let text = format!("the body has {values} values, accepted are at most {BODY_VALUES_MAX}: send it in parts");
        return Err(FormFault::too_large(&Path::ROOT, text));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| FormFault::invalid(&Path::ROOT, told(&error)))
}

/// As many values as the text can have at most, for a price before it is paid: one behind each comma and each opening, outside of texts.
pub fn values_in(bytes: &[u8]) -> usize {
    let (mut values, mut in_text, mut is_escaped) = (1, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values
}

fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(OURS) {
        Some((_, ours)) => ours.rsplit_once(" at line ").map_or(ours, |(ours, _)| ours).to_owned(),
        None => format!("the body is no JSON: line {}, column {}", error.line(), error.column()),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn within<E: Error>(self) -> Result<Strict, E> {
        if self.depth >= BODY_DEPTH_MAX {
            return Err(E::custom(format!("{OURS}the body is nested deeper than {BODY_DEPTH_MAX} levels")));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom(format!("{OURS}the body has a number that is not finite")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(within)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(within)?;
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("{OURS}the body has the name {} twice in one object", quoted(&name))));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        match (read(text.as_bytes()), expect) {
            (Ok(value), Ok(expect)) => assert_eq!(value.to_string(), expect, "{text}"),
            (Err(fault), Err(expect)) => assert_eq!(fault.to_string(), expect, "{text}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn bodies_are_read_strictly() {
        check(r#"{"b": [1, -2, 1.5, "x", true, null], "a": {}}"#, Ok(r#"{"b":[1,-2,1.5,"x",true,null],"a":{}}"#));
        check(" \r\n", Ok("{}"));
        check(r#"{"a": 1, "b": {"c": 1, "c": 2}}"#, Err("the body has the name `c` twice in one object"));
        check(r#"{"query": 1, "q\u0075ery": 2}"#, Err("the body has the name `query` twice in one object"));
        check(r#"{"a at line 7": 1, "a at line 7": 2}"#, Err("the body has the name `a at line 7` twice in one object"));
        check("{\"a\":\n 1,}", Err("the body is no JSON: line 2, column 4"));
        check("{} {}", Err("the body is no JSON: line 1, column 4"));
        check("\u{feff}{}", Err("the body is no JSON: line 1, column 1"));
        check(r#"{"a": "\ud800"}"#, Err("the body is no JSON: line 1, column 14"));
        check(r#"{"a": 1e999}"#, Err("the body is no JSON: line 1, column 11"));
        check("{'a': 1}", Err("the body is no JSON: line 1, column 2"));
    }

    #[test]
    fn values_are_counted_before_they_are_read() {
        let count = |value: &Value| -> usize {
            let mut waiting = vec![value];
            let mut count = 0;
            while let Some(value) = waiting.pop() {
                count += 1;
                match value {
                    Value::Array(list) => waiting.extend(list),
                    Value::Object(fields) => waiting.extend(fields.values()),
                    _ => {}
                }
            }
            count
        };
        for (text, expect) in [
            ("7", 1),
            ("[]", 2),
            ("[1,2]", 3),
            (r#"{"a":{"b":[1,2,{}]},"c":null}"#, 8),
            (r#"{"a,[{":"\",[{","b\\":[","]}"#, 4),
            (r#"["\\\"",1]"#, 3),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(values_in(text.as_bytes()), expect, "{text}");
            assert!(count(&value) <= expect, "{text}");
        }
    }

    #[test]
    fn many_values_are_too_many_and_rows_are_not() {
        let lists = |values: usize| format!("{{\"a\":[{}[]]}}", "[],".repeat(values));
        let fault = read(lists(BODY_VALUES_MAX / 2).as_bytes()).unwrap_err();
        assert_eq!(fault.reason, sluice_app::FormReason::TooLarge);
        assert!(fault.to_string().contains("values, accepted are at most 1200000"), "{fault}");
        assert!(read(lists(BODY_VALUES_MAX / 2 - 10).as_bytes()).is_ok());
        // Ten megabytes of rows, as `insertAll` takes them at once.
        let row = r#"{"insertId":"00000001","json":{"id":12345678,"name":"somebody","is_new":true,"score":0.25,"tags":["a","b"],"at":"2026-01-01"}}"#;
        let rows = vec![row; (BODY_BYTES_MAX - 100) / (row.len() + 1)];
        assert!(read(format!("{{\"rows\":[{}]}}", rows.join(",")).as_bytes()).is_ok());
    }

    #[test]
    fn nesting_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(BODY_DEPTH_MAX), Ok(&nested(BODY_DEPTH_MAX)));
        check(&nested(BODY_DEPTH_MAX + 1), Err("the body is nested deeper than 64 levels"));
        check(&"{\"a\":".repeat(100_000), Err("the body is nested deeper than 64 levels"));
        let large = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(read(&large).unwrap_err().reason, sluice_app::FormReason::TooLarge);
        assert!(read(b"\xff").is_err());
    }
}
