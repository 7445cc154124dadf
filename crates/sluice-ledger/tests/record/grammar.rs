//! The grammar against a reference that keeps no state and reads the whole log for every leaf.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_ledger::grammar::{ENDED_KEPT_MAX, Grammar, SILENCE_MS_MAX, Step, Violation};
use sluice_ledger::record::{Kind, Leaf, Presence, RecordId, SectionSet, Subject, Target};

/// Whether `leaf` may come behind `log`.
fn may_follow(log: &[Leaf], leaf: &Leaf) -> bool {
    let (epoch, time_ms) = log.last().map_or((0, 0), |last| (last.epoch, last.time_ms));
    let is_last = |kind: Kind| log.last().is_some_and(|last| last.kind == kind);
    if leaf.time_ms < time_ms || leaf.epoch != epoch + u64::from(leaf.kind == Kind::Boot) {
        return false;
    }
    let target_fits = leaf.target.is_none_or(|target| {
        let of_target =
            |kind: Kind| log.iter().rposition(|leaf| leaf.kind == kind && leaf.target.is_some_and(|it| it.index == target.index));
        let is_held = of_target(Kind::LegalHold) > of_target(Kind::LegalHoldReleased);
        let must_be_held = leaf.kind == Kind::LegalHoldReleased;
        !target.sections.is_empty() && target.index < log.len() as u64 && (is_held == must_be_held || leaf.kind == Kind::LegalHold)
    });
    if leaf.kind == Kind::Boot || log.is_empty() || is_last(Kind::Shutdown) {
        return leaf.kind == Kind::Boot;
    }
    let explains = matches!(leaf.kind, Kind::AuditDegraded | Kind::ClockStep);
    let pulse = |leaf: &&Leaf| matches!(leaf.kind, Kind::AuditDegraded | Kind::Boot | Kind::ClockStep | Kind::Heartbeat);
    let silent = leaf.time_ms - log.iter().rev().find(pulse).unwrap().time_ms > SILENCE_MS_MAX;
    // What came last of a request, but for what changes nothing; and whether the last boot is behind it.
    let passing = |kind: Kind| matches!(kind, Kind::ApprovalDecided | Kind::ResultPage | Kind::UpstreamDispatched);
    let last = |subject: Subject| log.iter().rev().find(|leaf| leaf.subject == Some(subject) && !passing(leaf.kind)).map(|leaf| leaf.kind);
    let unfinished = |subject: &Subject| matches!(last(*subject), Some(Kind::RequestAdmitted | Kind::RequestEstimated));
    let old = |subject: &Subject| !log.iter().any(|leaf| leaf.epoch == epoch && leaf.subject == Some(*subject));
    let mut subjects = log.iter().filter_map(|leaf| leaf.subject);
    let orphans = subjects.clone().filter(|subject| unfinished(subject) && old(subject)).count() > 0;
    let in_turn = leaf.subject.is_none_or(|subject| {
        match last(subject) {
            None => "request.estimated request.admitted approval.requested request.refused",
            Some(Kind::RequestEstimated) => "request.admitted approval.requested request.completed request.refused request.interrupted",
            Some(Kind::ApprovalRequested) => "request.estimated request.admitted approval.decided request.refused request.interrupted",
            Some(Kind::RequestAdmitted) => "upstream.dispatched result.page request.completed request.refused request.interrupted",
            _ => "",
        }
        .split(' ')
        .any(|word| word == leaf.kind.word())
    });
    let ends_orphan = leaf.kind == Kind::RequestInterrupted && leaf.subject.is_some_and(|subject| unfinished(&subject) && old(&subject));
    let shuts_early = leaf.kind == Kind::Shutdown && subjects.any(|subject| unfinished(&subject));
    (!silent || explains) && (!orphans || explains || ends_orphan) && in_turn && !shuts_early && target_fits
}

fn leaf(kind: Kind, subject: u8, target: u64, sections: u8) -> Leaf {
    Leaf {
        kind,
        time_ms: 0,
        epoch: 0,
        root: [0; 32],
        sections: SectionSet::default(),
        subject: (kind.subject() == Presence::Always).then_some(Subject([subject; 16])),
        target: (kind.target() == Presence::Always).then_some(Target { index: target, sections: SectionSet::from_bits(sections) }),
        record: RecordId([0; 16]),
    }
}

/// A try: a leaf without its time and epoch, how much later it is, and whether its epoch is wrong.
fn tries() -> impl Strategy<Value = Vec<(Leaf, i64, u64)>> {
    let requests: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.subject() == Presence::Always).collect();
    let others = vec![Kind::Boot, Kind::Heartbeat, Kind::Shutdown, Kind::ClockStep, Kind::AuditDegraded, Kind::ConfigChange];
    let records: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.target() == Presence::Always).collect();
    let kinds = prop_oneof![
        6 => proptest::sample::select(requests),
        2 => proptest::sample::select(others),
        1 => proptest::sample::select(records),
    ];
    let later = prop_oneof![8 => 0..20_000_i64, 1 => 50_000..130_000_i64, 1 => Just(-1_i64)];
    let wrong_epoch = prop_oneof![20 => Just(0_u64), 1 => 1..3_u64];
    let leaves = (kinds, 0..4_u8, 0..12_u64, 0..3_u8).prop_map(|(kind, subject, target, sections)| leaf(kind, subject, target, sections));
    vec((leaves, later, wrong_epoch), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_say_the_same_of_every_leaf(tries in tries()) {
        let (mut log, mut grammar, mut accepted) = (Vec::<Leaf>::new(), Grammar::new(ENDED_KEPT_MAX), 0);
        for (mut leaf, later, wrong_epoch) in tries {
            leaf.time_ms = grammar.time_ms().saturating_add_signed(later);
            leaf.epoch = grammar.epoch() + u64::from(leaf.kind == Kind::Boot) + wrong_epoch;
            let expect = may_follow(&log, &leaf);
            prop_assert_eq!(grammar.check(&leaf).is_ok(), expect, "{:?} {:?} behind {:#?}", grammar.check(&leaf), leaf, log);
            if expect {
                grammar.follow(&leaf).unwrap();
                log.push(leaf);
                accepted += 1;
                let resumed = Grammar::resume(grammar.standing(), ENDED_KEPT_MAX).unwrap();
                prop_assert_eq!(resumed.standing(), grammar.standing());
            }
        }
        prop_assert_eq!(grammar.next(), accepted);
    }
}

/// A log in words, `kind` or `kind subject` or `kind @target`; `+ms` moves the clock. The violation is of the last one.
fn check(log: &str, expect: Result<(), Violation>) {
    let (mut grammar, mut time_ms, mut epoch) = (Grammar::new(2), 1000, 0);
    let mut last = Ok(());
    for word in log.split(", ") {
        assert_eq!(last, Ok(()), "before `{word}` in `{log}`");
        let (word, argument) = word.split_once(' ').unwrap_or((word, ""));
        if let Some(ms) = word.strip_prefix('+') {
            time_ms += ms.parse::<u64>().unwrap();
            continue;
        }
        let kind = Kind::parse(word).unwrap_or_else(|| panic!("`{word}`"));
        let target = argument.strip_prefix('@').map_or(0, |target| target.parse().unwrap());
        let mut leaf = leaf(kind, argument.bytes().next().unwrap_or_default(), target, 1);
        epoch += u64::from(kind == Kind::Boot);
        (leaf.time_ms, leaf.epoch) = (time_ms, epoch);
        last = grammar.follow(&leaf);
    }
    assert_eq!(last, expect, "{log}");
}

fn subject(letter: u8) -> Subject {
    Subject([letter; 16])
}

#[test]
fn an_epoch_has_a_beginning_and_an_end() {
    check("boot, heartbeat, shutdown, boot", Ok(()));
    check("boot, +1, boot", Ok(()));
    check("heartbeat", Err(Violation::BootMissing { epoch: 0 }));
    check("boot, shutdown, heartbeat", Err(Violation::AfterShutdown));
    check("boot, request.admitted a, shutdown", Err(Violation::ShutdownBefore { open: 1 }));
    check("boot, approval.requested a, shutdown", Ok(()));
}

#[test]
fn a_silence_is_explained() {
    check("boot, +120000, config.change", Ok(()));
    check("boot, +120001, config.change", Err(Violation::Silence { ms: 120_001 }));
    check("boot, +120001, heartbeat", Err(Violation::Silence { ms: 120_001 }));
    check("boot, +120001, clock.step, heartbeat", Ok(()));
    check("boot, +120001, audit.degraded, heartbeat", Ok(()));
    check("boot, +999999999, boot, heartbeat", Ok(()));
    check("boot, shutdown, +999999999, boot", Ok(()));
}

#[test]
fn a_request_has_one_end() {
    let ended = |kind| Err(Violation::Ended { subject: subject(b'a'), kind });
    let out_of_turn = |kind| Err(Violation::OutOfTurn { subject: subject(b'a'), kind });
    check("boot, request.admitted a, upstream.dispatched a, result.page a, result.page a, request.completed a", Ok(()));
    check("boot, request.estimated a, request.admitted a, request.refused a", Ok(()));
    check("boot, request.estimated a, request.completed a", Ok(()));
    check("boot, request.refused a", Ok(()));
    check("boot, request.refused a, request.refused a", ended(Kind::RequestRefused));
    check("boot, request.admitted a, request.completed a, request.interrupted a", ended(Kind::RequestInterrupted));
    check("boot, request.admitted a, request.completed a, result.page a", ended(Kind::ResultPage));
    check("boot, request.admitted a, request.completed a, request.admitted a", ended(Kind::RequestAdmitted));
    check("boot, request.estimated a, result.page a", out_of_turn(Kind::ResultPage));
    check("boot, request.admitted a, request.admitted a", out_of_turn(Kind::RequestAdmitted));
    check("boot, request.completed a", out_of_turn(Kind::RequestCompleted));
    check("boot, upstream.dispatched a", out_of_turn(Kind::UpstreamDispatched));
    check("boot, approval.requested a, result.page a", out_of_turn(Kind::ResultPage));
    check("boot, approval.requested a, approval.decided a, approval.decided a, request.admitted a, request.completed a", Ok(()));
}

#[test]
fn what_a_crash_left_open_is_ended_first() {
    check("boot, request.admitted a, boot, request.interrupted a, heartbeat", Ok(()));
    check("boot, request.admitted a, boot, clock.step, request.interrupted a, request.admitted b", Ok(()));
    check("boot, request.admitted a, boot, heartbeat", Err(Violation::OrphansLeft));
    check("boot, request.admitted a, boot, request.refused b", Err(Violation::OrphansLeft));
    check("boot, request.admitted a, boot, request.completed a", Err(Violation::OrphansLeft));
    check("boot, request.admitted a, boot, boot, request.interrupted a", Ok(()));
    check("boot, approval.requested a, boot, request.admitted b, request.admitted a", Ok(()));
}

#[test]
fn what_is_held_is_not_erased() {
    check("boot, erasure @0, retention.expired @1", Ok(()));
    check("boot, erasure @1", Err(Violation::Target { index: 1 }));
    check("boot, legal_hold @0, erasure @0", Err(Violation::Held { index: 0 }));
    check("boot, legal_hold @0, retention.expired @0", Err(Violation::Held { index: 0 }));
    check("boot, legal_hold @0, legal_hold.released @0, erasure @0", Ok(()));
    check("boot, legal_hold.released @0", Err(Violation::NotHeld { index: 0 }));
}

#[test]
fn memory_is_of_what_is_open() {
    // Two ended requests are remembered, the third puts the first out.
    check("boot, request.refused a, request.refused b, request.refused c, request.refused a", Ok(()));
    let mut grammar = Grammar::new(ENDED_KEPT_MAX);
    let mut boot = leaf(Kind::Boot, 0, 0, 0);
    boot.epoch = 1;
    grammar.follow(&boot).unwrap();
    for (kind, step) in
        [(Kind::RequestEstimated, Some(Step::Estimated)), (Kind::RequestAdmitted, Some(Step::Admitted)), (Kind::RequestRefused, None)]
    {
        let mut leaf = leaf(kind, 7, 0, 0);
        leaf.epoch = 1;
        grammar.follow(&leaf).unwrap();
        assert_eq!(grammar.requests().step(subject(7)), step);
    }
    assert_eq!((grammar.interrupted(), grammar.requests().open().count()), (Vec::new(), 0));
}
