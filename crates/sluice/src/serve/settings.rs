//! What `sluice serve` is told beside identity and policy: its doors, where it keeps things, whom it serves for. Every problem is said at once.

pub mod table;

use super::watch::{LogEntry, LogSettings, TracesEntry, TracesSettings};
use serde::Deserialize;
use sluice_outbound::{CallerAccount, ConnectionSettings, CredentialsSettings, Impersonate, ImpersonationSettings, Secret};
use sluice_policy::Problem;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

const FILE: &str = crate::configuration::FILE;
const TOKEN_BYTES_MAX: u64 = 16 << 10;
const FREE_BYTES_MIN: u64 = 256 << 20;

/// Sound, with every path beside the file that names it.
#[derive(Debug)]
pub struct ServeSettings {
    pub server: Server,
    pub ledger: LedgerPlace,
    pub state: PathBuf,
    /// Spent tokens in a folder that replicas share, in place of a file of this one.
    pub shared_replay: Option<PathBuf>,
    pub connections: BTreeMap<String, Connection>,
    pub log: LogSettings,
    /// Without it none are sent.
    pub traces: Option<TracesSettings>,
}

#[derive(Debug)]
pub struct Server {
    /// For this machine alone, without TLS.
    pub plain: Option<SocketAddr>,
    pub tls: Option<Tls>,
    /// What clients call us, without a slash at the end. Without it: as each one does.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    pub gzip: bool,
    /// A port for numbers alone, beside `plain`.
    pub metrics: Option<SocketAddr>,
}

#[derive(Debug)]
pub struct Tls {
    pub address: SocketAddr,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug)]
pub struct LedgerPlace {
    pub folder: PathBuf,
    pub keys: PathBuf,
    pub free_bytes_min: u64,
}

#[derive(Debug)]
pub struct Connection {
    pub projects: Vec<String>,
    pub upstream: ConnectionSettings,
}

/// What of the file is sound, and all that is wrong with the rest.
#[derive(Debug, Default)]
pub struct Found {
    pub server: Option<Server>,
    pub ledger: Option<LedgerPlace>,
    pub state: Option<PathBuf>,
    shared_replay: Option<PathBuf>,
    pub connections: BTreeMap<String, Connection>,
    log: LogSettings,
    traces: Option<TracesSettings>,
    pub problems: Vec<Problem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerEntry {
    plain: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    public_url: Option<String>,
    #[serde(default)]
    proxies: Vec<IpAddr>,
    #[serde(default = "yes")]
    gzip: bool,
    metrics: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerEntry {
    folder: Option<PathBuf>,
    keys: Option<PathBuf>,
    free_bytes_min: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateEntry {
    folder: Option<PathBuf>,
    shared_replay: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionEntry {
    projects: Option<Vec<String>>,
    endpoint: Option<String>,
    storage_endpoint: Option<String>,
    certificates_file: Option<PathBuf>,
    location: Option<String>,
    user_project: Option<String>,
    schema_age_seconds_max: Option<u64>,
    calls_at_once_max: Option<usize>,
    credential: Option<CredentialEntry>,
    #[serde(default)]
    impersonate: Option<String>,
    #[serde(default)]
    callers: Vec<CallerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
enum CredentialEntry {
    /// A token in a file that never changes: for warehouses that are not Google's.
    TokenFile {
        file: PathBuf,
    },
    KeyFile {
        file: PathBuf,
    },
    Metadata {},
    /// An `external_account` file.
    Federation {
        file: PathBuf,
    },
    /// The warehouse asks for none.
    Open {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerEntry {
    caller: String,
    account: String,
}

/// Reads the tables that are for serving out of the whole file.
pub fn read(folder: &Path, text: &str) -> Result<ServeSettings, Vec<Problem>> {
    match find(folder, text) {
        Found { server: Some(server), ledger: Some(ledger), state: Some(state), shared_replay, connections, log, traces, problems }
            if problems.is_empty() =>
        {
            Ok(ServeSettings { server, ledger, state, shared_replay, connections, log, traces })
        }
        found => Err(found.problems),
    }
}

/// The same for whoever goes on with what is sound.
pub fn find(folder: &Path, text: &str) -> Found {
    let problem = |text: String| Problem::new(FILE, text);
    let file: Table = match text.parse() {
        Ok(file) => file,
        Err(error) => {
            let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            return Found { problems: vec![problem(text)], ..Found::default() };
        }
    };
    let problems = &mut Vec::new();
    for name in ["server", "ledger", "state"].into_iter().filter(|name| !file.contains_key(*name)) {
        problems.push(format!("[{name}] is missing"));
    }
    let server = table::below::<ServerEntry>(&file, "server", problems).map(|entry| entry.read(folder, problems));
    let ledger = table::below::<LedgerEntry>(&file, "ledger", problems).and_then(|entry| entry.read(folder, problems));
    let state = table::below::<StateEntry>(&file, "state", problems);
    let shared_replay = state.as_ref().and_then(|entry| entry.shared_replay.as_ref()).map(|shared| folder.join(shared));
    let state = state.and_then(|entry| table::needed("state", "folder", entry.folder, problems)).map(|state| folder.join(state));
    let log = table::below::<LogEntry>(&file, "log", problems).map(|entry| entry.read(problems)).unwrap_or_default();
    let traces = table::below::<TracesEntry>(&file, "traces", problems).and_then(|entry| entry.read(folder, problems));
    let connections = connections(folder, &file, problems);
    let problems = std::mem::take(problems).into_iter().map(problem).collect();
    Found { server, ledger, state, shared_replay, connections, log, traces, problems }
}

fn connections(folder: &Path, file: &Table, problems: &mut Vec<String>) -> BTreeMap<String, Connection> {
    let mut connections = BTreeMap::new();
    let entries = match file.get("connections") {
        Some(Value::Table(entries)) if !entries.is_empty() => entries,
        None | Some(Value::Table(_)) => {
            problems.push("connections: there is none, so there is nothing to serve".to_owned());
            return connections;
        }
        Some(other) => {
            problems.push(format!("connections: is no table but a {}", other.type_str()));
            return connections;
        }
    };
    for (name, entry) in entries {
        let place = format!("connections.{name}");
        let entry = match entry {
            Value::Table(fields) => table::read::<ConnectionEntry>(&place, fields, problems),
            other => {
                problems.push(format!("{place}: is no table but a {}", other.type_str()));
                None
            }
        };
        let connection = entry.and_then(|entry| entry.read(folder, &place, problems));
        connections.extend(connection.map(|connection| (name.clone(), connection)));
    }
    problems.extend(shared_projects(&connections));
    connections
}

impl ServerEntry {
    fn read(self, folder: &Path, problems: &mut Vec<String>) -> Server {
        let tls = match (self.tls, self.certificate, self.key) {
            (None, None, None) => None,
            (Some(address), Some(certificate), Some(key)) => {
                Some(Tls { address, certificate: folder.join(certificate), key: folder.join(key) })
            }
            _ if problems.iter().any(|problem| problem.starts_with("server.")) => None,
            _ => {
                problems.push("server: `tls`, `certificate` and `key` go together".to_owned());
                None
            }
        };
        // An address that is wrong is not missing too.
        let is_whole = !problems.iter().any(|problem| problem.starts_with("server."));
        if is_whole && tls.is_none() && self.plain.is_none() {
            problems.push("server: neither `tls` nor `plain`, so nobody could come in".to_owned());
        }
        if let Some(address) = self.plain.filter(|address| !address.ip().is_loopback()) {
            problems
                .push(format!("server.plain: {address} is not of this machine alone, and tokens would travel in clear: use `tls` there"));
        }
        if let Some(address) = self.metrics.filter(|address| !address.ip().is_loopback()) {
            problems.push(format!("server.metrics: {address} is not of this machine alone, and nobody is asked there who they are"));
        }
        let is_url = |url: &String| (url.starts_with("https://") || url.starts_with("http://")) && !url.ends_with('/');
        if let Some(url) = self.public_url.as_ref().filter(|url| !is_url(url)) {
            problems.push(format!("server.public_url: `{}` is not a URL without a slash at its end", url.escape_debug()));
        }
        let ServerEntry { plain, public_url, proxies, gzip, metrics, .. } = self;
        Server { plain, tls, public_url, proxies, gzip, metrics }
    }
}

impl LedgerEntry {
    fn read(self, folder: &Path, problems: &mut Vec<String>) -> Option<LedgerPlace> {
        let place = table::needed("ledger", "folder", self.folder, problems);
        let keys = table::needed("ledger", "keys", self.keys, problems);
        let free_bytes_min = self.free_bytes_min.unwrap_or(FREE_BYTES_MIN);
        Some(LedgerPlace { folder: folder.join(place?), keys: folder.join(keys?), free_bytes_min })
    }
}

impl ConnectionEntry {
    fn read(self, folder: &Path, place: &str, problems: &mut Vec<String>) -> Option<Connection> {
        let projects = table::needed(place, "projects", self.projects, problems);
        if projects.as_ref().is_some_and(Vec::is_empty) {
            problems.push(format!("{place}.projects: there is none"));
        }
        let credential = table::needed(place, "credential", self.credential, problems);
        let in_folder = |file: PathBuf| folder.join(file).display().to_string();
        let credentials = match credential? {
            CredentialEntry::Federation { file } => CredentialsSettings::Federation { path: in_folder(file), certificates_file: None },
            CredentialEntry::KeyFile { file } => CredentialsSettings::KeyFile { path: in_folder(file), certificates_file: None },
            CredentialEntry::Metadata {} => CredentialsSettings::Metadata { url: None },
            CredentialEntry::Open {} => CredentialsSettings::Open,
            CredentialEntry::TokenFile { file } => match token(&folder.join(file)) {
                Ok(token) => CredentialsSettings::Token(token),
                Err(text) => {
                    problems.push(format!("{place}.credential: {text}"));
                    CredentialsSettings::Open
                }
            },
        };
        let settings = ImpersonationSettings { endpoint: None, certificates_file: None };
        let accounts: Vec<CallerAccount> =
            self.callers.into_iter().map(|entry| CallerAccount { caller: entry.caller, account: entry.account }).collect();
        let impersonate = match (self.impersonate, accounts.is_empty()) {
            (None, true) => Impersonate::Never,
            (Some(account), true) => Impersonate::Always { account, settings },
            (None, false) => Impersonate::PerCaller { accounts, settings },
            (Some(_), false) => {
                problems.push(format!("{place}: either `impersonate` for all calls or `callers` for each"));
                Impersonate::Never
            }
        };
        let mut upstream = ConnectionSettings::google(credentials);
        upstream.endpoint = self.endpoint.unwrap_or(upstream.endpoint);
        upstream.storage_endpoint = self.storage_endpoint.unwrap_or(upstream.storage_endpoint);
        upstream.certificates_file = self.certificates_file.map(in_folder);
        upstream.impersonate = impersonate;
        upstream.location = self.location;
        upstream.user_project = self.user_project;
        upstream.catalog_age_max = self.schema_age_seconds_max.map_or(upstream.catalog_age_max, Duration::from_secs);
        upstream.calls_at_once_max = self.calls_at_once_max.unwrap_or(upstream.calls_at_once_max);
        Some(Connection { projects: projects?, upstream })
    }
}

/// A project is reached by one connection: a client names nothing else.
fn shared_projects(connections: &BTreeMap<String, Connection>) -> Vec<String> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, connection) in connections {
        for project in &connection.projects {
            if let Some(other) = owners.insert(project, name) {
                problems.push(format!("project `{project}` is of two connections, `{other}` and `{name}`"));
            }
        }
    }
    problems
}

fn token(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > TOKEN_BYTES_MAX {
        return Err(format!("{}: longer than any token", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{}: is empty", path.display())) } else { Ok(Secret::new(text)) }
}

fn yes() -> bool {
    true
}
