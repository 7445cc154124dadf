//! One token for everybody: fetched once, renewed before it ends, kept while its server is away for as long as it is good.

use super::{CredentialFault, Secret, TokenSource};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A token is renewed so long before its end, or in the last fifth of its life where that is shorter.
const RENEW_SECONDS_BEFORE: u64 = 300;
/// It is not sent in its last moments: it would end on the way.
const MARGIN_SECONDS: u64 = 10;
/// After a renewal that failed, as long as the old token is good.
const RENEW_AGAIN_SECONDS: u64 = 10;

pub struct Cached {
    source: Box<dyn TokenSource>,
    state: Mutex<State>,
    /// Held while a token is fetched.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When the last fetch failed.
    failed: Option<(Instant, CredentialFault)>,
}

struct Held {
    secret: Arc<Secret>,
    renew_at: Option<Instant>,
    ends_at: Option<Instant>,
}

impl Cached {
    pub fn new(source: impl TokenSource + 'static) -> Cached {
        Cached { source: Box::new(source), state: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    pub async fn secret(&self) -> Result<Arc<Secret>, CredentialFault> {
        let came = Instant::now();
        if let Some((secret, due)) = self.good(came) {
            // Whoever comes while it is renewed takes the old one.
            if !due {
                return Ok(secret);
            }
            let Ok(_flight) = self.flight.try_lock() else { return Ok(secret) };
            return Ok(self.fetch().await.unwrap_or(secret));
        }
        let _flight = self.flight.lock().await;
        if let Some((secret, _)) = self.good(Instant::now()) {
            return Ok(secret);
        }
        // Who waited for a fetch that failed has its answer.
        if let Some((at, fault)) = &self.state().failed
            && *at >= came
        {
            return Err(fault.clone());
        }
        self.fetch().await
    }

    /// This token was refused. Says whether there can be another one.
    pub fn spoil(&self, secret: &Arc<Secret>) -> bool {
        let mut state = self.state();
        if self.source.is_renewable() && state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.secret, secret)) {
            state.held = None;
        }
        self.source.is_renewable()
    }

    async fn fetch(&self) -> Result<Arc<Secret>, CredentialFault> {
        let begun = Instant::now();
        let fetched = self.source.token().await;
        let mut state = self.state();
        match fetched {
            Ok(token) => {
                let secret = Arc::new(token.secret);
                let ends_at = token.lives.map(|lives| begun + lives.saturating_sub(Duration::from_secs(MARGIN_SECONDS)));
                let renew_at = token.lives.map(|lives| begun + lives - Duration::from_secs(RENEW_SECONDS_BEFORE).min(lives / 5));
                state.held = Some(Held { secret: Arc::clone(&secret), renew_at, ends_at });
                state.failed = None;
                Ok(secret)
            }
            Err(fault) => {
                let now = Instant::now();
                if let Some(held) = &mut state.held {
                    held.renew_at = Some(now + Duration::from_secs(RENEW_AGAIN_SECONDS));
                }
                state.failed = Some((now, fault.clone()));
                Err(fault)
            }
        }
    }

    /// A token that can be sent, and whether it is time for another.
    fn good(&self, now: Instant) -> Option<(Arc<Secret>, bool)> {
        let state = self.state();
        let held = state.held.as_ref().filter(|held| held.ends_at.is_none_or(|ends| now < ends))?;
        Some((Arc::clone(&held.secret), held.renew_at.is_some_and(|renew| now >= renew)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cached")
    }
}
