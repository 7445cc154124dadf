//! How a sandbox is started.

use crate::data::{DataSettings, PROJECT};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Settings {
    pub address: IpAddr,
    /// Zero takes a free one.
    pub port: u16,
    /// Of the Storage API, plain gRPC; zero takes a free one.
    pub storage_port: u16,
    pub project: String,
    pub location: String,
    /// Whoever shows one of these may come in. None: everybody may.
    pub tokens: Vec<Token>,
    pub data: DataSettings,
    /// Where tables are kept. What is there is loaded in place of `data`.
    pub folder: Option<PathBuf>,
    /// Opens the paths below `/sandbox/`: fault plan and request log.
    pub admin: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub bearer: String,
    pub user_email: String,
}

/// Of callers where no token is demanded.
pub const OPEN_USER_EMAIL: &str = "sandbox@acme.example";

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            storage_port: 0,
            project: PROJECT.to_owned(),
            location: "US".to_owned(),
            tokens: Vec::new(),
            data: DataSettings::default(),
            folder: None,
            admin: false,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Token of {}", self.user_email)
    }
}
