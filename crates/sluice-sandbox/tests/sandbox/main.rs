//! The warehouse from outside: its library, its HTTP door, and the Storage API.

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
mod storage;
#[cfg(test)]
mod storage_cells;
#[cfg(test)]
mod storage_client;
#[cfg(test)]
mod storage_rows;
#[cfg(test)]
mod storage_sessions;
#[cfg(test)]
mod storage_write;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod warehouse;
