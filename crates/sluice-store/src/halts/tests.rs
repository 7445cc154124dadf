use super::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A file in a folder that goes with the test.
fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halts");
    HaltFile::create(&path).unwrap();
    (folder, path)
}

fn act(turn: Turn, whom: &str) -> HaltAct {
    let whom = if whom == "everyone" { Whom::Everyone } else { Whom::One(whom.to_owned()) };
    HaltAct { turn, whom, at: 7, by: "ana b".to_owned(), reason: "a token leaked: - ü".to_owned() }
}

/// Who stands halted: everyone as `*`.
fn standing(file: &HaltFile) -> Vec<String> {
    let halts = file.current().unwrap();
    let everyone = halts.everyone().map(|_| "*".to_owned());
    everyone.into_iter().chain(halts.callers().map(|(name, _)| name.to_owned())).collect()
}

#[test]
fn halts_stand_until_they_are_lifted_and_others_see_it() {
    let (_folder, path) = fresh();
    let gateway = HaltFile::open(&path).unwrap();
    let desk = || HaltFile::open(&path).unwrap();
    for (number, (turn, whom, expect)) in (0..).zip([
        (Turn::Halted, "https://i#a", &["https://i#a"][..]),
        (Turn::Halted, "https://i#b\u{e9} c", &["https://i#a", "https://i#b\u{e9} c"]),
        (Turn::Halted, "everyone", &["*", "https://i#a", "https://i#b\u{e9} c"]),
        (Turn::Halted, "https://i#a", &["*", "https://i#a", "https://i#b\u{e9} c"]),
        (Turn::Lifted, "https://i#a", &["*", "https://i#b\u{e9} c"]),
        // Who is halted by name stays so when the others go on.
        (Turn::Lifted, "everyone", &["https://i#b\u{e9} c"]),
    ]) {
        assert_eq!(desk().act(&act(turn, whom)).unwrap(), number);
        assert_eq!(standing(&gateway), expect, "{turn:?} {whom}");
    }
    let halts = gateway.current().unwrap();
    assert_eq!(halts.callers().map(|(_, act)| act.clone()).collect::<Vec<_>>(), [act(Turn::Halted, "https://i#b\u{e9} c")]);
    for whom in ["https://i#a", "everyone"] {
        let fault = desk().act(&act(Turn::Lifted, whom)).unwrap_err();
        assert!(matches!(&fault, StoreFault::Refused(text) if text.ends_with("is not halted")), "{fault:?}");
    }
    assert_eq!(HaltFile::create(&path), Err(StoreFault::Exists(path.display().to_string())));
    std::fs::remove_file(&path).unwrap();
    assert!(gateway.current().is_err(), "a file that is gone halts nobody");
}

#[test]
fn who_and_why_are_asked_for() {
    let (_folder, path) = fresh();
    let file = HaltFile::open(&path).unwrap();
    let good = act(Turn::Halted, "https://i#a");
    let refused = |act: HaltAct, expect: &str| {
        let fault = file.act(&act).unwrap_err();
        assert!(matches!(&fault, StoreFault::Refused(text) if text.contains(expect)), "{fault:?}");
    };
    refused(HaltAct { by: " ".to_owned(), ..good.clone() }, "who does it is empty");
    refused(HaltAct { by: "a".repeat(HALT_BY_BYTES_MAX + 1), ..good.clone() }, "at most 256");
    refused(HaltAct { reason: String::new(), ..good.clone() }, "the reason is empty");
    refused(HaltAct { reason: "a\nb".to_owned(), ..good.clone() }, "not one line");
    refused(HaltAct { reason: "a\u{202e}b".to_owned(), ..good.clone() }, "not one line");
    refused(HaltAct { by: "a\u{2028}b".to_owned(), ..good.clone() }, "not one line");
    refused(HaltAct { by: "a\u{1b}b".to_owned(), ..good.clone() }, "not one line");
    refused(HaltAct { reason: "a".repeat(HALT_REASON_BYTES_MAX + 1), ..good.clone() }, "at most 1024");
    for name in ["ana", "#a", "https://i#", "a\u{0}#b"] {
        refused(HaltAct { whom: Whom::One(name.to_owned()), ..good.clone() }, "caller");
    }
    refused(HaltAct { whom: Whom::One(format!("i#{}", "a".repeat(HALT_CALLER_BYTES_MAX))), ..good }, "at most 8192");
    assert_eq!(standing(&file), [""; 0]);
}

#[test]
fn what_is_not_on_record_is_handed_out_until_it_is() {
    let (_folder, path) = fresh();
    let file = HaltFile::open(&path).unwrap();
    for whom in ["https://i#a", "https://i#b", "everyone"] {
        file.act(&act(Turn::Halted, whom)).unwrap();
    }
    let waiting = || file.current().unwrap().unrecorded().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(waiting(), [0, 1, 2]);
    file.mark_recorded(1, 40).unwrap();
    assert_eq!(waiting(), [0, 2]);
    // Twice is once, and another process sees the same.
    file.mark_recorded(1, 41).unwrap();
    file.mark_recorded(0, 42).unwrap();
    assert_eq!(HaltFile::open(&path).unwrap().current().unwrap().unrecorded().map(|(number, _)| number).collect::<Vec<_>>(), [2]);
    let drafted = act(Turn::Lifted, "https://i#a").draft(3).unwrap();
    assert_eq!(drafted.kind(), Kind::AdminAction);
}

#[test]
fn a_torn_end_is_left_out_and_damage_refuses() {
    let (_folder, path) = fresh();
    let file = HaltFile::open(&path).unwrap();
    file.act(&act(Turn::Halted, "https://i#kept")).unwrap();
    let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    file.act(&act(Turn::Halted, "https://i#torn")).unwrap();
    let text = std::fs::read(&path).unwrap();
    for cut in length..text.len() {
        let mut torn = text[..cut].to_vec();
        // A crash can leave a file that is longer than what was written to it.
        torn.extend(vec![0; text.len() - 1 - cut]);
        for bytes in [&text[..cut], &torn] {
            std::fs::write(&path, bytes).unwrap();
            let file = HaltFile::open(&path).unwrap();
            assert_eq!(standing(&file), ["https://i#kept"], "cut at {cut}");
            // A line of the same length in its place, within the same tick of the clock.
            file.act(&act(Turn::Halted, "https://i#next")).unwrap();
            assert_eq!(standing(&file), ["https://i#kept", "https://i#next"], "cut at {cut}");
        }
    }
    for bit in 0..(text.len() - 1) * 8 {
        let mut damaged = text.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).unwrap();
        assert!(HaltFile::open(&path).is_err(), "bit {bit}");
    }
    for foreign in ["", "sluice revocations 1\n", "sluice halts 2\n"] {
        std::fs::write(&path, foreign).unwrap();
        assert!(HaltFile::open(&path).is_err(), "{foreign}");
    }
}

/// The last line lies in three sectors. Any of them may be all that was not written.
#[test]
fn a_lost_sector_of_the_last_line_is_left_out_and_others_refuse() {
    let (_folder, path) = fresh();
    let file = HaltFile::open(&path).unwrap();
    let long = |turn: &str| HaltAct { reason: turn.repeat(HALT_REASON_BYTES_MAX), ..act(Turn::Halted, "https://i#long") };
    file.act(&act(Turn::Halted, "https://i#kept")).unwrap();
    let start = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    file.act(&long("a")).unwrap();
    let text = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (start..text.len()).filter(|at| at % 512 == 0).chain([text.len()]).collect();
    assert!(ends.len() > 4 && start % 512 != 0);
    let mut from = start;
    for end in ends {
        let mut torn = text.clone();
        torn[from..end].fill(0);
        from = end;
        std::fs::write(&path, &torn).unwrap();
        let file = HaltFile::open(&path).unwrap();
        assert_eq!(standing(&file), ["https://i#kept"], "up to {end}");
        file.act(&act(Turn::Halted, "https://i#next")).unwrap();
        assert_eq!(standing(&file), ["https://i#kept", "https://i#next"], "up to {end}");
        assert_eq!(standing(&HaltFile::open(&path).unwrap()), ["https://i#kept", "https://i#next"], "up to {end}");
        // The same sector of a line that was answered: another one stands behind it.
        torn.extend(b"lift everyone\n");
        std::fs::write(&path, &torn).unwrap();
        assert!(HaltFile::open(&path).is_err(), "up to {end}");
        torn.truncate(text.len());
        torn[end - 1] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        assert!(end == text.len() || HaltFile::open(&path).is_err(), "up to {end}: one byte of it was written");
    }
}

#[test]
fn a_file_that_is_damaged_takes_no_act() {
    let (_folder, path) = fresh();
    let file = HaltFile::open(&path).unwrap();
    file.act(&act(Turn::Halted, "everyone")).unwrap();
    let damaged = std::fs::read_to_string(&path).unwrap().replace("halt everyone", "lift everyone");
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(file.act(&act(Turn::Halted, "https://i#a")), Err(StoreFault::Damaged(_))));
    assert!(matches!(file.current(), Err(StoreFault::Damaged(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
}

/// Four desks write, the gateway reads all the while: it never sees less than before, and never a line that is half there.
#[test]
fn it_is_read_while_it_is_written() {
    let (_folder, path) = fresh();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let gateway = HaltFile::open(&path).unwrap();
            let (mut seen, mut rounds) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let now = gateway.current().unwrap().callers().count();
                assert!(now >= seen, "{now} after {seen}");
                (seen, rounds) = (now, rounds + 1);
            }
            rounds
        });
        let writers: Vec<_> = (0..4)
            .map(|desk| {
                let path = &path;
                scope.spawn(move || {
                    let file = HaltFile::open(path).unwrap();
                    let numbers = (0..25).map(|turn| file.act(&act(Turn::Halted, &format!("https://i#{desk}-{turn}"))).unwrap());
                    numbers.collect::<Vec<_>>()
                })
            })
            .collect();
        let mut numbers: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>(), "each act has a number of its own");
    });
    assert_eq!(HaltFile::open(&path).unwrap().current().unwrap().callers().count(), 100);
}
