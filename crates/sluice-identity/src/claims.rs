//! Typed access to claims. A claim of another type is a refusal, never a conversion.

use crate::json::Object;
use crate::refusal::Reason;
use serde_json::Value;

pub const CLAIM_BYTES_MAX: usize = 1024;
/// Numbers that stand for repositories, projects, accounts.
const DIGITS_MAX: usize = 32;

#[derive(Clone, Debug)]
pub struct Claims<'a> {
    members: &'a Object,
    /// For texts: `kubernetes.io > pod`.
    path: String,
}

impl<'a> Claims<'a> {
    pub fn new(members: &'a Object) -> Claims<'a> {
        Claims { members, path: String::new() }
    }

    pub fn holds(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub fn members(&self) -> &'a Object {
        self.members
    }

    pub fn text(&self, name: &str) -> Result<&'a str, Reason> {
        self.text_if_present(name)?.ok_or_else(|| self.missing(name))
    }

    /// Null and the empty text count as absent: both are how issuers write facts that do not apply.
    pub fn text_if_present(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if is_plain(text) => Ok(Some(text)),
            Some(_) => Err(self.malformed(name, "a short text of visible characters")),
        }
    }

    pub fn owned_text_if_present(&self, name: &str) -> Result<Option<String>, Reason> {
        Ok(self.text_if_present(name)?.map(str::to_owned))
    }

    /// An identifier that is never given again, as text: `"456789"`.
    pub fn digits(&self, name: &str) -> Result<&'a str, Reason> {
        self.digits_if_present(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn digits_if_present(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        let Some(text) = self.text_if_present(name)? else { return Ok(None) };
        let plain = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { Ok(Some(text)) } else { Err(self.malformed(name, "a number in digits")) }
    }

    pub fn seconds(&self, name: &str) -> Result<u64, Reason> {
        self.seconds_if_present(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number: not a text, not a fraction, not null.
    pub fn seconds_if_present(&self, name: &str) -> Result<Option<u64>, Reason> {
        match self.members.get(name) {
            None => Ok(None),
            // Up to the year 9999, so that arithmetic cannot overflow.
            Some(value) => match value.as_u64().filter(|seconds| *seconds < 253_402_300_800) {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(self.malformed(name, "a number of seconds since 1970")),
            },
        }
    }

    pub fn flag_if_present(&self, name: &str) -> Result<Option<bool>, Reason> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.malformed(name, "true or false")),
        }
    }

    pub fn object_if_present(&self, name: &str) -> Result<Option<Claims<'a>>, Reason> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Claims { members, path: self.named(name) })),
            Some(_) => Err(self.malformed(name, "an object")),
        }
    }

    pub fn object(&self, name: &str) -> Result<Claims<'a>, Reason> {
        self.object_if_present(name)?.ok_or_else(|| self.missing(name))
    }

    /// A list of texts. One text alone is no list.
    pub fn texts(&self, name: &str) -> Result<Vec<&'a str>, Reason> {
        let expected = "a list of short texts";
        match self.members.get(name) {
            None => Err(self.missing(name)),
            Some(Value::Array(values)) => {
                let texts = values.iter().map(|value| value.as_str().filter(|text| is_plain(text)));
                texts.collect::<Option<Vec<&str>>>().ok_or_else(|| self.malformed(name, expected))
            }
            Some(_) => Err(self.malformed(name, expected)),
        }
    }

    pub fn malformed(&self, name: &str, expected: &'static str) -> Reason {
        Reason::ClaimMalformed { claim: self.named(name), expected }
    }

    pub fn missing(&self, name: &str) -> Reason {
        Reason::ClaimMissing(self.named(name))
    }

    fn named(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{} > {name}", self.path) }
    }
}

/// Not empty, not long, and nothing that is unseen or turns the order of what is seen: such characters are there to deceive a reader.
pub fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= CLAIM_BYTES_MAX && text.trim() == text && !text.chars().any(sluice_model::plain::is_hostile)
}
