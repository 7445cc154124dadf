//! The gateway's signing key: Ed25519, because it signs without randomness. Its id is the digest of its public part.

use crate::signature;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

pub struct SigningKey {
    private: EncodingKey,
    public: PublicKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    point: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyFault {
    NoKey,
    Twice,
}

impl SigningKey {
    /// PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(text: &str) -> Result<SigningKey, SigningKeyFault> {
        let body = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(SigningKeyFault::NoKey)?;
        let body: String = body.split_ascii_whitespace().collect();
        let pkcs8 = STANDARD.decode(body).map_err(|_| SigningKeyFault::NoKey)?;
        SigningKey::from_pkcs8(&pkcs8)
    }

    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<SigningKey, SigningKeyFault> {
        let point = signature::public_part(pkcs8).ok_or(SigningKeyFault::NoKey)?;
        Ok(SigningKey { private: EncodingKey::from_ed_der(pkcs8), public: PublicKey { point } })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        signature::sign(&self.private, text)
    }
}

impl PublicKey {
    /// The 32 bytes of the point, as `SigningKey::public` gave them before a rotation.
    pub fn from_point(point: [u8; 32]) -> PublicKey {
        PublicKey { point: point.to_vec() }
    }

    pub fn point(&self) -> &[u8] {
        &self.point
    }

    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.point))
    }

    pub(super) fn published(&self) -> Value {
        let point = URL_SAFE_NO_PAD.encode(&self.point);
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id(), "x": point })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("id", &self.public.id()).finish_non_exhaustive()
    }
}

impl fmt::Display for SigningKeyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SigningKeyFault::NoKey => "not an Ed25519 key in PKCS #8",
            SigningKeyFault::Twice => "a key that was replaced is also the current one",
        })
    }
}

impl std::error::Error for SigningKeyFault {}
