//! The format of the evidence. Pure: files, clock and randomness are arguments.

pub mod tree;
