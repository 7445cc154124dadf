//! Signed notes and their keys, read strictly.

use crate::keys::{log_key, witness_key};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use sluice_ledger::cosignature::{cosign, cosigned_by};
use sluice_ledger::note::{
    KEY_NAME_BYTES_MAX, KeyFault, KeyKind, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteFault, Signature, Signer, VerifierKey,
};

fn signed(text: &str) -> Note {
    let mut note = Note::new(text).unwrap();
    note.sign(&log_key(1)).unwrap();
    note
}

#[test]
fn a_note_is_read_back_and_verified() {
    for text in
        ["one line\n", "\n", "two\n\nparts\n", "empty line at the end\n\n", "d\u{e9}j\u{e0} \u{2014} vu\n", "\u{2014} no signature\n"]
    {
        let mut note = signed(text);
        note.add(cosign(&note, &witness_key(2), 1_700_000_000).unwrap()).unwrap();
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!((&read, read.text()), (&note, text));
        assert_eq!(read.is_signed_by(log_key(1).verifier_key()), Ok(true), "{text:?}");
        assert_eq!(read.is_signed_by(log_key(2).verifier_key()), Ok(false), "a key that did not sign");
        assert_eq!(cosigned_by(&read, witness_key(2).verifier_key()), Ok(Some(1_700_000_000)));
        assert_eq!(cosigned_by(&read, witness_key(3).verifier_key()), Ok(None));
    }
}

#[test]
fn what_is_no_note() {
    let good = signed("text\n").to_string();
    let line = good.lines().last().unwrap().to_owned();
    let check = |text: String, expect: NoteFault| assert_eq!(Note::parse(text.as_bytes()), Err(expect), "{text:?}");
    for text in [
        String::new(),
        "\n".to_owned(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}more\n"),
        good.replace('\n', "\r\n"),
        good.replace("text", "te\txt"),
        good.replace("text", "te\0xt"),
        good.replace('\u{2014}', "-"),
        good.replace("\u{2014} ", "\u{2014}"),
        good.replace("\u{2014} ", "\u{2014}  "),
        good.replace(&line, &format!("{line} ")),
        good.replace(&line, &format!("{line}=")),
        good.replace(&line, line.trim_end_matches('=')),
        good.replace(crate::keys::ORIGIN, ""),
        good.replace(crate::keys::ORIGIN, "a+b"),
        good.replace(crate::keys::ORIGIN, "a\u{2003}b"),
        "text\n\n\u{2014} name AAAAAA==\n".to_owned(),
        "text\n\n\u{2014} name AAAA\n".to_owned(),
    ] {
        check(text, NoteFault::Form);
    }
    assert_eq!(Note::parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n"), Err(NoteFault::Form));
    check(format!("{good}{line}\n"), NoteFault::Duplicate { name: crate::keys::ORIGIN.to_owned() });
    check("x".repeat(NOTE_BYTES_MAX + 1), NoteFault::Length);
    let strangers = |count: usize| (0..count).map(|number| format!("\u{2014} k{number} AAAAAAA=\n")).collect::<String>();
    assert_eq!(Note::parse(format!("t\n\n{}", strangers(NOTE_SIGNATURES_MAX)).as_bytes()).unwrap().signatures().len(), NOTE_SIGNATURES_MAX);
    check(format!("t\n\n{}", strangers(NOTE_SIGNATURES_MAX + 1)), NoteFault::Length);
    for text in ["", "no newline", "tab\t\n", "cr\r\n"] {
        assert_eq!(Note::new(text), Err(NoteFault::Form), "{text:?}");
    }
}

/// Whatever bit of a note is flipped, it is no longer signed and cosigned by these keys.
#[test]
fn every_flipped_bit_is_noticed() {
    let mut note = signed("example.com\n7\n");
    note.add(cosign(&note, &witness_key(2), 1_700_000_000).unwrap()).unwrap();
    let bytes = note.to_string().into_bytes();
    for place in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        let Ok(read) = Note::parse(&flipped) else { continue };
        let log = read.is_signed_by(log_key(1).verifier_key());
        let witness = cosigned_by(&read, witness_key(2).verifier_key());
        assert!(log != Ok(true) || !matches!(witness, Ok(Some(_))), "bit {place}: {log:?} {witness:?}");
    }
}

#[test]
fn a_line_of_a_known_key_that_does_not_verify_is_an_error() {
    let note = signed("text\n").to_string().replace("text", "test");
    let fault = NoteFault::Signature { name: crate::keys::ORIGIN.to_owned() };
    assert_eq!(Note::parse(note.as_bytes()).unwrap().is_signed_by(log_key(1).verifier_key()), Err(fault));
}

#[test]
fn cosignatures_are_of_witnesses_and_have_a_time() {
    let note = signed("text\n");
    for (signer, time) in [(log_key(1), 1), (witness_key(1), 0), (witness_key(1), 1 << 63)] {
        assert!(cosign(&note, &signer, time).is_err(), "{signer:?} {time}");
    }
    let witness = witness_key(1);
    let Signature { name, id, bytes } = cosign(&note, &witness, 77).unwrap();
    let (time, signature) = bytes.split_at(8);
    assert_eq!((name.as_str(), id, time), (witness.verifier_key().name(), witness.verifier_key().id(), 77_u64.to_be_bytes().as_slice()));
    // The message as the specification spells it, by the library underneath.
    let key = UnparsedPublicKey::new(&ED25519, witness.verifier_key().public());
    assert!(key.verify(b"cosignature/v1\ntime 77\ntext\n", signature).is_ok());
    for bytes in [bytes[..8].to_vec(), bytes[..71].to_vec(), [&78_u64.to_be_bytes(), signature].concat(), [&[0; 8], signature].concat()] {
        let mut note = note.clone();
        note.add(Signature { name: name.clone(), id, bytes }).unwrap();
        assert!(cosigned_by(&note, witness.verifier_key()).is_err());
    }
}

/// The same secret used by a log and by a witness: neither signature passes for the other.
#[test]
fn kinds_are_kept_apart() {
    let witness = Signer::from_seed(crate::keys::ORIGIN, KeyKind::Witness, &[1; 32]).unwrap();
    let mut note = signed("text\n");
    assert_eq!(cosigned_by(&note, witness.verifier_key()), Ok(None));
    note.sign(&witness).unwrap();
    assert!(note.is_signed_by(witness.verifier_key()).is_err());
    assert!(cosigned_by(&note, witness.verifier_key()).is_err());
}

#[test]
fn verifier_keys_have_one_spelling() {
    for signer in [log_key(1), witness_key(1)] {
        let text = signer.verifier_key().to_string();
        assert_eq!(VerifierKey::parse(&text), Ok(signer.verifier_key().clone()), "{text}");
    }
    let text = log_key(1).verifier_key().to_string();
    let (name, rest) = text.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    let long = "n".repeat(KEY_NAME_BYTES_MAX + 1);
    for (text, expect) in [
        (String::new(), KeyFault::Form),
        (name.to_owned(), KeyFault::Form),
        (format!("{name}+{id}"), KeyFault::Form),
        (format!("{name}+{id}+"), KeyFault::Form),
        (format!("{name}+{id}+{key}="), KeyFault::Form),
        (format!("{name}+{id}+{}", key.replacen("CfGV", "", 1)), KeyFault::Form),
        (format!("{name}+{}+{key}", id.to_uppercase().replace(|digit: char| digit.is_ascii_digit(), "0")), KeyFault::Id),
        (format!("other+{id}+{key}"), KeyFault::Id),
        (format!("{name}+00{id}+{key}"), KeyFault::Id),
        (format!("+{id}+{key}"), KeyFault::Name),
        (format!("a b+{id}+{key}"), KeyFault::Name),
        (format!("{long}+{id}+{key}"), KeyFault::Name),
        (format!("{name}+{id}+{}", key.replacen('A', "B", 1)), KeyFault::Kind),
    ] {
        assert_eq!(VerifierKey::parse(&text), Err(expect), "{text}");
    }
}
