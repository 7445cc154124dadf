//! What a job's own settings keep its rows sorted or apart by tells as much as `CLUSTER BY` in the statement.

use sluice_model::{TableName, UseKind};
use sluice_sql::{Destination, Request, analyze};
use sluice_testkit::ground;

#[test]
fn the_order_of_a_destination_is_told_where_a_guess_can_stand_in_it() {
    let check = |text: &str, sorted: &[(&str, UseKind)], expect: &[(&str, UseKind)]| {
        let sorted = sorted.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect();
        let destination = Some(Destination { table: TableName::new("acme-prod", "staging", "t"), truncates: true, sorted });
        let request = Request { text: text.to_owned(), project: "acme-prod".to_owned(), destination, ..Request::default() };
        let analysis = analyze(ground::engine(), &request, &ground::clinic());
        assert_eq!(analysis.refused, None, "{text}");
        let uses = analysis.statements.last().unwrap().uses.iter();
        let found: Vec<_> = uses.map(|used| (used.column.path.join("."), used.how)).collect();
        let expect: Vec<_> = expect.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect();
        assert_eq!(found, expect, "{text}");
    };
    let plain = "SELECT ssn AS x, id FROM clinic.patients";
    let guess = "SELECT ssn AS x, id FROM clinic.patients UNION ALL SELECT '900-00-0000', 1";
    let computed = "SELECT SUBSTR(ssn, 1, 3) AS x, id FROM clinic.patients";
    check(guess, &[], &[]);
    check(plain, &[("x", UseKind::Order)], &[]);
    check(guess, &[("X", UseKind::Order)], &[("ssn", UseKind::Order)]);
    check(guess, &[("other", UseKind::Order)], &[]);
    check(computed, &[("id", UseKind::Order), ("x", UseKind::Group)], &[("ssn", UseKind::Group)]);
}
