//! Checkpoints: one spelling, a signature by a key of the log's own name.

use crate::keys::{ORIGIN, checkpoint, log_key, witness_key};
use sluice_ledger::checkpoint::{Checkpoint, CheckpointFault, SignedCheckpoint};
use sluice_ledger::note::{KeyKind, Note, Signer};

const ROOT: &str = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=";

#[test]
fn texts() {
    let good = Checkpoint { origin: "example.com/log".to_owned(), size: 42, root: [5; 32] };
    assert_eq!(good.text(), format!("example.com/log\n42\n{ROOT}\n"));
    assert_eq!(Checkpoint::parse(&good.text()), Ok(good));
    for text in [
        String::new(),
        "\n\n\n".to_owned(),
        format!("o\n42\n{ROOT}"),
        format!("\n42\n{ROOT}\n"),
        format!("o\n042\n{ROOT}\n"),
        format!("o\n+42\n{ROOT}\n"),
        format!("o\n-1\n{ROOT}\n"),
        format!("o\n\n{ROOT}\n"),
        format!("o\n18446744073709551616\n{ROOT}\n"),
        format!("o\n42\n{ROOT}\nextension\n"),
        format!("o\n42\n{ROOT}\n\n"),
        format!("o\n42\n{}\n", ROOT.replacen("BQUF", "", 1)),
        format!("o\n42\n{}\n", ROOT.replace('=', "")),
        format!("o\n42\n{}\n", ROOT.replace("U=", "V=")),
        format!("o\n42\n {ROOT}\n"),
        "o\n42\nBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF\n".to_owned(),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointFault::Form), "{text:?}");
    }
}

#[test]
fn a_checkpoint_is_opened_by_the_log_s_own_key() {
    let signed = checkpoint(3, [5; 32]);
    let open = |signer: &Signer| SignedCheckpoint::open(signed.to_string().as_bytes(), &[signer.verifier_key().clone()]);
    assert_eq!(open(&log_key(1)), Ok(signed.clone()));
    let unsigned = Err(CheckpointFault::Unsigned { origin: ORIGIN.to_owned() });
    assert_eq!(open(&log_key(2)), unsigned);
    assert_eq!(open(&witness_key(1)), unsigned);
    assert_eq!(SignedCheckpoint::open(signed.to_string().as_bytes(), &[]), unsigned);
    // A known key of another log may sign what it likes.
    let other = Signer::from_seed("ledger.example.com/two", KeyKind::Log, &[2; 32]).unwrap();
    let mut note = Note::new(signed.note().text()).unwrap();
    note.sign(&other).unwrap();
    let keys = [other.verifier_key().clone(), log_key(1).verifier_key().clone()];
    assert_eq!(SignedCheckpoint::open(note.to_string().as_bytes(), &keys), unsigned);
    let foreign = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: [5; 32] };
    assert_eq!(foreign.clone().sign(&other), unsigned);
    assert!(foreign.sign(&witness_key(1)).is_err());
}

#[test]
fn both_keys_of_a_rotation_have_to_verify() {
    let mut note = Note::new(checkpoint(3, [5; 32]).note().text()).unwrap();
    note.sign(&log_key(1)).unwrap();
    note.sign(&log_key(2)).unwrap();
    let keys = [log_key(1).verifier_key().clone(), log_key(2).verifier_key().clone()];
    assert!(SignedCheckpoint::open(note.to_string().as_bytes(), &keys).is_ok());
    let mut lines: Vec<String> = note.to_string().lines().map(str::to_owned).collect();
    let last = lines.pop().unwrap();
    let (kept, signature) = last.split_at(last.len() - 20);
    lines.push(format!("{kept}{}", signature.replace(|letter: char| letter.is_ascii_lowercase(), "A")));
    let damaged = lines.join("\n") + "\n";
    assert!(matches!(SignedCheckpoint::open(damaged.as_bytes(), &keys), Err(CheckpointFault::Note(_))), "{damaged}");
    assert!(SignedCheckpoint::open(damaged.as_bytes(), &keys[..1]).is_ok());
}
