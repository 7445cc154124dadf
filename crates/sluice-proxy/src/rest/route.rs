//! From a path to a method and the names in it. What is not in the table is not there.

use super::methods::{METHODS, Method};
use super::names;
use super::percent::{self, PercentFault, Place};

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    Batch,
    Discovery,
    Method(Matched),
    /// `jobs.insert` with a file.
    Upload(Matched),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    pub method: &'static Method,
    /// Decoded and well-formed.
    pub names: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteFault {
    Encoding(PercentFault),
    /// A part of the path is no name for what stands there.
    Name(&'static str),
    None,
    TooLong,
}

pub const PATH_BYTES_MAX: usize = 8 << 10;

const PREFIXES: [&str; 2] = ["/bigquery/v2/", "/"];
const UPLOAD_PREFIXES: [&str; 4] = ["/upload/bigquery/v2/", "/resumable/upload/bigquery/v2/", "/upload/", "/resumable/upload/"];
const DISCOVERY: [&str; 3] = ["/discovery/v1/apis/bigquery/v2/rest", "/$discovery/rest", "/%24discovery/rest"];

/// `path` as it stands in the request, not decoded.
pub fn find(verb: &str, path: &str) -> Result<Route, RouteFault> {
    if path.len() > PATH_BYTES_MAX {
        return Err(RouteFault::TooLong);
    }
    if DISCOVERY.contains(&path) {
        return if verb == "GET" { Ok(Route::Discovery) } else { Err(RouteFault::None) };
    }
    if path == "/batch" || path.starts_with("/batch/") {
        return Ok(Route::Batch);
    }
    if let Some(below) = UPLOAD_PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)) {
        // Chunks of a resumable upload are put.
        let matched = below_service("POST", below)?;
        let takes_files = matched.method.name == "jobs.insert" && matches!(verb, "DELETE" | "POST" | "PUT");
        return if takes_files { Ok(Route::Upload(matched)) } else { Err(RouteFault::None) };
    }
    let below = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)).ok_or(RouteFault::None)?;
    below_service(verb, below).map(Route::Method)
}

fn below_service(verb: &str, below: &str) -> Result<Matched, RouteFault> {
    let given: Vec<&str> = below.split('/').collect();
    // Of two templates that fit, the one with a verb behind a colon is meant: `t:getIamPolicy` is no table.
    let fits = METHODS.iter().filter(|method| method.verb == verb).filter_map(|method| Some((method, raw_names(method.path, &given)?)));
    let (method, raw) = fits.max_by_key(|(method, _)| method.path.contains("}:")).ok_or(RouteFault::None)?;
    let mut names = Vec::with_capacity(raw.len());
    for (name, raw) in raw {
        let value = percent::decode(raw, Place::Path).map_err(RouteFault::Encoding)?;
        if !is_name(method, name, &value) {
            return Err(RouteFault::Name(name));
        }
        names.push((name, value));
    }
    Ok(Matched { method, names })
}

fn raw_names<'p>(template: &'static str, given: &[&'p str]) -> Option<Vec<(&'static str, &'p str)>> {
    let expected: Vec<&'static str> = template.split('/').collect();
    if expected.len() != given.len() {
        return None;
    }
    let mut raw = Vec::new();
    for (expected, given) in expected.into_iter().zip(given) {
        match expected.strip_prefix('{') {
            None if expected == *given => {}
            None => return None,
            Some(named) => {
                let (name, suffix) = named.split_once('}')?;
                raw.push((name, given.strip_suffix(suffix).filter(|value| !value.is_empty())?));
            }
        }
    }
    Some(raw)
}

fn is_name(method: &Method, name: &str, value: &str) -> bool {
    match name {
        "projectId" => names::is_project(value),
        "tableId" if takes_partitions(method) => names::decorated(value).is_some(),
        "tableId" => names::is_table(value),
        _ => names::is_plain(value),
    }
}

fn takes_partitions(method: &Method) -> bool {
    matches!(method.name, "tabledata.insertAll" | "tabledata.list" | "tables.delete" | "tables.get")
}

impl Matched {
    /// Empty for a name that the path of the method does not have.
    pub fn name(&self, name: &str) -> &str {
        self.names.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    pub fn project(&self) -> &str {
        self.name("projectId")
    }

    /// The same path for upstream, encoded by us.
    pub fn path(&self) -> String {
        let mut path = self.method.path.to_owned();
        for (name, value) in &self.names {
            path = path.replace(&format!("{{{name}}}"), &percent::encode(value));
        }
        path
    }
}

impl RouteFault {
    pub fn text(&self) -> String {
        match self {
            RouteFault::Encoding(fault) => format!("the path {}", fault.text()),
            RouteFault::Name(name) => format!("`{name}` in the path is not a well-formed name"),
            RouteFault::None => "no method of BigQuery's REST API is at this path with this verb".to_owned(),
            RouteFault::TooLong => format!("the path is longer than {PATH_BYTES_MAX} bytes"),
        }
    }
}

#[cfg(test)]
mod tests;
