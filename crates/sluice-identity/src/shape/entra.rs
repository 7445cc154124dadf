//! Microsoft Entra. Identity is tenant and object; addresses and names are whatever an administrator of any tenant typed.

use super::{Defaults, Normalised, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind};
use std::collections::BTreeMap;

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Rs256],
    media_types: &["JWT"],
    // Between 60 and 90 minutes by chance, and five minutes for clocks.
    lifetime_seconds_max: 5700,
    shared: &[],
    reusable_names: &["email", "name", "preferred_username", "unique_name", "upn"],
};

pub fn normalise(claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
    if claims.text("ver")? != "2.0" {
        return Err(claims.malformed("ver", "`2.0`"));
    }
    let (tenant, object) = (claims.text("tid")?, claims.text("oid")?);
    if issuer.tenant() != Some(tenant) {
        return Err(Reason::ClaimsDisagree { claim: "tid", with: "iss" });
    }
    if !is_unique_id(object) {
        return Err(claims.malformed("oid", "a unique id"));
    }
    // Groups that did not fit are behind a link: a rule that forbids by group would not see them.
    let names_elsewhere = claims.object_if_present("_claim_names")?.is_some_and(|names| names.holds("groups"));
    if names_elsewhere || claims.holds("hasgroups") {
        return Err(Reason::GroupsCut);
    }
    let kind = match claims.text_if_present("idtyp")? {
        Some("app") => CallerKind::Service,
        Some("user") => CallerKind::Person,
        // The claim is optional. Only in an application's own token `sub` is the object itself.
        None if claims.text("sub")? == object => CallerKind::Service,
        None => CallerKind::Person,
        Some(_) => return Err(claims.malformed("idtyp", "`app` or `user`")),
    };
    let mut facts = BTreeMap::from([("tenant".to_owned(), tenant.to_owned())]);
    take(claims, &[("azp", "application"), ("appid", "application"), ("xms_mirid", "managed_identity"), ("scp", "scope")], &mut facts)?;
    let name = match claims.text_if_present("preferred_username")? {
        Some(name) => name,
        None => claims.text_if_present("app_displayname")?.unwrap_or(object),
    };
    Ok(Normalised {
        kind: Some(kind),
        subject: format!("tenant:{tenant}:object:{object}"),
        name: name.to_owned(),
        run: None,
        facts,
        asserted: Asserted::default(),
    })
}

/// 8-4-4-4-12 hexadecimal digits in small letters.
pub fn is_unique_id(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    plain && lengths.eq([8, 4, 4, 4, 12])
}
