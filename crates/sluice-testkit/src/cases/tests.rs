use super::*;
use sluice_model::{ColumnPath, Effect, How, Output, Refused, StatementAnalysis, UseKind};

fn parsed(text: &str) -> Case {
    parse(text).unwrap().remove(0)
}

fn exposure(column: &str, how: How, at: &[&str]) -> Exposure {
    Exposure { at: at.iter().map(|part| (*part).to_owned()).collect(), column: name::column(column).unwrap(), how }
}

fn selected(outputs: &[(&str, &[Exposure])], uses: &[(&str, UseKind)]) -> StatementAnalysis {
    let output = |(name, exposures): &(&str, &[Exposure])| Output { name: (*name).to_owned(), kind: None, exposures: exposures.to_vec() };
    let one_use = |(column, how): &(&str, UseKind)| Use { column: name::column(column).unwrap(), how: *how };
    StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Read],
        outputs: outputs.iter().map(output).collect(),
        uses: uses.iter().map(one_use).collect(),
        ..StatementAnalysis::default()
    }
}

fn differs(expectation: &str, analysis: &Analysis) -> String {
    let report = check_text(&format!("=== one\nSELECT 1\n---\n{expectation}"), |_| analysis.clone());
    report.failures.into_iter().map(|failure| failure.text.replace("SELECT 1\n", "")).collect()
}

#[test]
fn a_case_is_read() {
    let case = parsed(
        "# remark\n\n=== a name\ndefault: other.set\nSELECT id,\n  ssn AS `uses`\nFROM patients\n---\nid: patients.id direct\n`uses`: patients.ssn direct @a.b,\n  shop.orders.id derived\nuses: patients.name filter\n",
    );
    assert_eq!((case.name.as_str(), case.line, case.sql.as_str()), ("a name", 3, "SELECT id,\n  ssn AS `uses`\nFROM patients"));
    assert_eq!((case.default_project.as_str(), case.default_dataset.as_str()), ("other", "set"));
    let statement = &case.expect.statements[0];
    assert_eq!(statement.outputs[1].name, "uses");
    let exposures = [exposure("patients.ssn", How::Direct, &["a", "b"]), exposure("shop.orders.id", How::Derived, &[])];
    assert_eq!(statement.outputs[1].exposures, exposures.into());
    assert_eq!(statement.uses, [Use { column: name::column("patients.name").unwrap(), how: UseKind::Filter }].into());
}

#[test]
fn slips_are_errors() {
    let check = |expectation: &str, line: usize, reason: &str| {
        let text = format!("=== one\nSELECT 1\n---\n{expectation}\n");
        assert_eq!(parse(&text), Err(CaseError { line, reason: reason.to_owned() }), "{text}");
    };
    check("x: patients.ssn", 4, "`patients.ssn` is not `table.column how @path`");
    check("x: patients.ssn exact", 4, "`patients.ssn exact` is not `table.column how @path`");
    check("x: patients direct", 4, "`patients direct` is not `table.column how @path`");
    check("x: patients.ssn direct path", 4, "`patients.ssn direct path` is not `table.column how @path`");
    check("uses: patients.ssn sort", 4, "`patients.ssn sort` is not `table.column kind`");
    check("uses: patients.ssn order, patients.ssn order", 4, "`patients.ssn order` stands twice");
    check("reads: patients(id", 4, "`patients(id` is not `table(column, ...)`");
    check("letters: CMX", 4, "`CMX` is not `x` or letters of `MmC?`");
    check("x: -\n[SELECT]", 5, "lines before the first `[KIND]`");
    check("something", 4, "no colon");
    check("", 1, "nothing is expected");
    check("x: -\n=== one", 5, "`one` stands twice");
    check("x: -\n=== two\nSELECT 1\n=== three", 7, "the case before has no `---`");
    check("x: -\n=== two\nSELECT 1", 6, "the last case has no `---`");
    check("x: -\n=== two\n---\nx: -", 5, "no statement");
}

#[test]
fn names_are_short_and_read_back() {
    let check = |short: &str, full: &str| {
        let column = name::column(short).unwrap();
        assert_eq!((column.to_string().as_str(), name::column_text(&column).as_str()), (full, short));
    };
    check("patients.address.street", "acme-prod.clinic.patients.address.street");
    check("shop.orders.id", "acme-prod.shop.orders.id");
    check("events_*._TABLE_SUFFIX", "acme-prod.clinic.events_*._TABLE_SUFFIX");
    let foreign = ColumnPath { table: TableName::new("p", "d", "t"), path: vec!["c".to_owned()] };
    assert_eq!(name::column_text(&foreign), "p.d.t.c");
    assert_eq!((name::column("patients"), name::column("shop.orders"), name::column("")), (None, None, None));
    assert_eq!(name::table("shop.orders"), Some(TableName::new("acme-prod", "shop", "orders")));
}

#[test]
fn differences_are_shown() {
    let exposures = [exposure("patients.ssn", How::Direct, &[]), exposure("patients.id", How::Derived, &["a"])];
    let analysis =
        Analysis { statements: vec![selected(&[("x", &exposures), ("f0_", &[])], &[("patients.name", UseKind::Filter)])], refused: None };
    let check = |expectation: &str, difference: &str| assert_eq!(differs(expectation, &analysis), difference, "{expectation}");
    check("x: patients.id derived @a, patients.ssn direct\n_: -\nuses: patients.name filter\neffects: read", "");
    check(
        "x: patients.ssn direct\n_: -\nuses: patients.name filter, patients.id order",
        "  [SELECT]\n  + x: patients.id derived @a\n  - uses: patients.id order\n",
    );
    check(
        "y: patients.ssn direct, patients.id derived @a\nuses: patients.name filter",
        "  [SELECT]\n  - column: y\n  + column: x\n  + f0_: \n",
    );
    check(
        "kind: INSERT\neffects: insert, read\nreads: patients(id)\nx: patients.ssn direct, patients.id derived @a\n_:\nuses: patients.name filter",
        "  [SELECT]\n  - kind: INSERT\n  + kind: SELECT\n  - effects: insert\n  - reads: patients(id)\n",
    );
    check("refused: syntax", "  - refused: syntax\n  + refused: not refused\n");
    check("letters: MC", "");
    check("letters: ?C", "");
    check("letters: mC", "");
    check("letters: mm", "  - letters: mm\n  + letters: MC\n");
    check("letters: CC", "  - letters: CC\n  + letters: MC\n");
    check("letters: x", "  - refused, unresolved or dynamic\n  + understood\n");
}

#[test]
fn statements_are_met_in_order() {
    let silent = StatementAnalysis { kind: "DECLARE".to_owned(), ..StatementAnalysis::default() };
    let first = selected(&[("a", &[])], &[]);
    let second = selected(&[("b", &[])], &[]);
    let analysis = Analysis { statements: vec![silent, first, second], refused: None };
    assert_eq!(differs("[SELECT]\na: -\n[SELECT]\nb: -", &analysis), "");
    assert_eq!(differs("[DECLARE]\n[SELECT]\na: -\n[SELECT]\nb: -", &analysis), "");
    assert_eq!(differs("a: -", &analysis), "  + [SELECT], which is not expected\n  + b: \n");
    assert_eq!(differs("[SELECT]\na: -\n[SELECT]\nb: -\n[SELECT]\nc: -", &analysis), "  - [SELECT]\n  + no such statement\n");
}

#[test]
fn refusals_and_the_unresolved_are_never_passed_over() {
    let refused = Analysis { statements: Vec::new(), refused: Some(Refused { reason: "syntax error: x".to_owned() }) };
    assert_eq!(differs("refused: Syntax", &refused), "");
    assert_eq!(differs("letters: x", &refused), "");
    assert_eq!(differs("letters: Cm", &refused), "");
    assert_eq!(differs("letters: C", &refused), "  - letters: C\n  + refused: syntax error: x\n");
    assert_eq!(differs("refused: type", &refused), "  - refused: type\n  + refused: syntax error: x\n");
    assert_eq!(differs("x: -", &refused), "  - refused: not refused\n  + refused: syntax error: x\n");
    let mut statement = selected(&[("x", &[])], &[]);
    statement.unresolved.push(sluice_model::Unresolved { what: "remote function `f`".to_owned(), own: true });
    let unresolved = Analysis { statements: vec![statement], refused: None };
    assert_eq!(differs("x: -\nunresolved: remote", &unresolved), "");
    assert_eq!(differs("x: -\nunresolved:", &unresolved), "");
    assert_eq!(differs("x: -", &unresolved), "  [SELECT]\n  - unresolved: -\n  + unresolved: remote function `f`\n");
    assert_eq!(differs("letters: m", &unresolved), "");
    assert_eq!(differs("letters: C", &unresolved), "  - letters: C\n  + letters: C and unresolved\n");
}

#[test]
fn a_report_names_the_case() {
    let report = check_text("=== one\nSELECT 1\n---\nx: -\n", |_| Analysis::default());
    assert_eq!(report.to_string(), "=== one (line 1)\nSELECT 1\n  - [statement]\n  + no such statement\n\n1 of 1 cases differ");
    assert!(!report.is_clean());
    assert!(!check_text("", |_| Analysis::default()).is_clean());
    assert!(!check_file(Path::new("/nowhere"), |_| Analysis::default()).is_clean());
}

#[test]
fn the_files_of_this_crate_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        cases += parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
    }
    assert!(cases > 600, "{cases} cases");
}
