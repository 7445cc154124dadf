//! The one place that knows who serves which port.

use super::in_force::{Files, Force};
use super::issued::Issued;
use super::local::{IssuerKeys, LedgerSealer, ThisMachine};
use super::mask_secret::{self, MASK_SECRET_FILE};
use super::settings::{self, ServeSettings, read};
use super::watch::{Parts as Watched, Watch, WatchedUpstream};
use crate::command::policy::FolderLog;
use crate::command::{Failure, start_engine};
use crate::configuration::{self, Configuration};
use sluice_app::{Alarm, Connection, Gateway, Parts};
use sluice_identity::{AccessTokens, Identity, ReplayFault, ReplayStore, SigningKey};
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, Kind};
use sluice_outbound::{BigQuery, Https, KeyCache, KeysChanged};
use sluice_store::disk::LocalDisk;
use sluice_store::{
    CredentialFile, HaltFile, JobBook, JobLimits, KeptLabelsFile, Ledger, LocalMachine, Opening, Reader, ReplayFile, ReplayFolder,
    RevocationFile, Scribe, Secrets, Store, UsageFile,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// In the folder of state.
pub const CREDENTIALS_FILE: &str = "credentials";
const ACCESS_KEY_FILE: &str = "access-token.pem";
const JOBS_FILE: &str = "jobs.sqlite";
const REPLAY_FILE: &str = "replay";
const USAGE_FILE: &str = "usage";
const REVOCATIONS_FILE: &str = "revocations";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The ledger is dead: nothing may be done that is not on record, so nothing is done.
const EXIT_LEDGER_DEAD: i32 = 70;
/// Below the word `sluice:` on the terminal.
const LINE_BREAK: &str = "\n        ";

/// A gateway, whole, and what outlives its requests.
pub struct Composed {
    pub settings: ServeSettings,
    pub gateway: Arc<Gateway>,
    pub force: Arc<Force>,
    pub store: Arc<Store>,
    pub watch: Arc<Watch>,
}

/// Makes what the gateway keeps beside the ledger. What is there stays as it is.
pub fn prepare(folder: &Path) -> Result<(), Failure> {
    let (settings, configuration) = settings_of(folder)?;
    let secrets = Secrets::open(&settings.ledger.keys).map_err(|fault| stored(&settings.ledger.keys, &fault))?;
    let state = settings.state.as_path();
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", state.display()));
    if !state.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(state).map_err(failed)?;
    }
    let fault = |text: String| Failure::new(text);
    let missing = |name: &str| Some(state.join(name)).filter(|path| !path.exists());
    if let Some(path) = missing(REPLAY_FILE) {
        ReplayFile::create(&path).map_err(|error| fault(error.to_string()))?;
    }
    if let Some(shared) = &settings.shared_replay {
        let made = std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(shared).and_then(|()| std::fs::read_dir(shared));
        let mut entries = made.map_err(|error| fault(format!("{}: {error}", shared.display())))?;
        // Another replica may have made it. One with something else in it is not taken over.
        if entries.next().is_none() {
            ReplayFolder::create(shared).map_err(|error| fault(error.to_string()))?;
        }
    }
    if let Some(path) = missing(USAGE_FILE) {
        UsageFile::create(&path).map_err(|error| fault(error.to_string()))?;
    }
    if let Some(path) = missing(REVOCATIONS_FILE) {
        RevocationFile::create(&path).map_err(|error| fault(error.to_string()))?;
    }
    if let Some(path) = missing(CREDENTIALS_FILE) {
        CredentialFile::create(&path).map_err(|error| fault(error.to_string()))?;
    }
    if !configuration.policy.halts.exists() {
        HaltFile::create(&configuration.policy.halts).map_err(|error| fault(error.to_string()))?;
    }
    if !configuration.policy.labels.exists() {
        KeptLabelsFile::create(&configuration.policy.labels).map_err(|error| fault(error.to_string()))?;
    }
    if let Some(path) = missing(ACCESS_KEY_FILE) {
        let text = super::keys::new_pem()?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path).map_err(failed)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    if let Some(path) = missing(MASK_SECRET_FILE) {
        mask_secret::create(&path)?;
    }
    if let Some(path) = missing(JOBS_FILE) {
        JobBook::create(&path, &scribe(&settings, &secrets)?).map_err(|error| fault(error.to_string()))?;
    }
    Ok(())
}

/// Opens everything that the configuration names, and says its events there. The ledger says `boot` here.
pub fn compose(folder: &Path, events: File) -> Result<Composed, Failure> {
    let (settings, configuration) = settings_of(folder)?;
    let watch = Watch::start(settings.log, settings.traces.as_ref(), events)?;
    let checked = sluice_identity::check(&configuration.text).map_err(|problems| Failure::new(lines(&problems)))?;
    let access = access_tokens(&settings.state, &checked)?;
    let issuer = checked.access.as_ref().map(|access| access.issuer.clone());
    let identity = Arc::new(Identity::new(checked, access));
    let secrets = Secrets::open(&settings.ledger.keys).map_err(|fault| stored(&settings.ledger.keys, &fault))?;
    let store = Arc::new(open_ledger(&settings, &secrets, &watch)?);
    let force = Arc::new(force(&configuration, &settings.state, issuer, &watch)?);
    force.record(&store)?;
    // What is on record now is in force with the first request.
    force.refresh(watch.as_ref());
    let bigquery = Arc::new(bigquery(&settings)?);
    let engine = Arc::new(start_engine()?);
    let jobs_path = settings.state.join(JOBS_FILE);
    let jobs = JobBook::open(&jobs_path, &scribe(&settings, &secrets)?, JobLimits::default())
        .map_err(|fault| Failure::new(format!("{}: {fault}", jobs_path.display())))?;
    let (recorder, told) = (Arc::clone(&store), Arc::clone(&watch));
    let keys = KeyCache::new(Https::default(), move |changed| record_keys(&recorder, &changed, told.as_ref()));
    let connections = settings.connections.keys().map(|name| {
        let connection = bigquery.connection(name);
        let impersonates = connection.is_some_and(|connection| connection.is_per_caller());
        let location = connection.and_then(|connection| connection.location().map(str::to_owned));
        (name.clone(), Connection { location, impersonates })
    });
    let gateway = Gateway::new(Parts {
        alarm: watch.clone(),
        catalog: bigquery.clone(),
        connections: connections.collect(),
        engine: engine.clone(),
        identity,
        in_force: force.clone(),
        jobs: Arc::new(jobs),
        keys: Arc::new(IssuerKeys(keys)),
        log: store.clone(),
        machine: Arc::new(ThisMachine::default()),
        mask_keys: mask_secret::open(&settings.state.join(MASK_SECRET_FILE))?,
        replay: replay_store(&settings)?,
        sealer: Arc::new(LedgerSealer(store.clone())),
        upstream: Arc::new(WatchedUpstream { upstream: bigquery, watch: watch.clone() }),
    });
    watch.look_at(Watched {
        gateway: Arc::downgrade(&gateway),
        force: Arc::downgrade(&force),
        store: Arc::downgrade(&store),
        engine: Arc::downgrade(&engine),
    });
    Ok(Composed { settings, gateway, force, store, watch })
}

/// Everything that is wrong, of all parts of the file, at once.
fn settings_of(folder: &Path) -> Result<(ServeSettings, Configuration), Failure> {
    let (configuration, problems) = configuration::read(folder)?;
    let settings = read(folder, &configuration.text);
    let identity = sluice_identity::check(&configuration.text);
    match (settings, &identity) {
        (Ok(settings), Ok(_)) if problems.is_empty() => Ok((settings, configuration)),
        (settings, _) => {
            let found = [lines(&problems), lines(&settings.err().unwrap_or_default()), lines(&identity.err().unwrap_or_default())];
            Err(Failure::new(found.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(LINE_BREAK)))
        }
    }
}

/// For one gateway a file; for replicas the folder that they share.
fn replay_store(settings: &ServeSettings) -> Result<Arc<dyn ReplayStore>, Failure> {
    let failed = |fault: ReplayFault| Failure::new(fault.to_string());
    match &settings.shared_replay {
        Some(shared) => Ok(Arc::new(ReplayFolder::open(shared).map_err(failed)?)),
        None => Ok(Arc::new(ReplayFile::open(&settings.state.join(REPLAY_FILE)).map_err(failed)?)),
    }
}

fn lines<P: ToString>(problems: &[P]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(LINE_BREAK)
}

/// For what is encrypted under the ledger's keys and is no record of it.
fn scribe(settings: &ServeSettings, secrets: &Secrets) -> Result<Scribe, Failure> {
    let folder = &settings.ledger.folder;
    let disk = LocalDisk::new(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let reader = Reader::open(Arc::new(disk)).map_err(|fault| stored(folder, &fault))?;
    Ok(Scribe::new(&reader.facts().origin, secrets.master(), Arc::new(LocalMachine::default())))
}

/// On record before the first token is believed by them.
fn record_keys(store: &Store, changed: &KeysChanged, alarm: &dyn Alarm) {
    let hex = |digest: &[u8; 32]| format!("sha256:{}", sluice_app::hex(digest));
    let mut details = BTreeMap::from([("issuer".to_owned(), changed.issuer.clone()), ("after".to_owned(), hex(&changed.after))]);
    details.extend(changed.before.as_ref().map(|before| ("before".to_owned(), hex(before))));
    let change = Change {
        what: "keys of an issuer".to_owned(),
        by: "sluice".to_owned(),
        reason: "fetched".to_owned(),
        details,
        ..Change::default()
    };
    let recorded = Draft::of_change(Kind::IdpKeys, None, &change).map_err(|error| error.to_string());
    let recorded = recorded.and_then(|draft| store.seal(&draft).map_err(|fault| fault.to_string()));
    if let Err(text) = recorded.and_then(|record| store.append_and_wait(record).map_err(|fault| fault.to_string())) {
        alarm.raise(&format!("keys of an issuer have no record: {text}"));
    }
}

fn access_tokens(state: &Path, checked: &sluice_identity::Checked) -> Result<Option<AccessTokens>, Failure> {
    let Some(settings) = checked.access.clone() else { return Ok(None) };
    let path = state.join(ACCESS_KEY_FILE);
    let failed = |text: String| Failure::new(format!("{}: {text}; `sluice init` makes what is missing", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let key = SigningKey::from_pem(&text).map_err(|fault| failed(fault.to_string()))?;
    AccessTokens::new(settings, key, &[]).map(Some).map_err(|fault| failed(fault.to_string()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "with a dead ledger nothing may be finished in good order: that would be done without a record"
)]
fn open_ledger(settings: &ServeSettings, secrets: &Secrets, watch: &Arc<Watch>) -> Result<Store, Failure> {
    let folder = &settings.ledger.folder;
    let fault = |fault: sluice_store::StoreFault| stored(folder, &fault);
    let disk = LocalDisk::new(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let opening = Opening {
        signer: secrets.signer(),
        master: secrets.master(),
        machine: Arc::new(LocalMachine::default()),
        boot: serde_json::json!({ "program": "sluice", "version": env!("CARGO_PKG_VERSION"), "command": "serve" }),
        free_bytes_min: settings.ledger.free_bytes_min,
    };
    let ledger = Ledger::open(Arc::new(disk), &opening).map_err(fault)?;
    let watch = Arc::clone(watch);
    let on_death = Box::new(move |fault: &sluice_store::StoreFault| {
        watch.raise(&format!("the ledger is dead, and so the gateway: {fault}"));
        watch.flush();
        std::process::exit(EXIT_LEDGER_DEAD);
    });
    Store::start(ledger, on_death).map_err(fault)
}

fn force(configuration: &Configuration, state: &Path, issuer: Option<String>, watch: &Arc<Watch>) -> Result<Force, Failure> {
    let log = FolderLog::new(&configuration.policy.activations, configuration.policy.keys.clone());
    let path: PathBuf = state.join(REVOCATIONS_FILE);
    let revocations = RevocationFile::open(&path).map_err(|fault| stored(&path, &fault))?;
    let halts = HaltFile::open(&configuration.policy.halts).map_err(|fault| stored(&configuration.policy.halts, &fault))?;
    let path = state.join(USAGE_FILE);
    let told = Arc::clone(watch);
    let missing = |path: &Path, fault: &sluice_store::StoreFault| {
        Failure::new(format!("{}: {fault}; `sluice init` makes what is missing", path.display()))
    };
    let usage = UsageFile::open(&path, Box::new(move |fault| told.raise(fault))).map_err(|fault| missing(&path, &fault))?;
    let path: PathBuf = state.join(CREDENTIALS_FILE);
    let credentials = CredentialFile::open(&path).map_err(|fault| missing(&path, &fault))?;
    let path = &configuration.policy.labels;
    let labels = KeptLabelsFile::open(path).map_err(|fault| missing(path, &fault))?;
    Force::new(log, Files { halts, labels, revocations, usage }, Issued::new(credentials, issuer))
}

fn bigquery(settings: &ServeSettings) -> Result<BigQuery, Failure> {
    connect(&settings.connections).map_err(|faults| Failure::new(lines(&faults)))
}

/// Reads certificates and credentials; nothing is asked of anybody.
pub fn connect(connections: &BTreeMap<String, settings::Connection>) -> Result<BigQuery, Vec<sluice_outbound::ConnectionFault>> {
    let upstreams = connections.iter().map(|(name, connection)| (name.clone(), connection.upstream.clone())).collect();
    BigQuery::new(&upstreams)
}

fn stored(path: &Path, fault: &sluice_store::StoreFault) -> Failure {
    Failure::new(format!("{}: {fault}", path.display()))
}
