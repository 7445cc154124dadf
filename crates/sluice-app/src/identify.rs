//! From what stands behind `Bearer` to who calls. Whoever is refused here is unknown, so it costs the ledger a bounded number of records.

use crate::asked::Visit;
use crate::gateway::Gateway;
use crate::record;
use crate::refusal::{Refused, Why};
use crate::trail::{DONE, Stage};
use sluice_identity::{Caller, Presented, Purpose, Refusal};
use sluice_ledger::flood::{Entry, Flood, FloodCount};
use sluice_ledger::record::Draft;
use sluice_ledger::record::content::Steps;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const MILLISECONDS_PER_SECOND: u64 = 1_000;
/// Of whom it is known by itself how often they were turned away.
const CALLERS_KEPT_MAX: usize = 1_000;

/// Callers that are known, and were turned away at the door.
#[derive(Default)]
pub(crate) struct TurnedAway {
    floods: Mutex<BTreeMap<String, Flood>>,
}

#[derive(Default)]
pub(crate) struct Strangers {
    flood: Mutex<Flood>,
}

impl Gateway {
    /// A token of a configured issuer, or one of ours.
    pub async fn identify(&self, visit: &Visit, bearer: &[u8]) -> Result<Caller, Refused> {
        match self.judge_on(visit, bearer).await {
            Ok(caller) => self.let_in(visit, caller).await,
            Err(refusal) => Err(self.refuse_token(visit, refusal).await),
        }
    }

    /// The same caller once more, in a request that asks several times. It is counted already.
    pub async fn identify_again(&self, visit: &Visit, bearer: &[u8]) -> Result<Caller, Refused> {
        match self.judge_on(visit, bearer).await {
            Ok(caller) => Ok(caller),
            Err(refusal) => Err(self.refuse_token(visit, refusal).await),
        }
    }

    /// Each request is counted here, once, whatever becomes of it. Whoever is halted or asks too often costs no more than this, and leaves a
    /// bounded number of records.
    pub(crate) async fn let_in(&self, visit: &Visit, caller: Caller) -> Result<Caller, Refused> {
        let (policy, halt) = (self.parts.in_force.policy(), self.parts.in_force.halt());
        let now = i64::try_from(self.now_seconds()).unwrap_or(i64::MAX);
        let Some(decision) = policy.turned_away(&caller, &halt, now, self.parts.in_force.counters()) else { return Ok(caller) };
        let subject = self.subject()?;
        let word = decision.evaluation.reasons.first().map_or("policy", |reason| reason.kind.word());
        let name = caller.principal().to_string();
        let (entry, over) = self.turned_away.refuse(&name, word, self.parts.machine.now_ms());
        self.record_counts_of(over).await;
        let why = Why::Policy(Box::new(decision));
        if entry == Entry::Single {
            let mut meta = record::refused(visit, None, &why);
            meta.reason = Some(word.to_owned());
            match (Steps { subject }).refused_otherwise(&meta, Some(&record::identity(&caller))) {
                Ok(draft) => self.put_outcome(draft).await,
                Err(error) => self.parts.alarm.raise(&format!("a refusal has no record: {error}")),
            }
        }
        self.tell_in_detail(Some(subject), visit, "refused", Some(&why), (vec![Cow::Borrowed(word)], Vec::new()), entry == Entry::Counted);
        Err(Refused { subject, why })
    }

    pub(crate) async fn judge_on(&self, visit: &Visit, bearer: &[u8]) -> Result<Caller, Refusal> {
        let begun = Instant::now();
        let judged = self.judge(bearer).await;
        visit.trail.note(Stage::Identify, begun, if judged.is_ok() { DONE } else { "refused" });
        judged
    }

    pub(crate) async fn judge(&self, bearer: &[u8]) -> Result<Caller, Refusal> {
        let revocations = self.parts.in_force.revocations();
        let now = self.now_seconds();
        match self.parts.identity.read(bearer)? {
            Presented::Issued(token) => token.verify(Purpose::Request, &self.parts.in_force.issued(), &revocations, now),
            Presented::Own(token) => token.verify(&revocations, now),
            Presented::Outside(token) => match self.parts.keys.keys(token.issuer(), token.key_id(), now).await {
                Ok(keys) => token.verify(&keys, &revocations, now),
                Err(reason) => Err(token.refuse(reason)),
            },
        }
    }

    /// On record, by itself or in a count.
    pub(crate) async fn refuse_token(&self, visit: &Visit, refusal: Refusal) -> Refused {
        self.refuse_stranger(visit, word(&refusal), Why::Unproven(Box::new(refusal))).await
    }

    /// Whoever it is, nobody knows: a bounded number of records, the rest is counted.
    pub async fn refuse_stranger(&self, visit: &Visit, word: String, why: Why) -> Refused {
        let subject = match self.subject() {
            Ok(subject) => subject,
            Err(refused) => return refused,
        };
        let (entry, over) = self.strangers.flood().refuse(&word, self.parts.machine.now_ms());
        self.record_count(over).await;
        if entry == Entry::Single {
            let mut meta = record::meta(visit, "", "refused", None);
            meta.reason = Some(word.clone());
            meta.session = Some(record::hex(&subject.0));
            match Draft::of_refused_token(&meta) {
                Ok(draft) => self.put_outcome(draft).await,
                Err(error) => self.parts.alarm.raise(&format!("a refused token has no record: {error}")),
            }
        }
        let detail = (vec![Cow::Owned(word)], Vec::new());
        self.tell_in_detail(Some(subject), visit, "refused", Some(&why), detail, entry == Entry::Counted);
        Refused { subject, why }
    }

    /// To be called at least once a minute: counts of refused strangers whose time is over go on record.
    pub async fn settle_counts(&self) {
        let over = self.strangers.flood().due(self.parts.machine.now_ms());
        self.record_count(over).await;
        let over = self.turned_away.due(self.parts.machine.now_ms());
        self.record_counts_of(over).await;
    }

    /// To be called when nobody is let in any more: what was counted until now goes on record.
    pub async fn close_counts(&self) {
        let over = self.strangers.flood().close(self.parts.machine.now_ms());
        self.record_count(over).await;
        let over = self.turned_away.close(self.parts.machine.now_ms());
        self.record_counts_of(over).await;
    }

    pub(crate) fn now_seconds(&self) -> u64 {
        self.parts.machine.now_ms() / MILLISECONDS_PER_SECOND
    }

    async fn record_count(&self, count: Option<FloodCount>) {
        let Some(count) = count else { return };
        match count.draft() {
            Ok(draft) => self.put_outcome(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("a count of refused tokens has no record: {error}")),
        }
    }
}

impl Gateway {
    async fn record_counts_of(&self, counts: Vec<(String, FloodCount)>) {
        for (caller, count) in counts {
            match count.draft_of(&caller) {
                Ok(draft) => self.put_outcome(draft).await,
                Err(error) => self.parts.alarm.raise(&format!("a count of refused requests has no record: {error}")),
            }
        }
    }
}

impl TurnedAway {
    /// What becomes of one refusal, and the counts of windows that are over.
    fn refuse(&self, caller: &str, word: &str, now_ms: u64) -> (Entry, Vec<(String, FloodCount)>) {
        let mut floods = self.floods();
        let mut over = Vec::new();
        if floods.len() >= CALLERS_KEPT_MAX && !floods.contains_key(caller) {
            over = due(&mut floods, now_ms);
        }
        // So many at a time are counted as one.
        let caller = if floods.len() >= CALLERS_KEPT_MAX && !floods.contains_key(caller) { "" } else { caller };
        let (entry, count) = floods.entry(caller.to_owned()).or_default().refuse(word, now_ms);
        over.extend(count.map(|count| (caller.to_owned(), count)));
        (entry, over)
    }

    fn due(&self, now_ms: u64) -> Vec<(String, FloodCount)> {
        due(&mut self.floods(), now_ms)
    }

    fn close(&self, now_ms: u64) -> Vec<(String, FloodCount)> {
        let floods = std::mem::take(&mut *self.floods());
        floods.into_iter().filter_map(|(caller, mut flood)| flood.close(now_ms).map(|count| (caller, count))).collect()
    }

    fn floods(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Flood>> {
        self.floods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn due(floods: &mut BTreeMap<String, Flood>, now_ms: u64) -> Vec<(String, FloodCount)> {
    let over = floods.iter_mut().filter_map(|(caller, flood)| flood.due(now_ms).map(|count| (caller.clone(), count))).collect();
    floods.retain(|_, flood| !flood.is_idle());
    over
}

impl Strangers {
    fn flood(&self) -> std::sync::MutexGuard<'_, Flood> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the reason alone: what stands in it can come from the token.
pub(crate) fn word(refusal: &Refusal) -> String {
    let name = format!("{:?}", refusal.reason);
    let mut word = String::new();
    for (position, letter) in name.chars().take_while(char::is_ascii_alphanumeric).enumerate() {
        if letter.is_ascii_uppercase() && position > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
