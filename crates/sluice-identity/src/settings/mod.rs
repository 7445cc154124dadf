//! Configuration of identity: text in, checked issuers or every problem at once. What cannot be meant seriously is a problem and not a warning.

mod issuers;
mod section;

use crate::issuer::Issuer;
pub use issuers::url_fault;
use section::{Problems, Section};
use std::fmt;

pub const ACCESS_LIFETIME_SECONDS_MAX: u64 = 3600;
pub const SESSION_SECONDS_MAX: u64 = 12 * 3600;
const ACCESS_LIFETIME_SECONDS: u64 = 900;
const SESSION_SECONDS: u64 = 3600;

/// What `Identity` is made of. There is no other way to an `Issuer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub issuers: Vec<Issuer>,
    pub access: Option<AccessSettings>,
}

/// The gateway's own tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSettings {
    /// Both `iss` and `aud`.
    pub issuer: String,
    pub lifetime_seconds: u64,
    pub session_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `identity.issuers[0].url`
    pub place: String,
    pub text: String,
}

/// Reads the table `[identity]` of a configuration file; what else the file holds is other people's.
pub fn check(text: &str) -> Result<Checked, Vec<Problem>> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            return Err(vec![Problem { place: String::new(), text: format!("no TOML: {}", error.to_string().replace('\n', " ")) }]);
        }
    };
    let problems = Problems::default();
    let mut root = Section::root(&table, &problems);
    let checked = match root.section("identity") {
        Some(identity) => checked(identity),
        None => {
            problems.add("identity", "missing: nobody could call");
            Checked { issuers: Vec::new(), access: None }
        }
    };
    let problems = problems.sorted();
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

fn checked(mut identity: Section<'_>) -> Checked {
    let audiences = identity.texts("audiences").unwrap_or_default();
    let access = identity.section("access").and_then(access);
    let sections = identity.sections("issuers");
    if sections.is_empty() {
        identity.problem("issuers", "none: nobody could call");
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for section in sections {
        let Some(issuer) = issuers::read(section, &audiences) else { continue };
        if issuers.iter().any(|other| other.name == issuer.name) {
            identity.problem("issuers", &format!("name `{}` stands twice", issuer.name));
        }
        // One URL is one issuer: with two, requirements of one could be met by leaving through the other.
        if issuers.iter().any(|other| other.url == issuer.url) {
            identity.problem("issuers", &format!("url `{}` stands twice", issuer.url));
        }
        if access.as_ref().is_some_and(|access| access.issuer == issuer.url) {
            identity.problem("issuers", &format!("url `{}` is the gateway's own", issuer.url));
        }
        issuers.push(issuer);
    }
    identity.finish();
    Checked { issuers, access }
}

fn access(mut section: Section<'_>) -> Option<AccessSettings> {
    let issuer = section.required_text("issuer");
    let lifetime_seconds = section.seconds("lifetime_seconds", 60..=ACCESS_LIFETIME_SECONDS_MAX).unwrap_or(ACCESS_LIFETIME_SECONDS);
    let session_seconds = section.seconds("session_seconds", 60..=SESSION_SECONDS_MAX).unwrap_or(SESSION_SECONDS);
    if issuer.as_deref().is_some_and(|issuer| issuers::url_fault(issuer).is_some()) {
        section.problem("issuer", "not an https URL");
    }
    section.finish();
    Some(AccessSettings { issuer: issuer?, lifetime_seconds, session_seconds })
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}
