//! `act`, as RFC 8693 writes it: the token's subject is the one acted for, the outermost `act` is the caller, those inside are the hands between.

use crate::claims::Claims;
use crate::refusal::Reason;
use sluice_model::{Actor, DELEGATION_DEPTH_MAX};

/// From the caller inwards. Empty where nobody is acted for.
pub fn actors(claims: &Claims<'_>, issuer: &str) -> Result<Vec<Actor>, Reason> {
    let mut actors = Vec::new();
    let mut members = claims.clone();
    while members.holds("act") {
        members = members.object("act")?;
        if actors.len() == DELEGATION_DEPTH_MAX {
            return Err(Reason::ChainTooLong);
        }
        let named = members.text_if_present("iss")?.unwrap_or(issuer);
        actors.push(Actor { issuer: named.to_owned(), subject: members.text("sub")?.to_owned() });
    }
    Ok(actors)
}
