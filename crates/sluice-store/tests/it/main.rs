//! The store from outside, on a disk that fails when it is told to.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod failure;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod halts;
#[cfg(test)]
mod image;
#[cfg(test)]
mod index;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod replaced;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod script;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod world;
