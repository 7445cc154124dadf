//! The clinic: patients, visits, cards. Labelled values are canaries: unique, recognisable, and made from a seed of their own,
//! so that two warehouses can differ in exactly one labelled column.

use super::seed::Dice;
use super::{TableData, date, timestamp};
use crate::values::calendar::SECONDS_PER_DAY;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const PATIENTS: &str = "id INT64, name STRING, ssn STRING, dob DATE, email STRING, address STRUCT<street STRING, city STRING, zip STRING>, \
    phones ARRAY<STRING>, contacts ARRAY<STRUCT<name STRING, phone STRING>>, notes JSON, ward STRING, admitted_at TIMESTAMP";
pub const VISITS: &str = "id INT64, patient_id INT64, cost NUMERIC, diagnosis STRING, doctor STRING, at TIMESTAMP";
pub const CARDS: &str = "patient_id INT64, credit_card STRING, exp DATE, limit_usd NUMERIC";
pub const EVENTS: &str = "event STRING, patient_id INT64, page STRING, at TIMESTAMP";
pub const LOGINS: &str = "patient_id INT64, device STRING, at TIMESTAMP";
pub const MEASUREMENTS: &str = "patient_id INT64, kind STRING, value FLOAT64, taken_on DATE";

/// Every labelled column, as `table.path`.
pub const LABELLED: [&str; 8] = [
    "cards.credit_card",
    "patients.address.street",
    "patients.contacts.phone",
    "patients.email",
    "patients.notes",
    "patients.phones",
    "patients.ssn",
    "visits.diagnosis",
];

const VISITS_PER_PATIENT: u64 = 3;
const GIVEN_NAMES: [&str; 12] = ["Ada", "Ben", "Chidi", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ines", "Jonas", "Kofi", "Lena"];
const FAMILY_NAMES: [&str; 10] = ["Adler", "Brandt", "Cruz", "Dietz", "Egger", "Fuchs", "Gomez", "Huber", "Ito", "Jansen"];
const CITIES: [&str; 5] = ["Bern", "Geneva", "Lugano", "Basel", "Zurich"];
const WARDS: [&str; 4] = ["A", "B", "C", "D"];
const DOCTORS: [&str; 4] = ["Dr. Keller", "Dr. Maurer", "Dr. Okafor", "Dr. Silva"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClinicSettings {
    pub patients: u64,
    /// Of everything that is not labelled, and of labelled columns that `canary_seeds` leaves out.
    pub seed: u64,
    /// `patients.ssn` -> the seed of that column alone.
    pub canary_seeds: BTreeMap<String, u64>,
}

impl Default for ClinicSettings {
    fn default() -> ClinicSettings {
        ClinicSettings { patients: 40, seed: 7, canary_seeds: BTreeMap::new() }
    }
}

impl ClinicSettings {
    pub fn tables(&self) -> Vec<TableData> {
        let rows = |count: u64, row: &dyn Fn(u64) -> Value| (1..=count).map(row).collect();
        vec![
            TableData::new("patients", PATIENTS, &["id"], rows(self.patients, &|id| self.patient(id))),
            TableData::new("visits", VISITS, &["id"], rows(self.patients * VISITS_PER_PATIENT, &|id| self.visit(id))),
            TableData::new("cards", CARDS, &[], rows(self.patients, &|id| self.card(id))),
            TableData::new("events_20240101", EVENTS, &[], rows(self.patients, &|id| self.event("events_20240101", id, 19_723))),
            TableData::new("events_20240102", EVENTS, &[], rows(self.patients, &|id| self.event("events_20240102", id, 19_724))),
            TableData::new("logins", LOGINS, &[], rows(self.patients * 2, &|row| self.login(row))),
            TableData::new("measurements", MEASUREMENTS, &[], rows(self.patients * 2, &|row| self.measurement(row))),
        ]
    }

    /// Every labelled value that is stored, with its column: what must never be seen in the clear.
    pub fn canaries(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for id in 1..=self.patients {
            found.extend((0..self.phone_count(id)).map(|position| ("patients.phones", self.phone("patients.phones", id, position))));
            found.extend(
                (0..contact_count(id)).map(|position| ("patients.contacts.phone", self.phone("patients.contacts.phone", id, position))),
            );
            found.push(("patients.ssn", self.ssn(id)));
            found.extend(self.email(id).map(|email| ("patients.email", email)));
            found.push(("patients.address.street", self.street(id)));
            found.push(("patients.notes", self.note(id)));
            found.push(("cards.credit_card", self.credit_card(id)));
        }
        found.extend((1..=self.patients * VISITS_PER_PATIENT).map(|id| ("visits.diagnosis", self.diagnosis(id))));
        found
    }

    fn patient(&self, id: u64) -> Value {
        let mut dice = self.plain("patients", id);
        let name = format!("{} {}", dice.pick(&GIVEN_NAMES), dice.pick(&FAMILY_NAMES));
        let phones: Vec<String> = (0..self.phone_count(id)).map(|position| self.phone("patients.phones", id, position)).collect();
        let contacts: Vec<Value> = (0..contact_count(id))
            .map(|position| json!({ "name": dice.pick(&GIVEN_NAMES), "phone": self.phone("patients.contacts.phone", id, position) }))
            .collect();
        json!({
            "id": id,
            "name": name,
            "ssn": self.ssn(id),
            "dob": date(-15_000 + signed(dice.below(25_000))),
            "email": self.email(id),
            "address": { "street": self.street(id), "city": dice.pick(&CITIES), "zip": format!("{:04}", 1000 + dice.below(9000)) },
            "phones": phones,
            "contacts": contacts,
            "notes": { "text": self.note(id), "priority": self.canary("patients.notes", id).below(3) },
            "ward": dice.pick(&WARDS),
            "admitted_at": timestamp(1_735_689_600 + signed(dice.below(30_000_000))),
        })
    }

    fn visit(&self, id: u64) -> Value {
        let mut dice = self.plain("visits", id);
        json!({
            "id": id,
            "patient_id": 1 + dice.below(self.patients),
            "cost": format!("{}.{:02}", 20 + dice.below(900), dice.below(100)),
            "diagnosis": self.diagnosis(id),
            "doctor": dice.pick(&DOCTORS),
            "at": timestamp(1_740_000_000 + signed(dice.below(25_000_000))),
        })
    }

    fn card(&self, id: u64) -> Value {
        let mut dice = self.plain("cards", id);
        json!({
            "patient_id": id,
            "credit_card": self.credit_card(id),
            "exp": date(20_500 + signed(dice.below(1_500))),
            "limit_usd": (1 + dice.below(20)) * 500,
        })
    }

    fn event(&self, table: &str, row: u64, day: i64) -> Value {
        let mut dice = self.plain(table, row);
        json!({
            "event": dice.pick(&["page_view", "search", "booking"]),
            "patient_id": 1 + dice.below(self.patients),
            "page": dice.pick(&["/", "/appointments", "/results", "/billing"]),
            "at": timestamp(day * SECONDS_PER_DAY + signed(dice.below(86_400))),
        })
    }

    fn login(&self, row: u64) -> Value {
        let mut dice = self.plain("logins", row);
        json!({
            "patient_id": 1 + dice.below(self.patients),
            "device": dice.pick(&["phone", "tablet", "desktop"]),
            "at": timestamp(1_750_000_000 + signed(dice.below(5_000_000))),
        })
    }

    fn measurement(&self, row: u64) -> Value {
        let mut dice = self.plain("measurements", row);
        json!({
            "patient_id": 1 + dice.below(self.patients),
            "kind": dice.pick(&["pulse", "systolic", "temperature"]),
            "value": 36.0 + f64::from(u32::try_from(dice.below(1_000)).unwrap_or_default()) / 10.0,
            "taken_on": date(20_300 + signed(dice.below(100))),
        })
    }

    fn ssn(&self, id: u64) -> String {
        let mut dice = self.canary("patients.ssn", id);
        // 900 and above is never issued; the row keeps them unique.
        format!("9{:02}-{:02}-{:04}", dice.below(100), dice.below(100), (id * 7 + dice.below(7)) % 10_000)
    }

    fn email(&self, id: u64) -> Option<String> {
        (!id.is_multiple_of(11)).then(|| format!("{}@canary.example", self.canary("patients.email", id).tag()))
    }

    fn street(&self, id: u64) -> String {
        let mut dice = self.canary("patients.address.street", id);
        format!("{} Kestrel {} Street", 1 + dice.below(99), dice.tag())
    }

    fn note(&self, id: u64) -> String {
        format!("note {}", self.canary("patients.notes", id).tag())
    }

    fn diagnosis(&self, id: u64) -> String {
        let mut dice = self.canary("visits.diagnosis", id);
        format!("{}{:02} dx-{}", dice.pick(&["E", "F", "I", "J", "M"]), dice.below(100), dice.tag())
    }

    fn phone(&self, column: &str, id: u64, position: u64) -> String {
        let digits = self.canary(column, id * 4 + position).below(10_000_000_000);
        format!("+999-{digits:010}")
    }

    /// Sixteen digits with a right check digit, out of a range that no bank has.
    fn credit_card(&self, id: u64) -> String {
        let digits = format!("4000{:04}{:07}", id % 10_000, self.canary("cards.credit_card", id).below(10_000_000));
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(position, byte)| {
                let digit = u32::from(byte.saturating_sub(b'0'));
                let doubled = if position.is_multiple_of(2) { digit * 2 } else { digit };
                if doubled > 9 { doubled - 9 } else { doubled }
            })
            .sum();
        format!("{digits}{}", (10 - sum % 10) % 10)
    }

    /// Every seventh patient has none. It does not come from a canary seed: the length of an array is not what differs.
    fn phone_count(&self, id: u64) -> u64 {
        if id.is_multiple_of(7) { 0 } else { 1 + self.plain("phone_count", id).below(2) }
    }

    fn plain(&self, what: &str, row: u64) -> Dice {
        Dice::new(self.seed, what, row)
    }

    fn canary(&self, column: &str, row: u64) -> Dice {
        Dice::new(self.canary_seeds.get(column).copied().unwrap_or(self.seed), column, row)
    }
}

fn contact_count(id: u64) -> u64 {
    id % 3
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn canaries_are_unique_and_stored() {
        let clinic = ClinicSettings { patients: 500, ..ClinicSettings::default() };
        let canaries = clinic.canaries();
        let distinct: BTreeSet<&String> = canaries.iter().map(|(_, value)| value).collect();
        assert_eq!(distinct.len(), canaries.len());
        let stored: String = clinic.tables().iter().flat_map(|table| &table.rows).map(Value::to_string).collect();
        assert!(canaries.iter().all(|(_, value)| stored.contains(value.as_str())));
        let columns: BTreeSet<&str> = canaries.iter().map(|(column, _)| *column).collect();
        assert_eq!(columns.into_iter().collect::<Vec<_>>(), LABELLED);
    }

    #[test]
    fn one_canary_seed_changes_one_column() {
        let first = ClinicSettings::default();
        for column in LABELLED {
            let second = ClinicSettings { canary_seeds: BTreeMap::from([(column.to_owned(), 99)]), ..ClinicSettings::default() };
            let blank = |clinic: &ClinicSettings| {
                let mut text: String = clinic.tables().iter().flat_map(|table| &table.rows).map(Value::to_string).collect();
                for (_, value) in clinic.canaries().iter().filter(|(name, _)| *name == column) {
                    text = text.replace(value.as_str(), "*");
                }
                if column == "patients.notes" {
                    text = text.replace("\"priority\":0", "").replace("\"priority\":1", "").replace("\"priority\":2", "");
                }
                text
            };
            assert_eq!(blank(&first), blank(&second), "{column}");
            assert_ne!(first.canaries(), second.canaries(), "{column}");
        }
    }

    #[test]
    fn card_numbers_have_right_check_digits() {
        let number = ClinicSettings::default().credit_card(1);
        let sum: u32 = number
            .chars()
            .rev()
            .enumerate()
            .map(|(position, digit)| {
                let value = digit.to_digit(10).unwrap() * if position % 2 == 1 { 2 } else { 1 };
                if value > 9 { value - 9 } else { value }
            })
            .sum();
        assert_eq!((number.len(), sum % 10), (16, 0), "{number}");
    }
}
