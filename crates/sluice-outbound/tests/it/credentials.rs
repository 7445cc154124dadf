//! Where tokens come from, against token servers of bytes: what is sent there, what is believed, how often they are asked.

use crate::double::{Double, Turn, error, said};
use crate::ground::{connected, registrar, request, settings, shown};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_app::{Asking, Upstream};
use sluice_outbound::{
    Cached, CallerAccount, CredentialFault, CredentialsSettings, Federation, Impersonate, ImpersonationSettings, KeyFile, Metadata, Secret,
    Token, TokenSource,
};
use sluice_policy::Verb;
use sluice_testkit::recorded::caller;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn token_answer(token: &str) -> Turn {
    Turn::Say(said("200 OK", &json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }).to_string()))
}

async fn token(source: &dyn TokenSource) -> Result<String, CredentialFault> {
    source.token().await.map(|token| token.secret.reveal().to_owned())
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, others @ ..] = rest {
            rest = others;
            if let (b'%', [high, low, after @ ..]) = (*first, others) {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            } else {
                bytes.push(*first);
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let text = std::str::from_utf8(body).unwrap();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

struct Key {
    pair: KeyPair,
    path: PathBuf,
}

fn key_file(name: &str, token_uri: &str) -> Key {
    use aws_lc_rs::encoding::AsDer;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    let text = json!({
        "type": "service_account", "client_email": "etl@acme-prod.iam.gserviceaccount.com", "private_key_id": "k-1",
        "private_key": pem, "token_uri": token_uri,
    });
    Key { pair, path: file(name, &text.to_string()) }
}

#[tokio::test]
async fn a_key_file_signs_for_a_token() {
    let server = Double::start(vec![token_answer("from-key")]).await;
    let uri = format!("{}/token", server.url);
    let key = key_file("signs.json", &uri);
    let source = KeyFile::new(key.path.to_str().unwrap(), None);
    assert_eq!(token(&source).await.as_deref(), Ok("from-key"));
    let seen = &server.seen()[0];
    assert_eq!((seen.verb.as_str(), seen.target.as_str()), ("POST", "/token"));
    let form = form(&seen.body);
    assert_eq!(field(&form, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<&str> = field(&form, "assertion").split('.').collect();
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (head, claims) = (decode(parts[0]), decode(parts[1]));
    assert_eq!(head, json!({ "alg": "RS256", "typ": "JWT", "kid": "k-1" }));
    assert_eq!(claims["iss"], "etl@acme-prod.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], uri.as_str());
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/bigquery");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref());
    public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
    assert!(!format!("{source:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn a_key_goes_nowhere_in_plain() {
    let check = async |name: &str, text: String, expect: &str| {
        let path = file(name, &text);
        let fault = token(&KeyFile::new(path.to_str().unwrap(), None)).await.unwrap_err();
        assert!(fault.to_string().contains(expect), "{name}: {fault}");
        assert!(!fault.to_string().contains("BEGIN"), "{fault}");
    };
    let key = key_file("plain.json", "http://oauth2.evil.example/token");
    let good: Value = serde_json::from_slice(&std::fs::read(&key.path).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed.to_string()
    };
    check("k1.json", good.to_string(), "plain HTTP").await;
    check("k2.json", with("type", json!("authorized_user")), "`type` is not service_account").await;
    check("k3.json", with("private_key", json!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), "not an RSA key").await;
    check("k4.json", with("private_key", Value::Null), "no `private_key`").await;
    check("k5.json", with("token_uri", json!("file:///etc/passwd")), "not an address").await;
    check("k6.json", "not json".to_owned(), "not JSON").await;
    check("k7.json", " ".repeat(70_000), "more than").await;
    assert!(token(&KeyFile::new("/nowhere/key.json", None)).await.is_err());
}

#[tokio::test]
async fn the_metadata_server_says_who_it_is() {
    let answer = |flavor: &str| {
        let body = json!({ "access_token": "from-machine", "expires_in": 3599, "token_type": "Bearer" }).to_string();
        Turn::Say(format!("HTTP/1.1 200 OK\r\n{flavor}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let check = async |flavor: &str, expect: Result<&str, &str>| {
        let server = Double::start(vec![answer(flavor)]).await;
        let found = token(&Metadata::new(&server.url).unwrap()).await;
        assert_eq!(found.as_deref().map_err(|fault| matches!(fault, CredentialFault::Malformed(_))), expect.map_err(|_| true), "{flavor}");
        let seen = &server.seen()[0];
        assert!(seen.target.starts_with("/computeMetadata/v1/instance/service-accounts/default/token?scopes="), "{}", seen.target);
        assert!(seen.head.to_ascii_lowercase().contains("metadata-flavor: google"));
    };
    check("Metadata-Flavor: Google\r\n", Ok("from-machine")).await;
    check("", Err("malformed")).await;
    check("Metadata-Flavor: Other\r\n", Err("malformed")).await;
    for url in ["http://10.0.0.1", "http://metadata.evil.example"] {
        assert!(Metadata::new(url).is_err(), "{url}");
    }
}

fn external(server: &str, source: Value, impersonated: Option<&str>) -> Value {
    let mut file = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{server}/v1/token"),
        "credential_source": source,
    });
    if let Some(url) = impersonated {
        file["service_account_impersonation_url"] = json!(url);
    }
    file
}

#[tokio::test]
async fn a_token_of_another_issuer_is_exchanged() {
    let server = Double::start(vec![token_answer("federated")]).await;
    let subject = file("subject.txt", "subject-jwt\n");
    let path = file("external.json", &external(&server.url, json!({ "file": subject }), None).to_string());
    assert_eq!(token(&Federation::new(path.to_str().unwrap(), None)).await.as_deref(), Ok("federated"));
    let sent = form(&server.seen()[0].body);
    assert_eq!(field(&sent, "subject_token"), "subject-jwt");
    assert_eq!(field(&sent, "grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(field(&sent, "scope"), "https://www.googleapis.com/auth/bigquery");
    assert!(field(&sent, "audience").starts_with("//iam.googleapis.com/"));
}

#[tokio::test]
async fn a_subject_comes_from_a_server_and_an_account_stands_at_the_end() {
    let server = Double::start(vec![
        Turn::Say(said("200 OK", "{\"value\":\"subject-2\"}")),
        token_answer("federated"),
        Turn::Say(said("200 OK", "{\"accessToken\":\"in-its-name\",\"expireTime\":\"2030-01-01T00:00:00Z\"}")),
    ])
    .await;
    let source = json!({
        "url": format!("{}/identity?resource=a", server.url), "headers": { "Metadata": "True" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    let account = format!("{}/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken", server.url);
    let path = file("external2.json", &external(&server.url, source, Some(&account)).to_string());
    assert_eq!(token(&Federation::new(path.to_str().unwrap(), None)).await.as_deref(), Ok("in-its-name"));
    let seen = server.seen();
    assert_eq!(seen[0].target, "/identity?resource=a");
    assert!(seen[0].head.to_ascii_lowercase().contains("metadata: true"));
    assert_eq!(field(&form(&seen[1].body), "subject_token"), "subject-2");
    assert_eq!(field(&form(&seen[1].body), "scope"), "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(seen[2].target, "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken");
    assert!(seen[2].head.to_ascii_lowercase().contains("authorization: bearer federated"));
}

#[tokio::test]
async fn federation_that_is_not_understood_is_refused() {
    let check = async |name: &str, changed: Value, expect: &str| {
        let path = file(name, &changed.to_string());
        let fault = token(&Federation::new(path.to_str().unwrap(), None)).await.unwrap_err();
        assert!(fault.to_string().contains(expect), "{name}: {fault}");
    };
    let local = "http://127.0.0.1:1";
    check("e1.json", external("http://sts.evil.example", json!({ "file": "x" }), None), "plain HTTP").await;
    check("e2.json", external(local, json!({ "url": "http://10.1.1.1/token" }), None), "plain HTTP").await;
    check("e3.json", external(local, json!({ "executable": { "command": "sh" } }), None), "executable").await;
    check("e4.json", external(local, json!({ "environment_id": "aws1" }), None), "environment_id").await;
    check("e5.json", external(local, json!({}), None), "neither").await;
    check("e6.json", external(local, json!({ "file": "x" }), Some("http://iam.evil.example/x")), "plain HTTP").await;
    check("e7.json", json!({ "type": "service_account" }), "external_account").await;
    check("e8.json", external(local, json!({ "file": "/nowhere/subject" }), None), "nowhere").await;
}

#[tokio::test]
async fn callers_have_accounts_of_their_own() {
    let iam = Double::start(vec![Turn::Say(said("200 OK", "{\"accessToken\":\"reader-token\"}"))]).await;
    let warehouse = Double::start(vec![Turn::Say(said("200 OK", "{}"))]).await;
    let account = |caller: &str, account: &str| CallerAccount { caller: caller.to_owned(), account: account.to_owned() };
    let impersonate = Impersonate::PerCaller {
        accounts: vec![
            account("https://login.acme.example#etl", "etl@p.iam.gserviceaccount.com"),
            account("https://login.acme.example#agent-*", "agents@p.iam.gserviceaccount.com"),
        ],
        settings: ImpersonationSettings { endpoint: Some(iam.url.clone()), certificates_file: None },
    };
    let mut settings = settings(&warehouse.url);
    settings.credentials = CredentialsSettings::Token(Secret::new("own"));
    settings.impersonate = impersonate;
    let bigquery = connected(settings);
    let sent = || request(Verb::Get, "projects/p/datasets/d", None);
    for subject in ["etl", "agent-1", "agent-2", "etl"] {
        bigquery.send(&registrar().permit(&caller(subject), sent()).await).await.unwrap();
    }
    let asked: Vec<String> = iam.seen().into_iter().map(|seen| seen.target).collect();
    let path = |account: &str| format!("/v1/projects/-/serviceAccounts/{account}@p.iam.gserviceaccount.com:generateAccessToken");
    assert_eq!(asked, [path("etl"), path("agents")], "each account once");
    assert!(iam.seen()[0].head.to_ascii_lowercase().contains("authorization: bearer own"));
    assert!(warehouse.seen().iter().all(|seen| seen.head.to_ascii_lowercase().contains("authorization: bearer reader-token")));
    let fault = bigquery.send(&registrar().permit(&caller("stranger"), sent()).await).await.unwrap_err();
    assert_eq!(shown(&fault), "Credential");
    assert_eq!(warehouse.seen().len(), 4, "whom no account stands for is not served");
}

/// Counts, waits, and gives tokens or faults as it is told.
struct Source {
    asked: Arc<AtomicU64>,
    lives: Duration,
    fails_from: u64,
}

impl TokenSource for Source {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(async {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(30)).await;
            if number >= self.fails_from {
                return Err(CredentialFault::Unreachable("planned".to_owned()));
            }
            Ok(Token { secret: Secret::new(format!("t-{number}")), lives: Some(self.lives) })
        })
    }
}

fn cached(lives: Duration, fails_from: u64) -> (Arc<Cached>, Arc<AtomicU64>) {
    let asked: Arc<AtomicU64> = Arc::default();
    (Arc::new(Cached::new(Source { asked: asked.clone(), lives, fails_from })), asked)
}

async fn fifty(cached: &Arc<Cached>) -> Vec<Result<String, CredentialFault>> {
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { cached.secret().await.map(|secret| secret.reveal().to_owned()) })
        })
        .collect();
    let mut found = Vec::new();
    for one in asking {
        found.push(one.await.unwrap());
    }
    found
}

#[tokio::test]
async fn one_token_serves_all() {
    let (cached, asked) = cached(Duration::from_secs(3600), u64::MAX);
    let found = fifty(&cached).await;
    assert!(found.iter().all(|token| token.as_deref() == Ok("t-1")), "{found:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // One that was refused is not used again.
    let secret = cached.secret().await.unwrap();
    assert!(cached.spoil(&secret));
    assert!(cached.spoil(&secret), "the second of two that were refused spoils nothing new");
    assert_eq!(cached.secret().await.unwrap().reveal(), "t-2");
    cached.spoil(&secret);
    assert_eq!(cached.secret().await.unwrap().reveal(), "t-2", "an old refusal spoils no new token");
}

#[tokio::test]
async fn those_who_wait_share_the_fault() {
    let (cached, asked) = cached(Duration::from_secs(3600), 1);
    assert!(fifty(&cached).await.iter().all(Result::is_err));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(cached.secret().await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2, "whoever comes later asks anew");
}

#[tokio::test]
async fn tokens_are_renewed_before_their_end() {
    // The last ten seconds do not count: it ends after 200 ms, and is due for renewal before that.
    let (cached, asked) = cached(Duration::from_millis(10_200), u64::MAX);
    assert_eq!(cached.secret().await.unwrap().reveal(), "t-1");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(cached.secret().await.unwrap().reveal(), "t-2");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_server_that_is_busy_is_asked_again() {
    let check = async |turns: Vec<Turn>, expect: Result<&str, &str>, asked: usize| {
        let server = Double::start(turns.clone()).await;
        let key = key_file(&format!("busy{asked}{}.json", expect.is_ok()), &server.url);
        let found = token(&KeyFile::new(key.path.to_str().unwrap(), None)).await;
        let said = found.map_err(|fault| fault.to_string());
        assert_eq!(said.as_deref().map_err(String::as_str), expect, "{turns:.80?}");
        assert_eq!(server.seen().len(), asked);
    };
    let refused = said("400 Bad", "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\\n Signature.\"}");
    check(vec![Turn::Say(error(503, "x")), token_answer("t")], Ok("t"), 2).await;
    check(vec![Turn::Say(refused)], Err("the token server refused with 400: invalid_grant: Invalid JWT\\n Signature."), 1).await;
    let empty = Turn::Say(said("200 OK", "{}"));
    check(vec![empty], Err("the token server's answer is no token: `expires_in` is missing"), 1).await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let iam =
        Double::start(vec![Turn::Say(said("200 OK", "{\"accessToken\":\"a\"}")), Turn::Say(said("200 OK", "{\"accessToken\":\"b\"}"))])
            .await;
    let check = async |verb: Verb, turns: Vec<Turn>, expect: &str, verbs: &str| {
        let warehouse = Double::start(turns).await;
        let mut settings = settings(&warehouse.url);
        settings.credentials = CredentialsSettings::Token(Secret::new("own"));
        settings.impersonate = Impersonate::Always {
            account: "a@p.iam.gserviceaccount.com".to_owned(),
            settings: ImpersonationSettings { endpoint: Some(iam.url.clone()), certificates_file: None },
        };
        let bigquery = connected(settings);
        let permit = registrar().permit(&caller("etl"), request(verb, "projects/p/datasets/d", None)).await;
        let found = bigquery.send(&permit).await.map_or_else(|fault| shown(&fault), |_| "ok".to_owned());
        assert_eq!((found.as_str(), warehouse.verbs().as_str()), (expect, verbs));
    };
    let refused = || Turn::Say(error(401, "authError"));
    check(Verb::Get, vec![refused(), Turn::Say(said("200 OK", "{}"))], "ok", "GET GET").await;
    check(Verb::Get, vec![refused()], "Credential 401 authError", "GET GET").await;
    check(Verb::Delete, vec![refused()], "Credential 401 authError", "DELETE").await;
}
