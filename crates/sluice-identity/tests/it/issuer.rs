//! Eight issuers with keys of their own, made once for each run of the tests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use aws_lc_rs::{hmac, signature::RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sluice_identity::{
    AccessTokens, Caller, Identity, IssuedCredentials, KeySet, Presented, Purpose, Refusal, Revocations, SigningKey, check,
};
use std::path::PathBuf;
use std::sync::OnceLock;

pub const NOW: u64 = 1_795_000_000;
pub const SHAPES: [&str; 8] = ["aws", "entra", "github", "gitlab", "google", "kubernetes", "oidc", "spiffe"];

pub struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

/// The issuers' own, and those of someone who would like to be one.
pub struct World {
    pub identity: Identity,
    pub key_set: KeySet,
    pub ours: Keys,
    pub strangers: Keys,
    /// That of the gateway itself.
    pub own: Ed25519KeyPair,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let ours = Keys::make();
        let key_set = KeySet::read(ours.published().to_string().as_bytes()).unwrap();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let own = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        World { identity: identity(pkcs8.as_ref()), key_set, ours, strangers: Keys::make(), own }
    })
}

fn identity(pkcs8: &[u8]) -> Identity {
    let checked = check(&data("identity.toml")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let settings = checked.access.clone().unwrap();
    let access = AccessTokens::new(settings, SigningKey::from_pkcs8(pkcs8).unwrap(), &[]).unwrap();
    Identity::new(checked, Some(access))
}

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn data(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn honest_claims(shape: &str) -> Map<String, Value> {
    let Value::Object(mut claims) = serde_json::from_str(&data(&format!("honest/{shape}.json"))).unwrap() else { panic!("no object") };
    for name in ["exp", "iat", "nbf"] {
        if let Some(Value::String(text)) = claims.get(name) {
            let moment = moment(text).unwrap();
            claims.insert(name.to_owned(), moment);
        }
    }
    claims
}

pub fn algorithm(shape: &str) -> &'static str {
    match shape {
        "aws" => "ES384",
        "oidc" => "EdDSA",
        "spiffe" => "ES256",
        _ => "RS256",
    }
}

pub fn honest_header(shape: &str) -> Map<String, Value> {
    let header = match shape {
        "kubernetes" => json!({ "alg": "RS256", "kid": "RS256" }),
        "entra" => json!({ "typ": "JWT", "alg": "RS256", "x5t": "abc", "kid": "RS256" }),
        "oidc" => json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "EdDSA" }),
        _ => json!({ "alg": algorithm(shape), "kid": algorithm(shape), "typ": "JWT" }),
    };
    header.as_object().unwrap().clone()
}

pub fn honest_token(shape: &str) -> String {
    token(&Value::Object(honest_header(shape)).to_string(), &Value::Object(honest_claims(shape)).to_string(), &world().ours)
}

/// Signs with what the header asks for, whether or not anyone should.
pub fn token(header: &str, claims: &str, keys: &Keys) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let algorithm = serde_json::from_str::<Value>(header).ok().and_then(|header| Some(header.get("alg")?.as_str()?.to_owned()));
    let signature = keys.sign(algorithm.as_deref().unwrap_or("RS256"), signed.as_bytes());
    format!("{signed}.{}", encode(&signature))
}

pub fn verify(token: &[u8]) -> Result<Caller, Refusal> {
    verify_at(token, &Revocations::default(), NOW)
}

pub fn verify_at(token: &[u8], revocations: &Revocations, now: u64) -> Result<Caller, Refusal> {
    match world().identity.read(token)? {
        // Nobody was issued any.
        Presented::Issued(token) => token.verify(Purpose::Request, &IssuedCredentials::default(), revocations, now),
        Presented::Outside(token) => token.verify(&world().key_set, revocations, now),
        Presented::Own(token) => token.verify(revocations, now),
    }
}

/// `now`, `now+300`, `now-300`.
pub fn moment(text: &str) -> Option<Value> {
    let offset = text.strip_prefix("now")?;
    let seconds = if offset.is_empty() { 0 } else { offset.parse::<i64>().ok()? };
    Some(Value::from(NOW.checked_add_signed(seconds)?))
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Keys {
    pub fn make() -> Keys {
        Keys {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// Each key's id is its algorithm.
    pub fn published(&self) -> Value {
        let rsa = self.modulus();
        let (p256, p384) = (self.p256.public_key().as_ref(), self.p384.public_key().as_ref());
        json!({ "keys": [
            { "kty": "RSA", "kid": "RS256", "use": "sig", "alg": "RS256", "n": encode(&rsa), "e": "AQAB" },
            { "kty": "RSA", "kid": "PS256", "use": "sig", "n": encode(&rsa), "e": "AQAB" },
            { "kty": "EC", "kid": "ES256", "use": "sig", "crv": "P-256", "x": encode(&p256[1..33]), "y": encode(&p256[33..]) },
            { "kty": "EC", "kid": "ES384", "use": "sig", "crv": "P-384", "x": encode(&p384[1..49]), "y": encode(&p384[49..]) },
            { "kty": "OKP", "kid": "EdDSA", "use": "sig", "crv": "Ed25519", "x": encode(self.ed.public_key().as_ref()) },
        ] })
    }

    pub fn modulus(&self) -> Vec<u8> {
        RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key()).n
    }

    pub fn sign(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let mut long = vec![0; self.rsa.public_modulus_len()];
        match algorithm {
            "RS256" => self.rsa.sign(&RSA_PKCS1_SHA256, &random, text, &mut long).map(|()| long).unwrap(),
            "PS256" => self.rsa.sign(&RSA_PSS_SHA256, &random, text, &mut long).map(|()| long).unwrap(),
            "ES256" => self.p256.sign(&random, text).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, text).unwrap().as_ref().to_vec(),
            // The same mathematics, written as certificates have it.
            "ES256 der" => der(&self.p256, &ECDSA_P256_SHA256_ASN1_SIGNING, text),
            "ES384 der" => der(&self.p384, &ECDSA_P384_SHA384_ASN1_SIGNING, text),
            "EdDSA" => self.ed.sign(text).as_ref().to_vec(),
            // Confusion: what everyone can read serves as the secret.
            "HS256" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.published().to_string().as_bytes()), text).as_ref().to_vec(),
            "HS256 modulus" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.modulus()), text).as_ref().to_vec(),
            _ => Vec::new(),
        }
    }
}

fn der(key: &EcdsaKeyPair, algorithm: &'static EcdsaSigningAlgorithm, text: &[u8]) -> Vec<u8> {
    let key = EcdsaKeyPair::from_pkcs8(algorithm, key.to_pkcs8v1().unwrap().as_ref()).unwrap();
    key.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec()
}
