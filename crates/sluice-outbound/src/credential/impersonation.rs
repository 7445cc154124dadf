//! In a service account's name, with the gateway's own token: `iamcredentials` gives one for it.

use super::token_server::{TokenServer, json, secret};
use super::{Cached, CredentialFault, SCOPE, Token, TokenSource};
use crate::rest::Endpoint;
use serde_json::json;
use sluice_app::Asking;
use std::sync::Arc;
use std::time::Duration;

pub const IAM_URL: &str = "https://iamcredentials.googleapis.com";
const LIFETIME_SECONDS: u64 = 3600;
const ACCOUNT_BYTES_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpersonationSettings {
    /// Nothing for Google's.
    pub endpoint: Option<String>,
    pub certificates_file: Option<String>,
}

/// One account, by whoever may.
#[derive(Debug)]
pub struct Impersonation {
    own: Arc<Cached>,
    server: Arc<TokenServer>,
    target: String,
}

impl Impersonation {
    pub fn new(own: Arc<Cached>, server: Arc<TokenServer>, account: &str) -> Result<Impersonation, CredentialFault> {
        if !is_account(account) {
            return Err(CredentialFault::Configuration(format!("`{}` is not a service account", account.escape_debug())));
        }
        Ok(Impersonation { own, server, target: format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken") })
    }

    /// For an address that a file names: path and all.
    pub fn at(own: Arc<Cached>, server: Arc<TokenServer>, target: &str) -> Impersonation {
        Impersonation { own, server, target: target.to_owned() }
    }

    pub fn server(settings: &ImpersonationSettings) -> Result<Arc<TokenServer>, CredentialFault> {
        let url = settings.endpoint.as_deref().unwrap_or(IAM_URL);
        let endpoint = Endpoint::parse(url).map_err(|fault| CredentialFault::Configuration(fault.to_string()))?;
        TokenServer::new(endpoint, settings.certificates_file.as_deref()).map(Arc::new)
    }

    async fn ask(&self) -> Result<Token, CredentialFault> {
        let own = self.own.secret().await?;
        let bearer = own.bearer().ok_or_else(|| CredentialFault::Malformed("the token cannot stand in a header".to_owned()))?;
        let body = json!({ "scope": [SCOPE], "lifetime": format!("{LIFETIME_SECONDS}s") });
        let answered = self.server.post_json(&self.target, &body, bearer).await;
        if let Err(CredentialFault::Refused { status: 401, .. }) = &answered {
            self.own.spoil(&own);
        }
        let body = json(&answered?)?;
        Ok(Token { secret: secret(&body, "accessToken")?, lives: Some(Duration::from_secs(LIFETIME_SECONDS)) })
    }
}

impl TokenSource for Impersonation {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(self.ask())
    }
}

/// An e-mail address that is one segment of a path, whatever it holds.
pub fn is_account(account: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._@".contains(&byte);
    let parts = account.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.contains('@') && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    account.len() <= ACCOUNT_BYTES_MAX && parts && account.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_addresses() {
        for account in ["reader@acme-prod.iam.gserviceaccount.com", "1-compute@developer.gserviceaccount.com"] {
            assert!(is_account(account), "{account}");
        }
        for account in
            ["", "a", "a@b", "@b.c", "a@b.", "a@.b", "a/../b@c.d", "a@b.c:generateIdToken", "a@b.c?x", "a b@c.d", "A@b.c", "a@b@c.d"]
        {
            assert!(!is_account(account), "{account}");
        }
    }
}
