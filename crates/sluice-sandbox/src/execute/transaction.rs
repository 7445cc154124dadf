//! Transactions: all or nothing, on a copy. Whoever commits second a change to the same table fails.

use super::driver::Driver;
use super::warehouse::aborted;
use super::world::{Temporary, World};
use crate::problem::Problem;
use crate::store::Working;

/// Outside of a transaction a statement is tried again when another one was first.
const TRIES_MAX: usize = 20;

pub struct Transaction {
    pub working: Working,
    /// As it was when the transaction began.
    temporary: Temporary,
}

impl Driver<'_> {
    /// Makes a change: to the open transaction, or to the warehouse at once.
    pub fn change<T>(&mut self, change: impl Fn(&World<'_>, &mut Working) -> Result<T, Problem>) -> Result<T, Problem> {
        if let Some(mut transaction) = self.transaction.take() {
            let state = transaction.working.state.clone();
            let result = change(&self.world(&state), &mut transaction.working);
            self.transaction = Some(transaction);
            return result;
        }
        for _ in 0..TRIES_MAX {
            let state = self.warehouse.snapshot();
            let mut working = Working::new(state.clone());
            let result = change(&self.world(&state), &mut working)?;
            self.settings.check_cancelled()?;
            if self.warehouse.commit(&working)? {
                return Ok(result);
            }
        }
        Err(aborted())
    }

    pub fn transact(&mut self, kind: &str) -> Result<(), Problem> {
        let none = || Problem::invalid_query("There is no active transaction");
        match kind {
            "BEGIN_TRANSACTION" if self.transaction.is_some() => Err(Problem::invalid_query("Nested transactions are not supported")),
            "BEGIN_TRANSACTION" => {
                let working = Working::new(self.warehouse.snapshot());
                self.transaction = Some(Transaction { working, temporary: self.temporary.clone() });
                Ok(())
            }
            "COMMIT_TRANSACTION" => {
                let transaction = self.transaction.take().ok_or_else(none)?;
                if self.warehouse.commit(&transaction.working)? { Ok(()) } else { Err(aborted()) }
            }
            _ => {
                let transaction = self.transaction.take().ok_or_else(none)?;
                self.temporary = transaction.temporary;
                Ok(())
            }
        }
    }

    /// BigQuery takes no DDL on permanent things inside a transaction.
    pub fn refuse_inside_transaction(&self) -> Result<(), Problem> {
        if self.transaction.is_some() {
            return Err(Problem::invalid_query("DDL statements on permanent entities are not supported inside a transaction"));
        }
        Ok(())
    }
}
