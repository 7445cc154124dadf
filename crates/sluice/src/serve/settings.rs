//! What `sluice serve` is told beside identity and policy: its doors, where it keeps things, whom it serves for. Every problem is said at once.

use super::watch::{LogEntry, LogSettings, TracesEntry, TracesSettings};
use serde::Deserialize;
use sluice_outbound::{CallerAccount, ConnectionSettings, CredentialsSettings, Impersonate, ImpersonationSettings, Secret};
use sluice_policy::Problem;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = crate::configuration::FILE;
const TOKEN_BYTES_MAX: u64 = 16 << 10;

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

#[derive(Deserialize)]
struct ServeFile {
    server: Option<ServerEntry>,
    ledger: Option<LedgerEntry>,
    state: Option<StateEntry>,
    #[serde(default)]
    connections: BTreeMap<String, ConnectionEntry>,
    #[serde(default)]
    log: LogEntry,
    traces: Option<TracesEntry>,
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
    folder: PathBuf,
    keys: PathBuf,
    #[serde(default = "free_bytes_min")]
    free_bytes_min: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateEntry {
    folder: PathBuf,
    shared_replay: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionEntry {
    projects: Vec<String>,
    endpoint: Option<String>,
    storage_endpoint: Option<String>,
    certificates_file: Option<PathBuf>,
    location: Option<String>,
    user_project: Option<String>,
    schema_age_seconds_max: Option<u64>,
    calls_at_once_max: Option<usize>,
    credential: CredentialEntry,
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
    let problem = |text: String| Problem::new(FILE, text);
    let file: ServeFile =
        toml::from_str(text).map_err(|error| vec![problem(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))])?;
    let mut problems = Vec::new();
    let server = file.server.map(|entry| entry.read(folder, &mut problems));
    let log = file.log.read(&mut problems);
    let traces = file.traces.map(|entry| entry.read(folder, &mut problems));
    let mut connections = BTreeMap::new();
    for (name, entry) in file.connections {
        connections.extend(entry.read(folder, &name, &mut problems).map(|connection| (name, connection)));
    }
    problems.extend(shared_projects(&connections));
    if connections.is_empty() {
        problems.push("connections: there is none, so there is nothing to serve".to_owned());
    }
    match (server, file.ledger, file.state) {
        (Some(server), Some(ledger), Some(state)) if problems.is_empty() => {
            let LedgerEntry { folder: ledger, keys, free_bytes_min } = ledger;
            let ledger = LedgerPlace { folder: folder.join(ledger), keys: folder.join(keys), free_bytes_min };
            let shared_replay = state.shared_replay.map(|shared| folder.join(shared));
            Ok(ServeSettings { server, ledger, state: folder.join(state.folder), shared_replay, connections, log, traces })
        }
        (server, ledger, state) => {
            let missing = [("server", server.is_none()), ("ledger", ledger.is_none()), ("state", state.is_none())];
            problems.extend(missing.into_iter().filter(|(_, is)| *is).map(|(name, _)| format!("[{name}] is missing")));
            Err(problems.into_iter().map(problem).collect())
        }
    }
}

impl ServerEntry {
    fn read(self, folder: &Path, problems: &mut Vec<String>) -> Server {
        let tls = match (self.tls, self.certificate, self.key) {
            (None, None, None) => None,
            (Some(address), Some(certificate), Some(key)) => {
                Some(Tls { address, certificate: folder.join(certificate), key: folder.join(key) })
            }
            _ => {
                problems.push("server: `tls`, `certificate` and `key` go together".to_owned());
                None
            }
        };
        if tls.is_none() && self.plain.is_none() {
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

impl ConnectionEntry {
    fn read(self, folder: &Path, name: &str, problems: &mut Vec<String>) -> Option<Connection> {
        let before = problems.len();
        if self.projects.is_empty() {
            problems.push(format!("connections.{name}.projects: there is none"));
        }
        let in_folder = |file: PathBuf| folder.join(file).display().to_string();
        let credentials = match self.credential {
            CredentialEntry::Federation { file } => CredentialsSettings::Federation { path: in_folder(file), certificates_file: None },
            CredentialEntry::KeyFile { file } => CredentialsSettings::KeyFile { path: in_folder(file), certificates_file: None },
            CredentialEntry::Metadata {} => CredentialsSettings::Metadata { url: None },
            CredentialEntry::Open {} => CredentialsSettings::Open,
            CredentialEntry::TokenFile { file } => match token(&folder.join(file)) {
                Ok(token) => CredentialsSettings::Token(token),
                Err(text) => {
                    problems.push(format!("connections.{name}.credential: {text}"));
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
                problems.push(format!("connections.{name}: either `impersonate` for all calls or `callers` for each"));
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
        (problems.len() == before).then_some(Connection { projects: self.projects, upstream })
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

fn free_bytes_min() -> u64 {
    256 << 20
}
