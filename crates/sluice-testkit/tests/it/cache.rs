//! A kept analysis stands while everything it looked at is the same, and not a moment longer.

use sluice_model::Analysis;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Cache, Request};
use sluice_testkit::ground;
use std::sync::Arc;

fn ask(cache: &Cache, text: &str, snapshot: &Snapshot) -> Arc<Analysis> {
    let default_dataset = Some(("acme-prod".to_owned(), "clinic".to_owned()));
    let request = Request { text: text.to_owned(), project: "acme-prod".to_owned(), default_dataset, ..Request::default() };
    cache.analyze(ground::engine(), &request, snapshot)
}

/// Whether the second answer is the first one's, after a change of the catalog.
fn check(text: &str, change: impl FnOnce(&mut Snapshot), kept: bool) {
    let cache = Cache::default();
    let mut snapshot = ground::clinic();
    let first = ask(&cache, text, &snapshot);
    assert!(Arc::ptr_eq(&first, &ask(&cache, text, &snapshot)), "not kept at all: {text}");
    change(&mut snapshot);
    assert_eq!(Arc::ptr_eq(&first, &ask(&cache, text, &snapshot)), kept, "{text}");
}

fn touch(snapshot: &mut Snapshot, dataset: &str, table: &str) {
    let found = snapshot.tables.iter_mut().find(|(name, _)| name.dataset == dataset && name.table == table);
    found.unwrap().1.etag.push_str("changed");
}

#[test]
fn an_analysis_is_kept_until_something_it_looked_at_changes() {
    check("SELECT ssn FROM patients", |_| {}, true);
    check("SELECT ssn FROM patients", |snapshot| touch(snapshot, "shop", "orders"), true);
    check("SELECT ssn FROM patients", |snapshot| touch(snapshot, "clinic", "patients"), false);
    // Through a view: the view and the table behind it.
    check("SELECT national_id FROM v_patients", |snapshot| touch(snapshot, "clinic", "v_patients"), false);
    check("SELECT national_id FROM v_patients", |snapshot| touch(snapshot, "clinic", "patients"), false);
    // A table that comes behind a wildcard.
    let newcomer = |snapshot: &mut Snapshot| {
        let mut table = snapshot.tables.values().find(|table| table.name.table == "events_20240101").unwrap().clone();
        table.name.table = "events_20240109".to_owned();
        snapshot.tables.insert(table.name.clone(), table);
    };
    check("SELECT event FROM `acme-prod.clinic.events_*`", newcomer, false);
    let routine = |snapshot: &mut Snapshot| {
        snapshot.routines.values_mut().filter(|routine| routine.name.table == "mask_tail").for_each(|routine| routine.etag.push('x'));
    };
    check("SELECT clinic.mask_tail(ssn) AS a FROM patients", routine, false);
}

#[test]
fn what_was_not_there_is_looked_up_again() {
    let cache = Cache::default();
    let mut snapshot = ground::clinic();
    let hidden = snapshot.tables.iter().find(|(name, _)| name.table == "visits").map(|(name, _)| name.clone()).unwrap();
    let table = snapshot.tables.remove(&hidden).unwrap();
    assert!(ask(&cache, "SELECT id FROM visits", &snapshot).refused.is_some());
    snapshot.tables.insert(hidden, table);
    assert!(ask(&cache, "SELECT id FROM visits", &snapshot).refused.is_none());
}

#[test]
fn a_table_without_an_etag_keeps_nothing() {
    let cache = Cache::default();
    let mut snapshot = ground::clinic();
    snapshot.tables.values_mut().for_each(|table| table.etag.clear());
    let first = ask(&cache, "SELECT ssn FROM patients", &snapshot);
    assert!(!Arc::ptr_eq(&first, &ask(&cache, "SELECT ssn FROM patients", &snapshot)));
}

#[test]
fn settings_that_change_meaning_are_part_of_the_question() {
    let (cache, snapshot) = (Cache::default(), ground::clinic());
    let of = |dataset: &str| Request {
        text: "SELECT * FROM customers".to_owned(),
        project: "acme-prod".to_owned(),
        default_dataset: Some(("acme-prod".to_owned(), dataset.to_owned())),
        ..Request::default()
    };
    assert!(cache.analyze(ground::engine(), &of("shop"), &snapshot).refused.is_none());
    assert!(cache.analyze(ground::engine(), &of("clinic"), &snapshot).refused.is_some());
}
