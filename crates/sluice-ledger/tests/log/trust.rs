//! Trust files: what is refused, and which witnesses are enough.

use crate::keys::{checkpoint, log_key, witness_key};
use sluice_ledger::cosignature::cosign;
use sluice_ledger::note::{KeyFault, KeyKind, Signer};
use sluice_ledger::trust::{TRUST_BYTES_MAX, Trust, TrustFault, TrustProblem};

/// `L1` stands for the key of log 1, `W1` for that of witness 1.
fn file(text: &str) -> String {
    let mut text = text.to_owned();
    for seed in (1..=9).rev() {
        text = text.replace(&format!("W{seed}"), &witness_key(seed + 10).verifier_key().to_string());
        text = text.replace(&format!("L{seed}"), &log_key(seed).verifier_key().to_string());
    }
    text
}

const GROUPS: &str = "# two houses\nlog L1\n\nwitness a W1\nwitness b W2\n\twitness  c\tW3 https://c.example.com \ngroup first 2 a b c\n\
    witness d W4\nwitness e W5\ngroup second any d e\ngroup both all first second\nquorum both\n";

#[test]
fn quorums() {
    let check = |text: &str, cosigners: &[u8], expect: bool| {
        let trust = Trust::parse(file(text).as_bytes()).unwrap();
        let mut signed = checkpoint(3, [5; 32]);
        for seed in cosigners {
            let line = cosign(signed.note(), &witness_key(seed + 10), u64::from(*seed)).unwrap();
            signed.add(line).unwrap();
        }
        let witnessed = trust.witnessed(signed.note()).unwrap();
        assert_eq!(witnessed.is_quorum, expect, "{text} {cosigners:?}");
        let known = cosigners.iter().filter(|seed| text.contains(&format!("W{seed}"))).count();
        assert_eq!((witnessed.times.len(), trust.strangers(signed.note()).count()), (known, cosigners.len() - known));
    };
    check("log L1\nquorum none", &[], true);
    check("log L1\nquorum none\n", &[1], true);
    check("log L1\nwitness a W1\nquorum a\n", &[], false);
    check("log L1\nwitness a W1\nquorum a\n", &[2], false);
    check("log L1\nwitness a W1\nquorum a\n", &[2, 1], true);
    check("log L1\nwitness a W1\nwitness b W2\nquorum a\n", &[2], false);
    for (cosigners, expect) in [
        (&[1, 2, 4][..], true),
        (&[1, 3, 5], true),
        (&[1, 2, 3, 4, 5], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5], false),
        (&[4, 5], false),
        (&[1, 2, 6], false),
    ] {
        check(GROUPS, cosigners, expect);
    }
}

#[test]
fn what_is_refused() {
    let check = |text: &str, line: usize, problem: TrustProblem| {
        assert_eq!(Trust::parse(file(text).as_bytes()), Err(TrustFault { line, problem }), "{text}");
    };
    check("", 0, TrustProblem::Quorum);
    check("log L1\nwitness a W1\n", 0, TrustProblem::Quorum);
    check("quorum none\nquorum none\n", 2, TrustProblem::Quorum);
    check("log L1\nlog L1\nquorum none", 2, TrustProblem::Duplicate);
    check("witness a W1\nwitness b W1\n", 2, TrustProblem::Duplicate);
    check("witness a W1\nwitness a W2\n", 2, TrustProblem::Duplicate);
    check("witness a W1\ngroup a any a\n", 2, TrustProblem::Duplicate);
    check("witness none W1\n", 1, TrustProblem::Duplicate);
    check("log W1\n", 1, TrustProblem::KeyKind);
    check("witness a L1\n", 1, TrustProblem::KeyKind);
    check("log key\n", 1, TrustProblem::Key(KeyFault::Form));
    check("quorum a\n", 1, TrustProblem::Unknown("a".to_owned()));
    check("group g any a\nwitness a W1\n", 1, TrustProblem::Unknown("a".to_owned()));
    check("group g any g\n", 1, TrustProblem::Unknown("g".to_owned()));
    check("witness a W1\ngroup g any a none\n", 2, TrustProblem::Unknown("none".to_owned()));
    check("witness a W1\ngroup g any a a\n", 2, TrustProblem::Member("a".to_owned()));
    check("witness a W1\ngroup g any a\ngroup h any a\n", 3, TrustProblem::Member("a".to_owned()));
    for threshold in ["0", "2", "01", "-1", "some"] {
        check(&format!("witness a W1\ngroup g {threshold} a\n"), 2, TrustProblem::Threshold);
    }
    check("group g all\n", 1, TrustProblem::Threshold);
    for line in [
        "logs L1",
        "log",
        "log L1 url more",
        "witness a",
        "witness a W1 url more",
        "group g",
        "quorum",
        "quorum a b",
        "LOG L1",
        "log\u{a0}L1",
    ] {
        check(&format!("{line}\n"), 1, TrustProblem::Form);
    }
    check("quorum none\r\n", 1, TrustProblem::Form);
    check(&"#".repeat(TRUST_BYTES_MAX + 1), 0, TrustProblem::Length);
    assert_eq!(Trust::parse(b"# \xff\nquorum none"), Err(TrustFault { line: 0, problem: TrustProblem::Form }));
    // One secret for a log and its witness would let the log cosign itself.
    let twin = Signer::from_seed("w", KeyKind::Witness, &[1; 32]).unwrap();
    check(&format!("log L1\nwitness a {}\n", twin.verifier_key()), 2, TrustProblem::Duplicate);
}
