//! The gateway is killed again and again while clients work. What the warehouse saw is on record all the same, and every request has one end.
//!
//! A hundred lives, or as many as SLUICE_KILL_CYCLES says. The warehouse is a process of its own and outlives all of them. A life ends a random
//! moment after a query was answered in it, so that a slow machine kills no fewer requests; one in five ends while the gateway starts.

use crate::evidence::Evidence;
use crate::invariants;
use crate::program::{Program, pause};
use crate::talk::{self, Link};
use crate::world::{API, World, address};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CYCLES: usize = 100;
const CYCLES_PER_LOOK: usize = 5;
/// Each of so many is killed while it starts.
const CYCLES_PER_BAD_START: usize = 5;
const WAREHOUSE_USER: &str = "gateway@acme-prod.iam.gserviceaccount.com";
const WAREHOUSE_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Who works, and whether it writes.
const CLIENTS: [(&str, bool); 4] = [("etl-nightly", true), ("analyst", false), ("etl-nightly", true), ("report-job", false)];
/// From the first answer of a life to its end, at most; and from a start to a bad end.
const LIFE_MS_MAX: u64 = 400;
const BAD_START_MS_MAX: u64 = 600;
const FIRST_ROW: usize = 5_000_000;
/// For a client whose gateway died under it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// For the first answer of a life.
const WORKING_WITHIN: Duration = Duration::from_secs(90);

struct Scene {
    folder: PathBuf,
    warehouse: SocketAddr,
    plain: SocketAddr,
    tokens: Vec<String>,
    rows: AtomicUsize,
    asked: AtomicUsize,
    answered: AtomicUsize,
    /// Of those: queries, each of which is a job in the warehouse.
    queries: AtomicUsize,
    is_over: AtomicBool,
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn cycles() -> usize {
    std::env::var("SLUICE_KILL_CYCLES").ok().map_or(CYCLES, |text| text.parse().unwrap())
}

/// What the demo makes, with the callers' tokens; then its warehouse is replaced by one of its own process.
fn scene() -> (Scene, Program) {
    let (folder, plain, tokens) = World::prepare("kill", &CLIENTS.map(|(caller, _)| caller));
    let warehouse = Program::start(&["sandbox", "--port", "0", "--admin", "--token", &format!("{WAREHOUSE_TOKEN}={WAREHOUSE_USER}")]);
    let url = warehouse.first_line();
    let file = folder.join("sluice.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let before = text.lines().find(|line| line.starts_with("endpoint = ")).unwrap().to_owned();
    std::fs::write(&file, text.replace(&before, &format!("endpoint = \"{url}\""))).unwrap();
    std::fs::write(folder.join("warehouse.token"), WAREHOUSE_TOKEN).unwrap();
    let [asked, answered, queries] = [0; 3].map(AtomicUsize::new);
    let (rows, is_over) = (AtomicUsize::new(FIRST_ROW), AtomicBool::new(false));
    (Scene { folder, warehouse: address(&url), plain, tokens, rows, asked, answered, queries, is_over }, warehouse)
}

fn start(folder: &Path) -> Program {
    Program::start(&["serve", "--config", folder.to_str().unwrap()])
}

/// One life of the gateway, and what it wrote to standard error.
fn live(scene: &Scene, cycle: usize) -> String {
    let before = scene.queries.load(Ordering::Relaxed);
    let gateway = start(&scene.folder);
    if cycle.is_multiple_of(CYCLES_PER_BAD_START) {
        pause(moment(BAD_START_MS_MAX));
        return gateway.kill();
    }
    gateway.first_line();
    let started = Instant::now();
    while scene.queries.load(Ordering::Relaxed) == before {
        assert!(started.elapsed() < WORKING_WITHIN, "nobody is answered: {}", gateway.errors());
        pause(Duration::from_millis(1));
    }
    pause(moment(LIFE_MS_MAX));
    gateway.kill()
}

/// Also when the test fails: nobody waits for clients that never end.
struct WhenOver<'a>(&'a AtomicBool);

impl Drop for WhenOver<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks one thing after the other, whoever answers.
fn work(scene: &Scene, client: usize) {
    let (_, writes) = CLIENTS[client];
    let mut asked = 0_usize;
    while !scene.is_over.load(Ordering::Relaxed) {
        asked += 1;
        let row = scene.rows.fetch_add(1, Ordering::Relaxed);
        let statement = match writes {
            true => format!("INSERT INTO staging.raw_visits (id) VALUES ({row})"),
            false => "SELECT id, device FROM (SELECT patient_id AS id, device FROM clinic.logins) ORDER BY id LIMIT 20".to_owned(),
        };
        let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 5_000 }).to_string();
        let bearer = format!("Bearer {}", scene.tokens[client]);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let (verb, path, body) = match (writes, asked % 5) {
            (false, 0) => ("GET", format!("{API}/datasets/clinic/tables/logins/data?maxResults=5"), None),
            (false, 1) => ("GET", format!("{API}/jobs?maxResults=20"), None),
            _ => ("POST", format!("{API}/queries"), Some(body.as_bytes())),
        };
        let Ok(stream) = std::net::TcpStream::connect(scene.plain) else {
            pause(Duration::from_millis(10));
            continue;
        };
        let mut link = Link::Plain(stream);
        link.send(&talk::request(verb, &path, &headers, body));
        scene.asked.fetch_add(1, Ordering::Relaxed);
        let back = link.receive_whole(ANSWERED_WITHIN);
        let served = talk::answers(&back).iter().filter(|answer| answer.status == 200).count();
        scene.answered.fetch_add(served, Ordering::Relaxed);
        scene.queries.fetch_add(if verb == "POST" { served } else { 0 }, Ordering::Relaxed);
        // One caller may ask fifty times in a second.
        pause(Duration::from_millis(30));
    }
}

/// Different in every run; the test fails for any moment or for none.
fn moment(milliseconds_max: u64) -> Duration {
    let nanoseconds = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    Duration::from_micros(nanoseconds % (milliseconds_max * 1_000))
}

/// The log of the warehouse is bounded: what came since is added, and what is judged must be whole.
fn add_log(scene: &Scene, log: &mut BTreeMap<u64, Value>) {
    let bearer = format!("Bearer {WAREHOUSE_TOKEN}");
    let bytes = talk::request("GET", "/sandbox/requests", &[("Authorization", &bearer)], None);
    let answer = crate::world::ask(scene.warehouse, &bytes).json();
    log.extend(answer["requests"].as_array().unwrap().iter().map(|entry| (entry["sequence"].as_u64().unwrap(), entry.clone())));
    assert!(log.keys().copied().eq(1..=log.len() as u64), "the log is cut off");
}

#[test]
fn whatever_happens_is_on_record_before_it_happens() {
    let (scene, warehouse) = scene();
    let (mut stderr, mut log) = (String::new(), BTreeMap::new());
    std::thread::scope(|scope| {
        let _over = WhenOver(&scene.is_over);
        for client in 0..CLIENTS.len() {
            let scene = &scene;
            scope.spawn(move || work(scene, client));
        }
        for cycle in 1..=cycles() {
            stderr.push_str(&live(&scene, cycle));
            if cycle.is_multiple_of(CYCLES_PER_LOOK) {
                add_log(&scene, &mut log);
            }
        }
    });
    // The last start ends what the kills left open.
    let gateway = start(&scene.folder);
    gateway.first_line();
    let (code, last) = gateway.stop(Duration::from_secs(90));
    assert_eq!(code, Some(0), "{last}");
    add_log(&scene, &mut log);
    let log: Vec<Value> = log.into_values().collect();
    drop(warehouse.kill());
    let evidence = Evidence::read(&scene.folder);
    let mut wrong = invariants::of_warehouse_log(&log, &evidence.records);
    wrong.extend(invariants::of_ends(&evidence.records));
    wrong.extend(evidence.verify());
    wrong.extend(invariants::of_leaks(&[], &format!("{stderr}{last}"), &scene.folder, &scene.tokens));
    wrong.extend(invariants::of_statements(&log));
    let [asked, answered, queries] = [&scene.asked, &scene.answered, &scene.queries].map(|count| count.load(Ordering::Relaxed));
    let (cycles, sent, records) = (cycles(), invariants::jobs_sent(&log), evidence.records.len());
    println!(
        "{cycles} kills, {asked} requests, {answered} answers, {sent} jobs, {} requests to the warehouse, {records} records",
        log.len()
    );
    let lives = cycles - cycles / CYCLES_PER_BAD_START;
    assert!(queries >= lives && sent >= queries, "{lives} lives, {queries} queries, {sent} jobs");
    assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
    drop(std::fs::remove_dir_all(&scene.folder));
}
