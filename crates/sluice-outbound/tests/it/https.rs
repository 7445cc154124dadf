//! A server on this machine that answers as each test likes, with a certificate made for the run.

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sluice_outbound::{Fetch, FetchFault, Https, Page, Target};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub struct Server {
    pub port: u16,
    pub certificates_file: String,
}

/// Answers every connection with these bytes, after it has read a request.
pub async fn serve(name: &str, answer: Vec<u8>) -> Server {
    let wait = if answer.is_empty() { Duration::from_secs(60) } else { Duration::ZERO };
    drip(name, answer, Vec::new(), wait).await
}

/// The same, and then the other bytes again and again, with a pause before each.
async fn drip(name: &str, answer: Vec<u8>, again: Vec<u8>, pause: Duration) -> Server {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificates_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{port}.pem"));
    std::fs::write(&certificates_file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(&answer).await);
            tokio::time::sleep(pause).await;
            while !again.is_empty() && stream.write_all(&again).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
            drop(stream.shutdown().await);
        }
    });
    Server { port, certificates_file: certificates_file.to_str().unwrap().to_owned() }
}

async fn get(server: &Server, host: &str, private_addresses: bool, certificates: bool) -> Result<Page, FetchFault> {
    let certificates_file = certificates.then(|| server.certificates_file.clone());
    let url = format!("https://{host}:{}/keys", server.port);
    Https::default().get(&Target { url, bytes_max: 1000, private_addresses, certificates_file }).await
}

fn text(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn check(answer: Vec<u8>, expect: Result<(&str, Option<u64>), FetchFault>) {
    let shown = String::from_utf8_lossy(&answer).chars().take(60).collect::<String>();
    let found = get(&serve("localhost", answer).await, "localhost", true, true).await;
    let expect = expect.map(|(body, max_age_seconds)| Page { body: body.as_bytes().to_vec(), max_age_seconds });
    assert_eq!(found, expect, "{shown}");
}

#[tokio::test]
async fn pages_are_read() {
    check(text("200 OK", "{}"), Ok(("{}", None))).await;
    check(text("200 OK\r\nCache-Control: public, max-age=600", "{}"), Ok(("{}", Some(600)))).await;
    check(text("200 OK\r\nCache-Control: max-age=x", "{}"), Ok(("{}", None))).await;
    check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_vec(), Ok(("{}", None))).await;
}

#[tokio::test]
async fn nothing_leads_elsewhere() {
    for status in ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"] {
        check(text(&format!("{status}\r\nLocation: https://169.254.169.254/"), ""), Err(FetchFault::Redirect)).await;
    }
    check(b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}".to_vec(), Err(FetchFault::Status(101))).await;
    for status in [204, 206, 400, 401, 404, 500, 503] {
        check(text(&format!("{status} x"), ""), Err(FetchFault::Status(status))).await;
    }
}

#[tokio::test]
async fn sizes_are_limited() {
    let large = Err(FetchFault::TooLarge { bytes_max: 1000 });
    check(text("200 OK", &"x".repeat(1000)), Ok((&"x".repeat(1000), None))).await;
    check(text("200 OK", &"x".repeat(1001)), large.clone()).await;
    check(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(5000)).into_bytes(), large).await;
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx".to_owned(),
        "nonsense".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(100)),
        format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(200_000)),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}".to_owned(),
    ] {
        let server = serve("localhost", broken.clone().into_bytes()).await;
        assert!(matches!(get(&server, "localhost", true, true).await, Err(FetchFault::Unreachable(_))), "{broken}");
    }
}

#[tokio::test]
async fn a_server_that_waits_is_left() {
    let server = serve("localhost", Vec::new()).await;
    assert_eq!(get(&server, "localhost", true, true).await, Err(FetchFault::Deadline));
}

/// What is compressed is not unpacked: a small answer stays small, and it is no key set.
#[tokio::test]
async fn nothing_is_unpacked() {
    check(text("200 OK\r\nContent-Encoding: gzip", "\u{1f}gzip"), Ok(("\u{1f}gzip", None))).await;
}

/// A body without an end, and one that comes drop by drop.
#[tokio::test]
async fn servers_that_never_end_are_left() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (drop, pause, expect) in [
        (b"10\r\nxxxxxxxxxxxxxxxx\r\n".to_vec(), Duration::ZERO, FetchFault::TooLarge { bytes_max: 1000 }),
        (b"1\r\nx\r\n".to_vec(), Duration::from_millis(200), FetchFault::Deadline),
    ] {
        let server = drip("localhost", head.clone(), drop, pause).await;
        let started = Instant::now();
        assert_eq!(get(&server, "localhost", true, true).await, Err(expect), "{pause:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{pause:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn nothing_is_read_without_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unknown = serve("localhost", text("200 OK", "{}")).await;
    let server = Server { port: listener.local_addr().unwrap().port(), certificates_file: unknown.certificates_file };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(&text("200 OK", "{}")).await);
        }
    });
    assert!(matches!(get(&server, "localhost", true, true).await, Err(FetchFault::Unreachable(_))));
    let target =
        Target { url: format!("http://localhost:{}/keys", server.port), bytes_max: 1000, private_addresses: true, certificates_file: None };
    assert!(matches!(Https::default().get(&target).await, Err(FetchFault::Address(_))));
}

#[tokio::test]
async fn certificates_are_checked() {
    let stranger = serve("other.example", text("200 OK", "{}")).await;
    assert!(matches!(get(&stranger, "localhost", true, true).await, Err(FetchFault::Unreachable(_))));
    let unknown = serve("localhost", text("200 OK", "{}")).await;
    let found = get(&unknown, "localhost", true, false).await;
    assert!(matches!(found, Err(FetchFault::Unreachable(_) | FetchFault::Certificates(_))), "{found:?}");
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let server = serve("localhost", text("200 OK", "{}")).await;
    for host in ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "10.0.0.1", "169.254.169.254"] {
        let found = get(&server, host, false, true).await;
        assert!(matches!(found, Err(FetchFault::Address(_) | FetchFault::Unreachable(_))), "{host}: {found:?}");
    }
    for host in ["localhost", "127.0.0.1"] {
        assert!(matches!(get(&server, host, false, true).await, Err(FetchFault::Address(_))), "{host}");
    }
    assert!(matches!(get(&server, "169.254.169.254", true, true).await, Err(FetchFault::Address(_))));
}
