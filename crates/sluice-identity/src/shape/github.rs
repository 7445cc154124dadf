//! GitHub Actions. Identity is the number of the repository: names can be registered again by someone else, and `sub` is a template that its owner may change.

use super::{Defaults, Normalised, Shared, check_event, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind, Run};
use std::collections::BTreeMap;

/// By their beginnings. `pull_request` runs code of a fork; the others run our own code with a stranger's text at hand, at a moment of his choice,
/// and `workflow_run` with whatever a fork's run has left behind.
pub const REFUSED_EVENTS: &[&str] = &["discussion", "fork", "gollum", "issue_comment", "issues", "pull_request", "watch", "workflow_run"];

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Rs256],
    media_types: &["JWT"],
    lifetime_seconds_max: 600,
    shared: &[Shared {
        url: "https://token.actions.githubusercontent.com",
        anchors: &["repository_id", "repository_owner_id", "enterprise_id"],
    }],
    reusable_names: &["actor", "enterprise", "repository", "repository_owner", "sub"],
};

pub fn normalise(claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
    let repository = claims.text("repository")?;
    let (repository_id, owner_id) = (claims.digits("repository_id")?, claims.digits("repository_owner_id")?);
    let owner = claims.text("repository_owner")?;
    if repository.split_once('/').is_none_or(|(before, name)| before != owner || name.is_empty() || name.contains('/')) {
        return Err(Reason::ClaimsDisagree { claim: "repository", with: "repository_owner" });
    }
    check_subject(claims.text("sub")?, repository, owner_id, repository_id)?;
    let event = claims.text("event_name")?;
    check_event(event, issuer)?;
    let run = Run {
        actor: claims.owned_text_if_present("actor")?,
        actor_id: claims.digits_if_present("actor_id")?.map(str::to_owned),
        attempt: claims.owned_text_if_present("run_attempt")?,
        commit: Some(claims.text("sha")?.to_owned()),
        environment: claims.owned_text_if_present("environment")?,
        event: Some(event.to_owned()),
        job: claims.owned_text_if_present("check_run_id")?,
        owner_id: Some(owner_id.to_owned()),
        pipeline: Some(claims.text("workflow_ref")?.to_owned()),
        protected: protected(claims)?,
        reference: Some(claims.text("ref")?.to_owned()),
        repository: Some(repository.to_owned()),
        repository_id: Some(repository_id.to_owned()),
        run: Some(claims.text("run_id")?.to_owned()),
        runner: claims.owned_text_if_present("runner_environment")?,
        workflow: Some(claims.text("job_workflow_ref")?.to_owned()),
        workflow_commit: claims.owned_text_if_present("job_workflow_sha")?,
    };
    let mut facts = BTreeMap::new();
    take(claims, &[("repository_visibility", "visibility"), ("enterprise_id", "enterprise_id")], &mut facts)?;
    take(claims, &[("ref_type", "ref_type"), ("workflow_sha", "pipeline_commit"), ("run_number", "run_number")], &mut facts)?;
    take(claims, &[("head_ref", "head_ref"), ("base_ref", "base_ref")], &mut facts)?;
    Ok(Normalised {
        kind: Some(CallerKind::Pipeline),
        subject: format!("repository:{repository_id}"),
        name: repository.to_owned(),
        run: Some(run),
        facts,
        asserted: Asserted::default(),
    })
}

/// `repo:OWNER/REPO:...` or, of newer repositories, `repo:OWNER@ID/REPO@ID:...`. Where the template does not begin with the repository
/// it says nothing to compare.
fn check_subject(subject: &str, repository: &str, owner_id: &str, repository_id: &str) -> Result<(), Reason> {
    let Some(rest) = subject.strip_prefix("repo:") else { return Ok(()) };
    let named = rest.split(':').next().unwrap_or_default();
    let (owner, name) = repository.split_once('/').unwrap_or_default();
    if named == repository || named == format!("{owner}@{owner_id}/{name}@{repository_id}") {
        return Ok(());
    }
    Err(Reason::ClaimsDisagree { claim: "sub", with: "repository" })
}

/// GitHub writes it as a text.
fn protected(claims: &Claims<'_>) -> Result<Option<bool>, Reason> {
    match claims.text_if_present("ref_protected")? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(claims.malformed("ref_protected", "`true` or `false`")),
    }
}
