//! Bytes of a row into values, by the fields that its client described.

use super::descriptor::{Field, Kind};
use std::cmp::Ordering;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const NANOSECONDS_PER_MICROSECOND: i64 = 1_000;
const VARINT_BYTES_MAX: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Bytes(Vec<u8>),
    /// With its name, if its number has one.
    Enum(i64, Option<String>),
    Float(f64),
    Integer(i64),
    Message(Fields),
    Text(String),
    Unsigned(u64),
}

/// What came for each field, in the order of the description.
pub type Fields = Vec<Vec<Value>>;

/// One value as the wire has it.
enum Piece<'a> {
    Four([u8; 4]),
    Eight([u8; 8]),
    Long(&'a [u8]),
    Varint(u64),
}

struct Reader<'a>(&'a [u8]);

/// The values of a message, or what is wrong with it.
pub fn read(fields: &[Field], bytes: &[u8]) -> Result<Fields, String> {
    let mut found: Fields = fields.iter().map(|_| Vec::new()).collect();
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        let (number, piece) = reader.piece().ok_or("the row is no message of protobuf")?;
        let place = fields.iter().position(|field| field.number == number);
        let place = place.ok_or_else(|| format!("the row has field {number}, which the schema does not describe"))?;
        let (Some(field), Some(values)) = (fields.get(place), found.get_mut(place)) else { continue };
        take(field, piece, values)?;
    }
    for (field, values) in fields.iter().zip(&mut found) {
        // The last one counts.
        if !field.is_repeated && values.len() > 1 {
            values.drain(..values.len() - 1);
        }
    }
    Ok(found)
}

fn take(field: &Field, piece: Piece<'_>, values: &mut Vec<Value>) -> Result<(), String> {
    let wrong = || format!("field `{}` is written in another type than the schema says", field.name);
    match piece {
        // Numbers of a list may come in one piece.
        Piece::Long(packed) if field.is_repeated && is_number(&field.kind) => {
            let mut reader = Reader(packed);
            while !reader.0.is_empty() {
                let one = reader.of_kind(&field.kind).ok_or_else(wrong)?;
                values.push(value(&field.kind, one)?.ok_or_else(wrong)?);
            }
        }
        single => values.push(value(&field.kind, single)?.ok_or_else(wrong)?),
    }
    Ok(())
}

/// Nothing where the wire has another type.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "protobuf writes signed numbers as the bits of unsigned ones"
)]
fn value(kind: &Kind, piece: Piece<'_>) -> Result<Option<Value>, String> {
    Ok(Some(match (kind, piece) {
        (Kind::Bool, Piece::Varint(bits)) => Value::Bool(bits != 0),
        (Kind::Bytes, Piece::Long(bytes)) => Value::Bytes(bytes.to_vec()),
        (Kind::Double, Piece::Eight(bytes)) => Value::Float(f64::from_le_bytes(bytes)),
        (Kind::Enum(names), Piece::Varint(bits)) => {
            let number = bits as i32;
            Value::Enum(i64::from(number), names.get(&number).cloned())
        }
        (Kind::Fixed32, Piece::Four(bytes)) => Value::Unsigned(u64::from(u32::from_le_bytes(bytes))),
        (Kind::Fixed64, Piece::Eight(bytes)) => Value::Unsigned(u64::from_le_bytes(bytes)),
        (Kind::Float, Piece::Four(bytes)) => Value::Float(f64::from(f32::from_le_bytes(bytes))),
        (Kind::Int32, Piece::Varint(bits)) => Value::Integer(i64::from(bits as i32)),
        (Kind::Int64, Piece::Varint(bits)) => Value::Integer(bits as i64),
        (Kind::Message(fields), Piece::Long(bytes)) => Value::Message(read(fields, bytes)?),
        (Kind::Moment, Piece::Long(bytes)) => moment(bytes)?,
        (Kind::Sfixed32, Piece::Four(bytes)) => Value::Integer(i64::from(i32::from_le_bytes(bytes))),
        (Kind::Sfixed64, Piece::Eight(bytes)) => Value::Integer(i64::from_le_bytes(bytes)),
        (Kind::Sint32 | Kind::Sint64, Piece::Varint(bits)) => Value::Integer((bits >> 1) as i64 ^ -((bits & 1) as i64)),
        (Kind::Text, Piece::Long(bytes)) => Value::Text(std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?.to_owned()),
        (Kind::Uint32, Piece::Varint(bits)) => Value::Unsigned(u64::from(bits as u32)),
        (Kind::Uint64, Piece::Varint(bits)) => Value::Unsigned(bits),
        (Kind::Wrapped(field), Piece::Long(bytes)) => {
            let found = read(std::slice::from_ref(field), bytes)?.into_iter().flatten().next();
            found.unwrap_or_else(|| zero(&field.kind))
        }
        _ => return Ok(None),
    }))
}

/// Microseconds since 1970.
fn moment(bytes: &[u8]) -> Result<Value, String> {
    let field = |number: u32, name: &str, kind: Kind| Field { number, name: name.to_owned(), kind, is_repeated: false };
    let found = read(&[field(1, "seconds", Kind::Int64), field(2, "nanos", Kind::Int32)], bytes)?;
    let part = |place: usize| match found.get(place).and_then(|values| values.first()) {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    };
    let seconds = part(0).checked_mul(MICROSECONDS_PER_SECOND);
    let micros = seconds.and_then(|seconds| seconds.checked_add(part(1) / NANOSECONDS_PER_MICROSECOND));
    micros.map(Value::Integer).ok_or_else(|| "a moment is out of range".to_owned())
}

/// What an empty message around a value means.
fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Bytes => Value::Bytes(Vec::new()),
        Kind::Double | Kind::Float => Value::Float(0.0),
        Kind::Text => Value::Text(String::new()),
        Kind::Uint32 | Kind::Uint64 => Value::Unsigned(0),
        _ => Value::Integer(0),
    }
}

fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::Bytes | Kind::Message(_) | Kind::Moment | Kind::Text | Kind::Wrapped(_))
}

impl<'a> Reader<'a> {
    /// A field's number and what stands behind it.
    fn piece(&mut self) -> Option<(u32, Piece<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
        let piece = match tag & 7 {
            0 => Piece::Varint(self.varint()?),
            1 => Piece::Eight(self.bytes(8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Piece::Long(self.bytes(length)?)
            }
            5 => Piece::Four(self.bytes(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((number, piece))
    }

    /// One of several numbers that stand behind each other.
    fn of_kind(&mut self, kind: &Kind) -> Option<Piece<'a>> {
        Some(match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Piece::Eight(self.bytes(8)?.try_into().ok()?),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Piece::Four(self.bytes(4)?.try_into().ok()?),
            _ => Piece::Varint(self.varint()?),
        })
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..VARINT_BYTES_MAX {
            let [byte] = self.bytes(1)? else { return None };
            let bits = u64::from(byte & 0x7f);
            match place.cmp(&(VARINT_BYTES_MAX - 1)) {
                // Of the tenth byte one bit is left.
                Ordering::Equal if bits > 1 => return None,
                _ => number |= bits << (7 * place),
            }
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u32, kind: Kind, is_repeated: bool) -> Field {
        Field { number, name: format!("f{number}"), kind, is_repeated }
    }

    fn check(kind: Kind, is_repeated: bool, bytes: &[u8], expect: Result<&[Value], &str>) {
        let found = read(&[field(1, kind.clone(), is_repeated)], bytes).map(|found| found.into_iter().next().unwrap_or_default());
        match expect {
            Ok(expect) => assert_eq!(found.as_deref(), Ok(expect), "{kind:?}"),
            Err(part) => assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{kind:?}: {found:?}"),
        }
    }

    #[test]
    fn values_are_read_from_the_wire() {
        check(Kind::Int64, false, &[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok(&[Value::Integer(-1)]));
        check(Kind::Int32, false, &[8, 7, 8, 9], Ok(&[Value::Integer(9)]));
        check(Kind::Sint64, false, &[8, 3], Ok(&[Value::Integer(-2)]));
        check(Kind::Uint64, false, &[8, 0x96, 1], Ok(&[Value::Unsigned(150)]));
        check(Kind::Bool, true, &[10, 2, 1, 0, 8, 1], Ok(&[Value::Bool(true), Value::Bool(false), Value::Bool(true)]));
        check(Kind::Double, false, &[9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], Ok(&[Value::Float(1.5)]));
        check(Kind::Text, true, &[10, 1, b'a', 10, 0], Ok(&[Value::Text("a".to_owned()), Value::Text(String::new())]));
        check(Kind::Moment, false, &[10, 5, 8, 2, 16, 0xd0, 0x0f], Ok(&[Value::Integer(2_000_002)]));
        check(Kind::Wrapped(Box::new(field(1, Kind::Int64, false))), false, &[10, 0], Ok(&[Value::Integer(0)]));
        check(
            Kind::Message(vec![field(2, Kind::Int64, false)]),
            false,
            &[10, 2, 16, 5],
            Ok(&[Value::Message(vec![vec![Value::Integer(5)]])]),
        );
        check(Kind::Int64, false, &[], Ok(&[]));
    }

    #[test]
    fn what_is_no_row_is_told() {
        check(Kind::Int64, false, &[8], Err("no message"));
        check(Kind::Int64, false, &[0, 1], Err("no message"));
        check(Kind::Int64, false, &[11, 12], Err("no message"));
        check(Kind::Text, false, &[10, 5, b'a'], Err("no message"));
        check(Kind::Text, false, &[10, 1, 0xff], Err("UTF-8"));
        check(Kind::Int64, false, &[16, 1], Err("field 2"));
        check(Kind::Int64, false, &[10, 1, b'a'], Err("another type"));
        check(Kind::Int64, false, &[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err("no message"));
    }
}
