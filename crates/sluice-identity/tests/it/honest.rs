//! Honest tokens of each shape are accepted, and the whole `Caller` is what stands in `data/honest/*.txt`.

use crate::attacks::forge;
use crate::issuer::{NOW, SHAPES, data, honest_token, path, verify};
use sha2::{Digest, Sha256};
use sluice_model::Principal;

#[test]
fn callers_are_who_they_are() {
    let mut wrong = Vec::new();
    let variants = [
        ("entra", "idtyp - ; sub = \"AAAA-pairwise\" ; preferred_username = \"ana@acme.example\"", "entra-person"),
        ("entra", "idtyp -", "entra"),
        ("github", "sub = \"repo:octo@1234/etl@456789:environment:production\" ; environment = \"production\"", "github-environment"),
        ("google", "google - ; email = \"ana@acme.example\" ; azp = \"123.apps.googleusercontent.com\"", "google-person"),
        ("oidc", "act - ; client_id = \"nightly\"", "oidc-service"),
        ("oidc", "act -", "oidc-person"),
    ];
    let plain = SHAPES.map(|shape| (shape, honest_token(shape), shape));
    let varied = variants.map(|(shape, changes, file)| (shape, forge(shape, changes), file));
    for (shape, token, file) in plain.into_iter().chain(varied) {
        let caller = verify(token.as_bytes()).unwrap_or_else(|refusal| panic!("{file}: {refusal}"));
        let signed = token.rsplit_once('.').unwrap().0;
        assert_eq!(caller.token().digest, <[u8; 32]>::from(Sha256::digest(signed)), "{shape}");
        assert!(caller.token().issued_at <= NOW && caller.token().expires_at > NOW, "{shape}");
        assert_eq!(
            caller.token().issuer,
            caller.principal().delegation.as_ref().map_or(&caller.principal().issuer, |_| &caller.token().issuer).clone()
        );
        assert!(caller.session().is_none(), "{shape}");
        let found = format!("{:#?}\n{:#?}\ntoken {:?}\n", caller.principal(), caller.asserted(), caller.token().id);
        let expect = std::fs::read_to_string(path(&format!("honest/{file}.txt"))).unwrap_or_default();
        if found != expect {
            wrong.push(format!("{file}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a caller merely says reaches no field that policy can see.
#[test]
fn asserted_facts_stay_apart() {
    let caller = verify(honest_token("aws").as_bytes()).unwrap();
    assert_eq!(caller.asserted().0.get("request_tag.group").map(String::as_str), Some("administrators"));
    assert!(!format!("{:?}", caller.principal()).contains("administrators"));
}

/// The preview of configuration says the same as verification.
#[test]
fn a_preview_is_the_same_principal() {
    for shape in SHAPES {
        let claims = serde_json::Value::Object(crate::issuer::honest_claims(shape)).to_string();
        let media_type = crate::issuer::honest_header(shape).get("typ").and_then(|word| word.as_str()).unwrap_or_default().to_owned();
        let previewed: Principal = crate::issuer::world().identity.preview(&media_type, claims.as_bytes(), NOW).unwrap();
        assert_eq!(&previewed, verify(honest_token(shape).as_bytes()).unwrap().principal(), "{shape}");
    }
    assert!(!data("identity.toml").is_empty());
}
