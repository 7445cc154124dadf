//! The program itself, run as a person runs it.

#[cfg(test)]
mod activation;
#[cfg(test)]
mod check;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod halt;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod ledger_broken_off;
#[cfg(test)]
mod ledger_expire;
#[cfg(test)]
mod ledger_find;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod program;
#[cfg(test)]
mod requests;
