//! The kill switch. Given in with every decision, also with every page of rows, so that it takes effect on the next one.

use sluice_model::Principal;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Halt {
    everyone: bool,
    callers: BTreeSet<String>,
}

impl Halt {
    /// As the file of halts has it: everyone, and besides them those who are halted by name.
    pub fn new(everyone: bool, callers: impl IntoIterator<Item = String>) -> Halt {
        Halt { everyone, callers: callers.into_iter().collect() }
    }

    pub fn everyone() -> Halt {
        Halt { everyone: true, callers: BTreeSet::new() }
    }

    pub fn callers(callers: impl IntoIterator<Item = String>) -> Halt {
        Halt { everyone: false, callers: callers.into_iter().collect() }
    }

    pub fn stops(&self, caller: &str) -> bool {
        self.everyone || self.callers.contains(caller)
    }

    /// A hand does not go on for somebody who is stopped, and nobody goes on through a hand that is.
    pub fn stops_any(&self, principal: &Principal) -> bool {
        self.everyone || !self.callers.is_empty() && principal.everyone().any(|name| self.callers.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_stops_one_or_all() {
        let one = Halt::callers(["a".to_owned()]);
        for (halt, caller, expect) in
            [(Halt::default(), "a", false), (one.clone(), "a", true), (one, "b", false), (Halt::everyone(), "b", true)]
        {
            assert_eq!(halt.stops(caller), expect, "{halt:?} {caller}");
        }
    }
}
