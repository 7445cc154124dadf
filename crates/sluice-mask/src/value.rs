//! What a mask leaves of one value. The one place that says how hashes are written, and what stands in for each type.

use crate::keys::HashKeys;
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
/// That are shown of the one end or the other.
const SHOWN: usize = 4;
const LOCAL_PART_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const DOMAIN_LABEL_BYTES_MAX: usize = 63;

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

enum Hash {
    Keyed,
    Plain,
    Random,
}

impl Values {
    /// `cell` is a JSON string or `null`, whose shape is known to be right.
    pub(crate) fn write(&self, mask: &Mask, scalar: Scalar<'_>, cell: &str, out: &mut String) {
        let value = match (mask, unescaped(cell)) {
            (Mask::AlwaysNull | Mask::Refuse, _) if scalar.may_be_null => return out.push_str("null"),
            (Mask::AlwaysNull | Mask::DefaultValue | Mask::Refuse, value) => return self.write_default(scalar, value.as_deref(), out),
            (Mask::Constant(text), _) if *scalar.kind == Type::String => return write_string(text, out),
            (Mask::Constant(_), value) => return self.write_default(scalar, value.as_deref(), out),
            // What is not there has no part and no hash.
            (_, None) => return out.push_str("null"),
            (_, Some(value)) => value,
        };
        match self.shown(mask, scalar.kind, &value) {
            Some(shown) => write_string(&shown, out),
            // It cannot be read as what it should be: nothing of it passes.
            None => self.write_default(scalar, Some(&value), out),
        }
    }

    /// What BigQuery's rule writes for the type. NULL for those that it gives none, else the least that the type can say.
    pub(crate) fn write_default(&self, scalar: Scalar<'_>, value: Option<&str>, out: &mut String) {
        let text = match scalar.kind {
            Type::Interval | Type::Json | Type::Range(_) if scalar.may_be_null => return out.push_str("null"),
            Type::Array(_) | Type::Bytes | Type::String | Type::Struct(_) => "",
            Type::BigNumeric | Type::Int64 | Type::Numeric => "0",
            Type::Bool => "false",
            Type::Date => "1970-01-01",
            Type::Datetime => "1970-01-01T00:00:00",
            Type::Float64 => "0.0",
            Type::Geography => "POINT(0 0)",
            Type::Interval => "0-0 0 0:0:0",
            Type::Json => "null",
            Type::Range(_) => "[UNBOUNDED, UNBOUNDED)",
            Type::Time => "00:00:00",
            Type::Timestamp => value.and_then(TimestampForm::of_value).unwrap_or(self.form).epoch(),
        };
        write_string(text, out);
    }

    fn shown(&self, mask: &Mask, kind: &Type, value: &str) -> Option<String> {
        match (mask, kind) {
            (Mask::RandomHash, _) => self.hashed(&Hash::Random, kind, value),
            (Mask::KeyedHash, _) => self.hashed(&Hash::Keyed, kind, value),
            (Mask::Sha256, _) => self.hashed(&Hash::Plain, kind, value),
            (Mask::DateYear, Type::Date) => begin_of_year_of_date(value),
            (Mask::DateYear, Type::Datetime) => begin_of_year_of_datetime(value),
            (Mask::DateYear, Type::Timestamp) => TimestampForm::of_value(value)?.begin_of_year(value),
            (Mask::Email, Type::String) => match domain(value) {
                Some(domain) => Some(format!("{HIDDEN}@{domain}")),
                None => self.hashed(&Hash::Plain, kind, value),
            },
            (Mask::LastFour, Type::String) => match last(value, SHOWN) {
                Some(shown) => Some(format!("{HIDDEN}{shown}")),
                None => self.hashed(&Hash::Plain, kind, value),
            },
            (Mask::FirstFour, Type::String) => match first(value, SHOWN) {
                Some(shown) => Some(format!("{shown}{HIDDEN}")),
                None => self.hashed(&Hash::Plain, kind, value),
            },
            (Mask::Partial(partial), Type::String) => Some(filled(*partial, value)),
            _ => None,
        }
    }

    /// Of the bytes that the value stands for. A cell of bytes holds base64 anyway, and one of text holds it because BigQuery's own hash of a text is
    /// shown so: whether its mask writes a text the same way is not verified.
    fn hashed(&self, hash: &Hash, kind: &Type, value: &str) -> Option<String> {
        let bytes = match kind {
            Type::Bytes => Cow::Owned(STANDARD.decode(value).ok()?),
            Type::String => Cow::Borrowed(value.as_bytes()),
            _ => return None,
        };
        Some(match hash {
            Hash::Keyed => STANDARD.encode(sign(&self.keys.keyed, &bytes)),
            Hash::Plain => STANDARD.encode(digest(&SHA256, &bytes)),
            Hash::Random => STANDARD.encode(sign(&self.keys.random, &bytes)),
        })
    }
}

/// As JSON, with no more escapes than it needs.
pub(crate) fn write_string(text: &str, out: &mut String) {
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

/// The text that a cell stands for; nothing if it is null.
fn unescaped(cell: &str) -> Option<Cow<'_, str>> {
    let inside = cell.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') { serde_json::from_str(cell).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inside)) }
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
fn filled(partial: Partial, value: &str) -> String {
    let count = value.chars().count();
    let fill = |count: usize| std::iter::repeat_n(partial.fill(), count).collect::<String>();
    let hidden = count.saturating_sub(partial.kept());
    match (partial.side(), first(value, partial.kept()), last(value, partial.kept())) {
        (Side::First, Some(shown), _) => format!("{shown}{}", fill(hidden)),
        (Side::Last, _, Some(shown)) => format!("{}{shown}", fill(hidden)),
        _ => fill(count),
    }
}

/// Of an address that is one beyond doubt: what BigQuery finds valid is not said, and what is not an address can hold anything behind its `@`.
fn domain(value: &str) -> Option<&str> {
    let (local, domain) = value.split_once('@')?;
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let local_is_good = (1..=LOCAL_PART_BYTES_MAX).contains(&local.len())
        && local.bytes().all(is_local)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let (_, top) = domain.rsplit_once('.')?;
    let domain_is_good = domain.len() <= DOMAIN_BYTES_MAX
        && domain.split('.').all(is_label)
        && top.len() > 1
        && top.bytes().any(|byte| byte.is_ascii_alphabetic());
    (local_is_good && domain_is_good).then_some(domain)
}

#[cfg(test)]
mod tests;
