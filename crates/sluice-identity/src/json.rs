//! JSON, read so that two readers cannot understand it differently: no member twice, nothing behind the end, not too deep.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

pub type Object = Map<String, Value>;

/// Tokens and key sets of all known issuers stay below half of it.
pub const JSON_LEVELS_MAX: usize = 8;

/// What is wrong with the text, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFault(pub String);

pub fn read_object(text: &[u8]) -> Result<Object, JsonFault> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { levels_left: JSON_LEVELS_MAX }.deserialize(&mut deserializer).map_err(fault)?;
    deserializer.end().map_err(fault)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(JsonFault("not an object".to_owned())),
    }
}

fn fault(error: serde_json::Error) -> JsonFault {
    JsonFault(error.to_string())
}

#[derive(Clone, Copy)]
struct Strict {
    levels_left: usize,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Strict, E> {
        let levels_left = self.levels_left.checked_sub(1).ok_or_else(|| E::custom(format!("more than {JSON_LEVELS_MAX} levels")))?;
        Ok(Strict { levels_left })
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
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            // The name is compared after its escapes are read: `\u0061ud` is `aud`.
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("member `{name}` stands twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<usize, &str>) {
        let found = read_object(text.as_bytes()).map(|object| object.len());
        match expect {
            Ok(members) => assert_eq!(found, Ok(members), "{text}"),
            Err(part) => assert!(found.as_ref().is_err_and(|fault| fault.0.contains(part)), "{text}: {found:?}"),
        }
    }

    #[test]
    fn objects_are_read_strictly() {
        check("{}", Ok(0));
        check(r#" {"a":1,"b":[true,null,{"a":2}]} "#, Ok(2));
        check(r#"{"a":1,"a":1}"#, Err("stands twice"));
        check(r#"{"a":1,"\u0061":2}"#, Err("stands twice"));
        check(r#"{"x":{"a":1,"a":2}}"#, Err("stands twice"));
        check(r#"{"a":1}x"#, Err("trailing"));
        check(r#"{"a":1}{"a":1}"#, Err("trailing"));
        check("[1]", Err("not an object"));
        check("{\"a\":1,}", Err("trailing comma"));
        check("\u{feff}{}", Err("expected value"));
        check(r#"{"a":"\ud800"}"#, Err("hex escape"));
        check(r#"{"a":1e999}"#, Err("out of range"));
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels), "1") + &"}".repeat(levels);
        check(&nested(JSON_LEVELS_MAX), Ok(1));
        check(&nested(JSON_LEVELS_MAX + 1), Err("levels"));
        check(&format!("{{\"a\":{}}}", "[".repeat(100_000)), Err("levels"));
    }
}
