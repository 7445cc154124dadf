//! Everything that is refused, as a table: what is sent, the status, the error, and the word on record.

use crate::world::{EXCHANGE, NOW, SLUICE, World, encoded, fresh, of_google, token};
use serde_json::json;

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The request of the library's with one field changed, added or taken away.
fn with(token: &str, name: &str, value: &str) -> String {
    let mut fields: Vec<(&str, &str)> = of_google(token).into_iter().filter(|(known, _)| *known != name).collect();
    fields.push((name, value));
    encoded(&fields)
}

fn forms() -> Vec<(&'static str, String, u16, &'static str, &'static str)> {
    let good = || encoded(&of_google(&fresh("ana")));
    let (bad, target, grant) = ("invalid_request", "invalid_target", "unsupported_grant_type");
    vec![
        ("nothing", String::new(), 400, bad, bad),
        ("no grant", with(&fresh("ana"), "grant_type", ""), 400, bad, bad),
        ("another grant", with(&fresh("ana"), "grant_type", "password"), 400, grant, grant),
        ("refresh", with(&fresh("ana"), "grant_type", "refresh_token"), 400, grant, grant),
        ("assertion without one", with("", "grant_type", ASSERTION), 400, bad, bad),
        ("grant twice", format!("{}&grant_type={EXCHANGE}", good()), 400, bad, bad),
        ("grant twice, encoded", format!("{}&gr%61nt_type={EXCHANGE}", good()), 400, bad, bad),
        ("token twice", format!("{}&subject_token=x", good()), 400, bad, bad),
        ("empty twin", format!("{}&subject_token=", good()), 400, bad, bad),
        ("no token", with("", "subject_token", ""), 400, bad, bad),
        ("no type", with(&fresh("ana"), "subject_token_type", ""), 400, bad, bad),
        ("saml", with(&fresh("ana"), "subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), 400, bad, bad),
        (
            "wants a refresh token",
            with(&fresh("ana"), "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
            400,
            bad,
            bad,
        ),
        ("actor without type", with(&fresh("ana"), "actor_token", &fresh("agent")), 400, bad, bad),
        ("type without actor", with(&fresh("ana"), "actor_token_type", JWT), 400, bad, bad),
        ("google's audience", with(&fresh("ana"), "audience", "//iam.googleapis.com/projects/1/locations/global/x"), 400, target, target),
        ("a pool's audience", with(&fresh("ana"), "audience", "locations/global/workforcePools/p/providers/q"), 400, target, target),
        ("long audience", with(&fresh("ana"), "audience", &"a".repeat(1025)), 400, target, target),
        ("no equals sign", format!("{}&x", good()), 400, bad, bad),
        ("broken percent", format!("{}&x=%4", good()), 400, bad, bad),
        ("null byte", format!("{}&x=%00", good()), 400, bad, bad),
        ("semicolon", format!("{};x=1", good()), 400, bad, bad),
        ("many fields", (0..40).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join("&"), 400, bad, bad),
        ("too large", format!("{}&x={}", good(), "a".repeat(65_600)), 413, bad, "too_large"),
    ]
}

fn tokens() -> Vec<(&'static str, String, u16, &'static str, &'static str)> {
    let claims = |changes: serde_json::Value| {
        let mut claims = json!({ "iss": "https://login.acme.example", "sub": "ana", "jti": "a" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        token(claims)
    };
    let bad = "invalid_request";
    let forged = {
        let good = fresh("ana");
        let (signed, _) = good.rsplit_once('.').unwrap();
        format!("{signed}.{}", fresh("bob").rsplit_once('.').unwrap().1)
    };
    vec![
        ("junk", "junk".to_owned(), 400, bad, "token_malformed"),
        ("forged", forged, 400, bad, "signature_wrong"),
        ("expired", claims(json!({ "iat": NOW - 900, "exp": NOW - 600 })), 400, bad, "expired"),
        ("of the future", claims(json!({ "iat": NOW + 600, "exp": NOW + 900 })), 400, bad, "issued_in_future"),
        ("for somebody else", claims(json!({ "aud": "https://other.example" })), 400, "invalid_target", "audience_refused"),
        ("of nobody", claims(json!({ "iss": "https://unknown.example" })), 400, bad, "issuer_unknown"),
        ("says it is ours", claims(json!({ "iss": SLUICE })), 400, bad, "key_unknown"),
        ("with a key of its own", claims(json!({ "cnf": { "jkt": "x" } })), 400, bad, "bound_token"),
        ("acts without leave", claims(json!({ "act": { "sub": "agent" } })), 400, bad, "actor_refused"),
        ("keys out of reach", claims(json!({ "iss": "https://away.acme.example" })), 503, "temporarily_unavailable", "keys_unavailable"),
        ("long", "a".repeat(17_000), 400, bad, "token_too_long"),
        ("two lines", format!("{}\n{}", fresh("ana"), fresh("ana")), 400, bad, "invalid_request"),
    ]
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let world = World::new().await;
    for (what, body, status, error, word) in forms() {
        let answer = world.post_with("/v1/token", "", &body).await;
        assert!(answer.is_sound(), "{what}: {}", answer.head);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{what}: {}", answer.body);
        let noted = world.noted();
        assert!(
            noted.len() == 1 && noted[0].starts_with("authn.fail") && noted[0].contains(&format!(r#""reason":"{word}""#)),
            "{what}: {noted:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new().await;
    for (what, token, status, error, word) in tokens() {
        let answer = world.exchange(&token).await;
        assert!(answer.is_sound(), "{what}: {}", answer.head);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{what}: {}", answer.body);
        let noted = world.noted();
        assert!(noted.len() == 1 && noted[0].contains(&format!(r#""reason":"{word}""#)), "{what}: {noted:?}");
        // Nothing of the token comes back, and nothing of it is kept.
        let claims = token.split('.').nth(1).unwrap_or("no claims");
        assert!(!answer.body.contains(claims) && !noted[0].contains(claims), "{what}");
    }
    // A token of ours begins no session, nor does its holder's.
    let ours = world.begun(&fresh("ana")).await;
    world.noted();
    assert_eq!(world.exchange(&ours).await.status, 400);
    assert!(world.noted()[0].contains("own_token_refused"));
}

/// Nobody was issued a credential here. What begins a session in one way does not in the other.
#[tokio::test]
async fn what_is_no_assertion_is_refused() {
    let world = World::new().await;
    let of_nobody = token(json!({ "iss": "nightly@acme-prod.sluice.invalid", "sub": "nightly@acme-prod.sluice.invalid" }));
    let ours = world.begun(&fresh("ana")).await;
    world.noted();
    for (what, assertion, word) in [
        ("junk", "junk".to_owned(), "token_malformed"),
        ("of a key that nobody has", of_nobody.clone(), "key_unknown"),
        ("of an issuer", fresh("ana"), "type_refused"),
        ("ours", ours, "own_token_refused"),
        ("of nobody", token(json!({ "iss": "https://unknown.example", "sub": "ana" })), "issuer_unknown"),
        ("long", "a".repeat(17_000), "token_too_long"),
    ] {
        let answer = world.post("/v1/token", &[("grant_type", ASSERTION), ("assertion", &assertion)]).await;
        assert!(answer.is_sound(), "{what}: {}", answer.head);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_grant")), "{what}: {}", answer.body);
        let noted = world.noted();
        assert!(noted.len() == 1 && noted[0].contains(&format!(r#""reason":"{word}""#)), "{what}: {noted:?}");
    }
    let exchanged = world.exchange(&of_nobody).await;
    assert_eq!((exchanged.status, &exchanged.json()["error"]), (400, &json!("invalid_request")));
    assert!(world.noted()[0].contains("type_refused"));
    assert_eq!(world.post("/v1/introspect", &[("token", &of_nobody)]).await.json(), json!({ "active": false }));
}

/// None of these gets a token, though each carries a good one.
#[tokio::test]
async fn another_way_of_asking_is_refused() {
    let world = World::new().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = || encoded(&of_google(&fresh("ana")));
    let raw = |start: &str, headers: &str, body: &str| {
        format!("{start} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let good = body();
    for (what, text, status) in [
        ("get", raw(&format!("GET /v1/token?{}", body()), "", ""), 405),
        ("put", raw("PUT /v1/token", form, &body()), 405),
        ("options", raw("OPTIONS /v1/token", "", ""), 405),
        ("override", raw("POST /v1/token", &format!("{form}X-HTTP-Method-Override: GET\r\n"), &body()), 405),
        ("in the target", raw(&format!("POST /v1/token?{}", body()), form, ""), 400),
        ("half in the target", raw("POST /v1/token?grant_type=x", form, &body()), 400),
        ("json", raw("POST /v1/token", "Content-Type: application/json\r\n", "{}"), 415),
        ("no type", raw("POST /v1/token", "", &body()), 415),
        ("type twice", raw("POST /v1/token", &format!("{form}{form}"), &body()), 400),
        ("other letters", raw("POST /v1/token", "Content-Type: application/x-www-form-urlencoded; charset=utf-7\r\n", &body()), 415),
        ("packed", raw("POST /v1/token", &format!("{form}Content-Encoding: gzip\r\n"), &body()), 415),
        ("two lengths of body", raw("POST /v1/token", &format!("{form}Transfer-Encoding: chunked\r\n"), &body()), 400),
        ("whole address", raw("POST http://gw/v1/token", form, &body()), 400),
        ("good after all", raw("POST /v1/token", form, &good), 200),
    ] {
        let answer = world.send(&text).await;
        assert_eq!(answer.status, status, "{what}: {} {}", answer.head, answer.body);
        assert_eq!(answer.body.contains("access_token\":"), status == 200, "{what}");
    }
    for path in ["/v1/introspect", "/v1/revoke"] {
        let answer = world.post(path, &[("token_type_hint", "access_token")]).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")));
        assert_eq!(world.send(&raw(&format!("GET {path}?token=x"), "", "")).await.status, 405);
    }
}
