//! The grants, as Google's libraries write them: RFC 8693 for `external_account` files, which need no more than their `token_url`, and RFC 7523 for files
//! in the form of a service account's that this gateway issued.

use super::answer::{Fault, Word};
use super::form::Form;
use serde_json::{Value, json};
use sluice_app::{ExchangeAsk, Exchanged, SessionAsk};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const GRANT_ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TOKEN_TYPES: [&str; 3] = [ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"];
/// With such an audience the libraries call Google by themselves, and show it our token.
const POOLS: [&str; 3] = ["iam.googleapis.com", "/workforcePools/", "/workloadIdentityPools/"];
const AUDIENCE_BYTES_MAX: usize = 1024;

pub fn ask(form: &Form) -> Result<SessionAsk, Fault> {
    match form.text("grant_type") {
        Some(GRANT) => exchange(form).map(SessionAsk::Exchange),
        Some(GRANT_ASSERTION) => {
            let assertion = form.text("assertion").ok_or_else(|| invalid("`assertion` is missing"))?;
            Ok(SessionAsk::Assertion(assertion.as_bytes().to_vec()))
        }
        Some(_) => Err(Fault::new(Word::UnsupportedGrant, format!("`grant_type` has to be `{GRANT}` or `{GRANT_ASSERTION}`"))),
        None => Err(invalid("`grant_type` is missing")),
    }
}

fn exchange(form: &Form) -> Result<ExchangeAsk, Fault> {
    if form.text("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(invalid(&format!("`requested_token_type` has to be `{ACCESS_TOKEN}`")));
    }
    if let Some(audience) = form.text("audience").or(form.text("resource")) {
        check_audience(audience)?;
    }
    let subject = token(form, "subject_token", "subject_token_type")?.ok_or_else(|| invalid("`subject_token` is missing"))?;
    Ok(ExchangeAsk { subject, actor: token(form, "actor_token", "actor_token_type")? })
}

pub fn granted(exchanged: &Exchanged) -> Value {
    json!({
        "access_token": exchanged.token.reveal(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": exchanged.lifetime_seconds,
    })
}

/// A token and its type go together.
fn token(form: &Form, name: &str, name_of_type: &str) -> Result<Option<Vec<u8>>, Fault> {
    match (form.text(name), form.text(name_of_type)) {
        (None, None) => Ok(None),
        (Some(token), Some(kind)) if TOKEN_TYPES.contains(&kind) => Ok(Some(token.as_bytes().to_vec())),
        (Some(_), Some(_)) => Err(invalid(&format!("`{name_of_type}` has to be one of {}", TOKEN_TYPES.join(", ")))),
        (Some(_), None) => Err(invalid(&format!("`{name_of_type}` is missing"))),
        (None, Some(_)) => Err(invalid(&format!("`{name}` is missing"))),
    }
}

fn check_audience(audience: &str) -> Result<(), Fault> {
    if POOLS.iter().any(|part| audience.contains(part)) {
        let text =
            "an `audience` of Google's makes your library show tokens of this gateway to Google: write `//sluice/default` in the file";
        return Err(Fault::new(Word::InvalidTarget, text.to_owned()));
    }
    if audience.len() > AUDIENCE_BYTES_MAX {
        return Err(Fault::new(Word::InvalidTarget, format!("`audience` has more than {AUDIENCE_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn invalid(text: &str) -> Fault {
    Fault::new(Word::InvalidRequest, text.to_owned())
}
