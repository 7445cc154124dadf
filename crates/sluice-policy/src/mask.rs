//! Masks: what is left of a value. BigQuery's own rules and three more, in an order by how much they hide, and what stands in where one does not fit a type.

use sluice_model::place::field_at;
use sluice_model::plain::is_hostile;
use sluice_model::{How, Type};
use std::cmp::Ordering;
use std::fmt;

/// Of a text that stands for every value.
pub const CONSTANT_BYTES_MAX: usize = 64;
/// That `partial` may keep.
pub const PARTIAL_CHARACTERS_MAX: u8 = 16;
/// What BigQuery's own partial masks keep: whoever keeps more hides less than they do.
const FOUR: u8 = 4;
/// Beside letters and digits.
const FILLS: &str = "*#-_.";

/// From the strictest to the mildest. Where several meet, `strictest` says what is left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mask {
    /// Nobody reads it: the whole statement is refused.
    Refuse,
    AlwaysNull,
    DefaultValue,
    /// The same text for every value, also for NULL.
    Constant(String),
    /// A hash with a value of this query: equal values stay equal within one result only.
    RandomHash,
    /// A hash with a key of the deployment: equal values stay equal, and nobody without the key can try values out.
    KeyedHash,
    Sha256,
    /// The first of January of its year.
    DateYear,
    /// The domain of an e-mail address.
    Email,
    Partial(Partial),
    LastFour,
    FirstFour,
}

/// Some characters of one end; each other one is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partial {
    kept: u8,
    side: Side,
    fill: char,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    First,
    Last,
}

/// What a mask shows of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Domain,
    Of(Side),
}

static WORDS: [(Mask, &str); 10] = [
    (Mask::Refuse, "refuse"),
    (Mask::AlwaysNull, "always_null"),
    (Mask::DefaultValue, "default_value"),
    (Mask::RandomHash, "random_hash"),
    (Mask::KeyedHash, "keyed_hash"),
    (Mask::Sha256, "sha256"),
    (Mask::DateYear, "date_year"),
    (Mask::Email, "email"),
    (Mask::LastFour, "last_four"),
    (Mask::FirstFour, "first_four"),
];
const PARTIAL: &str = "partial(";
const CONSTANT: &str = "constant(";

impl Mask {
    pub fn parse(word: &str) -> Option<Mask> {
        let inside = |begin: &str| word.strip_prefix(begin)?.strip_suffix(')');
        if let Some(text) = inside(CONSTANT) {
            let is_plain = text.len() <= CONSTANT_BYTES_MAX && !text.contains(is_hostile);
            return is_plain.then(|| Mask::Constant(text.to_owned()));
        }
        match inside(PARTIAL) {
            Some(text) => Partial::parse(text).map(Mask::Partial),
            None => WORDS.iter().find(|(_, known)| *known == word).map(|(mask, _)| mask.clone()),
        }
    }

    /// All words, for the text of an error.
    pub fn words() -> Vec<&'static str> {
        let forms = ["constant(some text)", "partial(last, 4, *)", "partial(first, 4, *)"];
        WORDS.iter().map(|(_, word)| *word).chain(forms).collect()
    }

    /// What is left where all of these meet, in whatever order they come.
    pub fn strictest(masks: impl IntoIterator<Item = Mask>) -> Option<Mask> {
        let mut masks: Vec<Mask> = masks.into_iter().collect();
        masks.sort();
        masks.into_iter().reduce(Mask::and)
    }

    /// What both leave. The last four letters are not hidden by whoever shows the first four: of two that show different parts, neither hides what
    /// the other does.
    fn and(self, other: Mask) -> Mask {
        let (stricter, milder) = if other < self { (other, self) } else { (self, other) };
        match (stricter.end(), milder.end()) {
            (Some(one), Some(other)) if one != other => Mask::DefaultValue,
            _ => stricter,
        }
    }

    /// Which part of a value it shows; nothing if it shows none.
    fn end(&self) -> Option<End> {
        match self {
            Mask::FirstFour => Some(End::Of(Side::First)),
            Mask::LastFour => Some(End::Of(Side::Last)),
            Mask::Partial(partial) => Some(End::Of(partial.side)),
            Mask::Email => Some(End::Domain),
            _ => None,
        }
    }

    /// What this mask becomes on a value of a type that was reached in some way.
    ///
    /// A part of a computed value is no part of the source: the last four of a reversed number are its first. A hash of one
    /// letter of it is the letter. So whatever is computed shows nothing.
    pub fn on(&self, how: How, kind: Option<&Type>) -> Mask {
        let mask = match how {
            How::Direct => self.clone(),
            // Under one key a guess and what is hidden have the same hash.
            How::Mixed if !matches!(self, Mask::KeyedHash | Mask::RandomHash) => self.clone(),
            How::Mixed | How::Derived | How::Counted => self.clone().min(Mask::DefaultValue),
        };
        match kind {
            None => mask.min(Mask::AlwaysNull),
            Some(kind) if mask.fits(kind) => mask,
            // A hash or a part of something that has none. BigQuery has no default for a struct.
            Some(Type::Struct(_)) => mask.min(Mask::AlwaysNull),
            Some(_) => mask.min(Mask::DefaultValue),
        }
    }

    fn fits(&self, kind: &Type) -> bool {
        match self {
            Mask::Refuse | Mask::AlwaysNull => true,
            // The default of JSON and of types that BigQuery gives none is NULL, which says the same.
            Mask::DefaultValue => !matches!(kind, Type::Struct(_)),
            Mask::RandomHash | Mask::KeyedHash | Mask::Sha256 => matches!(element(kind), Type::String | Type::Bytes),
            Mask::DateYear => matches!(element(kind), Type::Date | Type::Datetime | Type::Timestamp),
            // One of each element would tell how many there are.
            Mask::Constant(_) => *kind == Type::String,
            Mask::Email | Mask::Partial(_) | Mask::LastFour | Mask::FirstFour => {
                matches!(element(kind), Type::String)
            }
        }
    }

    /// A partial mask that keeps no more than BigQuery's stands before them, for it fills short values; one that keeps more stands behind.
    fn rank(&self) -> u8 {
        match self {
            Mask::Refuse => 0,
            Mask::AlwaysNull => 1,
            Mask::DefaultValue => 2,
            Mask::Constant(_) => 3,
            Mask::RandomHash => 4,
            Mask::KeyedHash => 5,
            Mask::Sha256 => 6,
            Mask::DateYear => 7,
            Mask::Email => 8,
            Mask::Partial(partial) if partial.kept <= FOUR => 9,
            Mask::LastFour => 10,
            Mask::FirstFour => 11,
            Mask::Partial(_) => 12,
        }
    }
}

impl Partial {
    /// `last, 4, *`: the side that is kept, how many characters of it, what stands for each other one. Written so and in no other way.
    pub fn parse(text: &str) -> Option<Partial> {
        let (side, rest) = text.split_once(", ")?;
        let (count, fill) = rest.split_once(", ")?;
        let side = match side {
            "first" => Side::First,
            "last" => Side::Last,
            _ => return None,
        };
        let kept = (1..=PARTIAL_CHARACTERS_MAX).find(|kept| kept.to_string() == count)?;
        let mut letters = fill.chars();
        let fill = letters.next().filter(|letter| letter.is_ascii_alphanumeric() || FILLS.contains(*letter))?;
        letters.next().is_none().then_some(Partial { kept, side, fill })
    }

    pub fn kept(self) -> usize {
        usize::from(self.kept)
    }

    pub fn side(self) -> Side {
        self.side
    }

    pub fn fill(self) -> char {
        self.fill
    }
}

impl Ord for Mask {
    fn cmp(&self, other: &Mask) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Mask::Partial(one), Mask::Partial(other)) => one.cmp(other),
            // Neither shows anything. One of them, and always the same one.
            (Mask::Constant(one), Mask::Constant(other)) => one.cmp(other),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Mask {
    fn partial_cmp(&self, other: &Mask) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mask::Constant(text) => write!(formatter, "{CONSTANT}{text})"),
            Mask::Partial(Partial { kept, side, fill }) => {
                let side = if *side == Side::First { "first" } else { "last" };
                write!(formatter, "{PARTIAL}{side}, {kept}, {fill})")
            }
            plain => formatter.write_str(WORDS.iter().find(|(mask, _)| mask == plain).map_or("refuse", |(_, word)| word)),
        }
    }
}

/// The type at a path of an output. Arrays are passed through, as paths do. None if the path does not fit.
pub fn kind_at<'a>(kind: &'a Type, path: &[String]) -> Option<&'a Type> {
    let Some((step, rest)) = path.split_first() else { return Some(kind) };
    let fields = kind.fields()?;
    kind_at(&fields.get(field_at(fields, step)?)?.kind, rest)
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
        // From the strictest down.
        let words = [
            "refuse",
            "always_null",
            "default_value",
            "constant()",
            "constant(a \"b\" (c))",
            "constant(hidden)",
            "random_hash",
            "keyed_hash",
            "sha256",
            "date_year",
            "email",
            "partial(first, 1, *)",
            "partial(first, 4, #)",
            "partial(last, 4, *)",
            "partial(last, 4, X)",
            "last_four",
            "first_four",
            "partial(first, 5, 0)",
            "partial(last, 16, -)",
        ];
        let masks: Vec<Mask> = words.iter().map(|word| Mask::parse(word).unwrap_or_else(|| panic!("{word}"))).collect();
        for (mask, word) in masks.iter().zip(words) {
            assert_eq!(mask.to_string(), word);
        }
        assert!(masks.is_sorted_by(|one, next| one < next));
        assert!(Mask::words().into_iter().all(|word| Mask::parse(word).is_some()));
    }

    #[test]
    fn what_is_no_mask_is_none() {
        for word in [
            "",
            "LAST_FOUR",
            " refuse",
            "constant",
            "constant(a",
            "constant(a) ",
            "constant(a\nb)",
            "constant(\u{202e})",
            "partial()",
            "partial(last, 0, *)",
            "partial(last, 17, *)",
            "partial(last, 04, *)",
            "partial(last, +4, *)",
            "partial(last, 256, *)",
            "partial(last,4,*)",
            "partial(last, 4)",
            "partial(last, 4, )",
            "partial(last, 4, **)",
            "partial(last, 4, \")",
            "partial(last, 4, é)",
            "partial(both, 4, *)",
            "partial(last, 4, *, *)",
        ] {
            assert_eq!(Mask::parse(word), None, "{word}");
        }
        let constant = |bytes: usize| Mask::parse(&format!("constant({})", "x".repeat(bytes)));
        assert!(constant(CONSTANT_BYTES_MAX).is_some() && constant(CONSTANT_BYTES_MAX + 1).is_none());
    }

    #[test]
    fn masks_that_meet_hide_what_each_of_them_hides() {
        let check = |masks: &[&str], expect: &str| {
            let mut masks: Vec<Mask> = masks.iter().map(|word| Mask::parse(word).unwrap()).collect();
            for _ in 0..masks.len() {
                masks.rotate_left(1);
                assert_eq!(Mask::strictest(masks.clone()).unwrap().to_string(), expect, "{masks:?}");
            }
        };
        check(&["last_four"], "last_four");
        check(&["last_four", "last_four"], "last_four");
        check(&["last_four", "refuse"], "refuse");
        check(&["date_year", "always_null", "sha256"], "always_null");
        check(&["last_four", "first_four"], "default_value");
        check(&["partial(first, 1, *)", "last_four"], "default_value");
        check(&["partial(first, 6, *)", "partial(last, 1, *)"], "default_value");
        check(&["email", "first_four"], "default_value");
        check(&["email", "partial(last, 1, *)"], "default_value");
        check(&["email", "email"], "email");
        check(&["last_four", "partial(last, 2, *)"], "partial(last, 2, *)");
        check(&["last_four", "partial(last, 4, *)"], "partial(last, 4, *)");
        check(&["last_four", "partial(last, 6, *)"], "last_four");
        check(&["partial(first, 2, *)", "partial(first, 6, #)", "first_four"], "partial(first, 2, *)");
        check(&["partial(first, 2, *)", "first_four", "last_four"], "default_value");
        // A hash shows no part, so it hides what they show, and is left.
        check(&["first_four", "last_four", "sha256"], "sha256");
        check(&["first_four", "last_four", "constant(x)"], "constant(x)");
        check(&["first_four", "last_four", "always_null"], "always_null");
        assert_eq!(Mask::strictest([]), None);
    }

    fn check(mask: &str, how: How, kind: &str, expect: &str) {
        let kind = Type::parse(kind).ok();
        assert_eq!(Mask::parse(mask).unwrap().on(how, kind.as_ref()).to_string(), expect, "{mask} {how:?} {kind:?}");
    }

    #[test]
    fn every_mask_has_something_to_fall_back_on() {
        check("last_four", How::Direct, "STRING", "last_four");
        check("last_four", How::Direct, "ARRAY<STRING>", "last_four");
        check("last_four", How::Direct, "INT64", "default_value");
        check("last_four", How::Direct, "STRUCT<a STRING>", "always_null");
        check("last_four", How::Direct, "?", "always_null");
        check("last_four", How::Derived, "STRING", "default_value");
        check("last_four", How::Mixed, "STRING", "last_four");
        check("sha256", How::Mixed, "STRING", "sha256");
        check("keyed_hash", How::Mixed, "STRING", "default_value");
        check("random_hash", How::Mixed, "ARRAY<BYTES>", "default_value");
        check("always_null", How::Mixed, "STRING", "always_null");
        check("sha256", How::Derived, "STRING", "default_value");
        check("sha256", How::Direct, "BYTES", "sha256");
        check("sha256", How::Direct, "INT64", "default_value");
        check("date_year", How::Direct, "TIMESTAMP", "date_year");
        check("date_year", How::Direct, "TIME", "default_value");
        check("default_value", How::Direct, "STRUCT<a STRING>", "always_null");
        check("always_null", How::Derived, "BOOL", "always_null");
        check("email", How::Counted, "INT64", "default_value");
        check("refuse", How::Direct, "?", "refuse");
        check("keyed_hash", How::Direct, "ARRAY<BYTES>", "keyed_hash");
        check("keyed_hash", How::Direct, "INT64", "default_value");
        check("constant(x)", How::Direct, "STRING", "constant(x)");
        check("constant(x)", How::Derived, "STRING", "default_value");
        check("constant(x)", How::Direct, "BYTES", "default_value");
        check("partial(last, 4, *)", How::Direct, "STRING", "partial(last, 4, *)");
        check("partial(last, 4, *)", How::Derived, "STRING", "default_value");
        check("partial(last, 4, *)", How::Direct, "ARRAY<STRUCT<a STRING>>", "default_value");
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
