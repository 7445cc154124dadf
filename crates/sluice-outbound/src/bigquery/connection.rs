//! What the gateway is told of each BigQuery that it may call.

use crate::catalog::Shelf;
use crate::credential::{CredentialFault, Credentials, CredentialsSettings, Impersonate};
use crate::pause::Pauses;
use crate::rest::{Client, ClientSettings, Endpoint};
use crate::storage::StorageClient;
use hyper::header::HeaderValue;
use sluice_app::UPLOAD_IDLE_SECONDS_MAX;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A door ends an upload that nobody comes back to. This is behind it, for a door that does not.
const UPLOAD_IDLE_SECONDS_MORE: u64 = 60;

#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// `https://bigquery.googleapis.com`. Below it are `/bigquery/v2` and `/upload/bigquery/v2`.
    pub endpoint: String,
    /// `https://bigquerystorage.googleapis.com`: rows in streams, by gRPC.
    pub storage_endpoint: String,
    /// Believed in place of the machine's own certificates.
    pub certificates_file: Option<String>,
    pub credentials: CredentialsSettings,
    pub impersonate: Impersonate,
    /// Where jobs run that say nothing of it.
    pub location: Option<String>,
    /// `x-goog-user-project`: who pays for calls and quota. Never what a client says.
    pub user_project: Option<String>,
    /// How old what is known of a table may be.
    pub catalog_age_max: Duration,
    pub calls_at_once_max: usize,
    pub timing: Timing,
}

/// How long things may take. The defaults are for BigQuery itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub connect: Duration,
    /// One attempt of a call that answers a resource.
    pub answer: Duration,
    /// One attempt of a call that answers rows, or that carries a chunk of an upload.
    pub bulk: Duration,
    /// A client of an upload that sends nothing.
    pub upload_idle: Duration,
    /// All attempts of a call together: none begins after it.
    pub total: Duration,
    pub attempts_max: u64,
    pub pauses: Pauses,
}

/// All connections, by name. Serves `Upstream` and `Catalog`.
#[derive(Debug, Default)]
pub struct BigQuery {
    pub(crate) connections: BTreeMap<String, Arc<Connection>>,
}

#[derive(Debug)]
pub struct Connection {
    pub(crate) client: Client,
    pub(crate) storage: StorageClient,
    pub(crate) credentials: Credentials,
    pub(crate) location: Option<String>,
    pub(crate) user_project: Option<HeaderValue>,
    pub(crate) timing: Timing,
    pub(crate) shelf: Shelf,
}

/// A connection that cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFault {
    pub connection: String,
    pub text: String,
}

impl BigQuery {
    /// Everything that is wrong is said at once.
    pub fn new(settings: &BTreeMap<String, ConnectionSettings>) -> Result<BigQuery, Vec<ConnectionFault>> {
        let mut faults = Vec::new();
        let mut connections = BTreeMap::new();
        for (name, settings) in settings {
            match Connection::new(settings) {
                Ok(connection) => drop(connections.insert(name.clone(), Arc::new(connection))),
                Err(texts) => faults.extend(texts.into_iter().map(|text| ConnectionFault { connection: name.clone(), text })),
            }
        }
        if faults.is_empty() { Ok(BigQuery { connections }) } else { Err(faults) }
    }

    pub fn connection(&self, name: &str) -> Option<&Arc<Connection>> {
        self.connections.get(name)
    }

    pub fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.values()
    }
}

impl Connection {
    fn new(settings: &ConnectionSettings) -> Result<Connection, Vec<String>> {
        let client = ClientSettings {
            certificates_file: settings.certificates_file.clone(),
            connect: settings.timing.connect,
            calls_at_once_max: settings.calls_at_once_max,
        };
        let endpoint = Endpoint::parse(&settings.endpoint).map_err(|fault| fault.to_string());
        let client = endpoint.and_then(|endpoint| Client::new(endpoint, &client));
        let credentials =
            Credentials::new(&settings.credentials, &settings.impersonate).map_err(|fault: CredentialFault| fault.to_string());
        let storage = storage(settings);
        let user_project = settings.user_project.as_deref().map(HeaderValue::from_str).transpose();
        let user_project = user_project.map_err(|_| "the project that pays cannot stand in a header".to_owned());
        let (client, credentials, storage, user_project) = match (client, credentials, storage, user_project) {
            (Ok(client), Ok(credentials), Ok(storage), Ok(user_project)) => (client, credentials, storage, user_project),
            (client, credentials, storage, user_project) => {
                return Err([client.err(), credentials.err(), storage.err(), user_project.err()].into_iter().flatten().collect());
            }
        };
        Ok(Connection {
            client,
            storage,
            shelf: Shelf::new(settings.catalog_age_max, credentials.is_per_caller()),
            credentials,
            location: settings.location.clone(),
            user_project,
            timing: settings.timing,
        })
    }

    /// Where jobs run that say nothing of it.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Whether BigQuery sees who calls: then its own row access policies hold.
    pub fn is_per_caller(&self) -> bool {
        self.credentials.is_per_caller()
    }
}

fn storage(settings: &ConnectionSettings) -> Result<StorageClient, String> {
    let endpoint = Endpoint::parse(&settings.storage_endpoint).map_err(|fault| fault.to_string())?;
    if !endpoint.path.is_empty() {
        return Err("the Storage API's address has a path: gRPC knows none".to_owned());
    }
    StorageClient::new(endpoint, settings.certificates_file.as_ref(), settings.calls_at_once_max, settings.timing.connect)
}

impl ConnectionSettings {
    /// Google's own BigQuery, with the credential that is given.
    pub fn google(credentials: CredentialsSettings) -> ConnectionSettings {
        ConnectionSettings {
            endpoint: "https://bigquery.googleapis.com".to_owned(),
            storage_endpoint: "https://bigquerystorage.googleapis.com".to_owned(),
            certificates_file: None,
            credentials,
            impersonate: Impersonate::Never,
            location: None,
            user_project: None,
            catalog_age_max: Duration::from_secs(30),
            calls_at_once_max: 256,
            timing: Timing::default(),
        }
    }
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            bulk: Duration::from_secs(120),
            upload_idle: Duration::from_secs(UPLOAD_IDLE_SECONDS_MAX + UPLOAD_IDLE_SECONDS_MORE),
            total: Duration::from_secs(120),
            attempts_max: 5,
            pauses: Pauses { first: Duration::from_millis(250), max: Duration::from_secs(8) },
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "connection `{}`: {}", self.connection, self.text)
    }
}

impl std::error::Error for ConnectionFault {}
