// Claims as if an issuer had signed them. The seeds are honest ones at this moment.
#![no_main]

use sluice_identity::{Identity, check};
use std::sync::OnceLock;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let text = include_str!("../../crates/sluice-identity/tests/data/identity.toml");
    IDENTITY.get_or_init(|| Identity::new(check(text).expect("the tests' own configuration"), None))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for media_type in ["JWT", ""] {
        drop(identity().preview(media_type, bytes, 1_795_000_000));
    }
});
