//! The certificate of the TLS door. It is read again when its files change, so renewing it needs no restart; files that do not fit keep the old one.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Between two looks at the files.
const LOOK_SECONDS: u64 = 5;

pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    configuration: Arc<ServerConfig>,
    version: Option<(SystemTime, SystemTime)>,
    looked: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFault(pub String);

impl Certificate {
    /// PEM files: the chain, the own certificate first, and its private key.
    pub fn read(chain: &Path, key: &Path) -> Result<Certificate, CertificateFault> {
        let held = Held { version: version(chain, key), configuration: configuration(chain, key)?, looked: Instant::now() };
        Ok(Certificate { chain: chain.to_owned(), key: key.to_owned(), held: Mutex::new(held) })
    }

    pub(super) fn configuration(&self) -> Arc<ServerConfig> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= Duration::from_secs(LOOK_SECONDS) {
            held.looked = Instant::now();
            let now = version(&self.chain, &self.key);
            if now != held.version
                && let Ok(configuration) = configuration(&self.chain, &self.key)
            {
                held.configuration = configuration;
                held.version = now;
            }
        }
        Arc::clone(&held.configuration)
    }
}

fn version(chain: &Path, key: &Path) -> Option<(SystemTime, SystemTime)> {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    Some((modified(chain)?, modified(key)?))
}

fn configuration(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateFault> {
    let fault = |path: &Path, error: String| CertificateFault(format!("{}: {error}", path.display()));
    let certificates = CertificateDer::pem_file_iter(chain).map_err(|error| fault(chain, error.to_string()))?;
    let certificates: Vec<CertificateDer<'static>> =
        certificates.collect::<Result<_, _>>().map_err(|error| fault(chain, error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| CertificateFault(error.to_string()))?;
    let configuration = builder.with_no_client_auth().with_single_cert(certificates, private);
    let mut configuration = configuration.map_err(|error| fault(chain, error.to_string()))?;
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for CertificateFault {}
