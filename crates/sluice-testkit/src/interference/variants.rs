//! The clinic's content, once as it is and in five variants that differ in labelled values only.
//!
//! The variants change what can be told of a value: its text, order, length, equality with others, null or not, whether it reads as a number.
//! No two labelled columns vary in the same variants, so that an analysis that names the wrong one of two columns is found out.

use super::clinic::{VIEW, column_path};
use super::value::Value;
use sluice_model::ColumnPath;

/// The first is the base.
pub const VARIANTS: usize = 6;
const PATIENTS: usize = 10;
const VISITS: usize = 12;
const CARDS: usize = 8;

const NAMES: [&str; PATIENTS] = ["Ann", "Bob", "Cyd", "Ann", "Eve", "Fay", "Gus", "Hal", "100", ""];
const CITIES: [&str; PATIENTS] = ["Bern", "Oslo", "Bern", "Rome", "Oslo", "Bern", "Rome", "Nice", "Nice", ""];
const WARDS: [&str; PATIENTS] = ["A", "B", "A", "C", "B", "A", "", "C", "A", "B"];
const DOCTORS: [&str; VISITS] = ["Dr. Wu", "Dr. Ek", "Dr. Wu", "J10", "Dr. Ek", "Dr. Wu", "", "Dr. Ek", "Dr. Wu", "A", "Dr. Ek", "J10"];

const SSNS: [&str; 10] = ["205", "100", "31", "7", "4111", "100", "A", "9x", "62", "18"];
const EMAILS: [&str; 10] =
    ["ann@a.org", "bob@b.org", "x", "ann@a.org", "eve@a.org", "Fay@C.org", "1", "hal@b.org", "zoe@c.org", "gus@a.org"];
const STREETS: [&str; 10] = ["Elm", "Oak 7", "Elm", "Ash 12", "1", "Fir", "Oak 9", "Yew", "A", "Bay 3"];
const NUMBERS: [&str; 10] = ["555", "100", "0170", "41", "555", "7", "33", "8080", "22", "B"];
const DIAGNOSES: [&str; 10] = ["flu", "J10", "B", "flu", "gout", "A", "measles", "flu", "J11", "1"];
const CREDIT: [&str; 10] = ["4111", "5500", "3400", "4111", "6011", "100", "2223", "A", "4000", "5105"];
const DOCUMENTS: [&str; 7] = [
    r#"{"k":"A","n":1,"b":true,"list":["1","x"],"in":{"v":"100"}}"#,
    r#"{"k":"flu","n":7,"list":[]}"#,
    r#"{"k":null,"n":2,"b":false,"in":{"v":"B"}}"#,
    r#"{"k":"Ann","list":["A","B","100"]}"#,
    r#"{"n":5,"z":"x"}"#,
    r#"["1","2"]"#,
    r#""A""#,
];

/// A labelled column, and the variants besides the last in which it varies. The last varies them all.
#[derive(Clone, Copy)]
struct Label {
    table: &'static str,
    path: &'static str,
    varies: [usize; 2],
    values: &'static [&'static str; 10],
}

const SSN: Label = Label { table: "patients", path: "ssn", varies: [1, 2], values: &SSNS };
const EMAIL: Label = Label { table: "patients", path: "email", varies: [1, 3], values: &EMAILS };
const STREET: Label = Label { table: "patients", path: "address.street", varies: [1, 4], values: &STREETS };
const PHONES: Label = Label { table: "patients", path: "phones", varies: [2, 3], values: &NUMBERS };
const CONTACT_PHONE: Label = Label { table: "patients", path: "contacts.phone", varies: [2, 4], values: &NUMBERS };
const NOTES: Label = Label { table: "patients", path: "notes", varies: [3, 4], values: &SSNS };
const DIAGNOSIS: Label = Label { table: "visits", path: "diagnosis", varies: [2, 4], values: &DIAGNOSES };
const CREDIT_CARD: Label = Label { table: "cards", path: "credit_card", varies: [1, 3], values: &CREDIT };
const LABELS: [Label; 8] = [SSN, EMAIL, STREET, PHONES, CONTACT_PHONE, NOTES, DIAGNOSIS, CREDIT_CARD];

/// How a column's values differ from the base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Base,
    /// Other rows hold them.
    Turned,
    AllEqual,
    /// Some null, the others longer.
    Gaps,
    /// All different, all numbers, in the opposite order.
    Numbers,
    /// What unlabelled columns hold, and empty text.
    Mixed,
}

/// The labelled columns whose values differ between the base and a variant.
pub fn varied(variant: usize) -> Vec<ColumnPath> {
    let labels = LABELS.iter().filter(|label| manner(label, variant) != Manner::Base);
    labels.map(|label| column_path(label.table, label.path)).collect()
}

fn manner(label: &Label, variant: usize) -> Manner {
    let second = match label.path.len() % 3 {
        0 => Manner::Numbers,
        1 => Manner::AllEqual,
        _ => Manner::Gaps,
    };
    match label.varies {
        _ if variant == VARIANTS - 1 => Manner::Mixed,
        [first, _] if variant == first => Manner::Turned,
        [_, other] if variant == other => second,
        _ => Manner::Base,
    }
}

/// One table's rows.
pub type Rows = Vec<Vec<Value>>;

/// Every table of the clinic in a variant, the view's rows among them.
pub fn content(variant: usize) -> Vec<(&'static str, Rows)> {
    let patients: Rows = (0..PATIENTS).map(|row| patient(variant, row)).collect();
    let view = patients.iter().map(|row| [0, 2, 1].iter().filter_map(|column| row.get(*column).cloned()).collect()).collect();
    vec![
        ("patients", patients),
        ("visits", (0..VISITS).map(|row| visit(variant, row)).collect()),
        ("cards", (0..CARDS).map(|row| card(variant, row)).collect()),
        (VIEW.0, view),
    ]
}

fn patient(variant: usize, row: usize) -> Vec<Value> {
    let address = Value::Record(vec![labelled(&STREET, variant, row), plain(&CITIES, row), Value::Text(format!("{}", 1000 + row % 4))]);
    let names = NAMES.iter().cycle().skip(row + 1);
    let contacts = names.take(row % 3).enumerate().map(|(position, name)| {
        let phone = labelled(&CONTACT_PHONE, variant, row + position);
        Value::Record(vec![Value::text(name), phone])
    });
    let month = 1 + row % 7;
    vec![
        whole(row + 1),
        plain(&NAMES, row),
        labelled(&SSN, variant, row),
        Value::Text(format!("{}-{:02}-1{}", 1975 + row % 6 * 5, 1 + row, row % 3)),
        labelled(&EMAIL, variant, row),
        if row == 7 { Value::Null } else { address },
        Value::List(phones(variant, row)),
        Value::List(contacts.collect()),
        document(variant, row),
        plain(&WARDS, row),
        Value::Text(format!("2024-{month:02}-02 10:00:00+00")),
    ]
}

fn visit(variant: usize, row: usize) -> Vec<Value> {
    let patient = 1 + row * 7 % 11;
    let cost = if row == 5 { Value::Null } else { Value::Text(format!("{}.{}", 10 + row * 37 % 120, 25 * (row % 2))) };
    vec![
        whole(row + 1),
        whole(patient),
        cost,
        labelled(&DIAGNOSIS, variant, row),
        plain(&DOCTORS, row),
        Value::Text(format!("2024-{:02}-0{} 08:30:00+00", 1 + row % 5, 1 + row % 9)),
    ]
}

fn card(variant: usize, row: usize) -> Vec<Value> {
    vec![
        whole(1 + row * 3 % 10),
        labelled(&CREDIT_CARD, variant, row),
        Value::Text(format!("202{}-{:02}-28", 5 + row % 4, 1 + row)),
        Value::Text(format!("{}", 500 * (1 + row % 5))),
    ]
}

/// A labelled text.
fn labelled(label: &Label, variant: usize, row: usize) -> Value {
    let at = |position: usize| label.values.get(position % label.values.len()).copied().unwrap_or("");
    let turn = label.path.len();
    match manner(label, variant) {
        Manner::Base if row == 9 => Value::Null,
        Manner::Base => Value::text(at(row)),
        Manner::Turned => Value::text(at(row + 3 + turn % 4)),
        Manner::AllEqual => Value::text(at(turn)),
        Manner::Gaps if row.is_multiple_of(2) => Value::Null,
        Manner::Gaps => Value::Text(format!("{}-{}", at(row), "z".repeat(1 + row % 3))),
        Manner::Numbers => Value::Text(format!("{}", 9000 - 37 * (row + turn))),
        Manner::Mixed if row % 4 == 3 => Value::text(""),
        Manner::Mixed => plain(&NAMES, (row * 3 + turn) % NAMES.len()),
    }
}

fn phones(variant: usize, row: usize) -> Vec<Value> {
    let count = match manner(&PHONES, variant) {
        Manner::Base => row % 3,
        Manner::Turned => (row + 1) % 3,
        Manner::AllEqual => 1,
        Manner::Gaps => usize::from(row % 2 == 1),
        Manner::Numbers => 2 + row % 2,
        Manner::Mixed => (row + 2) % 4,
    };
    let numbers = (0..count).map(|position| labelled(&PHONES, variant, row + position));
    // BigQuery stores no array that holds a null.
    numbers.map(|number| if number == Value::Null { Value::text("none") } else { number }).collect()
}

fn document(variant: usize, row: usize) -> Value {
    let at = |position: usize| Value::text(DOCUMENTS.get(position % DOCUMENTS.len()).copied().unwrap_or("null"));
    match manner(&NOTES, variant) {
        Manner::Base if row == 8 => Value::Null,
        Manner::Base => at(row),
        Manner::Turned => at(row + 2),
        Manner::AllEqual => at(0),
        Manner::Gaps if row.is_multiple_of(2) => Value::Null,
        Manner::Gaps => at(row * 3 + 1),
        Manner::Numbers => {
            Value::Text(format!(r#"{{"k":"{}","n":{},"b":{},"list":["{}"]}}"#, 90 - row, 9 - row, row.is_multiple_of(2), row))
        }
        Manner::Mixed => at(row * 5 + 4),
    }
}

/// An unlabelled text; nothing where it is empty.
fn plain(values: &[&str], row: usize) -> Value {
    match values.get(row).copied().unwrap_or("") {
        "" => Value::Null,
        text => Value::text(text),
    }
}

fn whole(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::clinic::{ClinicTable, TABLES};
    use super::*;
    use sluice_model::Type;

    /// Puts null in place of everything labelled. The length of an array goes with it only where its elements are labelled whole.
    fn blank(table: &ClinicTable, path: &str, kind: &Type, value: &Value) -> Value {
        match (kind, value) {
            _ if table.labelled.contains(&path) => Value::Null,
            (Type::Array(element), Value::List(values)) => {
                Value::List(values.iter().map(|value| blank(table, path, element, value)).collect())
            }
            (Type::Struct(fields), Value::Record(values)) => {
                let parts = fields.iter().zip(values);
                Value::Record(parts.map(|(field, value)| blank(table, &format!("{path}.{}", field.name), &field.kind, value)).collect())
            }
            _ => value.clone(),
        }
    }

    fn blanked(variant: usize) -> Vec<Rows> {
        let tables = TABLES.iter().zip(content(variant));
        let blank_row = |table: &ClinicTable, row: &Vec<Value>| {
            table.kinds().iter().zip(row).map(|((name, kind), value)| blank(table, name, kind, value)).collect()
        };
        tables.map(|(table, (_, rows))| rows.iter().map(|row| blank_row(table, row)).collect()).collect()
    }

    #[test]
    fn variants_differ_in_labelled_values_only() {
        for variant in 1..VARIANTS {
            assert_eq!(blanked(variant), blanked(0), "variant {variant}");
            assert_ne!(content(variant), content(0), "variant {variant}");
        }
    }

    #[test]
    fn no_two_labels_vary_together() {
        for (position, label) in LABELS.iter().enumerate() {
            for other in LABELS.iter().take(position).filter(|other| other.table == label.table) {
                let apart =
                    (1..VARIANTS - 1).any(|variant| manner(label, variant) == Manner::Base && manner(other, variant) != Manner::Base);
                assert!(apart, "{} and {}", label.path, other.path);
            }
        }
        assert!(varied(0).is_empty());
        assert_eq!(varied(VARIANTS - 1).len(), LABELS.len());
    }

    #[test]
    fn every_row_has_a_value_for_each_column() {
        for (table, (name, rows)) in TABLES.iter().zip(content(0)) {
            assert_eq!(table.name, name);
            assert!((8..=20).contains(&rows.len()), "{name}");
            assert!(rows.iter().all(|row| row.len() == table.columns.len()), "{name}");
        }
    }

    #[test]
    fn keys_tell_the_rows_apart() {
        for (table, (_, rows)) in TABLES.iter().zip(content(0)) {
            let position = table.columns.iter().position(|(name, _)| table.key.contains(name)).unwrap();
            let mut keys: Vec<_> = rows.iter().map(|row| row[position].clone()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), rows.len(), "{}", table.name);
        }
    }
}
