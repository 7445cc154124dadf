//! Key sets that look hostile are refused whole; keys for other purposes are left aside.

use crate::issuer::{encode, world};
use serde_json::{Value, json};
use sluice_identity::{KEY_SET_BYTES_MAX, KeySet};

fn check(text: &str, expect: Result<usize, &str>) {
    match (KeySet::read(text.as_bytes()), expect) {
        (Ok(set), Ok(set_aside)) => assert_eq!(set.set_aside(), set_aside, "{text}"),
        (Err(fault), Err(expect)) => assert!(fault.to_string().contains(expect), "{text}: {fault}"),
        (found, expect) => panic!("{text}: {found:?}, not {expect:?}"),
    }
}

/// The honest set with one member of its first key, an RSA one, changed; null takes it away.
fn check_rsa(name: &str, value: Value, expect: Result<usize, &str>) {
    let mut set = world().ours.published();
    let key = set["keys"][0].as_object_mut().unwrap();
    if value.is_null() {
        drop(key.remove(name))
    } else {
        drop(key.insert(name.to_owned(), value))
    }
    check(&set.to_string(), expect);
}

/// A key beside the honest ones.
fn check_added(key: Value, expect: Result<usize, &str>) {
    let mut set = world().ours.published();
    set["keys"].as_array_mut().unwrap().push(key);
    check(&set.to_string(), expect);
}

#[test]
fn broken_and_hostile_sets_are_refused() {
    check("", Err("cannot be read"));
    check("[]", Err("not an object"));
    check("{}", Err("`keys` is not a list"));
    check(r#"{"keys":{}}"#, Err("`keys` is not a list"));
    check(r#"{"keys":[]}"#, Err("no key"));
    check(r#"{"keys":[5]}"#, Err("not an object"));
    check(r#"{"keys":[],"keys":[]}"#, Err("stands twice"));
    check(&format!("{{\"keys\":[{}]}}", vec!["{}"; 101].join(",")), Err("101 keys"));
    check(&" ".repeat(KEY_SET_BYTES_MAX + 1), Err("at most"));
    check_added(json!({ "kty": "oct", "kid": "h", "k": "AAAA" }), Err("symmetric"));
    check_added(json!({ "kty": "oct", "kid": "h", "use": "enc" }), Err("symmetric"));
    check_added(json!({ "kty": "EC", "kid": "p", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA" }), Err("private part"));
    check_added(world().ours.published()["keys"][0].clone(), Err("stands twice"));
    check_added(json!({ "kty": "EC", "kid": "p", "crv": "P-256", "x": "AA", "y": "AA" }), Err("malformed"));
    check_added(json!({ "kty": "OKP", "kid": "p", "crv": "Ed25519", "x": encode(&[1; 31]) }), Err("malformed"));
}

#[test]
fn weak_rsa_keys_are_refused() {
    let modulus = world().ours.modulus();
    check_rsa("n", encode(&modulus[..128]).into(), Err("below 2048 bits"));
    check_rsa("n", encode(&[&[0], modulus.as_slice()].concat()).into(), Err("below 2048 bits"));
    check_rsa("n", encode(&modulus.repeat(5)).into(), Err("malformed"));
    check_rsa("n", format!("{}=", encode(&modulus)).into(), Err("malformed"));
    check_rsa("n", Value::Null, Err("malformed"));
    check_rsa("e", "AQ".into(), Err("malformed"));
    check_rsa("e", "Aw".into(), Err("malformed"));
    check_rsa("e", "AAEAAQ".into(), Err("malformed"));
}

/// A point beside the curve, and the point at infinity's stand-in: whatever is signed, nothing is believed by them.
#[test]
fn points_off_the_curve_verify_nothing() {
    let honest = world().ours.published();
    let token = crate::attacks::forge("spiffe", "header.kid = \"ES256\"");
    let verify = |x: &[u8], y: &[u8]| {
        let mut set = honest.clone();
        let key = set["keys"].as_array_mut().unwrap().iter_mut().find(|key| key["kid"] == "ES256").unwrap();
        (key["x"], key["y"]) = (encode(x).into(), encode(y).into());
        let keys = KeySet::read(set.to_string().as_bytes()).unwrap();
        let Ok(sluice_identity::Presented::Outside(token)) = world().identity.read(token.as_bytes()) else { panic!("it is an issuer's") };
        token.verify(&keys, &sluice_identity::Revocations::default(), crate::issuer::NOW).map(drop).map_err(|refusal| refusal.reason)
    };
    let key = honest["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "ES256").unwrap();
    let (x, y) = (crate::issuer::decode(key["x"].as_str().unwrap()), crate::issuer::decode(key["y"].as_str().unwrap()));
    let mut beside = y.clone();
    beside[31] ^= 1;
    assert_eq!(verify(&x, &y), Ok(()));
    for (x, y) in [(&x, &beside), (&y, &x), (&vec![0; 32], &vec![0; 32]), (&vec![0xff; 32], &vec![0xff; 32])] {
        assert_eq!(verify(x, y), Err(sluice_identity::Reason::SignatureWrong));
    }
}

#[test]
fn keys_for_other_purposes_are_set_aside() {
    check(&world().ours.published().to_string(), Ok(0));
    check_rsa("use", "enc".into(), Ok(1));
    check_rsa("use", 5.into(), Ok(1));
    check_rsa("use", Value::Null, Ok(0));
    check_rsa("use", "jwt-svid".into(), Ok(0));
    check_rsa("alg", "RSA-OAEP".into(), Ok(1));
    check_rsa("alg", "RS512".into(), Ok(1));
    check_rsa("alg", "none".into(), Ok(1));
    check_rsa("alg", "HS256".into(), Ok(1));
    check_rsa("kid", Value::Null, Ok(1));
    check_rsa("kid", 5.into(), Ok(1));
    check_rsa("kty", "unknown".into(), Ok(1));
    check_added(json!({ "kty": "EC", "kid": "p521", "crv": "P-521", "x": "AA", "y": "AA" }), Ok(1));
    check_added(json!({ "kty": "OKP", "kid": "x", "crv": "X25519", "x": "AA" }), Ok(1));
    check_added(json!({ "kty": "RSA", "kid": "o", "key_ops": ["encrypt"], "n": "AA", "e": "AQAB" }), Ok(1));
}
