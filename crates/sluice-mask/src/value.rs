//! What a mask leaves of one value. The one place that says how hashes are written, and what stands in for each type.

use crate::keys::HashKeys;
use crate::mail::domain;
use crate::marks::plain_bytes;
use crate::moment::{TimestampForm, begin_of_year_of_date, begin_of_year_of_datetime};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::sign;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_model::Type;
use sluice_policy::{Mask, Partial, Side};
use std::borrow::Cow;

/// In place of the part that is hidden, as BigQuery writes it.
const HIDDEN: &str = "XXXXX";
const HIDDEN_MAIL: &str = "XXXXX@";
/// That are shown of the one end or the other.
const SHOWN: usize = 4;

/// For the cells of one result.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) keys: HashKeys,
    /// For moments that are null, or cannot be read.
    pub(crate) form: TimestampForm,
}

/// What a scalar cell may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<'a> {
    pub(crate) kind: &'a Type,
    pub(crate) may_be_null: bool,
}

/// A scalar cell as it stands in a row.
#[derive(Clone, Copy)]
pub(crate) enum Cell<'a> {
    Null,
    /// Between its quotes, and there is no escape in it.
    Plain(&'a str),
    /// With its quotes.
    Escaped(&'a str),
}

/// What stands in a cell whatever it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Always<'a> {
    Null,
    Default,
    Text(&'a str),
}

pub(crate) const HASH_BYTES: usize = 32;

impl<'a> Cell<'a> {
    /// A JSON string or `null`.
    pub(crate) fn of(text: &'a str) -> Cell<'a> {
        match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(inside) if inside.contains('\\') => Cell::Escaped(text),
            Some(inside) => Cell::Plain(inside),
            None => Cell::Null,
        }
    }

    /// The text that it stands for; nothing if it is null.
    fn value(self) -> Option<Cow<'a, str>> {
        match self {
            Cell::Null => None,
            Cell::Plain(text) => Some(Cow::Borrowed(text)),
            Cell::Escaped(text) => serde_json::from_str(text).ok().map(Cow::Owned),
        }
    }
}

impl Values {
    /// The shape of the cell is known to be right. Where it makes no difference the value is not even read.
    pub(crate) fn write(&self, mask: &Mask, scalar: Scalar<'_>, cell: Cell<'_>, out: &mut String) {
        match (always(mask, scalar), cell) {
            (Some(Always::Null), _) => out.push_str("null"),
            (Some(Always::Text(text)), _) => write_string(text, out),
            // A moment shows in which form it was.
            (Some(Always::Default), cell) if *scalar.kind == Type::Timestamp => self.write_default(scalar, cell.value().as_deref(), out),
            (Some(Always::Default), _) => self.write_default(scalar, None, out),
            // What is not there has no part and no hash.
            (None, Cell::Null) => out.push_str("null"),
            (None, cell) => match cell.value() {
                Some(value) if *scalar.kind == Type::String => self.write_text(mask, scalar, &value, out),
                Some(value) => match self.shown(mask, scalar.kind, &value) {
                    Some(shown) => write_string(&shown, out),
                    // It cannot be read as what it should be: nothing of it passes.
                    None => self.write_default(scalar, Some(&value), out),
                },
                None => self.write_default(scalar, None, out),
            },
        }
    }

    /// Straight to where it belongs; what needs an escape there is written once more.
    fn write_text(&self, mask: &Mask, scalar: Scalar<'_>, value: &str, out: &mut String) {
        let before = out.len();
        out.push('"');
        let from = out.len();
        let is_shown = self.show_text(mask, value, out);
        if is_shown && out.get(from..).is_some_and(is_plain) {
            return out.push('"');
        }
        let shown = out.get(from..).unwrap_or_default().to_owned();
        out.truncate(before);
        if is_shown { write_string(&shown, out) } else { self.write_default(scalar, Some(value), out) }
    }

    /// What stands in a cell in place of any value; nothing if values differ in it. A moment shows in which form it was.
    pub(crate) fn whatever_it_held(&self, mask: &Mask, scalar: Scalar<'_>) -> Option<String> {
        let always = always(mask, scalar)?;
        if always == Always::Default && *scalar.kind == Type::Timestamp {
            return None;
        }
        let mut same = String::new();
        self.write(mask, scalar, Cell::Null, &mut same);
        Some(same)
    }

    /// Between its quotes, of a text that has no escape and by a mask of which `keeps_plain` holds: what is left has none, either.
    pub(crate) fn write_plain(&self, mask: &Mask, value: &str, out: &mut String) {
        // What the mask does not serve is the default of a text, which is none.
        self.show_text(mask, value, out);
    }

    /// What BigQuery's rule writes for the type. NULL for those that it gives none, else the least that the type can say.
    pub(crate) fn write_default(&self, scalar: Scalar<'_>, value: Option<&str>, out: &mut String) {
        if default_of(scalar) == Always::Null {
            return out.push_str("null");
        }
        let text = match scalar.kind {
            Type::BigNumeric | Type::Int64 | Type::Numeric => "0",
            Type::Bool => "false",
            Type::Date => "1970-01-01",
            Type::Float64 => "0.0",
            Type::Interval => "0-0 0 0:0:0",
            Type::Range(_) => "[UNBOUNDED, UNBOUNDED)",
            Type::Time => "00:00:00",
            Type::Timestamp => value.and_then(TimestampForm::of_value).unwrap_or(self.form).epoch(),
            kind => default_text(kind),
        };
        write_string(text, out);
    }

    /// Of a value that is no text.
    fn shown(&self, mask: &Mask, kind: &Type, value: &str) -> Option<String> {
        match (mask, kind) {
            // A cell of bytes holds base64.
            (_, Type::Bytes) => Some(STANDARD.encode(self.hash(mask, &STANDARD.decode(value).ok()?)?)),
            (Mask::DateYear, Type::Date) => begin_of_year_of_date(value),
            (Mask::DateYear, Type::Datetime) => begin_of_year_of_datetime(value),
            (Mask::DateYear, Type::Timestamp) => TimestampForm::of_value(value)?.begin_of_year(value),
            _ => None,
        }
    }

    /// What is left of a STRING, written behind what stands there. False: nothing may be, and nothing was written.
    ///
    /// A hash is written as base64 because BigQuery's own hash of a text is shown so: whether its mask writes a text the same way is not verified.
    pub(crate) fn show_text(&self, mask: &Mask, value: &str, out: &mut String) -> bool {
        match mask {
            Mask::Email => match domain(value) {
                Some(domain) => write_parts(&[HIDDEN_MAIL, domain], out),
                None => STANDARD.encode_string(plain_hash(value.as_bytes()), out),
            },
            Mask::LastFour => match last(value, SHOWN) {
                Some(shown) => write_parts(&[HIDDEN, shown], out),
                None => STANDARD.encode_string(plain_hash(value.as_bytes()), out),
            },
            Mask::FirstFour => match first(value, SHOWN) {
                Some(shown) => write_parts(&[shown, HIDDEN], out),
                None => STANDARD.encode_string(plain_hash(value.as_bytes()), out),
            },
            Mask::Partial(partial) => fill(*partial, value, out),
            _ => match self.hash(mask, value.as_bytes()) {
                Some(hash) => STANDARD.encode_string(hash, out),
                None => return false,
            },
        }
        true
    }

    /// Of the bytes that a value stands for; nothing if the mask is no hash.
    pub(crate) fn hash(&self, mask: &Mask, bytes: &[u8]) -> Option<[u8; HASH_BYTES]> {
        match mask {
            Mask::KeyedHash => sign(&self.keys.keyed, bytes).as_ref().try_into().ok(),
            Mask::RandomHash => sign(&self.keys.random, bytes).as_ref().try_into().ok(),
            Mask::Sha256 => Some(plain_hash(bytes)),
            _ => None,
        }
    }
}

/// Of a text without escapes it leaves one without escapes, whatever that was: parts of it, letters of base64, and its own.
pub(crate) fn keeps_plain(mask: &Mask, scalar: Scalar<'_>) -> bool {
    let is_plain = match mask {
        Mask::Partial(partial) => is_plain(partial.fill().encode_utf8(&mut [0; 4])),
        _ => true,
    };
    is_plain && *scalar.kind == Type::String && always(mask, scalar).is_none()
}

/// Nothing, if it depends on what the cell held.
pub(crate) fn always<'a>(mask: &'a Mask, scalar: Scalar<'_>) -> Option<Always<'a>> {
    match mask {
        Mask::AlwaysNull | Mask::Refuse if scalar.may_be_null => Some(Always::Null),
        Mask::Constant(text) if *scalar.kind == Type::String => Some(Always::Text(text)),
        Mask::AlwaysNull | Mask::Constant(_) | Mask::DefaultValue | Mask::Refuse => Some(default_of(scalar)),
        _ => None,
    }
}

/// These types have no default in BigQuery.
pub(crate) fn default_of(scalar: Scalar<'_>) -> Always<'static> {
    match scalar.kind {
        Type::Interval | Type::Json | Type::Range(_) if scalar.may_be_null => Always::Null,
        _ => Always::Default,
    }
}

/// Of a type that is text in every format. Where numbers and moments are numbers, their default is zero.
pub(crate) fn default_text(kind: &Type) -> &'static str {
    match kind {
        Type::Datetime => "1970-01-01T00:00:00",
        Type::Geography => "POINT(0 0)",
        Type::Json => "null",
        _ => "",
    }
}

fn plain_hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

fn write_parts(parts: &[&str], out: &mut String) {
    parts.iter().for_each(|part| out.push_str(part));
}

/// As JSON, with no more escapes than it needs.
pub(crate) fn write_string(text: &str, out: &mut String) {
    if is_plain(text) {
        return write_parts(&["\"", text, "\""], out);
    }
    out.push('"');
    for part in text.split_inclusive(|letter: char| letter < ' ' || matches!(letter, '"' | '\\')) {
        match part.char_indices().next_back() {
            Some((at, mark)) if mark < ' ' || matches!(mark, '"' | '\\') => {
                out.push_str(part.get(..at).unwrap_or_default());
                match mark {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    other => out.push_str(&format!("\\u{:04x}", u32::from(other))),
                }
            }
            _ => out.push_str(part),
        }
    }
    out.push('"');
}

/// It stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    plain_bytes(text.as_bytes()) == text.len()
}

/// The last characters of a value that has more of them.
fn last(value: &str, count: usize) -> Option<&str> {
    let (from, _) = value.char_indices().rev().nth(count.checked_sub(1)?)?;
    value.get(from..).filter(|_| from > 0)
}

fn first(value: &str, count: usize) -> Option<&str> {
    let (to, _) = value.char_indices().nth(count)?;
    value.get(..to)
}

/// A value that has no more characters than may be kept shows none of them.
fn fill(partial: Partial, value: &str, out: &mut String) {
    let count = value.chars().count();
    let hidden = count.saturating_sub(partial.kept());
    let fill = |count: usize, out: &mut String| out.extend(std::iter::repeat_n(partial.fill(), count));
    match (partial.side(), first(value, partial.kept()), last(value, partial.kept())) {
        (Side::First, Some(shown), _) => {
            out.push_str(shown);
            fill(hidden, out);
        }
        (Side::Last, _, Some(shown)) => {
            fill(hidden, out);
            out.push_str(shown);
        }
        _ => fill(count, out),
    }
}

#[cfg(test)]
mod tests;
