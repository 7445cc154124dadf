use super::super::clinic::column_path;
use super::super::mutate::{Drop, mutants};
use super::*;
use sluice_model::{How, Refused, Unresolved, Use};

fn ssn() -> ColumnPath {
    column_path("patients", "ssn")
}

fn street() -> ColumnPath {
    column_path("patients", "address.street")
}

fn output(name: &str, kind: Type, exposures: &[(&str, ColumnPath)]) -> Output {
    let exposure = |(at, column): &(&str, ColumnPath)| {
        let at = at.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Exposure { at, column: column.clone(), how: How::Direct }
    };
    let exposures = exposures.iter().map(exposure).collect();
    Output { name: name.to_owned(), kind: Some(kind), exposures }
}

fn analysis(outputs: Vec<Output>, uses: &[(UseKind, ColumnPath)]) -> Analysis {
    let uses = uses.iter().map(|(how, column)| Use { column: column.clone(), how: *how }).collect();
    let statement = StatementAnalysis { kind: "SELECT".to_owned(), outputs, uses, ..StatementAnalysis::default() };
    Analysis { statements: vec![statement], ..Analysis::default() }
}

fn rows(kinds: &[Type], rows: &[&[Value]]) -> Outcome {
    Outcome::Rows { kinds: kinds.to_vec(), rows: rows.iter().map(|row| row.to_vec()).collect() }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { message: message.to_owned() }
}

fn text(text: &str) -> Value {
    Value::text(text)
}

/// Judged with one variant in which `ssn` and `address.street` differ.
fn check(analysis: &Analysis, base: Outcome, other: Outcome, expect: &[Cause]) {
    let verdict = judge(analysis, &[base, other], &[Vec::new(), vec![ssn(), street()]], Shape::default());
    let found: Vec<Cause> = verdict.misses.iter().map(|miss| miss.cause).collect();
    assert_eq!(found, expect, "{:?}", verdict.misses);
}

const TEXTS: [Type; 2] = [Type::String, Type::String];

#[test]
fn a_difference_must_be_exposed_where_it_is() {
    let one = || rows(&TEXTS, &[&[text("a"), text("x")], &[text("b"), text("y")]]);
    let two = || rows(&TEXTS, &[&[text("c"), text("x")], &[text("d"), text("y")]]);
    let told = analysis(vec![output("s", Type::String, &[("", ssn())]), output("w", Type::String, &[])], &[]);
    let silent = analysis(vec![output("s", Type::String, &[]), output("w", Type::String, &[])], &[]);
    let other = analysis(vec![output("s", Type::String, &[]), output("w", Type::String, &[("", ssn())])], &[]);
    let short = analysis(vec![output("s", Type::String, &[("", ssn())])], &[]);
    check(&told, one(), two(), &[]);
    check(&silent, one(), two(), &[Cause::Output]);
    check(&silent, one(), one(), &[]);
    check(&other, one(), two(), &[Cause::Output]);
    check(&short, one(), two(), &[Cause::Shape]);
}

#[test]
fn rows_are_compared_without_order_but_together() {
    let silent = analysis(vec![output("a", Type::String, &[]), output("b", Type::String, &[])], &[]);
    let one = || rows(&TEXTS, &[&[text("1"), text("x")], &[text("2"), text("y")]]);
    check(&silent, one(), rows(&TEXTS, &[&[text("2"), text("y")], &[text("1"), text("x")]]), &[]);
    check(&silent, one(), rows(&TEXTS, &[&[text("1"), text("y")], &[text("2"), text("x")]]), &[Cause::Rows]);
    check(&silent, one(), rows(&TEXTS, &[&[text("1"), text("x")]]), &[Cause::Rows]);
    let told = analysis(vec![output("a", Type::String, &[("", ssn())]), output("b", Type::String, &[])], &[]);
    check(&told, one(), rows(&TEXTS, &[&[text("1"), text("x")]]), &[Cause::Rows]);
}

#[test]
fn uses_excuse_what_they_can_cause() {
    let with = |how| analysis(vec![output("a", Type::String, &[])], &[(how, ssn())]);
    let fewer = |how, expect: &[Cause]| {
        check(&with(how), rows(&TEXTS[..1], &[&[text("1")], &[text("2")]]), rows(&TEXTS[..1], &[&[text("1")]]), expect);
    };
    for how in [UseKind::Filter, UseKind::Join, UseKind::Group, UseKind::Set, UseKind::Rows, UseKind::Limit, UseKind::Branch] {
        fewer(how, &[]);
    }
    for how in [UseKind::Order, UseKind::Window, UseKind::Pivot, UseKind::Error, UseKind::Assert] {
        fewer(how, &[Cause::Rows]);
    }
    let ordered =
        judge(&with(UseKind::Order), &[failed("a"), failed("b")], &[Vec::new(), vec![ssn()]], Shape { limited: true, handled: false });
    assert!(ordered.misses.is_empty(), "an order with a limit decides rows");
}

#[test]
fn a_failure_must_be_told() {
    let silent = analysis(vec![output("a", Type::String, &[("", ssn())])], &[]);
    let told = analysis(vec![output("a", Type::String, &[])], &[(UseKind::Error, ssn())]);
    let fine = || rows(&TEXTS[..1], &[&[text("1")]]);
    check(&silent, fine(), failed("bad value"), &[Cause::Failure]);
    check(&silent, failed("bad value: a"), failed("bad value: b"), &[Cause::Failure]);
    check(&silent, failed("bad value"), failed("bad value"), &[]);
    check(&told, fine(), failed("bad value"), &[]);
}

#[test]
fn a_path_masks_itself_only() {
    let address = Type::structure([("street", Type::String), ("city", Type::String)]);
    let list = Type::array(address.clone());
    let value = |street: &str, city: &str| Value::Record(vec![text(street), text(city)]);
    let told = |kind: &Type, at: &str| analysis(vec![output("a", kind.clone(), &[(at, street())])], &[]);
    let kinds = [address.clone()];
    check(&told(&address, "STREET"), rows(&kinds, &[&[value("a", "x")]]), rows(&kinds, &[&[value("b", "x")]]), &[]);
    check(&told(&address, "street"), rows(&kinds, &[&[value("a", "x")]]), rows(&kinds, &[&[value("b", "y")]]), &[Cause::Output]);
    check(&told(&address, "city"), rows(&kinds, &[&[value("a", "x")]]), rows(&kinds, &[&[value("b", "x")]]), &[Cause::Output]);
    let kinds = [list.clone()];
    let many = |streets: &[&str]| Value::List(streets.iter().map(|street| value(street, "x")).collect());
    check(&told(&list, "street"), rows(&kinds, &[&[many(&["a", "b"])]]), rows(&kinds, &[&[many(&["c", "d"])]]), &[]);
    check(&told(&list, "street"), rows(&kinds, &[&[many(&["a", "b"])]]), rows(&kinds, &[&[many(&["c"])]]), &[Cause::Output]);
    check(&told(&list, ""), rows(&kinds, &[&[many(&["a", "b"])]]), rows(&kinds, &[&[many(&["c"])]]), &[]);
}

#[test]
fn a_column_that_did_not_vary_explains_nothing() {
    let told = analysis(vec![output("a", Type::String, &[("", street())])], &[]);
    let outcomes = [rows(&TEXTS[..1], &[&[text("1")]]), rows(&TEXTS[..1], &[&[text("2")]])];
    let verdict = judge(&told, &outcomes, &[Vec::new(), vec![ssn()]], Shape::default());
    assert_eq!(verdict.misses.len(), 1);
    assert!(judge(&told, &outcomes, &[Vec::new(), vec![street()]], Shape::default()).misses.is_empty());
}

#[test]
fn a_refusal_promises_nothing() {
    let refused = Analysis { refused: Some(Refused { reason: "too deep".to_owned() }), ..Analysis::default() };
    assert!(judge(&refused, &[], &[], Shape::default()).refused);
    let mut unresolved = analysis(Vec::new(), &[]);
    unresolved.statements[0].unresolved.push(Unresolved { what: "a call".to_owned(), own: true });
    assert!(judge(&unresolved, &[], &[], Shape::default()).refused);
}

#[test]
fn every_exposure_and_use_can_be_dropped() {
    let outputs = vec![output("a", Type::String, &[("", ssn()), ("", street())]), output("b", Type::String, &[])];
    let whole = analysis(outputs, &[(UseKind::Filter, ssn()), (UseKind::Error, column_path("patients", "id"))]);
    let found: Vec<Drop> = mutants(&whole, &[ssn(), street()]).into_iter().map(|mutant| mutant.dropped).collect();
    assert_eq!(found, [Drop::Output, Drop::Exposure, Drop::Exposure, Drop::Use]);
}
