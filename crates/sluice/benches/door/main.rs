//! What the gateway costs, beside no gateway and beside a plain nginx: `make bench`. What the figures mean stands in `docs/performance.md`.
//!
//! Everything is a process of its own on this machine: clients (this one), warehouse, gateways, nginx. They share its processors. The ways take turns,
//! and of several rounds the one in the middle counts. Words on the command line choose parts: statements, steps, results, masked, detectors, sandbox.

mod client;
mod detectors;
mod load;
mod process;
mod report;
mod streams;
mod upstream;
mod world;

use client::Target;
use load::{Large, Pages, Statements, Step, large, large_at_once, statements};
use process::Process;
use report::{Report, median, sync_ms};
use serde_json::json;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use upstream::{PAGE_MEGABYTES, PROJECT};
use world::{Gateway, Way, address, nginx};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 3;
const CLIENTS: [usize; 3] = [1, 16, 64];
const STATEMENTS_FOR: Duration = Duration::from_secs(2);
const LARGE_BYTES: u64 = 1 << 30;
const AT_ONCE: usize = 16;
const AT_ONCE_MEGABYTES: usize = 10;
const MASKED_MEGABYTES: usize = 10;
const AT_ONCE_BYTES: u64 = 128_000_000;
/// How this program starts itself as the warehouse.
const AS_UPSTREAM: &str = "as-upstream";
const TABLE_PATH: &str = "/bigquery/v2/projects/acme-prod/datasets/bench/tables/events";
const MEGABYTE: f64 = 1e6;

/// Somewhere to ask: straight, or with a process between.
struct Place<'a> {
    name: &'static str,
    target: &'a Target,
    between: Option<&'a Process>,
}

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if words.iter().any(|word| word == AS_UPSTREAM) {
        return upstream::serve();
    }
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-door");
    std::fs::create_dir_all(&root)?;
    let mut report = Report::new();
    let mut warehouse = Process::start(&std::env::current_exe()?, &[AS_UPSTREAM])?;
    let (url, storage) = (warehouse.line()?, warehouse.line()?.parse()?);
    let direct = Target { address: address(&url)?, token: None };
    let proxy = nginx(&root.join("nginx"), direct.address)?;
    let sync = sync_ms(&root)?;
    let processors = std::thread::available_parallelism()?;
    report.row(
        "machine",
        &format!(
            "{processors} processors for clients, warehouse and whatever is between; one sync of 4 KiB where the ledgers lie: {sync:.3} ms"
        ),
        json!({ "processors": processors, "sync_ms": sync }),
    )?;
    if proxy.is_none() {
        report.say("SKIPPED: nginx is not there, so nothing is compared with it. scripts/nginx.sh fetches it.")?;
    }
    let mut places = vec![Place { name: "direct", target: &direct, between: None }];
    places.extend(proxy.as_ref().map(|(process, target)| Place { name: "nginx", target, between: Some(process) }));
    if wanted("statements") {
        cached_statements(&mut report, &root, &url, &places)?;
    }
    if wanted("steps") {
        steps(&mut report, &root, &url, &direct)?;
    }
    if wanted("results") {
        large_results(&mut report, &root, &url, &places)?;
    }
    if wanted("masked") {
        masked_results(&mut report, &root, &url, storage)?;
    }
    if wanted("detectors") {
        detectors::detectors(&mut report, &root, &url, storage)?;
    }
    if wanted("sandbox") {
        sandbox(&mut report, &root)?;
    }
    if let Some((process, _)) = proxy {
        process.stop()?;
    }
    report.write(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench/door.json"))
}

/// The same statement again and again; each request is durable on record before its answer leaves.
fn cached_statements(report: &mut Report, root: &Path, url: &str, places: &[Place<'_>]) -> Outcome<()> {
    report.load("a cached statement, 20 rows, from a warehouse that only answers")?;
    let ways = [
        ("gateway, no dry run", Way::default()),
        ("gateway, with a dry run", Way { both_judges: true, ..Way::default() }),
        ("gateway, schema age 0", Way { age_seconds_max: Some(0), ..Way::default() }),
    ];
    let mut gateways = Vec::new();
    for (number, (name, way)) in ways.into_iter().enumerate() {
        gateways.push((name, Gateway::start(&root.join(format!("gateway-{number}")), url, way)?));
    }
    let mut all: Vec<Place<'_>> = Vec::new();
    all.extend(places.iter().map(|place| Place { ..*place }));
    all.extend(gateways.iter().map(|(name, gateway)| Place { name, target: &gateway.target, between: Some(&gateway.process) }));
    let before = gateways.iter().map(|(_, gateway)| gateway.records()).collect::<Outcome<Vec<_>>>()?;
    let asked = measured(report, "statements", &all, &CLIENTS, ROUNDS)?;
    // Checkpoints are a second late: meanwhile somebody else works.
    if let Some(first) = places.first() {
        statements(first.target, 1, Step::Query, STATEMENTS_FOR)?;
    }
    for ((name, gateway), before) in gateways.iter().zip(before) {
        let count = asked.iter().filter(|(asked, _)| asked == name).map(|(_, count)| count).sum::<usize>();
        let records = (gateway.records()? - before) as f64 / count as f64;
        let figures = json!({ "way": name, "requests": count, "records_per_request": records });
        report.row("records", &format!("{name:<24}{records:.2} records for each request"), figures)?;
    }
    gateways.into_iter().try_for_each(|(_, gateway)| gateway.stop())
}

/// Answers how many requests each place was asked, those for warming included.
fn measured(
    report: &mut Report,
    table: &str,
    places: &[Place<'_>],
    clients: &[usize],
    rounds: usize,
) -> Outcome<Vec<(&'static str, usize)>> {
    let mut asked = Vec::new();
    for clients in clients {
        let mut runs: Vec<Vec<(Statements, f64)>> = places.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (place, runs) in places.iter().zip(&mut runs) {
                let before = place.between.map_or(0.0, Process::processor_seconds);
                let run = statements(place.target, *clients, Step::Query, STATEMENTS_FOR)?;
                let worked = place.between.map_or(0.0, Process::processor_seconds) - before;
                asked.push((place.name, run.asked));
                runs.push((run.clone(), worked * 1e3 / run.asked as f64));
            }
        }
        let of = |runs: &[(Statements, f64)], figure: fn(&Statements) -> f64| median(runs.iter().map(|(run, _)| figure(run)));
        let base = runs.first().map_or(0.0, |runs| of(runs, |run| run.p50_ms));
        for (place, runs) in places.iter().zip(&runs) {
            let (p50, p99, rate) = (of(runs, |run| run.p50_ms), of(runs, |run| run.p99_ms), of(runs, |run| run.per_second));
            let worked = median(runs.iter().map(|(_, worked)| *worked));
            let line = format!(
                "{:<24}{clients:3} clients{p50:9.3} ms p50{p99:9.3} ms p99{rate:9.0} requests a second{:9.3} ms added at p50{worked:8.3} ms of processor time each",
                place.name,
                p50 - base
            );
            let figures = json!({ "way": place.name, "clients": clients, "p50_ms": p50, "p99_ms": p99, "requests_per_second": rate,
                "added_p50_ms": p50 - base, "processor_ms_per_request": worked });
            report.row(table, &line, figures)?;
        }
    }
    Ok(asked)
}

/// Requests that go part of the way: what each has more than the one before is what its part costs.
fn steps(report: &mut Report, root: &Path, url: &str, direct: &Target) -> Outcome<()> {
    report.load("how far a request goes, one client")?;
    let gateway = Gateway::start(&root.join("gateway-steps"), url, Way::default())?;
    let steps = [
        ("one call of the warehouse, direct", direct, Step::Get(TABLE_PATH)),
        ("the server alone: /healthz", &gateway.target, Step::Get("/healthz")),
        ("identify, decide, record, one call, record: tables.get", &gateway.target, Step::Get(TABLE_PATH)),
        ("understand as well: a dry run", &gateway.target, Step::DryRun),
        ("all of it: jobs.query", &gateway.target, Step::Query),
    ];
    for (name, target, step) in steps {
        let runs = (0..ROUNDS).map(|_| statements(target, 1, step, STATEMENTS_FOR / 2)).collect::<Outcome<Vec<_>>>()?;
        let (p50, p99) = (median(runs.iter().map(|run| run.p50_ms)), median(runs.iter().map(|run| run.p99_ms)));
        let line = format!("{name:<58}{p50:9.3} ms p50{p99:9.3} ms p99");
        report.row("steps", &line, json!({ "step": name, "p50_ms": p50, "p99_ms": p99 }))?;
    }
    gateway.stop()
}

fn large_results(report: &mut Report, root: &Path, url: &str, places: &[Place<'_>]) -> Outcome<()> {
    report.load("a result of 1 GiB, page by page, from a warehouse whose pages lie ready")?;
    let gateway = Gateway::start(&root.join("gateway-large"), url, Way::default())?;
    let between = Some(&gateway.process);
    let mut all: Vec<Place<'_>> = places.iter().map(|place| Place { ..*place }).collect();
    all.push(Place { name: "gateway", target: &gateway.target, between });
    let resident = gateway.process.resident_bytes() as f64 / MEGABYTE;
    report.row("idle", &format!("the gateway holds {resident:.0} MB before"), json!({ "resident_mb": resident }))?;
    for megabytes in PAGE_MEGABYTES {
        let mut runs: Vec<Vec<Large>> = all.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (place, runs) in all.iter().zip(&mut runs) {
                place.between.into_iter().for_each(Process::forget_peak);
                runs.push(large(place.target, place.between, Pages::of(megabytes), LARGE_BYTES)?);
            }
        }
        say_large(report, &format!("1 client, pages of {megabytes} MB"), &all, &runs)?;
    }
    let mut runs: Vec<Vec<Large>> = all.iter().map(|_| Vec::new()).collect();
    for (place, runs) in all.iter().zip(&mut runs) {
        place.between.into_iter().for_each(Process::forget_peak);
        runs.push(large_at_once(place.target, place.between, AT_ONCE, AT_ONCE_MEGABYTES, AT_ONCE_BYTES)?);
    }
    say_large(report, &format!("{AT_ONCE} clients, pages of {AT_ONCE_MEGABYTES} MB"), &all, &runs)?;
    gateway.stop()
}

fn say_large(report: &mut Report, what: &str, places: &[Place<'_>], runs: &[Vec<Large>]) -> Outcome<()> {
    let rate = |runs: &[Large]| median(runs.iter().map(|run| run.bytes as f64 / run.seconds / MEGABYTE));
    let nginx = places.iter().zip(runs).find(|(place, _)| place.name == "nginx").map(|(_, runs)| rate(runs));
    for (place, runs) in places.iter().zip(runs) {
        let peaks = |figure: fn(&Large) -> u64| median(runs.iter().map(|run| figure(run) as f64 / MEGABYTE));
        let (quarter, end, rate) = (peaks(|run| run.peak_bytes_at_quarter), peaks(|run| run.peak_bytes), rate(runs));
        let share = nginx.map(|nginx| 100.0 * rate / nginx);
        let of_nginx = share.map_or_else(String::new, |share| format!("{share:6.0} % of nginx"));
        let worked = median(runs.iter().map(|run| run.processor_seconds * 1e9 / run.bytes as f64));
        let line = format!(
            "{what:<28}{:<10}{rate:6.0} MB/s{of_nginx}, {worked:5.2} s of processor time for 1 GB, peak memory {quarter:4.0} MB at a quarter, {end:4.0} MB at the end",
            place.name
        );
        let figures = json!({ "what": what, "way": place.name, "mb_per_second": rate, "percent_of_nginx": share,
            "processor_s_per_gb": worked, "peak_mb_at_quarter": quarter, "peak_mb_at_end": end });
        report.row("large_results", &line, figures)?;
    }
    Ok(())
}

/// The same rows, as JSON and as Arrow: direct, through a gateway to which one of their columns is nothing special, and through one that masks it.
fn masked_results(report: &mut Report, root: &Path, url: &str, storage: SocketAddr) -> Outcome<()> {
    report.load("a result of 1 GiB with one text column of seven masked by `email`")?;
    let way = Way { storage: Some(storage), ..Way::default() };
    let clear = Gateway::start(&root.join("gateway-clear"), url, Way { is_clear: true, ..way })?;
    let masking = Gateway::start(&root.join("gateway-masking"), url, way)?;
    let direct = [Target { address: address(url)?, token: None }, Target { address: storage, token: None }];
    for (form, direct) in ["JSON, pages of 10 MB", "Arrow, messages of 1 MB"].into_iter().zip(&direct) {
        let places = [
            Place { name: "direct", target: direct, between: None },
            Place { name: "through", target: &clear.target, between: Some(&clear.process) },
            Place { name: "masked", target: &masking.target, between: Some(&masking.process) },
        ];
        let mut runs: Vec<Vec<Large>> = places.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (place, runs) in places.iter().zip(&mut runs) {
                place.between.into_iter().for_each(Process::forget_peak);
                runs.push(match form.starts_with("JSON") {
                    true => large(place.target, place.between, Pages { megabytes: MASKED_MEGABYTES, has_mail: true }, LARGE_BYTES)?,
                    false => streams::large(place.target, place.between)?,
                });
            }
        }
        say_masked(report, form, &places, &runs)?;
    }
    clear.stop()?;
    masking.stop()
}

fn say_masked(report: &mut Report, form: &str, places: &[Place<'_>], runs: &[Vec<Large>]) -> Outcome<()> {
    let seconds = |runs: &[Large]| median(runs.iter().map(|run| run.seconds));
    let worked = |runs: &[Large]| median(runs.iter().map(|run| run.processor_seconds));
    let through = places.iter().zip(runs).find(|(place, _)| place.name == "through").map(|(_, runs)| (seconds(runs), worked(runs)));
    let (through, unmasked) = through.unwrap_or_default();
    for (place, runs) in places.iter().zip(runs) {
        // What a mask leaves is shorter: rows are compared by the time that they take.
        let (taken, peak) = (seconds(runs), median(runs.iter().map(|run| run.peak_bytes as f64 / MEGABYTE)));
        let (mb, worked) = (median(runs.iter().map(|run| run.bytes as f64 / MEGABYTE)), worked(runs));
        // On a busy machine time wavers; how long the gateway works for the same rows hardly does.
        let (share, worked_share) = (100.0 * taken / through, if unmasked > 0.0 { 100.0 * worked / unmasked } else { 0.0 });
        let of_one = worked * 1e3 * MEGABYTE / LARGE_BYTES as f64;
        let line = format!(
            "{form:<26}{:<10}{taken:7.2} s for {mb:5.0} MB that arrive, {share:4.0} % of the time unmasked, {worked:6.2} s of processor time ({of_one:5.2} ms for each MB of the result, {worked_share:4.0} % of unmasked), peak memory {peak:4.0} MB",
            place.name
        );
        let figures = json!({ "form": form, "way": place.name, "seconds": taken, "mb": mb, "percent_of_unmasked": share,
            "processor_s": worked, "processor_ms_per_mb": of_one, "processor_percent_of_unmasked": worked_share, "peak_mb": peak });
        report.row("masked", &line, figures)?;
    }
    Ok(())
}

/// The embedded warehouse analyses each statement and makes its rows: most of what is seen here is its own work.
fn sandbox(report: &mut Report, root: &Path) -> Outcome<()> {
    report.load(&format!("the same statement from the embedded warehouse, project {PROJECT}"))?;
    let mut sandbox = Process::start(Path::new(env!("CARGO_BIN_EXE_sluice")), &["sandbox", "--port", "0"])?;
    let url = sandbox.line()?;
    let gateway = Gateway::start(&root.join("gateway-sandbox"), &url, Way { both_judges: true, ..Way::default() })?;
    let direct = Target { address: address(&url)?, token: None };
    let places = [
        Place { name: "direct", target: &direct, between: None },
        Place { name: "gateway, with a dry run", target: &gateway.target, between: Some(&gateway.process) },
    ];
    measured(report, "sandbox", &places, &CLIENTS, 1)?;
    gateway.stop()?;
    sandbox.stop()
}
