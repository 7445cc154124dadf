//! The ledger that most tests here attack: two epochs, a crash, an erasure, an expiry, a hold; witnesses saw all but its end.

use crate::book::{Book, Files, publish, sections};
use sluice_ledger::record::{Kind, SectionId, SectionSet};
use std::path::Path;
use tempfile::TempDir;

/// Erased whole.
pub const ERASED: u64 = 2;
/// Its recording expired.
pub const EXPIRED: u64 = 4;

pub struct Clinic {
    pub book: Book,
    /// Sizes that were published; the last is the whole ledger.
    pub sizes: Vec<u64>,
    /// What witnesses saw last.
    pub cosigned: u64,
}

/// `requests` of four records each in both epochs.
pub fn clinic(requests: u8) -> Clinic {
    let mut book = Book::new();
    let mut sizes = vec![];
    book.boot();
    sizes.push(book.rows.len() as u64);
    for number in 0..requests {
        if number % 3 == 0 {
            book.heartbeat();
        }
        book.request(number);
        if number % 7 == 0 {
            sizes.push(book.rows.len() as u64);
        }
    }
    let erased = book.leaf(ERASED).sections;
    book.give_up(Kind::Erasure, ERASED, erased);
    book.give_up(Kind::RetentionExpired, EXPIRED, sections(&[SectionId::Recording]));
    book.of_record(Kind::LegalHold, 5, SectionSet::ALL);
    let subject = 200;
    book.of_request(Kind::RequestAdmitted, subject, &[SectionId::Meta]);
    book.time_ms += 400_000;
    book.boot();
    book.of_request(Kind::RequestInterrupted, subject, &[SectionId::Meta]);
    for number in 0..requests {
        if number % 3 == 0 {
            book.heartbeat();
        }
        book.request(requests + number);
    }
    let cosigned = book.rows.len() as u64;
    sizes.push(cosigned);
    book.of_record(Kind::LegalHoldReleased, 5, SectionSet::ALL);
    book.heartbeat();
    book.request(199);
    book.plain(Kind::Shutdown);
    sizes.push(book.rows.len() as u64);
    Clinic { book, sizes, cosigned }
}

impl Clinic {
    pub fn size(&self) -> u64 {
        self.book.rows.len() as u64
    }

    /// Signed by the log alone, but for the one that witnesses saw.
    pub fn notes(&self) -> Vec<String> {
        let note = |size: &u64| if *size == self.cosigned { self.book.cosigned(*size) } else { self.book.signed(*size) };
        self.sizes.iter().map(|size| note(size).to_string()).collect()
    }

    pub fn files(&self) -> Files {
        let mut files = self.book.files(&self.sizes);
        publish(&mut files, &self.notes());
        files
    }
}

/// A folder of its own for each test; it goes when the test does.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn of(files: &Files) -> Place {
        let place = Place::new();
        place.write(files);
        place
    }

    pub fn write(&self, files: &Files) {
        for (path, bytes) in files {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
