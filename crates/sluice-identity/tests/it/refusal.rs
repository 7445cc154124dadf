//! The two texts of a refusal: what an attacker learns, and what an operator needs.

use crate::attacks::{attacks, forge};
use crate::issuer::verify;
use sluice_identity::{Fault, Reason, Refusal, ReplayFault};
use std::collections::BTreeSet;

fn refusal(shape: &str, changes: &str) -> Refusal {
    verify(forge(shape, changes).as_bytes()).unwrap_err()
}

fn check(shape: &str, changes: &str, public: &str, operator: &str) {
    let refusal = refusal(shape, changes);
    assert_eq!(refusal.public_text("r-1").0, format!("{public}; quote `r-1` to the operator of this gateway"));
    assert_eq!(refusal.operator_text().0, operator);
}

#[test]
fn refusals_read_well() {
    let not_accepted = "the token was not accepted: send one of a configured issuer, for the audience `https://sluice.example`";
    check("github", "iss = \"https://evil.example\"", not_accepted, "issuer `https://evil.example` is not configured");
    check("github", "sign strangers", not_accepted, "issuer `github`: the signature is wrong");
    check("github", "header.kid = \"../x\"", not_accepted, "issuer `github`: the issuer has no key `../x`");
    check("github", "header.alg = \"none\" ; sign nothing", not_accepted, "algorithm `none` is not accepted here");
    check(
        "github",
        "aud = \"https://github.com/octo\"",
        "the token is for another audience: ask your issuer for one for the audience `https://sluice.example`",
        "issuer `github`: audience `https://github.com/octo` is not ours",
    );
    check(
        "github",
        "iat = now-400 ; exp = now-100",
        "the token has expired: ask your issuer for a new one",
        "issuer `github`: expired at 1794999900, now is 1795000000",
    );
    check(
        "github",
        "event_name = \"pull_request_target\"",
        "runs with this trigger are not accepted: call from a run that only people with write access can start",
        "issuer `github`: runs started by `pull_request_target` are not accepted",
    );
    check(
        "github",
        "repository_owner_id = \"4321\"",
        "the token is valid, but this gateway does not accept its holder",
        "issuer `github`: claim `repository_owner_id` does not have a required value",
    );
}

/// Whoever holds no signature of a known issuer cannot tell which check failed, and every text is one line that carries its reference.
#[test]
fn strangers_learn_one_thing() {
    let mut without_signature = BTreeSet::new();
    for (shape, changes, expect) in attacks() {
        if expect == "accepted" {
            continue;
        }
        let refusal = refusal(&shape, &changes);
        let (public, operator) = (refusal.public_text("r-1").0, refusal.operator_text().0);
        assert!(public.contains("`r-1`") && !public.contains('\n') && !operator.contains('\n'), "{changes}: {public} | {operator}");
        assert!(operator.len() < 500, "{operator}");
        assert!(operator.chars().all(|character| !character.is_control() && character != '\u{202e}'), "{operator}");
        if changes.starts_with("iss ") && expect != "RequirementMissed"
            || changes.contains("sign ")
            || changes.contains("header.")
            || changes.contains("token ")
        {
            without_signature.insert(public);
        }
    }
    assert_eq!(without_signature.len(), 1, "{without_signature:#?}");
}

#[test]
fn a_reference_cannot_forge_a_line() {
    let refusal = refusal("github", "sign nothing");
    let text = refusal.public_text("x`\nlevel=info all is well\u{202e}").0;
    assert!(!text.contains('\n') && !text.contains('\u{202e}') && text.matches('`').count() == 4, "{text}");
}

#[test]
fn it_is_known_whose_turn_it_is() {
    let of = |reason| Refusal { reason, issuer: None, audiences: Vec::new() }.fault();
    assert_eq!(of(Reason::SignatureWrong), Fault::Caller);
    assert_eq!(of(Reason::KeysUnavailable("status 503".to_owned())), Fault::Issuer);
    assert_eq!(of(Reason::ReplayStore(ReplayFault("disk full".to_owned()))), Fault::Us);
}
