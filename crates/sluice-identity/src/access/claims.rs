//! What stands in an access token, written and read in one place. Version 1; a token of another version is refused.

use super::MEDIA_TYPE;
use crate::caller::Session;
use crate::claims::Claims;
use crate::delegation;
use crate::json::Object;
use crate::judgement::{self, Facts, Standing};
use crate::refusal::Reason;
use crate::settings::AccessSettings;
use serde_json::{Map, Value, json};
use sluice_model::{Actor, CallerKind, Delegation, Delegator, Grant, Principal, Run};
use std::collections::BTreeSet;

const VERSION: u64 = 1;

pub fn write(
    principal: &Principal,
    grants: &[Grant],
    session: &Session,
    settings: &AccessSettings,
    token_id: &str,
    now: u64,
    expires_at: u64,
) -> Value {
    let origin = session.origin.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let grants: Map<String, Value> = grants.iter().map(|grant| (grant.id.clone(), grant.expires_at.into())).collect();
    json!({
        "iss": settings.issuer,
        "aud": settings.issuer,
        "sub": principal.to_string(),
        "iat": now,
        "exp": expires_at,
        "jti": token_id,
        "sid": session.id,
        "sluice": {
            "version": VERSION,
            "origin": origin,
            "ends_at": session.ends_at,
            "tokens": session.tokens,
            "kind": principal.kind.word(),
            "issuer": principal.issuer,
            "subject": principal.subject,
            "name": principal.name,
            "groups": principal.groups,
            "facts": principal.facts,
            "run": principal.run.as_ref().map(write_run),
            "delegation": principal.delegation.as_ref().map(write_delegation),
            "grants": grants,
        },
    })
}

pub fn judge(media_type: &str, members: &Object, settings: &AccessSettings, now: u64) -> Result<(Principal, Session, Standing), Reason> {
    let claims = Claims::new(members);
    judgement::check_media_type(media_type, &BTreeSet::from([MEDIA_TYPE.to_owned()]))?;
    let audiences = BTreeSet::from([settings.issuer.clone()]);
    let standing = judgement::standing(&claims, &settings.issuer, &audiences, settings.lifetime_seconds, now)?;
    let own = claims.object("sluice")?;
    if own.seconds("version")? != VERSION {
        return Err(own.malformed("version", "one that this gateway reads"));
    }
    let session = session(&claims, &own)?;
    if session.ends_at <= now {
        return Err(Reason::SessionEnded);
    }
    // A shorter session in configuration holds for those that have begun.
    let seconds = session.ends_at.saturating_sub(standing.issued_at);
    if seconds > settings.session_seconds {
        return Err(Reason::LifetimeTooLong { seconds, seconds_max: settings.session_seconds });
    }
    let principal = Principal {
        kind: kind(&own)?,
        issuer: own.text("issuer")?.to_owned(),
        subject: own.text("subject")?.to_owned(),
        name: own.text("name")?.to_owned(),
        groups: owned(own.texts("groups")?),
        run: own.object_if_present("run")?.map(|run| read_run(&run)).transpose()?,
        facts: read_facts(&own.object("facts")?)?,
        delegation: own.object_if_present("delegation")?.map(|delegation| read_delegation(&delegation)).transpose()?,
        grants: read_grants(&own.object("grants")?)?,
    };
    if claims.text("sub")? != principal.to_string() {
        return Err(Reason::ClaimsDisagree { claim: "sub", with: "sluice" });
    }
    delegation::check(&principal)?;
    Ok((principal, session, standing))
}

fn session(claims: &Claims<'_>, own: &Claims<'_>) -> Result<Session, Reason> {
    Ok(Session {
        id: claims.text("sid")?.to_owned(),
        ends_at: own.seconds("ends_at")?,
        origin: origin(own)?,
        tokens: owned(own.texts("tokens")?),
    })
}

fn kind(claims: &Claims<'_>) -> Result<CallerKind, Reason> {
    CallerKind::parse(claims.text("kind")?).ok_or_else(|| claims.malformed("kind", "a kind of caller"))
}

fn owned(texts: Vec<&str>) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn origin(claims: &Claims<'_>) -> Result<[u8; 32], Reason> {
    let text = claims.text("origin")?;
    let malformed = || claims.malformed("origin", "a digest");
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let pairs = digits.ok_or_else(malformed)?;
    let bytes: Vec<u8> = pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if pairs.len() != 64 {
        return Err(malformed());
    }
    bytes.try_into().map_err(|_| malformed())
}

fn read_facts(claims: &Claims<'_>) -> Result<Facts, Reason> {
    claims.members().keys().map(|name| Ok((name.clone(), claims.text(name)?.to_owned()))).collect()
}

fn read_grants(claims: &Claims<'_>) -> Result<Vec<Grant>, Reason> {
    claims.members().keys().map(|id| Ok(Grant { id: id.clone(), expires_at: claims.seconds(id)? })).collect()
}

fn write_delegation(delegation: &Delegation) -> Value {
    let person = &delegation.on_behalf_of;
    let through: Vec<Value> = delegation.through.iter().map(|actor| json!({ "issuer": actor.issuer, "subject": actor.subject })).collect();
    json!({
        "kind": person.kind.word(),
        "issuer": person.issuer,
        "subject": person.subject,
        "name": person.name,
        "groups": person.groups,
        "through": through,
    })
}

fn read_delegation(claims: &Claims<'_>) -> Result<Delegation, Reason> {
    let on_behalf_of = Delegator {
        kind: kind(claims)?,
        issuer: claims.text("issuer")?.to_owned(),
        subject: claims.text("subject")?.to_owned(),
        name: claims.text("name")?.to_owned(),
        groups: owned(claims.texts("groups")?),
    };
    let malformed = || claims.malformed("through", "a list of actors");
    let listed = claims.members().get("through").and_then(Value::as_array).ok_or_else(malformed)?;
    let read = |value: &Value| {
        let actor = Claims::new(value.as_object().ok_or_else(malformed)?);
        Ok(Actor { issuer: actor.text("issuer")?.to_owned(), subject: actor.text("subject")?.to_owned() })
    };
    let through = listed.iter().map(read).collect::<Result<Vec<Actor>, Reason>>()?;
    Ok(Delegation { on_behalf_of, through })
}

fn write_run(run: &Run) -> Value {
    json!({
        "actor": run.actor, "actor_id": run.actor_id, "attempt": run.attempt, "commit": run.commit, "environment": run.environment,
        "event": run.event, "job": run.job, "owner_id": run.owner_id, "pipeline": run.pipeline, "protected": run.protected,
        "reference": run.reference, "repository": run.repository, "repository_id": run.repository_id, "run": run.run, "runner": run.runner,
        "workflow": run.workflow, "workflow_commit": run.workflow_commit,
    })
}

fn read_run(claims: &Claims<'_>) -> Result<Run, Reason> {
    Ok(Run {
        actor: claims.owned_text_if_present("actor")?,
        actor_id: claims.owned_text_if_present("actor_id")?,
        attempt: claims.owned_text_if_present("attempt")?,
        commit: claims.owned_text_if_present("commit")?,
        environment: claims.owned_text_if_present("environment")?,
        event: claims.owned_text_if_present("event")?,
        job: claims.owned_text_if_present("job")?,
        owner_id: claims.owned_text_if_present("owner_id")?,
        pipeline: claims.owned_text_if_present("pipeline")?,
        protected: claims.flag_if_present("protected")?,
        reference: claims.owned_text_if_present("reference")?,
        repository: claims.owned_text_if_present("repository")?,
        repository_id: claims.owned_text_if_present("repository_id")?,
        run: claims.owned_text_if_present("run")?,
        runner: claims.owned_text_if_present("runner")?,
        workflow: claims.owned_text_if_present("workflow")?,
        workflow_commit: claims.owned_text_if_present("workflow_commit")?,
    })
}
