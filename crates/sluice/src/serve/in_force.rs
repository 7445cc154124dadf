//! What is in force: the activated policy set, who is halted, what is revoked, which credentials were issued. Halts are looked at in every decision, the rest every second, so
//! that a change beside the running gateway takes effect on the next request.

use super::issued::{self, Issued};
use crate::command::Failure;
use crate::command::policy::FolderLog;
use sluice_app::{Alarm, InForce, KeepFault, SealFault};
use sluice_identity::{IssuedCredentials, Revocations};
use sluice_ledger::record::{Draft, Subject};
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{ActivationLog, Counters, Halt, Inherited, Known, PolicySet};
use sluice_store::{HaltFile, Halts, KeptLabelsFile, Labelling, Origin, Revocation, RevocationFile, Store, StoreFault, UsageFile};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Force {
    log: FolderLog,
    files: Files,
    issued: Issued,
    now: RwLock<Now>,
}

/// What the gateway reads while it runs, or writes.
pub struct Files {
    pub halts: HaltFile,
    pub labels: KeptLabelsFile,
    pub revocations: RevocationFile,
    pub usage: UsageFile,
}

#[derive(Clone)]
struct Now {
    policy: Arc<PolicySet>,
    shadows: Vec<Arc<PolicySet>>,
    /// What is in force cannot be read: nobody knows then who was shut out.
    unreadable: bool,
    known: Arc<Known>,
    /// Tables into which labels came with data, in small letters.
    carried: Arc<BTreeSet<String>>,
    issued: issued::Known,
    revocations: Arc<Revocations>,
}

impl Force {
    /// Without an activated set nothing is served: default deny begins here.
    pub fn new(log: FolderLog, files: Files, issued: Issued) -> Result<Force, Failure> {
        let standing = log.standing().map_err(failure)?;
        let Some(digest) = standing.in_force() else {
            return Err(Failure::new("no policy set is in force: `sluice policy activate` puts one there"));
        };
        let policy = Arc::new(log.set(digest).map_err(failure)?);
        let known = issued.look(&issued::Known::default()).map_err(failure)?;
        let now = Now {
            policy,
            shadows: shadows(&log)?,
            unreadable: false,
            known: known_columns(&files.labels).map_err(failure)?,
            carried: carried_tables(&files.labels).map_err(failure)?,
            revocations: issued.called_off(&known, files.revocations.current().map_err(failure)?),
            issued: known,
        };
        Ok(Force { log, files, issued, now: RwLock::new(now) })
    }

    /// Looks again. What cannot be read halts everybody: nobody knows then who was shut out. Answers the set that came in force, if one did.
    pub fn refresh(&self, alarm: &dyn Alarm) -> Option<Arc<PolicySet>> {
        let mut next = self.now();
        let before = next.policy.digest.clone();
        match self.look(&mut next) {
            Ok(()) => next.unreadable = false,
            Err(failure) => {
                alarm.raise(&format!("everybody is halted, for what is in force cannot be read: {failure}"));
                next.unreadable = true;
            }
        }
        let changed = (next.policy.digest != before).then(|| Arc::clone(&next.policy));
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        // A request may have carried a label meanwhile.
        next.known = known_columns(&self.files.labels).unwrap_or(next.known);
        next.carried = carried_tables(&self.files.labels).unwrap_or(next.carried);
        *now = next;
        changed
    }

    fn look(&self, next: &mut Now) -> Result<(), Failure> {
        next.issued = self.issued.look(&next.issued).map_err(failure)?;
        next.revocations = self.issued.called_off(&next.issued, self.files.revocations.current().map_err(failure)?);
        next.known = known_columns(&self.files.labels).map_err(failure)?;
        next.carried = carried_tables(&self.files.labels).map_err(failure)?;
        // An activation counts once it is on record.
        if !self.log.unrecorded().map_err(failure)?.is_empty() {
            return Ok(());
        }
        let standing = self.log.standing().map_err(failure)?;
        match standing.in_force() {
            Some(digest) if *digest != next.policy.digest => next.policy = Arc::new(self.log.set(digest).map_err(failure)?),
            Some(_) => {}
            None => return Err(Failure::new("no policy set is in force any more")),
        }
        if !standing.shadows().iter().eq(next.shadows.iter().map(|shadow| &shadow.digest)) {
            next.shadows = shadows(&self.log)?;
        }
        Ok(())
    }

    /// What was done beside the gateway and is not on record yet: acts of `sluice halt` and `sluice credentials`, activations. A crash in between records one twice,
    /// never not at all.
    pub fn record(&self, store: &Store) -> Result<(), Failure> {
        let put = |draft: Draft| -> Result<u64, Failure> {
            let sealed = store.seal(&draft).map_err(failure)?;
            Ok(store.append_and_wait(sealed).map_err(failure)?.index)
        };
        for (number, act) in self.files.halts.current().map_err(failure)?.unrecorded() {
            let record = put(act.draft(number).map_err(failure)?)?;
            self.files.halts.mark_recorded(number, record).map_err(failure)?;
        }
        for (number, act) in self.files.labels.current().map_err(failure)?.unrecorded() {
            let record = put(act.draft(number).map_err(failure)?)?;
            self.files.labels.mark_recorded(number, record).map_err(failure)?;
        }
        self.issued.record(|number, act| put(act.draft(number).map_err(failure)?))?;
        for (number, entry) in self.log.unrecorded().map_err(failure)? {
            let record = put(entry.draft().map_err(failure)?)?;
            self.log.mark_recorded(number, record).map_err(failure)?;
        }
        Ok(())
    }

    /// Everybody, and how many by name: for operators.
    pub fn halted(&self) -> (bool, u64) {
        match self.files.halts.current() {
            Ok(halts) if !self.now().unreadable => (halts.everyone().is_some(), u64::try_from(halts.callers().count()).unwrap_or(u64::MAX)),
            _ => (true, 0),
        }
    }

    fn keep(&self, origin: Origin, computed: bool, columns: Vec<(ColumnPath, String)>) -> Result<(), KeepFault> {
        let fault = |fault: StoreFault| KeepFault(fault.to_string());
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.files.labels.add(&Labelling { origin, computed, at, columns }).map_err(fault)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        now.known = known_columns(&self.files.labels).map_err(fault)?;
        now.carried = carried_tables(&self.files.labels).map_err(fault)?;
        Ok(())
    }

    fn now(&self) -> Now {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl InForce for Force {
    fn policy(&self) -> Arc<PolicySet> {
        self.now().policy
    }

    fn shadows(&self) -> Vec<Arc<PolicySet>> {
        self.now().shadows
    }

    fn halt(&self) -> Arc<Halt> {
        match self.files.halts.current() {
            Ok(halts) if !self.now().unreadable => Arc::new(halt(&halts)),
            _ => Arc::new(Halt::everyone()),
        }
    }

    fn known(&self) -> Arc<Known> {
        self.now().known
    }

    fn carries(&self, table: &TableName) -> bool {
        self.now().carried.contains(&table.to_string().to_lowercase())
    }

    fn carry(&self, request: Subject, labels: &[Inherited]) -> Result<(), KeepFault> {
        for computed in [true, false] {
            let labels = labels.iter().filter(|kept| kept.computed == computed);
            let columns: Vec<(ColumnPath, String)> = labels.map(|kept| (kept.column.clone(), kept.label.clone())).collect();
            if !columns.is_empty() {
                self.keep(Origin::Carried(request), computed, columns)?;
            }
        }
        Ok(())
    }

    fn remember(&self, tags: &[(ColumnPath, String)]) -> Result<(), KeepFault> {
        self.keep(Origin::Tagged, false, tags.to_vec())
    }

    fn label_found(&self, column: &ColumnPath, label: &str, record: u64) -> Result<(), KeepFault> {
        self.keep(Origin::Found(record), false, vec![(column.clone(), label.to_owned())])
    }

    fn counters(&self) -> &dyn Counters {
        &self.files.usage
    }

    fn revocations(&self) -> Arc<Revocations> {
        self.now().revocations
    }

    fn issued(&self) -> Arc<IssuedCredentials> {
        self.now().issued.credentials
    }

    fn end_session(&self, id: &str) -> Result<(), SealFault> {
        let fault = |fault: StoreFault| SealFault(fault.to_string());
        self.files.revocations.add(&Revocation::Session(id.to_owned())).map_err(fault)?;
        let revocations = self.issued.called_off(&self.now().issued, self.files.revocations.current().map_err(fault)?);
        self.now.write().unwrap_or_else(PoisonError::into_inner).revocations = revocations;
        Ok(())
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

fn known_columns(file: &KeptLabelsFile) -> Result<Arc<Known>, StoreFault> {
    Ok(Arc::new(file.current()?.known().clone()))
}

fn carried_tables(file: &KeptLabelsFile) -> Result<Arc<BTreeSet<String>>, StoreFault> {
    let kept = file.current()?;
    let carried = kept.labellings().iter().filter(|labelling| matches!(labelling.origin, Origin::Carried(_)));
    Ok(Arc::new(carried.flat_map(|labelling| &labelling.columns).map(|(column, _)| column.table.to_string().to_lowercase()).collect()))
}

fn halt(halts: &Halts) -> Halt {
    Halt::new(halts.everyone().is_some(), halts.callers().map(|(name, _)| name.to_owned()))
}

fn shadows(log: &FolderLog) -> Result<Vec<Arc<PolicySet>>, Failure> {
    let standing = log.standing().map_err(failure)?;
    standing.shadows().iter().map(|digest| log.set(digest).map(Arc::new).map_err(failure)).collect()
}
