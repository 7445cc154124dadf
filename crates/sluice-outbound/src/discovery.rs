//! Where an issuer publishes its keys. Its document may say so, within what configuration pins.

use crate::https::{Fetch, FetchFault, Page, Target};
use serde_json::Value;
use sluice_identity::json;
use sluice_identity::{Issuer, KEY_SET_BYTES_MAX, KeySource, url_fault};

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
const DOCUMENT_PATH: &str = "/.well-known/openid-configuration";

/// The text of the issuer's key set.
pub async fn key_set_text<F: Fetch>(fetch: &F, issuer: &Issuer) -> Result<Page, FetchFault> {
    let url = match &issuer.keys.source {
        KeySource::File(path) => return file(path.clone()).await,
        KeySource::Url(url) => url.clone(),
        KeySource::Discovery => {
            let url = format!("{}{DOCUMENT_PATH}", issuer.url.trim_end_matches('/'));
            let document = fetch.get(&target(issuer, url, DOCUMENT_BYTES_MAX)).await?;
            keys_url(&document.body, issuer)?
        }
    };
    fetch.get(&target(issuer, url, KEY_SET_BYTES_MAX)).await
}

fn target(issuer: &Issuer, url: String, bytes_max: usize) -> Target {
    let private_addresses = issuer.keys.private_addresses;
    Target { url, bytes_max, private_addresses, certificates_file: issuer.keys.certificates_file.clone() }
}

/// A document that speaks of another issuer is another issuer's, and keys on a stranger's host are a stranger's.
fn keys_url(document: &[u8], issuer: &Issuer) -> Result<String, FetchFault> {
    let document = json::read_object(document).map_err(|fault| FetchFault::Document(fault.0))?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer.url.as_str()) {
        return Err(FetchFault::Document("`issuer` is not the configured one".to_owned()));
    }
    let Some(url) = document.get("jwks_uri").and_then(Value::as_str) else {
        return Err(FetchFault::Document("`jwks_uri` is missing".to_owned()));
    };
    if let Some(fault) = url_fault(url) {
        return Err(FetchFault::Document(format!("`jwks_uri`: {fault}")));
    }
    let (host, own) = (host(url), host(&issuer.url));
    let below_own = host.strip_suffix(own).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    if !below_own && !issuer.keys.hosts.contains(host) {
        return Err(FetchFault::Document(format!("`jwks_uri` is on `{host}`, which is not among the issuer's hosts")));
    }
    Ok(url.to_owned())
}

fn host(url: &str) -> &str {
    url.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default()
}

async fn file(path: String) -> Result<Page, FetchFault> {
    let read = tokio::task::spawn_blocking(move || {
        let length = std::fs::metadata(&path)?.len();
        if length > KEY_SET_BYTES_MAX as u64 { Ok(None) } else { std::fs::read(&path).map(Some) }
    });
    match read.await {
        Ok(Ok(Some(body))) => Ok(Page { body, max_age_seconds: None }),
        Ok(Ok(None)) => Err(FetchFault::TooLarge { bytes_max: KEY_SET_BYTES_MAX }),
        Ok(Err(error)) => Err(FetchFault::Unreachable(error.to_string())),
        Err(error) => Err(FetchFault::Unreachable(error.to_string())),
    }
}
