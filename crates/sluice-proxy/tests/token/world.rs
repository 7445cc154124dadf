//! An issuer, a gateway that knows it, and its door on a port of this machine.

use crate::ports::{Absent, Clock, Noting, OneIssuer, OneJob, Panics, Standing};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_app::{Gateway, Parts};
use sluice_identity::{AccessTokens, Identity, KeySet, MemoryReplayStore, SigningKey, check};
use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_mask::{MASK_SECRET_BYTES, MaskKeys};
use sluice_proxy::server::Doors;
use sluice_proxy::token::{Token, TokenSettings, router};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LedgerFacts, LocalMachine, Opening, SegmentSizes, Store, create};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const NOW: u64 = 1_893_585_600;
pub const ISSUER: &str = "https://login.acme.example";
pub const FILES: &str = "https://files.acme.example";
pub const SLUICE: &str = "https://sluice.example";
pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ORIGIN: &str = "ledger.example.com/token";
const SIZES: SegmentSizes = SegmentSizes { regular_bytes: 1 << 20, closing_bytes: 256 << 10 };
const IDENTITY: &str = r#"
[identity]
audiences = ["https://sluice.example"]
[identity.access]
issuer = "https://sluice.example"
[[identity.issuers]]
name = "company"
shape = "oidc"
url = "https://login.acme.example"
kind = "person"
algorithms = ["EdDSA"]
[[identity.issuers]]
name = "files"
shape = "oidc"
url = "https://files.acme.example"
kind = "service"
exchanges = "many"
algorithms = ["EdDSA"]
[[identity.issuers]]
name = "unreachable"
shape = "oidc"
url = "https://away.acme.example"
kind = "service"
algorithms = ["EdDSA"]
"#;

pub struct World {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub clock: Arc<Clock>,
    pub jobs: Arc<OneJob>,
    pub standing: Arc<Standing>,
    noted: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<usize>,
    _folder: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl World {
    pub async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let (store, noted) = (Arc::new(ledger(folder.path())), Arc::default());
        let checked = check(IDENTITY).unwrap();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let access = AccessTokens::new(checked.access.clone().unwrap(), SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap(), &[]).unwrap();
        let public = json!({ "kty": "OKP", "kid": "1", "use": "sig", "crv": "Ed25519", "x": encode(pair().public_key().as_ref()) });
        let keys = KeySet::read(json!({ "keys": [public] }).to_string().as_bytes()).unwrap();
        let (clock, jobs, standing) = (Arc::new(Clock::at(NOW * 1000)), Arc::<OneJob>::default(), Arc::<Standing>::default());
        let gateway = Gateway::new(Parts {
            alarm: Arc::new(Panics),
            catalog: Arc::new(Absent),
            connections: BTreeMap::new(),
            engine: Arc::new(Absent),
            identity: Arc::new(Identity::new(checked, Some(access))),
            in_force: standing.clone(),
            jobs: jobs.clone(),
            keys: Arc::new(OneIssuer(Arc::new(keys))),
            log: store.clone(),
            machine: clock.clone(),
            mask_keys: MaskKeys::new(&[7; MASK_SECRET_BYTES]),
            replay: Arc::new(MemoryReplayStore::default()),
            sealer: Arc::new(Noting { store, noted: Arc::clone(&noted) }),
            upstream: Arc::new(Absent),
        });
        let token = Arc::new(Token::new(Arc::new(Arc::clone(&gateway)), TokenSettings::default()));
        let open = Doors { plain: Some("127.0.0.1:0".parse().unwrap()), tls: None }.open().await.unwrap();
        let address = open.plain_address().unwrap();
        let serving = tokio::spawn(open.serve(router(token), std::future::pending()));
        World { address, gateway, clock, jobs, standing, noted, serving, _folder: folder }
    }

    /// What was sealed since the last time: kind, meta, identity.
    pub fn noted(&self) -> Vec<String> {
        std::mem::take(&mut self.noted.lock().unwrap())
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.now_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, "", &encoded(fields)).await
    }

    pub async fn post_with(&self, path: &str, headers: &str, body: &str) -> Answer {
        let media_type =
            if headers.to_ascii_lowercase().contains("content-type") { "" } else { "Content-Type: application/x-www-form-urlencoded\r\n" };
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n{media_type}{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub async fn send(&self, text: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The door may answer before it has read everything.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back).await;
        let text = String::from_utf8_lossy(&back).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub async fn exchange(&self, token: &str) -> Answer {
        self.post("/v1/token", &of_google(token)).await
    }

    /// A token of ours, for a token of the issuer's.
    pub async fn begun(&self, token: &str) -> String {
        self.exchange(token).await.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    /// What every answer of this door has.
    pub fn is_sound(&self) -> bool {
        self.head.contains("\r\ncache-control: no-store")
            && self.head.contains("\r\ncontent-type: application/json")
            && self.json().is_object()
    }
}

/// In the form, and the order, that the library of Google's for Python sends.
pub fn of_google(token: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", EXCHANGE),
        ("audience", "//sluice.local/pools/default"),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ]
}

/// Of the company, for this subject, never used.
pub fn fresh(subject: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    token(json!({ "iss": ISSUER, "sub": subject, "jti": format!("t{}", MADE.fetch_add(1, Ordering::Relaxed)) }))
}

pub fn token(claims: Value) -> String {
    let mut whole = json!({ "aud": SLUICE, "iat": NOW - 10, "exp": NOW + 300 });
    whole.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let head = json!({ "alg": "EdDSA", "kid": "1", "typ": "JWT" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(whole.to_string().as_bytes()));
    format!("{signed}.{}", encode(pair().sign(signed.as_bytes()).as_ref()))
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let value = |text: &str| {
        text.bytes().fold(String::new(), |out, byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out + &char::from(byte).to_string(),
            byte => format!("{out}%{byte:02X}"),
        })
    };
    fields.iter().map(|(name, text)| format!("{name}={}", value(text))).collect::<Vec<_>>().join("&")
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ledger(folder: &std::path::Path) -> Store {
    let disk = Arc::new(LocalDisk::new(folder).unwrap());
    let signer = Arc::new(Signer::from_seed(ORIGIN, KeyKind::Log, &[7; 32]).unwrap());
    let facts =
        LedgerFacts { origin: ORIGIN.to_owned(), ledger: [9; 16], verifier_key: signer.verifier_key().clone(), created_ms: NOW * 1000 };
    create(disk.as_ref(), &facts, &signer, SIZES).unwrap();
    let master = Arc::new(LocalMasterKeys::new((MasterKeyId(*b"test"), [1; 32]), &[]).unwrap());
    let opening = Opening { signer, master, machine: Arc::new(LocalMachine::default()), boot: json!({}), free_bytes_min: 0 };
    Store::start(Ledger::open(disk, &opening).unwrap(), Box::new(|fault| panic!("{fault}"))).unwrap()
}
