//! An analysis, written for machines and for people.

pub mod json;
pub mod policy;
pub mod requests;
pub mod text;
