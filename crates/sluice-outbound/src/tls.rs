//! Whose certificates are believed. One provider of cryptography, HTTP/1.1 where nobody says otherwise, no certificate of our own.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Those of the machine. Reading them takes long.
pub fn believing_machine() -> Result<Arc<ClientConfig>, String> {
    believing(rustls_native_certs::load_native_certs().certs)
}

/// Those of one file and no others.
pub fn believing_file(path: &str) -> Result<Arc<ClientConfig>, String> {
    let fault = |error: rustls::pki_types::pem::Error| error.to_string();
    believing(CertificateDer::pem_file_iter(path).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)?)
}

/// The same for who speaks HTTP/2 alone.
pub fn for_http2(configuration: &ClientConfig) -> Arc<ClientConfig> {
    let mut configuration = configuration.clone();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(configuration)
}

fn believing(certificates: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err("none to believe".to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut configuration = builder.with_root_certificates(roots).with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
