//! `Recorded` is what the port makes of it: nothing comes back of what is not durable.

use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId, RecordSecret};
use sluice_ledger::record::{Draft, Entropy, Kind, RecordId, SealedRecord, Subject, seal};
use sluice_ledger::{AppendFault, Appending, DurableLog, Receipt, Recorded, RecordingError};
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

/// Answers at once, with what it was told to; keeps what it was given.
struct ScriptedLog {
    answer: Result<Receipt, AppendFault>,
    given: Mutex<Vec<SealedRecord>>,
}

impl DurableLog for ScriptedLog {
    fn append(&self, record: SealedRecord) -> Appending<'_> {
        self.given.lock().unwrap().push(record);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

const RECEIPT: Receipt = Receipt { index: 7, time_ms: 9, epoch: 1 };

fn record() -> SealedRecord {
    let draft = Draft::of_request(Kind::RequestAdmitted, Subject([1; 16])).unwrap();
    let master = LocalMasterKeys::new((MasterKeyId([1; 4]), [1; 32]), &[]).unwrap();
    let entropy = Entropy { record: RecordId([1; 16]), secret: RecordSecret([1; 32]), nonce: [1; 12] };
    seal(&draft, "sluice.example.com/log/one", entropy, &master).unwrap()
}

fn commit(answer: Result<Receipt, AppendFault>) -> (Result<Recorded<&'static str>, RecordingError>, Vec<SealedRecord>) {
    let log = ScriptedLog { answer, given: Mutex::default() };
    let result = match pin!(Recorded::commit("permit", record(), &log)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the scripted log answers at once"),
    };
    (result, log.given.into_inner().unwrap())
}

#[test]
fn what_is_durable_comes_back_with_its_receipt() {
    let (recorded, given) = commit(Ok(RECEIPT));
    let recorded = recorded.unwrap();
    assert_eq!((recorded.kind(), *recorded.value(), recorded.receipt()), (Kind::RequestAdmitted, "permit", RECEIPT));
    assert_eq!((recorded.into_parts(), given), (("permit", RECEIPT), vec![record()]));
}

#[test]
fn what_is_not_durable_does_not_come_back() {
    for fault in [AppendFault::Busy, AppendFault::Dead("EIO".to_owned()), AppendFault::Full, AppendFault::Shut] {
        let (result, given) = commit(Err(fault.clone()));
        assert_eq!((result.unwrap_err(), given.len()), (RecordingError { kind: Kind::RequestAdmitted, fault }, 1));
    }
}
