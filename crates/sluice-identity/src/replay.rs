//! A token is exchanged once. The port, the check that alone makes `Spent`, and a store that forgets, for tests and the demo.

use crate::caller::Caller;
use crate::issuer::Exchanges;
use crate::judgement::LEEWAY_SECONDS;
use crate::refusal::{Reason, Refusal};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// Remembers which tokens were exchanged.
///
/// Consistency: of all calls with one key, over all replicas that share the store, exactly one is answered with `First`.
/// Durability: when `First` is answered, the key is on stable storage; after a crash it is answered with `Again`.
/// Failure: an error means that nothing is known; the exchange is refused, and the token may turn out spent. Nothing is tried again.
/// Memory: a key may be forgotten once `forget_at` has passed, never before. Calls may block and come from several threads.
pub trait ReplayStore: Send + Sync {
    fn spend(&self, key: &str, forget_at: u64, now: u64) -> Result<Replay, ReplayFault>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    Again,
    First,
}

/// What went wrong, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFault(pub String);

/// The caller's token has been spent on this exchange. Made by `Spent::check` alone; an access token cannot be issued without.
#[derive(Debug)]
pub struct Spent {
    digest: [u8; 32],
}

impl Spent {
    pub fn check(caller: &Caller, store: &dyn ReplayStore, now: u64) -> Result<Spent, Refusal> {
        spend(caller, store, now).map_err(|reason| Refusal { reason, issuer: Some(caller.token().issuer.clone()), audiences: Vec::new() })
    }

    pub(crate) fn is_of(&self, caller: &Caller) -> bool {
        self.digest == caller.token().digest
    }
}

fn spend(caller: &Caller, store: &dyn ReplayStore, now: u64) -> Result<Spent, Reason> {
    if caller.session().is_some() {
        return Err(Reason::OwnTokenRefused);
    }
    let token = caller.token();
    // Its issuer's setting says so. What keeps it from being of use to a thief is its short life.
    if caller.exchanges() == Exchanges::Many {
        return Ok(Spent { digest: token.digest });
    }
    // Past its end the token is refused without the store's help; the leeway counts on both sides.
    let forget_at = token.expires_at + 2 * LEEWAY_SECONDS;
    match store.spend(&key(caller), forget_at, now) {
        Ok(Replay::First) => Ok(Spent { digest: token.digest }),
        Ok(Replay::Again) => Err(Reason::Replayed),
        Err(fault) => Err(Reason::ReplayStore(fault)),
    }
}

/// By `jti` where there is one, else by what was signed; the lengths keep issuer and id apart.
fn key(caller: &Caller) -> String {
    let issuer = &caller.token().issuer;
    let id = match &caller.token().id {
        Some(id) => format!("jti:{id}"),
        None => caller.token().digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    };
    format!("{}:{issuer}:{id}", issuer.len())
}

/// Keeps nothing over a restart. `serve` does not take it.
#[derive(Debug, Default)]
pub struct MemoryReplayStore {
    spent: Mutex<BTreeMap<String, u64>>,
}

impl ReplayStore for MemoryReplayStore {
    fn spend(&self, key: &str, forget_at: u64, now: u64) -> Result<Replay, ReplayFault> {
        let mut spent = self.spent.lock().map_err(|_| ReplayFault("poisoned".to_owned()))?;
        spent.retain(|_, forget_at| *forget_at >= now);
        Ok(if spent.insert(key.to_owned(), forget_at).is_none() { Replay::First } else { Replay::Again })
    }
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.escape_debug().to_string())
    }
}
