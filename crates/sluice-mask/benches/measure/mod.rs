//! What both measurements of masks share: which columns are masked by what, and bytes per second.

use sluice_mask::{MASK_SECRET_BYTES, MaskKeys, Masker};
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[path = "../../tests/it/permit.rs"]
#[expect(clippy::panic, clippy::unwrap_used, dead_code, reason = "it is a test's, which uses more of it")]
pub mod permit;

pub const COLUMNS: usize = 20;
/// How many of them, and by what.
pub const MASKED: [(usize, &str); 6] =
    [(0, "last_four"), (1, "default_value"), (1, "last_four"), (1, "keyed_hash"), (5, "last_four"), (5, "keyed_hash")];
const TIME_MIN: Duration = Duration::from_secs(1);

pub fn keys() -> MaskKeys {
    MaskKeys::new(&[7; MASK_SECRET_BYTES])
}

/// Of a table of texts, so many of whose columns are labelled.
pub fn masker(count: usize, mask: &str) -> Masker {
    let columns: Vec<String> = (0..count).map(|position| format!("\"p.d.t.c{position}\"")).collect();
    let labels = format!("[labels.id]\nmask = \"{mask}\"\nreason = \"r\"\ncolumns = [{}]\n", columns.join(", "));
    let labels = if count == 0 { String::new() } else { labels };
    Masker::new(&permit::permit(permit::method("tabledata.list", &[Some("STRING"); COLUMNS]), &labels), &keys())
}

/// Megabytes, by the time that a processor worked: what else the machine does is left out.
pub fn per_second(bytes: usize, run: impl Fn() -> bool) -> f64 {
    let (start, mut rounds) = (worked(), 0_u32);
    while worked() - start < TIME_MIN {
        assert!(black_box(run()));
        rounds += 1;
    }
    bytes as f64 * f64::from(rounds) / (worked() - start).as_secs_f64() / 1e6
}

/// Of this thread. Where nobody counts it, the time that went by.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}
