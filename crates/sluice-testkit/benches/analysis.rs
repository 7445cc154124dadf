//! How long an analysis takes and what it costs: `make bench`. What the figures mean stands in `docs/performance.md`.

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Type;
use sluice_sql::catalog::{Column, Snapshot};
use sluice_sql::engine::Engine;
use sluice_sql::{Cache, Request, analyze};
use sluice_testkit::ground;
use std::error::Error;
use std::hint::black_box;
use std::io::{Stdout, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;
const WARMING_ROUNDS: usize = 5;
/// A lookup is far shorter than the clock's noise.
const CACHED_ROUNDS: usize = 10_000;
const THROUGHPUT_SECONDS: u64 = 3;
const PROJECT: &str = "bench";
/// What the figures call it, the file under `honest/`, the statement's name there.
const STATEMENTS: [(&str, &str, &str); 3] = [
    ("simple", "shop.txt", "m06_stg_payments"),
    ("dbt-like", "shop.txt", "m08_int_order_totals"),
    ("q4-like", "tpcds.txt", "d04_growth_across_three_channels"),
];

/// How long each round took, in ascending order, and the mean of what all threads together worked: that does not grow when the machine is busy.
struct Figures {
    wall: Vec<f64>,
    processor: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let start = Instant::now();
    let artefact = Artefact::load(&Place::from_environment())?;
    one(&mut out, "artefact load", milliseconds(start))?;
    let start = Instant::now();
    let engine = GoogleSql::start(&artefact, Settings::default())?;
    one(&mut out, "engine start", milliseconds(start))?;
    for (name, milliseconds) in engine.measure().map_err(|fault| format!("{fault:?}"))? {
        one(&mut out, name, milliseconds)?;
    }
    let mut snapshot = ground::snapshot(&honest().join("catalog"));
    // A real catalog gives one to everything; without it nothing is kept.
    snapshot.tables.values_mut().for_each(|table| "1".clone_into(&mut table.etag));
    let mut requests = Vec::new();
    for (name, file, case) in STATEMENTS {
        let text = statement(file, case)?;
        let request = Request { text, project: PROJECT.to_owned(), ..Request::default() };
        one_statement(&mut out, &engine, name, &request, &snapshot)?;
        requests.push((name, request));
    }
    for (name, request) in &requests {
        let count = throughput(&engine, request, &snapshot);
        writeln!(out, "{:<28}{count:9.1} statements per second", format!("{name}, all cores"))?;
    }
    writeln!(out, "{:<28}{:9.1} MiB", "peak memory", peak_mebibytes()?)?;
    hostile(&mut out, &engine, &snapshot)
}

/// New table sets, the same one again, its parts, and the answer that was kept.
fn one_statement(out: &mut Stdout, engine: &GoogleSql, name: &str, request: &Request, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    let answered = analyze(engine, request, snapshot);
    if let Some(refused) = answered.refused {
        return Err(format!("{name}: {}", refused.reason).into());
    }
    let mut other = snapshot.clone();
    let mut round = 0;
    let cold = times(ROUNDS, || {
        round += 1;
        // Another column in every table: what the engine has registered before is of no use.
        for table in other.tables.values_mut() {
            table.columns.truncate(snapshot.tables.get(&table.name).map_or(0, |table| table.columns.len()));
            table.columns.push(Column { name: format!("more_{round}"), kind: Type::String, required: false, narrow: false });
        }
        let start = Instant::now();
        black_box(analyze(engine, request, &other));
        milliseconds(start)
    });
    line(out, &format!("{name}, new table set"), &cold)?;
    let warm = times(ROUNDS, || timed(|| drop(black_box(analyze(engine, request, snapshot)))));
    line(out, &format!("{name}, known table set"), &warm)?;
    let parsed = times(ROUNDS, || timed(|| drop(black_box(engine.parse(&request.text)))));
    line(out, &format!("{name}, of that one parse"), &parsed)?;
    let cache = Cache::default();
    let cached = times(CACHED_ROUNDS, || timed(|| drop(black_box(cache.analyze(engine, request, snapshot)))));
    line(out, &format!("{name}, cached"), &cached)
}

/// Analyses of one statement, by as many callers as there are processors.
fn throughput(engine: &GoogleSql, request: &Request, snapshot: &Snapshot) -> f64 {
    let callers = std::thread::available_parallelism().map_or(2, usize::from);
    let (count, start) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_secs(THROUGHPUT_SECONDS) {
                    black_box(analyze(engine, request, snapshot));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Statements that run into a limit: how long until they are refused, and what memory that takes.
fn hostile(out: &mut Stdout, engine: &GoogleSql, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    let doubling = |steps: usize| {
        let mut text = "WITH c0 AS (SELECT id a, method b, order_id c FROM raw.payments)".to_owned();
        for step in 1..steps {
            text.push_str(&format!(", c{step} AS (SELECT x.*, y.* FROM c{0} x, c{0} y)", step - 1));
        }
        format!("{text} SELECT * FROM c{}", steps - 1)
    };
    let chain = |count: usize| format!("SELECT 1{}", " + 1".repeat(count));
    for (name, text) in [
        ("chain of 1,000", chain(1_000)),
        ("chain of 200,000", chain(200_000)),
        ("250,000 numbers in IN", format!("SELECT id FROM raw.payments WHERE id IN ({}1)", "1,".repeat(250_000))),
        ("columns doubled 10 times", doubling(11)),
        ("columns doubled 21 times", doubling(22)),
    ] {
        let request = Request { text, project: PROJECT.to_owned(), ..Request::default() };
        forget_peak();
        let start = Instant::now();
        let analysis = analyze(engine, &request, snapshot);
        let (took, peak) = (milliseconds(start), peak_mebibytes()?);
        let reason = analysis.refused.map_or_else(|| "answered".to_owned(), |refused| refused.reason);
        writeln!(out, "{name:<28}{took:9.1} ms, peak memory {peak:.0} MiB: {reason:.60}")?;
    }
    Ok(())
}

fn times(rounds: usize, mut work: impl FnMut() -> f64) -> Figures {
    for _ in 0..WARMING_ROUNDS {
        work();
    }
    let before = processor_milliseconds();
    let mut wall: Vec<f64> = (0..rounds).map(|_| work()).collect();
    let processor = (processor_milliseconds() - before) / rounds as f64;
    wall.sort_by(f64::total_cmp);
    Figures { wall, processor }
}

fn one(out: &mut Stdout, name: &str, figure: f64) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(out, "{name:<28}{figure:9.3}{}", if name.contains("MiB") { "" } else { " ms" })?)
}

fn line(out: &mut Stdout, name: &str, figures: &Figures) -> Result<(), Box<dyn Error>> {
    let last = figures.wall.len().saturating_sub(1) as f64;
    let at = |share: f64| figures.wall.get((last * share) as usize).copied().unwrap_or_default();
    writeln!(out, "{name:<28}{:9.4} ms p50 {:9.4} ms p99 {:9.3} ms of processor time", at(0.5), at(0.99), figures.processor)?;
    Ok(out.flush()?)
}

/// The text of a statement between its name and what is expected of it.
fn statement(file: &str, case: &str) -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string(honest().join(file))?;
    let behind = text.split_once(&format!("=== {case}\n")).map(|(_, behind)| behind);
    let statement = behind.and_then(|behind| behind.split_once("\n---\n")).map(|(statement, _)| statement.to_owned());
    statement.ok_or_else(|| format!("{file} has no `{case}`").into())
}

fn honest() -> std::path::PathBuf {
    ground::root().join("crates/sluice-testkit/honest")
}

/// The most memory that this process has had, as the kernel counts it.
fn peak_mebibytes() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// What all threads have worked, those that ended included. The kernel tells it in hundredths of a second.
fn processor_milliseconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before may hold anything; user and system time are the twelfth and thirteenth field behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() * 10.0
}

/// Lets the kernel count the peak anew. Where that is forbidden the figure is the peak until now.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    milliseconds(start)
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
