//! Signatures, the one thing that another library computes for us. It is asked directly: no global provider, no header or claims of its own.

use crate::algorithm::Algorithm;
use crate::json::Object;
use crate::keys::KeySet;
use crate::refusal::Reason;
use crate::token::{Compact, Header};
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{DecodingKey, EncodingKey};
use std::collections::BTreeSet;

/// Claims that the holder of a key has signed. Made here alone; whatever judges claims for a `Caller` asks for it.
#[derive(Debug)]
pub struct Signed {
    claims: Object,
    header: Header,
    digest: [u8; 32],
    keys_digest: [u8; 32],
}

impl Signed {
    /// The algorithm is the issuer's choice and must fit the key; the header only says which of the allowed ones was used.
    pub fn verify(token: Compact<'_>, keys: &KeySet, allowed: &BTreeSet<Algorithm>) -> Result<Signed, Reason> {
        let algorithm = token.header.algorithm;
        if !allowed.contains(&algorithm) {
            return Err(Reason::AlgorithmRefused(algorithm.word().to_owned()));
        }
        let key = keys.find(&token.header.key_id).ok_or_else(|| Reason::KeyUnknown(token.header.key_id.clone()))?;
        if !key.fits(algorithm) {
            return Err(Reason::AlgorithmRefused(algorithm.word().to_owned()));
        }
        if !is_signed(&key.decoding, algorithm, token.signed, &token.signature) {
            return Err(Reason::SignatureWrong);
        }
        let digest = token.digest();
        Ok(Signed { claims: token.claims, header: token.header, digest, keys_digest: keys.digest() })
    }

    pub fn claims(&self) -> &Object {
        &self.claims
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub fn keys_digest(&self) -> [u8; 32] {
        self.keys_digest
    }
}

fn is_signed(key: &DecodingKey, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
    let verifier = (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm.mathematics(), key);
    verifier.is_ok_and(|verifier| verifier.verify(signed, &signature.to_vec()).is_ok())
}

/// Ed25519 needs no randomness, so that signing is pure too.
pub fn sign(key: &EncodingKey, text: &[u8]) -> Option<Vec<u8>> {
    let signer = (aws_lc::DEFAULT_PROVIDER.signer_factory)(&Algorithm::EdDsa.mathematics(), key).ok()?;
    signer.try_sign(text).ok()
}

pub fn public_part(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let curve = jsonwebtoken::jwk::EllipticCurve::Ed25519;
    (aws_lc::DEFAULT_PROVIDER.key_utils.ed_pub_components_from_private_key)(pkcs8, &curve).ok()
}
