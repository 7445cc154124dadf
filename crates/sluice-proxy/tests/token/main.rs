//! The token door over real connections, with a real gateway, a real ledger and real signatures behind it.

#[cfg(test)]
#[cfg(test)]
mod attacks;
#[cfg(test)]
#[cfg(test)]
mod exchange;
#[cfg(test)]
#[cfg(test)]
mod google;
#[cfg(test)]
#[cfg(test)]
mod ports;
#[cfg(test)]
#[cfg(test)]
mod world;
