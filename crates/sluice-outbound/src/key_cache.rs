//! Key sets by issuer: fresh, then stale while the issuer cannot be read, then none. One fetch at a time for each issuer, and a token
//! with an invented key id causes at most one in half a minute.

use crate::discovery;
use crate::https::{Fetch, FetchFault};
use sluice_identity::{Issuer, KeySet, Reason};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const FRESH_SECONDS_MIN: u64 = 300;
/// Between two fetches for one issuer that nothing but an unknown key id asks for.
const UNKNOWN_KEY_SECONDS_MIN: u64 = 30;
/// After a fetch that failed.
const FAILURE_SECONDS_MIN: u64 = 5;
/// For so long after a failure nobody waits for the next attempt who can be served by a stale set.
const OUTAGE_SECONDS: u64 = 60;
/// A set that was fetched further in the future than this was fetched before the clock was set back: nobody knows how old it is.
const CLOCK_SECONDS_MAX: u64 = 30;

pub struct KeyCache<F> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    fetch: F,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    changed: Box<dyn Fn(KeysChanged) + Send + Sync>,
}

/// For the ledger: from now on this issuer's tokens are believed by other keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysChanged {
    pub issuer: String,
    pub before: Option<[u8; 32]>,
    pub after: [u8; 32],
}

#[derive(Default)]
struct Entry {
    state: Mutex<State>,
    /// Held while a fetch is under way; who waits for it looks at the state again.
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Default)]
struct State {
    held: Option<Held>,
    /// No fetch before this moment.
    not_before: u64,
    /// Of the last fetch, and when.
    fault: Option<(String, u64)>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    fetched_at: u64,
    fresh_until: u64,
    stale_until: u64,
}

impl<F: Fetch + 'static> KeyCache<F> {
    /// `changed` is called with every change of a key set, before the first token is verified by it. It must not block for long.
    pub fn new(fetch: F, changed: impl Fn(KeysChanged) + Send + Sync + 'static) -> KeyCache<F> {
        KeyCache { shared: Arc::new(Shared { fetch, entries: Mutex::default(), changed: Box::new(changed) }) }
    }

    /// The keys to verify a token of this issuer with. The set may lack `key_id`; verification then refuses.
    pub async fn keys(&self, issuer: &Issuer, key_id: &str, now: u64) -> Result<Arc<KeySet>, Reason> {
        let entry = self.shared.entry(&issuer.url);
        if let Some(keys) = entry.state().settled(key_id, now) {
            return keys;
        }
        let stale = entry.state().in_outage(key_id, now);
        let flight = match (&stale, Arc::clone(&entry.flight).try_lock_owned()) {
            (_, Ok(flight)) => flight,
            (Some(keys), Err(_)) => return Ok(Arc::clone(keys)),
            (None, Err(_)) => Arc::clone(&entry.flight).lock_owned().await,
        };
        if let Some(keys) = entry.state().settled(key_id, now) {
            return keys;
        }
        // A task of its own: who asked may leave, and must not leave the next one to begin the same fetch anew.
        let (shared, issuer) = (Arc::clone(&self.shared), issuer.clone());
        let fetched = tokio::spawn(async move {
            let _flight = flight;
            shared.refresh(&entry, &issuer, now).await
        });
        match stale {
            Some(keys) => Ok(keys),
            None => fetched.await.unwrap_or_else(|_| Err(Reason::KeysUnavailable("the fetch broke off".to_owned()))),
        }
    }
}

impl<F: Fetch> Shared<F> {
    async fn refresh(&self, entry: &Entry, issuer: &Issuer, now: u64) -> Result<Arc<KeySet>, Reason> {
        let fetched = self.fetched(issuer).await;
        let mut state = entry.state();
        let before = state.held.as_ref().map(|held| held.keys.digest());
        match fetched {
            Ok((keys, max_age_seconds)) => {
                let fresh = max_age_seconds.unwrap_or(u64::MAX).max(FRESH_SECONDS_MIN).min(issuer.keys.fresh_seconds_max);
                let after = keys.digest();
                if before != Some(after) {
                    (self.changed)(KeysChanged { issuer: issuer.url.clone(), before, after });
                }
                let (fresh_until, stale_until) = (now + fresh, now + fresh + issuer.keys.stale_seconds_max);
                state.held = Some(Held { keys: Arc::new(keys), fetched_at: now, fresh_until, stale_until });
                state.not_before = now + UNKNOWN_KEY_SECONDS_MIN;
                state.fault = None;
            }
            Err(fault) => {
                state.not_before = now + FAILURE_SECONDS_MIN;
                state.fault = Some((fault, now));
            }
        }
        entry.put(state.clone());
        state.best(now)
    }

    async fn fetched(&self, issuer: &Issuer) -> Result<(KeySet, Option<u64>), String> {
        let page = discovery::key_set_text(&self.fetch, issuer).await.map_err(|fault: FetchFault| fault.to_string())?;
        let keys = KeySet::read(&page.body).map_err(|fault| fault.to_string())?;
        Ok((keys, page.max_age_seconds))
    }

    fn entry(&self, url: &str) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.entry(url.to_owned()).or_default())
    }
}

impl Entry {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl State {
    /// What to answer without a fetch; none where one is due.
    fn settled(&self, key_id: &str, now: u64) -> Option<Result<Arc<KeySet>, Reason>> {
        // A clock that was set back must not keep the next fetch away for as long as it was.
        let waits = now < self.not_before && self.not_before <= now + UNKNOWN_KEY_SECONDS_MIN;
        match self.usable(now).filter(|held| now < held.fresh_until) {
            Some(held) if waits || held.keys.holds(key_id) => Some(Ok(Arc::clone(&held.keys))),
            None if waits => Some(self.best(now)),
            _ => None,
        }
    }

    /// A stale set for whoever need not wait, because the issuer did not answer a moment ago.
    fn in_outage(&self, key_id: &str, now: u64) -> Option<Arc<KeySet>> {
        let (_, failed_at) = self.fault.as_ref()?;
        let is_outage = *failed_at <= now && now < failed_at + OUTAGE_SECONDS;
        let held = self.usable(now).filter(|held| is_outage && held.keys.holds(key_id))?;
        Some(Arc::clone(&held.keys))
    }

    fn best(&self, now: u64) -> Result<Arc<KeySet>, Reason> {
        match self.usable(now) {
            Some(held) => Ok(Arc::clone(&held.keys)),
            None => {
                let fault = self.fault.as_ref().map_or("never fetched", |(fault, _)| fault.as_str());
                Err(Reason::KeysUnavailable(fault.to_owned()))
            }
        }
    }

    fn usable(&self, now: u64) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.stale_until && held.fetched_at <= now + CLOCK_SECONDS_MAX)
    }
}
