//! The verifier from outside: honest ledgers, attacks, flipped bits, single records, the witness.

#[cfg(test)]
mod book;
#[cfg(test)]
mod clinic;
#[cfg(test)]
mod honest;
