//! What of an answer has not come yet. It is read as fast as somebody takes it; whoever drops it ends it.

use super::body;
use super::client::ExchangeFault;
use super::link::{Idle, Link};
use hyper::body::{Bytes, Incoming};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

pub struct Rest {
    body: body::Incoming<Incoming>,
    /// Until the last byte has come. Then it is free for others.
    link: Option<Link>,
    idle: Arc<Idle>,
    _slot: OwnedSemaphorePermit,
}

impl Rest {
    pub(super) fn new(body: body::Incoming<Incoming>, link: Link, idle: Arc<Idle>, slot: OwnedSemaphorePermit) -> Rest {
        Rest { body, link: Some(link), idle, _slot: slot }
    }

    /// The next bytes, which come within this time; nothing at the end.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Bytes>, ExchangeFault> {
        let next = timeout(patience, self.body.next()).await.unwrap_or(Err(ExchangeFault::Deadline))?;
        if next.is_none() {
            self.link.take().into_iter().for_each(|link| self.idle.keep(link));
        }
        Ok(next)
    }

    /// All of it, behind what has come before.
    pub async fn whole(mut self, mut before: Vec<u8>, bytes_max: usize, patience: Duration) -> Result<Vec<u8>, ExchangeFault> {
        while let Some(bytes) = self.next(patience).await? {
            if before.len() + bytes.len() > bytes_max {
                return Err(ExchangeFault::TooLarge { bytes_max });
            }
            before.extend_from_slice(&bytes);
        }
        Ok(before)
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rest").finish_non_exhaustive()
    }
}
