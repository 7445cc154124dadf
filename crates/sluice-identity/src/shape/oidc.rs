//! Any other issuer. Its `sub` is the identity, and configuration says which claims tell about a run.

use super::{Defaults, Normalised, Shared, check_event, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use sluice_model::{Asserted, Run};
use std::collections::BTreeMap;

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Rs256],
    media_types: &["JWT", "at+jwt"],
    lifetime_seconds_max: 3600,
    shared: &[
        Shared { url: "https://agent.buildkite.com", anchors: &["organization_id", "pipeline_id", "organization_slug"] },
        Shared {
            url: "https://app.terraform.io",
            anchors: &["terraform_organization_id", "terraform_project_id", "terraform_workspace_id"],
        },
        Shared { url: "https://oidc.vercel.com", anchors: &["owner_id", "project_id"] },
    ],
    reusable_names: &["name", "nickname", "preferred_username"],
};

/// The facts of a run that configuration may name a claim for.
pub const RUN_FACTS: &[&str] = &[
    "actor",
    "actor_id",
    "attempt",
    "commit",
    "environment",
    "event",
    "job",
    "owner_id",
    "pipeline",
    "reference",
    "repository",
    "repository_id",
    "run",
    "runner",
    "workflow",
    "workflow_commit",
];

pub fn normalise(claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
    let subject = claims.text("sub")?;
    let mut facts = BTreeMap::new();
    // An access token names the client that it was given to, and agents are told apart by it.
    take(claims, &[("client_id", "client"), ("azp", "authorised_party"), ("scope", "scope"), ("sid", "issuer_session")], &mut facts)?;
    let address = claims.text_if_present("email")?;
    if let (Some(address), Some(true)) = (address, claims.flag_if_present("email_verified")?) {
        facts.insert("email".to_owned(), address.to_owned());
    }
    let run = run(claims, issuer)?;
    if let (Some(run), Some(_)) = (&run, &issuer.events) {
        // A run that does not say what started it is not one of those that are accepted.
        let named = issuer.run_claims.get("event").map_or("event", String::as_str);
        check_event(run.event.as_deref().ok_or_else(|| claims.missing(named))?, issuer)?;
    }
    let name = facts.get("email").cloned();
    Ok(Normalised {
        kind: None,
        subject: subject.to_owned(),
        name: name.unwrap_or_else(|| subject.to_owned()),
        run,
        facts,
        asserted: Asserted::default(),
    })
}

fn run(claims: &Claims<'_>, issuer: &Issuer) -> Result<Option<Run>, Reason> {
    if issuer.run_claims.is_empty() {
        return Ok(None);
    }
    let fact = |name: &str| match issuer.run_claims.get(name) {
        Some(claim) => claims.owned_text_if_present(claim),
        None => Ok(None),
    };
    let run = Run {
        actor: fact("actor")?,
        actor_id: fact("actor_id")?,
        attempt: fact("attempt")?,
        commit: fact("commit")?,
        environment: fact("environment")?,
        event: fact("event")?,
        job: fact("job")?,
        owner_id: fact("owner_id")?,
        pipeline: fact("pipeline")?,
        protected: None,
        reference: fact("reference")?,
        repository: fact("repository")?,
        repository_id: fact("repository_id")?,
        run: fact("run")?,
        runner: fact("runner")?,
        workflow: fact("workflow")?,
        workflow_commit: fact("workflow_commit")?,
    };
    Ok((run != Run::default()).then_some(run))
}
