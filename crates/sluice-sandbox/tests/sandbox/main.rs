//! The warehouse from outside: its library, and its HTTP door.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod http;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod server;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod warehouse;
