//! Two hundred requests, with everything that the store does in between: heartbeats, full segments, checkpoints, an erasure, an expiry, a new master key.

use crate::simulated::SimulatedDisk;
use crate::world::{SIZES, TestMachine, Told, create_ledger, erasure, expiry, number, open, step};
use sluice_ledger::record::{Draft, Kind, SectionId};
use sluice_store::disk::Disk;
use sluice_store::{Ledger, StoreFault};
use std::sync::Arc;

pub const REQUESTS: u64 = 200;
const ABREAST: u64 = 5;
const ERASED_AT: u64 = 20;
const EXPIRED_AT: u64 = 30;
const REWRAPPED_AT: u64 = 35;

/// What somebody outside was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The keys of this record are gone.
    GivenUp(u64),
    Record(Told),
}

/// A ledger on a new disk, and the answers up to the first refusal.
pub struct Run {
    pub disk: SimulatedDisk,
    pub ledger: Option<Ledger>,
    pub answers: Vec<Answer>,
    pub fault: Option<StoreFault>,
}

pub fn told(answers: &[Answer]) -> Vec<Told> {
    answers.iter().filter_map(|answer| if let Answer::Record(told) = answer { Some(*told) } else { None }).collect()
}

/// `ready` is called when the ledger is created and before it is opened.
pub fn run(requests: u64, ready: impl FnOnce(&SimulatedDisk)) -> Run {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    ready(&disk);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    match open(&shared, 1) {
        Err(fault) => Run { disk, ledger: None, answers: Vec::new(), fault: Some(fault) },
        Ok((mut ledger, machine)) => {
            let mut answers = Vec::new();
            let fault = play(requests, &mut ledger, &machine, &disk, &mut answers).err();
            Run { disk, ledger: Some(ledger), answers, fault }
        }
    }
}

fn play(
    requests: u64,
    ledger: &mut Ledger,
    machine: &TestMachine,
    disk: &SimulatedDisk,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreFault> {
    for round in 0..requests / ABREAST {
        let abreast = round * ABREAST..(round + 1) * ABREAST;
        for kinds in steps(round) {
            machine.pass(997);
            let drafts: Vec<Draft> = abreast.clone().flat_map(|request| kinds.iter().map(move |kind| step(*kind, request))).collect();
            drafts.chunks(2).try_for_each(|batch| append(ledger, disk, batch, answers))?;
        }
        let admitted: Vec<u64> = told(answers).iter().filter(|told| told.kind == Kind::RequestAdmitted).map(|told| told.index).collect();
        let at = abreast.end;
        if round % 2 == 0 {
            ledger.apply()?;
        }
        if at == ERASED_AT || at == EXPIRED_AT {
            let (index, draft) =
                if at == ERASED_AT { (admitted[0], erasure(admitted[0])) } else { (admitted[1], expiry(admitted[1], SectionId::Request)) };
            ledger.give_up(ledger.seal(&draft)?)?;
            answers.push(Answer::GivenUp(index));
            disk.count(answers.len());
        }
        if at == REWRAPPED_AT {
            ledger.rewrap_keys()?;
        }
    }
    Ok(())
}

/// What becomes of the requests of one round.
fn steps(round: u64) -> Vec<Vec<Kind>> {
    match round % 4 {
        0 => vec![vec![Kind::RequestRefused]],
        1 => vec![
            vec![Kind::RequestEstimated, Kind::RequestAdmitted],
            vec![Kind::UpstreamDispatched],
            vec![Kind::ResultPage, Kind::RequestCompleted],
        ],
        _ => vec![
            vec![Kind::RequestAdmitted],
            vec![Kind::UpstreamDispatched, Kind::ResultPage],
            vec![Kind::ResultPage],
            vec![Kind::RequestCompleted],
        ],
    }
}

/// Every record that got a receipt is counted before anything else is done.
pub fn append(ledger: &mut Ledger, disk: &SimulatedDisk, drafts: &[Draft], answers: &mut Vec<Answer>) -> Result<(), StoreFault> {
    let sealed: Vec<_> = drafts.iter().map(|draft| ledger.seal(draft)).collect::<Result<_, _>>()?;
    let facts: Vec<_> = sealed.iter().map(|record| (record.record, record.kind, record.subject.map_or(0, number))).collect();
    let mut fault = None;
    for (receipt, (record, kind, request)) in ledger.append(sealed).into_iter().zip(facts) {
        match receipt {
            Ok(receipt) => answers.push(Answer::Record(Told { index: receipt.index, record, kind, request, time_ms: receipt.time_ms })),
            Err(refusal) => fault = Some(StoreFault::Refused(refusal.to_string())),
        }
    }
    disk.count(answers.len());
    fault.map_or(Ok(()), Err)
}
