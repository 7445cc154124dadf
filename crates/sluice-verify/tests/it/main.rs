//! The verifier from outside: honest ledgers, attacks, flipped bits, single records, the witness.

#[cfg(test)]
mod attack;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bits;
#[cfg(test)]
mod book;
#[cfg(test)]
mod clinic;
#[cfg(test)]
mod command;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod single;
#[cfg(test)]
mod store;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod witness;
