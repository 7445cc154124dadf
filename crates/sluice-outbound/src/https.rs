//! One GET over TLS, with nothing that could lead it elsewhere: no redirects, no proxies, no cookies, no retries. The address is
//! checked after it is resolved and is the one that is connected to, so a name cannot change its mind in between.

use crate::address::{is_never_an_issuer, is_public};
use crate::tls;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const DEADLINE_SECONDS: u64 = 5;
const ADDRESSES_MAX: usize = 8;
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Fetches one page. There are two: `Https`, and the double of the tests.
///
/// An answer is whole or a fault, at once or within seconds. Nothing is tried again; the caller decides when the next attempt may be.
pub trait Fetch: Send + Sync {
    fn get(&self, target: &Target) -> impl Future<Output = Result<Page, FetchFault>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Without a fault in the sense of `sluice_identity::url_fault`.
    pub url: String,
    pub bytes_max: usize,
    pub private_addresses: bool,
    pub certificates_file: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub body: Vec<u8>,
    /// Of `Cache-Control`.
    pub max_age_seconds: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchFault {
    Address(String),
    Certificates(String),
    Deadline,
    Document(String),
    Redirect,
    Status(u16),
    TooLarge { bytes_max: usize },
    Unreachable(String),
}

#[derive(Default)]
pub struct Https {
    /// Of the machine's own certificates, which take long to read. Others are read anew each time: clusters rotate them.
    configuration: OnceLock<Arc<ClientConfig>>,
}

impl Fetch for Https {
    async fn get(&self, target: &Target) -> Result<Page, FetchFault> {
        let deadline = Duration::from_secs(DEADLINE_SECONDS);
        tokio::time::timeout(deadline, self.exchange(target)).await.unwrap_or(Err(FetchFault::Deadline))
    }
}

impl Https {
    async fn exchange(&self, target: &Target) -> Result<Page, FetchFault> {
        let rest = target.url.strip_prefix("https://").ok_or_else(|| FetchFault::Address("not https".to_owned()))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let port: u16 = port.parse().map_err(|_| FetchFault::Address("not a port".to_owned()))?;
        let stream = connect(host, port, target.private_addresses).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchFault::Address("not a host".to_owned()))?;
        let configuration = self.configuration(target.certificates_file.as_ref())?;
        let stream = TlsConnector::from(configuration).connect(name, stream).await.map_err(unreachable)?;
        answer(stream, authority, path, target.bytes_max).await
    }

    fn configuration(&self, file: Option<&String>) -> Result<Arc<ClientConfig>, FetchFault> {
        if let Some(path) = file {
            return tls::believing_file(path).map_err(FetchFault::Certificates);
        }
        if let Some(held) = self.configuration.get() {
            return Ok(Arc::clone(held));
        }
        let made = tls::believing_machine().map_err(FetchFault::Certificates)?;
        Ok(Arc::clone(self.configuration.get_or_init(|| made)))
    }
}

/// A name that also leads to a private address is refused whole: which of its addresses is meant is its owner's choice.
async fn connect(host: &str, port: u16, private_addresses: bool) -> Result<TcpStream, FetchFault> {
    let resolved: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(unreachable)?.take(ADDRESSES_MAX).collect();
    if let Some(address) = refused_address(&resolved, private_addresses) {
        return Err(FetchFault::Address(format!("`{host}` leads to {address}, which is not public")));
    }
    let mut last = FetchFault::Unreachable("no address".to_owned());
    for address in resolved {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

fn refused_address(resolved: &[SocketAddr], private_addresses: bool) -> Option<IpAddr> {
    let is_refused = |address: &IpAddr| is_never_an_issuer(*address) || !(private_addresses || is_public(*address));
    resolved.iter().map(SocketAddr::ip).find(is_refused)
}

async fn answer(stream: TlsStream<TcpStream>, authority: &str, path: &str, bytes_max: usize) -> Result<Page, FetchFault> {
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(unreachable)?;
    // Ends with this function, however it ends.
    let mut background = JoinSet::new();
    background.spawn(connection);
    let request = Request::get(format!("/{path}"))
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "sluice")
        .body(Empty::new());
    let response = sender.send_request(request.map_err(unreachable)?).await.map_err(unreachable)?;
    if response.status().is_redirection() {
        return Err(FetchFault::Redirect);
    }
    if response.status() != StatusCode::OK {
        return Err(FetchFault::Status(response.status().as_u16()));
    }
    let max_age_seconds = max_age(&response);
    match Limited::new(response.into_body(), bytes_max).collect().await {
        Ok(body) => Ok(Page { body: body.to_bytes().to_vec(), max_age_seconds }),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchFault::TooLarge { bytes_max }),
        Err(error) => Err(FetchFault::Unreachable(error.to_string())),
    }
}

fn max_age<B>(response: &Response<B>) -> Option<u64> {
    let text = response.headers().get(header::CACHE_CONTROL)?.to_str().ok()?;
    text.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
}

fn unreachable(error: impl fmt::Display) -> FetchFault {
    FetchFault::Unreachable(error.to_string())
}

impl fmt::Display for FetchFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFault::Address(fault) => write!(formatter, "address refused: {fault}"),
            FetchFault::Certificates(fault) => write!(formatter, "certificates: {fault}"),
            FetchFault::Deadline => write!(formatter, "no answer within {DEADLINE_SECONDS} seconds"),
            FetchFault::Document(fault) => write!(formatter, "the issuer's document: {fault}"),
            FetchFault::Redirect => formatter.write_str("a redirect, which is not followed"),
            FetchFault::Status(status) => write!(formatter, "status {status}"),
            FetchFault::TooLarge { bytes_max } => write!(formatter, "more than {bytes_max} bytes"),
            FetchFault::Unreachable(fault) => write!(formatter, "unreachable: {fault}"),
        }
    }
}

impl std::error::Error for FetchFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &str, private_addresses: bool, expect: Option<&str>) {
        let resolved: Vec<SocketAddr> = addresses.split(' ').map(|address| SocketAddr::new(address.parse().unwrap(), 443)).collect();
        let expect = expect.map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(refused_address(&resolved, private_addresses), expect, "{addresses}");
    }

    /// What a resolver answers is judged as a whole: a name that mixes public and private addresses would be led to one of them by chance.
    #[test]
    fn one_refused_address_refuses_the_name() {
        check("8.8.8.8 2606:4700::1111", false, None);
        check("8.8.8.8 127.0.0.1", false, Some("127.0.0.1"));
        check("10.0.0.1 8.8.8.8", false, Some("10.0.0.1"));
        check("8.8.8.8 ::ffff:192.168.1.1", false, Some("::ffff:192.168.1.1"));
        check("10.0.0.1 8.8.8.8 127.0.0.1", true, None);
        check("10.0.0.1 169.254.169.254", true, Some("169.254.169.254"));
        check("10.0.0.1 fd00:ec2::254", true, Some("fd00:ec2::254"));
        check("10.0.0.1 0.0.0.0", true, Some("0.0.0.0"));
    }
}
