//! Key fetching against a scripted issuer, and the fetcher itself against a TLS server on this machine.

#[cfg(test)]
mod https;
#[cfg(test)]
mod key_cache;
#[cfg(test)]
mod script;
