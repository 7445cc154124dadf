//! What changes while rows are appended: policy, the caller's standing, its token. The next message meets it; what was answered before stays written.

use crate::apart::{Apart, SEEN_WITHIN};
use crate::beside::halt;
use crate::credentials::{COUNT, GATEWAY, Holder, issue, now, query, revoke, taken_up, until};
use crate::policies::{changed, starter_with};
use crate::program::pause;
use crate::storage_rows::{Kind, more, outcome, rows};
use crate::storage_wire::{FORMS, Storage, session};
use crate::storage_write::{count, default_of, on_record, table};
use crate::storage_writer::Append;
use crate::talk::request;
use crate::world::{API, World, ask};
use serde_json::json;
use tempfile::TempDir;
use tonic::{Code, Status};

const CALLER: &str = "etl-nightly";
const NO_ROWS: &str = "
@id(\"no-rows\")
@reason(\"no rows go in any more\")
forbid (principal, action == Action::\"insert\", resource);
";
const NO_DROPS: &str = "
@id(\"no-drops\")
@reason(\"nothing is dropped today\")
forbid (principal, action == Action::\"drop\", resource);
";
const HOLDERS: &str = "
@id(\"holders-append\")
@reason(\"who holds a file appends to what is staged\")
permit (principal in Group::\"staff\", action in [Action::\"Write\"], resource in Dataset::\"acme-prod.staging\");
";

fn with(set: TempDir, rule: &str) -> TempDir {
    std::fs::write(set.path().join("later.cedar"), rule).unwrap();
    set
}

fn at_warehouse(apart: &Apart) -> i64 {
    apart.direct().create(session("staging", "appended", FORMS[0])).unwrap().estimated_row_count
}

fn denied(status: &Status) {
    assert!(status.code() == Code::PermissionDenied && status.message().contains("Quote `"), "{status}");
}

#[test]
fn another_policy_ends_an_append_and_what_was_answered_stays() {
    let apart = Apart::start("write-policy", &[CALLER]);
    let (bearer, body) = (
        format!("Bearer {}", apart.token(CALLER)),
        json!({ "query": "CREATE TABLE staging.appended (id INT64, name STRING)", "useLegacySql": false }),
    );
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let made = ask(apart.plain, &request("POST", &format!("{API}/queries"), &headers, Some(body.to_string().as_bytes())));
    assert_eq!(made.status, 200, "{}", made.text());
    let (storage, beside) = (apart.storage(CALLER, "door/under-way"), apart.storage(CALLER, "door/beside"));
    let [committed, pending] = [Kind::Committed, Kind::Pending].map(|kind| beside.create_stream("appended", kind).unwrap().name);
    beside.append_all(vec![rows(&pending, Some(0), 50..53)]).1.unwrap();
    let mut append = storage.append(rows(&committed, Some(0), 0..2)).unwrap();
    assert_eq!(outcome(&append.answer().unwrap().unwrap()), Ok(Some(0)));
    // Decided again, and let through again.
    let starter = || changed(&[], &apart.folder.join("policy"));
    let before = starter();
    apart.activate(with(starter(), NO_DROPS).path());
    pause(SEEN_WITHIN);
    assert_eq!(outcome(&append.then(more(Some(2), 2..3)).unwrap().unwrap()), Ok(Some(2)));
    apart.activate(with(starter(), NO_ROWS).path());
    pause(SEEN_WITHIN);
    let status = append.then(more(Some(3), 3..9)).unwrap_err();
    denied(&status);
    assert!(status.message().contains("no rows go in any more"), "{status}");
    drop(append);
    let again = apart.storage(CALLER, "door/again");
    denied(&again.append_all(vec![rows(&committed, Some(3), 3..4)]).1.unwrap_err());
    denied(&again.create_stream("appended", Kind::Pending).unwrap_err());
    denied(&again.finalize(&pending).unwrap_err());
    denied(&again.commit("appended", &[&pending]).unwrap_err());
    assert_eq!(at_warehouse(&apart), 3);
    // The streams are still there for when rows may go in again.
    apart.activate(before.path());
    pause(SEEN_WITHIN);
    assert_eq!(beside.finalize(&pending).unwrap(), 3);
    assert!(beside.commit("appended", &[&pending]).unwrap().commit_time.is_some());
    let (answers, end) = beside.append_all(vec![rows(&committed, Some(3), 3..4)]);
    assert!(end.is_ok() && outcome(&answers[0]) == Ok(Some(3)), "{end:?}");
    assert_eq!(at_warehouse(&apart), 7);
    let evidence = apart.finish();
    assert_eq!(on_record(&evidence, "door/under-way"), (vec![2, 1], vec!["failed policy".to_owned()]));
    assert_eq!(evidence.ends("door/again"), ["refused policy"; 4]);
}

struct Appending<'a> {
    storage: Storage<'a>,
    bearer: String,
}

impl<'a> Appending<'a> {
    fn of(world: &'a World, bearer: String) -> Appending<'a> {
        Appending { storage: Storage::with_token(world, &bearer), bearer }
    }

    fn begin(&self, first: u64) -> Append<'_> {
        let mut append = self.storage.append(rows(&default_of("appended"), None, first..first + 1)).unwrap();
        assert_eq!(outcome(&append.answer().unwrap().unwrap()), Ok(None));
        append
    }

    fn is_turned_away(&self, world: &World, status: u16) -> bool {
        query(world, &self.bearer, COUNT).status == status
    }
}

fn holders(name: &str, count: usize) -> (World, TempDir, Vec<Holder>) {
    let policy = with(starter_with(&[]), HOLDERS);
    let world = World::start_with(name, &["--policy", policy.path().to_str().unwrap()]);
    table(&world);
    let holders: Vec<Holder> = (0..count).map(|number| issue(&world, &format!("holder-{number}"))).collect();
    taken_up(&world, &holders[count - 1]);
    (world, policy, holders)
}

#[test]
fn who_is_called_off_or_halted_appends_no_more() {
    let (world, _policy, holders) = holders("write-called-off", 3);
    let [first, second, third] = [0, 1, 2].map(|number| Appending::of(&world, holders[number].bearer(json!({}))));
    let (mut revoked, mut halted, mut other) = (first.begin(0), second.begin(10), third.begin(20));
    revoke(&world, &holders[0]);
    halt(&world, &["--caller", &format!("{GATEWAY}#{}", holders[1].text("private_key_id")), "--by", "ana", "--reason", "looked at"]);
    until("a revoked holder is let in", || first.is_turned_away(&world, 401));
    until("a halted holder is let in", || second.is_turned_away(&world, 403));
    let status = revoked.then(more(None, 1..2)).unwrap_err();
    assert!(status.code() == Code::Unauthenticated && status.message().contains("quote `"), "{status}");
    let status = halted.then(more(None, 11..12)).unwrap_err();
    denied(&status);
    assert!(status.message().contains("halted"), "{status}");
    assert_eq!(outcome(&other.then(more(None, 21..23)).unwrap().unwrap()), Ok(None));
    assert_eq!(count(&world), "5");
    drop((revoked, halted, other));
    let marks = [&first, &second, &third].map(|appending| appending.storage.mark.clone());
    drop((first, second, third));
    let evidence = world.finish();
    let left = marks.map(|mark| on_record(&evidence, &mark));
    assert_eq!([&left[0], &left[1]], [&(vec![1], vec!["failed unproven".to_owned()]), &(vec![1], vec!["failed policy".to_owned()])]);
    assert_eq!((&left[2].0, left[2].1.len()), (&vec![1, 2], 1));
}

/// A connection can be held open for as long as somebody writes; clients open another one, with a fresh token, where this one is not available any more.
#[test]
fn an_append_ends_with_its_token() {
    let (world, _policy, holders) = holders("write-expired", 1);
    let lasting = Appending::of(&world, holders[0].bearer(json!({})));
    let short = Appending::of(&world, holders[0].bearer(json!({ "exp": now() + 10 })));
    let (mut other, mut append) = (lasting.begin(0), short.begin(10));
    assert_eq!(outcome(&append.then(more(None, 11..12)).unwrap().unwrap()), Ok(None));
    until("a token that is over is taken", || short.is_turned_away(&world, 401));
    let status = append.then(more(None, 12..13)).unwrap_err();
    assert!(status.code() == Code::Unavailable && status.message().contains("expired"), "{status}");
    assert_eq!(outcome(&other.then(more(None, 1..2)).unwrap().unwrap()), Ok(None));
    assert_eq!(count(&world), "4");
    drop((append, other));
    let marks = [&short, &lasting].map(|appending| appending.storage.mark.clone());
    drop((short, lasting));
    let evidence = world.finish();
    let [ended, lasted] = marks.map(|mark| on_record(&evidence, &mark));
    assert_eq!(ended, (vec![1, 1], vec!["failed unproven".to_owned()]));
    assert_eq!((&lasted.0, lasted.1.len()), (&vec![1, 1], 1));
}
