//! AWS: web identity tokens of roles. Each account has an issuer of its own. Request tags are the caller's words and stay apart.

use super::{Defaults, Normalised, take};
use crate::algorithm::Algorithm;
use crate::claims::{Claims, is_plain};
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind};
use std::collections::BTreeMap;

const STS: &str = "https://sts.amazonaws.com/";
const TAGS_MAX: usize = 50;

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Es384, Algorithm::Rs256],
    media_types: &["JWT"],
    lifetime_seconds_max: 3600,
    shared: &[],
    reusable_names: &[],
};

pub fn normalise(claims: &Claims<'_>) -> Result<Normalised, Reason> {
    let role = claims.text("sub")?;
    let sts = claims.object(STS)?;
    let account = sts.digits("aws_account")?;
    // arn:aws:iam::123456789012:role/etl
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let [arn, partition, "iam", "", owner, resource] = parts.as_slice() else {
        return Err(claims.malformed("sub", "the name of a role"));
    };
    let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    if *arn != "arn" || !(*partition == "aws" || partition.starts_with("aws-")) || !is_role {
        return Err(claims.malformed("sub", "the name of a role"));
    }
    if *owner != account {
        return Err(Reason::ClaimsDisagree { claim: "sub", with: "aws_account" });
    }
    let mut facts = BTreeMap::from([("account".to_owned(), account.to_owned())]);
    take(&sts, &[("org_id", "organisation"), ("source_region", "region"), ("lambda_source_function_arn", "function")], &mut facts)?;
    for (name, value) in tags(&sts, "principal_tags")? {
        facts.insert(format!("principal_tag.{name}"), value);
    }
    let asserted = tags(&sts, "request_tags")?.into_iter().map(|(name, value)| (format!("request_tag.{name}"), value)).collect();
    Ok(Normalised {
        kind: Some(CallerKind::Service),
        subject: role.to_owned(),
        name: (*resource).to_owned(),
        run: None,
        facts,
        asserted: Asserted(asserted),
    })
}

fn tags(sts: &Claims<'_>, name: &str) -> Result<BTreeMap<String, String>, Reason> {
    let Some(tags) = sts.object_if_present(name)? else { return Ok(BTreeMap::new()) };
    if tags.members().len() > TAGS_MAX || !tags.members().keys().all(|tag| is_plain(tag)) {
        return Err(sts.malformed(name, "a short list of tags with plain names"));
    }
    let taken = tags.members().keys().map(|tag| Ok((tag.clone(), tags.text(tag)?.to_owned())));
    taken.collect()
}
