//! Records verified in a second on one core: leaves (tiles, hashes, order, roots, checkpoints), and apart from that bodies and keys. `make bench` runs it.

#[path = "../tests/it/book.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the writer of the tests, who use the rest of it"
)]
mod book;

use book::{Book, Row, log_key, master, publish};
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::record::{Draft, Kind, Leaf, RecordId, SectionId, Subject};
use sluice_ledger::trust::Trust;
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use std::io::Write;
use std::time::Instant;

const REQUESTS: u64 = 65_536;
const SEALED_REQUESTS: u64 = 8_192;
const RUNS: u32 = 3;

fn main() {
    let leaves = ledger();
    measure("leaves verified", &leaves, None, false);
    let sealed = sealed_ledger();
    measure("bodies verified, sealed", &sealed, None, true);
    measure("bodies verified, opened", &sealed, Some(&master()), true);
}

#[expect(clippy::unwrap_used, reason = "a measurement of something that fails means nothing")]
fn measure(what: &str, book: &Book, master: Option<&dyn MasterKey>, bodies: bool) {
    let size = book.rows.len() as u64;
    let mut files = book.files(&[size]);
    publish(&mut files, &[book.signed(size).to_string()]);
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in files.iter().filter(|(path, _)| bodies || !(path.ends_with(".pack") || path.ends_with(".keys"))) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let trust = Trust::parse(format!("log {}\nquorum none\n", log_key(1).verifier_key()).as_bytes()).unwrap();
    let folder = Folder::open(root.path()).unwrap();
    let audit = Audit { trust: &trust, origin: None, master, bodies, seen: Vec::new(), unwitnessed_max: None, alive_after_ms: None };
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        let report = audit.run(&folder).unwrap();
        best = best.min(start.elapsed().as_secs_f64());
        assert!(report.holds() && report.records == size, "{report}");
    }
    let megabytes = book.rows.iter().map(|row| row.body.len() as u64).sum::<u64>() as f64 / 1e6;
    let bytes = if bodies { format!(", {:.0} MB of bodies a second", megabytes / best) } else { String::new() };
    let mut out = std::io::stdout();
    drop(writeln!(out, "{what:24} {:>8.0} records a second{bytes}; {size} records, best of {RUNS}", size as f64 / best));
}

/// Two sections of 450 bytes in each record: leaves, bodies and keys together.
#[expect(clippy::unwrap_used, reason = "a measurement of something that fails means nothing")]
fn sealed_ledger() -> Book {
    let mut book = Book::new();
    book.boot();
    for number in 0..SEALED_REQUESTS {
        let text: Vec<u8> = (0..450_u64).map(|place| b' ' + u8::try_from((place * place + number * 7) % 90).unwrap()).collect();
        for kind in [Kind::RequestAdmitted, Kind::RequestCompleted] {
            let draft = Draft::of_request(kind, Subject(identifier(number))).unwrap();
            let draft = draft.with(SectionId::Meta, text.clone()).unwrap().with(SectionId::Request, text.clone()).unwrap();
            book.add(draft);
        }
    }
    book
}

/// Leaves alone: nothing is sealed. A heartbeat comes with every eighth request.
fn ledger() -> Book {
    let mut book = Book::new();
    book.boot();
    for number in 0..REQUESTS {
        if number % 8 == 0 {
            book.time_ms += 60_000;
            add(&mut book, Kind::Heartbeat, None);
        }
        for kind in [Kind::RequestAdmitted, Kind::UpstreamDispatched, Kind::ResultPage, Kind::RequestCompleted] {
            add(&mut book, kind, Some(number));
        }
    }
    book
}

fn identifier(number: u64) -> [u8; 16] {
    let mut bytes = [3; 16];
    bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    bytes
}

fn add(book: &mut Book, kind: Kind, request: Option<u64>) {
    let leaf = Leaf {
        kind,
        time_ms: book.time_ms,
        epoch: book.epoch,
        root: [7; 32],
        sections: [SectionId::Meta].into_iter().collect(),
        subject: request.map(|number| Subject(identifier(number))),
        target: None,
        record: RecordId(identifier(book.rows.len() as u64)),
    };
    book.rows.push(Row { leaf: leaf.bytes(), body: Vec::new(), slot: Vec::new() });
}
