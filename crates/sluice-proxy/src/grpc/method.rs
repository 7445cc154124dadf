//! Every method of gRPC that is known by name. What is not in the list is refused as well, under the name that it came with.

use sluice_app::UNKNOWN_METHOD;

const READ: &str = "google.cloud.bigquery.storage.v1.BigQueryRead";
const WRITE: &str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
const OLD: &str = "this version of the API is old: `BigQueryRead` and `BigQueryWrite` of `google.cloud.bigquery.storage.v1` are served";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub service: &'static str,
    pub name: &'static str,
    pub duty: Duty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    AppendRows,
    CreateReadSession,
    /// Of `BigQueryWrite`, with one answer.
    OfStream,
    ReadRows,
    /// Not served, and why.
    Refuse(&'static str),
    SplitReadStream,
}

pub const ALL: [Method; 13] = [
    of(READ, "CreateReadSession", Duty::CreateReadSession),
    of(READ, "ReadRows", Duty::ReadRows),
    of(READ, "SplitReadStream", Duty::SplitReadStream),
    of(WRITE, "AppendRows", Duty::AppendRows),
    of(WRITE, "BatchCommitWriteStreams", Duty::OfStream),
    of(WRITE, "CreateWriteStream", Duty::OfStream),
    of(WRITE, "FinalizeWriteStream", Duty::OfStream),
    of(WRITE, "FlushRows", Duty::OfStream),
    of(WRITE, "GetWriteStream", Duty::OfStream),
    of("google.cloud.bigquery.storage.v1beta1.BigQueryStorage", "CreateReadSession", Duty::Refuse(OLD)),
    of("google.cloud.bigquery.storage.v1beta1.BigQueryStorage", "ReadRows", Duty::Refuse(OLD)),
    of("google.cloud.bigquery.storage.v1beta2.BigQueryRead", "CreateReadSession", Duty::Refuse(OLD)),
    of("google.cloud.bigquery.storage.v1beta2.BigQueryWrite", "AppendRows", Duty::Refuse(OLD)),
];

/// Of a name that is on record and that somebody made up.
const NAME_BYTES_MAX: usize = 200;

const fn of(service: &'static str, name: &'static str, duty: Duty) -> Method {
    Method { service, name, duty }
}

impl Method {
    pub fn of(path: &str) -> Option<Method> {
        let (service, name) = path.strip_prefix('/')?.split_once('/')?;
        ALL.into_iter().find(|method| method.service == service && method.name == name)
    }

    pub fn id(&self) -> String {
        format!("{}.{}", self.service, self.name)
    }
}

/// Service and method as they came, for the record.
pub fn unknown(path: &str) -> String {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '/' | '_');
    let name: String = path.chars().take(NAME_BYTES_MAX).map(|letter| if is_letter(letter) { letter } else { '?' }).collect();
    format!("{UNKNOWN_METHOD}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_whole_name() {
        let check = |path: &str, expect: Option<Duty>| assert_eq!(Method::of(path).map(|method| method.duty), expect, "{path}");
        check("/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows", Some(Duty::ReadRows));
        check("/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows", Some(Duty::AppendRows));
        check("/google.cloud.bigquery.storage.v1beta2.BigQueryWrite/AppendRows", Some(Duty::Refuse(OLD)));
        for bad in [
            "/google.cloud.bigquery.storage.v1.BigQueryRead/readRows",
            "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows/",
            "//google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows",
            "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows?x",
            "google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows",
            "/",
            "",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn unknown_names_are_kept_within_bounds() {
        assert_eq!(unknown("/a.B/C"), "grpc:/a.B/C");
        assert_eq!(unknown("/a\n\u{1b}[1m/ü"), "grpc:/a???1m/?");
        assert_eq!(unknown(&"x".repeat(1_000)).len(), UNKNOWN_METHOD.len() + NAME_BYTES_MAX);
    }
}
