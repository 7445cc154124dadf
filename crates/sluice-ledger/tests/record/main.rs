//! Records, keys and grammar from outside, compared with naive references.

#[cfg(test)]
mod content;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod leaf;
#[cfg(test)]
mod mint;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod sections;
