//! What the gateway calls. So far: the key sets of issuers, fetched with suspicion and kept for as long as they may be believed.

mod address;
mod discovery;
mod https;
mod key_cache;

pub use address::is_public;
pub use https::{Fetch, FetchFault, Https, Page, Target};
pub use key_cache::{KeyCache, KeysChanged};
