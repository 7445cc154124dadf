use super::*;
use std::collections::HashSet;

const FILE: &str = r#"
format = 1
[labels.contact]
mask = "email"
reason = "reaches a person"
columns = ["*.*.*.email", "acme-prod.clinic.patients.address"]
policy_tags = ["taxonomies/1/policyTags/2"]
[labels.national_id]
mask = "last_four"
reason = "identifies a person"
columns = ["acme-prod.clinic.patients.ssn", "acme-prod.clinic.events_*.ssn"]
[[released]]
column = "acme-prod.shop.suppliers.email"
label = "contact"
by = "ana@acme.example"
reason = "of companies, not of people"
"#;

fn column(text: &str) -> ColumnPath {
    let (project, rest) = text.split_once('.').unwrap();
    let parts: Vec<&str> = rest.split('.').collect();
    ColumnPath { table: TableName::new(project, parts[0], parts[1]), path: parts[2..].iter().map(|part| (*part).to_owned()).collect() }
}

fn check(name: &str, expect: &[&str]) {
    let mut known = Known::default();
    known.tag(&column("acme-prod.clinic.patients.phones"), "taxonomies/1/policyTags/2");
    known.tag(&column("acme-prod.clinic.patients.ward"), "taxonomies/9/policyTags/9");
    known.inherit(&column("acme-prod.staging.Copy.value"), "national_id");
    known.inherit(&column("acme-prod.staging.copy.gone"), "a_label_of_last_year");
    let labels = Labels::read(FILE).unwrap();
    let found: Vec<&str> = labels.of(&column(name), &known).into_iter().map(|label| label.name.as_str()).collect();
    assert_eq!(found, expect, "{name}");
}

#[test]
fn labels_are_found_by_canonical_name() {
    check("acme-prod.clinic.patients.ssn", &["national_id"]);
    check("acme-prod.clinic.patients.id", &[]);
    check("acme-prod.clinic.patients$20240101.ssn", &["national_id"]);
    check("acme-prod.clinic.patients@-3600000.ssn", &["national_id"]);
    check("ACME-PROD.Clinic.PATIENTS.SSN", &["national_id"]);
    check("acme-prod.clinic.events_*.ssn", &["national_id"]);
    check("acme-prod.clinic.events_20240101.ssn", &["national_id"]);
    check("acme-prod.clinic.event.ssn", &[]);
    check("other.any.thing.email", &["contact"]);
    check("acme-prod.clinic.patients.address.street", &["contact"]);
    check("acme-prod.shop.suppliers.email", &[]);
}

/// A size says something of everything that it measures.
#[test]
fn sizes_have_the_labels_of_what_they_measure() {
    let size = |view: &str, name: &str| {
        let table = TableName::new("Acme-Prod", "region-us", &format!("INFORMATION_SCHEMA.{view}"));
        ColumnPath { table, path: vec![name.to_owned()] }
    };
    let mut known = Known::default();
    known.inherit(&column("acme-prod.staging.copy.gone"), "a_label_of_last_year");
    known.inherit(&column("acme-other.staging.copy.gone"), "national_id");
    let labels = Labels::read(FILE).unwrap();
    let check = |view: &str, name: &str, expect: &[&str]| {
        let found: Vec<&str> = labels.of(&size(view, name), &known).into_iter().map(|label| label.name.as_str()).collect();
        assert_eq!(found, expect, "{view} {name}");
    };
    // A label that is gone hides all the same.
    let all = ["unmapped_policy_tag", "contact", "national_id"];
    check("TABLE_STORAGE", "total_logical_bytes", &all);
    check("table_storage_by_project", "TOTAL_PHYSICAL_BYTES", &all);
    check("TABLE_STORAGE_USAGE_TIMELINE", "billable_total_logical_usage", &all);
    check("TABLE_STORAGE_USAGE_TIMELINE", "usage_date", &[]);
    check("TABLE_STORAGE", "total_partitions", &all);
    check("SEARCH_INDEXES", "total_storage_bytes", &all);
    check("VECTOR_INDEXES", "total_logical_bytes", &all);
    check("SEARCH_INDEXES", "index_name", &[]);
    check("MATERIALIZED_VIEWS", "last_refresh_status", &all);
    check("TABLE_STORAGE", "total_rows", &[]);
    check("TABLES", "table_name", &[]);
    let other = Known::default();
    let elsewhere =
        ColumnPath { table: TableName::new("none", "", "INFORMATION_SCHEMA.TABLE_STORAGE"), path: vec!["total_logical_bytes".to_owned()] };
    // `email` may be a column of any project.
    assert_eq!(labels.of(&elsewhere, &other).len(), 1);
}

/// One size of one view, of one label: the others stay hidden.
#[test]
fn a_size_is_released_by_itself() {
    let release =
        |column: &str| format!("[[released]]\ncolumn = \"{column}\"\nlabel = \"contact\"\nby = \"ana\"\nreason = \"for the bill\"\n");
    let file = format!("{FILE}{}", release("acme-prod.region-us.INFORMATION_SCHEMA.TABLE_STORAGE.total_logical_bytes"));
    let labels = Labels::read(&file).unwrap();
    let check = |region: &str, view: &str, name: &str, expect: &[&str]| {
        let table = TableName::new("acme-prod", region, &format!("INFORMATION_SCHEMA.{view}"));
        let column = ColumnPath { table, path: vec![name.to_owned()] };
        let known = Known::default();
        let found: Vec<&str> = labels.of(&column, &known).into_iter().map(|label| label.name.as_str()).collect();
        assert_eq!(found, expect, "{region} {view} {name}");
    };
    check("region-us", "TABLE_STORAGE", "total_logical_bytes", &["national_id"]);
    check("region-us", "TABLE_STORAGE", "total_physical_bytes", &["contact", "national_id"]);
    check("region-eu", "TABLE_STORAGE", "total_logical_bytes", &["contact", "national_id"]);
    check("region-us", "TABLE_STORAGE_BY_PROJECT", "total_logical_bytes", &["contact", "national_id"]);
}

/// Whoever has a struct, or a column of JSON, has what is in it.
#[test]
fn what_holds_a_labelled_part_is_labelled() {
    let file = "format = 1\n[labels.id]\nmask = \"sha256\"\nreason = \"r\"\ncolumns = [\"p.d.t.payload.person.ssn\", \"p.d.t.*.secret\"]\n\
        [[released]]\ncolumn = \"p.d.t.payload.person.ssn\"\nlabel = \"id\"\nby = \"ana\"\nreason = \"r\"";
    let labels = Labels::read(file).unwrap();
    let mut known = Known::default();
    known.tag(&column("p.d.u.payload.ssn"), "t");
    known.inherit(&column("p.d.v.payload.ssn"), "id");
    let of = |name: &str| labels.of(&column(name), &known).into_iter().map(|label| label.name.as_str()).collect::<Vec<_>>();
    // A release of a part releases nothing that is around it.
    for (name, expect) in [
        ("p.d.t.payload", &["id"][..]),
        ("p.d.t.payload.person", &["id"]),
        ("p.d.t.payload.person.ssn", &[]),
        ("p.d.t.payload.other", &[]),
        ("p.d.t.any", &["id"]),
        ("p.d.t.any.other", &[]),
        ("p.d.u.payload", &["unmapped_policy_tag"]),
        ("p.d.u.payloads", &[]),
        ("p.d.v.payload", &["id"]),
    ] {
        assert_eq!(of(name), expect, "{name}");
    }
}

#[test]
fn labels_come_with_tags_and_with_the_data() {
    check("acme-prod.clinic.patients.phones", &["contact"]);
    check("acme-prod.clinic.patients.ward", &["unmapped_policy_tag"]);
    check("acme-prod.staging.copy.value", &["national_id"]);
    check("acme-prod.staging.copy.value.inner", &["national_id"]);
    check("acme-prod.staging.copy.gone", &["unmapped_policy_tag"]);
}

#[test]
fn a_table_has_the_labels_of_its_columns() {
    let mut known = Known::default();
    known.inherit(&column("acme-prod.staging.copy.value"), "national_id");
    let labels = Labels::read(FILE).unwrap();
    let of = |project: &str, dataset: &str, table: &str| {
        labels.of_table(&TableName::new(project, dataset, table), &known).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("acme-prod", "clinic", "patients"), ["contact", "national_id"]);
    assert_eq!(of("acme-prod", "staging", "copy$1"), ["contact", "national_id"]);
    assert_eq!(of("acme-prod", "staging", "copy2"), ["contact"]);
}

#[test]
fn a_label_of_a_whole_table_is_on_every_column_until_it_is_taken_off() {
    let file = "format = 1\n[labels.id]\nmask = \"sha256\"\nreason = \"r\"\ncolumns = []\n";
    let release = |column: &str| format!("[[released]]\ncolumn = \"{column}\"\nlabel = \"id\"\nby = \"ana\"\nreason = \"seen\"\n");
    let mut known = Known::default();
    known.inherit_computed(&whole(&TableName::new("p", "D", "T")), "id");
    let check = |released: &str, name: &str, expect: bool| {
        let labels = Labels::read(&format!("{file}{released}")).unwrap();
        assert_eq!(!labels.of(&column(name), &known).is_empty(), expect, "{name} {released}");
        assert_eq!(labels.is_computed(&column(name), &known), expect, "{name} {released}");
        let found = Found::of_all(&labels, &known, [column(name)].iter(), &HashSet::from([&column(name)]));
        assert_eq!(!found.of(&column(name)).is_empty(), expect, "the shape of {name} {released}");
    };
    for name in ["p.d.t.any", "P.D.t.any.inner", "p.d.t$20240101.other"] {
        check("", name, true);
        check(&release("p.d.t.*"), name, false);
    }
    check("", "p.d.t2.any", false);
    check(&release("p.d.t.any"), "p.d.t.any.inner", false);
    check(&release("p.d.t.any"), "p.d.t.other", true);
    let labels = Labels::read(file).unwrap();
    assert_eq!(labels.kept_of_table(&TableName::new("p", "d", "t"), &known), BTreeSet::from(["id"]));
}

#[test]
fn every_problem_of_the_file_is_said_at_once() {
    let problems = |text: &str| Labels::read(text).map_or_else(|problems| problems.len(), |_| 0);
    assert_eq!(problems("format = 1"), 0);
    assert_eq!(problems(""), 1);
    assert_eq!(problems("format = 1\nlables = 1"), 1);
    assert_eq!(problems("format = 2\n[labels.A]\nmask = \"x\"\nreason = \"\"\ncolumns = [\"a.b\", \"a.b.c.\"]"), 6);
    assert_eq!(problems("format = 1\n[labels.a]\nmask = \"sha256\"\nreason = \"r\""), 1);
    // Findings give it, or people.
    assert_eq!(problems("format = 1\n[labels.a]\nmask = \"sha256\"\nreason = \"r\"\ncolumns = []"), 0);
    let of = |column: &str| problems(&format!("format = 1\n[labels.a]\nmask = \"sha256\"\nreason = \"r\"\ncolumns = ['''{column}''']"));
    assert_eq!(of("p.d.t.c"), 0);
    assert_eq!(of("example.com:p.d.t.c"), 0);
    // It would hide nothing, and nobody would see that.
    for column in ["`p.d.t.c`", "p.d.`t`.c", "p.d.t. c", "p.d.t.c ", "p.d.t.c[0]", "p.d.t.\"c\"", "p.d.t..c", "p.d.t", "p.d.t.c?", "*"] {
        assert_eq!(of(column), 1, "{column}");
    }
    assert_eq!(problems("format = 1\n[[released]]\ncolumn = \"a.b\"\nlabel = \"x\"\nby = \"\"\nreason = \"r\""), 3);
}

/// A label on a part of a struct says nothing of its shape; one on the struct, or around it, does.
#[test]
fn shapes_have_the_labels_of_the_whole() {
    let mut known = Known::default();
    known.tag(&column("p.d.t.list.phone"), "taxonomies/1/policyTags/2");
    known.inherit(&column("p.d.t.copy.ssn"), "national_id");
    known.inherit(&column("p.d.t.made"), "national_id");
    let file =
        FILE.replace("\"*.*.*.email\"", "\"*.*.*.email\", \"p.d.t.people.phone\", \"p.d.t.*.inner\", \"p.d.t.whole\", \"p.d.t.outer\"");
    let labels = Labels::read(&file).unwrap();
    let check = |name: &str, whole: &[&str], shape: &[&str]| {
        let column = column(name);
        for (shapes, expect) in [(HashSet::new(), whole), (HashSet::from([&column]), shape)] {
            let found = Found::of_all(&labels, &known, std::iter::once(&column), &shapes);
            let names: Vec<&str> = found.of(&column).into_iter().map(|label| label.name.as_str()).collect();
            assert_eq!(names, expect, "{name} {shapes:?}");
        }
    };
    check("p.d.t.people", &["contact"], &[]);
    check("p.d.t.PEOPLE", &["contact"], &[]);
    check("p.d.t.people.phone", &["contact"], &["contact"]);
    check("p.d.t.any", &["contact"], &[]);
    check("p.d.t.any.inner", &["contact"], &["contact"]);
    check("p.d.t.any.inner.deep", &["contact"], &["contact"]);
    check("p.d.t.whole", &["contact"], &["contact"]);
    check("p.d.t.outer.list", &["contact"], &["contact"]);
    check("p.d.t.list", &["contact"], &[]);
    check("p.d.t.copy", &["contact", "national_id"], &[]);
    check("p.d.t.made", &["contact", "national_id"], &["national_id"]);
    check("p.d.t.made.list", &["national_id"], &["national_id"]);
    check("acme-prod.clinic.patients.address", &["contact"], &["contact"]);
}

/// `(table, what the file says of its columns)`.
#[test]
fn the_lines_of_a_table_are_listed() {
    let labels = Labels::read(FILE).unwrap();
    let check = |table: Option<&str>, expect: &[&str]| {
        let table = table.map(|table| TableName::parse(table).unwrap());
        let told: Vec<String> = labels
            .written(table.as_ref())
            .iter()
            .map(|one| format!("{} {} {}", one.pattern, one.label, one.released_by.unwrap_or("-")))
            .collect();
        assert_eq!(told, expect, "{table:?}");
    };
    let everywhere = "*.*.*.email contact -";
    check(
        Some("acme-prod.clinic.Patients"),
        &[everywhere, "acme-prod.clinic.patients.address contact -", "acme-prod.clinic.patients.ssn national_id -"],
    );
    check(Some("acme-prod.shop.suppliers"), &[everywhere, "acme-prod.shop.suppliers.email contact ana@acme.example"]);
    assert_eq!(labels.written(None).len(), 5);
    assert!(Labels::none().written(None).is_empty());
}
