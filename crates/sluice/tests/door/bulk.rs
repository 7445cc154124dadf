//! Results of many rows, through a gateway that is a process of its own: its memory stays flat, every row is on record, and what had left when it was
//! killed was on record before.
//!
//! 300,000 rows, or as many as `SLUICE_DOOR_BULK_ROWS` says: `make bulk` asks for ten million.

use crate::apart::{Apart, events};
use crate::evidence::Evidence;
use crate::program::{Program, pause};
use crate::storage_wire::{CompressionCodec, Form, api, bytes, session};
use crate::talk::{self, Link};
use crate::world::API;
use std::time::{Duration, Instant};

const ROWS: u64 = 300_000;
/// Of the generated table, whose first half one stream gives.
const STREAM_ROWS: u64 = 10_000_000;
const MEMORY_GROWTH_BYTES_MAX: u64 = 64 << 20;
const CALLER: &str = "report-job";
const CLEAR: [&str; 4] = ["id", "account", "amount", "note"];
const MASKED: [&str; 4] = ["id", "account", "email", "note"];
/// What a value of the masked column ends with, and what its mask leaves before that.
const SHOWN: &[u8] = b"@canary.example";
const HIDDEN: &[u8] = b"XXXXX@canary.example";
const MESSAGES_BEFORE_KILL: usize = 25;
const PAGES_BEFORE_KILL: usize = 3;
/// A request that a killed gateway left open gets its end from the next one.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// A way to read many rows.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rest,
    Streams(Form),
}

const WAYS: [Way; 4] = [
    Way::Rest,
    Way::Streams(Form::Arrow(CompressionCodec::CompressionUnspecified)),
    Way::Streams(Form::Arrow(CompressionCodec::Lz4Frame)),
    Way::Streams(Form::Avro),
];

#[derive(Default)]
struct Came {
    rows: u64,
    bytes: u64,
    shown: u64,
    hidden: u64,
}

impl Came {
    fn add(&mut self, rows: u64, bytes: &[u8], looks: bool) {
        self.rows += rows;
        self.bytes += bytes.len() as u64;
        if looks {
            self.shown += count(bytes, SHOWN);
            self.hidden += count(bytes, HIDDEN);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn wanted() -> u64 {
    std::env::var("SLUICE_DOOR_BULK_ROWS").map_or(ROWS, |text| text.parse().unwrap())
}

#[test]
fn memory_is_flat_and_every_row_is_on_record() {
    let apart = Apart::start("bulk", &[CALLER]);
    // Everything that is set up once is set up.
    for way in WAYS {
        read(&apart, way, &MASKED, 20_000, "door/first");
    }
    pause(Duration::from_secs(1));
    let idle = apart.running().resident_bytes();
    let (wanted, mut asked) = (wanted(), Vec::new());
    for (number, way) in WAYS.into_iter().enumerate() {
        for (columns, is_masked) in [(CLEAR, false), (MASKED, true)] {
            let mark = format!("door/bulk-{number}-{is_masked}");
            apart.running().forget_peak();
            let started = Instant::now();
            let came = read(&apart, way, &columns, wanted, &mark);
            let (seconds, peak) = (started.elapsed().as_secs_f64(), apart.running().peak_bytes());
            let grown = peak.saturating_sub(idle);
            println!(
                "{way:?}, masked {is_masked}: {} rows, {} MB in {seconds:.1} s; {} MB at most, {} MB more than the {} MB before",
                came.rows,
                came.bytes / 1_000_000,
                peak >> 20,
                grown >> 20,
                idle >> 20
            );
            assert!(grown <= MEMORY_GROWTH_BYTES_MAX, "{way:?}: {grown} bytes more");
            // A packed message shows nothing to whoever looks at its bytes.
            let is_seen = is_masked && !matches!(way, Way::Streams(Form::Arrow(CompressionCodec::Lz4Frame)));
            assert_eq!((came.shown, came.hidden), if is_seen { (came.rows, came.rows) } else { (0, 0) }, "{way:?}");
            asked.push((way, mark, came.rows, is_masked));
        }
    }
    let evidence = apart.finish();
    for (way, mark, rows, is_masked) in asked {
        let (pieces, ends, masked) = on_record(&evidence, &mark);
        assert_eq!((pieces, ends, masked), (rows, rows, if is_masked { rows } else { 0 }), "{way:?} {mark}");
        assert!(rows >= wanted && evidence.ends(&mark).iter().all(|end| end == "completed" || end == "abandoned"), "{way:?}: {rows}");
    }
}

/// At least so many rows.
fn read(apart: &Apart, way: Way, columns: &[&str], wanted: u64, mark: &str) -> Came {
    let mut came = Came::default();
    let looks = columns.contains(&"email");
    match way {
        Way::Rest => pages(apart, columns, mark, |rows, page| {
            came.add(rows, page, looks);
            came.rows < wanted
        }),
        Way::Streams(form) => messages(apart, form, columns, wanted, mark, |message| {
            came.add(
                u64::try_from(message.row_count).unwrap(),
                bytes(message),
                looks && !matches!(form, Form::Arrow(CompressionCodec::Lz4Frame)),
            );
        }),
    }
    came
}

fn pages(apart: &Apart, columns: &[&str], mark: &str, mut take: impl FnMut(u64, &[u8]) -> bool) {
    let path = format!("{API}/datasets/bench/tables/events/data?maxResults=100000&selectedFields={}", columns.join(","));
    let mut next = String::new();
    loop {
        let Some(page) = page(apart, &format!("{path}{next}"), mark) else { return };
        let rows = count(&page, b"{\"f\":[");
        assert!(rows > 0, "a page without rows");
        let head = String::from_utf8_lossy(&page[..page.len().min(4_096)]).into_owned();
        let tail = String::from_utf8_lossy(&page[page.len().saturating_sub(4_096)..]).into_owned();
        let token = [head, tail].iter().find_map(|text| Some(text.split_once("\"pageToken\":\"")?.1.split_once('"')?.0.to_owned()));
        if !take(rows, &page) {
            return;
        }
        next = format!("&pageToken={}", token.unwrap());
    }
}

/// Nothing where the gateway is gone.
fn page(apart: &Apart, path: &str, mark: &str) -> Option<Vec<u8>> {
    let bearer = format!("Bearer {}", apart.token(CALLER));
    let bytes = talk::request("GET", path, &[("Authorization", &bearer), ("User-Agent", mark)], None);
    let mut link = Link::Plain(std::net::TcpStream::connect(apart.plain).ok()?);
    link.send(&bytes);
    let answer = talk::answers(&link.receive_whole(talk::PATIENCE)).into_iter().next()?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Some(answer.body)
}

/// Of as many streams as have so many rows.
fn messages(apart: &Apart, form: Form, columns: &[&str], wanted: u64, mark: &str, mut take: impl FnMut(&api::ReadRowsResponse)) {
    let storage = apart.storage(CALLER, mark);
    let mut request = session("bench", "events", form);
    let asked = events(columns).read_session.unwrap().read_options.unwrap().selected_fields;
    crate::storage_wire::options(&mut request).selected_fields = asked;
    // The table has twice as many rows as one stream of two.
    request.max_stream_count = i32::try_from((2 * STREAM_ROWS / wanted).clamp(2, 1_000)).unwrap();
    let opened = storage.create(request).unwrap();
    let mut rows = 0;
    for stream in &opened.streams {
        let mut coming = storage.begin(&stream.name, 0).unwrap();
        loop {
            // Whoever wants more than came fails by the count.
            let Ok(next) = storage.next(&mut coming) else { return };
            let Some(message) = next else { break };
            rows += u64::try_from(message.row_count).unwrap();
            take(&message);
        }
        if rows >= wanted {
            return;
        }
    }
}

/// Killed with rows on their way: whatever the client has was on record before.
#[test]
fn rows_that_had_left_before_a_kill_are_on_record() {
    let mut apart = Apart::start("bulk-killed", &[CALLER]);
    let forms = WAYS.into_iter().filter_map(|way| match way {
        Way::Streams(form) => Some(form),
        Way::Rest => None,
    });
    let mut asked = Vec::new();
    for (number, form) in forms.enumerate() {
        let (mark, mut left, mut seen) = (format!("door/killed-{number}"), 0, 0);
        let mut gateway: Option<Program> = apart.gateway.take();
        messages(&apart, form, &MASKED, STREAM_ROWS, &mark, |message| {
            left += u64::try_from(message.row_count).unwrap();
            seen += 1;
            if seen == MESSAGES_BEFORE_KILL {
                drop(gateway.take().unwrap().kill());
            }
            // What the sockets still hold had left, too.
        });
        assert!(gateway.is_none() && seen >= MESSAGES_BEFORE_KILL, "{seen} messages");
        asked.push((mark, left));
        apart.serve();
    }
    let (mark, mut left, mut seen) = ("door/killed-rest".to_owned(), 0, 0);
    let mut gateway: Option<Program> = apart.gateway.take();
    pages(&apart, &MASKED, &mark, |rows, _| {
        left += rows;
        seen += 1;
        if seen == PAGES_BEFORE_KILL {
            drop(gateway.take().unwrap().kill());
        }
        seen < PAGES_BEFORE_KILL
    });
    asked.push((mark, left));
    apart.serve();
    pause(CLOSED_WITHIN);
    let evidence = apart.finish();
    for (mark, left) in asked {
        let (pieces, _, masked) = on_record(&evidence, &mark);
        println!("{mark}: {left} rows had left, {pieces} were on record");
        assert!(left > 0 && pieces >= left && masked == pieces, "{mark}: {left} rows left, {pieces} of them on record");
    }
}

/// Rows by their pieces and by the ends of their requests, and masked cells of all pieces.
fn on_record(evidence: &Evidence, mark: &str) -> (u64, u64, u64) {
    let subjects: Vec<&Option<String>> = evidence.of_mark(mark).iter().map(|record| &record.subject).collect();
    let (mut pieces, mut ends, mut masked) = (0, 0, 0);
    for record in evidence.records.iter().filter(|record| subjects.contains(&&record.subject)) {
        let Some(result) = record.sections.get("result") else { continue };
        let rows = result["rows"].as_u64().unwrap_or_default();
        if record.kind.is_terminal() {
            ends += rows;
        } else {
            pieces += rows;
            let cells = result["masked"].as_array().into_iter().flatten().map(|path| path["cells"].as_u64().unwrap());
            masked += cells.sum::<u64>();
        }
    }
    (pieces, ends, masked)
}

fn count(bytes: &[u8], part: &[u8]) -> u64 {
    let places = bytes.iter().enumerate().filter(|(place, byte)| **byte == part[0] && bytes[*place..].starts_with(part));
    places.count() as u64
}
