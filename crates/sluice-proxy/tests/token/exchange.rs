//! What the door is for: a session begins, is looked into, ends; each on record.

use crate::world::{FILES, ISSUER, NOW, World, fresh, of_google, token};
use serde_json::json;
use sluice_app::{ExchangeAsk, JobName, JobWork, KnownJob, SESSIONS_PER_MINUTE_MAX, SessionAsk, SessionFault, Trail, Visit, Why};
use sluice_identity::Reason;
use sluice_ledger::record::Subject;
use std::sync::Arc;

fn visit() -> Visit {
    Visit {
        api: "bigquery.jobs.get".to_owned(),
        door: "rest",
        address: None,
        tls: None,
        user_agent: None,
        said: Vec::new(),
        trail: Trail::default(),
    }
}

#[tokio::test]
async fn a_session_begins_and_ends() {
    let world = World::new().await;
    let outside = fresh("ana");
    let answer = world.exchange(&outside).await;
    assert!(answer.status == 200 && answer.is_sound(), "{} {}", answer.head, answer.body);
    let granted = answer.json();
    let ours = granted["access_token"].as_str().unwrap().to_owned();
    let expect = json!({ "access_token": ours, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 900 });
    assert_eq!(granted, expect);
    let noted = world.noted();
    assert_eq!(noted.len(), 1, "{noted:?}");
    for part in
        ["authn.ok", r#""outcome":"exchanged""#, r#""api":"sluice.token.exchange""#, r#""subject":"ana""#, r#""session":{"#, "127.0.0.1"]
    {
        assert!(noted[0].contains(part), "{part}: {noted:?}");
    }
    // No token ever stands in a record.
    assert!(!noted[0].contains(&outside) && !noted[0].contains(&ours) && !noted[0].contains(ours.rsplit('.').next().unwrap()));
    let caller = world.gateway.identify(&visit(), ours.as_bytes()).await.unwrap();
    assert_eq!((caller.principal().to_string(), caller.principal().grants.len()), (format!("{ISSUER}#ana"), 0));

    let gcloud = "Authorization: Basic MzI1NTU5NDA1NTkuYXBwczo6c2VjcmV0\r\n";
    let body = format!("token={ours}&token_type_hint=access_token");
    let found = world.post_with("/v1/introspect", gcloud, &body).await.json();
    assert_eq!((&found["active"], &found["username"]), (&json!(true), &json!("principal://login.acme.example/ana")));
    assert_eq!((&found["exp"], &found["sub"]), (&json!(NOW + 900), &json!(format!("{ISSUER}#ana"))));
    assert!(world.noted().iter().any(|noted| noted.contains(r#""outcome":"introspected""#)));

    assert_eq!(world.post("/v1/revoke", &[("token", &ours)]).await.status, 200);
    assert!(world.noted().iter().any(|noted| noted.contains(r#""outcome":"revoked""#)));
    assert_eq!(world.post("/v1/introspect", &[("token", &ours)]).await.json(), json!({ "active": false }));
    let refused = world.gateway.identify(&visit(), ours.as_bytes()).await.unwrap_err();
    assert!(matches!(refused.why, Why::Unproven(refusal) if matches!(refusal.reason, Reason::Revoked(_))));
}

#[tokio::test]
async fn of_others_tokens_nothing_is_said() {
    let world = World::new().await;
    for other in [fresh("ana"), "junk".to_owned(), token(json!({ "iss": "https://unknown.example", "sub": "x" }))] {
        assert_eq!(world.post("/v1/introspect", &[("token", &other)]).await.json(), json!({ "active": false }), "{other}");
        let revoked = world.post("/v1/revoke", &[("token", &other)]).await;
        assert_eq!((revoked.status, revoked.json()), (200, json!({})));
        assert_eq!(world.noted().iter().filter(|noted| noted.starts_with("authn.fail")).count(), 2);
    }
}

#[tokio::test]
async fn a_token_is_exchanged_as_often_as_its_issuer_says() {
    let world = World::new().await;
    let once = fresh("ana");
    assert_eq!(world.exchange(&once).await.status, 200);
    let again = world.exchange(&once).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_request")));
    assert!(again.json()["error_description"].as_str().unwrap().contains("exchanged before"));
    // Of all that come at once, one.
    let raced = fresh("ana");
    let all = [world.exchange(&raced), world.exchange(&raced), world.exchange(&raced), world.exchange(&raced)];
    let [a, b, c, d] = all;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    assert_eq!([a, b, c, d].iter().filter(|answer| answer.status == 200).count(), 1);
    let file = token(json!({ "iss": FILES, "sub": "pod", "jti": "mounted" }));
    let sessions = [world.begun(&file).await, world.begun(&file).await];
    assert_ne!(sessions[0], sessions[1]);
    let noted = world.noted();
    assert_eq!(noted.iter().filter(|noted| noted.starts_with("authn.ok")).count(), 4, "{noted:?}");
    assert_eq!(noted.iter().filter(|noted| noted.starts_with("authn.fail") && noted.contains("replayed")).count(), 4);
}

#[tokio::test]
async fn an_agent_acts_for_a_person() {
    let world = World::new().await;
    let (person, agent) = (fresh("ana"), fresh("agent-7"));
    let kind = ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt");
    let fields = [of_google(&person).as_slice(), &[("actor_token", agent.as_str()), kind]].concat();
    let ours = world.post("/v1/token", &fields).await.json()["access_token"].as_str().unwrap().to_owned();
    let caller = world.gateway.identify(&visit(), ours.as_bytes()).await.unwrap();
    assert_eq!(caller.principal().subject, "agent-7");
    assert_eq!(caller.principal().delegation.as_ref().unwrap().on_behalf_of.to_string(), format!("{ISSUER}#ana"));
    // Both are spent.
    for token in [&person, &agent] {
        assert_eq!(world.exchange(token).await.status, 400);
    }
    // A bad actor spends nobody's token.
    let person = fresh("ana");
    let fields = [of_google(&person).as_slice(), &[("actor_token", "junk"), kind]].concat();
    assert_eq!(world.post("/v1/token", &fields).await.status, 400);
    assert_eq!(world.exchange(&person).await.status, 200);
}

/// `bq` cannot come by a new token while it waits.
#[tokio::test]
async fn a_late_token_serves_its_callers_own_job_alone() {
    let world = World::new().await;
    let (ana, bob) = (world.begun(&fresh("ana")).await, world.begun(&fresh("bob")).await);
    let name = JobName { project: "p".to_owned(), location: None, id: "j".to_owned() };
    let begun_at = |seconds: u64| KnownJob {
        connection: "w".to_owned(),
        name: name.clone(),
        owner: format!("{ISSUER}#ana"),
        subject: Subject([1; 16]),
        request_id: None,
        created_ms: (NOW + seconds) * 1000,
        work: JobWork::Other,
        result_table: None,
        arrived: true,
        course: sluice_app::Course::default(),
    };
    let other = JobName { id: "other".to_owned(), ..name.clone() };
    let late = async |token: &str, connection: &str, job: &JobName| {
        world.gateway.identify_for_job(&visit(), token.as_bytes(), connection, job).await.is_ok()
    };
    *world.jobs.0.lock().unwrap() = Some(Arc::new(begun_at(100)));
    assert!(late(&ana, "w", &name).await && late(&bob, "w", &name).await && late(&ana, "w", &other).await);
    world.pass(1000);
    assert!(late(&ana, "w", &name).await);
    assert!(!late(&bob, "w", &name).await && !late(&ana, "w", &other).await && !late(&ana, "v", &name).await);
    assert!(world.gateway.identify(&visit(), ana.as_bytes()).await.is_err());
    // A job that began after the token's end is not one that it waits for.
    *world.jobs.0.lock().unwrap() = Some(Arc::new(begun_at(950)));
    assert!(!late(&ana, "w", &name).await);
    *world.jobs.0.lock().unwrap() = Some(Arc::new(begun_at(100)));
    // Its rows are there for an hour, where nobody knows when it ended.
    world.pass(3600 - 101);
    assert!(late(&ana, "w", &name).await);
    world.standing.revocations.lock().unwrap().principals.insert(format!("{ISSUER}#ana"), u64::MAX);
    assert!(!late(&ana, "w", &name).await);
    world.standing.revocations.lock().unwrap().principals.clear();
    assert!(late(&ana, "w", &name).await);
    // Whoever has it can still call it off.
    assert_eq!(world.post("/v1/revoke", &[("token", &ana)]).await.status, 200);
    assert!(!late(&ana, "w", &name).await);
}

#[tokio::test]
async fn a_late_token_serves_for_an_hour_after_its_job() {
    let world = World::new().await;
    let ana = world.begun(&fresh("ana")).await;
    let name = JobName { project: "p".to_owned(), location: None, id: "j".to_owned() };
    *world.jobs.0.lock().unwrap() = Some(Arc::new(KnownJob {
        connection: "w".to_owned(),
        name: name.clone(),
        owner: format!("{ISSUER}#ana"),
        subject: Subject([1; 16]),
        request_id: None,
        created_ms: (NOW + 100) * 1000,
        work: JobWork::Other,
        result_table: None,
        arrived: true,
        course: sluice_app::Course::default(),
    }));
    let late = async || world.gateway.identify_for_job(&visit(), ana.as_bytes(), "w", &name).await.is_ok();
    world.pass(900 + 3600);
    assert!(late().await);
    world.pass(1);
    assert!(!late().await);
}

/// Replays use up nothing of what their issuer may begin.
#[tokio::test]
async fn a_spent_token_locks_nobody_out() {
    let world = World::new().await;
    let spent = fresh("ana");
    let exchange = async |token: &str| {
        let ask = ExchangeAsk { subject: token.as_bytes().to_vec(), actor: None };
        world.gateway.exchange(visit(), SessionAsk::Exchange(ask)).await
    };
    assert!(exchange(&spent).await.is_ok());
    for _ in 0..SESSIONS_PER_MINUTE_MAX + 10 {
        assert!(matches!(exchange(&spent).await, Err(SessionFault::Refused(_))));
    }
    assert!(exchange(&fresh("bob")).await.is_ok());
    // What does begin is counted: two have.
    let mut begun = 2;
    while begun <= SESSIONS_PER_MINUTE_MAX && exchange(&fresh(&format!("c{begun}"))).await.is_ok() {
        begun += 1;
    }
    assert_eq!(begun, SESSIONS_PER_MINUTE_MAX);
    assert!(matches!(exchange(&fresh("late")).await, Err(SessionFault::Busy(_))));
}

#[tokio::test]
async fn floods_are_counted() {
    let world = World::new().await;
    for _ in 0..50 {
        world.post("/v1/token", &of_google("junk")).await;
    }
    // Thirty records of their own in a minute.
    assert_eq!(world.noted().len(), 30);
    world.pass(61);
    world.gateway.settle_counts().await;
    let noted = world.noted();
    assert!(noted.len() == 1 && noted[0].contains(r#""refusals":20"#), "{noted:?}");
    // An address has sixty at once, and then a share of each minute.
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(world.post("/v1/token", &of_google("junk")).await);
    }
    let busy = answers.last().unwrap();
    assert_eq!((busy.status, &busy.json()["error"]), (429, &json!("temporarily_unavailable")));
    assert!(busy.is_sound() && busy.head.contains("retry-after: 60"));
}
