//! Clients that are slow on purpose: cut off within the documented limits, while everybody else is served.

use crate::frames::{self, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, frame};
use crate::numbers::page;
use crate::program::pause;
use crate::talk::{self, Link};
use crate::world::{API, World};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest of the gateway's limits for what a client does, and time for a busy machine.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(60 + 25);
const DRIP: Duration = Duration::from_millis(1_500);
const CONNECTIONS: usize = 80;

/// One byte after the other, until the gateway closes or answers. Gives how long it took.
fn drip(mut link: Link, bytes: &[u8]) -> Result<Duration, String> {
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        if !link.send(&[*byte]) || link.receive_some(DRIP).is_some() {
            return Ok(started.elapsed());
        }
        if started.elapsed() > CUT_OFF_WITHIN {
            return Err("it is still open".to_owned());
        }
    }
    Err("nothing to send".to_owned())
}

/// Says nothing more, reads nothing more; the connection must be gone in time.
fn wait_for_end(mut link: Link) -> Result<Duration, String> {
    let started = Instant::now();
    while let Some(left) = CUT_OFF_WITHIN.checked_sub(started.elapsed()) {
        match link.receive_some(left) {
            Some(part) if part.is_empty() => return Ok(started.elapsed()),
            Some(_) => {}
            None => break,
        }
    }
    Err("it is still open".to_owned())
}

/// Reads nothing; then takes what is left in the buffers on the way, and finds the end before the end of the answer.
fn never_read(world: &World) -> Result<Duration, String> {
    let rows = "SELECT a.device, REPEAT('x', 2000) AS filler FROM clinic.logins AS a, clinic.logins AS b";
    let body = json!({ "query": rows, "useLegacySql": false, "maxResults": 0, "timeoutMs": 10_000 });
    let mut state = world.call("report-job", "POST", &format!("{API}/queries"), Some(&body)).json();
    let id = state["jobReference"]["jobId"].as_str().ok_or("no job")?.to_owned();
    // On a busy machine it takes its time, and an answer about a job that is not done is short.
    while state["jobComplete"] != true {
        state = world.call("report-job", "GET", &format!("{API}/queries/{id}?location=US&maxResults=0&timeoutMs=10000"), None).json();
    }
    let mut link = world.link();
    let bearer = format!("Bearer {}", world.token("report-job"));
    let headers = [("Authorization", bearer.as_str())];
    link.send(&talk::request("GET", &format!("{API}/queries/{id}?location=US"), &headers, None));
    pause(CUT_OFF_WITHIN);
    let back = link.receive_whole(Duration::from_secs(5));
    let head =
        back.windows(4).position(|window| window == b"\r\n\r\n").map(|end| String::from_utf8_lossy(&back[..end]).to_ascii_lowercase());
    let head = head.ok_or("no answer came")?;
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
    let is_whole = length.map_or_else(|| back.ends_with(b"0\r\n\r\n"), |length| back.len() >= length + head.len());
    if is_whole { Err(format!("all of {} bytes came: {head}", back.len())) } else { Ok(CUT_OFF_WITHIN) }
}

type Client = (&'static str, fn(&World) -> Result<Duration, String>);

const CLIENTS: [Client; 12] = [
    ("no byte", |world| wait_for_end(world.link())),
    ("a head byte by byte", |world| drip(world.link(), b"GET / HTTP/1.1\r\nHost: gw\r\nX-A: bbbbbbbbbbbbbbbbb")),
    ("a handshake that does not begin", |world| wait_for_end(Link::plain(world.encrypted))),
    ("a handshake byte by byte", |world| drip(Link::plain(world.encrypted), &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])),
    ("a handshake and no byte", |world| {
        let mut link = world.encrypted_link(b"http/1.1");
        link.send(b"");
        wait_for_end(link)
    }),
    ("a preface byte by byte", |world| drip(world.link(), &frames::PREFACE[..20])),
    ("half of a preface", |world| wait_for_end(begun(world, &frames::PREFACE[..9]))),
    ("a body byte by byte", |world| drip(begun(world, &post(world)), b" ")),
    ("a body that does not come", |world| wait_for_end(begun(world, &post(world)))),
    ("HTTP/2 that answers no ping", |world| wait_for_end(begun(world, &[frames::PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()))),
    ("an answer that nobody reads", never_read),
    ("HTTP/2 without a window", stall),
];

/// A connection on which so much was said.
fn begun(world: &World, bytes: &[u8]) -> Link {
    let mut link = world.link();
    assert!(link.send(bytes));
    link
}

/// The head of a request whose body is long.
fn post(world: &World) -> Vec<u8> {
    let bearer = format!("Bearer {}", world.token("stranger"));
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Content-Length", "9999")];
    let whole = talk::request("PUT", &format!("{API}/queries"), &headers, None);
    String::from_utf8(whole).unwrap().replace("PUT", "POST").replace("Content-Length: 0\r\n", "").into_bytes()
}

#[test]
fn slow_clients_are_cut_off_and_others_are_served() {
    let world = World::start("slow");
    let is_over = AtomicBool::new(false);
    let mut wrong: Vec<String> = Vec::new();
    std::thread::scope(|scope| {
        let (world, is_over) = (&world, &is_over);
        // Of the cheap ones there are many.
        let many = CLIENTS.iter().take(2).cycle().take(CONNECTIONS);
        let running: Vec<_> = CLIENTS.iter().chain(many).map(|(name, act)| (*name, scope.spawn(move || act(world)))).collect();
        let honest = scope.spawn(move || {
            let mut slowest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let started = Instant::now();
                assert_eq!(world.call("stranger", "GET", &format!("{API}/datasets"), None).status, 403);
                slowest = slowest.max(started.elapsed());
                pause(Duration::from_millis(500));
            }
            slowest
        });
        for (name, running) in running {
            wrong.extend(running.join().unwrap().err().map(|fault| format!("{name}: {fault}")));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(honest.join().unwrap() < Duration::from_secs(10));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (numbers, text) = page(world.plain);
    // Those that say nothing, and those whose head drips; what else is slow may be refused before it is cut off.
    let many = u32::try_from(2 + CONNECTIONS).unwrap();
    assert!(numbers.number("sluice_connections_cut_off_total{door=\"plain\"}") >= f64::from(many), "{text}");
    assert_eq!(numbers.number("sluice_tls_handshakes_failed_total"), 2.0, "{text}");
}

/// Answers every ping, and never takes a byte of the answer.
fn stall(world: &World) -> Result<Duration, String> {
    let started = Instant::now();
    let mut link = world.link();
    let no_window = [&[0, 4][..], &0_u32.to_be_bytes()].concat();
    link.send(&[frames::PREFACE, &frame(SETTINGS, 0, 0, &no_window)].concat());
    let block = frames::get(&format!("{API}/datasets/clinic/tables/logins/data"), &format!("Bearer {}", world.token("analyst")));
    link.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
    while started.elapsed() < CUT_OFF_WITHIN {
        let Some(part) = link.receive_some(Duration::from_secs(1)) else { continue };
        if part.is_empty() {
            return Ok(started.elapsed());
        }
        for ping in frames::read(&part).iter().filter(|frame| frame.kind == PING) {
            link.send(&frame(PING, 1, 0, &ping.payload));
        }
    }
    Err("it is still open".to_owned())
}
