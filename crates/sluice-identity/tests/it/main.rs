//! Identity from outside: tokens signed by keys that are made for this run, against the same configuration in every test.

#[cfg(test)]
mod access;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod bits;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod issued;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod mint;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod settings;
