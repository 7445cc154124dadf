//! A table of the file, field by field, so that one that is wrong hides no other.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What of a table can be read, and what is wrong with each of its fields. An entry that needs a field says so itself: here all are free to be missing.
pub fn read<T: DeserializeOwned>(place: &str, table: &Table, problems: &mut Vec<String>) -> Option<T> {
    let mut sound = Table::new();
    for (name, value) in table {
        match one::<T>(name, value) {
            Ok(()) => drop(sound.insert(name.clone(), value.clone())),
            Err(text) => problems.push(format!("{place}.{}: {text}", name.escape_debug())),
        }
    }
    Value::Table(sound).try_into().ok()
}

/// The same for what stands under `name` of the whole file, if anything does.
pub fn below<T: DeserializeOwned>(file: &Table, name: &str, problems: &mut Vec<String>) -> Option<T> {
    match file.get(name)? {
        Value::Table(table) => read(name, table, problems),
        other => {
            problems.push(format!("{name}: is no table but a {}", other.type_str()));
            None
        }
    }
}

/// A field that must be there.
pub fn needed<T>(place: &str, field: &str, value: Option<T>, problems: &mut Vec<String>) -> Option<T> {
    if value.is_none() && !problems.iter().any(|problem| problem.starts_with(&format!("{place}.{field}: "))) {
        problems.push(format!("{place}.{field}: is missing"));
    }
    value
}

fn one<T: DeserializeOwned>(name: &str, value: &Value) -> Result<(), String> {
    let alone = Table::from_iter([(name.to_owned(), value.clone())]);
    let read: Result<T, toml::de::Error> = Value::Table(alone).try_into();
    read.map(drop).map_err(|error| error.message().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        number: Option<u8>,
        text: Option<String>,
    }

    #[test]
    fn one_field_that_is_wrong_hides_no_other() {
        let check = |text: &str, expect: Option<(Option<u8>, Option<&str>)>, expect_wrong: &[&str]| {
            let mut problems = Vec::new();
            let read: Option<Entry> = below(&text.parse().unwrap(), "place", &mut problems);
            let expect = expect.map(|(number, text)| Entry { number, text: text.map(str::to_owned) });
            assert_eq!(read, expect, "{text}");
            let found: Vec<&str> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
            assert_eq!(found, expect_wrong, "{problems:?}");
        };
        check("", None, &[]);
        check("[place]", Some((None, None)), &[]);
        check("place = 1", None, &["place"]);
        check("[place]\nnumber = 1\ntext = \"a\"", Some((Some(1), Some("a"))), &[]);
        check(
            "[place]\nnumber = 256\nother = 1\ntext = \"a\"\nmore = 2",
            Some((None, Some("a"))),
            &["place.more", "place.number", "place.other"],
        );
    }

    #[test]
    fn a_field_that_is_wrong_is_not_missing_too() {
        let mut problems = vec!["place.field: wrong".to_owned()];
        assert_eq!(needed::<u8>("place", "field", None, &mut problems), None);
        assert_eq!(needed::<u8>("place", "other", None, &mut problems), None);
        assert_eq!(problems, ["place.field: wrong", "place.other: is missing"]);
    }
}
