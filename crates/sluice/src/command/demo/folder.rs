//! Everything that the demo keeps, in one folder: configuration, policy, keys, certificates, credentials, the ledger.

use super::callers::{AUDIENCE, CALLERS, CI_ISSUER, COMPANY_ISSUER, SERVICES_ISSUER};
use super::provider::{Provider, SECRET_HEADER, TOKEN_FIELD};
use super::{DATASET, PROJECT, UNIVERSE_DOMAIN};
use crate::command::Failure;
use crate::command::policy::FolderLog;
use crate::policy_folder;
use crate::serve::keys::MadeKey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use sluice_policy::{Activated, Activation, ActivationKeys, ActivationLog, SETTINGS_FILE};
use sluice_store::{LedgerFacts, LocalMachine, Machine, Secrets, SegmentSizes, create};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub const READY_FILE: &str = "demo.json";
/// `tour.py` names it too.
const EVENTS_FILE: &str = "events.jsonl";
const ORIGIN: &str = "sluice.demo/log";
/// Small enough for a laptop: a demo writes some thousand records.
const FILE_MODE: u32 = 0o600;
const SEGMENT_BYTES: u64 = 8 << 20;
const CLOSING_BYTES: u64 = 2 << 20;

/// The starter set, as it stands in `examples/policy/starter`.
const POLICY: [(&str, &str); 5] = [
    ("agents.cedar", include_str!("../../../../../examples/policy/starter/agents.cedar")),
    ("everyone.cedar", include_str!("../../../../../examples/policy/starter/everyone.cedar")),
    ("labels.toml", include_str!("../../../../../examples/policy/starter/labels.toml")),
    ("people.cedar", include_str!("../../../../../examples/policy/starter/people.cedar")),
    ("pipelines.cedar", include_str!("../../../../../examples/policy/starter/pipelines.cedar")),
];
const CONNECTION_SETTINGS: &str = "[connections.warehouse]";
const POLICY_SETTINGS: &str = include_str!("../../../../../examples/policy/starter/policy.toml");

pub struct DemoFolder {
    path: PathBuf,
    /// Made by us somewhere, so it goes with us.
    temporary: bool,
    /// The folder of a policy set in the place of the starter.
    policy: Option<PathBuf>,
}

pub struct Places<'a> {
    pub upstream: String,
    /// Of the warehouse's Storage Read API, plain; another server's is not known.
    pub storage: Option<SocketAddr>,
    pub token: Option<String>,
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub provider: &'a Provider,
}

/// 32 hexadecimal digits that nobody can guess.
pub fn secret() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    LocalMachine::default().random(&mut bytes).map_err(|fault| Failure::new(fault.to_string()))?;
    Ok(sluice_app::hex(&bytes))
}

/// Of a warehouse that has no Storage API: nothing of the demo goes to Google.
const NOBODY: &str = "127.0.0.1:9";

impl Places<'_> {
    fn credential(&self) -> &'static str {
        if self.token.is_some() { r#"{ kind = "token_file", file = "warehouse.token" }"# } else { r#"{ kind = "open" }"# }
    }

    fn storage_address(&self) -> String {
        self.storage.map_or_else(|| NOBODY.to_owned(), |address| address.to_string())
    }
}

impl DemoFolder {
    #[expect(clippy::disallowed_methods, reason = "`clean` removes it when the demo ends")]
    pub fn make(dir: Option<&Path>, policy: Option<&Path>) -> Result<DemoFolder, Failure> {
        let (path, temporary) = match dir {
            Some(dir) => (dir.to_owned(), false),
            None => (std::env::temp_dir().join(format!("sluice-demo-{}", secret()?)), true),
        };
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(&path).map_err(failed)?;
        if std::fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Failure::new(format!("{}: is not empty, and a demo begins with nothing", path.display())));
        }
        let path = path.canonicalize().map_err(failed)?;
        Ok(DemoFolder { path, temporary, policy: policy.map(Path::to_owned) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For the gateway's own lines.
    pub fn events(&self) -> Result<File, Failure> {
        let path = self.path.join(EVENTS_FILE);
        let made = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(&path);
        made.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// What the gateway reads, before it starts.
    pub fn write(&self, places: &Places<'_>) -> Result<(), Failure> {
        for (issuer, file) in [(CI_ISSUER, "ci-keys.json"), (COMPANY_ISSUER, "company-keys.json"), (SERVICES_ISSUER, "services-keys.json")]
        {
            self.put(file, &places.provider.key_set(issuer))?;
        }
        self.write_certificates()?;
        let signer = MadeKey::new()?;
        self.put("warehouse.token", places.token.as_deref().unwrap_or("none"))?;
        self.put("sluice.toml", &self.configuration(places, &signer))?;
        self.write_ledger()?;
        self.activate(&signer, places.token.is_some())
    }

    /// A file for each caller, as Google's libraries read it.
    pub fn write_callers(&self, places: &Places<'_>) -> Result<(), Failure> {
        let plain = format!("http://{}", places.plain);
        for caller in &CALLERS {
            let source = json!({
                "url": format!("http://{}/token/{}", places.provider.address, caller.name),
                "headers": { SECRET_HEADER: places.provider.secret_of(caller.name) },
                "format": { "type": "json", "subject_token_field_name": TOKEN_FIELD },
            });
            let mut credentials = json!({
                "type": "external_account",
                // Not of a form that Google's libraries take for one of their own pools: they would ask Google about it.
                "audience": "//sluice.demo/pools/default",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": format!("{plain}/v1/token"),
                "token_info_url": format!("{plain}/v1/introspect"),
                "credential_source": source,
            });
            self.put(&format!("callers/{}.json", caller.name), &format!("{credentials:#}\n"))?;
            credentials.as_object_mut().and_then(|fields| fields.insert("universe_domain".to_owned(), UNIVERSE_DOMAIN.into()));
            self.put(&format!("callers/{}.universe.json", caller.name), &format!("{credentials:#}\n"))?;
        }
        Ok(())
    }

    /// Last: whoever waits for this file finds everything else.
    pub fn write_ready(&self, places: &Places<'_>) -> Result<(), Failure> {
        let at = |name: &str| self.path.join(name).display().to_string();
        let callers: BTreeMap<&str, Value> = CALLERS
            .iter()
            .map(|caller| {
                let credentials = at(&format!("callers/{}.json", caller.name));
                (caller.name, json!({ "credentials": credentials, "kind": caller.kind, "groups": caller.groups }))
            })
            .collect();
        let ready = json!({
            "gateway": {
                "rest": format!("https://localhost:{}", places.tls.port()),
                "plain": format!("http://{}", places.plain),
                "grpc": format!("localhost:{}", places.tls.port()),
                "ca": at("tls/ca.pem"),
                "universe_domain": UNIVERSE_DOMAIN,
            },
            "issuer": COMPANY_ISSUER,
            "project": PROJECT,
            "dataset": DATASET,
            "warehouse": { "rest": places.upstream, "grpc": places.storage.map(|storage| storage.to_string()), "token": places.token },
            "policy_dir": at("policy"),
            "ledger_dir": at("ledger"),
            "ledger_key": self.verifier_key()?,
            "callers": callers,
        });
        const BESIDE: &str = ".demo.json.new";
        self.put(BESIDE, &format!("{ready:#}\n"))?;
        let failed = |error: std::io::Error| Failure::new(format!("{BESIDE}: {error}"));
        std::fs::rename(self.path.join(BESIDE), self.path.join(READY_FILE)).map_err(failed)
    }

    pub fn clean(&self) {
        if self.temporary {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }

    fn configuration(&self, places: &Places<'_>, signer: &MadeKey) -> String {
        let (credential, storage) = (places.credential(), places.storage_address());
        let key = |file: &str| self.path.join(file).display().to_string();
        format!(
            r#"# Made by `sluice demo`.
[server]
plain = "{plain}"
tls = "{tls}"
certificate = "tls/certificate.pem"
key = "tls/key.pem"

[ledger]
folder = "ledger"
keys = "ledger-keys"
free_bytes_min = 67108864

[state]
folder = "state"

[connections.warehouse]
projects = ["{PROJECT}"]
endpoint = "{upstream}"
storage_endpoint = "http://{storage}"
credential = {credential}
schema_age_seconds_max = 2

[policy]
set = "policy"
activations = "activations"

[policy.keys]
demo = "{signer}"

[identity]
audiences = ["{AUDIENCE}"]

[identity.access]
issuer = "{AUDIENCE}"
lifetime_seconds = 3600
session_seconds = 43200

[[identity.issuers]]
name = "ci"
shape = "github"
url = "{CI_ISSUER}"
require = {{ repository_owner_id = "1234" }}
algorithms = ["EdDSA"]
keys = {{ file = "{ci}" }}

[[identity.issuers.groups]]
group = "ci-analytics"
when = {{ repository_id = "456789" }}

[[identity.issuers]]
name = "company"
shape = "oidc"
url = "{COMPANY_ISSUER}"
kind = "person"
groups_claim = "groups"
delegates = true
algorithms = ["EdDSA"]
keys = {{ file = "{company}" }}

[[identity.issuers]]
name = "services"
shape = "oidc"
url = "{SERVICES_ISSUER}"
kind = "service"
algorithms = ["EdDSA"]
keys = {{ file = "{services}" }}

[[identity.issuers.groups]]
group = "staff"
when = {{ sub = "svc-reports" }}
"#,
            plain = places.plain,
            tls = places.tls,
            upstream = places.upstream,
            signer = signer.public_text(),
            ci = key("ci-keys.json"),
            company = key("company-keys.json"),
            services = key("services-keys.json"),
        )
    }

    /// The same two steps as `sluice policy activate`, with a key that is forgotten afterwards.
    fn activate(&self, signer: &MadeKey, both_judges: bool) -> Result<(), Failure> {
        let given = self.policy.as_deref().map(policy_folder::read).transpose()?;
        let files: Vec<(&str, &str)> = match &given {
            Some(read) => read.bundle.files().collect(),
            None => POLICY.into_iter().chain([(SETTINGS_FILE, POLICY_SETTINGS)]).collect(),
        };
        for (name, text) in files {
            // Other servers' dry runs name no tables. The set of another demo says so already.
            let is_told = name == SETTINGS_FILE && !both_judges && !text.contains(CONNECTION_SETTINGS);
            let judge = if is_told { format!("\n{CONNECTION_SETTINGS}\njudge = \"analysis\"\n") } else { String::new() };
            self.put(&format!("policy/{name}"), &format!("{text}{judge}"))?;
        }
        let first =
            |problems: Vec<sluice_policy::Problem>| Failure::new(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        let (set, bundle, _) = policy_folder::read(&self.path.join("policy"))?.load().map_err(first)?;
        let keys = BTreeMap::from([("demo".to_owned(), signer.public_text())]);
        let keys = ActivationKeys::read(&keys, &BTreeMap::new()).map_err(|texts| Failure::new(texts.join("\n")))?;
        let mut log = FolderLog::new(&self.path.join("activations"), keys.clone());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::new("the clock is before 1970"))?.as_secs();
        let at = i64::try_from(now).unwrap_or_default();
        let (by, reason) = ("demo".to_owned(), "for the demo".to_owned());
        let activation = Activation { set: set.digest.clone(), shadow: false, after: None, by, reason, at };
        let text = activation.text();
        let refused = |error: sluice_policy::ActivationError| Failure::new(error.to_string());
        let activated = Activated::verify(&text, &signer.sign(text.as_bytes()), &keys, None, at).map_err(refused)?;
        log.keep(&bundle).map_err(refused)?;
        log.append(&activated, &[]).map_err(refused)
    }

    fn write_ledger(&self) -> Result<(), Failure> {
        let fault = |fault: sluice_store::StoreFault| Failure::new(format!("the ledger of the demo: {fault}"));
        let machine = LocalMachine::default();
        let secrets = Secrets::create(&self.path.join("ledger-keys"), ORIGIN, &machine).map_err(fault)?;
        let mut ledger = [0; 16];
        machine.random(&mut ledger).map_err(fault)?;
        let folder = self.path.join("ledger");
        std::fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
        let disk = sluice_store::disk::LocalDisk::new(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
        let signer = secrets.signer();
        let verifier_key = signer.verifier_key().clone();
        let facts = LedgerFacts { origin: ORIGIN.to_owned(), ledger, verifier_key, created_ms: machine.moment().wall_ms };
        let sizes = SegmentSizes { regular_bytes: SEGMENT_BYTES, closing_bytes: CLOSING_BYTES };
        create(&disk, &facts, &signer, sizes).map_err(fault)
    }

    fn verifier_key(&self) -> Result<String, Failure> {
        let secrets = Secrets::open(&self.path.join("ledger-keys")).map_err(|fault| Failure::new(fault.to_string()))?;
        Ok(secrets.signer().verifier_key().to_string())
    }

    /// An authority of the demo's own, and one certificate for the names that clients dial.
    fn write_certificates(&self) -> Result<(), Failure> {
        let failed = |error: rcgen::Error| Failure::new(format!("certificates of the demo: {error}"));
        let authority_key = KeyPair::generate().map_err(failed)?;
        let mut authority = CertificateParams::new(Vec::new()).map_err(failed)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "sluice demo");
        let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
        let names = ["localhost", "127.0.0.1", "bigquery.sluice.test", "bigquerystorage.sluice.test", "*.sluice.test"];
        let server_key = KeyPair::generate().map_err(failed)?;
        let server = CertificateParams::new(names.map(str::to_owned).to_vec()).map_err(failed)?;
        let server = server.signed_by(&server_key, &Issuer::from_params(&authority, &authority_key)).map_err(failed)?;
        self.put("tls/ca.pem", &authority_certificate.pem())?;
        self.put("tls/certificate.pem", &server.pem())?;
        self.put("tls/key.pem", &server_key.serialize_pem())
    }

    fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Tokens and keys are among them.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
    }
}
