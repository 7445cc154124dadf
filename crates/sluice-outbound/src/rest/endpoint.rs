//! Where a server is, and which addresses its name may lead to.

use rustls::pki_types::ServerName;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A server and the path that all its methods are below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub secure: bool,
    pub host: String,
    pub port: u16,
    /// Empty, or with a slash before it and none behind it.
    pub path: String,
    pub reach: Reach,
}

/// Where it may be. A token in plain HTTP stays on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over TLS: the certificate says who it is.
    Anywhere,
    Loopback,
    /// Loopback, or the machine's own metadata: no router lets those addresses through.
    Machine,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    Malformed(String),
    /// Plain HTTP to somewhere else.
    Plain(String),
}

/// Google's metadata server over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
const METADATA_HOSTS: [&str; 2] = ["metadata.google.internal", "metadata"];

impl Endpoint {
    /// `https://host[:port][/path]`; `http://` for loopback addresses alone.
    pub fn parse(url: &str) -> Result<Endpoint, EndpointFault> {
        let endpoint = Endpoint::read(url)?;
        let is_loopback = endpoint.host == "localhost" || endpoint.ip().is_some_and(|address| address.is_loopback());
        match (endpoint.secure, is_loopback) {
            (true, _) => Ok(endpoint),
            (false, true) => Ok(Endpoint { reach: Reach::Loopback, ..endpoint }),
            (false, false) => Err(EndpointFault::Plain(endpoint.host)),
        }
    }

    /// The same, and plain HTTP for the machine's own metadata.
    pub fn parse_on_machine(url: &str) -> Result<Endpoint, EndpointFault> {
        match Endpoint::parse(url) {
            Err(EndpointFault::Plain(host)) => {
                let endpoint = Endpoint { reach: Reach::Machine, ..Endpoint::read(url)? };
                let is_own = METADATA_HOSTS.contains(&host.as_str()) || endpoint.ip().is_some_and(|address| endpoint.leads_to(address));
                if is_own { Ok(endpoint) } else { Err(EndpointFault::Plain(host)) }
            }
            other => other,
        }
    }

    /// Whether a connection may go to this address.
    pub fn leads_to(&self, address: IpAddr) -> bool {
        match (self.reach, address) {
            (Reach::Anywhere, _) => true,
            (Reach::Loopback, address) => address.is_loopback(),
            (Reach::Machine, IpAddr::V4(address)) => address.is_loopback() || address == Ipv4Addr::new(169, 254, 169, 254),
            (Reach::Machine, IpAddr::V6(address)) => address.is_loopback() || address == METADATA_V6,
        }
    }

    /// As it stands in `Host`.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    pub fn is_same_server(&self, other: &Endpoint) -> bool {
        self.secure == other.secure && self.host == other.host && self.port == other.port
    }

    fn read(url: &str) -> Result<Endpoint, EndpointFault> {
        let malformed = || EndpointFault::Malformed(url.chars().take(200).collect());
        let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(malformed()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let bracketed = authority.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(malformed)?)),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let default = if secure { 443 } else { 80 };
        let port = port.map_or(Ok(default), |port| port.parse::<u16>().map_err(|_| malformed()))?;
        let host = host.to_ascii_lowercase();
        let path = path.trim_end_matches('/').to_owned();
        let is_known =
            ServerName::try_from(host.clone()).is_ok() && (path.is_empty() || super::is_plain_path(path.trim_start_matches('/')));
        if !is_known || port == 0 {
            return Err(malformed());
        }
        Ok(Endpoint { secure, host, port, path, reach: Reach::Anywhere })
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }
}

impl fmt::Display for EndpointFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointFault::Malformed(url) => write!(formatter, "`{}` is not an address of a server", url.escape_debug()),
            EndpointFault::Plain(host) => {
                write!(formatter, "plain HTTP to `{}`: what is not on this machine is called over TLS", host.escape_debug())
            }
        }
    }
}

impl std::error::Error for EndpointFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(parsed: Result<Endpoint, EndpointFault>) -> String {
        match parsed {
            Ok(endpoint) => format!("{} {} {} {:?}", endpoint.secure, endpoint.authority(), endpoint.path, endpoint.reach),
            Err(EndpointFault::Malformed(_)) => "malformed".to_owned(),
            Err(EndpointFault::Plain(host)) => format!("plain {host}"),
        }
    }

    #[test]
    fn only_loopback_is_called_in_plain() {
        let check = |url: &str, expect: &str| assert_eq!(said(Endpoint::parse(url)), expect, "{url}");
        check("https://bigquery.googleapis.com", "true bigquery.googleapis.com  Anywhere");
        check("https://BigQuery.googleapis.com:8443/prefix/", "true bigquery.googleapis.com:8443 /prefix Anywhere");
        check("http://127.0.0.1:9050", "false 127.0.0.1:9050  Loopback");
        check("http://127.9.9.9", "false 127.9.9.9  Loopback");
        check("http://localhost:80", "false localhost  Loopback");
        check("http://[::1]:9050/x", "false [::1]:9050 /x Loopback");
        check("http://10.0.0.1:9050", "plain 10.0.0.1");
        check("http://localhost.evil.example", "plain localhost.evil.example");
        check("http://169.254.169.254", "plain 169.254.169.254");
        check("http://metadata.google.internal", "plain metadata.google.internal");
        for url in [
            "",
            "bigquery.googleapis.com",
            "ftp://a",
            "https://",
            "https://a:b",
            "https://a:0",
            "https://u@a",
            "https://a b",
            "https://a/../b",
            "https://a?b",
            "https://a#b",
            "https://[::1",
            "https://a:99999",
            "https://a/b?c",
        ] {
            check(url, "malformed");
        }
    }

    #[test]
    fn metadata_stays_on_the_machine() {
        let check = |url: &str, expect: &str| assert_eq!(said(Endpoint::parse_on_machine(url)), expect, "{url}");
        check("http://metadata.google.internal", "false metadata.google.internal  Machine");
        check("http://169.254.169.254/computeMetadata", "false 169.254.169.254 /computeMetadata Machine");
        check("http://127.0.0.1:1", "false 127.0.0.1:1  Loopback");
        check("http://metadata.evil.example", "plain metadata.evil.example");
        check("http://169.254.1.1", "plain 169.254.1.1");
        let metadata = Endpoint::parse_on_machine("http://metadata.google.internal").unwrap();
        for (address, expect) in
            [("169.254.169.254", true), ("fd20:ce::254", true), ("127.0.0.1", true), ("8.8.8.8", false), ("10.0.0.1", false)]
        {
            assert_eq!(metadata.leads_to(address.parse().unwrap()), expect, "{address}");
        }
        let local = Endpoint::parse("http://localhost:1").unwrap();
        assert!(!local.leads_to("192.168.1.1".parse().unwrap()) && local.leads_to("::1".parse().unwrap()));
    }
}
