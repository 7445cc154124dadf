//! What the door asks, and of whom. The gateway answers; tests may put something simpler in its place.

use sluice_app::{Asking, Exchanged, Gateway, Introspected, Refused, SessionAsk, SessionFault, Visit, Why};
use std::sync::Arc;

/// Every answer is on record, by itself or in a count, before it comes back.
pub trait Sessions: Send + Sync {
    fn exchange(&self, visit: Visit, ask: SessionAsk) -> Asking<'_, Result<Exchanged, SessionFault>>;
    fn introspect<'a>(&'a self, visit: &'a Visit, token: &'a [u8]) -> Asking<'a, Result<Option<Introspected>, Refused>>;
    fn revoke<'a>(&'a self, visit: &'a Visit, token: &'a [u8]) -> Asking<'a, Result<(), Refused>>;
    fn refuse<'a>(&'a self, visit: &'a Visit, word: String, why: Why) -> Asking<'a, Refused>;
}

impl Sessions for Arc<Gateway> {
    fn exchange(&self, visit: Visit, ask: SessionAsk) -> Asking<'_, Result<Exchanged, SessionFault>> {
        Box::pin(Gateway::exchange(self, visit, ask))
    }

    fn introspect<'a>(&'a self, visit: &'a Visit, token: &'a [u8]) -> Asking<'a, Result<Option<Introspected>, Refused>> {
        Box::pin(Gateway::introspect(self, visit, token))
    }

    fn revoke<'a>(&'a self, visit: &'a Visit, token: &'a [u8]) -> Asking<'a, Result<(), Refused>> {
        Box::pin(Gateway::revoke(self, visit, token))
    }

    fn refuse<'a>(&'a self, visit: &'a Visit, word: String, why: Why) -> Asking<'a, Refused> {
        Box::pin(Gateway::refuse_stranger(self, visit, word, why))
    }
}
