//! The program itself, run as a person runs it.

#[cfg(test)]
mod activation;
#[cfg(test)]
mod check;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod program;
