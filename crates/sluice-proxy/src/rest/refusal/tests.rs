use super::*;
use sluice_app::UpstreamError;
use sluice_identity as identity;
use sluice_ledger::record::Subject;

const SUBJECT: Subject = Subject([0xab; 16]);
const REFERENCE: &str = "abababababababababababababababab";

fn check(why: Why, code: u16, reason: &str, status: &str, part: &str) {
    let told = told(&Refused { subject: SUBJECT, why });
    assert_eq!((told.code, told.reason.as_str(), told.status), (code, reason, status), "{}", told.message);
    assert!(told.message.contains(part), "{}", told.message);
    assert!(told.message.contains(REFERENCE), "{}", told.message);
    let body = told.body();
    assert_eq!(body["error"]["message"], body["error"]["errors"][0]["message"]);
    assert_eq!((&body["error"]["code"], &body["error"]["errors"][0]["reason"]), (&serde_json::json!(code), &serde_json::json!(reason)));
}

fn form(reason: FormReason) -> Why {
    Why::Form { reason, text: "`x` is wrong".to_owned() }
}

fn upstream(kind: UpstreamFaultKind, reason: &str, told: Option<&str>) -> Why {
    let error = Some(UpstreamError { reason: reason.to_owned(), location: Some("CANARY".to_owned()), message: "CANARY".to_owned() });
    let fault = UpstreamFault { kind, status: Some(400), error, attempts: 1, may_have_acted: true, detail: "CANARY detail".to_owned() };
    Why::Upstream { fault: Box::new(fault), told: told.map(str::to_owned) }
}

fn unproven(reason: identity::Reason) -> Why {
    Why::Unproven(Box::new(identity::Refusal { reason, issuer: None, audiences: vec!["https://gw".to_owned()] }))
}

#[test]
fn each_refusal_has_its_shape() {
    check(form(FormReason::Invalid), 400, "invalid", "INVALID_ARGUMENT", "`x` is wrong");
    check(form(FormReason::InvalidQuery), 400, "invalidQuery", "INVALID_ARGUMENT", "`x` is wrong");
    check(form(FormReason::Unsupported), 400, "invalid", "INVALID_ARGUMENT", "`x` is wrong");
    check(form(FormReason::Duplicate), 409, "duplicate", "ALREADY_EXISTS", "`x` is wrong");
    check(form(FormReason::NoMethod), 404, "notFound", "NOT_FOUND", "`x` is wrong");
    check(form(FormReason::AnswerTooLarge), 403, "responseTooLarge", "RESOURCE_EXHAUSTED", "`x` is wrong");
    check(form(FormReason::TooLarge), 413, "requestTooLarge", "INVALID_ARGUMENT", "`x` is wrong");
    check(Why::NotFound { what: "job p:j".to_owned() }, 404, "notFound", "NOT_FOUND", "Not found: job p:j");
    check(Why::Drift("CANARY".to_owned()), 403, "accessDenied", "PERMISSION_DENIED", "Send the statement again");
    check(Why::Unwatched, 403, "accessDenied", "PERMISSION_DENIED", "started anew while the job ran");
    let other = |found: Difference| Why::Drift(found.to_string());
    let typed = other(Difference::Column { position: 0, ours: "CANARY".to_owned(), theirs: "CANARY".to_owned() });
    check(typed, 403, "accessDenied", "PERMISSION_DENIED", "columns of other types");
    check(
        other(Difference::Columns { ours: 1, theirs: 2 }),
        403,
        "accessDenied",
        "PERMISSION_DENIED",
        "The operator finds which on record",
    );
    check(Why::Recording(AppendFault::Busy), 503, "backendError", "UNAVAILABLE", "not done");
    check(Why::Recording(AppendFault::Full), 503, "backendError", "UNAVAILABLE", "not done");
    check(Why::Recording(AppendFault::Refused("CANARY".to_owned())), 500, "invalidState", "INTERNAL", "not done");
    check(Why::Catalog(CatalogFault::Unavailable("CANARY".to_owned())), 503, "backendError", "UNAVAILABLE", "nothing was done");
    check(Why::Busy, 503, "backendError", "UNAVAILABLE", "nothing was done");
    check(Why::Catalog(CatalogFault::TooMany { names_max: 7 }), 400, "invalid", "INVALID_ARGUMENT", "more than 7");
    check(Why::Jobs(JobsFault::Taken), 409, "duplicate", "ALREADY_EXISTS", "Already Exists: Job");
    check(Why::Jobs(JobsFault::Unavailable("CANARY".to_owned())), 503, "backendError", "UNAVAILABLE", "try again");
    check(Why::Masking(MaskFault::Unfit), 403, "accessDenied", "PERMISSION_DENIED", "have to be masked is not certain");
    check(Why::Masking(MaskFault::Foreign), 502, "invalidAnswer", "INTERNAL", "withheld");
    check(Why::Masking(MaskFault::Shape), 502, "invalidAnswer", "INTERNAL", "withheld");
    check(unproven(identity::Reason::SignatureWrong), 401, "authError", "UNAUTHENTICATED", "https://gw");
    check(unproven(identity::Reason::Expired { expires_at: 1, now: 2 }), 401, "authError", "UNAUTHENTICATED", "expired");
    check(unproven(identity::Reason::KeysUnavailable("x".to_owned())), 503, "backendError", "UNAVAILABLE", "");
}

#[test]
fn upstream_is_told_as_far_as_it_may() {
    use UpstreamFaultKind::{Credential, Deadline, Malformed, Refused, TooLarge, Unavailable};
    check(upstream(Refused, "invalidQuery", Some("Syntax error")), 400, "invalidQuery", "INVALID_ARGUMENT", "Syntax error");
    check(upstream(Refused, "notFound", Some("Not found: Table")), 404, "notFound", "NOT_FOUND", "Not found: Table");
    check(upstream(Refused, "duplicate", None), 409, "duplicate", "ALREADY_EXISTS", "withheld");
    check(upstream(Refused, "conditionNotMet", None), 412, "conditionNotMet", "FAILED_PRECONDITION", "withheld");
    check(upstream(Refused, "rateLimitExceeded", None), 403, "rateLimitExceeded", "RESOURCE_EXHAUSTED", "withheld");
    check(upstream(Refused, "aNewReason", Some("x")), 400, "invalid", "INVALID_ARGUMENT", "x");
    let fault = UpstreamFault {
        kind: Refused,
        status: None,
        error: None,
        attempts: 0,
        may_have_acted: false,
        detail: "the file broke off".to_owned(),
    };
    let unsent = Why::Upstream { fault: Box::new(fault), told: None };
    check(unsent, 400, "invalid", "INVALID_ARGUMENT", "the file broke off");
    check(upstream(Unavailable, "", None), 503, "backendError", "UNAVAILABLE", "try again");
    check(upstream(Deadline, "", Some("CANARY")), 504, "timeout", "DEADLINE_EXCEEDED", "may have acted");
    check(upstream(Malformed, "", None), 502, "invalidAnswer", "INTERNAL", "not as expected");
    check(upstream(TooLarge, "", None), 403, "responseTooLarge", "RESOURCE_EXHAUSTED", "fewer rows");
    check(upstream(Credential, "", None), 403, "accessDenied", "PERMISSION_DENIED", "prove itself");
    for kind in [Credential, Deadline, Malformed, Refused, TooLarge, Unavailable] {
        let told = told(&sluice_app::Refused { subject: SUBJECT, why: upstream(kind, "invalid", None) });
        assert!(!told.message.contains("CANARY"), "{}", told.message);
    }
}

/// `q` is what BigQuery says of a statement; where something is in a message that is withheld could be a value.
#[test]
fn a_place_is_told_with_its_text_or_not_at_all() {
    let check = |why: Why, expect: Option<&str>| {
        let error = told(&Refused { subject: SUBJECT, why }).body()["error"]["errors"][0].clone();
        assert_eq!(error["location"].as_str(), expect, "{error}");
        assert_eq!(error["locationType"].as_str(), expect.map(|_| "parameter"), "{error}");
    };
    check(form(FormReason::InvalidQuery), Some("q"));
    check(form(FormReason::Invalid), None);
    check(upstream(UpstreamFaultKind::Refused, "invalid", Some("x")), Some("CANARY"));
    check(upstream(UpstreamFaultKind::Refused, "invalid", None), None);
    check(unproven(identity::Reason::SignatureWrong), None);
}

#[test]
fn answers_are_json_whatever_is_wrong() {
    let refused = Refused { subject: SUBJECT, why: unproven(identity::Reason::TokenMalformed("x")) };
    let response = told(&refused).response(&Manner { mask: super::super::fields::Mask::parse("zz"), ..Manner::default() });
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/json; charset=UTF-8");
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"sluice\", error=\"invalid_token\"");
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 100, "a field mask reduces no error");
    let long =
        Refused { subject: SUBJECT, why: Why::Form { reason: FormReason::Invalid, text: format!("a\r\nb\u{1b}{}", "é".repeat(10_000)) } };
    let told = told(&long);
    assert!(told.message.len() <= MESSAGE_BYTES_MAX + 4 && told.message.starts_with("a\nb "), "{}", told.message.len());
}

/// Clients repeat some reasons for ten minutes: no refusal may have one of them.
#[test]
fn refusals_are_not_repeated_by_clients() {
    const REPEATED: [&str; 7] =
        ["backendError", "badGateway", "internalError", "jobBackendError", "jobInternalError", "jobRateLimitExceeded", "rateLimitExceeded"];
    let refusals = [
        form(FormReason::Invalid),
        form(FormReason::Unsupported),
        form(FormReason::NoMethod),
        form(FormReason::AnswerTooLarge),
        form(FormReason::TooLarge),
        form(FormReason::Duplicate),
        Why::NotFound { what: "x".to_owned() },
        Why::Drift(String::new()),
        Why::Unwatched,
        Why::Masking(MaskFault::Unfit),
        Why::Masking(MaskFault::Shape),
        upstream(UpstreamFaultKind::Credential, "", None),
        upstream(UpstreamFaultKind::Malformed, "", None),
        upstream(UpstreamFaultKind::TooLarge, "", None),
        upstream(UpstreamFaultKind::Deadline, "", None),
    ];
    for why in refusals {
        let told = told(&Refused { subject: SUBJECT, why });
        assert!(!REPEATED.contains(&told.reason.as_str()), "{}", told.message);
    }
}

#[test]
fn a_long_text_leaves_room_for_what_to_quote() {
    let text = "ü".repeat(MESSAGE_BYTES_MAX);
    let refused = Refused { subject: Subject([7; 16]), why: Why::Form { reason: FormReason::Invalid, text } };
    let message = told(&refused).message;
    assert!(message.ends_with("…. Quote `07070707070707070707070707070707` to the operator of this gateway"), "{}", message.len());
    assert!(message.len() <= MESSAGE_BYTES_MAX, "{}", message.len());
}
