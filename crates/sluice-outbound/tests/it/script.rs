//! An issuer whose answers are written down, and which counts how often it is asked.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use sluice_identity::{Issuer, check};
use sluice_outbound::{Fetch, FetchFault, Page, Target};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const ISSUER: &str = "https://login.acme.example";

#[derive(Clone, Default)]
pub struct Script {
    pages: Arc<Mutex<BTreeMap<String, Result<Page, FetchFault>>>>,
    asked: Arc<AtomicUsize>,
    delay: Arc<Mutex<Duration>>,
}

impl Script {
    /// Discovery and one key of this id.
    pub fn honest(key_id: &str) -> Script {
        let script = Script::default();
        // Long enough for others to come and wait.
        script.delay(Duration::from_millis(5));
        script.document(ISSUER, &format!("{ISSUER}/keys"));
        script.keys(key_id, None);
        script
    }

    pub fn document(&self, issuer: &str, keys: &str) {
        self.page("/.well-known/openid-configuration", &format!("{{\"issuer\":\"{issuer}\",\"jwks_uri\":\"{keys}\"}}"), None);
    }

    pub fn keys(&self, key_id: &str, max_age_seconds: Option<u64>) {
        self.page("/keys", &key_set(key_id), max_age_seconds);
    }

    pub fn page(&self, path: &str, body: &str, max_age_seconds: Option<u64>) {
        let page = Page { body: body.as_bytes().to_vec(), max_age_seconds };
        self.pages.lock().unwrap().insert(format!("{ISSUER}{path}"), Ok(page));
    }

    pub fn fail(&self, path: &str, fault: FetchFault) {
        self.pages.lock().unwrap().insert(format!("{ISSUER}{path}"), Err(fault));
    }

    /// Before each answer from now on.
    pub fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    /// How often for keys.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetch for Script {
    async fn get(&self, target: &Target) -> Result<Page, FetchFault> {
        if !target.url.contains("/.well-known/") {
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        let pages = self.pages.lock().unwrap();
        pages.get(&target.url).cloned().unwrap_or_else(|| Err(FetchFault::Document(format!("asked for {}", target.url))))
    }
}

pub fn key_set(key_id: &str) -> String {
    use base64::Engine;
    let point = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Ed25519KeyPair::generate().unwrap().public_key().as_ref());
    format!("{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"{key_id}\",\"x\":\"{point}\"}}]}}")
}

/// An issuer with these keys in its `keys` table.
pub fn issuer(url: &str, keys: &str) -> Issuer {
    let text = format!(
        "[identity]\naudiences = [\"a\"]\n[[identity.issuers]]\nname = \"x\"\nshape = \"oidc\"\nkind = \"service\"\nurl = \"{url}\"\nkeys = {{ {keys} }}\n"
    );
    check(&text).unwrap_or_else(|problems| panic!("{problems:?}")).issuers.remove(0)
}
