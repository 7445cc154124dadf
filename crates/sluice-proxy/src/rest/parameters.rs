//! What stands behind the question mark: known names, each once, each of its type. A parameter that is not understood is refused by its name.

use super::fields::Mask;
use super::methods::{Method, Type};
use super::percent::{self, Place};
use sluice_app::FormReason;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Of the method, as text.
    given: Vec<(&'static str, String)>,
    pub fields: Option<Mask>,
    pub pretty: bool,
    pub upload_type: Option<String>,
    pub upload_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFault {
    pub reason: FormReason,
    pub text: String,
}

pub const QUERY_BYTES_MAX: usize = 32 << 10;
pub const PARAMETER_BYTES_MAX: usize = 16 << 10;
const QUOTED_CHARACTERS_MAX: usize = 60;

/// Which of the parameters that every method has are of use at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    Discovery,
    Plain,
    Upload,
}

impl Parameters {
    /// `text` as it stands in the request, without the question mark.
    pub fn read(text: &str, method: Option<&'static Method>, address: Address) -> Result<Parameters, ParameterFault> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(ParameterFault::too_large(format!("the query of the address is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let mut parameters = Parameters::default();
        let mut seen: Vec<String> = Vec::new();
        for pair in text.split('&').filter(|_| !text.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let broken = |fault: percent::PercentFault| ParameterFault::invalid(format!("the query of the address {}", fault.text()));
            let name = percent::decode(name, Place::Query).map_err(broken)?;
            let value = percent::decode(value, Place::Query).map_err(broken)?;
            if value.len() > PARAMETER_BYTES_MAX {
                return Err(ParameterFault::too_large(format!(
                    "the parameter {} is longer than {PARAMETER_BYTES_MAX} bytes",
                    quoted(&name)
                )));
            }
            let known = method.and_then(|method| method.parameter(&name));
            if seen.contains(&name) && !matches!(known, Some((_, Type::Words(_)))) {
                return Err(ParameterFault::invalid(format!("the parameter {} stands twice", quoted(&name))));
            }
            match known {
                Some((known, kind)) => parameters.given.push((known, checked(known, kind, value)?)),
                None => parameters.take_general(&name, value, address)?,
            }
            seen.push(name);
        }
        Ok(parameters)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Whatever the client said of it.
    pub fn set(&mut self, name: &'static str, number: u64) {
        self.given.retain(|(known, _)| *known != name);
        self.given.push((name, number.to_string()));
    }

    /// For upstream: what was understood, in its one spelling.
    pub fn sent(&self) -> Vec<(String, String)> {
        self.given.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Those that every method of Google's has.
    fn take_general(&mut self, name: &str, value: String, address: Address) -> Result<(), ParameterFault> {
        let refuse = |text: &str| Err(ParameterFault::invalid(format!("the parameter `{name}` {text}")));
        match name {
            "alt" if value == "json" => {}
            "alt" => return refuse("is not `json`: answers come as JSON"),
            "$.xgafv" if matches!(value.as_str(), "1" | "2") => {}
            "$.xgafv" => return refuse("is neither `1` nor `2`"),
            "prettyPrint" => self.pretty = checked("prettyPrint", Type::Flag, value)? == "true",
            "fields" if value.is_empty() => {}
            "fields" => match Mask::parse(&value) {
                Some(mask) => self.fields = Some(mask),
                None => return refuse("is no field mask, like `id,status(state,errors/message)`"),
            },
            // Whose quota is used is the gateway's affair.
            "key" | "quotaUser" | "userIp" => {}
            "access_token" | "oauth_token" => return refuse("puts a secret into an address: send the header `Authorization` instead"),
            "callback" => return refuse("asks for a script: answers come as JSON"),
            "version" if address == Address::Discovery && value == "v2" => {}
            "labels" if address == Address::Discovery => {}
            "uploadType" if address == Address::Upload => self.upload_type = Some(value),
            "upload_protocol" if address == Address::Upload => self.upload_type = Some(value),
            "upload_id" if address == Address::Upload => self.upload_id = Some(value),
            _ => return Err(ParameterFault::invalid(format!("the parameter {} is none of this method: take it away", quoted(name)))),
        }
        Ok(())
    }
}

fn checked(name: &'static str, kind: Type, value: String) -> Result<String, ParameterFault> {
    let wrong = |what: &str| Err(ParameterFault::invalid(format!("the parameter `{name}` is {}, accepted is {what}", quoted(&value))));
    match kind {
        // Python writes its own booleans.
        Type::Flag => match value.as_str() {
            "true" | "True" | "TRUE" | "1" => Ok("true".to_owned()),
            "false" | "False" | "FALSE" | "0" => Ok("false".to_owned()),
            _ => wrong("`true` or `false`"),
        },
        Type::Number(number_max) => {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            match value.parse::<u64>().ok().filter(|number| digits && *number <= number_max) {
                Some(number) => Ok(number.to_string()),
                None => wrong(&format!("a whole number from 0 to {number_max}")),
            }
        }
        Type::Text => Ok(value),
        Type::Word(words) | Type::Words(words) if words.contains(&value.as_str()) => Ok(value),
        Type::Word(words) | Type::Words(words) => wrong(&format!("one of {}", words.join(", "))),
    }
}

/// Words of a client's, fit for a sentence.
fn quoted(words: &str) -> String {
    let mut text: String =
        words.chars().take(QUOTED_CHARACTERS_MAX).map(|letter| if letter == '`' || letter.is_control() { '?' } else { letter }).collect();
    if words.chars().nth(QUOTED_CHARACTERS_MAX).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

impl ParameterFault {
    fn invalid(text: String) -> ParameterFault {
        ParameterFault { reason: FormReason::Invalid, text }
    }

    fn too_large(text: String) -> ParameterFault {
        ParameterFault { reason: FormReason::TooLarge, text }
    }
}

#[cfg(test)]
mod tests {
    use super::super::methods::METHODS;
    use super::*;

    fn check(method: &str, query: &str, expect: Result<&str, &str>) {
        let method = METHODS.iter().find(|known| known.name == method);
        assert!(method.is_some());
        let found = Parameters::read(query, method, Address::Plain);
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                let sent: Vec<String> = found.sent().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
                assert_eq!(sent.join(" "), expect, "{query}");
            }
            (Err(fault), Err(part)) => assert!(fault.text.contains(part), "{query}: {}", fault.text),
            (found, _) => panic!("{query}: {found:?}"),
        }
    }

    #[test]
    fn parameters_are_known_or_refused() {
        check("jobs.list", "", Ok(""));
        check("jobs.list", "stateFilter=done&stateFilter=running&maxResults=7", Ok("stateFilter=done stateFilter=running maxResults=7"));
        check(
            "jobs.getQueryResults",
            "formatOptions.useInt64Timestamp=True&timeoutMs=0",
            Ok("formatOptions.useInt64Timestamp=true timeoutMs=0"),
        );
        check(
            "jobs.getQueryResults",
            "location=US&prettyPrint=false&alt=json&fields=rows&key=abc&quotaUser=me&$.xgafv=2",
            Ok("location=US"),
        );
        check("jobs.getQueryResults", "startIndex=18446744073709551615", Ok("startIndex=18446744073709551615"));
        check("jobs.getQueryResults", "pageToken=a%2Bb+c%3D", Ok("pageToken=a+b c="));
        check("jobs.get", "projection=full", Ok("projection=full"));
        check("jobs.getQueryResults", "pageToken=", Ok(""));
        let refused = [
            ("maxResults=1&maxResults=1", "`maxResults` stands twice"),
            ("maxResults=1&m%61xResults=2", "`maxResults` stands twice"),
            ("location=US&location=US", "`location` stands twice"),
            ("alt=json&alt=json", "`alt` stands twice"),
            ("maxResults=-1", "`-1`, accepted is a whole number"),
            ("maxResults=+1", "` 1`, accepted is a whole number"),
            ("maxResults=%2B1", "`+1`, accepted is a whole number"),
            ("maxResults=1e3", "a whole number"),
            ("maxResults=0x10", "a whole number"),
            ("maxResults=4294967296", "a whole number from 0 to 4294967295"),
            ("startIndex=18446744073709551616", "a whole number"),
            ("maxResults=", "a whole number"),
            ("maxResults", "a whole number"),
            ("timeoutMs=%D9%A3", "a whole number"),
            ("formatOptions.useInt64Timestamp=yes", "`true` or `false`"),
            ("formatOptions.timestampOutputFormat=RAW", "one of"),
            ("alt=media", "is not `json`"),
            ("alt=proto", "is not `json`"),
            ("alt=", "is not `json`"),
            ("$.xgafv=3", "neither"),
            ("fields=a(", "no field mask"),
            ("access_token=ya29", "puts a secret into an address"),
            ("oauth_token=ya29", "puts a secret into an address"),
            ("callback=alert", "asks for a script"),
            ("uploadType=media", "`uploadType` is none of this method"),
            ("upload_protocol=raw", "`upload_protocol` is none of this method"),
            ("MaxResults=1", "`MaxResults` is none of this method"),
            ("maxresults=1", "`maxresults` is none of this method"),
            ("max_results=1", "is none of this method"),
            ("selectedFields=a", "`selectedFields` is none of this method"),
            ("a=1&&b=2", "is none of this method"),
            ("&", "is none of this method"),
            ("location=US&", "is none of this method"),
            ("=x", "is none of this method"),
            ("location=%", "two hexadecimal digits"),
            ("location=%ff", "not UTF-8"),
            ("location=%00", "control character"),
            ("location=US%0d%0a", "control character"),
            ("location=a;b", "percent-encoded"),
            ("%00=1", "control character"),
            ("maxResults[]=1", "is none of this method"),
            ("?maxResults=1", "is none of this method"),
        ];
        for (query, part) in refused {
            check("jobs.getQueryResults", query, Err(part));
        }
        check("jobs.list", "stateFilter=dead", Err("one of"));
        check("jobs.getQueryResults", &format!("pageToken={}", "x".repeat(PARAMETER_BYTES_MAX + 1)), Err("longer than"));
        check("jobs.getQueryResults", &"x".repeat(QUERY_BYTES_MAX + 1), Err("longer than"));
    }
}
