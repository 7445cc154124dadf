//! Identity from outside: tokens signed by keys that are made for this run, against the same configuration in every test.

mod access;
mod attacks;
mod bits;
mod corpus;
mod honest;
mod issuer;
mod keys;
mod mint;
mod settings;
