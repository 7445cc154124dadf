//! What the measurement runs against: gateways with a ledger of their own on the real disk, and nginx beside them.

use super::Outcome;
use super::client::{Link, Target};
use super::process::{Process, run};
use super::upstream::PROJECT;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SLUICE: &str = env!("CARGO_BIN_EXE_sluice");
const COMPANY: &str = "https://login.bench.test";
const AUDIENCE: &str = "https://gateway.bench.test";
const TOKEN_SECONDS: u64 = 300;
const CONNECTIONS_MAX: usize = 1_024;

/// In what a gateway differs from another one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Of schemas from the catalog; nothing leaves it at what it is.
    pub age_seconds_max: Option<u64>,
    /// BigQuery's dry run is asked too, for every statement.
    pub both_judges: bool,
    /// No column has a label.
    pub is_clear: bool,
    /// Nobody looks for what has no label.
    pub is_unwatched: bool,
    /// Where the warehouse has its Storage API.
    pub storage: Option<SocketAddr>,
}

pub struct Gateway {
    pub process: Process,
    pub target: Target,
    folder: PathBuf,
}

impl Gateway {
    /// A new ledger, the starter policy without its limits of requests, and a token for one person.
    pub fn start(folder: &Path, upstream: &str, way: Way) -> Outcome<Gateway> {
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let sluice = Path::new(SLUICE);
        let (signer, issuer) = (key()?, key()?);
        write_policy(&folder, way)?;
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "bench",
            "x": URL_SAFE_NO_PAD.encode(issuer.public_key()) }] });
        std::fs::write(folder.join("keys.json"), keys.to_string())?;
        std::fs::write(folder.join("sluice.toml"), configuration(&folder, upstream, way, &STANDARD.encode(signer.public_key())))?;
        let at = |name: &str| folder.join(name).display().to_string();
        let (config, ledger, ledger_keys, set) = (at(""), at("ledger"), at("ledger-keys"), at("policy"));
        run(sluice, &["ledger", "init", &ledger, "--keys", &ledger_keys, "--origin", "sluice.bench.test/log"])?;
        run(sluice, &["init", "--config", &config])?;
        let (text, signature) = (at("activation"), at("signature"));
        let why = ["--by", "bench", "--reason", "a measurement"];
        run(sluice, &[&["policy", "activate", &set, "--config", &config, "--draft", &text], why.as_slice()].concat())?;
        std::fs::write(&signature, signer.sign(&std::fs::read(&text)?))?;
        let signed = ["policy", "activate", &set, "--config", &config, "--signed", &text, "--signature", &signature];
        run(sluice, &[signed.as_slice(), &["--ledger", &ledger, "--keys", &ledger_keys]].concat())?;
        let mut process = Process::start(sluice, &["serve", "--config", &config])?;
        let address = address(&process.line()?)?;
        let token = Some(exchanged(address, &issuer)?);
        Ok(Gateway { process, target: Target { address, token }, folder })
    }

    /// That a signed checkpoint covers. It is at most a second old.
    pub fn records(&self) -> Outcome<u64> {
        let checkpoint = std::fs::read_to_string(self.folder.join("ledger/checkpoint"))?;
        Ok(checkpoint.lines().nth(1).ok_or("a checkpoint without a size")?.parse()?)
    }

    /// Pieces of rows that were looked at for what nobody labelled, and those that were dropped.
    pub fn samples(&self) -> Outcome<String> {
        let mut link = Link::open(&self.target)?;
        let page = link.ask("GET", "/metrics", "text/plain", "", usize::MAX)?.text();
        let lines = page.lines().filter(|line| line.starts_with("sluice_finding_samples_total{"));
        let counts: Vec<String> =
            lines.map(|line| line.replace("sluice_finding_samples_total{outcome=", "").replace(['"', '}'], "")).collect();
        if counts.is_empty() { Err("the gateway counts no samples".into()) } else { Ok(counts.join(", ")) }
    }

    pub fn stop(self) -> Outcome<()> {
        self.process.stop()?;
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }
}

/// `http://127.0.0.1:5/x`.
pub fn address(url: &str) -> Outcome<SocketAddr> {
    let place = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).ok_or_else(|| format!("`{url}` is no address"))?;
    Ok(place.replace("localhost", "127.0.0.1").parse()?)
}

/// A plain proxy with connections that it keeps. Without it the measurement goes on, and says so.
pub fn nginx(folder: &Path, upstream: SocketAddr) -> Outcome<Option<(Process, Target)>> {
    let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../nginx/usr/sbin/nginx");
    let Some(program) = [here, "/usr/sbin/nginx".into()].into_iter().find(|path: &PathBuf| path.exists()) else { return Ok(None) };
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let places = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"].map(|kind| format!("{kind}_temp_path {kind};"));
    let text = format!(
        "daemon off; worker_processes auto; pid pid; error_log stderr crit;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
    access_log off; keepalive_requests 1000000000; {}
    # A page is never parked on the disk.
    proxy_max_temp_file_size 0;
    upstream warehouse {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://warehouse; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
    }}
}}
",
        places.join(" ")
    );
    std::fs::write(folder.join("nginx.conf"), text)?;
    let (prefix, file) = (folder.display().to_string(), folder.join("nginx.conf").display().to_string());
    let process = Process::start(&program, &["-e", "stderr", "-p", &prefix, "-c", &file])?;
    let target = Target { address: (Ipv4Addr::LOCALHOST, port).into(), token: None };
    // It says nothing when it is ready; its port does.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::net::TcpStream::connect(target.address).is_err() {
        if std::time::Instant::now() > until {
            return Err("nginx does not listen".into());
        }
        std::thread::yield_now();
    }
    Ok(Some((process, target)))
}

fn key() -> Outcome<Ed25519KeyPair> {
    Ed25519KeyPair::generate().map_err(|_| "this machine makes no keys".into())
}

fn write_policy(folder: &Path, way: Way) -> Outcome<()> {
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/policy/starter");
    let set = folder.join("policy");
    std::fs::create_dir(&set)?;
    for name in ["agents.cedar", "everyone.cedar", "labels.toml", "people.cedar", "pipelines.cedar"] {
        let text = std::fs::read_to_string(starter.join(name))?;
        // Rules that ask for the cost want a dry run as the second judge does.
        let rules = text.split("\n\n").filter(|rule| way.both_judges || !rule.contains("dry_run"));
        let rules = rules.collect::<Vec<_>>().join("\n\n");
        let rules = if way.is_clear { rules.replace("\"*.*.*.email\", ", "") } else { rules };
        std::fs::write(set.join(name), rules)?;
    }
    let judge = if way.both_judges { "both" } else { "analysis" };
    let findings = if way.is_unwatched { "[findings.all]\nact = \"ignore\"\n" } else { "" };
    let settings = format!(
        "format = 1\nname = \"bench\"\n[cost]\nmicros_per_tib = 6_250_000\n[connections.warehouse]\njudge = \"{judge}\"\n{findings}"
    );
    Ok(std::fs::write(set.join("policy.toml"), settings)?)
}

fn configuration(folder: &Path, upstream: &str, way: Way, signer: &str) -> String {
    let age = way.age_seconds_max.map_or_else(String::new, |age| format!("schema_age_seconds_max = {age}\n"));
    let storage = way.storage.map_or_else(String::new, |address| format!("storage_endpoint = \"http://{address}\"\n"));
    format!(
        r#"[server]
plain = "127.0.0.1:0"
[ledger]
folder = "ledger"
keys = "ledger-keys"
[state]
folder = "state"
[connections.warehouse]
projects = ["{PROJECT}"]
endpoint = "{upstream}"
credential = {{ kind = "open" }}
{storage}{age}[policy.keys]
bench = "{signer}"
[identity]
audiences = ["{AUDIENCE}"]
[identity.access]
issuer = "{AUDIENCE}"
lifetime_seconds = 3600
session_seconds = 43200
[[identity.issuers]]
name = "company"
shape = "oidc"
url = "{COMPANY}"
kind = "person"
groups_claim = "groups"
algorithms = ["EdDSA"]
keys = {{ file = "{}" }}
"#,
        folder.join("keys.json").display()
    )
}

/// What Google's libraries do: a token of the issuer in exchange for one of the gateway's.
fn exchanged(address: SocketAddr, issuer: &Ed25519KeyPair) -> Outcome<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({ "iss": COMPANY, "aud": AUDIENCE, "sub": "u-1001", "name": "Ada Analyst", "groups": ["staff", "clinical-analysts"],
        "iat": now, "exp": now + TOKEN_SECONDS, "jti": format!("bench-{now}") });
    let header = json!({ "alg": "EdDSA", "kid": "bench", "typ": "JWT" });
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let subject = format!("{text}.{}", URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes())));
    let urn = "urn%3Aietf%3Aparams%3Aoauth%3A";
    let form = format!(
        "grant_type={urn}grant-type%3Atoken-exchange&audience=%2F%2Fsluice.bench%2Fpools%2Fdefault\
         &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fbigquery&requested_token_type={urn}token-type%3Aaccess_token\
         &subject_token={subject}&subject_token_type={urn}token-type%3Ajwt"
    );
    let mut link = Link::open(&Target { address, token: None })?;
    let answer = link.ask("POST", "/v1/token", "application/x-www-form-urlencoded", &form, usize::MAX)?;
    let token = answer.json()?.get("access_token").and_then(serde_json::Value::as_str).map(str::to_owned);
    token.ok_or_else(|| format!("no token: {}", answer.text()).into())
}
