//! Ed25519 keys that are made on this machine.

use crate::command::Failure;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const PEM_LINE_BYTES: usize = 64;
/// What stands before the 32 bytes of the point in a public key of this kind (RFC 8410).
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signs, for demos and for new installations.
pub struct MadeKey {
    pkcs8: Vec<u8>,
    pair: Ed25519KeyPair,
}

/// PKCS #8 in PEM.
pub fn new_pem() -> Result<String, Failure> {
    let key = MadeKey::new()?;
    let body = STANDARD.encode(&key.pkcs8);
    let lines: Vec<&[u8]> = body.as_bytes().chunks(PEM_LINE_BYTES).collect();
    let lines: Vec<String> = lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}

impl MadeKey {
    pub fn new() -> Result<MadeKey, Failure> {
        let failed = || Failure::new("this machine makes no keys");
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new()).map_err(|_| failed())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.as_ref()).map_err(|_| failed())?;
        Ok(MadeKey { pkcs8: pkcs8.as_ref().to_vec(), pair })
    }

    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// As `sluice.toml` names keys: what `openssl pkey -pubout` prints between its lines.
    pub fn public_text(&self) -> String {
        STANDARD.encode([PUBLIC_HEAD.as_slice(), self.pair.public_key().as_ref()].concat())
    }

    /// As a key set names it.
    pub fn point_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }
}
