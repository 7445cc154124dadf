//! Credentials files that the gateway issues: what their holders sign opens the doors that it is for, until the file is revoked.

use crate::program::pause;
use crate::talk::{self, Answer};
use crate::world::{API, World, ask};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_ledger::date;
use sluice_ledger::record::Kind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const GATEWAY: &str = "https://gateway.demo.sluice.test";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
pub const COUNT: &str = "SELECT COUNT(*) FROM clinic.patients";
/// A gateway takes changes up within two seconds; a busy machine may take longer.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(60);
const DAY_MS: u64 = 24 * 3_600_000;

/// Whoever has the file.
pub struct Holder {
    path: PathBuf,
    file: Value,
    key: RsaKeyPair,
}

/// What a holder signs, and what is changed in it. Null takes away.
struct Signing<'a> {
    holder: &'a Holder,
    changes: Value,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn run(world: &World, arguments: &[&str]) -> Output {
    let (command, rest) = arguments.split_first().unwrap();
    let program =
        Command::new(env!("CARGO_BIN_EXE_sluice")).args(["credentials", command, "--config"]).arg(&world.folder).args(rest).output();
    program.unwrap()
}

fn issue_to(world: &World, name: &str, path: &Path, more: &[&str]) -> Output {
    let expires = date::text(now() * 1000 + DAY_MS);
    let path = path.to_str().unwrap();
    let given = ["issue", "--name", name, "--project", "acme-prod", "--group", "staff", "--expires", &expires, "--out", path];
    run(world, &[&given, ["--by", "ana", "--reason", "its driver takes nothing else"].as_slice(), more].concat())
}

pub fn issue(world: &World, name: &str) -> Holder {
    let path = world.folder.join(format!("{name}.key.json"));
    let issued = issue_to(world, name, &path, &["--universe-domain", "sluice.test"]);
    assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
    let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let lines: Vec<&str> = file["private_key"].as_str().unwrap().lines().filter(|line| !line.starts_with("-----")).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(lines.concat()).unwrap()).unwrap();
    Holder { path, file, key }
}

impl Holder {
    pub fn text(&self, name: &str) -> &str {
        self.file[name].as_str().unwrap()
    }

    /// As the library for Python writes it for the token door.
    fn assertion(&self, changes: Value) -> String {
        let mut whole = json!({ "aud": "https://oauth2.googleapis.com/token" });
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Signing { holder: self, changes: whole }.text()
    }

    /// As it writes it for requests, where a universe domain is set.
    pub fn bearer(&self, changes: Value) -> String {
        let mut whole = json!({ "sub": self.text("client_email") });
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Signing { holder: self, changes: whole }.text()
    }
}

impl Signing<'_> {
    fn text(&self) -> String {
        static SIGNED: AtomicU64 = AtomicU64::new(0);
        let holder = self.holder;
        let mut header = json!({ "typ": "JWT", "alg": "RS256", "kid": holder.text("private_key_id") });
        let number = SIGNED.fetch_add(1, Ordering::Relaxed);
        let mut claims =
            json!({ "iss": holder.text("client_email"), "iat": now(), "exp": now() + 3600, "scope": SCOPE, "jti": format!("t{number}") });
        for (name, value) in self.changes.as_object().unwrap() {
            let (into, name) = match name.strip_prefix("header.") {
                Some(name) => (header.as_object_mut().unwrap(), name),
                None => (claims.as_object_mut().unwrap(), name.as_str()),
            };
            if value.is_null() { drop(into.remove(name)) } else { drop(into.insert(name.to_owned(), value.clone())) }
        }
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = match header["alg"].as_str().unwrap() {
            // What everybody can read serves as the secret.
            "HS256" => {
                let modulus = RsaPublicKeyComponents::<Vec<u8>>::from(holder.key.public_key()).n;
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &modulus), signed.as_bytes()).as_ref().to_vec()
            }
            "none" => Vec::new(),
            _ => {
                let mut signature = vec![0; holder.key.public_modulus_len()];
                holder.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", encode(&signature))
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// In the form that Google's libraries send.
fn exchange(world: &World, assertion: &str) -> Answer {
    post(world, &format!("grant_type={}&assertion={assertion}", GRANT.replace(':', "%3A")))
}

fn post(world: &World, form: &str) -> Answer {
    let mark = world.mark();
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("User-Agent", mark.as_str())];
    let mut answer = ask(world.plain, &talk::request("POST", "/v1/token", &headers, Some(form.as_bytes())));
    answer.mark = mark;
    world.tell("the holder", &answer);
    answer
}

fn call(world: &World, bearer: &str, verb: &str, path: &str, body: Option<&Value>) -> Answer {
    let (mark, bearer) = (world.mark(), format!("Bearer {bearer}"));
    let headers = [("Authorization", bearer.as_str()), ("User-Agent", &mark), ("Content-Type", "application/json")];
    let bytes = body.map(|body| body.to_string().into_bytes());
    let mut answer = ask(world.plain, &talk::request(verb, path, &headers, bytes.as_deref()));
    answer.mark = mark;
    world.tell("the holder", &answer);
    answer
}

pub fn query(world: &World, bearer: &str, statement: &str) -> Answer {
    call(world, bearer, "POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })))
}

/// Until both files are on record, and in force. Few requests are sent meanwhile: only some refusals of strangers have a record each.
pub fn taken_up(world: &World, last: &Holder) {
    until("nobody records the files", || {
        let listed: Value = serde_json::from_slice(&run(world, &["list", "--json"]).stdout).unwrap();
        listed["not_on_record"] == 0
    });
    until("nobody takes the files up", || exchange(world, &last.assertion(json!({}))).status == 200);
}

/// Until the gateway has looked again.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < TAKEN_UP_WITHIN, "{what}");
        pause(Duration::from_secs(1));
    }
}

fn token(world: &World, holder: &Holder) -> String {
    exchange(world, &holder.assertion(json!({}))).json()["access_token"].as_str().unwrap().to_owned()
}

pub fn revoke(world: &World, holder: &Holder) {
    let revoked = run(world, &["revoke", "--id", holder.text("private_key_id"), "--by", "ben", "--reason", "the laptop was stolen"]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
}

#[test]
fn a_file_is_issued_used_and_revoked() {
    let world = World::start("credentials");
    let (holder, other) = (issue(&world, "nightly"), issue(&world, "other"));
    assert_eq!(std::fs::metadata(&holder.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(holder.text("token_uri"), format!("http://{}/v1/token", world.plain));
    taken_up(&world, &other);
    let granted = exchange(&world, &holder.assertion(json!({}))).json();
    assert_eq!((&granted["token_type"], granted["expires_in"].as_u64()), (&json!("Bearer"), Some(3600)), "{granted}");
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let asked = query(&world, &token, COUNT);
    assert_eq!(asked.json().pointer("/rows/0/f/0/v"), Some(&json!("40")), "{}", asked.text());
    // Policy knows the holder by its groups, and it is nobody else.
    let masked = query(&world, &token, "SELECT ANY_VALUE(ssn) FROM clinic.patients");
    let value = masked.json().pointer("/rows/0/f/0/v").and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
    assert!(value.starts_with("XXXXX") && value.len() == 9, "{}", masked.text());
    let refused = query(&world, &token, "SELECT credit_card FROM clinic.cards");
    assert_eq!(refused.status, 403, "{}", refused.text());
    let job = asked.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let read = |bearer: &str| call(&world, bearer, "GET", &format!("{API}/queries/{job}?location=US"), None).status;
    assert_eq!((read(&token), read(&holder.bearer(json!({}))), read(&self::token(&world, &other))), (200, 200, 404));
    let caller = format!("{GATEWAY}#{}", holder.text("private_key_id"));
    let halt = |more: &[&str]| {
        let halt = [&["halt", "--caller", &caller, "--by", "ana", "--reason", "looked at"], more].concat();
        assert!(Command::new(env!("CARGO_BIN_EXE_sluice")).args(halt).arg("--config").arg(&world.folder).status().unwrap().success());
    };
    halt(&[]);
    assert_eq!((query(&world, &token, COUNT).status, query(&world, &self::token(&world, &other), COUNT).status), (403, 200));
    halt(&["--release"]);
    assert_eq!(query(&world, &token, COUNT).status, 200);

    revoke(&world, &holder);
    until("a revoked file begins sessions", || exchange(&world, &holder.assertion(json!({}))).status == 400);
    let told = exchange(&world, &holder.assertion(json!({}))).text();
    assert!(told.contains("invalid_grant") && told.contains("the credentials file was revoked"), "{told}");
    // What was begun with it is over too.
    assert_eq!((read(&token), read(&holder.bearer(json!({})))), (401, 401));
    let (of_other, last) = (self::token(&world, &other), run(&world, &["list", "--json"]));
    assert_eq!(query(&world, &of_other, COUNT).status, 200);
    let listed: Value = serde_json::from_slice(&last.stdout).unwrap();
    let serves = |id: &str| listed["credentials"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["serves"].clone();
    assert_eq!([serves(holder.text("private_key_id")), serves(other.text("private_key_id"))], [json!(false), json!(true)]);

    let secrets: Vec<String> = [&holder, &other].map(|one| one.text("private_key").lines().nth(3).unwrap().to_owned()).into();
    nowhere_but(&world.folder, &[&holder.path, &other.path], &secrets);
    let evidence = world.finish();
    let acts = evidence.records.iter().filter(|record| record.kind == Kind::AdminAction);
    let acts: Vec<String> = acts.map(|record| serde_json::to_string(&record.sections).unwrap()).collect();
    for (what, count) in
        [("issue a credential", 2), ("revoke a credential", 1), ("its driver takes nothing else", 2), ("the laptop was stolen", 1)]
    {
        assert_eq!(acts.iter().filter(|act| act.contains(what)).count(), count, "{what}: {acts:?}");
    }
    let of_job: Vec<&str> = evidence.of_mark(&asked.mark).iter().filter_map(|record| record.text("identity/subject")).collect();
    assert!(!of_job.is_empty() && of_job.iter().all(|subject| *subject == holder.text("private_key_id")), "{of_job:?}");
}

/// The private key is in its file, and nowhere that the gateway keeps.
fn nowhere_but(folder: &Path, but: &[&Path], secrets: &[String]) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            nowhere_but(&path, but, secrets);
        } else if !but.contains(&path.as_path()) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "{}", path.display());
        }
    }
}

#[test]
fn what_is_signed_wrongly_opens_nothing() {
    let world = World::start("credentials-attacked");
    let (holder, other) = (issue(&world, "nightly"), issue(&world, "other"));
    taken_up(&world, &other);
    let id_of_other = other.text("private_key_id");
    let mut marks = Vec::new();
    let mut check = |what: &str, assertion: &str, expect: &'static str| {
        let answer = exchange(&world, assertion);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_grant")), "{what}: {}", answer.text());
        marks.push((answer.mark, format!("refused {expect}")));
    };
    let mut signed = |changes: Value, expect: &'static str| check(&changes.to_string(), &holder.assertion(changes.clone()), expect);
    signed(json!({ "aud": format!("{GATEWAY}/v1/token") }), "audience_refused");
    signed(json!({ "aud": GATEWAY }), "audience_refused");
    signed(json!({ "aud": null, "sub": holder.text("client_email") }), "claim_missing");
    signed(json!({ "header.alg": "none" }), "algorithm_refused");
    signed(json!({ "header.alg": "HS256" }), "algorithm_refused");
    signed(json!({ "header.kid": id_of_other }), "signature_wrong");
    signed(json!({ "header.kid": id_of_other, "iss": other.text("client_email") }), "signature_wrong");
    signed(json!({ "iss": other.text("client_email") }), "claims_disagree");
    signed(json!({ "sub": "ceo@acme.example" }), "claims_disagree");
    signed(json!({ "header.kid": "0".repeat(40) }), "key_unknown");
    signed(json!({ "iat": now() - 7200, "exp": now() - 3600 }), "expired");
    signed(json!({ "exp": now() + 7200 }), "lifetime_too_long");
    signed(json!({ "iat": now() + 600, "exp": now() + 900 }), "issued_in_future");
    signed(json!({ "scope": "https://www.googleapis.com/auth/admin.directory.user" }), "scope_refused");
    signed(json!({ "target_audience": "https://run.example" }), "claim_malformed");
    check("a token for requests", &holder.bearer(json!({})), "claim_missing");
    check("no assertion", "junk", "token_malformed");
    let once = holder.assertion(json!({}));
    assert_eq!(exchange(&world, &once).status, 200);
    check("once more", &once, "replayed");
    // An assertion goes with no request, and what goes with requests is no token of an issuer.
    for bearer in [holder.assertion(json!({})), holder.bearer(json!({ "scope": null })), holder.bearer(json!({ "header.alg": "HS256" }))] {
        assert_eq!(query(&world, &bearer, COUNT).status, 401);
    }
    for bearer in [holder.bearer(json!({})), holder.bearer(json!({ "aud": "https://bigquery.googleapis.com/", "scope": null }))] {
        assert_eq!(query(&world, &bearer, COUNT).status, 200);
    }
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={}\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
        holder.bearer(json!({}))
    );
    assert_eq!(post(&world, &form).status, 400);
    // What is there is never written over, and nothing is registered for a file that could not be written.
    let before = std::fs::read(&holder.path).unwrap();
    let again = issue_to(&world, "again", &holder.path, &[]);
    assert_eq!((again.status.code(), std::fs::read(&holder.path).unwrap()), (Some(1), before));
    let person = issue_to(&world, "Person", &world.folder.join("person.json"), &[]);
    assert!(!person.status.success() && !world.folder.join("person.json").exists());
    let listed: Value = serde_json::from_slice(&run(&world, &["list", "--json"]).stdout).unwrap();
    assert_eq!(listed["credentials"].as_array().unwrap().len(), 2);
    let evidence = world.finish();
    for (mark, end) in marks {
        let ends: Vec<String> = evidence.of_mark(&mark).iter().map(|record| record.end()).collect();
        assert_eq!(ends, [end], "{mark}");
    }
}
