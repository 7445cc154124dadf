//! Credentials that the gateway issues: what their holders sign is taken for what it is for, and for nothing else.

use crate::issuer::{Keys, NOW, encode, token, world};
use serde_json::{Map, Value, json};
use sluice_identity::{
    Caller, Exchanges, ISSUED_SECONDS_MAX, IssuedCredential, IssuedCredentials, IssuedFault, MemoryReplayStore, Presented, Purpose, Reason,
    Refusal, Registration, Revocations, Spent, Ticket,
};
use sluice_model::CallerKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const TOKEN_URL: &str = "https://sluice.example/v1/token";
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
const DAY: u64 = 24 * 3600;

/// Two holders, one whose file was revoked, and one whose file has ended.
struct Scene {
    issued: IssuedCredentials,
    keys: [Keys; 4],
}

fn registration(name: &str, keys: &Keys) -> Registration {
    Registration {
        name: name.to_owned(),
        project: "acme-prod".to_owned(),
        kind: CallerKind::Service,
        groups: BTreeSet::from(["etl".to_owned()]),
        token_url: TOKEN_URL.to_owned(),
        universe_domain: Some("sluice.test".to_owned()),
        exchanges: Exchanges::Once,
        modulus: keys.modulus(),
        issued_at: NOW - 10 * DAY,
        not_after: NOW + DAY,
    }
}

fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let keys = [(); 4].map(|()| Keys::make());
        let [nightly, other, revoked, over] =
            [("nightly", 0), ("other", 1), ("revoked", 2), ("over", 3)].map(|(name, at)| registration(name, &keys[at]));
        let (other, over) = (Registration { issued_at: NOW, ..other }, Registration { not_after: NOW - 1, ..over });
        let credentials = [(nightly, false), (other, false), (revoked, true), (over, false)];
        let issued = credentials.map(|(registration, is_revoked)| (IssuedCredential::new(registration).unwrap(), is_revoked));
        Scene { issued: IssuedCredentials::new(issued), keys }
    })
}

fn holder(at: usize) -> Registration {
    registration(["nightly", "other", "revoked", "over"][at], &scene().keys[at])
}

/// As the libraries write it: for Python an assertion without `sub`, for requests a token without `aud`.
fn honest(at: usize, purpose: Purpose) -> (Map<String, Value>, Map<String, Value>) {
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": holder(at).id() });
    let mut claims = json!({ "iss": holder(at).address(), "iat": NOW, "exp": NOW + 3600, "scope": SCOPE });
    match purpose {
        Purpose::Assertion => claims["aud"] = "https://oauth2.googleapis.com/token".into(),
        Purpose::Request => claims["sub"] = holder(at).address().into(),
    }
    (header.as_object().unwrap().clone(), claims.as_object().unwrap().clone())
}

fn signed(header: &Map<String, Value>, claims: &Map<String, Value>, keys: &Keys) -> String {
    token(&Value::Object(header.clone()).to_string(), &Value::Object(claims.clone()).to_string(), keys)
}

fn verify(text: &str, purpose: Purpose, revocations: &Revocations) -> Result<Caller, Refusal> {
    match world().identity.read(text.as_bytes())? {
        Presented::Issued(token) => token.verify(purpose, &scene().issued, revocations, NOW),
        other => panic!("{other:?}"),
    }
}

/// `changes` go into header (`header.kid`) and claims; null takes away. The name of the reason, or `accepted`.
fn check(at: usize, purpose: Purpose, changes: Value, expect: &str) {
    let (mut header, mut claims) = honest(at, purpose);
    for (name, value) in changes.as_object().unwrap() {
        let (into, name) = match name.strip_prefix("header.") {
            Some(name) => (&mut header, name),
            None => (&mut claims, name.as_str()),
        };
        if value.is_null() { drop(into.remove(name)) } else { drop(into.insert(name.to_owned(), value.clone())) }
    }
    let found = match verify(&signed(&header, &claims, &scene().keys[at]), purpose, &Revocations::default()) {
        Ok(_) => "accepted".to_owned(),
        Err(refusal) => format!("{:?}", refusal.reason),
    };
    assert!(found.starts_with(expect), "{purpose:?} {changes}: {found}, not {expect}");
}

#[test]
fn holders_are_who_was_registered() {
    for purpose in [Purpose::Assertion, Purpose::Request] {
        let (header, claims) = honest(0, purpose);
        let caller = verify(&signed(&header, &claims, &scene().keys[0]), purpose, &Revocations::default()).unwrap();
        let principal = caller.principal();
        assert_eq!(principal.to_string(), format!("https://sluice.example#{}", holder(0).id()));
        assert_eq!((principal.kind, &principal.groups), (CallerKind::Service, &holder(0).groups));
        assert_eq!((principal.name.as_str(), &principal.delegation), ("nightly@acme-prod.sluice.invalid", &None));
        assert_eq!((caller.token().issuer.as_str(), caller.session()), ("nightly@acme-prod.sluice.invalid", None));
    }
}

#[test]
fn assertions_are_for_the_token_door() {
    let check = |changes: Value, expect: &str| check(0, Purpose::Assertion, changes, expect);
    check(json!({}), "accepted");
    check(json!({ "aud": TOKEN_URL, "sub": "nightly@acme-prod.sluice.invalid" }), "accepted");
    check(json!({ "scope": format!("{SCOPE} https://www.googleapis.com/auth/drive openid") }), "accepted");
    check(json!({ "header.typ": null, "jti": "x1", "nbf": NOW }), "accepted");
    check(json!({ "aud": null }), "ClaimMissing(\"aud\")");
    check(json!({ "aud": "" }), "ClaimMissing");
    check(json!({ "aud": "https://sluice.example" }), "AudienceRefused");
    check(json!({ "aud": "https://sluice.example/v1/token/" }), "AudienceRefused");
    check(json!({ "aud": "https://bigquery.googleapis.com/" }), "AudienceRefused");
    check(json!({ "aud": [TOKEN_URL, "https://other.example/v1/token"] }), "AudienceRefused");
    check(json!({ "aud": 5 }), "ClaimMalformed");
    check(json!({ "scope": null }), "ClaimMissing(\"scope\")");
    check(
        json!({ "scope": format!("{SCOPE} https://www.googleapis.com/auth/admin") }),
        "ScopeRefused(\"https://www.googleapis.com/auth/admin\")",
    );
    check(json!({ "scope": format!("{SCOPE}  {SCOPE}") }), "ScopeRefused(\"\")");
    check(json!({ "scope": "bigquery" }), "ScopeRefused");
    check(json!({ "scope": [SCOPE] }), "ClaimMalformed");
    check(json!({ "sub": "ceo@acme.example" }), "ClaimsDisagree { claim: \"sub\"");
    check(json!({ "sub": "other@acme-prod.sluice.invalid" }), "ClaimsDisagree { claim: \"sub\"");
    check(json!({ "iss": "other@acme-prod.sluice.invalid" }), "ClaimsDisagree { claim: \"iss\"");
    check(json!({ "iat": NOW + 29, "exp": NOW + 3629 }), "accepted");
    check(json!({ "iat": NOW + 31, "exp": NOW + 3600 }), "IssuedInFuture");
    check(json!({ "exp": NOW + 3601 }), "LifetimeTooLong");
    check(json!({ "iat": NOW - 3630, "exp": NOW - 30 }), "Expired");
    check(json!({ "iat": NOW - 3629, "exp": NOW - 29 }), "accepted");
    check(json!({ "iat": null }), "ClaimMissing");
    check(json!({ "exp": null }), "ClaimMissing");
    check(json!({ "exp": format!("{}", NOW + 60) }), "ClaimMalformed");
    check(json!({ "target_audience": "https://run.example" }), "ClaimMalformed { claim: \"target_audience\"");
    check(json!({ "act": { "sub": "x" } }), "ClaimMalformed");
    check(json!({ "cnf": { "jkt": "x" } }), "ClaimMalformed");
    check(json!({ "groups": ["admins"] }), "ClaimMalformed");
    check(json!({ "header.typ": "at+jwt" }), "TypeRefused");
    check(json!({ "header.typ": "logout+jwt" }), "TypeRefused");
}

#[test]
fn what_goes_with_requests_is_for_bigquery() {
    let check = |changes: Value, expect: &str| check(0, Purpose::Request, changes, expect);
    check(json!({}), "accepted");
    check(json!({ "aud": "" }), "accepted");
    for audience in ["https://bigquery.googleapis.com/", "https://bigquerystorage.googleapis.com/", "https://bigquery.sluice.test/"] {
        check(json!({ "aud": audience, "scope": null }), "accepted");
    }
    check(json!({ "scope": null }), "ClaimMissing(\"scope\")");
    check(json!({ "aud": "", "scope": null }), "ClaimMissing(\"scope\")");
    check(json!({ "sub": null }), "ClaimMissing(\"sub\")");
    check(json!({ "aud": TOKEN_URL }), "AudienceRefused");
    check(json!({ "aud": "https://oauth2.googleapis.com/token" }), "AudienceRefused");
    check(json!({ "aud": "https://storage.googleapis.com/" }), "AudienceRefused");
    check(json!({ "aud": "https://bigquery.other.test/" }), "AudienceRefused");
    check(json!({ "aud": "https://bigquery.googleapis.com/", "scope": "https://www.googleapis.com/auth/admin" }), "ScopeRefused");
    check(json!({ "aud": [] }), "ClaimMalformed");
}

#[test]
fn keys_sign_for_their_own_holder_alone() {
    for purpose in [Purpose::Assertion, Purpose::Request] {
        let check = |at: usize, changes: Value, expect: &str| check(at, purpose, changes, expect);
        check(0, json!({ "header.kid": holder(1).id() }), "SignatureWrong");
        check(0, json!({ "header.kid": holder(1).id(), "iss": holder(1).address(), "sub": holder(1).address() }), "SignatureWrong");
        check(0, json!({ "header.kid": "unknown" }), "KeyUnknown");
        check(0, json!({ "header.kid": null }), "HeaderMalformed");
        check(0, json!({ "header.alg": "none" }), "AlgorithmRefused");
        check(0, json!({ "header.alg": "HS256" }), "AlgorithmRefused");
        check(0, json!({ "header.alg": "HS256 modulus" }), "AlgorithmRefused");
        check(0, json!({ "header.alg": "rs256" }), "AlgorithmRefused");
        // The same key, by another algorithm that it could do.
        check(0, json!({ "header.alg": "PS256" }), "AlgorithmRefused");
        check(0, json!({ "header.alg": "EdDSA" }), "AlgorithmRefused");
        check(0, json!({ "header.jwk": {} }), "HeaderMemberRefused");
        check(2, json!({}), "CredentialRevoked");
        // Whoever has not the key does not learn that it was revoked.
        check(0, json!({ "header.kid": holder(2).id() }), "SignatureWrong");
        check(3, json!({}), "CredentialEnded");
        check(3, json!({ "iat": NOW - 600, "exp": NOW + 60 }), "CredentialEnded");
        // From before there was the file.
        check(1, json!({ "iat": NOW - 30, "exp": NOW + 60 }), "accepted");
        check(1, json!({ "iat": NOW - 31, "exp": NOW + 60 }), "ClaimsDisagree { claim: \"iat\"");
    }
}

#[test]
fn no_flipped_bit_is_accepted() {
    for purpose in [Purpose::Assertion, Purpose::Request] {
        let (header, claims) = honest(0, purpose);
        let text = signed(&header, &claims, &scene().keys[0]);
        assert!(verify(&text, purpose, &Revocations::default()).is_ok());
        let mut bytes = text.into_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Another `iss` may make it somebody else's token: those are not accepted either.
            let accepted = match world().identity.read(&bytes) {
                Ok(Presented::Issued(token)) => token.verify(purpose, &scene().issued, &Revocations::default(), NOW).is_ok(),
                Ok(Presented::Outside(_) | Presented::Own(_)) => panic!("bit {bit} makes it another kind of token"),
                Err(_) => false,
            };
            assert!(!accepted, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn who_is_shut_out_stays_out() {
    let (header, claims) = honest(0, Purpose::Request);
    let text = signed(&header, &claims, &scene().keys[0]);
    let check = |revocations: Revocations, expect: bool| {
        let found = verify(&text, Purpose::Request, &revocations);
        assert_eq!(found.as_ref().is_err_and(|refusal| matches!(refusal.reason, Reason::Revoked(_))), expect, "{revocations:?}: {found:?}");
    };
    let principal = |subject: &str, until: u64| Revocations {
        principals: BTreeMap::from([(format!("https://sluice.example#{subject}"), until)]),
        ..Revocations::default()
    };
    check(principal(&holder(0).id(), u64::MAX), true);
    check(principal(&holder(0).id(), NOW), true);
    check(principal(&holder(0).id(), NOW - 1), false);
    check(principal(&holder(1).id(), u64::MAX), false);
    check(Revocations { issued_until: Some(NOW), ..Revocations::default() }, true);
}

/// An assertion begins one session, which does not outlive the file.
#[test]
fn sessions_end_with_the_file() {
    let (header, claims) = honest(1, Purpose::Assertion);
    let store = MemoryReplayStore::default();
    let text = signed(&header, &claims, &scene().keys[1]);
    let caller = verify(&text, Purpose::Assertion, &Revocations::default()).unwrap();
    let spent = Spent::check(&caller, &store, NOW).unwrap();
    assert_eq!(Spent::check(&caller, &store, NOW).unwrap_err().reason, Reason::Replayed);
    let access = world().identity.access_tokens().unwrap();
    let ticket = Ticket { token_id: "t".to_owned(), session_id: "s".to_owned() };
    let almost_over = holder(1).not_after - 100;
    let token = access.begin(&caller, spent, ticket, almost_over).unwrap();
    assert_eq!((token.session.ends_at, token.expires_at), (holder(1).not_after, holder(1).not_after));
}

#[test]
fn registrations_hold_together() {
    let keys = &scene().keys[0];
    let check = |change: &dyn Fn(&mut Registration), expect: Result<(), &str>| {
        let mut changed = registration("nightly", keys);
        change(&mut changed);
        match (IssuedCredential::new(changed.clone()), expect) {
            (Ok(credential), Ok(())) => assert_eq!(credential.id().len(), 40),
            (Err(IssuedFault(text)), Err(part)) => assert!(text.contains(part), "{changed:?}: {text}"),
            (found, expect) => panic!("{changed:?}: {found:?}, not {expect:?}"),
        }
    };
    check(&|_| {}, Ok(()));
    check(&|changed| changed.token_url = "http://127.0.0.1:8080/v1/token".to_owned(), Ok(()));
    check(&|changed| changed.universe_domain = None, Ok(()));
    check(&|changed| changed.not_after = changed.issued_at + ISSUED_SECONDS_MAX, Ok(()));
    check(&|changed| changed.not_after = changed.issued_at + ISSUED_SECONDS_MAX + 1, Err("366 days"));
    check(&|changed| changed.not_after = changed.issued_at, Err("366 days"));
    for name in ["", "Nightly", "a@b", "a.b", "1a", "n\u{e9}", "a b", &"a".repeat(65)] {
        check(&|changed| changed.name = name.to_owned(), Err("is no name"));
        check(&|changed| changed.project = name.to_owned(), Err("is no project"));
    }
    check(&|changed| changed.kind = CallerKind::Person, Err("no person"));
    check(&|changed| changed.groups = (0..33).map(|number| format!("g{number}")).collect(), Err("32 groups"));
    check(&|changed| changed.groups = BTreeSet::from(["a\u{202e}b".to_owned()]), Err("32 groups"));
    for url in [
        "",
        "http://10.0.0.1/v1/token",
        "ftp://a",
        "https://a/../b",
        "https://A/v1/token",
        "http://127.0.0.1.evil.example/",
        "http://localhost:1@a.example/",
    ] {
        check(&|changed| changed.token_url = url.to_owned(), Err("no address for tokens"));
    }
    for domain in ["", "a/b", "A.test", "a b"] {
        check(&|changed| changed.universe_domain = Some(domain.to_owned()), Err("universe domain"));
    }
    check(&|changed| changed.modulus.truncate(128), Err("below 2048 bits"));
    check(&|changed| changed.modulus.insert(0, 0), Err("below 2048 bits"));
    assert_ne!(encode(&keys.modulus()), encode(&scene().keys[1].modulus()));
}
