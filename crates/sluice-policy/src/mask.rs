//! Masks: what is left of a value. BigQuery's own rules, in an order by how much they hide, and what stands in where one does not fit a type.

use sluice_model::{How, Type};
use std::fmt;

/// From the strictest to the mildest: where several meet, the smallest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mask {
    /// Nobody reads it: the whole statement is refused.
    Refuse,
    AlwaysNull,
    DefaultValue,
    /// A hash with a value of this query: equal values stay equal within one result only.
    RandomHash,
    Sha256,
    /// The first of January of its year.
    DateYear,
    /// The domain of an e-mail address.
    Email,
    LastFour,
    FirstFour,
}

const WORDS: [(Mask, &str); 9] = [
    (Mask::Refuse, "refuse"),
    (Mask::AlwaysNull, "always_null"),
    (Mask::DefaultValue, "default_value"),
    (Mask::RandomHash, "random_hash"),
    (Mask::Sha256, "sha256"),
    (Mask::DateYear, "date_year"),
    (Mask::Email, "email"),
    (Mask::LastFour, "last_four"),
    (Mask::FirstFour, "first_four"),
];

impl Mask {
    pub fn parse(word: &str) -> Option<Mask> {
        WORDS.iter().find(|(_, known)| *known == word).map(|(mask, _)| *mask)
    }

    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(mask, _)| *mask == self).map_or("refuse", |(_, word)| word)
    }

    /// All words, for the text of an error.
    pub fn words() -> Vec<&'static str> {
        WORDS.iter().map(|(_, word)| *word).collect()
    }

    /// What this mask becomes on a value of a type that was reached in some way.
    ///
    /// A part of a computed value is no part of the source: the last four of a reversed number are its first. A hash of one
    /// letter of it is the letter. So whatever is computed shows nothing.
    pub fn on(self, how: How, kind: Option<&Type>) -> Mask {
        let mask = if how == How::Direct { self } else { self.min(Mask::DefaultValue) };
        match kind {
            None => mask.min(Mask::AlwaysNull),
            Some(kind) if mask.fits(kind) => mask,
            // A hash or a part of something that has none. BigQuery has no default for a struct.
            Some(Type::Struct(_)) => mask.min(Mask::AlwaysNull),
            Some(_) => mask.min(Mask::DefaultValue),
        }
    }

    fn fits(self, kind: &Type) -> bool {
        match self {
            Mask::Refuse | Mask::AlwaysNull => true,
            // The default of JSON and of types that BigQuery gives none is NULL, which says the same.
            Mask::DefaultValue => !matches!(kind, Type::Struct(_)),
            Mask::RandomHash | Mask::Sha256 => matches!(element(kind), Type::String | Type::Bytes),
            Mask::DateYear => matches!(element(kind), Type::Date | Type::Datetime | Type::Timestamp),
            Mask::Email | Mask::LastFour | Mask::FirstFour => matches!(element(kind), Type::String),
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The type at a path of an output. Arrays are passed through, as paths do. None if the path does not fit.
pub fn kind_at<'a>(kind: &'a Type, path: &[String]) -> Option<&'a Type> {
    let Some((name, rest)) = path.split_first() else { return Some(kind) };
    match element(kind) {
        Type::Struct(fields) => {
            let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            kind_at(&field.kind, rest)
        }
        _ => None,
    }
}

/// Masks go through an array to its elements.
fn element(kind: &Type) -> &Type {
    match kind {
        Type::Array(element) => element,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for (mask, word) in WORDS {
            assert_eq!((Mask::parse(word), mask.word()), (Some(mask), word));
        }
        assert_eq!(Mask::parse("LAST_FOUR"), None);
        assert!(WORDS.is_sorted_by_key(|(mask, _)| *mask));
    }

    fn check(mask: &str, how: How, kind: &str, expect: &str) {
        let kind = Type::parse(kind).ok();
        assert_eq!(Mask::parse(mask).unwrap().on(how, kind.as_ref()).word(), expect, "{mask} {how:?} {kind:?}");
    }

    #[test]
    fn every_mask_has_something_to_fall_back_on() {
        check("last_four", How::Direct, "STRING", "last_four");
        check("last_four", How::Direct, "ARRAY<STRING>", "last_four");
        check("last_four", How::Direct, "INT64", "default_value");
        check("last_four", How::Direct, "STRUCT<a STRING>", "always_null");
        check("last_four", How::Direct, "?", "always_null");
        check("last_four", How::Derived, "STRING", "default_value");
        check("sha256", How::Derived, "STRING", "default_value");
        check("sha256", How::Direct, "BYTES", "sha256");
        check("sha256", How::Direct, "INT64", "default_value");
        check("date_year", How::Direct, "TIMESTAMP", "date_year");
        check("date_year", How::Direct, "TIME", "default_value");
        check("default_value", How::Direct, "STRUCT<a STRING>", "always_null");
        check("always_null", How::Derived, "BOOL", "always_null");
        check("email", How::Counted, "INT64", "default_value");
        check("refuse", How::Direct, "?", "refuse");
    }

    #[test]
    fn paths_lead_to_types() {
        let kind = Type::parse("ARRAY<STRUCT<name STRING, phones ARRAY<STRUCT<n INT64>>>>").unwrap();
        let at = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            kind_at(&kind, &path).map(ToString::to_string)
        };
        assert_eq!(at(&["NAME"]).as_deref(), Some("STRING"));
        assert_eq!(at(&["phones", "n"]).as_deref(), Some("INT64"));
        assert_eq!(at(&["phones", "n", "x"]), None);
        assert_eq!(at(&["other"]), None);
    }
}
