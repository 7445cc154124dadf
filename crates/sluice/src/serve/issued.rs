//! Credentials that the gateway issued, and what their end ends: no token of a holder outlives a revocation by more than a second.

use crate::command::Failure;
use sluice_identity::{IssuedCredentials, Revocations};
use sluice_store::{CredentialAct, CredentialFile, Credentials, StoreFault};
use std::sync::Arc;

pub struct Issued {
    file: CredentialFile,
    /// The gateway itself; nothing where it issues no tokens.
    issuer: Option<String>,
}

/// As they were when the file was last looked at.
#[derive(Clone, Default)]
pub struct Known {
    read: Arc<Credentials>,
    pub credentials: Arc<IssuedCredentials>,
}

impl Issued {
    pub fn new(file: CredentialFile, issuer: Option<String>) -> Issued {
        Issued { file, issuer }
    }

    /// Keys are read again where the file has changed.
    pub fn look(&self, known: &Known) -> Result<Known, StoreFault> {
        let read = self.file.current()?;
        if Arc::ptr_eq(&read, &known.read) {
            return Ok(known.clone());
        }
        Ok(Known { credentials: Arc::new(read.issued()), read })
    }

    /// Those who hold a revoked credential are shut out for good, with every token that they were given.
    pub fn called_off(&self, known: &Known, revocations: Arc<Revocations>) -> Arc<Revocations> {
        let Some(issuer) = self.issuer.as_ref().filter(|_| known.read.revoked().next().is_some()) else { return revocations };
        let mut whole = (*revocations).clone();
        whole.principals.extend(known.read.revoked().map(|id| (format!("{issuer}#{id}"), u64::MAX)));
        Arc::new(whole)
    }

    /// Each act that is not on record yet, put there by `put`, which answers the number of its record.
    pub fn record(&self, mut put: impl FnMut(u64, &CredentialAct) -> Result<u64, Failure>) -> Result<Vec<u64>, Failure> {
        let failed = |fault: StoreFault| Failure::new(fault.to_string());
        let mut records = Vec::new();
        for (number, act) in self.file.current().map_err(failed)?.unrecorded() {
            let record = put(number, act)?;
            self.file.mark_recorded(number, record).map_err(failed)?;
            records.push(record);
        }
        Ok(records)
    }
}
