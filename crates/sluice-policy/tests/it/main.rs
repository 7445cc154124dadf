//! Everything that can be seen from outside of the crate.

#[cfg(test)]
mod caller;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod cedar;
#[cfg(test)]
mod historical;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mint;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod starter;
