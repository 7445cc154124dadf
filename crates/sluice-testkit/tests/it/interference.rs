//! Statements on warehouses that differ only in labelled values: no difference may stay untold.
//!
//! `SLUICE_INTERFERENCE_COUNT` and `SLUICE_INTERFERENCE_SEED` run longer or other campaigns. A finding prints its seed.

use sluice_testkit::ground;
use sluice_testkit::interference::adapters::Clinic;
use sluice_testkit::interference::campaign::{Report, Settings, run};

/// Statements of every run, from seed 1 on.
const FIXED_COUNT: u64 = 5_000;

fn campaign(seed: u64, count: u64) -> Report {
    let clinic = Clinic::new(ground::engine()).unwrap();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let thorough = number("SLUICE_INTERFERENCE_THOROUGH").is_some();
    let scripts = number("SLUICE_INTERFERENCE_SCRIPTS") != Some(0);
    run(&Settings { seed, count, threads, scripts, thorough, shrunk_misses_max: 20, shrink_attempts_max: 150 }, &clinic, &clinic)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_difference_stays_untold() {
    let seed = number("SLUICE_INTERFERENCE_SEED").unwrap_or(1);
    let count = number("SLUICE_INTERFERENCE_COUNT").unwrap_or(FIXED_COUNT);
    let report = campaign(seed, count);
    println!("{report}");
    assert!(report.findings.is_empty(), "{} misses", report.findings.len());
}
