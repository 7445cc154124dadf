//! Appends records until it is killed, and says on standard output what was promised: `index record`. For the test that kills it.

use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Kind, SectionId, Subject};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LedgerFacts, LocalMachine, Machine, Opening, SegmentSizes, Store, create};
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const ORIGIN: &str = "ledger.example.com/killed";
const SIZES: SegmentSizes = SegmentSizes { regular_bytes: 256 << 10, closing_bytes: 128 << 10 };
const WRITERS: u8 = 4;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = std::env::args().nth(1).ok_or("the folder of the ledger")?;
    let disk = Arc::new(LocalDisk::new(Path::new(&folder))?);
    let signer = Arc::new(Signer::from_seed(ORIGIN, KeyKind::Log, &[7; 32])?);
    let machine = Arc::new(LocalMachine::default());
    if !Path::new(&folder).join("ledger.json").exists() {
        let facts = LedgerFacts {
            origin: ORIGIN.to_owned(),
            ledger: [9; 16],
            verifier_key: signer.verifier_key().clone(),
            created_ms: machine.moment().wall_ms,
        };
        create(disk.as_ref(), &facts, &signer, SIZES)?;
    }
    let master = Arc::new(LocalMasterKeys::new((MasterKeyId(*b"test"), [1; 32]), &[])?);
    let opening = Opening { signer, master, machine: machine.clone(), boot: serde_json::json!({}), free_bytes_min: 0 };
    let store = Store::start(Ledger::open(disk, &opening)?, Box::new(|_| {}))?;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| append(&store, machine.as_ref()))).collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or(Err("a writer broke off".into())))
    })
}

/// Whole requests. A promise is told in one write, so that the reader sees all of it or nothing.
fn append(store: &Store, machine: &dyn Machine) -> Result<(), Box<dyn Error + Send + Sync>> {
    loop {
        let mut subject = [0; 16];
        machine.random(&mut subject)?;
        for kind in [Kind::RequestAdmitted, Kind::UpstreamDispatched, Kind::ResultPage, Kind::RequestCompleted] {
            let draft = Draft::of_request(kind, Subject(subject))?.with(SectionId::Meta, vec![b'x'; 700])?;
            let record = store.seal(&draft)?;
            let id = record.record;
            let receipt = store.append_and_wait(record)?;
            std::io::stdout().lock().write_all(format!("{} {id}\n", receipt.index).as_bytes())?;
        }
    }
}
