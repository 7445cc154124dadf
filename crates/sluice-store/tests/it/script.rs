//! Two hundred requests, with everything that the store does in between: heartbeats, full segments, checkpoints, an erasure, an expiry, a new master key.

use crate::simulated::SimulatedDisk;
use crate::world::{SIZES, Told, create_ledger, erasure, expiry, open, step};
use sluice_ledger::record::{Draft, Kind, SectionId};
use sluice_store::disk::Disk;
use sluice_store::{Ledger, StoreFault};
use std::sync::Arc;

pub const REQUESTS: u64 = 200;
const ABREAST: u64 = 5;
const ERASED_AT: u64 = 60;
const EXPIRED_AT: u64 = 90;
const REWRAPPED_AT: u64 = 120;

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
    pub answers: Vec<Answer>,
    pub fault: Option<StoreFault>,
}

pub fn told(answers: &[Answer]) -> Vec<Told> {
    answers.iter().filter_map(|answer| if let Answer::Record(told) = answer { Some(*told) } else { None }).collect()
}

/// `ready` is called when the ledger is created and before it is opened.
pub fn run(ready: impl FnOnce(&SimulatedDisk)) -> Run {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    ready(&disk);
    let mut answers = Vec::new();
    let fault = play(&disk, &mut answers).err();
    Run { disk, answers, fault }
}

fn play(disk: &SimulatedDisk, answers: &mut Vec<Answer>) -> Result<(), StoreFault> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, machine) = open(&shared, 1)?;
    for round in 0..REQUESTS / ABREAST {
        let requests = round * ABREAST..(round + 1) * ABREAST;
        for kinds in steps(round) {
            machine.pass(997);
            let drafts: Vec<Draft> = requests.clone().flat_map(|request| kinds.iter().map(move |kind| step(*kind, request))).collect();
            drafts.chunks(2).try_for_each(|batch| append(&mut ledger, disk, batch, answers))?;
        }
        let admitted: Vec<u64> = told(answers).iter().filter(|told| told.kind == Kind::RequestAdmitted).map(|told| told.index).collect();
        let at = requests.end;
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
    ledger.shut()
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
    let facts: Vec<_> = sealed.iter().map(|record| (record.record, record.kind)).collect();
    let mut fault = None;
    for (receipt, (record, kind)) in ledger.append(sealed).into_iter().zip(facts) {
        match receipt {
            Ok(receipt) => answers.push(Answer::Record(Told { index: receipt.index, record, kind, time_ms: receipt.time_ms })),
            Err(refusal) => fault = Some(StoreFault::Refused(refusal.to_string())),
        }
    }
    disk.count(answers.len());
    fault.map_or(Ok(()), Err)
}
