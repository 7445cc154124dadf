//! Tokens verified in a second on one core, each with its signature: by shape, and our own. `make bench` runs it.

#[path = "../tests/it/issuer.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the issuer of the tests, who use the rest of it"
)]
mod issuer;

use issuer::{NOW, SHAPES, algorithm, honest_token, verify, verify_at};
use sluice_identity::{MemoryReplayStore, Revocations, Spent, Ticket};
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

const MEASURED: Duration = Duration::from_secs(1);

#[expect(clippy::unwrap_used, reason = "a measurement of something that fails means nothing")]
fn main() {
    for shape in SHAPES {
        measure(&format!("{shape} ({})", algorithm(shape)), &honest_token(shape));
    }
    let caller = verify(honest_token("github").as_bytes()).unwrap();
    let spent = Spent::check(&caller, &MemoryReplayStore::default(), NOW).unwrap();
    let ticket = Ticket { token_id: "t".to_owned(), session_id: "s".to_owned() };
    let own = issuer::world().identity.access_tokens().unwrap().begin(&caller, spent, ticket, NOW).unwrap();
    measure("access token (EdDSA)", own.reveal());
    let forged = honest_token("github").replace("eyJ", "eyK");
    measure("no token", &forged);
}

fn measure(name: &str, token: &str) {
    let revocations = Revocations::default();
    let run = || drop(black_box(verify_at(black_box(token.as_bytes()), &revocations, NOW)));
    (0..100).for_each(|_| run());
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < MEASURED {
        (0..50).for_each(|_| run());
        count += 50;
    }
    let each = start.elapsed() / count;
    drop(writeln!(std::io::stdout(), "{name:24} {:>8.0} a second, {each:.1?} each", 1.0 / each.as_secs_f64()));
}
