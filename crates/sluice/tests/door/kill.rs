//! The gateway is killed again and again while clients work. What the warehouse saw is on record all the same, and every request has one end.
//!
//! Five cycles by default, a hundred and more where SLUICE_KILL_CYCLES says so. The warehouse is a process of its own and lives through all of them.

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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CYCLES: usize = 5;
const CYCLES_PER_LOOK: usize = 10;
const WAREHOUSE_USER: &str = "gateway@acme-prod.iam.gserviceaccount.com";
const WAREHOUSE_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Who works, and whether it writes.
const CLIENTS: [(&str, bool); 4] = [("etl-nightly", true), ("analyst", false), ("etl-nightly", true), ("report-job", false)];
/// A gateway lives at least so long after it answers, and at most so much longer.
const LIFE_MS: u64 = 150;
const LIFE_SPREAD_MS: u64 = 700;
const FIRST_ROW: usize = 5_000_000;
/// For a client whose gateway died under it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

struct Scene {
    folder: PathBuf,
    warehouse: SocketAddr,
    plain: SocketAddr,
    tokens: Vec<String>,
    rows: AtomicUsize,
    answered: AtomicUsize,
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
    let (rows, answered, is_over) = (AtomicUsize::new(FIRST_ROW), AtomicUsize::new(0), AtomicBool::new(false));
    (Scene { folder, warehouse: address(&url), plain, tokens, rows, answered, is_over }, warehouse)
}

fn serve(folder: &Path) -> Program {
    let gateway = Program::start(&["serve", "--config", folder.to_str().unwrap()]);
    gateway.first_line();
    gateway
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
            (false, 1) => ("GET", format!("{API}/jobs"), None),
            _ => ("POST", format!("{API}/queries"), Some(body.as_bytes())),
        };
        let Ok(stream) = std::net::TcpStream::connect(scene.plain) else {
            pause(Duration::from_millis(10));
            continue;
        };
        let mut link = Link::Plain(stream);
        link.send(&talk::request(verb, &path, &headers, body));
        let back = link.receive_whole(ANSWERED_WITHIN);
        let served = talk::answers(&back).iter().filter(|answer| answer.status == 200).count();
        scene.answered.fetch_add(served, Ordering::Relaxed);
        // One caller may ask fifty times in a second.
        pause(Duration::from_millis(30));
    }
}

/// Different in every run; the test fails for any moment or for none.
fn life() -> Duration {
    let nanoseconds = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    Duration::from_millis(LIFE_MS + (nanoseconds / 1_000) % LIFE_SPREAD_MS)
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
        for client in 0..CLIENTS.len() {
            let scene = &scene;
            scope.spawn(move || work(scene, client));
        }
        for cycle in 1..=cycles() {
            let gateway = serve(&scene.folder);
            pause(life());
            stderr.push_str(&gateway.kill());
            if cycle.is_multiple_of(CYCLES_PER_LOOK) {
                add_log(&scene, &mut log);
            }
        }
        scene.is_over.store(true, Ordering::Relaxed);
    });
    // The last start ends what the kills left open.
    let (code, last) = serve(&scene.folder).stop(Duration::from_secs(90));
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
    let (cycles, answered, sent) = (cycles(), scene.answered.load(Ordering::Relaxed), invariants::jobs_sent(&log));
    println!("{cycles} kills, {answered} answers, {sent} jobs, {} records", evidence.records.len());
    assert!(answered >= cycles && sent >= cycles, "{cycles} kills, {answered} answers, {sent} jobs");
    assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
    drop(std::fs::remove_dir_all(&scene.folder));
}
