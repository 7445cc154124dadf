//! What goes out, against servers on this machine.

#[cfg(test)]
mod catalog;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod double;
#[cfg(test)]
mod execution;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod https;
#[cfg(test)]
mod key_cache;
#[cfg(test)]
mod long_pages;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod script;
