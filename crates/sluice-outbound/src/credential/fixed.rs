//! A token that stands in the configuration: for warehouses on this machine.

use super::{CredentialFault, Secret, Token, TokenSource};
use sluice_app::Asking;

pub struct FixedToken(pub Secret);

impl TokenSource for FixedToken {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>> {
        Box::pin(async { Ok(Token { secret: self.0.clone(), lives: None }) })
    }

    fn is_renewable(&self) -> bool {
        false
    }
}
