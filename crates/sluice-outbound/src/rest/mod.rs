//! One server that is called again and again: pooled connections, answers read up to a limit, nothing that leads elsewhere.

mod body;
mod client;
mod endpoint;
mod link;
mod target;
mod to_come;

pub use client::{Answer, Call, Client, ClientSettings, ExchangeFault};
pub use endpoint::Endpoint;
pub use link::connect;
pub use target::{encoded, is_plain_path, with_query};
pub use to_come::Rest;
