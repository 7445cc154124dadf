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

pub struct KeyCache<F> {
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
    flight: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    held: Option<Held>,
    /// No fetch before this moment.
    not_before: u64,
    last_fault: Option<String>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    fresh_until: u64,
    stale_until: u64,
}

impl<F: Fetch> KeyCache<F> {
    /// `changed` is called with every change of a key set, before the first token is verified by it. It must not block for long.
    pub fn new(fetch: F, changed: impl Fn(KeysChanged) + Send + Sync + 'static) -> KeyCache<F> {
        KeyCache { fetch, entries: Mutex::default(), changed: Box::new(changed) }
    }

    /// The keys to verify a token of this issuer with. The set may lack `key_id`; verification then refuses.
    pub async fn keys(&self, issuer: &Issuer, key_id: &str, now: u64) -> Result<Arc<KeySet>, Reason> {
        let entry = self.entry(&issuer.url);
        if let Some(keys) = entry.state().settled(key_id, now) {
            return keys;
        }
        let _flight = entry.flight.lock().await;
        if let Some(keys) = entry.state().settled(key_id, now) {
            return keys;
        }
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
                state.held = Some(Held { keys: Arc::new(keys), fresh_until, stale_until });
                state.not_before = now + UNKNOWN_KEY_SECONDS_MIN;
                state.last_fault = None;
            }
            Err(fault) => {
                state.not_before = now + FAILURE_SECONDS_MIN;
                state.last_fault = Some(fault);
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
        let fresh = self.held.as_ref().filter(|held| now < held.fresh_until);
        match fresh {
            Some(held) if held.keys.holds(key_id) || now < self.not_before => Some(Ok(Arc::clone(&held.keys))),
            None if now < self.not_before => Some(self.best(now)),
            _ => None,
        }
    }

    fn best(&self, now: u64) -> Result<Arc<KeySet>, Reason> {
        match self.held.as_ref().filter(|held| now < held.stale_until) {
            Some(held) => Ok(Arc::clone(&held.keys)),
            None => Err(Reason::KeysUnavailable(self.last_fault.clone().unwrap_or_else(|| "never fetched".to_owned()))),
        }
    }
}
