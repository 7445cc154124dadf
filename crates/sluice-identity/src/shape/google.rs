//! Google: identity tokens of service accounts, machines and people. Whoever may act as a service account mints one for any audience, so ours must be our own.

use super::{Defaults, Normalised, Shared, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind};
use std::collections::BTreeMap;

const SERVICE_ACCOUNT_SUFFIX: &str = ".gserviceaccount.com";

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Rs256],
    media_types: &["JWT"],
    lifetime_seconds_max: 3600,
    shared: &[Shared {
        url: "https://accounts.google.com",
        anchors: &["sub", "email", "hd", "google > compute_engine > project_id", "google > compute_engine > project_number"],
    }],
    reusable_names: &["name"],
};

pub fn normalise(claims: &Claims<'_>) -> Result<Normalised, Reason> {
    let subject = claims.digits("sub")?;
    let address = claims.text_if_present("email")?;
    if address.is_some() && claims.flag_if_present("email_verified")? != Some(true) {
        return Err(claims.malformed("email_verified", "true beside an `email`"));
    }
    let is_service = address.is_some_and(|address| address.ends_with(SERVICE_ACCOUNT_SUFFIX));
    if is_service && claims.text_if_present("azp")?.is_some_and(|party| party != subject) {
        return Err(Reason::ClaimsDisagree { claim: "azp", with: "sub" });
    }
    let mut facts = BTreeMap::new();
    take(claims, &[("email", "email"), ("hd", "domain"), ("azp", "authorised_party")], &mut facts)?;
    let machine = claims.object_if_present("google")?.map(|google| google.object_if_present("compute_engine")).transpose()?.flatten();
    if let Some(machine) = &machine {
        take(
            machine,
            &[("project_id", "project"), ("zone", "zone"), ("instance_id", "machine"), ("instance_name", "machine_name")],
            &mut facts,
        )?;
    }
    // Without an address only a machine's own token tells that no person is behind it.
    let kind = match (address, machine) {
        (_, Some(_)) => Some(CallerKind::Service),
        (Some(_), None) => Some(if is_service { CallerKind::Service } else { CallerKind::Person }),
        (None, None) => None,
    };
    Ok(Normalised {
        kind,
        subject: format!("account:{subject}"),
        name: address.unwrap_or(subject).to_owned(),
        run: None,
        facts,
        asserted: Asserted::default(),
    })
}
