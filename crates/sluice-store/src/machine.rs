//! What the store takes from the machine beside its disk: time and randomness. A test gives its own.

use crate::fault::StoreFault;
use aws_lc_rs::rand;
use sluice_ledger::clock::Moment;
use sluice_ledger::keyring::{MasterKey, RecordSecret};
use sluice_ledger::record::{Draft, Entropy, RecordId, SealedRecord, seal};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub trait Machine: Send + Sync {
    fn moment(&self) -> Moment;
    /// Fills it with bytes that nobody can guess.
    fn random(&self, bytes: &mut [u8]) -> Result<(), StoreFault>;
}

pub struct LocalMachine {
    started: Instant,
}

impl Default for LocalMachine {
    fn default() -> LocalMachine {
        LocalMachine { started: Instant::now() }
    }
}

impl Machine for LocalMachine {
    fn moment(&self) -> Moment {
        let milliseconds = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).map(milliseconds).unwrap_or_default();
        Moment { counted_ms: milliseconds(self.started.elapsed()), wall_ms }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), StoreFault> {
        rand::fill(bytes).map_err(|_| StoreFault::Key("the machine gives no random bytes".to_owned()))
    }
}

/// Seals records: those of the store itself, and those of whoever asks.
#[derive(Clone)]
pub struct Scribe {
    origin: String,
    master: Arc<dyn MasterKey>,
    machine: Arc<dyn Machine>,
}

impl Scribe {
    pub fn new(origin: &str, master: Arc<dyn MasterKey>, machine: Arc<dyn Machine>) -> Scribe {
        Scribe { origin: origin.to_owned(), master, machine }
    }

    pub fn seal(&self, draft: &Draft) -> Result<SealedRecord, StoreFault> {
        let (mut record, mut secret) = ([0; 16], [0; 32]);
        self.machine.random(&mut record)?;
        self.machine.random(&mut secret)?;
        let entropy = Entropy { record: RecordId(record), secret: RecordSecret(secret), nonce: self.nonce()? };
        seal(draft, &self.origin, entropy, self.master.as_ref()).map_err(|error| StoreFault::Key(error.to_string()))
    }

    /// The same, with other master keys.
    pub fn with_master(&self, master: Arc<dyn MasterKey>) -> Scribe {
        Scribe { master, ..self.clone() }
    }

    pub fn random(&self, bytes: &mut [u8]) -> Result<(), StoreFault> {
        self.machine.random(bytes)
    }

    pub fn nonce(&self) -> Result<[u8; 12], StoreFault> {
        let mut nonce = [0; 12];
        self.machine.random(&mut nonce)?;
        Ok(nonce)
    }

    pub fn moment(&self) -> Moment {
        self.machine.moment()
    }

    pub fn master(&self) -> &dyn MasterKey {
        self.master.as_ref()
    }
}
