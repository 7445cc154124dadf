//! Keys that are made on this machine: Ed25519, and RSA where Google's libraries sign with nothing else.

use crate::command::Failure;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RsaPublicKeyComponents};
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

/// A key of 2048 bits. Its private part is for one file.
pub struct MadeRsaKey {
    pub private_pem: String,
    pub modulus: Vec<u8>,
}

/// PKCS #8 in PEM.
pub fn new_pem() -> Result<String, Failure> {
    Ok(pem(&MadeKey::new()?.pkcs8))
}

impl MadeRsaKey {
    pub fn new() -> Result<MadeRsaKey, Failure> {
        let failed = || Failure::new("this machine makes no keys");
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
        let pkcs8: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| failed())?;
        let modulus = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key()).n;
        Ok(MadeRsaKey { private_pem: pem(pkcs8.as_ref()), modulus })
    }
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

fn pem(pkcs8: &[u8]) -> String {
    let body = STANDARD.encode(pkcs8);
    let lines: Vec<&[u8]> = body.as_bytes().chunks(PEM_LINE_BYTES).collect();
    let lines: Vec<String> = lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
