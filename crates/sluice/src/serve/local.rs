//! What the path of a request needs of this machine: time, chance, the ledger's keys, the keys of issuers.

use sluice_app::{Asking, Keys, Machine, SealFault, Sealer};
use sluice_identity::{Issuer, KeySet, Reason};
use sluice_ledger::record::{Draft, SealedRecord};
use sluice_outbound::{Https, KeyCache};
use sluice_store::{LocalMachine, Store};
use std::sync::Arc;

#[derive(Default)]
pub struct ThisMachine {
    machine: LocalMachine,
}

impl Machine for ThisMachine {
    fn now_ms(&self) -> u64 {
        use sluice_store::Machine as _;
        self.machine.moment().wall_ms
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), SealFault> {
        use sluice_store::Machine as _;
        self.machine.random(bytes).map_err(|fault| SealFault(fault.to_string()))
    }
}

pub struct LedgerSealer(pub Arc<Store>);

impl Sealer for LedgerSealer {
    fn seal(&self, draft: &Draft) -> Result<SealedRecord, SealFault> {
        self.0.seal(draft).map_err(|fault| SealFault(fault.to_string()))
    }
}

pub struct IssuerKeys(pub KeyCache<Https>);

impl Keys for IssuerKeys {
    fn keys<'a>(&'a self, issuer: &'a Issuer, key_id: &'a str, now: u64) -> Asking<'a, Result<Arc<KeySet>, Reason>> {
        Box::pin(self.0.keys(issuer, key_id, now))
    }
}
