//! Attacks as data: `tests/data/tampering.txt`. Each has to be found, and for the reason that is given there.

use crate::attack::Attack;
use crate::book::{ORIGIN, log_key, master, publish, trust, witness_key};
use crate::clinic::{Clinic, Place, clinic};
use crate::honest::audit;
use sluice_ledger::checkpoint::Checkpoint;
use sluice_ledger::cosignature::cosign;
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::trust::Trust;
use sluice_verify::audit::{Audit, CLOCK_SKEW_SECONDS_MAX};
use sluice_verify::folder::Folder;
use sluice_verify::report::Report;

const ATTACKS: &str = include_str!("../data/tampering.txt");
const ATTACKS_MIN: usize = 90;
const NO_QUORUM: &str = "none that agrees with the records is cosigned";

fn judge(attack: &Attack<'_>, trust: &Trust, seen: &[String]) -> Report {
    let place = Place::of(&attack.files());
    attack.links(place.path());
    let seen = seen.iter().map(|note| ("what the witness saw".to_owned(), note.clone().into_bytes())).collect();
    let master = master();
    Audit { master: Some(&master), seen, ..audit(trust) }.run(&Folder::open(place.path()).unwrap()).unwrap()
}

/// What was not found, or for another reason.
fn check(clinic: &Clinic, line: &str) -> Vec<String> {
    let [who, steps, expect] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
    let trust = trust();
    let mut missed = Vec::new();
    let mut found = |how: &str, report: Report, expect: &str| {
        if report.holds() || !report.to_string().contains(expect) {
            missed.push(format!("{line} [{how}: `{expect}`]\n{report}"));
        }
    };
    let witnessed = clinic.book.cosigned(clinic.cosigned).to_string();
    let mut attack = Attack::new(clinic);
    steps.split(" ; ").for_each(|step| attack.step(step.trim()));
    match who {
        "outsider" => found("as it is", judge(&attack, &trust, &[]), expect),
        "thief" => {
            attack.resign(None);
            found("thrown away", judge(&attack, &trust, &[]), NO_QUORUM);
            found("asked for", judge(&attack, &trust, std::slice::from_ref(&witnessed)), expect);
            attack.resign(Some(&witnessed));
            found("left in its place", judge(&attack, &trust, &[]), expect);
        }
        "late" => {
            attack.resign(Some(&witnessed));
            found("asked for", judge(&attack, &trust, &[witnessed]), expect);
        }
        other => panic!("`{other}`: {line}"),
    }
    missed
}

#[test]
fn every_attack_is_found() {
    let clinic = clinic(40);
    assert_eq!((clinic.size(), clinic.cosigned, &clinic.sizes[..]), (362, 355, &[1, 6, 36, 66, 97, 127, 157, 355, 362][..]));
    assert!(judge(&Attack::new(&clinic), &trust(), &[]).holds(), "without a step there is nothing to find");
    let mut attack = Attack::new(&clinic);
    attack.resign(Some(&clinic.book.cosigned(clinic.cosigned).to_string()));
    assert!(judge(&attack, &trust(), &[]).holds(), "signing again the same is no attack");
    let lines: Vec<&str> = ATTACKS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() >= ATTACKS_MIN, "{}", lines.len());
    let missed: Vec<String> = lines.iter().flat_map(|line| check(&clinic, line)).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Whoever watches two logs does not take the word of one for the other.
#[test]
fn a_checkpoint_of_another_log() {
    let clinic = clinic(3);
    let other = Signer::from_seed("ledger.example.com/two", KeyKind::Log, &[5; 32]).unwrap();
    let keys = [log_key(1).verifier_key().to_string(), other.verifier_key().to_string()];
    let witnesses: String = [1, 3].map(|seed| format!("witness w{seed} {}\n", witness_key(seed).verifier_key())).concat();
    let trust = Trust::parse(format!("log {}\nlog {}\n{witnesses}quorum w1\n", keys[0], keys[1]).as_bytes()).unwrap();
    let audit = Audit { origin: Some(ORIGIN), ..audit(&trust) };
    let checkpoint = clinic.book.checkpoint(clinic.cosigned);
    let foreign = Checkpoint { origin: "ledger.example.com/two".to_owned(), ..checkpoint }.sign(&other).unwrap().to_string();
    let run = |notes: &[String], seen: &[&str]| {
        let mut files = clinic.files();
        publish(&mut files, notes);
        let place = Place::of(&files);
        let seen = seen.iter().map(|note| ("seen".to_owned(), note.as_bytes().to_vec())).collect();
        Audit { seen, ..audit.clone() }.run(&Folder::open(place.path()).unwrap()).unwrap()
    };
    let mut notes = clinic.notes();
    assert!(run(&notes, &[]).holds(), "{}", run(&notes, &[]));
    let report = run(&notes, &[&foreign]);
    assert!(report.to_string().contains("FAIL seen: a checkpoint of `ledger.example.com/two`"), "{report}");
    notes.insert(1, foreign);
    let report = run(&notes, &[]);
    assert!(report.to_string().contains("note 1: a checkpoint of `ledger.example.com/two`"), "{report}");
}

/// Witnesses say when they saw it: a log cannot make its records later than that, with its key or without.
#[test]
fn a_record_that_is_later_than_its_witness() {
    let clinic = clinic(3);
    let seconds = clinic.book.leaf(clinic.cosigned - 1).time_ms / 1000;
    for (behind, expect) in [(CLOCK_SKEW_SECONDS_MAX, true), (CLOCK_SKEW_SECONDS_MAX + 1, false)] {
        let mut signed = clinic.book.signed(clinic.cosigned);
        for seed in [1, 3] {
            signed.add(cosign(signed.note(), &witness_key(seed), seconds - behind).unwrap()).unwrap();
        }
        let mut files = clinic.files();
        let note = |size: &u64| if *size == clinic.cosigned { signed.to_string() } else { clinic.book.signed(*size).to_string() };
        publish(&mut files, &clinic.sizes.iter().map(note).collect::<Vec<_>>());
        let report = audit(&trust()).run(&Folder::open(Place::of(&files).path()).unwrap()).unwrap();
        assert_eq!(report.holds(), expect, "{report}");
        assert_eq!(report.to_string().contains("says it is later than"), !expect, "{report}");
    }
}

/// The limit: behind the last checkpoint that witnesses saw, the log's key can tell whatever is in order. Asking for witnesses up to the end finds it.
#[test]
fn what_witnesses_alone_can_tell() {
    let clinic = clinic(40);
    let witnessed = clinic.book.cosigned(clinic.cosigned).to_string();
    for step in ["rewrite 360", "last 355", "delete 356"] {
        let mut attack = Attack::new(&clinic);
        attack.step(step);
        attack.resign(Some(&witnessed));
        assert!(judge(&attack, &trust(), std::slice::from_ref(&witnessed)).holds(), "{step}");
        let later = clinic.book.cosigned(clinic.size()).to_string();
        assert!(!judge(&attack, &trust(), &[later]).holds(), "{step}, and the witness saw more");
    }
}

/// A file that costs whoever planted it nothing, since it has holes: it is one finding, and nothing is kept of it.
#[test]
fn a_history_of_zeros_is_one_finding() {
    let clinic = clinic(3);
    let place = Place::of(&clinic.files());
    std::fs::File::create(place.path().join("checkpoints/000001")).unwrap().set_len(64 << 20).unwrap();
    let report = audit(&trust()).run(&Folder::open(place.path()).unwrap()).unwrap();
    let found: Vec<String> = report.findings.iter().map(|finding| format!("{}: {}", finding.place, finding.problem)).collect();
    let before = "checkpoints/000000: holds 4 checkpoints, and there is a file behind it: 4096 belong here";
    assert_eq!(found, [before, "checkpoints/000001: no checkpoint has 0 bytes: what stands from byte 0 on is none"]);
}
