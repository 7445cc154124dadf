//! Columns that nobody labelled and whose values look sensitive. Rows never wait for this: of some pieces a bounded copy is put aside, and looked at by a thread of its own.
//! What does not fit is left out and counted.

use crate::gateway::{Gateway, Passage};
use crate::ports::KeepFault;
use sluice_ledger::record::content;
use sluice_ledger::record::{Draft, Subject};
use sluice_mask::{Finding, Head, MaskedBatch, MaskedRows, Masker, Sample, Sampling, Source, Tally};
use sluice_policy::{FOUND_LABEL, FindingAct, Permit};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub const SAMPLES_WAITING_MAX: usize = 64;
pub const SAMPLE_BYTES_WAITING_MAX: usize = 16 << 20;
/// Of one request: these, and then one of so many.
const PIECES_FIRST: u64 = 4;
const PIECES_APART: u64 = 64;
const MILLISECONDS_PER_SECOND: u64 = 1_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// What is seen from outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSensitive {
    pub kind: &'static str,
    pub act: &'static str,
    /// The record that says which column.
    pub record: u64,
    pub cells: u64,
    pub found: u64,
}

#[derive(Default)]
pub(crate) struct Findings {
    waiting: Mutex<Waiting>,
    tally: Mutex<Tally>,
    looked: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    samples: VecDeque<(Subject, Sample)>,
    bytes: usize,
    /// Somebody takes them one by one.
    is_attended: bool,
}

impl Findings {
    /// Whether there is room for it now.
    fn has_room(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.samples.len() < SAMPLES_WAITING_MAX && waiting.bytes < SAMPLE_BYTES_WAITING_MAX
    }

    /// Whether nobody attends to them yet.
    fn put(&self, subject: Subject, sample: Sample) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.bytes += sample.bytes();
        waiting.samples.push_back((subject, sample));
        !std::mem::replace(&mut waiting.is_attended, true)
    }

    /// Nothing if none is left: then the next one is attended to anew.
    fn next(&self) -> Option<(Subject, Sample)> {
        let mut waiting = lock(&self.waiting);
        let next = waiting.samples.pop_front();
        match &next {
            Some((_, sample)) => waiting.bytes = waiting.bytes.saturating_sub(sample.bytes()),
            None => waiting.is_attended = false,
        }
        next
    }
}

impl Gateway {
    /// Samples that were looked at, and those that did not fit.
    pub fn samples(&self) -> (u64, u64) {
        (self.findings.looked.load(Ordering::Relaxed), self.findings.dropped.load(Ordering::Relaxed))
    }

    /// For the rows of one request, if policy wants anything of them looked at.
    pub(crate) fn sampling(&self, masker: &Masker, permit: &Permit, head: &Head) -> Option<Sampling> {
        let wants_any = self.parts.in_force.policy().settings.findings.looks_for_any();
        if wants_any { masker.sampling(permit, head) } else { None }
    }

    pub(crate) fn look_at_rows(&self, passage: &Passage, number: u64, rows: &MaskedRows) {
        self.put_aside(passage, number, |sampling| sampling.of_rows(rows));
    }

    pub(crate) fn look_at_batch(&self, passage: &Passage, number: u64, batch: &MaskedBatch) {
        self.put_aside(passage, number, |sampling| sampling.of_batch(batch));
    }

    /// Nothing is copied that finds no room.
    fn put_aside(&self, passage: &Passage, number: u64, take: impl FnOnce(&Sampling) -> Option<Sample>) {
        let Some(sampling) = passage.sampling.as_ref().filter(|_| number < PIECES_FIRST || number.is_multiple_of(PIECES_APART)) else {
            return;
        };
        let sample = if self.findings.has_room() { take(sampling) } else { None };
        let Some(sample) = sample else {
            self.findings.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let is_first = self.findings.put(passage.subject, sample);
        if let Some(gateway) = self.me.upgrade().filter(|_| is_first) {
            self.owed(async move { gateway.attend_to_samples().await });
        }
    }

    /// One by one, until none is left. A gateway that stops waits for it.
    async fn attend_to_samples(self: Arc<Self>) {
        while let Some((subject, sample)) = self.findings.next() {
            let gateway = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || gateway.tally_sample(&sample)).await;
            self.findings.looked.fetch_add(1, Ordering::Relaxed);
            for finding in looked.unwrap_or_default() {
                self.tell_finding(subject, &finding).await;
            }
        }
    }

    fn tally_sample(&self, sample: &Sample) -> Vec<Finding> {
        let policy = self.parts.in_force.policy();
        let day = self.parts.machine.now_ms() / MILLISECONDS_PER_SECOND / SECONDS_PER_DAY;
        lock(&self.findings.tally).take(sample, &policy.settings.findings, day, year(day))
    }

    /// On record first, then whatever policy wants of it.
    async fn tell_finding(&self, subject: Subject, finding: &Finding) {
        let written = written(subject, finding, &self.parts.in_force.policy().digest.to_string());
        let receipt = match Draft::of_finding(&written) {
            Ok(draft) => self.put(&draft).await.map_err(|why| why.word().to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let record = match receipt {
            Ok(receipt) => receipt.index,
            Err(text) => {
                self.parts.alarm.raise(&format!("a finding has no record: {text}"));
                lock(&self.findings.tally).forget(finding);
                return;
            }
        };
        let (kind, act) = (finding.kind.word(), finding.act.word());
        self.parts.alarm.found(FoundSensitive { kind, act, record, cells: finding.cells, found: finding.found });
        let label = match (&finding.act, &finding.source) {
            (FindingAct::Label(label), Source::Column(column)) => Some((column.clone(), label.clone())),
            (FindingAct::Refuse, Source::Column(column)) => Some((column.clone(), FOUND_LABEL.to_owned())),
            _ => None,
        };
        let Some((column, label)) = label else { return };
        let in_force = Arc::clone(&self.parts.in_force);
        let kept = tokio::task::spawn_blocking(move || in_force.label_found(&column, &label, record)).await;
        if let Err(KeepFault(_)) = kept.unwrap_or_else(|_| Err(KeepFault("the work broke off".to_owned()))) {
            self.parts.alarm.raise("the label of a finding cannot be kept");
            lock(&self.findings.tally).forget(finding);
        }
    }
}

fn written(subject: Subject, finding: &Finding, policy: &str) -> content::Finding {
    let (column, output, from) = match &finding.source {
        Source::Column(column) => (Some(column.to_string()), None, Vec::new()),
        Source::Output { path, from } => (None, Some(path.join(".")), from.clone()),
    };
    content::Finding {
        kind: finding.kind.word().to_owned(),
        column,
        output,
        from,
        cells: finding.cells,
        formed: finding.formed,
        found: finding.found,
        act: finding.act.word().to_owned(),
        label: match (&finding.act, &finding.source) {
            (FindingAct::Label(label), Source::Column(_)) => Some(label.clone()),
            (FindingAct::Refuse, Source::Column(_)) => Some(FOUND_LABEL.to_owned()),
            _ => None,
        },
        request: subject.to_string(),
        policy: policy.to_owned(),
    }
}

/// In which a day is: for births, which are not in the time to come.
fn year(day: u64) -> u32 {
    const DAYS_OF_FOUR_YEARS: u64 = 1_461;
    u32::try_from(1_970 + day * 4 / DAYS_OF_FOUR_YEARS).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::year;

    #[test]
    fn years() {
        for (day, expect) in [(0, 1_970), (364, 1_970), (366, 1_971), (20_779, 2_026), (20_454, 2_026), (20_453, 2_025)] {
            assert_eq!(year(day), expect, "{day}");
        }
    }
}
