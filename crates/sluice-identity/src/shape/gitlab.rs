//! GitLab. For pipelines of forks `project_*` may name the fork or its parent: `job_project_*` says where the job ran, and both have to agree.

use super::{Defaults, Normalised, Shared, check_event, take};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind, Run};
use std::collections::BTreeMap;

/// A child pipeline does not say what started its parent, and a merge request may have.
pub const REFUSED_EVENTS: &[&str] = &["external_pull_request_event", "merge_request_event", "parent_pipeline"];

pub const DEFAULTS: Defaults = Defaults {
    algorithms: &[Algorithm::Rs256],
    media_types: &["JWT"],
    // As long as the job may run.
    lifetime_seconds_max: 3600,
    shared: &[Shared { url: "https://gitlab.com", anchors: &["project_id", "namespace_id"] }],
    reusable_names: &["namespace_path", "project_path", "sub", "user_email", "user_login"],
};

pub fn normalise(claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
    let project_id = claims.digits("project_id")?;
    let project = claims.text("project_path")?;
    if claims.digits_if_present("job_project_id")?.is_some_and(|ran_in| ran_in != project_id) {
        return Err(Reason::ForkRefused);
    }
    let subject = claims.text("sub")?;
    let named = subject.strip_prefix("project_path:").map(|rest| rest.split(':').next().unwrap_or_default());
    if named.is_some_and(|named| named != project) {
        return Err(Reason::ClaimsDisagree { claim: "sub", with: "project_path" });
    }
    let event = claims.text("pipeline_source")?;
    check_event(event, issuer)?;
    let run = Run {
        actor: claims.owned_text_if_present("user_login")?,
        actor_id: claims.digits_if_present("user_id")?.map(str::to_owned),
        attempt: None,
        commit: Some(claims.text("sha")?.to_owned()),
        environment: claims.owned_text_if_present("environment")?,
        event: Some(event.to_owned()),
        job: Some(claims.text("job_id")?.to_owned()),
        owner_id: Some(claims.digits("namespace_id")?.to_owned()),
        pipeline: claims.owned_text_if_present("ci_config_ref_uri")?,
        protected: Some(flag(claims, "ref_protected")?.ok_or_else(|| claims.missing("ref_protected"))?),
        reference: Some(claims.text_if_present("ref_path")?.unwrap_or(claims.text("ref")?).to_owned()),
        repository: Some(project.to_owned()),
        repository_id: Some(project_id.to_owned()),
        run: Some(claims.digits("pipeline_id")?.to_owned()),
        runner: claims.owned_text_if_present("runner_environment")?,
        workflow: claims.owned_text_if_present("ci_config_ref_uri")?,
        workflow_commit: claims.owned_text_if_present("ci_config_sha")?,
    };
    let mut facts = BTreeMap::new();
    take(claims, &[("project_visibility", "visibility"), ("deployment_tier", "deployment_tier"), ("ref_type", "ref_type")], &mut facts)?;
    if let Some(protected) = flag(claims, "environment_protected")? {
        facts.insert("environment_protected".to_owned(), protected.to_string());
    }
    Ok(Normalised {
        kind: Some(CallerKind::Pipeline),
        subject: format!("project:{project_id}"),
        name: project.to_owned(),
        run: Some(run),
        facts,
        asserted: Asserted::default(),
    })
}

/// GitLab writes flags as texts, in some releases as flags.
fn flag(claims: &Claims<'_>, name: &str) -> Result<Option<bool>, Reason> {
    if let Ok(flag) = claims.flag_if_present(name) {
        return Ok(flag);
    }
    match claims.text_if_present(name)? {
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        _ => Err(claims.malformed(name, "`true` or `false`")),
    }
}
