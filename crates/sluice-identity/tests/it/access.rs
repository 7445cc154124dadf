//! The gateway's own tokens: what goes in comes out, once, for a while, until it is called off.

use crate::attacks::forge;
use crate::issuer::{NOW, SHAPES, data, decode, encode, honest_token, verify, verify_at, world};
use sluice_identity::{
    AccessToken, AccessTokens, Caller, Identity, MemoryReplayStore, Presented, PublicKey, Reason, Replay, ReplayFault, ReplayStore,
    Revocations, Spent, Ticket, check,
};
use sluice_model::{CallerKind, Grant};
use std::collections::{BTreeMap, BTreeSet};

fn tokens() -> &'static AccessTokens {
    world().identity.access_tokens().unwrap()
}

fn ticket(id: &str) -> Ticket {
    Ticket { token_id: format!("token-{id}"), session_id: format!("session-{id}") }
}

fn outside(shape: &str) -> Caller {
    verify(honest_token(shape).as_bytes()).unwrap()
}

pub fn begun(shape: &str) -> AccessToken {
    begun_by(&outside(shape))
}

fn begun_by(caller: &Caller) -> AccessToken {
    let spent = Spent::check(caller, &MemoryReplayStore::default(), NOW).unwrap();
    tokens().begin(caller, spent, ticket("1"), NOW).unwrap()
}

fn refused(result: Result<Caller, sluice_identity::Refusal>) -> Reason {
    result.unwrap_err().reason
}

#[test]
fn what_was_verified_comes_back_whole() {
    for shape in SHAPES {
        let before = outside(shape);
        let token = begun_by(&before);
        let after = verify(token.reveal().as_bytes()).unwrap_or_else(|refusal| panic!("{shape}: {refusal}"));
        assert_eq!(after.principal(), before.principal());
        assert_eq!(after.session(), Some(&token.session));
        assert_eq!(token.session.origin, before.token().digest);
        assert_eq!((token.expires_at, token.session.ends_at), (NOW + 900, NOW + 3600));
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}

#[test]
fn tokens_and_sessions_end() {
    let token = begun("github").reveal().to_owned();
    let at = |now| verify_at(token.as_bytes(), &Revocations::default(), now);
    assert!(at(NOW + 900).is_ok());
    assert!(matches!(refused(at(NOW + 930)), Reason::Expired { .. }));
    assert!(matches!(refused(at(NOW - 31)), Reason::IssuedInFuture { .. }));

    let caller = at(NOW + 800).unwrap();
    let renewed = tokens().renew(&caller, "token-2", &[], NOW + 3000).unwrap();
    assert_eq!((renewed.expires_at, &renewed.session), (NOW + 3600, caller.session().unwrap()));
    assert_eq!(refused(verify_at(renewed.reveal().as_bytes(), &Revocations::default(), NOW + 3600)), Reason::SessionEnded);
    assert_eq!(tokens().renew(&caller, "token-3", &[], NOW + 3600).unwrap_err().reason, Reason::SessionEnded);
    assert_eq!(tokens().renew(&outside("github"), "token-4", &[], NOW).unwrap_err().reason, Reason::SessionEnded);
}

#[test]
fn grants_travel_and_end() {
    let caller = verify(begun("gitlab").reveal().as_bytes()).unwrap();
    let grants = [("short", NOW + 60), ("long", NOW + 600), ("over", NOW)].map(|(id, expires_at)| Grant { id: id.to_owned(), expires_at });
    let token = tokens().renew(&caller, "token-2", &grants, NOW).unwrap().reveal().to_owned();
    let at = |revocations: &Revocations, now| {
        let caller = verify_at(token.as_bytes(), revocations, now).unwrap();
        caller.principal().grants.iter().map(|grant| grant.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(at(&Revocations::default(), NOW), ["long", "short"]);
    assert_eq!(at(&Revocations::default(), NOW + 60), ["long"]);
    assert_eq!(at(&Revocations { grants: BTreeSet::from(["long".to_owned()]), ..Revocations::default() }, NOW), ["short"]);
}

#[test]
fn revocations_cut_at_once() {
    let own = begun("oidc");
    let (token, outside) = (own.reveal().to_owned(), honest_token("oidc"));
    let agent = "https://login.acme.example/realms/main#agent-7".to_owned();
    let person = "https://login.acme.example/realms/main#7a1c9e70-ana".to_owned();
    let between = "https://agents.acme.example#router".to_owned();
    let check = |revocations: Revocations, own: bool, others: bool| {
        assert_eq!(verify_at(token.as_bytes(), &revocations, NOW).is_err(), own, "{revocations:?}");
        assert_eq!(verify_at(outside.as_bytes(), &revocations, NOW).is_err(), others, "{revocations:?}");
    };
    let named = |name: &str| BTreeSet::from([name.to_owned()]);
    check(Revocations { sessions: named("session-1"), ..Revocations::default() }, true, false);
    check(Revocations { sessions: named("session-2"), ..Revocations::default() }, false, false);
    check(Revocations { tokens: named("https://sluice.example#token-1"), ..Revocations::default() }, true, false);
    check(Revocations { tokens: named("https://login.acme.example/realms/main#f3a1"), ..Revocations::default() }, true, true);
    check(Revocations { tokens: named("https://login.acme.example/realms/main#f3a2"), ..Revocations::default() }, false, false);
    for name in [agent, person, between] {
        check(Revocations { principals: BTreeMap::from([(name.clone(), NOW)]), ..Revocations::default() }, true, true);
        check(Revocations { principals: BTreeMap::from([(name, NOW - 1)]), ..Revocations::default() }, false, false);
    }
    check(Revocations { issued_until: Some(NOW), ..Revocations::default() }, true, true);
}

#[test]
fn a_token_is_exchanged_once() {
    struct Broken;
    impl ReplayStore for Broken {
        fn spend(&self, _: &str, _: u64, _: u64) -> Result<Replay, ReplayFault> {
            Err(ReplayFault("disk full".to_owned()))
        }
    }
    let store = MemoryReplayStore::default();
    for shape in SHAPES {
        let caller = outside(shape);
        assert!(Spent::check(&caller, &store, NOW).is_ok(), "{shape}");
        assert_eq!(Spent::check(&caller, &store, NOW).unwrap_err().reason, Reason::Replayed, "{shape}");
        // Until the token itself is refused for its age.
        assert_eq!(Spent::check(&caller, &store, caller.token().expires_at + 30).unwrap_err().reason, Reason::Replayed, "{shape}");
    }
    let refusal = Spent::check(&outside("github"), &Broken, NOW).unwrap_err();
    assert_eq!(refusal.reason, Reason::ReplayStore(ReplayFault("disk full".to_owned())));
    assert!(!refusal.public_text("r-1").0.contains("disk"));
}

/// Two issuers may use the same `jti`, and an ECDSA signature can be written in two ways: neither makes a token new or old.
#[test]
fn spent_tokens_are_told_apart() {
    let store = MemoryReplayStore::default();
    let spend = |shape: &str, changes: &str| Spent::check(&verify(forge(shape, changes).as_bytes()).unwrap(), &store, NOW).is_ok();
    assert!(spend("github", "jti = \"same\""));
    assert!(spend("gitlab", "jti = \"same\""));
    assert!(!spend("github", "jti = \"same\" ; run_attempt = \"2\""));
    assert!(spend("spiffe", "exp = now+200"));
    // Signed anew: other bytes, the same claims.
    assert!(!spend("spiffe", "exp = now+200"));
}

#[test]
fn own_tokens_are_not_exchanged() {
    let caller = verify(begun("github").reveal().as_bytes()).unwrap();
    assert_eq!(Spent::check(&caller, &MemoryReplayStore::default(), NOW).unwrap_err().reason, Reason::OwnTokenRefused);
    let spent_of_another = Spent::check(&outside("gitlab"), &MemoryReplayStore::default(), NOW).unwrap();
    assert_eq!(tokens().begin(&outside("github"), spent_of_another, ticket("2"), NOW).unwrap_err().reason, Reason::OwnTokenRefused);
}

#[test]
fn a_caller_acts_for_another() {
    let spent = |caller: &Caller| Spent::check(caller, &MemoryReplayStore::default(), NOW).unwrap();
    let person = verify(forge("google", "google - ; email = \"ana@acme.example\" ; azp -").as_bytes()).unwrap();
    let agent = outside("kubernetes").acting_for(&person, spent(&person)).unwrap();
    let delegation = agent.principal().delegation.as_ref().unwrap();
    assert_eq!((agent.principal().kind, agent.principal().delegation_depth()), (CallerKind::Service, 1));
    assert_eq!((delegation.on_behalf_of.kind, delegation.on_behalf_of.name.as_str()), (CallerKind::Person, "ana@acme.example"));
    let token = begun_by(&agent);
    assert_eq!(verify(token.reveal().as_bytes()).unwrap().principal(), agent.principal());

    let chain = outside("aws").acting_for(&agent, spent(&agent)).unwrap();
    assert_eq!(chain.principal().delegation_depth(), 2);
    assert_eq!(chain.principal().delegation.as_ref().unwrap().on_behalf_of.name, "ana@acme.example");
    let deepest =
        verify(forge("oidc", "act = {\"sub\":\"a\",\"act\":{\"sub\":\"b\",\"act\":{\"sub\":\"c\",\"act\":{\"sub\":\"d\"}}}}").as_bytes())
            .unwrap();
    assert_eq!(outside("aws").acting_for(&deepest, spent(&deepest)).unwrap_err().reason, Reason::ChainTooLong);
    let other = outside("github");
    assert_eq!(outside("aws").acting_for(&person, spent(&other)).unwrap_err().reason, Reason::ActorRefused);
}

/// Nobody acts for itself, and no hand holds a request twice.
#[test]
fn a_chain_does_not_run_in_a_circle() {
    let spent = |caller: &Caller| Spent::check(caller, &MemoryReplayStore::default(), NOW).unwrap();
    let (one, other) = (outside("github"), outside("github"));
    let itself = "https://token.actions.githubusercontent.com#repository:456789".to_owned();
    assert_eq!(one.acting_for(&other, spent(&other)).unwrap_err().reason, Reason::ActorTwice(itself.clone()));
    let middle = outside("aws").acting_for(&other, spent(&other)).unwrap();
    assert_eq!(outside("github").acting_for(&middle, spent(&middle)).unwrap_err().reason, Reason::ActorTwice(itself));
}

/// A token that turns out stolen takes with it the session that it began, also one of somebody who acts for its holder.
#[test]
fn a_session_ends_with_the_tokens_that_it_began_with() {
    let spent = |caller: &Caller| Spent::check(caller, &MemoryReplayStore::default(), NOW).unwrap();
    let person = verify(forge("oidc", "act - ; jti = \"of-the-person\"").as_bytes()).unwrap();
    let agent = verify(forge("kubernetes", "jti = \"of-the-agent\"").as_bytes()).unwrap().acting_for(&person, spent(&person)).unwrap();
    let token = begun_by(&agent);
    let caller = verify(token.reveal().as_bytes()).unwrap();
    let renewed = tokens().renew(&caller, "token-2", &[], NOW + 60).unwrap();
    let check = |name: &str, is_refused: bool| {
        let revocations = Revocations { tokens: BTreeSet::from([name.to_owned()]), ..Revocations::default() };
        for token in [&token, &renewed] {
            assert_eq!(verify_at(token.reveal().as_bytes(), &revocations, NOW + 60).is_err(), is_refused, "{name}");
        }
    };
    check("https://login.acme.example/realms/main#of-the-person", true);
    check("https://kubernetes.default.svc.cluster.local#of-the-agent", true);
    check("https://kubernetes.default.svc.cluster.local#of-the-person", false);
    check("https://login.acme.example/realms/main#of-another", false);
}

/// Whatever our own key has signed is read as strictly as anything else: it may be of an earlier version, or made for another reader.
#[test]
fn own_tokens_are_read_strictly() {
    let check = |place: &str, value: serde_json::Value, expect: &str| {
        let token = begun("github").reveal().to_owned();
        let parts: Vec<serde_json::Value> = token.split('.').take(2).map(|part| serde_json::from_slice(&decode(part)).unwrap()).collect();
        let [mut header, mut claims]: [serde_json::Value; 2] = parts.try_into().unwrap();
        let changed = if let Some(name) = place.strip_prefix("header.") { &mut header[name] } else { claims.pointer_mut(place).unwrap() };
        *changed = value;
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let forged = format!("{signed}.{}", encode(world().own.sign(signed.as_bytes()).as_ref()));
        let found = verify(forged.as_bytes()).map_or_else(|refusal| format!("{:?}", refusal.reason), |_| "accepted".to_owned());
        assert!(found.starts_with(expect), "{place}: {found}");
    };
    check("/jti", "another".into(), "accepted");
    check("header.typ", "JWT".into(), "TypeRefused");
    check("/aud", "https://other.example".into(), "AudienceRefused");
    check("/exp", (NOW + 901).into(), "LifetimeTooLong");
    check("/sub", "https://gitlab.com#project:20".into(), "ClaimsDisagree");
    check("/sid", serde_json::Value::Null, "ClaimMissing");
    check("/sluice", serde_json::Value::Null, "ClaimMissing");
    check("/sluice/version", 2.into(), "ClaimMalformed");
    check("/sluice/kind", "robot".into(), "ClaimMalformed");
    check("/sluice/origin", "00".into(), "ClaimMalformed");
    check("/sluice/ends_at", NOW.into(), "SessionEnded");
    check("/sluice/groups", "administrators".into(), "ClaimMalformed");
    check("/sluice/subject", "repository:1".into(), "ClaimsDisagree");
    check("/sluice/ends_at", (NOW + 3601).into(), "LifetimeTooLong");
    check("/sluice/tokens", "x".into(), "ClaimMalformed");
    check("/sluice/grants", serde_json::json!({ "g": "soon" }), "ClaimMalformed");
    check("/sluice/facts", serde_json::json!({ "a": 5 }), "ClaimMalformed");
    check("/iat", (NOW + 31).into(), "IssuedInFuture");
    check("/iss", "https://sluice.example/".into(), "IssuerUnknown");
    check("/iss", "https://gitlab.com".into(), "AlgorithmRefused");
    check("header.alg", "ES256".into(), "AlgorithmRefused");
    check("header.kid", "EdDSA".into(), "KeyUnknown");
    let actor = |subject: &str| serde_json::json!({ "issuer": "https://gitlab.com", "subject": subject });
    let delegation = |subject: &str, through: &[&str]| {
        let through: Vec<_> = through.iter().map(|subject| actor(subject)).collect();
        let mut person = actor(subject);
        person["issuer"] = "https://token.actions.githubusercontent.com".into();
        for (name, value) in
            [("kind", "person".into()), ("name", "ana".into()), ("groups", serde_json::json!([])), ("through", through.into())]
        {
            person[name] = value;
        }
        person
    };
    check("/sluice/delegation", delegation("ana", &["a", "b", "c"]), "accepted");
    check("/sluice/delegation", delegation("ana", &["a", "b", "c", "d"]), "ChainTooLong");
    check("/sluice/delegation", delegation("ana", &["a", "a"]), "ActorTwice");
    check("/sluice/delegation", delegation("repository:456789", &[]), "ActorTwice");
}

/// Test 1 of RFC 8032, section 7.1, written as `openssl genpkey` does: without the public part.
#[test]
fn keys_are_read_from_files() {
    let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpgulzTDk9GD6Z/pI1PumRTlPJnsn9VKk9g\n-----END PRIVATE KEY-----\n";
    let key = sluice_identity::SigningKey::from_pem(text);
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let mut pkcs8 = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    pkcs8.extend(seed.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
    let named = sluice_identity::SigningKey::from_pkcs8(&pkcs8).unwrap();
    assert!(encode(named.public().point()).starts_with("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    assert!(key.is_ok() && !format!("{named:?}").contains("9d61"));
    for broken in [
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----",
    ] {
        assert!(sluice_identity::SigningKey::from_pem(broken).is_err(), "{broken}");
    }
}

#[test]
fn too_many_grants_are_refused() {
    let caller = verify(begun("github").reveal().as_bytes()).unwrap();
    let grants: Vec<Grant> = (0..33).map(|number| Grant { id: format!("grant-{number}"), expires_at: NOW + 60 }).collect();
    assert!(tokens().renew(&caller, "token-2", &grants[..32], NOW).is_ok());
    assert_eq!(tokens().renew(&caller, "token-3", &grants, NOW).unwrap_err().reason, Reason::TooManyGrants);
}

#[test]
fn keys_are_rotated() {
    let settings = tokens().settings().clone();
    let make = || {
        let pkcs8 = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        sluice_identity::SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap()
    };
    let (old, new) = (make(), make());
    let earlier = PublicKey::from_point(old.public().point().try_into().unwrap());
    assert_eq!(&earlier, old.public());
    let with = AccessTokens::new(settings.clone(), new, std::slice::from_ref(&earlier)).unwrap();
    assert!(with.published_keys().contains(&earlier.id()));
    assert!(AccessTokens::new(settings, old, &[earlier]).is_err());
}

/// For polls of one's own job alone; whoever judges a token otherwise never gets there.
#[test]
fn a_token_is_late_for_a_while() {
    let token = begun("github").reveal().to_owned();
    let at = |late: u64, now: u64, revocations: &Revocations| {
        let Ok(Presented::Own(own)) = world().identity.read(token.as_bytes()) else { panic!("not ours") };
        own.verify_late(revocations, late, now).map(|caller| caller.principal().clone()).map_err(|refusal| refusal.reason)
    };
    let (none, principal) = (Revocations::default(), verify(token.as_bytes()).unwrap().principal().clone());
    // It expires at 900, its session ends at 3600.
    for (late, now, expect) in
        [(100, 1000, true), (100, 1001, false), (0, 1000, false), (7200, 3600, true), (7200, 8100, true), (7200, 8101, false)]
    {
        let found = at(late, NOW + now, &none);
        assert_eq!(found.is_ok(), expect, "{late} {now}");
        assert!(found.map_or_else(|reason| matches!(reason, Reason::Expired { .. }), |found| found == principal));
    }
    let revoked = Revocations { sessions: BTreeSet::from(["session-1".to_owned()]), ..Revocations::default() };
    assert!(matches!(at(100, NOW + 950, &revoked), Err(Reason::Revoked(_))));
    let grants = [Grant { id: "g".to_owned(), expires_at: NOW + 920 }];
    let renewed = tokens().renew(&verify(token.as_bytes()).unwrap(), "token-2", &grants, NOW).unwrap().reveal().to_owned();
    let grants_at = |now: u64| {
        let Ok(Presented::Own(own)) = world().identity.read(renewed.as_bytes()) else { panic!("not ours") };
        own.verify_late(&none, 100, now).unwrap().principal().grants.len()
    };
    assert_eq!((grants_at(NOW + 910), grants_at(NOW + 930)), (1, 0));
}

#[test]
fn an_issuer_of_files_has_its_tokens_exchanged_again() {
    let exchanged = |exchanges: &str| {
        let text = data("identity.toml").replacen("shape = \"oidc\"", &format!("shape = \"oidc\"\n{exchanges}"), 1);
        let identity = Identity::new(check(&text).unwrap(), None);
        let token = honest_token("oidc");
        let Ok(Presented::Outside(token)) = identity.read(token.as_bytes()) else { panic!("not from outside") };
        let caller = token.verify(&world().key_set, &Revocations::default(), NOW).unwrap();
        let store = MemoryReplayStore::default();
        [1, 2].map(|_| Spent::check(&caller, &store, NOW).is_ok())
    };
    assert_eq!(exchanged(""), [true, false]);
    assert_eq!(exchanged("exchanges = \"once\""), [true, false]);
    assert_eq!(exchanged("exchanges = \"many\""), [true, true]);
    let text = data("identity.toml").replacen("shape = \"oidc\"", "shape = \"oidc\"\nexchanges = \"often\"", 1);
    assert!(check(&text).unwrap_err()[0].to_string().contains("one of many, once"));
}
