//! What claims are worth at an issuer and a moment. It knows nothing of signatures and grants nothing: `Caller` also asks for those.

use crate::claims::Claims;
use crate::conditions::Conditions;
use crate::delegation;
use crate::issuer::Issuer;
use crate::json::Object;
use crate::refusal::Reason;
use serde_json::Value;
use sluice_model::{Actor, Asserted, CallerKind, Delegation, Delegator, Principal};
use std::collections::{BTreeMap, BTreeSet};

/// How far clocks may be apart.
pub const LEEWAY_SECONDS: u64 = 30;
const AUDIENCES_MAX: usize = 8;
const GROUPS_MAX: usize = 500;

#[derive(Debug)]
pub struct Judged {
    pub principal: Principal,
    pub asserted: Asserted,
    pub standing: Standing,
}

/// What every token has to have, whoever issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub token_id: Option<String>,
    pub issued_at: u64,
    pub expires_at: u64,
}

pub fn judge(media_type: &str, members: &Object, issuer: &Issuer, now: u64) -> Result<Judged, Reason> {
    let claims = Claims::new(members);
    check_media_type(media_type, &issuer.media_types)?;
    let standing = standing(&claims, &issuer.url, &issuer.audiences, issuer.lifetime_seconds_max, now)?;
    if let Some(claim) = issuer.require.first_missed(members) {
        return Err(Reason::RequirementMissed(claim));
    }
    let normalised = issuer.shape.normalise(&claims, issuer)?;
    let actors = delegation::actors(&claims, &issuer.url)?;
    // The caller is one of this issuer: otherwise it could name the callers of every other.
    if actors.first().is_some_and(|caller| !issuer.delegates || caller.issuer != issuer.url) {
        return Err(Reason::ActorRefused);
    }
    let ruled = issuer.kinds.iter().find(|(_, when)| when.hold(members)).map(|(kind, _)| *kind);
    // A rule is more exact than the shape, and the shape than the issuer as a whole.
    let kind = ruled.or(normalised.kind).or(issuer.kind).ok_or(Reason::KindUnknown)?;
    let (of_actor, of_subject) = groups(&claims, issuer)?;
    let subject = Principal {
        kind,
        issuer: issuer.url.clone(),
        subject: normalised.subject,
        name: normalised.name,
        groups: of_subject,
        run: normalised.run,
        facts: normalised.facts,
        delegation: None,
        grants: Vec::new(),
    };
    let principal = acting(actors, of_actor, subject);
    delegation::check(&principal)?;
    Ok(Judged { principal, asserted: normalised.asserted, standing })
}

/// A token made for one purpose must not serve for another: the type tells them apart.
pub fn check_media_type(found: &str, accepted: &BTreeSet<String>) -> Result<(), Reason> {
    if accepted.contains(found) { Ok(()) } else { Err(Reason::TypeRefused(found.to_owned())) }
}

pub fn standing(
    claims: &Claims<'_>,
    issuer: &str,
    audiences: &BTreeSet<String>,
    lifetime_seconds_max: u64,
    now: u64,
) -> Result<Standing, Reason> {
    if claims.text("iss")? != issuer {
        return Err(Reason::IssuerUnknown(claims.text("iss")?.to_owned()));
    }
    audience(claims, audiences)?;
    claims.text("sub")?;
    moments(claims, lifetime_seconds_max, now)
}

/// When it is good, which one it is, and that it is nothing but an identity.
pub fn moments(claims: &Claims<'_>, lifetime_seconds_max: u64, now: u64) -> Result<Standing, Reason> {
    let (issued_at, expires_at) = (claims.seconds("iat")?, claims.seconds("exp")?);
    if issued_at > now.saturating_add(LEEWAY_SECONDS) {
        return Err(Reason::IssuedInFuture { issued_at, now });
    }
    if let Some(from) = claims.seconds_if_present("nbf")?.filter(|from| *from > now.saturating_add(LEEWAY_SECONDS)) {
        return Err(Reason::NotYetValid { from, now });
    }
    let Some(seconds) = expires_at.checked_sub(issued_at).filter(|seconds| *seconds > 0) else {
        return Err(claims.malformed("exp", "later than `iat`"));
    };
    if seconds > lifetime_seconds_max {
        return Err(Reason::LifetimeTooLong { seconds, seconds_max: lifetime_seconds_max });
    }
    if expires_at + LEEWAY_SECONDS <= now {
        return Err(Reason::Expired { expires_at, now });
    }
    if claims.holds("cnf") {
        return Err(Reason::BoundToken);
    }
    // A logout token or another security event has issuer, audience and signature like an identity.
    if claims.holds("events") {
        return Err(claims.malformed("events", "part of an identity"));
    }
    let token_id = match claims.members().get("jti") {
        None => None,
        Some(_) => Some(claims.text("jti")?.to_owned()),
    };
    Ok(Standing { token_id, issued_at, expires_at })
}

/// One audience of ours, or a list in which every one is: a token that others accept too can be passed on by them.
pub fn audience(claims: &Claims<'_>, accepted: &BTreeSet<String>) -> Result<(), Reason> {
    let found = match claims.members().get("aud") {
        Some(Value::String(_)) => vec![claims.text("aud")?],
        Some(Value::Array(_)) => claims.texts("aud")?,
        Some(_) => return Err(claims.malformed("aud", "a text or a list of texts")),
        None => return Err(claims.missing("aud")),
    };
    if found.is_empty() || found.len() > AUDIENCES_MAX {
        return Err(claims.malformed("aud", "a short list"));
    }
    match found.iter().find(|audience| !accepted.contains(**audience)) {
        Some(foreign) => Err(Reason::AudienceRefused((*foreign).to_owned())),
        None => Ok(()),
    }
}

/// Of the caller where it acts for someone, and of the token's subject. The claim speaks of the subject; a rule speaks of the caller if it asks for `act`.
fn groups(claims: &Claims<'_>, issuer: &Issuer) -> Result<(BTreeSet<String>, BTreeSet<String>), Reason> {
    let mut of_subject = BTreeSet::new();
    if let Some(name) = &issuer.groups_claim {
        // Missing groups must not look like none: a rule that forbids by group would be silent.
        of_subject.extend(claims.texts(name)?.into_iter().map(|group| format!("{}{group}", issuer.groups_prefix)));
        if of_subject.len() > GROUPS_MAX {
            return Err(Reason::GroupsCut);
        }
    }
    let mut of_actor = BTreeSet::new();
    for rule in issuer.groups.iter().filter(|rule| rule.when.hold(claims.members())) {
        let into = if speaks_of_actor(&rule.when) { &mut of_actor } else { &mut of_subject };
        into.insert(rule.group.clone());
    }
    Ok((of_actor, of_subject))
}

fn speaks_of_actor(when: &Conditions) -> bool {
    when.0.iter().any(|condition| condition.path.first().is_some_and(|name| name == "act"))
}

fn acting(actors: Vec<Actor>, groups: BTreeSet<String>, subject: Principal) -> Principal {
    let mut actors = actors.into_iter();
    let Some(caller) = actors.next() else { return subject };
    // An address is a person's, and this one is not the caller's.
    let mut facts = subject.facts;
    if let Some(address) = facts.remove("email") {
        facts.insert("on_behalf_of_email".to_owned(), address);
    }
    Principal {
        kind: CallerKind::Agent,
        issuer: caller.issuer,
        name: caller.subject.clone(),
        subject: caller.subject,
        groups,
        run: None,
        facts,
        delegation: Some(Delegation {
            on_behalf_of: Delegator {
                kind: subject.kind,
                issuer: subject.issuer,
                subject: subject.subject,
                name: subject.name,
                groups: subject.groups,
            },
            through: actors.collect(),
        }),
        grants: Vec::new(),
    }
}

/// For the maps of facts that travel in access tokens.
pub type Facts = BTreeMap<String, String>;
