//! An identity provider for development: it signs whatever the demo's callers are, for whoever knows the caller's secret. On the loopback alone.

use super::callers::{AUDIENCE, CI_ISSUER, COMPANY_ISSUER, DemoCaller, SERVICES_ISSUER};
use super::folder::secret;
use crate::command::Failure;
use crate::serve::keys::MadeKey;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub const SECRET_HEADER: &str = "x-demo-secret";
pub const TOKEN_FIELD: &str = "token";
const KEY_ID: &str = "demo-1";
const LIFETIME_SECONDS: u64 = 300;

pub struct Provider {
    pub address: SocketAddr,
    desk: Arc<Desk>,
}

struct Desk {
    /// By issuer.
    keys: BTreeMap<&'static str, MadeKey>,
    callers: &'static [DemoCaller],
    secrets: BTreeMap<&'static str, String>,
}

impl Provider {
    pub async fn start(callers: &'static [DemoCaller]) -> Result<Provider, Failure> {
        let mut keys = BTreeMap::new();
        for issuer in [CI_ISSUER, COMPANY_ISSUER, SERVICES_ISSUER] {
            keys.insert(issuer, MadeKey::new()?);
        }
        let secrets = callers.iter().map(|caller| Ok((caller.name, secret()?))).collect::<Result<_, Failure>>()?;
        let desk = Arc::new(Desk { keys, callers, secrets });
        let failed = |error: std::io::Error| Failure::new(format!("the identity provider: {error}"));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = Router::new().route("/token/{caller}", get(token)).with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Provider { address, desk })
    }

    /// As the file that an issuer's `keys` names.
    pub fn key_set(&self, issuer: &str) -> String {
        let keys: Vec<Value> = self
            .desk
            .keys
            .iter()
            .filter(|(name, _)| **name == issuer)
            .map(|(_, key)| json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KEY_ID, "x": key.point_text() }))
            .collect();
        json!({ "keys": keys }).to_string()
    }

    pub fn secret_of(&self, caller: &str) -> &str {
        self.desk.secrets.get(caller).map(String::as_str).unwrap_or_default()
    }
}

/// As JSON by its own account: some of Google's libraries read it as a text otherwise.
async fn token(State(desk): State<Arc<Desk>>, Path(name): Path<String>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let shown = headers.get(SECRET_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    let caller = desk.callers.iter().find(|caller| caller.name == name);
    match caller.filter(|caller| desk.secrets.get(caller.name).is_some_and(|secret| secret.as_bytes() == shown)) {
        None => (StatusCode::FORBIDDEN, Json(json!({ "error": "no such caller, or not its secret" }))),
        Some(caller) => match desk.sign(caller) {
            Ok(token) => (StatusCode::OK, Json(json!({ TOKEN_FIELD: token }))),
            Err(failure) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": failure.to_string() }))),
        },
    }
}

impl Desk {
    fn sign(&self, caller: &DemoCaller) -> Result<String, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::new("the clock is before 1970"))?.as_secs();
        let mut claims = (caller.claims)();
        if let Some(claims) = claims.as_object_mut() {
            claims.insert("iss".to_owned(), caller.issuer.into());
            claims.insert("aud".to_owned(), AUDIENCE.into());
            claims.insert("iat".to_owned(), now.into());
            claims.insert("exp".to_owned(), (now + LIFETIME_SECONDS).into());
            claims.insert("jti".to_owned(), secret()?.into());
        }
        let header = json!({ "alg": "EdDSA", "kid": KEY_ID, "typ": "JWT" });
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = self.keys.get(caller.issuer).ok_or_else(|| Failure::new("an issuer without a key"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()))))
    }
}
