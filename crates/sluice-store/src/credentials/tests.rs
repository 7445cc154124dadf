use super::*;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RsaPublicKeyComponents};
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Two keys, made once.
fn modulus(number: usize) -> Vec<u8> {
    static KEYS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let made = || RsaPublicKeyComponents::<Vec<u8>>::from(RsaKeyPair::generate(KeySize::Rsa2048).unwrap().public_key()).n;
    KEYS.get_or_init(|| [made(), made()])[number].clone()
}

/// A file in a folder that goes with the test.
fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    CredentialFile::create(&path).unwrap();
    (folder, path)
}

fn registration(number: usize) -> Registration {
    Registration {
        name: format!("nightly-{number}"),
        project: "acme-prod".to_owned(),
        kind: CallerKind::Service,
        groups: if number == 0 { BTreeSet::from(["etl, a".to_owned(), "b \u{e9}".to_owned()]) } else { BTreeSet::new() },
        token_url: "http://127.0.0.1:8080/v1/token".to_owned(),
        universe_domain: (number == 0).then(|| "sluice.test".to_owned()),
        exchanges: if number == 0 { Exchanges::Many } else { Exchanges::Once },
        modulus: modulus(number),
        issued_at: 7,
        not_after: 1_000_000,
    }
}

fn act(deed: Deed) -> CredentialAct {
    CredentialAct { deed, at: 7, by: "ana b".to_owned(), reason: "a driver - \u{fc}".to_owned() }
}

fn issue(number: usize) -> CredentialAct {
    act(Deed::Issued(registration(number)))
}

fn revoke(number: usize) -> CredentialAct {
    act(Deed::Revoked(registration(number).id()))
}

#[test]
fn what_was_issued_stands_until_it_is_revoked() {
    let (_folder, path) = fresh();
    let gateway = CredentialFile::open(&path).unwrap();
    let desk = || CredentialFile::open(&path).unwrap();
    let standing = || -> Vec<(String, bool)> {
        gateway.current().unwrap().standing().map(|one| (one.registration.name.clone(), one.revoked.is_some())).collect()
    };
    assert_eq!(desk().act(&issue(0)), Ok(0));
    assert_eq!(desk().act(&issue(1)), Ok(1));
    assert_eq!(desk().act(&revoke(0)), Ok(2));
    let mut found = standing();
    found.sort();
    assert_eq!(found, [("nightly-0".to_owned(), true), ("nightly-1".to_owned(), false)]);
    let credentials = gateway.current().unwrap();
    let one = credentials.standing().find(|one| one.id == registration(0).id()).unwrap();
    assert_eq!((one.registration, one.issued, one.revoked), (&registration(0), &issue(0), Some(&revoke(0))));
    assert_eq!(credentials.revoked().collect::<Vec<_>>(), [registration(0).id()]);
    assert_eq!(CredentialFile::create(&path), Err(StoreFault::Exists(path.display().to_string())));
    std::fs::remove_file(&path).unwrap();
    assert!(gateway.current().is_err(), "a file that is gone revokes nothing");
}

#[test]
fn acts_are_asked_for_who_and_why() {
    let (_folder, path) = fresh();
    let file = CredentialFile::open(&path).unwrap();
    let refused = |act: CredentialAct, expect: &str| {
        let fault = file.act(&act).unwrap_err();
        assert!(matches!(&fault, StoreFault::Refused(text) if text.contains(expect)), "{fault:?}");
    };
    refused(CredentialAct { by: " ".to_owned(), ..issue(0) }, "who does it is empty");
    refused(CredentialAct { reason: "a\nb".to_owned(), ..issue(0) }, "not one line");
    refused(CredentialAct { at: 8, ..issue(0) }, "when it is issued");
    refused(act(Deed::Issued(Registration { kind: CallerKind::Person, ..registration(0) })), "no person");
    refused(revoke(0), "there is no credential");
    file.act(&issue(0)).unwrap();
    refused(issue(0), "issued before");
    file.act(&revoke(0)).unwrap();
    refused(revoke(0), "revoked already");
    refused(issue(0), "issued before");
}

/// Nobody comes in by a credential that no record speaks of; a revocation waits for nothing.
#[test]
fn credentials_serve_when_they_are_on_record() {
    let (_folder, path) = fresh();
    let file = CredentialFile::open(&path).unwrap();
    file.act(&issue(0)).unwrap();
    let waiting = || file.current().unwrap().unrecorded().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!((waiting(), file.current().unwrap().issued().is_empty()), (vec![0], true));
    file.mark_recorded(0, 40).unwrap();
    assert_eq!((waiting(), file.current().unwrap().issued().is_empty()), (vec![], false));
    file.act(&revoke(0)).unwrap();
    assert_eq!((waiting(), file.current().unwrap().revoked().count()), (vec![1], 1));
    for (number, act) in [(0, issue(0)), (1, revoke(0))] {
        assert_eq!(act.draft(number).unwrap().kind(), Kind::AdminAction);
    }
    assert!(file.mark_recorded(2, 41).is_ok() && file.current().is_err(), "of an act that is not there");
}

#[test]
fn a_torn_end_is_left_out_and_damage_refuses() {
    let (_folder, path) = fresh();
    let file = CredentialFile::open(&path).unwrap();
    file.act(&issue(1)).unwrap();
    let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    file.act(&revoke(1)).unwrap();
    let text = std::fs::read(&path).unwrap();
    for cut in length..text.len() {
        std::fs::write(&path, &text[..cut]).unwrap();
        let found = CredentialFile::open(&path).unwrap().current().unwrap();
        assert_eq!((found.standing().count(), found.revoked().count()), (1, 0), "cut at {cut}");
    }
    for bit in (0..(text.len() - 1) * 8).step_by(7) {
        let mut damaged = text.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).unwrap();
        assert!(CredentialFile::open(&path).is_err(), "bit {bit}");
    }
}
