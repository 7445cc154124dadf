#![no_main]

use std::sync::LazyLock;

#[path = "../../crates/sluice-mask/tests/it/message.rs"]
mod message;
#[path = "../../crates/sluice-mask/tests/it/permit.rs"]
#[expect(dead_code, reason = "it is a test's, which uses more of it")]
mod permit;

static MASKERS: LazyLock<message::Maskers> = LazyLock::new(message::Maskers::new);

// Whatever is said of a message, it is said without a panic; and what passes, passes again.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = message::look(&MASKERS, message::Format::Arrow, bytes);
});
