//! What the name of a column says: alone it is no proof, and with values that fit it is.

use sluice_policy::FindingKind;

/// Of one column, or of one member of JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) birth: bool,
    pub(crate) network: bool,
    pub(crate) person: bool,
    pub(crate) ssn: bool,
    pub(crate) telephone: bool,
}

const NAME_WORDS_MAX: usize = 16;
const BIRTH_ALONE: [&str; 8] = ["birthdate", "birthday", "birthdt", "born", "dob", "geburtsdatum", "geburtstag", "naissance"];
const BIRTH_DAY: [&str; 5] = ["date", "day", "dt", "on", "ts"];
const NETWORK: [&str; 7] = ["addr", "host", "ip", "ipaddr", "ipaddress", "ipv4", "ipv6"];
const NAME_BEFORE: [&str; 14] = [
    "birth", "family", "first", "full", "given", "last", "legal", "maiden", "middle", "patient", "person", "employee", "customer",
    "contact",
];
const NAME_ALONE: [&str; 14] = [
    "familyname",
    "firstname",
    "forename",
    "fullname",
    "givenname",
    "lastname",
    "maidenname",
    "nachname",
    "nom",
    "prenom",
    "surname",
    "vorname",
    "patientname",
    "customername",
];
/// Those whose `name` is a person's.
const PEOPLE: [&str; 20] = [
    "contact",
    "contacts",
    "customer",
    "customers",
    "doctor",
    "employee",
    "employees",
    "member",
    "members",
    "patient",
    "patients",
    "people",
    "person",
    "persons",
    "staff",
    "student",
    "students",
    "user",
    "users",
    "visitors",
];
const SSN: [&str; 5] = ["socialsecurity", "socsec", "ssn", "ssnum", "taxpayer"];
/// Told by their values where there are some; where there are none the name has to do.
const CARD: [&str; 4] = ["ccn", "creditcard", "pan", "cardnumber"];
const MAIL: [&str; 3] = ["email", "emailaddress", "mail"];
const TELEPHONE: [&str; 13] =
    ["callback", "cell", "cellphone", "fax", "handy", "mobile", "msisdn", "phone", "phones", "tel", "telefon", "telephone", "whatsapp"];

impl Hints {
    /// `around` is what the column stands in: its table, or the record that it is a field of.
    pub(crate) fn of(name: &str, around: Option<&str>) -> Hints {
        let words = words(name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let pair =
            |first: &str, second: &[&str]| words.windows(2).any(|two| matches!(two, [a, b] if a == first && second.contains(&b.as_str())));
        let is_name = words.iter().map(String::as_str).eq(["name"]);
        let among_people = around.is_some_and(|around| self::words(around).iter().any(|word| PEOPLE.contains(&word.as_str())));
        let named = words.windows(2).any(|two| matches!(two, [a, b] if NAME_BEFORE.contains(&a.as_str()) && b == "name"));
        Hints {
            birth: has(&BIRTH_ALONE) || pair("birth", &BIRTH_DAY) || pair("of", &["birth"]) && has(&["date", "day"]),
            network: has(&NETWORK),
            person: named || has(&NAME_ALONE) || (is_name && among_people),
            ssn: has(&SSN) || pair("social", &["security"]),
            telephone: has(&TELEPHONE),
        }
    }

    pub(crate) fn or(self, other: Hints) -> Hints {
        Hints {
            birth: self.birth || other.birth,
            network: self.network || other.network,
            person: self.person || other.person,
            ssn: self.ssn || other.ssn,
            telephone: self.telephone || other.telephone,
        }
    }
}

/// What a column seems to hold, by nothing but its name and the name of its table or record.
pub fn kinds_by_name(name: &str, around: &str) -> Vec<FindingKind> {
    let hints = Hints::of(name, Some(around));
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let pair = |first: &str, second: &str| words.windows(2).any(|two| two == [first, second]);
    let said = [
        (FindingKind::CardNumber, has(&CARD) || pair("credit", "card") || pair("card", "number")),
        (FindingKind::DateOfBirth, hints.birth),
        (FindingKind::Email, has(&MAIL)),
        (FindingKind::Iban, has(&["iban"])),
        (FindingKind::IpAddress, has(&["ip", "ipaddr", "ipaddress", "ipv4", "ipv6"])),
        (FindingKind::NhsNumber, has(&["nhs"])),
        (FindingKind::PersonName, hints.person),
        (FindingKind::Telephone, hints.telephone),
        (FindingKind::UsNpi, has(&["npi"])),
        (FindingKind::UsSsn, hints.ssn),
    ];
    said.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect()
}

/// `homePhone_2` is `home`, `phone`, `2`. In small letters.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        let begins =
            !before.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase()) || before.is_numeric() != letter.is_numeric();
        if letter.is_alphanumeric() {
            if begins || words.is_empty() {
                if words.len() == NAME_WORDS_MAX {
                    break;
                }
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_say() {
        let check = |name: &str, around: &str, expect: &str| {
            let hints = Hints::of(name, Some(around).filter(|around| !around.is_empty()));
            let said = [
                ("birth", hints.birth),
                ("network", hints.network),
                ("person", hints.person),
                ("ssn", hints.ssn),
                ("telephone", hints.telephone),
            ];
            let said: Vec<&str> = said.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect();
            assert_eq!(said.join(" "), expect, "{name} of {around}");
        };
        for name in ["dob", "DOB", "birth_date", "birthDate", "date_of_birth", "patientDob", "born_on", "Geburtsdatum"] {
            check(name, "", "birth");
        }
        for name in ["birth_weight", "birthplace", "place_of_birth", "stillborn", "adobe", "date", "birth_order"] {
            check(name, "", "");
        }
        for name in ["phone", "home_phone", "homePhone2", "TEL", "mobile_number", "contact.fax"] {
            check(name, "", "telephone");
        }
        for name in ["telemetry", "hotel", "cancelled", "microphone_count", "telescope"] {
            check(name, "", "");
        }
        for name in ["first_name", "lastName", "surname", "full_name", "patient_name"] {
            check(name, "", "person");
        }
        check("name", "patients", "person");
        check("name", "clinic_users", "person");
        check("name", "products", "");
        check("name", "", "");
        for name in ["product_name", "file_name", "user_agent", "display_name", "hostname"] {
            check(name, "users", "");
        }
        check("ssn", "", "ssn");
        check("social_security_number", "", "ssn");
        check("client_ip", "", "network");
        check("zip", "", "");
        check("description", "", "");
    }
}
