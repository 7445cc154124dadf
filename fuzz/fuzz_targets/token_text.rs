// Whatever comes in as a token. None is signed, so none may be accepted.
#![no_main]

use sluice_identity::{Identity, KeySet, Presented, Revocations, check};
use std::sync::OnceLock;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let text = include_str!("../../crates/sluice-identity/tests/data/identity.toml");
    IDENTITY.get_or_init(|| Identity::new(check(text).expect("the tests' own configuration"), None))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(Presented::Outside(token)) = identity().read(bytes) {
        let keys = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"RS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let keys = KeySet::read(keys).expect("a key of nobody");
        assert!(token.verify(&keys, &Revocations::default(), 1_795_000_000).is_err());
    }
});
