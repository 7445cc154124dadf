//! `act`, as RFC 8693 writes it: the token's subject is the one acted for, the outermost `act` is the caller, those inside are the hands between.

use crate::claims::Claims;
use crate::refusal::Reason;
use sluice_model::{Actor, DELEGATION_DEPTH_MAX, Principal};
use std::collections::BTreeSet;

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

/// Not too long, and nobody in it twice: whoever acts for itself hides how many hands there are, and who answers for what.
pub fn check(principal: &Principal) -> Result<(), Reason> {
    let Some(delegation) = &principal.delegation else { return Ok(()) };
    if principal.delegation_depth() > DELEGATION_DEPTH_MAX {
        return Err(Reason::ChainTooLong);
    }
    let hands = delegation.through.iter().map(|actor| (actor.issuer.as_str(), actor.subject.as_str()));
    let person = (delegation.on_behalf_of.issuer.as_str(), delegation.on_behalf_of.subject.as_str());
    let everyone = std::iter::once((principal.issuer.as_str(), principal.subject.as_str())).chain(hands).chain(std::iter::once(person));
    let mut seen = BTreeSet::new();
    match everyone.into_iter().find(|one| !seen.insert(*one)) {
        Some((issuer, subject)) => Err(Reason::ActorTwice(format!("{issuer}#{subject}"))),
        None => Ok(()),
    }
}
