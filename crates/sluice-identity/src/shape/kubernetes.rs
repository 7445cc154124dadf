//! Kubernetes: projected tokens of service accounts. A deleted account's name can be made again, its `uid` cannot.

use super::{Defaults, Normalised, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind};
use std::collections::BTreeMap;

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256],
    // The API server writes no `typ`.
    media_types: &["", "JWT"],
    lifetime_seconds_max: 3600,
    shared: &[],
    reusable_names: &[],
};

pub fn normalise(claims: &Claims<'_>) -> Result<Normalised, Reason> {
    // Tokens out of secrets have neither this object nor an end, and are refused for both.
    let cluster = claims.object("kubernetes.io")?;
    let namespace = cluster.text("namespace")?;
    let account = cluster.object("serviceaccount")?;
    let (name, unique) = (account.text("name")?, account.text("uid")?);
    if claims.text("sub")? != format!("system:serviceaccount:{namespace}:{name}") {
        return Err(Reason::ClaimsDisagree { claim: "sub", with: "kubernetes.io" });
    }
    let mut facts = BTreeMap::from([("namespace".to_owned(), namespace.to_owned()), ("service_account".to_owned(), name.to_owned())]);
    for (object, fact, fact_of_name) in [("pod", "pod", "pod_name"), ("node", "node", "node_name")] {
        if let Some(bound) = cluster.object_if_present(object)? {
            take(&bound, &[("uid", fact), ("name", fact_of_name)], &mut facts)?;
        }
    }
    Ok(Normalised {
        kind: Some(CallerKind::Service),
        subject: format!("serviceaccount:{unique}"),
        name: format!("{namespace}/{name}"),
        run: None,
        facts,
        asserted: Asserted::default(),
    })
}
