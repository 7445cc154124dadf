//! The token door over real connections, with a real gateway, a real ledger and real signatures behind it.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod google;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod world;
