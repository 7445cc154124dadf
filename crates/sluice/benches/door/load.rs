//! Clients at work: statements over and over, and large results page by page.

use super::Outcome;
use super::client::{Link, Target};
use super::process::Process;
use super::upstream::{MAIL_STATEMENT, PROJECT, STATEMENT, job_of_pages};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WARMING_REQUESTS: usize = 5;
/// What stands before the rows of a page.
const START_BYTES: usize = 4 << 10;
const JSON: &str = "application/json";

/// One run of statements.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub per_second: f64,
    /// Those for warming included.
    pub asked: usize,
}

/// One large result.
#[derive(Clone, Debug, Default)]
pub struct Large {
    pub bytes: u64,
    pub seconds: f64,
    /// Of whoever stands between, when a quarter had been read, and at the end.
    pub peak_bytes_at_quarter: u64,
    pub peak_bytes: u64,
    /// Of whoever stands between.
    pub processor_seconds: f64,
}

/// What the pages of a large result are like.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    pub megabytes: usize,
    /// One more column, which has a label.
    pub has_mail: bool,
}

impl Pages {
    pub fn of(megabytes: usize) -> Pages {
        Pages { megabytes, has_mail: false }
    }
}

/// Every run and every client has its own.
fn number() -> usize {
    static NUMBERS: AtomicUsize = AtomicUsize::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// A request that does nothing by itself is asked for by its path.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    DryRun,
    Get(&'static str),
    Query,
}

/// One after the other, by so many clients at once.
pub fn statements(target: &Target, clients: usize, step: Step, duration: Duration) -> Outcome<Statements> {
    let started = Instant::now();
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| one_client(target, step, duration))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err("a client broke off".into()))).collect::<Outcome<Vec<_>>>()
    })?;
    let mut times: Vec<f64> = times.concat();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let per_second = times.len() as f64 / started.elapsed().as_secs_f64();
    Ok(Statements { p50_ms: at(0.5), p99_ms: at(0.99), per_second, asked: times.len() + clients * WARMING_REQUESTS })
}

fn one_client(target: &Target, step: Step, duration: Duration) -> Outcome<Vec<f64>> {
    let mut link = Link::open(target)?;
    for _ in 0..WARMING_REQUESTS {
        one_request(&mut link, step)?;
    }
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < duration {
        let begun = Instant::now();
        one_request(&mut link, step)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

fn one_request(link: &mut Link, step: Step) -> Outcome<()> {
    let (verb, path, body) = match step {
        Step::Get(path) => ("GET", path.to_owned(), String::new()),
        Step::DryRun | Step::Query => {
            let id = format!("bench-{}", number());
            let is_dry = matches!(step, Step::DryRun);
            // As Google's libraries send it: an id of its own for each.
            let body = json!({ "query": STATEMENT, "useLegacySql": false, "dryRun": is_dry, "requestId": id, "timeoutMs": 10_000 });
            ("POST", format!("/bigquery/v2/projects/{PROJECT}/queries"), body.to_string())
        }
    };
    let answer = link.ask(verb, &path, JSON, &body, usize::MAX)?;
    let whole = match step {
        Step::Query => answer.text().contains("\"rows\":["),
        Step::DryRun | Step::Get(_) => true,
    };
    if answer.status == 200 && whole { Ok(()) } else { Err(format!("{path}: {} {}", answer.status, answer.text()).into()) }
}

/// Begins a job and reads its result to the end, page by page.
pub fn large(target: &Target, between: Option<&Process>, of: Pages, bytes_min: u64) -> Outcome<Large> {
    let Pages { megabytes, has_mail } = of;
    let pages = usize::try_from(bytes_min.div_ceil(megabytes as u64 * 1_000_000))?;
    let job = job_of_pages(of, pages, number());
    let statement = if has_mail { MAIL_STATEMENT } else { STATEMENT };
    let mut link = Link::open(target)?;
    let body = json!({
        "jobReference": { "projectId": PROJECT, "jobId": job },
        "configuration": { "query": { "query": statement, "useLegacySql": false } },
    });
    let begun = link.ask("POST", &format!("/bigquery/v2/projects/{PROJECT}/jobs"), JSON, &body.to_string(), usize::MAX)?;
    if begun.status != 200 {
        return Err(format!("{job}: {} {}", begun.status, begun.text()).into());
    }
    let path = format!("/bigquery/v2/projects/{PROJECT}/queries/{job}?maxResults=1000000");
    let worked = between.map_or(0.0, Process::processor_seconds);
    let (mut found, mut next, started) = (Large::default(), String::new(), Instant::now());
    for page in 0.. {
        let answer = link.ask("GET", &format!("{path}{next}"), JSON, "", START_BYTES)?;
        let token = answer.member("pageToken");
        // A page of BigQuery's has these rows and something around them: whoever leaves out rows is found. Masked rows have pages of the gateway's, and each
        // has less of them; the sum is looked at behind the last one.
        let bytes_min = if has_mail { 0 } else { megabytes as u64 * 1_000_000 };
        let is_last = if has_mail { token.is_none() } else { page + 1 == pages };
        let has_all = !is_last || !has_mail || found.bytes + answer.bytes >= (pages * megabytes) as u64 * 800_000;
        if answer.status != 200 || answer.bytes < bytes_min || token.is_none() != is_last || !has_all {
            return Err(format!("{job}, page {page}: {} with {} bytes: {:.300}", answer.status, answer.bytes, answer.text()).into());
        }
        next = token.map_or_else(String::new, |token| format!("&pageToken={token}"));
        found.bytes += answer.bytes;
        if page + 1 == pages.div_ceil(4) {
            found.peak_bytes_at_quarter = between.map_or(0, Process::peak_bytes);
        }
        if is_last {
            break;
        }
    }
    found.seconds = started.elapsed().as_secs_f64();
    found.peak_bytes = between.map_or(0, Process::peak_bytes);
    found.processor_seconds = between.map_or(0.0, Process::processor_seconds) - worked;
    Ok(found)
}

/// So many clients, each with a result of its own.
pub fn large_at_once(target: &Target, between: Option<&Process>, clients: usize, megabytes: usize, bytes_min: u64) -> Outcome<Large> {
    let (started, worked) = (Instant::now(), between.map_or(0.0, Process::processor_seconds));
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| large(target, between, Pages::of(megabytes), bytes_min))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err("a client broke off".into()))).collect::<Outcome<Vec<_>>>()
    })?;
    Ok(Large {
        bytes: all.iter().map(|one| one.bytes).sum(),
        seconds: started.elapsed().as_secs_f64(),
        peak_bytes_at_quarter: all.iter().map(|one| one.peak_bytes_at_quarter).max().unwrap_or_default(),
        peak_bytes: between.map_or(0, Process::peak_bytes),
        processor_seconds: between.map_or(0.0, Process::processor_seconds) - worked,
    })
}
