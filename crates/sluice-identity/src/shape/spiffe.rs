//! SPIFFE JWT-SVIDs: the name of a workload in one trust domain.

use super::{Defaults, Normalised};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use serde_json::Value;
use sluice_model::{Asserted, CallerKind};
use std::collections::BTreeMap;

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256, Algorithm::Rs256],
    media_types: &["", "JOSE", "JWT"],
    lifetime_seconds_max: 3600,
    shared: &[],
    reusable_names: &[],
};

pub fn normalise(claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
    let subject = claims.text("sub")?;
    let domain = issuer.trust_domain.as_deref().unwrap_or_default();
    let path = subject.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(domain)).filter(|_| !domain.is_empty());
    let Some(path) = path.filter(|path| is_workload_path(path)) else {
        return Err(claims.malformed("sub", "the name of a workload in the configured trust domain"));
    };
    // A token for several readers can be used by each of them against the others.
    if matches!(claims.members().get("aud"), Some(Value::Array(audiences)) if audiences.len() != 1) {
        return Err(claims.malformed("aud", "one audience"));
    }
    Ok(Normalised {
        kind: Some(CallerKind::Service),
        subject: subject.to_owned(),
        name: path.to_owned(),
        run: None,
        facts: BTreeMap::from([("trust_domain".to_owned(), domain.to_owned())]),
        asserted: Asserted::default(),
    })
}

/// `/ns/etl/sa/loader`: segments of letters, digits, `-`, `.`, `_`; none empty, none that climbs.
fn is_workload_path(path: &str) -> bool {
    let plain = |segment: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        !matches!(segment, "" | "." | "..") && segment.bytes().all(known)
    };
    path.strip_prefix('/').is_some_and(|segments| segments.split('/').all(plain))
}
