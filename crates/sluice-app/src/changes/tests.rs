//! Who is overtaken by what, and what is remembered of it.

use super::*;
use crate::changing::changed;
use crate::job::{JobName, Part, QueryWork, Rested, RestedKind};
use sluice_model::{Analysis, Effect, StatementAnalysis, Write};

fn job(number: u8, created_ms: u64, opens: &[&str], creates: &[&str]) -> KnownJob {
    let write = |name: &&str| Write { table: TableName::parse(name).unwrap(), columns: Vec::new(), effect: Effect::Create };
    let statement = StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Replace],
        reads: Vec::new(),
        historical: Vec::new(),
        billed: None,
        writes: creates.iter().map(write).collect(),
        outputs: Vec::new(),
        uses: Vec::new(),
        routines: opens.iter().map(|name| (*name).to_owned()).collect(),
        unresolved: Vec::new(),
        locations: Vec::new(),
        child_job: true,
        span: None,
        reads_files: false,
        shapes: Vec::new(),
    };
    let work = QueryWork {
        text: String::new(),
        parameters: Vec::new(),
        default_dataset: None,
        destination: None,
        analysis: Arc::new(Analysis { statements: vec![statement], refused: None }),
        dry_run: None,
        part: Part::Whole,
    };
    KnownJob {
        connection: "c".to_owned(),
        name: JobName { project: "p".to_owned(), id: number.to_string(), location: None },
        owner: "o".to_owned(),
        subject: Subject([number; 16]),
        request_id: None,
        created_ms,
        work: JobWork::Query(Box::new(work)),
        result_table: None,
        arrived: true,
        course: crate::job::Course::default(),
    }
}

fn begin(changes: &Changes, job: &KnownJob) {
    begin_changes(changes, job.subject, changed(job, false), job.created_ms);
}

fn begin_changes(noted: &Changes, by: Subject, changes: Vec<Changing>, since_ms: u64) {
    noted.begin(Beginning { by, changes, routines: BTreeSet::new(), leaving: BTreeSet::new(), since_ms }).unwrap();
}

fn end(changes: &Changes, job: &KnownJob, now_ms: u64) {
    changes.end(job.subject, &BTreeMap::new(), now_ms);
}

#[test]
fn a_job_is_overtaken_by_what_changes_since_it_was_understood() {
    let changes = Changes::default();
    let check = |job: &KnownJob, expect: bool| assert_eq!(changes.is_overtaken(job), expect, "{job:?}");
    let (reader, other, before) = (job(1, 1_000, &["p.d.View"], &[]), job(2, 1_000, &["p.d.w"], &[]), job(3, 500, &["p.d.view"], &[]));
    check(&reader, false);
    let first = job(4, 900, &[], &["p.d.view"]);
    begin(&changes, &first);
    check(&reader, true);
    check(&other, false);
    end(&changes, &first, 999);
    check(&reader, false);
    check(&before, true);
    // One that read what it was understood by stays as it was.
    let early = job(7, 1_000, &["p.d.view"], &[]);
    changes.judge(early.subject, true);
    // What it makes itself it knows.
    let maker = job(5, 1_100, &["p.d.view"], &["p.d.view"]);
    begin(&changes, &maker);
    check(&maker, false);
    check(&reader, true);
    check(&early, false);
    end(&changes, &maker, 1_100);
    end(&changes, &maker, 2_000);
    check(&reader, true);
    check(&job(6, 1_101, &["p.d.view"], &[]), false);
    // By a method, of the whole dataset.
    let whole = TableName::new("p", "D", "");
    begin_changes(&changes, Subject([9; 16]), vec![Changing { name: whole, often: false, adds: false }], 1_150);
    check(&job(6, 1_101, &["p.d.view"], &[]), true);
    check(&job(6, 1_101, &["p.e.view"], &[]), false);
    changes.end(Subject([9; 16]), &BTreeMap::new(), 1_160);
    check(&job(6, 1_101, &["p.d.view"], &[]), true);
    check(&job(8, 1_161, &["p.d.view"], &[]), false);
    changes.judge(Subject([8; 16]), false);
    check(&job(8, 1_161, &["p.d.view"], &[]), true);
}

#[test]
fn what_is_being_changed_is_found_by_every_name_for_it() {
    let changes = Changes::default();
    begin(&changes, &job(1, 0, &[], &["p.d.events_2", "p.d.other"]));
    let check = |name: (&str, &str, &str), expect: &[&str]| {
        let found = changes.changing(&TableName::new(name.0, name.1, name.2));
        assert_eq!(found.iter().map(|name| name.table.as_str()).collect::<Vec<_>>(), expect, "{name:?}");
    };
    check(("p", "d", "events_2"), &["events_2"]);
    check(("P", "D", "EVENTS_2"), &["events_2"]);
    check(("p", "d", "events_2$20240101"), &["events_2"]);
    check(("p", "d", "events_*"), &["events_2"]);
    check(("p", "d", "*"), &["events_2", "other"]);
    check(("p", "d", "events_"), &[]);
    check(("p", "e", "events_2"), &[]);
    end(&changes, &job(1, 0, &[], &[]), 10);
    check(("p", "d", "*"), &[]);
}

#[test]
fn what_is_made_more_than_once_is_told_apart() {
    let check = |creates: &[&str], expect: &[(&str, bool)]| {
        let found = changed(&job(1, 0, &[], creates), false);
        let found: Vec<(String, bool)> = found.into_iter().map(|changing| (changing.name.to_string(), changing.often)).collect();
        assert_eq!(found, expect.iter().map(|(name, often)| ((*name).to_owned(), *often)).collect::<Vec<_>>());
    };
    check(&["p.d.t"], &[("p.d.t", false)]);
    check(&["p.d.u", "p.d.t", "p.d.t"], &[("p.d.t", true), ("p.d.u", false)]);
    // What is made and gone was there in between; in a loop also where it goes first.
    let check_each = |kinds: &[&str], effects: &[Effect], expect: bool| {
        let mut known = job(1, 0, &[], &["p.d.t"]);
        if let JobWork::Query(work) = &mut known.work {
            let statements = &mut Arc::make_mut(&mut work.analysis).statements;
            let one = statements.remove(0);
            let of_kind =
                |kind: &&str| StatementAnalysis { kind: (*kind).to_owned(), writes: Vec::new(), span: Some((0, 40)), ..one.clone() };
            statements.extend(kinds.iter().map(of_kind));
            statements.extend((1..).zip(effects).map(|(from, effect)| {
                let write = Write { effect: *effect, ..one.writes[0].clone() };
                StatementAnalysis { writes: vec![write], span: Some((from * 10, from * 10 + 9)), ..one.clone() }
            }));
        }
        let found = changed(&known, false);
        assert_eq!(found.iter().map(|changing| changing.often).collect::<Vec<_>>(), [expect], "{kinds:?} {effects:?}");
    };
    check_each(&[], &[Effect::Create, Effect::Drop], true);
    check_each(&[], &[Effect::Create, Effect::Alter], true);
    check_each(&[], &[Effect::Drop, Effect::Create], false);
    check_each(&[], &[Effect::Drop], false);
    check_each(&["WHILE"], &[Effect::Drop, Effect::Create], true);
    check_each(&["WHILE"], &[Effect::Insert, Effect::Insert, Effect::Insert, Effect::Drop, Effect::Create], false);
    check_each(&["IF"], &[Effect::Drop, Effect::Create], false);
    // Where nothing is it is made once.
    let mut only_made = job(1, 0, &[], &["p.d.t", "p.d.t"]);
    if let JobWork::Query(work) = &mut only_made.work {
        Arc::make_mut(&mut work.analysis).statements.iter_mut().for_each(|statement| statement.effects.clear());
    }
    assert_eq!(changed(&only_made, false), [Changing { name: TableName::new("p", "d", "t"), often: false, adds: true }]);
}

#[test]
fn two_who_look_at_the_same_thing_have_not_changed_it() {
    let (changes, name) = (Changes::default(), TableName::new("p", "d", "t"));
    let rested = Rested { name: name.clone(), kind: RestedKind::Table, role: Role::Read, shape: Some([1; 32]), places: None };
    let rest = Rest::of("c", 0, std::iter::once(rested));
    let look = |by: u8, left: u8, now_ms: u64| {
        changes.end(Subject([by; 16]), &BTreeMap::from([(name.clone(), [left; 32])]), now_ms);
    };
    let check = |expect: Option<&[Shape]>| {
        let found = changes.disturbed(&rest, &Role::SHOWN, Subject([0; 16]));
        let left = found.into_iter().map(|disturbed| disturbed.left.map(BTreeSet::from_iter)).collect::<Vec<_>>();
        assert_eq!(left, [expect.map(|shapes| shapes.iter().copied().collect::<BTreeSet<Shape>>())]);
    };
    let many = u8::try_from(CHANGES_MAX).unwrap() + 4;
    (1..=many).for_each(|by| changes.unwatched(Subject([by; 16]), vec![name.clone()], 10));
    check(Some(&[]));
    (1..=many).for_each(|by| look(by, 1, 20));
    check(Some(&[[1; 32]]));
    // What is forgotten of them says the same.
    changes.unwatched(Subject([200; 16]), vec![name.clone()], 30);
    check(Some(&[[1; 32]]));
    // Somebody who changes it beside them leaves nothing that they could have seen.
    begin_changes(&changes, Subject([201; 16]), vec![Changing { name: name.clone(), often: false, adds: false }], 35);
    look(200, 1, 40);
    check(None);
}

#[test]
fn whoever_adds_to_what_was_there_is_told_apart() {
    let [here, star, whole] = ["here", "h*", ""].map(|table| TableName::new("p", "d", table));
    let gone = TableName::new("p", "d", "gone");
    let rested = [(&here, Some([1; 32])), (&gone, None), (&star, Some([1; 32]))].map(|(name, shape)| {
        let kind = if shape.is_some() { RestedKind::Table } else { RestedKind::Absent };
        Rested { name: name.clone(), kind, role: Role::Read, shape, places: None }
    });
    let rest = Rest::of("c", 0, rested.into_iter());
    // Who changes what, whether it only adds; and of what is disturbed whether it is known what was left there.
    let check = |noted: &[(&TableName, bool)], expect: &[(&TableName, bool)]| {
        let changes = Changes::default();
        for (by, (name, adds)) in (1..).zip(noted) {
            begin_changes(&changes, Subject([by; 16]), vec![Changing { name: (*name).clone(), often: false, adds: *adds }], 10);
        }
        let found = changes.disturbed(&rest, &Role::SHOWN, Subject([0; 16]));
        let found: Vec<_> = found.iter().map(|disturbed| (&disturbed.name, disturbed.left.is_some())).collect();
        assert_eq!(found, expect, "{noted:?}");
    };
    check(&[(&here, false)], &[(&star, true), (&here, true)]);
    check(&[(&here, false), (&here, false)], &[(&star, false), (&here, false)]);
    check(&[(&here, true), (&here, true), (&here, true)], &[(&star, true), (&here, true)]);
    check(&[(&here, true), (&here, false)], &[(&star, true), (&here, true)]);
    check(&[(&here, true), (&here, false), (&here, false)], &[(&star, false), (&here, false)]);
    // A dataset that is made is there already for whoever reads a table of it. What a name with `*` stands for may be less than a table.
    check(&[(&whole, true)], &[(&gone, false), (&star, false)]);
    check(&[(&whole, false)], &[(&gone, false), (&star, false), (&here, false)]);
    check(&[], &[]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let changes = Changes::default();
    for number in 0..=u8::MAX {
        let made = job(number, u64::from(number), &[], &["p.d.view"]);
        begin(&changes, &made);
        end(&changes, &made, u64::from(number));
    }
    assert_eq!(changes.noted().changes.values().map(Vec::len).sum::<usize>(), CHANGES_MAX);
    assert!(changes.noted().open.is_empty());
    assert!(changes.is_overtaken(&job(1, 200, &["p.d.view"], &[])));
}
