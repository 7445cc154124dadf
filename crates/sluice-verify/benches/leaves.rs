//! Leaves verified in a second on one core: tiles, hashes, order, roots, checkpoints; bodies and keys apart. `make bench` runs it.

#[path = "../tests/it/book.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the writer of the tests, who use the rest of it"
)]
mod book;

use book::{Book, Row, log_key, publish};
use sluice_ledger::record::{Kind, Leaf, RecordId, SectionId, Subject};
use sluice_ledger::trust::Trust;
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use std::io::Write;
use std::time::Instant;

const REQUESTS: u64 = 65_536;
const RUNS: u32 = 3;

#[expect(clippy::unwrap_used, reason = "a measurement of something that fails means nothing")]
fn main() {
    let book = ledger();
    let size = book.rows.len() as u64;
    let mut files = book.files(&[size]);
    publish(&mut files, &[book.signed(size).to_string()]);
    let root = std::env::temp_dir().join(format!("sluice-verify-bench-{}", std::process::id()));
    for (path, bytes) in files.iter().filter(|(path, _)| !path.ends_with(".pack") && !path.ends_with(".keys")) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let trust = Trust::parse(format!("log {}\nquorum none\n", log_key(1).verifier_key()).as_bytes()).unwrap();
    let folder = Folder::open(&root).unwrap();
    let audit =
        Audit { trust: &trust, origin: None, master: None, bodies: false, seen: Vec::new(), unwitnessed_max: None, alive_after_ms: None };
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        let report = audit.run(&folder).unwrap();
        best = best.min(start.elapsed().as_secs_f64());
        assert!(report.holds() && report.records == size, "{report}");
    }
    drop(writeln!(std::io::stdout(), "{:24} {:>8.0} a second, {size} leaves, best of {RUNS}", "leaves verified", size as f64 / best));
    std::fs::remove_dir_all(root).unwrap();
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

fn add(book: &mut Book, kind: Kind, request: Option<u64>) {
    let identifier = |number: u64| {
        let mut bytes = [3; 16];
        bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        bytes
    };
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
