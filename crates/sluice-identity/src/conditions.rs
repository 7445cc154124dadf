//! Conditions on signed claims: `{ repository_id = ["456789"], "kubernetes.io > namespace" = ["etl"] }`. Values are compared letter by letter;
//! there are no patterns, because patterns on names are how strangers' repositories got in elsewhere.

use crate::json::Object;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions(pub Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub path: Vec<String>,
    pub values: BTreeSet<String>,
}

impl Conditions {
    pub fn hold(&self, claims: &Object) -> bool {
        self.first_missed(claims).is_none()
    }

    pub fn first_missed(&self, claims: &Object) -> Option<String> {
        self.0.iter().find(|condition| !condition.holds(claims)).map(Condition::name)
    }

    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(Condition::name)
    }
}

impl Condition {
    pub fn new(name: &str, values: BTreeSet<String>) -> Condition {
        Condition { path: name.split(" > ").map(str::to_owned).collect(), values }
    }

    pub fn name(&self) -> String {
        self.path.join(" > ")
    }

    fn holds(&self, claims: &Object) -> bool {
        // An address that the issuer has not verified is something that its owner typed.
        let is_address = self.path.last().is_some_and(|name| name == "email");
        if is_address && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return false;
        }
        let Some((last, before)) = self.path.split_last() else { return false };
        let mut members = claims;
        for name in before {
            let Some(Value::Object(inside)) = members.get(name) else { return false };
            members = inside;
        }
        match members.get(last) {
            Some(Value::Array(values)) => values.iter().any(|value| self.accepts(value)),
            Some(value) => self.accepts(value),
            None => false,
        }
    }

    fn accepts(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.values.contains(text),
            Value::Bool(flag) => self.values.contains(if *flag { "true" } else { "false" }),
            Value::Number(number) => number.as_u64().is_some_and(|number| self.values.contains(&number.to_string())),
            Value::Array(_) | Value::Null | Value::Object(_) => false,
        }
    }
}
