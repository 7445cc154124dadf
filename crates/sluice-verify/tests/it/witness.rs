//! The witness: what it cosigns, what it refuses, what it remembers; once over HTTP on loopback.

use crate::book::{Book, ORIGIN, log_key, witness_key};
use crate::clinic::Place;
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::cosignature::{cosign, cosigned_by};
use sluice_ledger::note::{KeyKind, Signature, Signer};
use sluice_ledger::tree::{Hash, MemoryNodes, consistency_proof, leaf_hash};
use sluice_verify::witness::{AddCheckpoint, Answer, Memory, PROOF_LINES_MAX, Witness, origin_hash, serve};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;
/// A root that is no tree's here, in base64.
const OTHER: &str = "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY=";

fn witness(folder: &Path) -> Witness {
    Witness::new(witness_key(1), vec![log_key(1).verifier_key().clone()], Memory::open(folder).unwrap()).unwrap()
}

fn book(records: usize) -> Book {
    let mut book = Book::new();
    book.boot();
    while book.rows.len() < records {
        book.heartbeat();
    }
    book
}

fn base64(hash: &Hash) -> String {
    let text = Checkpoint { origin: "o".to_owned(), size: 0, root: *hash }.text();
    text.lines().nth(2).unwrap().to_owned()
}

/// What an honest log sends.
fn request(book: &Book, old: u64, new: u64) -> String {
    let nodes = MemoryNodes(book.rows.iter().map(|row| leaf_hash(&row.leaf)).collect());
    let lines: String = consistency_proof(&nodes, old, new).unwrap().iter().map(|hash| base64(hash) + "\n").collect();
    format!("old {old}\n{lines}\n{}", book.signed(new))
}

#[test]
fn it_cosigns_what_continues() {
    let (place, book) = (Place::new(), book(40));
    let witness = witness(place.path());
    for (old, new) in [(0, 0), (0, 5), (5, 5), (5, 6), (6, 32), (32, 40)] {
        let Answer::Cosigned(line) = witness.add_checkpoint(request(&book, old, new).as_bytes(), NOW + new) else {
            panic!("{old} to {new}")
        };
        let mut signed = book.signed(new);
        signed.add(Signature::parse(line.trim_end()).unwrap()).unwrap();
        assert_eq!(cosigned_by(signed.note(), witness_key(1).verifier_key()), Ok(Some(NOW + new)));
        assert_eq!(witness.checkpoint(&origin_hash(ORIGIN)), Some(signed.to_string()), "monitors see what was cosigned");
    }
}

#[test]
fn it_cosigns_nothing_else() {
    let (place, book) = (Place::new(), book(40));
    let witness = witness(place.path());
    let check = |body: String, expect: Answer| assert_eq!(witness.add_checkpoint(body.as_bytes(), NOW), expect, "{body}");
    assert!(matches!(witness.add_checkpoint(request(&book, 0, 20).as_bytes(), NOW), Answer::Cosigned(_)));
    let honest = request(&book, 20, 40);
    let line = honest.lines().nth(1).unwrap().to_owned();

    check(request(&book, 0, 40), Answer::Conflict(20));
    check(request(&book, 10, 15), Answer::Conflict(20));
    check(request(&book, 30, 40), Answer::Conflict(20));
    check(honest.replace("old 20", "old 41"), Answer::Malformed);
    check(honest.replacen(&line, OTHER, 1), Answer::Inconsistent);
    check(honest.replacen(&format!("{line}\n"), "", 1), Answer::Inconsistent);
    check(honest.replacen(&line, &format!("{line}\n{line}"), 1), Answer::Inconsistent);
    let fork = Checkpoint { origin: ORIGIN.to_owned(), size: 20, root: [6; 32] }.sign(&log_key(1)).unwrap();
    check(format!("old 20\n\n{fork}"), Answer::Inconsistent);
    for body in ["", "old 20\n", "old 20\n\n", "new 20\n\nx", "old +20\n\nx\n", "old 020\n\nx\n"] {
        check(body.to_owned(), Answer::Malformed);
    }
    check(honest.replace("old 20", "old 020"), Answer::Malformed);
    check(honest.replacen(&line, &line.replace('=', ""), 1), Answer::Malformed);
    check(honest.replacen(&line, &vec![line.as_str(); PROOF_LINES_MAX + 1].join("\n"), 1), Answer::Malformed);
    check(honest.replace(ORIGIN, "ledger.example.com/two"), Answer::UnknownLog);
    let foreign = book.checkpoint(40).sign(&log_key(2)).unwrap();
    check(format!("old 20\n\n{foreign}"), Answer::Unsigned);
    check(honest.replace("\n40\n", "\n41\n"), Answer::Unsigned);
    let late = witness.add_checkpoint(honest.as_bytes(), 0);
    assert!(matches!(late, Answer::Memory(_)), "{late:?}");
    assert!(matches!(witness.add_checkpoint(honest.as_bytes(), NOW), Answer::Cosigned(_)), "none of that was remembered");
}

/// What a log may send along: a line of ours from before, and lines of others.
#[test]
fn it_keeps_the_log_s_lines_and_its_own() {
    let (place, book) = (Place::new(), book(4));
    let witness = witness(place.path());
    let mut sent = book.signed(4);
    for signer in [witness_key(1), witness_key(2)] {
        sent.add(cosign(sent.note(), &signer, 5).unwrap()).unwrap();
    }
    let Answer::Cosigned(line) = witness.add_checkpoint(format!("old 0\n\n{sent}").as_bytes(), NOW) else { panic!("{sent}") };
    assert_eq!(witness.checkpoint(&origin_hash(ORIGIN)), Some(format!("{}{line}", book.signed(4))));
}

/// A witness of two logs: what the key of the one says of the other is no line that it keeps.
#[test]
fn it_vouches_for_no_line_of_another_log() {
    let (place, book) = (Place::new(), book(4));
    let other = Signer::from_seed("ledger.example.com/two", KeyKind::Log, &[9; 32]).unwrap();
    let logs = vec![log_key(1).verifier_key().clone(), other.verifier_key().clone()];
    let witness = Witness::new(witness_key(1), logs, Memory::open(place.path()).unwrap()).unwrap();
    let mut sent = book.signed(4).note().clone();
    sent.sign(&other).unwrap();
    let Answer::Cosigned(line) = witness.add_checkpoint(format!("old 0\n\n{sent}").as_bytes(), NOW) else { panic!("{sent}") };
    assert_eq!(witness.checkpoint(&origin_hash(ORIGIN)), Some(format!("{}{line}", book.signed(4))));
    // Nor does it sign for the log: its own line alone is none.
    let mut alone = sluice_ledger::note::Note::new(book.signed(4).note().text()).unwrap();
    alone.sign(&other).unwrap();
    assert_eq!(witness.add_checkpoint(format!("old 4\n\n{alone}").as_bytes(), NOW), Answer::Unsigned);
}

#[test]
fn empty_trees() {
    let (place, witnessed) = (Place::new(), book(1));
    let witness = witness(place.path());
    let wrong = Checkpoint { origin: ORIGIN.to_owned(), size: 0, root: [6; 32] }.sign(&log_key(1)).unwrap();
    assert_eq!(witness.add_checkpoint(format!("old 0\n\n{wrong}").as_bytes(), NOW), Answer::Inconsistent);
    assert_eq!(witness.add_checkpoint(format!("old 0\n{OTHER}\n\n{}", witnessed.signed(1)).as_bytes(), NOW), Answer::Inconsistent);
}

/// A log that was set back to an older copy of its disk, and went on from there.
#[test]
fn a_rollback_is_noticed() {
    let (place, long) = (Place::new(), book(40));
    let witness_key_id = witness_key(1).verifier_key().clone();
    {
        let witness = witness(place.path());
        assert!(matches!(witness.add_checkpoint(request(&long, 0, 40).as_bytes(), NOW), Answer::Cosigned(_)));
    }
    let mut other = book(30);
    other.salt = 99;
    while other.rows.len() < 60 {
        other.heartbeat();
    }
    // Started again it still knows.
    let witness = witness(place.path());
    assert_eq!(witness.add_checkpoint(request(&other, 30, 31).as_bytes(), NOW), Answer::Conflict(40));
    assert_eq!(witness.add_checkpoint(request(&other, 40, 60).as_bytes(), NOW), Answer::Inconsistent);
    let kept = witness.checkpoint(&origin_hash(ORIGIN)).unwrap();
    let signed = SignedCheckpoint::open(kept.as_bytes(), &[log_key(1).verifier_key().clone()]).unwrap();
    assert_eq!((signed.checkpoint().size, cosigned_by(signed.note(), &witness_key_id)), (40, Ok(Some(NOW))));
}

#[test]
fn a_damaged_memory_is_not_an_empty_one() {
    let (place, book) = (Place::new(), book(10));
    let witness = witness(place.path());
    assert!(matches!(witness.add_checkpoint(request(&book, 0, 5).as_bytes(), NOW), Answer::Cosigned(_)));
    let path = place.path().join(origin_hash(ORIGIN)).join("checkpoint");
    let whole = std::fs::read(&path).unwrap();
    for damaged in [Vec::new(), whole[..whole.len() - 3].to_vec(), book.signed(3).to_string().into_bytes()] {
        std::fs::write(&path, damaged).unwrap();
        for old in [0, 3, 5] {
            let answer = witness.add_checkpoint(request(&book, old, 10).as_bytes(), NOW);
            assert!(matches!(answer, Answer::Memory(_)), "{answer:?}");
        }
    }
    std::fs::write(&path, whole).unwrap();
    assert!(matches!(witness.add_checkpoint(request(&book, 5, 10).as_bytes(), NOW), Answer::Cosigned(_)));
}

#[test]
fn one_folder_has_one_witness() {
    let place = Place::new();
    let first = witness(place.path());
    assert!(Memory::open(place.path()).is_err());
    drop(first);
    assert!(Memory::open(place.path()).is_ok());
    let log = Signer::from_seed("w", KeyKind::Log, &[1; 32]).unwrap();
    assert!(Witness::new(log, Vec::new(), Memory::open(Place::new().path()).unwrap()).is_none(), "a key of a log");
}

#[test]
fn two_at_once_get_one_future() {
    let (place, book) = (Place::new(), book(40));
    let witness = witness(place.path());
    assert!(matches!(witness.add_checkpoint(request(&book, 0, 10).as_bytes(), NOW), Answer::Cosigned(_)));
    let requests: Vec<String> = (11..=40).map(|new| request(&book, 10, new)).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|request| scope.spawn(|| witness.add_checkpoint(request.as_bytes(), NOW))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Cosigned(_))).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Conflict(_))).count(), 29, "{answers:?}");
}

#[test]
fn requests_are_read_strictly() {
    let book = book(8);
    let text = request(&book, 3, 8);
    let read = AddCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (read.old_size, read.proof.len(), read.note),
        (3, text.lines().take_while(|line| !line.is_empty()).count() - 1, book.signed(8).to_string().into_bytes())
    );
    assert_eq!(AddCheckpoint::parse(b"old 3\n\xff\n\nx"), None);
}

#[test]
fn over_http() {
    let (place, book) = (Place::new(), book(40));
    let witness = Arc::new(witness(place.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = runtime.spawn(serve(witness, listener, async { drop(stopped.await) }));
    let call = |head: &str, body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse::<u16>().unwrap(), head.to_lowercase(), body.to_owned())
    };
    let add = |body: &str| call("POST /add-checkpoint", body);
    let own = format!("GET /{}/checkpoint", origin_hash(ORIGIN));
    assert_eq!(call(&own, "").0, 404);
    let (status, _, line) = add(&request(&book, 0, 20));
    assert!(status == 200 && line.starts_with("\u{2014} w1.example.com ") && line.ends_with('\n'), "{status} {line}");
    let (status, head, size) = add(&request(&book, 10, 30));
    assert_eq!((status, size.as_str()), (409, "20\n"));
    assert!(head.contains("content-type: text/x.tlog.size"), "{head}");
    for (body, expect) in [
        (request(&book, 20, 30).replace("\n30\n", "\n31\n"), 403),
        (request(&book, 20, 30).replace(ORIGIN, "ledger.example.com/two"), 404),
        ("old 20".to_owned(), 400),
        (format!("old 20\n\n{}", book.signed(30)), 422),
        ("x".repeat(1 << 20), 413),
    ] {
        assert_eq!(add(&body).0, expect, "{}", body.len());
    }
    let (status, _, checkpoint) = call(&own, "");
    assert!(status == 200 && checkpoint.ends_with(&line), "{checkpoint}");
    assert_eq!(call("GET /../checkpoint", "").0, 404);
    assert_eq!(call("GET /add-checkpoint", "").0, 405);
    stop.send(()).unwrap();
    runtime.block_on(server).unwrap().unwrap();
}
