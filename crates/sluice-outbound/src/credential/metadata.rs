//! The metadata server of a machine or pod at Google: whoever runs there is somebody already.

use super::token_server::{TokenServer, oauth_token};
use super::{CredentialFault, SCOPE, Token, TokenSource};
use crate::rest::{Endpoint, with_query};
use hyper::header::{HeaderName, HeaderValue};
use sluice_app::Asking;

pub const METADATA_URL: &str = "http://metadata.google.internal";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GOOGLE: &str = "Google";

#[derive(Debug)]
pub struct Metadata {
    server: TokenServer,
}

impl Metadata {
    /// `METADATA_URL`, or another address on this machine.
    pub fn new(url: &str) -> Result<Metadata, CredentialFault> {
        let endpoint = Endpoint::parse_on_machine(url).map_err(|fault| CredentialFault::Configuration(fault.to_string()))?;
        Ok(Metadata { server: TokenServer::new(endpoint, None)? })
    }

    async fn ask(&self) -> Result<Token, CredentialFault> {
        let target = with_query(PATH, &[("scopes".to_owned(), SCOPE.to_owned())]);
        let answer = self.server.get(&target, vec![(FLAVOR, HeaderValue::from_static(GOOGLE))]).await?;
        // Another server at that address would not know to say so.
        if answer.headers.get(FLAVOR).is_none_or(|flavor| flavor != GOOGLE) {
            return Err(CredentialFault::Malformed("it is not Google's metadata server".to_owned()));
        }
        oauth_token(&answer)
    }
}

impl TokenSource for Metadata {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(self.ask())
    }
}
