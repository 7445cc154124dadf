//! `[log]` and `[traces]` of `sluice.toml`.

use crate::serve::settings::table;
use serde::Deserialize;
use sluice_outbound::Collector;
use std::path::{Path, PathBuf};

/// What a line is at least, to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Info,
    Warning,
    /// Somebody should look.
    Alarm,
}

/// Which requests have a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requests {
    #[default]
    All,
    Off,
    /// And those that failed at BigQuery.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    pub level: Level,
    pub requests: Requests,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesSettings {
    /// Of a collector: `/v1/traces` is below it.
    pub endpoint: String,
    /// Whose certificates are believed there, in place of the machine's.
    pub certificates_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    level: Option<String>,
    requests: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesEntry {
    endpoint: Option<String>,
    certificates_file: Option<PathBuf>,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Info, Level::Warning, Level::Alarm];

    pub fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Alarm => "alarm",
        }
    }
}

impl Requests {
    pub const ALL: [Requests; 3] = [Requests::All, Requests::Off, Requests::Refused];

    pub fn word(self) -> &'static str {
        match self {
            Requests::All => "all",
            Requests::Off => "off",
            Requests::Refused => "refused",
        }
    }
}

impl LogEntry {
    pub fn read(self, problems: &mut Vec<String>) -> LogSettings {
        LogSettings {
            level: one_of("log.level", self.level, Level::ALL.map(|level| (level.word(), level)), problems),
            requests: one_of("log.requests", self.requests, Requests::ALL.map(|requests| (requests.word(), requests)), problems),
        }
    }
}

impl TracesEntry {
    pub fn read(self, folder: &Path, problems: &mut Vec<String>) -> Option<TracesSettings> {
        let endpoint = table::needed("traces", "endpoint", self.endpoint, problems)?;
        if let Err(fault) = Collector::check(&endpoint) {
            problems.push(format!("traces.endpoint: {fault}"));
        }
        Some(TracesSettings { endpoint, certificates_file: self.certificates_file.map(|file| folder.join(file)) })
    }
}

fn one_of<T: Copy + Default, const COUNT: usize>(
    field: &str,
    said: Option<String>,
    known: [(&'static str, T); COUNT],
    problems: &mut Vec<String>,
) -> T {
    let Some(said) = said else { return T::default() };
    let found = known.iter().find(|(word, _)| *word == said).map(|(_, value)| *value);
    found.unwrap_or_else(|| {
        let words = known.map(|(word, _)| format!("`{word}`")).join(", ");
        problems.push(format!("{field}: `{}` is none of {words}", said.escape_debug()));
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_log(text: &str, expect: LogSettings, problems_expected: &[&str]) {
        let mut problems = Vec::new();
        let read = toml::from_str::<LogEntry>(text).unwrap().read(&mut problems);
        assert_eq!((read, problems.iter().map(String::as_str).collect::<Vec<_>>()), (expect, problems_expected.to_vec()), "{text}");
    }

    #[test]
    fn words_of_the_log_are_known_ones() {
        check_log("", LogSettings { level: Level::Info, requests: Requests::All }, &[]);
        check_log("level = \"alarm\"\nrequests = \"refused\"", LogSettings { level: Level::Alarm, requests: Requests::Refused }, &[]);
        let problems =
            ["log.level: `Info` is none of `info`, `warning`, `alarm`", "log.requests: `\\n` is none of `all`, `off`, `refused`"];
        check_log("level = \"Info\"\nrequests = \"\\n\"", LogSettings::default(), &problems);
        assert!(toml::from_str::<LogEntry>("requests_ = \"all\"").is_err());
    }

    #[test]
    fn a_collector_is_on_this_machine_or_behind_tls() {
        let problems = |endpoint: &str| {
            let mut problems = Vec::new();
            TracesEntry { endpoint: Some(endpoint.to_owned()), certificates_file: None }.read(Path::new("/etc/sluice"), &mut problems);
            problems.len()
        };
        for sound in [
            "http://127.0.0.1:4318",
            "http://localhost:4318",
            "http://[::1]:4318/otlp",
            "https://otel.example",
            "https://otel.example:4318/x",
        ] {
            assert_eq!(problems(sound), 0, "{sound}");
        }
        for wrong in
            ["", "127.0.0.1:4318", "grpc://127.0.0.1", "http://10.0.0.7:4318", "https://a@b.example", "https://x?y=z", "https://:1"]
        {
            assert_eq!(problems(wrong), 1, "{wrong}");
        }
    }
}
