//! A service account's key: a JWT that it signs, for a token.

use super::token_server::{TokenServer, oauth_token};
use super::{CredentialFault, SCOPE, Token, TokenSource, file};
use crate::rest::Endpoint;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sluice_app::Asking;
use std::time::{SystemTime, UNIX_EPOCH};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_SECONDS: u64 = 3600;

/// The file as Google gives it out: `client_email`, `private_key`, `private_key_id`, `token_uri`.
#[derive(Debug)]
pub struct KeyFile {
    path: String,
    certificates_file: Option<String>,
    /// The address that it was made for, and its server: addresses change with the file, hardly ever.
    server: tokio::sync::Mutex<Option<(String, std::sync::Arc<TokenServer>)>>,
}

struct Key {
    email: String,
    id: Option<String>,
    token_uri: String,
    pair: KeyPair,
}

impl KeyFile {
    pub fn new(path: &str, certificates_file: Option<&str>) -> KeyFile {
        KeyFile { path: path.to_owned(), certificates_file: certificates_file.map(str::to_owned), server: tokio::sync::Mutex::default() }
    }

    async fn exchange(&self) -> Result<Token, CredentialFault> {
        let key = Key::read(&self.path, &file::read(&self.path).await?)?;
        let endpoint = Endpoint::parse(&key.token_uri).map_err(|fault| self.fault(&fault.to_string()))?;
        let target = if endpoint.path.is_empty() { "/".to_owned() } else { endpoint.path.clone() };
        let server = self.server(&key.token_uri, endpoint).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let assertion = key.assertion(now).ok_or_else(|| self.fault("the key does not sign"))?;
        oauth_token(&server.post_form(&target, &[("grant_type", GRANT), ("assertion", &assertion)]).await?)
    }

    async fn server(&self, uri: &str, endpoint: Endpoint) -> Result<std::sync::Arc<TokenServer>, CredentialFault> {
        let mut held = self.server.lock().await;
        match &*held {
            Some((address, server)) if address == uri => Ok(server.clone()),
            _ => {
                let made = std::sync::Arc::new(TokenServer::new(endpoint, self.certificates_file.as_deref())?);
                *held = Some((uri.to_owned(), made.clone()));
                Ok(made)
            }
        }
    }

    fn fault(&self, text: &str) -> CredentialFault {
        CredentialFault::Configuration(format!("`{}`: {text}", self.path))
    }
}

impl TokenSource for KeyFile {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(self.exchange())
    }
}

impl Key {
    fn read(path: &str, bytes: &[u8]) -> Result<Key, CredentialFault> {
        let fault = |text: &str| CredentialFault::Configuration(format!("`{path}`: {text}"));
        let file: Value = serde_json::from_slice(bytes).map_err(|_| fault("not JSON"))?;
        let text = |name: &str| file.get(name).and_then(Value::as_str).map(str::to_owned);
        let wanted = |name: &str| text(name).ok_or_else(|| fault(&format!("no `{name}`")));
        if text("type").as_deref() != Some("service_account") {
            return Err(fault("`type` is not service_account"));
        }
        let unusable = || fault("`private_key` is not an RSA key in PEM");
        let pair = match PrivateKeyDer::from_pem_slice(wanted("private_key")?.as_bytes()).map_err(|_| unusable())? {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(unusable()),
        };
        let pair = pair.map_err(|_| unusable())?;
        Ok(Key { email: wanted("client_email")?, id: text("private_key_id"), token_uri: wanted("token_uri")?, pair })
    }

    fn assertion(&self, now: u64) -> Option<String> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut head = json!({ "alg": "RS256", "typ": "JWT" });
        if let (Some(members), Some(id)) = (head.as_object_mut(), &self.id) {
            members.insert("kid".to_owned(), json!(id));
        }
        let claims = json!({
            "iss": self.email, "aud": self.token_uri, "scope": SCOPE, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", encode(&signature)))
    }
}
