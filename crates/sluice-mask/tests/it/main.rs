//! Everything that can be seen from outside of the crate.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod joining;
#[cfg(test)]
mod message;
#[cfg(test)]
mod permit;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod streams;
