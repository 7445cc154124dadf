//! The compact form of a token: three parts, a header of known members, claims. Nothing in here is believed yet.

use crate::algorithm::Algorithm;
use crate::json::{self, Object};
use crate::refusal::Reason;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
pub const KEY_ID_BYTES_MAX: usize = 256;

/// What may stand in a header. `crit`, `jku`, `jwk`, `x5u`, `x5c`, `b64` and `zip` change what a token means or whom it is believed from.
const HEADER_MEMBERS: &[&str] = &["alg", "kid", "typ", "x5t", "x5t#S256"];

#[derive(Debug)]
pub struct Compact<'a> {
    pub header: Header,
    pub claims: Object,
    /// The bytes under the signature.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub algorithm: Algorithm,
    pub key_id: String,
    /// `typ`; empty where it is absent.
    pub media_type: String,
}

impl<'a> Compact<'a> {
    pub fn read(token: &'a [u8]) -> Result<Compact<'a>, Reason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TokenTooLong { bytes: token.len() });
        }
        let text = std::str::from_utf8(token).map_err(|_| Reason::TokenMalformed("not text"))?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Reason::TokenMalformed("fewer than three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::TokenMalformed("fewer than three parts"))?;
        if claims.contains('.') {
            return Err(Reason::TokenMalformed("more than three parts"));
        }
        let header = object(header, "the header is not base64url").and_then(|found| found.map_err(Reason::HeaderMalformed))?;
        let claims = object(claims, "the claims are not base64url").and_then(|found| found.map_err(Reason::ClaimsMalformed))?;
        let signature = decode(signature, "the signature is not base64url")?;
        Ok(Compact { header: Header::read(&header)?, claims, signed: signed.as_bytes(), signature })
    }

    /// Of what was signed, because an ECDSA signature can be written in two ways.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.signed).into()
    }
}

impl Header {
    fn read(members: &Object) -> Result<Header, Reason> {
        if let Some(name) = members.keys().find(|name| !HEADER_MEMBERS.contains(&name.as_str())) {
            return Err(Reason::HeaderMemberRefused(name.clone()));
        }
        let word = text(members, "alg")?.ok_or_else(|| Reason::HeaderMalformed("`alg` is missing".to_owned()))?;
        let algorithm = Algorithm::parse(word).ok_or_else(|| Reason::AlgorithmRefused(word.to_owned()))?;
        let key_id = text(members, "kid")?.ok_or_else(|| Reason::HeaderMalformed("`kid` is missing".to_owned()))?;
        if key_id.is_empty() || key_id.len() > KEY_ID_BYTES_MAX || !key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Reason::HeaderMalformed("`kid` is not a short printable text".to_owned()));
        }
        for thumbprint in ["x5t", "x5t#S256"] {
            text(members, thumbprint)?;
        }
        let media_type = text(members, "typ")?.unwrap_or_default().to_owned();
        Ok(Header { algorithm, key_id: key_id.to_owned(), media_type })
    }
}

fn text<'a>(members: &'a Object, name: &str) -> Result<Option<&'a str>, Reason> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::HeaderMalformed(format!("`{name}` is not a text"))),
    }
}

fn object(part: &str, fault: &'static str) -> Result<Result<Object, String>, Reason> {
    Ok(json::read_object(&decode(part, fault)?).map_err(|fault| fault.0))
}

/// The engine takes no padding, no other alphabet, no white space, and no bits behind the last byte: one text for one meaning.
fn decode(part: &str, fault: &'static str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::TokenMalformed(fault))
}
