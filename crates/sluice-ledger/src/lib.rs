//! The format of the evidence. Pure: files, clock and randomness are arguments.

pub mod checkpoint;
pub mod cosignature;
pub mod note;
pub mod tree;
