//! What the holder of an issued credential signed, as Google's libraries write it: an assertion for the token door, or a token for requests themselves.

use super::{IssuedCredential, Purpose, Registration};
use crate::claims::Claims;
use crate::json::Object;
use crate::judgement::{self, Standing};
use crate::refusal::Reason;
use sluice_model::Principal;
use std::collections::{BTreeMap, BTreeSet};

/// Google's limit, and what its libraries use up.
const LIFETIME_SECONDS_MAX: u64 = 3600;
/// Whatever a file says, the library for Python signs for this address.
const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const GOOGLE_DOMAIN: &str = "googleapis.com";
const MEDIA_TYPES: [&str; 2] = ["", "JWT"];
/// Others, such as `target_audience` and `act`, ask for something that is not done here.
const CLAIMS: [&str; 8] = ["aud", "exp", "iat", "iss", "jti", "nbf", "scope", "sub"];
/// What the clients ask for. It bounds nothing: policy decides what a caller may do.
const SCOPES_BELOW: &str = "https://www.googleapis.com/auth/";
const SCOPES: [&str; 15] = [
    "accounts.reauth",
    "appengine.admin",
    "bigquery",
    "bigquery.insertdata",
    "bigquery.readonly",
    "cloud-platform",
    "cloud-platform.read-only",
    "compute",
    "devstorage.full_control",
    "devstorage.read_only",
    "devstorage.read_write",
    "drive",
    "drive.readonly",
    "sqlservice.login",
    "userinfo.email",
];
const SCOPE_OF_SIGN_IN: &str = "openid";

pub struct Judged {
    pub principal: Principal,
    pub standing: Standing,
}

pub fn judge(
    media_type: &str,
    members: &Object,
    credential: &IssuedCredential,
    purpose: Purpose,
    issuer: &str,
    now: u64,
) -> Result<Judged, Reason> {
    let claims = Claims::new(members);
    let registration = credential.registration();
    judgement::check_media_type(media_type, &MEDIA_TYPES.map(str::to_owned).into())?;
    if let Some(name) = members.keys().find(|name| !CLAIMS.contains(&name.as_str())) {
        return Err(claims.malformed(name, "part of what such a credential signs"));
    }
    check_holder(&claims, credential, purpose)?;
    check_purpose(&claims, registration, purpose)?;
    let standing = judgement::moments(&claims, LIFETIME_SECONDS_MAX, now)?;
    if registration.not_after <= now {
        return Err(Reason::CredentialEnded { at: registration.not_after });
    }
    // Signed before there was such a credential: by a clock that is wrong, or by somebody else.
    if standing.issued_at + judgement::LEEWAY_SECONDS < registration.issued_at {
        return Err(Reason::ClaimsDisagree { claim: "iat", with: "the credential" });
    }
    let principal = Principal {
        kind: registration.kind,
        issuer: issuer.to_owned(),
        subject: credential.id().to_owned(),
        name: credential.address().to_owned(),
        groups: registration.groups.clone(),
        run: None,
        facts: BTreeMap::new(),
        delegation: None,
        grants: Vec::new(),
    };
    Ok(Judged { principal, standing })
}

/// Whom a token of this purpose may be for.
pub fn audiences(registration: &Registration, purpose: Purpose) -> BTreeSet<String> {
    match purpose {
        Purpose::Assertion => BTreeSet::from([GOOGLE_TOKEN_URL.to_owned(), registration.token_url.clone()]),
        Purpose::Request => {
            let domains = [Some(GOOGLE_DOMAIN), registration.universe_domain.as_deref()].into_iter().flatten();
            domains.flat_map(|domain| ["bigquery", "bigquerystorage"].map(|host| format!("https://{host}.{domain}/"))).collect()
        }
    }
}

/// The holder speaks for itself: another `sub` would be somebody to act for.
fn check_holder(claims: &Claims<'_>, credential: &IssuedCredential, purpose: Purpose) -> Result<(), Reason> {
    if claims.text("iss")? != credential.address() {
        return Err(Reason::ClaimsDisagree { claim: "iss", with: "the credential" });
    }
    match (claims.text_if_present("sub")?, purpose) {
        (Some(subject), _) if subject == credential.address() => Ok(()),
        (None, Purpose::Assertion) => Ok(()),
        (None, Purpose::Request) => Err(claims.missing("sub")),
        (Some(_), _) => Err(Reason::ClaimsDisagree { claim: "sub", with: "iss" }),
    }
}

/// An assertion names the token door. What goes with requests names BigQuery, or nobody but has a scope.
fn check_purpose(claims: &Claims<'_>, registration: &Registration, purpose: Purpose) -> Result<(), Reason> {
    let names_nobody = claims.members().get("aud").is_none_or(|audience| audience.as_str() == Some(""));
    let needs_scope = purpose == Purpose::Assertion || names_nobody;
    if purpose == Purpose::Assertion || !names_nobody {
        judgement::audience(claims, &audiences(registration, purpose))?;
    }
    match claims.text_if_present("scope")? {
        None if needs_scope => Err(claims.missing("scope")),
        None => Ok(()),
        Some(scopes) => match scopes.split(' ').find(|scope| !is_known(scope)) {
            Some(unknown) => Err(Reason::ScopeRefused(unknown.to_owned())),
            None => Ok(()),
        },
    }
}

fn is_known(scope: &str) -> bool {
    let below = scope.strip_prefix(SCOPES_BELOW);
    below.is_some_and(|name| SCOPES.contains(&name)) || scope == SCOPE_OF_SIGN_IN
}
