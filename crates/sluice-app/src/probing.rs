//! Predicates on labelled columns, counted by caller: one answers a bit, and bits add up. Somebody should look before they do.

use crate::asked::Visit;
use crate::decide::Admission;
use crate::follow::Followed;
use crate::gateway::{Gateway, Passage};
use crate::ports::{JobState, UpstreamError};
use crate::record;
use crate::running::Running;
use sluice_identity::Caller;
use sluice_ledger::record::Draft;
use sluice_policy::Probing;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Those who asked longest ago are forgotten first.
const CALLERS_MAX: usize = 4_096;
/// Named in one event.
const COLUMNS_MAX: usize = 16;
/// BigQuery's reasons for an error that no value makes.
const ANSWERS_NOTHING: [&str; 4] = ["backendError", "internalError", "jobBackendError", "jobInternalError"];
/// For a job that was cancelled, and for one that took longer than it was given (`jobTimeoutMs`): how long it takes can be made to depend on a value.
const STOPPED: &str = "stopped";
const MILLISECONDS_PER_MINUTE: u64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Probe {
    /// A job that BigQuery ended with an error: whether there is one can be made to depend on a value, by its size for one.
    Failed,
    Permitted,
    Refused,
}

/// How often each caller asked of late.
#[derive(Default)]
pub(crate) struct Probes(Mutex<HashMap<(String, Probe), Lately>>);

#[derive(Default)]
struct Lately {
    at_ms: VecDeque<u64>,
    columns: BTreeSet<String>,
}

/// So many requests were too many.
#[derive(Debug, PartialEq, Eq)]
struct TooMany {
    requests: u64,
    since_ms: u64,
    columns: BTreeSet<String>,
}

impl Gateway {
    /// One request whose rows labelled columns were to decide. A poll, or a page of what was counted before, is none.
    pub(crate) async fn note_probe(&self, passage: &Passage, probe: Probe) {
        let Some(decision) = passage.decision.as_ref().filter(|_| passage.asks_anew) else { return };
        let wanted = probe == Probe::Permitted;
        let deciding = decision.evaluation.deciding.iter().filter(|deciding| deciding.permitted == wanted);
        let columns: BTreeSet<String> = deciding.map(|deciding| deciding.column.clone()).collect();
        self.note_columns((&passage.visit, &passage.connection, &passage.caller), probe, columns).await;
    }

    /// A job that is over. What went wrong at BigQuery's own is no answer to anything, and neither is an end that its caller asked for.
    pub(crate) async fn note_failed(&self, followed: &Followed, running: &Running, state: &JobState, admission: &Admission) {
        let was_asked_for = running.is_cancelled();
        let said_nothing =
            |error: &UpstreamError| ANSWERS_NOTHING.contains(&error.reason.as_str()) || (was_asked_for && error.reason == STOPPED);
        if admission.may_tell.texts || state.error.as_ref().is_none_or(said_nothing) {
            return;
        }
        let columns = admission.permit.value().masks().iter().flat_map(|path| path.columns.iter().cloned()).collect();
        self.note_columns((&followed.visit, &followed.connection, &followed.caller), Probe::Failed, columns).await;
    }

    async fn note_columns(&self, (visit, connection, caller): (&Visit, &str, &Caller), probe: Probe, columns: BTreeSet<String>) {
        let probing = self.parts.in_force.policy().settings.probing;
        let now_ms = self.parts.machine.now_ms();
        let Some(many) = self.probes.note(&caller.principal().to_string(), probe, columns, now_ms, probing) else { return };
        self.parts.alarm.raise("a caller asks by labelled columns again and again: see `sluice ledger find --kind caller.probing`");
        let mut meta = record::meta(visit, connection, "probing", Some(caller));
        meta.reason = Some(probe.word().to_owned());
        meta.resources = many.columns.into_iter().take(COLUMNS_MAX).collect();
        meta.counts = BTreeMap::from([("requests".to_owned(), many.requests), ("duration_ms".to_owned(), now_ms - many.since_ms)]);
        match Draft::of_probing(&meta, &record::identity(caller)) {
            Ok(draft) => self.put_outcome(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("probing has no record: {error}")),
        }
    }
}

impl Probe {
    fn word(self) -> &'static str {
        match self {
            Probe::Failed => "failed",
            Probe::Permitted => "permitted",
            Probe::Refused => "refused",
        }
    }

    fn max(self, probing: Probing) -> usize {
        let max = match self {
            Probe::Failed => probing.failed_max,
            Probe::Permitted => probing.permitted_max,
            Probe::Refused => probing.refused_max,
        };
        usize::try_from(max).unwrap_or(usize::MAX)
    }
}

impl Probes {
    /// Whether this one makes them too many. Counting then begins anew, so that a caller who goes on is told of again.
    fn note(&self, caller: &str, probe: Probe, columns: BTreeSet<String>, now_ms: u64, probing: Probing) -> Option<TooMany> {
        if columns.is_empty() {
            return None;
        }
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller.to_owned(), probe);
        if callers.len() >= CALLERS_MAX && !callers.contains_key(&key) {
            let oldest = callers.iter().min_by_key(|(_, lately)| lately.at_ms.back().copied()).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| callers.remove(&oldest));
        }
        let lately = callers.entry(key.clone()).or_default();
        let since_ms = now_ms.saturating_sub(u64::from(probing.within_minutes) * MILLISECONDS_PER_MINUTE);
        while lately.at_ms.front().is_some_and(|at_ms| *at_ms < since_ms) {
            lately.at_ms.pop_front();
        }
        if lately.at_ms.is_empty() {
            lately.columns.clear();
        }
        lately.at_ms.push_back(now_ms);
        let room = COLUMNS_MAX.saturating_sub(lately.columns.len());
        lately.columns.extend(columns.into_iter().take(room));
        if lately.at_ms.len() < probe.max(probing) {
            return None;
        }
        let lately = callers.remove(&key)?;
        let requests = u64::try_from(lately.at_ms.len()).unwrap_or(u64::MAX);
        Some(TooMany { requests, since_ms: lately.at_ms.front().copied().unwrap_or(now_ms), columns: lately.columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBING: Probing = Probing { refused_max: 3, permitted_max: 5, failed_max: 4, within_minutes: 1 };

    fn columns(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn so_many_within_so_long_are_too_many() {
        let probes = Probes::default();
        let check = |caller: &str, probe: Probe, at_ms: u64, expect: Option<(u64, u64, &[&str])>| {
            let found = probes.note(caller, probe, columns(&["p.d.t.ssn"]), at_ms, PROBING);
            let expect = expect.map(|(requests, since_ms, names)| TooMany { requests, since_ms, columns: columns(names) });
            assert_eq!(found, expect, "{caller} {at_ms}");
        };
        check("ana", Probe::Refused, 0, None);
        check("ana", Probe::Refused, 59_000, None);
        check("ben", Probe::Refused, 59_500, None);
        check("ana", Probe::Permitted, 59_600, None);
        check("ana", Probe::Failed, 59_700, None);
        // The first is too long ago.
        check("ana", Probe::Refused, 60_001, None);
        check("ana", Probe::Refused, 60_002, Some((3, 59_000, &["p.d.t.ssn"])));
        check("ana", Probe::Refused, 60_003, None);
        assert_eq!(probes.note("ana", Probe::Refused, BTreeSet::new(), 60_004, PROBING), None, "no labelled column");
        check("ana", Probe::Refused, 60_005, None);
        check("ana", Probe::Refused, 60_006, Some((3, 60_003, &["p.d.t.ssn"])));
    }

    #[test]
    fn callers_are_forgotten_before_memory_is_full() {
        let probes = Probes::default();
        let none = |caller: usize, at_ms: u64| {
            assert_eq!(probes.note(&caller.to_string(), Probe::Refused, columns(&["c"]), at_ms, PROBING), None);
        };
        (0..CALLERS_MAX + 10).for_each(|caller| none(caller, caller as u64));
        assert_eq!(probes.0.lock().unwrap().len(), CALLERS_MAX);
        assert!(!probes.0.lock().unwrap().contains_key(&("9".to_owned(), Probe::Refused)));
    }
}
