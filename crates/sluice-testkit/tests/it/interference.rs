//! Statements on warehouses that differ only in labelled values: no difference may stay untold.
//!
//! `SLUICE_INTERFERENCE_COUNT` and `SLUICE_INTERFERENCE_SEED` run longer or other campaigns. A finding prints its seed.

use sluice_testkit::ground;
use sluice_testkit::interference::adapters::Clinic;
use sluice_testkit::interference::campaign::{Settings, run, run_each};
use sluice_testkit::interference::handmade;
use std::time::{SystemTime, UNIX_EPOCH};

/// Statements of every run, from seed 1 on.
const FIXED_COUNT: u64 = 5_000;
/// Statements that no run before has seen.
const RANDOM_COUNT: u64 = 200;

fn settings() -> Settings {
    Settings {
        seed: number("SLUICE_INTERFERENCE_SEED").unwrap_or(1),
        count: number("SLUICE_INTERFERENCE_COUNT").unwrap_or(FIXED_COUNT),
        threads: std::thread::available_parallelism().map_or(2, usize::from),
        scripts: number("SLUICE_INTERFERENCE_SCRIPTS") != Some(0),
        thorough: number("SLUICE_INTERFERENCE_THOROUGH").is_some(),
        shrunk_misses_max: 20,
        shrink_attempts_max: 150,
    }
}

#[expect(clippy::disallowed_methods, reason = "a longer campaign is asked for by the environment")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_difference_stays_untold() {
    let clinic = Clinic::new(ground::engine()).unwrap();
    let report = run(&settings(), &clinic, &clinic);
    println!("{report}");
    assert!(report.findings.is_empty(), "{} misses", report.findings.len());
    assert!(report.weaknesses().is_empty(), "the test does not bite: {:?}", report.weaknesses());
}

#[test]
fn new_statements_tell_everything() {
    let clinic = Clinic::new(ground::engine()).unwrap();
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("SLUICE_INTERFERENCE_SEED").unwrap_or(elapsed.as_secs() * RANDOM_COUNT);
    println!("SLUICE_INTERFERENCE_SEED={seed}");
    let report = run(&Settings { seed, count: RANDOM_COUNT, ..settings() }, &clinic, &clinic);
    println!("{report}");
    assert!(report.findings.is_empty(), "{} misses, from seed {seed} on", report.findings.len());
}

#[test]
fn handmade_statements_tell_everything() {
    let statements = handmade::statements();
    let clinic = Clinic::new(ground::engine()).unwrap();
    let count = u64::try_from(statements.len()).unwrap();
    let settings = Settings { seed: 0, count, thorough: true, ..settings() };
    let at = |seed: u64| statements[usize::try_from(seed).unwrap()].clone();
    let report = run_each(&settings, at, &clinic, &clinic);
    println!("{report}");
    let silent: Vec<String> = report.silent.iter().map(|seed| at(*seed).text).collect();
    println!("the same in all variants:\n{}", silent.join("\n"));
    assert!(report.findings.is_empty(), "{} misses", report.findings.len());
    assert_eq!(silent.len(), 0, "statements that show nothing");
    assert_eq!((report.refused_total(), report.abandoned.len()), (0, 0));
}
